#include <diffx/analysis/coding.hpp>
#include <diffx/analysis/masked_likelihood.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/process/absorbing.hpp>

#include "support/class_networks.hpp"
#include "support/message.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using bytes = std::vector<std::uint8_t>;
using tokens = std::vector<std::int32_t>;

std::uint32_t word(std::uint64_t seed, std::uint32_t i) {
  return diffx::random::philox4x32({{i, 0, 0, 0}}, diffx::random::key_from_seed(seed)).word[0];
}

batch_view<std::int32_t const> view(tokens const& x, std::int64_t positions,
                                    std::int64_t first = 0) {
  return {x.data(), static_cast<std::int64_t>(x.size()) / positions, positions, first};
}
batch_view<std::int32_t> view(tokens& x, std::int64_t positions, std::int64_t first = 0) {
  return {x.data(), static_cast<std::int64_t>(x.size()) / positions, positions, first};
}

/// Data classes in any proportion, none of them the mask.
tokens some_tokens(std::size_t n, int classes, int mask, std::uint64_t seed) {
  tokens out(n);
  for (std::size_t i = 0; i < n; ++i) {
    auto t = static_cast<std::int32_t>(word(seed, static_cast<std::uint32_t>(i)) %
                                       static_cast<std::uint32_t>(classes));
    if (t == mask) t = mask == 0 ? 1 : 0;
    out[i] = t;
  }
  return out;
}

/// Encodes, decodes, compares and gives the code.
template <class Process, class Denoiser, class Order>
bytes round_trip(Process const& p, Denoiser const& d, tokens const& x, Order const& order,
                 grid::ardm_policy const& policy, int bits = 24, std::int64_t first = 0) {
  exec::host const host;
  bytes const code = analysis::encode_sequences(host, p, d, view(x, policy.positions(), first),
                                                order, policy, bits);
  auto const header = analysis::read_code_header(code);
  CHECK(header.bits == bits);
  CHECK(header.classes == p.limit().classes);
  CHECK(header.mask == p.limit().mask);
  CHECK(header.batch * header.policy.positions() == static_cast<std::int64_t>(x.size()));
  CHECK(header.first_sample == first);
  CHECK(header.policy == policy);
  CHECK(std::holds_alternative<Order>(header.order));
  tokens out(x.size(), -7);
  analysis::decode_sequences(host, p, d, code, view(out, policy.positions(), first));
  CHECK(out == x);
  return code;
}

TEST_CASE("coding: sequences come back bit by bit, whatever order, policy, mask and precision") {
  constexpr int positions = 12;
  std::vector<std::int32_t> backwards;
  for (int i = positions; i-- > 0;) backwards.push_back(i);
  std::vector<grid::ardm_policy> const policies{
      grid::ardm_naive(positions, 1), grid::ardm_naive(positions, 5),
      grid::ardm_naive(positions, positions), grid::ardm_policy(positions, {0, 1, 2, 3, 9})};
  std::uint64_t seed = 0;
  for (auto const& policy : policies) {
    for (int const mask : {0, 3, 6, 7}) {
      process::absorbing<> const p(7, mask);
      test::scrambled_network<float> const single{{}, 7, 8.0, ++seed};
      test::scrambled_network<double> const wide{{}, 7, 8.0, ++seed};
      tokens const x = some_tokens(20 * positions, 7, mask, seed);
      round_trip(p, single, x, decode::order::raster{}, policy);
      round_trip(p, single, x, decode::order::random{noise::counted{seed}}, policy, 16, 1000);
      round_trip(p, wide, x, decode::order::fixed{backwards}, policy, 31);
      round_trip(p, wide, x, decode::order::random{noise::counted{~seed}}, policy, 3);
      round_trip(p, wide, tokens{}, decode::order::raster{}, policy);
    }
  }
  // Impossible tokens have a code too, and so do extreme logits.
  process::absorbing<> const p(200);
  for (double const spread : {0.0, 1.0, 1e4, 3e38}) {
    test::scrambled_network<float> const d{{}, 200, spread, 5};
    round_trip(p, d, some_tokens(5 * positions, 200, 200, 9), decode::order::raster{}, policies[1]);
  }
}

TEST_CASE("coding: a call sees what the calls before it made known, and its level") {
  std::vector<query> seen;
  process::absorbing<> const p(5);
  test::scrambled_network<float> d{{}, 5, 3.0, 1, &seen};
  grid::ardm_policy const policy(8, {0, 2, 3});
  tokens const x = some_tokens(16, 5, 5, 4);
  round_trip(p, d, x, decode::order::raster{}, policy);
  REQUIRE(seen.size() == 6);  // as many calls as the policy says, on either side
  for (std::size_t i = 0; i < 6; ++i) {
    int const known = policy.begin(static_cast<int>(i % 3));
    CHECK(seen[i].at.alpha == doctest::Approx(known / 8.0).epsilon(1e-15));
    CHECK(seen[i].step == static_cast<int>(i % 3));
  }
}

/// Positions of a chain: class c is followed by itself with probability 0.7.
std::vector<double> chain(int classes, int positions) {
  std::vector<double> w(static_cast<std::size_t>(std::pow(classes, positions)));
  for (std::size_t i = 0; i < w.size(); ++i) {
    double p = 1.0;
    std::size_t rest = i;
    for (int l = 0; l < positions; ++l) {
      auto const v = rest % static_cast<std::size_t>(classes);
      rest /= static_cast<std::size_t>(classes);
      if (l == 0) {
        p *= (1.0 + static_cast<double>(v)) / (classes * (classes + 1) / 2.0);
      } else {
        auto const before = i / static_cast<std::size_t>(std::pow(classes, l - 1)) %
                            static_cast<std::size_t>(classes);
        p *= before == v ? 0.7 : 0.3 / (classes - 1);
      }
    }
    w[i] = p;
  }
  return w;
}

/// Sequences of the law, the last position running fastest.
tokens draw_from(std::vector<double> const& law, int classes, int positions, int n) {
  tokens out;
  for (int s = 0; s < n; ++s) {
    double u = (word(2024, static_cast<std::uint32_t>(s)) + 0.5) * 0x1p-32;
    std::size_t i = 0;
    while (i + 1 < law.size() && u >= law[i]) u -= law[i++];
    tokens one;
    for (int l = 0; l < positions; ++l) {
      one.push_back(static_cast<std::int32_t>(i % static_cast<std::size_t>(classes)));
      i /= static_cast<std::size_t>(classes);
    }
    out.insert(out.end(), one.rbegin(), one.rend());
  }
  return out;
}

// 15 000 symbols: the length is -log2 p, the header and 7 bytes; each probability is off by a
// factor of 1 - 3 / 2^24 at most.
TEST_CASE("coding: the length is the log-likelihood of the order and policy") {
  constexpr int classes = 3, positions = 5, batch = 3000;
  process::absorbing<> const p(classes);
  denoiser::joint_table const d(p, classes, positions, chain(classes, positions));
  tokens const x = draw_from(chain(classes, positions), classes, positions, batch);
  for (int const budget : {1, 2, 5}) {
    auto const policy = grid::ardm_naive(positions, budget);
    decode::order::random const order{noise::counted{3}};
    bytes const code = round_trip(p, d, x, order, policy);
    auto const nll = analysis::sequence_nll(exec::host{}, p, d, view(x, positions), order, policy);
    double bits = 0.0;
    for (double const l : nll) bits += l / std::log(2.0);
    double const length = 8.0 * static_cast<double>(code.size());
    INFO(budget, " calls: ", length, " bits, ideal ", bits);
    CHECK(length >= bits);
    CHECK(length <= bits * (1.0 + 1e-5) + 8.0 * (7 + 40));
    CHECK(length <= 1.02 * bits);
  }
}

TEST_CASE("coding: a decoder in threads reads what one thread wrote") {
  process::absorbing<> const p(11);
  test::scrambled_network<float> const d{{}, 11, 5.0, 8};
  tokens const x = some_tokens(40 * 9, 11, 11, 6);
  decode::order::random const order{noise::counted{1}};
  auto const policy = grid::ardm_naive(9, 4);
  bytes const code = analysis::encode_sequences(exec::host{}, p, d, view(x, 9), order, policy);
  exec::threads const three(3);
  tokens out(x.size());
  analysis::decode_sequences(three, p, d, code, view(out, 9));
  CHECK(out == x);
  CHECK(analysis::encode_sequences(three, p, d, view(x, 9), order, policy) == code);
}

void seal(bytes& code) {
  auto const sum = detail::code_checksum(std::span(code).subspan(detail::code_prefix));
  for (std::size_t i = 0; i < 4; ++i) {
    code[4 + i] = static_cast<std::uint8_t>(sum >> (8 * (3 - i)));
  }
}

struct coded {
  process::absorbing<> process{6, 2};
  test::scrambled_network<float> network{{}, 6, 6.0, 12};
  tokens x = some_tokens(4 * 10, 6, 2, 31);
  bytes random, fixed;

  coded() {
    auto const policy = grid::ardm_naive(10, 4);
    random = encode(decode::order::random{noise::counted{900}}, policy);
    fixed = encode(decode::order::fixed({3, 1, 4, 0, 5, 9, 2, 6, 8, 7}), policy);
  }
  template <class Order>
  bytes encode(Order const& order, grid::ardm_policy const& policy) const {
    return analysis::encode_sequences(exec::host{}, process, network, view(x, 10), order, policy);
  }
  tokens decode_from(bytes const& code, std::size_t count = 40, std::int64_t positions = 10) const {
    tokens out(count, -7);
    analysis::decode_sequences(exec::host{}, process, network, code, view(out, positions));
    return out;
  }
};

TEST_CASE("coding: a code that is cut off or has a wrong bit is an error") {
  coded const c;
  for (bytes const& code : {c.random, c.fixed}) {
    REQUIRE(c.decode_from(code) == c.x);
    for (std::size_t n = 0; n < code.size(); ++n) {
      bytes const cut(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(n));
      CHECK_THROWS_AS(c.decode_from(cut), error);
    }
    for (std::size_t bit = 0; bit < 8 * code.size(); ++bit) {
      bytes changed = code;
      changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1u << bit % 8));
      CHECK_THROWS_AS(c.decode_from(changed), error);
      CHECK_THROWS_AS(analysis::read_code_header(changed), error);
    }
  }
}

// Damage with a checksum that fits it: the header's own checks, the shape and the coder's end state
// must do. What decodes after all must be a code: the one of the tokens it gave.
TEST_CASE("coding: hostile codes are errors, or codes of other tokens") {
  coded const c;
  int refused = 0, accepted = 0;
  auto const attack = [&](bytes code) {
    seal(code);
    try {
      auto const h = analysis::read_code_header(code);
      CHECK(h.policy.positions() <= std::numeric_limits<std::int32_t>::max());
      // Room for what the header says, if that is little: the decoder must not write beyond it.
      std::int64_t const positions = h.policy.positions();
      if (positions > 1000 || h.batch > 1000) throw error("too large for this caller");
      tokens out(static_cast<std::size_t>(h.batch * positions));
      analysis::decode_sequences(exec::host{}, c.process, c.network, code,
                                 view(out, positions, h.first_sample));
      bytes const again = std::visit(
          [&](auto const& order) {
            return analysis::encode_sequences(exec::host{}, c.process, c.network,
                                              view(out, positions, h.first_sample), order, h.policy,
                                              h.bits);
          },
          h.order);
      // The header may write its calls in another way; the stream has one form.
      auto const stream = [](bytes const& b) {
        return bytes(b.begin() + static_cast<std::ptrdiff_t>(detail::get_header(b, 1000).second),
                     b.end());
      };
      CHECK(stream(again) == stream(code));
      ++accepted;
    } catch (error const&) {
      ++refused;
    }
  };
  for (bytes const& code : {c.random, c.fixed}) {
    for (std::size_t i = detail::code_prefix; i < code.size(); ++i) {
      for (int v = 0; v < 256; v += i < 40 ? 1 : 37) {
        bytes changed = code;
        changed[i] = static_cast<std::uint8_t>(v);
        attack(changed);
      }
      attack(bytes(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(i)));
    }
    for (std::uint64_t seed = 0; seed < 3000; ++seed) {
      bytes changed = code;
      auto const at = word(seed, 0) % (changed.size() - 8) + 8;
      for (std::uint32_t k = 0; k < 1 + word(seed, 1) % 6; ++k) {
        changed[8 + word(seed, 10 + k) % (changed.size() - 8)] =
            static_cast<std::uint8_t>(word(seed, 30 + k));
      }
      if (seed % 3 == 1) changed.resize(at);
      if (seed % 3 == 2) {
        changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(at), word(seed, 2) % 20,
                       static_cast<std::uint8_t>(word(seed, 3)));
      }
      attack(changed);
    }
  }
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    bytes noise(detail::code_magic.begin(), detail::code_magic.end());
    auto const size = 8 + word(seed, 0) % 80;
    noise.resize(size);
    for (std::uint32_t i = 8; i < size; ++i) noise[i] = static_cast<std::uint8_t>(word(seed, i));
    attack(noise);
  }
  INFO(accepted, " accepted, ", refused, " refused");
  CHECK(accepted >= 2);  // the codes themselves are among the changes
  CHECK(refused > 9000);
  CHECK(accepted < 400);  // harmless changes of the header, such as the name of the first sample
}

TEST_CASE("coding: a small code cannot ask for a long list of calls") {
  bytes code(detail::code_magic.begin(), detail::code_magic.end());
  code.resize(detail::code_prefix);
  // 24 bits, 6 classes, mask 2, 1 sample from 0, 2^31 - 1 positions, raster, all in single calls.
  for (std::uint64_t const v : {24u, 6u, 2u, 1u, 0u, 0x7fffffffu, 0u, 3u, 0x7fffffffu}) {
    detail::put_varint(code, v);
  }
  code.resize(code.size() + 7, 1);
  seal(code);
  CHECK(test::says(test::message_of([&] { analysis::read_code_header(code); }),
                   "diffx::analysis::read_code_header", "positions", "2147483647",
                   "in [1, 1048576]"));
  coded const c;
  CHECK_THROWS_WITH_AS(c.decode_from(code), doctest::Contains("must be in [1, 10]"), error);
}

TEST_CASE("coding: the other network, shape or process is noticed") {
  coded const c;
  auto other = c.network;
  other.seed = 13;
  tokens out(40);
  CHECK_THROWS_AS(
      analysis::decode_sequences(exec::host{}, c.process, other, c.random, view(out, 10)), error);
  std::string const where = "diffx::analysis::decode_sequences";
  auto const message = [&](auto const& process, auto x) {
    return test::message_of(
        [&] { analysis::decode_sequences(exec::host{}, process, c.network, c.random, x); });
  };
  CHECK(test::says(message(c.process, view(out, 20)), where, "x.batch", "2", "4 as in the code's"));
  CHECK(test::says(message(c.process, view(out, 10, 5)), where, "x.first_sample", "5", "0 as in"));
  tokens longer(44);
  CHECK(test::says(message(c.process, view(longer, 11)), where, "x.features", "11", "10 as in"));
  CHECK(test::says(message(process::absorbing<>(7, 2), view(out, 10)), where,
                   "classes of the process", "7", "6 as in"));
  CHECK(test::says(message(process::absorbing<>(6, 3), view(out, 10)), where, "mask of the process",
                   "3", "2 as in"));
}

/// Logits that are none at one position of one call.
struct broken_network : test::scrambled_network<float> {
  template <class Exec, class Code>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<float> out) const {
    test::scrambled_network<float>::operator()(exec, x, q, out);
    if (q.step == 2) out.row(2)[5 * classes] = NAN;
  }
};

TEST_CASE("coding: what cannot be encoded is said before anything is") {
  process::absorbing<> const p(6, 2);
  test::scrambled_network<float> const d{{}, 6, 6.0, 12};
  auto const message = [&](tokens const& x, auto const& order, grid::ardm_policy const& policy,
                           int bits = 24) {
    return test::message_of([&] {
      analysis::encode_sequences(exec::host{}, p, d, view(x, 10, 100), order, policy, bits);
    });
  };
  std::string const where = "diffx::analysis::encode_sequences";
  decode::order::raster const raster;
  auto const policy = grid::ardm_naive(10, 4);
  tokens x(30, 1);
  CHECK(test::says(message(x, raster, policy, 0), where, "bits", "0", "in [1, 31]"));
  CHECK(test::says(message(x, raster, policy, 32), where, "bits", "32", "in [1, 31]"));
  CHECK(test::says(message(x, raster, policy, 2), where, "bits", "2", "so many"));
  CHECK(test::says(message(x, raster, grid::ardm_naive(9, 4)), where, "positions", "10",
                   "those of the policy, 9"));
  CHECK(test::says(message(x, decode::order::fixed({0, 1}), policy), where, "ranks of the order",
                   "2", "the positions, 10"));
  for (int const bad : {2, 6, -1}) {
    x[23] = bad;
    auto const said = message(x, raster, policy);
    CHECK(said.find(where + ": token " + std::to_string(bad) +
                    " at sample 102, position 3, must be a class of the data") == 0);
  }
  x[23] = 1;
  broken_network const broken{{{}, 6, 6.0, 12}};
  CHECK_THROWS_WITH_AS(
      analysis::encode_sequences(exec::host{}, p, broken, view(x, 10, 100), raster, policy),
      doctest::Contains("no distribution (NaN, +inf, or -inf alone) at sample 102, position 5"),
      error);
}

}  // namespace
