#include <diffx/denoiser/eigen/transformer.hpp>
#include <diffx/exec/host.hpp>

#include "../support/allocations.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

namespace net = diffx::denoiser::eigen;
namespace kv = diffx::kv;
using diffx::batch_view;
using values = std::vector<float>;
using tokens = std::vector<std::int32_t>;
using role_list = std::vector<kv::role>;

constexpr kv::role fresh = kv::query | kv::logits, all = kv::query | kv::keep | kv::logits;

/// Every tensor pseudo-random, biases and norms included; sums of fan_in terms stay near 1.
struct arbitrary_weights {
  values tensor(std::string_view name, std::initializer_list<std::int64_t> shape) const {
    if (shape.size() > 1) return net::random_weights(5, 0.8).tensor(name, shape);
    std::int64_t const n = *shape.begin();
    values v = net::random_weights(6, 0.5).tensor(std::string(name) + ".m", {n, 1});
    for (float& x : v) x = name.ends_with(".weight") ? 1.0f + 0.5f * x : 0.5f * x;
    return v;
  }
};

net::transformer_size small(std::int64_t block_length = 0) {
  return {.classes = 11, .width = 24, .heads = 3, .layers = 3, .block_length = block_length};
}

tokens some_tokens(std::int64_t count, std::int64_t classes, int seed = 1) {
  tokens x(static_cast<std::size_t>(count));
  std::uint32_t state = static_cast<std::uint32_t>(seed) * 2654435761u + 1u;
  for (auto& token : x) {
    state = state * 1664525u + 1013904223u;
    token = static_cast<std::int32_t>((state >> 16) % static_cast<std::uint32_t>(classes));
  }
  return x;
}

diffx::query at(double t) {
  diffx::query q;
  q.at.t = t;
  return q;
}

/// Samples spread over four threads: what exec::threads does, in the plainest way.
struct four_threads {
  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    std::vector<std::thread> workers;
    workers.reserve(4);
    for (int w = 0; w < 4; ++w) {
      workers.emplace_back([&, w] {
        for (std::int64_t i = w; i < batch; i += 4) op(i);
      });
    }
    for (std::thread& worker : workers) worker.join();
  }
};

template <class Net, class Code = std::int32_t, class Exec = diffx::exec::host>
values call(Net const& n, std::vector<Code> const& x, std::int64_t batch, double t = 0.4,
            Exec const& exec = {}) {
  auto const positions = static_cast<std::int64_t>(x.size()) / std::max<std::int64_t>(batch, 1);
  std::int64_t const features = positions * n.size().classes;
  values out(static_cast<std::size_t>(batch * features), std::nanf(""));
  n(exec, batch_view<Code const>{x.data(), batch, positions}, at(t),
    batch_view<float>{out.data(), batch, features});
  return out;
}

/// One call with a store; what is not asked for comes back as NaN.
template <class Net, class Exec = diffx::exec::host>
values call(Net const& n, tokens const& x, role_list const& roles, net::key_value_store& store,
            double t = 0.4, Exec const& exec = {}) {
  std::int64_t const batch = store.batch(), positions = store.positions();
  std::int64_t const features = positions * n.size().classes;
  values out(static_cast<std::size_t>(batch * features), std::nanf(""));
  n(exec, batch_view<std::int32_t const>{x.data(), batch, positions}, at(t),
    batch_view<kv::role const>{roles.data(), batch, positions}, store,
    batch_view<float>{out.data(), batch, features});
  return out;
}

/// The logits of position p of a sample of `positions`.
values logits(net::transformer const& n, values const& out, std::int64_t p) {
  auto const classes = n.size().classes;
  return values(out.begin() + p * classes, out.begin() + (p + 1) * classes);
}

/// Bit for bit where roles ask for logits, NaN elsewhere.
bool agrees(net::transformer const& n, values const& got, role_list const& roles,
            values const& want) {
  for (std::size_t p = 0; p < roles.size(); ++p) {
    values const g = logits(n, got, static_cast<std::int64_t>(p));
    if ((roles[p] & kv::logits) != 0) {
      values const w = logits(n, want, static_cast<std::int64_t>(p));
      if (std::memcmp(g.data(), w.data(), g.size() * sizeof(float)) != 0) return false;
    } else if (!std::all_of(g.begin(), g.end(), [](float v) { return std::isnan(v); })) {
      return false;
    }
  }
  return true;
}

double distance(values const& a, values const& b) {
  REQUIRE(a.size() == b.size());
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    most = d > most || std::isnan(d) ? d : most;
  }
  return most;
}

/// The network once more, as loops over double with the weights read by name. `sees(p, j)` says
/// whether the position p sees the position j.
struct plain {
  arbitrary_weights source{};
  using row = std::vector<double>;

  row linear(std::string const& name, row const& x, std::size_t out) const {
    values const w = source.tensor(
        name + ".weight", {static_cast<std::int64_t>(out), static_cast<std::int64_t>(x.size())});
    values const b = source.tensor(name + ".bias", {static_cast<std::int64_t>(out)});
    row y(out);
    for (std::size_t o = 0; o < out; ++o) {
      y[o] = static_cast<double>(b[o]);
      for (std::size_t i = 0; i < x.size(); ++i) {
        y[o] += static_cast<double>(w[o * x.size() + i]) * x[i];
      }
    }
    return y;
  }

  row layer_norm(std::string const& name, row x) const {
    auto const n = static_cast<std::int64_t>(x.size());
    values const w = source.tensor(name + ".weight", {n}), b = source.tensor(name + ".bias", {n});
    double mean = 0.0, variance = 0.0;
    for (double const v : x) mean += v / static_cast<double>(n);
    for (double const v : x) variance += (v - mean) * (v - mean) / static_cast<double>(n);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = (x[i] - mean) / std::sqrt(variance + 1e-5) * static_cast<double>(w[i]) +
             static_cast<double>(b[i]);
    }
    return x;
  }

  static row activated(row x) {
    for (double& v : x) v = v / (1.0 + std::exp(-v));
    return x;
  }
  static void add(row& x, row const& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  /// A head's channels from `first` on, turned by the angles of position p.
  static row turned(row const& qkv, std::size_t first, std::size_t d, std::size_t p) {
    row y(d);
    for (std::size_t c = 0; c < d / 2; ++c) {
      double const angle =
          static_cast<double>(p) *
          std::pow(10000.0, -2.0 * static_cast<double>(c) / static_cast<double>(d));
      double const a = qkv[first + c], b = qkv[first + c + d / 2];
      y[c] = a * std::cos(angle) - b * std::sin(angle);
      y[c + d / 2] = a * std::sin(angle) + b * std::cos(angle);
    }
    return y;
  }

  bool told_time = false;

  template <class Sees>
  values operator()(net::transformer_size size, tokens const& x, double t, Sees const& sees) const {
    auto const width = static_cast<std::size_t>(size.width);
    auto const heads = static_cast<std::size_t>(size.heads), d = width / heads;
    std::size_t const length = x.size();
    values const table = source.tensor("token.weight", {size.classes, size.width});
    std::vector<row> h(length, row(width)), qkv(length);
    row told(width, 0.0);
    if (told_time) {
      row e(64);
      for (std::size_t k = 0; k < 32; ++k) {
        double const angle = 1000.0 * t * std::pow(10000.0, -static_cast<double>(k) / 31.0);
        e[k] = std::sin(angle);
        e[k + 32] = std::cos(angle);
      }
      told = activated(linear("time2", activated(linear("time1", e, width)), width));
    }
    for (std::size_t p = 0; p < length; ++p) {
      for (std::size_t i = 0; i < width; ++i) {
        h[p][i] = static_cast<double>(table[static_cast<std::size_t>(x[p]) * width + i]) + told[i];
      }
    }
    std::vector<row> const start = h;
    std::vector<std::vector<row>> encoded;  // of each layer of an encoder
    for (std::int64_t l = 0; l < size.layers + size.decoder_layers; ++l) {
      bool const decodes = l >= size.layers;
      std::string const name =
          decodes ? "decoder." + std::to_string(l - size.layers) : "block." + std::to_string(l);
      if (decodes && l == size.layers) h = start;
      for (std::size_t p = 0; p < length; ++p) {
        qkv[p] = linear(name + ".qkv", layer_norm(name + ".norm1", h[p]), 3 * width);
      }
      encoded.push_back(qkv);
      for (std::size_t p = 0; p < length; ++p) {
        row mixed(width, 0.0);
        for (std::size_t head = 0; head < heads; ++head) {
          row const q = turned(qkv[p], head * d, d, p);
          double total = 0.0;
          row sum(d, 0.0);
          for (std::size_t j = 0; j < length; ++j) {
            if (!sees(p, j)) continue;
            auto const b = static_cast<std::size_t>(size.block_length);
            row const& from = decodes && j / b < p / b
                                  ? encoded[static_cast<std::size_t>(l - size.decoder_layers)][j]
                                  : qkv[j];
            row const k = turned(from, width + head * d, d, j);
            double score = 0.0;
            for (std::size_t c = 0; c < d; ++c) score += q[c] * k[c];
            double const weight = std::exp(score / std::sqrt(static_cast<double>(d)));
            total += weight;
            for (std::size_t c = 0; c < d; ++c) {
              sum[c] += weight * from[2 * width + head * d + c];
            }
          }
          for (std::size_t c = 0; c < d; ++c) mixed[head * d + c] = sum[c] / total;
        }
        add(h[p], linear(name + ".proj", mixed, width));
        add(h[p],
            linear(name + ".b",
                   activated(linear(name + ".a", layer_norm(name + ".norm2", h[p]), 4 * width)),
                   width));
      }
    }
    values result;
    for (std::size_t p = 0; p < length; ++p) {
      row const y = linear("out", layer_norm("norm", h[p]), static_cast<std::size_t>(size.classes));
      for (double const v : y) result.push_back(static_cast<float>(v));
    }
    return result;
  }
};

// Some hundred roundings of numbers near 1 in each of three layers, which add up at random.
constexpr double float_error = 2e-5;

}  // namespace

TEST_CASE_TEMPLATE("transformer: agrees with plain loops in double", Net, net::transformer,
                   net::timed_transformer) {
  for (std::int64_t const block : {0, 1, 3, 5, 64}) {
    CAPTURE(block);
    auto const size = small(block);
    Net const n(size, arbitrary_weights{});
    for (std::int64_t const length : {1, 2, 37, 70}) {
      CAPTURE(length);
      tokens const x = some_tokens(length, size.classes);
      auto const sees = [&](std::size_t p, std::size_t j) {
        auto const b = static_cast<std::size_t>(block);
        return block == 0 || j / b <= p / b;
      };
      plain const loops{{}, !Net::time_free};
      CHECK(distance(call(n, x, 1), loops(size, x, 0.4, sees)) < float_error);
    }
    bool const same = call(n, some_tokens(9, 11), 1, 0.2) == call(n, some_tokens(9, 11), 1, 0.3);
    CHECK(same == Net::time_free);
  }
}

TEST_CASE("transformer: other sizes agree with plain loops too") {
  for (net::transformer_size const size :
       {net::transformer_size{1, 2, 1, 1, 0}, net::transformer_size{3, 6, 1, 2, 2},
        net::transformer_size{40, 64, 2, 1, 0}, net::transformer_size{5, 8, 4, 0, 0},
        net::transformer_size{128, 128, 4, 1, 16}}) {
    CAPTURE(size.width);
    net::transformer const n(size, arbitrary_weights{});
    tokens const x = some_tokens(33, size.classes);
    auto const sees = [&](std::size_t p, std::size_t j) {
      auto const b = static_cast<std::size_t>(size.block_length);
      return b == 0 || j / b <= p / b;
    };
    CHECK(distance(call(n, x, 1), plain{}(size, x, 0.4, sees)) < float_error);
  }
}

TEST_CASE("transformer: a row's bits do not depend on batch, threads or the type of the tokens") {
  net::timed_transformer const n(small(), arbitrary_weights{});
  std::int64_t const batch = 9, positions = 21, features = positions * 11;
  tokens const x = some_tokens(batch * positions, 11);
  values const whole = call(n, x, batch);
  CHECK(whole == call(n, x, batch, 0.4, four_threads{}));
  CHECK(whole == call(n, std::vector<std::uint8_t>(x.begin(), x.end()), batch));
  CHECK(whole == call(n, std::vector<std::int64_t>(x.begin(), x.end()), batch));
  for (std::int64_t i = 0; i < batch; ++i) {
    tokens const row(x.begin() + i * positions, x.begin() + (i + 1) * positions);
    values const alone = call(n, row, 1);
    CHECK(std::equal(alone.begin(), alone.end(), whole.begin() + i * features));
  }
  std::vector<double> wide(whole.size());
  n(diffx::exec::host{}, batch_view<std::int32_t const>{x.data(), batch, positions}, at(0.4),
    batch_view<double>{wide.data(), batch, features});
  CHECK(values(wide.begin(), wide.end()) == whole);
  n(diffx::exec::host{}, batch_view<std::int32_t const>{nullptr, 0, positions}, at(0.4),
    batch_view<float>{nullptr, 0, features});
  // A longer and then a shorter call in the same memory
  net::timed_transformer const again(small(), arbitrary_weights{});
  call(again, some_tokens(90, 11), 1);
  CHECK(call(again, x, batch) == whole);
}

TEST_CASE("transformer: block after block with a store gives the bits of the whole") {
  for (std::int64_t const block : {1, 4, 7, 16}) {
    CAPTURE(block);
    net::transformer const n(small(block), arbitrary_weights{});
    std::int64_t const positions = 45;
    tokens const x = some_tokens(positions, 11);
    values const whole = call(n, x, 1);
    auto store = n.make_store(1, positions);
    for (std::int64_t first = 0; first < positions; first += block) {
      role_list roles(static_cast<std::size_t>(positions), 0);
      for (std::int64_t p = 0; p < std::min(first + block, positions); ++p) {
        roles[static_cast<std::size_t>(p)] = p < first ? kv::reuse : all;
      }
      CHECK(agrees(n, call(n, x, roles, store), roles, whole));
    }
    // Two blocks in one call: the first is to be kept, of the second some logits are wanted.
    auto later = n.make_store(1, positions);
    role_list pair(static_cast<std::size_t>(positions), 0);
    std::fill_n(pair.begin(), block, kv::role(kv::query | kv::keep));
    std::fill_n(pair.begin() + block, block, fresh);
    pair[static_cast<std::size_t>(block)] = block > 1 ? kv::query : fresh;
    CHECK(agrees(n, call(n, x, pair, later), pair, whole));
    // Every block once is the work of one whole call, and every position is kept.
    auto cost = store.cost(), full = n.full_cost(positions);
    CHECK(cost.calls == (positions + block - 1) / block);
    cost.calls = full.calls;
    CHECK(cost == full);
    for (std::int64_t p = 0; p < positions; ++p) CHECK(store.kept(0, p));
  }
}

TEST_CASE("transformer: guesses within a block leave no trace, the kept block is the last one") {
  std::int64_t const block = 8, positions = 32;
  net::transformer const n(small(block), arbitrary_weights{});
  tokens const x = some_tokens(positions, 11);
  auto store = n.make_store(1, positions);
  role_list roles(static_cast<std::size_t>(positions), 0);
  for (std::int64_t first = 0; first < positions; first += block) {
    auto const begin = roles.begin() + first, end = begin + block;
    for (int guess = 0; guess < 3; ++guess) {
      tokens noised = x;
      for (std::int64_t p = first + guess; p < first + block; p += 2) {
        noised[static_cast<std::size_t>(p)] = 0;
      }
      std::fill(begin, end, fresh);
      CHECK(agrees(n, call(n, noised, roles, store), roles, call(n, noised, 1)));
      CHECK(!store.kept(0, first));
    }
    std::fill(begin, end, kv::role(kv::query | kv::keep));
    values const silent = call(n, x, roles, store);
    CHECK(std::all_of(silent.begin(), silent.end(), [](float v) { return std::isnan(v); }));
    std::fill(begin, end, kv::reuse);
  }
  // Querying a kept position without keep does not touch what is kept.
  role_list last(roles);
  std::fill(last.begin() + 24, last.end(), fresh);
  values const before = call(n, x, last, store);
  tokens other = x;
  std::fill(other.begin(), other.begin() + 24, 3);
  role_list guess(static_cast<std::size_t>(positions), fresh);
  call(n, other, guess, store);
  CHECK(agrees(n, call(n, x, last, store), last, before));
}

TEST_CASE("transformer: with everything refreshed a prefix or dual call is the plain one") {
  std::int64_t const positions = 40;
  net::transformer const n(small(), arbitrary_weights{});
  tokens const x = some_tokens(positions, 11);
  values const whole = call(n, x, 1);
  auto store = n.make_store(1, positions);
  role_list const refresh(static_cast<std::size_t>(positions), all);
  CHECK(agrees(n, call(n, x, refresh, store), refresh, whole));
  CHECK(store.cost() == n.full_cost(positions));

  // The tokens are still the same, so whatever is queried now says what it said.
  for (std::int64_t const first : {0, 3, 16, 39}) {
    for (std::int64_t const count : {1, 5, 13, 40}) {
      role_list prefix(static_cast<std::size_t>(positions), kv::reuse), dual = prefix;
      for (std::int64_t p = first; p < positions; ++p) {
        prefix[static_cast<std::size_t>(p)] = fresh;
        if (p < first + count) dual[static_cast<std::size_t>(p)] = p % 3 == 0 ? kv::query : fresh;
      }
      CHECK(agrees(n, call(n, x, prefix, store), prefix, whole));
      CHECK(agrees(n, call(n, x, dual, store), dual, whole));
    }
  }
  role_list scattered(static_cast<std::size_t>(positions), kv::reuse);
  for (std::size_t p = 1; p < scattered.size(); p += 7) scattered[p] = all;
  CHECK(agrees(n, call(n, x, scattered, store), scattered, whole));

  // A changed token: the others' keys are stale, and the answer is near the plain one, not equal.
  tokens changed = x;
  changed[20] = (x[20] + 1) % 11;
  role_list one(static_cast<std::size_t>(positions), kv::reuse);
  one[20] = fresh;
  values const stale = logits(n, call(n, changed, one, store), 20);
  values const exact = logits(n, call(n, changed, 1), 20);
  CHECK(stale != exact);
  CHECK(distance(stale, exact) < distance(logits(n, whole, 20), exact));
}

TEST_CASE("transformer: what has no role is not seen") {
  std::int64_t const positions = 70;
  auto const size = small();
  net::transformer const n(size, arbitrary_weights{});
  tokens const x = some_tokens(positions, 11);
  for (std::size_t const from : {std::size_t{0}, std::size_t{34}}) {
    role_list roles(static_cast<std::size_t>(positions), 0);
    for (std::size_t p = from; p < roles.size(); p += p % 3 + 1) roles[p] = fresh;
    values const want =
        plain{}(size, x, 0.4, [&](std::size_t, std::size_t j) { return roles[j] != 0; });
    auto store = n.make_store(1, positions);
    values const got = call(n, x, roles, store);
    auto seen = std::count(roles.begin(), roles.end(), fresh);
    CHECK(store.cost().rows == seen);
    CHECK(store.cost().pairs == seen * seen);
    for (std::size_t p = 0; p < roles.size(); ++p) {
      auto const place = static_cast<std::int64_t>(p);
      if (roles[p] != 0) {
        CHECK(distance(logits(n, got, place), logits(n, want, place)) < float_error);
      }
    }
    // The same positions in a store that holds other things where nobody looks.
    call(n, some_tokens(positions, 11, 2), role_list(roles.size(), all), store);
    CHECK(agrees(n, call(n, x, roles, store), roles, got));
    // And half of them reused: one after the other sees what the plain call saw.
    role_list keep = roles, half = roles;
    for (auto& role : keep) role = role == 0 ? kv::role{0} : all;
    call(n, x, keep, store);
    for (std::size_t p = 0; p < half.size(); p += 2) {
      if (half[p] != 0) half[p] = kv::reuse;
    }
    CHECK(agrees(n, call(n, x, half, store), half, got));
  }
}

TEST_CASE("transformer: samples of a ragged call are on their own") {
  std::int64_t const batch = 6, positions = 24, block = 8, features = positions * 11;
  net::transformer const n(small(block), arbitrary_weights{});
  tokens const x = some_tokens(batch * positions, 11);
  auto together = n.make_store(batch, positions), threaded = together;
  std::vector<net::key_value_store> alone(static_cast<std::size_t>(batch),
                                          n.make_store(1, positions));
  for (int round = 0; round < 3; ++round) {
    role_list roles;
    std::vector<role_list> own;
    for (std::int64_t i = 0; i < batch; ++i) {  // sample i is i calls behind, and sample 5 rests
      std::int64_t const done = std::max<std::int64_t>(0, round - i) * block;
      role_list row(static_cast<std::size_t>(positions), 0);
      for (std::int64_t p = 0; p < positions && i < 5; ++p) {
        row[static_cast<std::size_t>(p)] = p < done           ? kv::reuse
                                           : p < done + block ? (round >= i ? all : fresh)
                                                              : kv::role{0};
      }
      roles.insert(roles.end(), row.begin(), row.end());
      own.push_back(row);
    }
    values const got = call(n, x, roles, together);
    values const parallel = call(n, x, roles, threaded, 0.4, four_threads{});
    CHECK(std::memcmp(got.data(), parallel.data(), got.size() * sizeof(float)) == 0);
    for (std::int64_t i = 0; i < batch; ++i) {
      auto const k = static_cast<std::size_t>(i);
      tokens const row(x.begin() + i * positions, x.begin() + (i + 1) * positions);
      values const want = call(n, row, own[k], alone[k]);
      CHECK(std::memcmp(got.data() + i * features, want.data(), want.size() * sizeof(float)) == 0);
      CHECK(together.cost(i) == alone[k].cost());
    }
  }
  CHECK(together.cost(5) == net::token_cost{});
  CHECK(together.cost() == threaded.cost());
}

TEST_CASE("transformer: a copy of a store is a fork") {
  std::int64_t const positions = 12, block = 4;
  net::transformer const n(small(block), arbitrary_weights{});
  tokens const a = some_tokens(positions, 11, 1);
  tokens b = a;
  std::reverse(b.begin() + 4, b.begin() + 8);
  REQUIRE(a != b);
  role_list const first = {all, all, all, all, 0, 0, 0, 0, 0, 0, 0, 0};
  role_list const second = {kv::reuse, kv::reuse, kv::reuse, kv::reuse, all, all,
                            all,       all,       0,         0,         0,   0};
  role_list third(12, kv::reuse);
  std::fill(third.begin() + 8, third.end(), fresh);
  auto left = n.make_store(1, positions);
  call(n, a, first, left);
  auto right = left;
  call(n, a, second, left);
  CHECK(!right.kept(0, 4));
  call(n, b, second, right);
  CHECK(agrees(n, call(n, a, third, left), third, call(n, a, 1)));
  CHECK(agrees(n, call(n, b, third, right), third, call(n, b, 1)));
  left.clear(0);
  CHECK(!left.kept(0, 0));
  CHECK(right.kept(0, 0));
  CHECK_THROWS_AS(call(n, a, third, left), diffx::error);
}

TEST_CASE("transformer: encoder and decoder, whole and block after block") {
  std::int64_t const block = 5, positions = 23;
  net::transformer_size const size{.classes = 11,
                                   .width = 24,
                                   .heads = 3,
                                   .layers = 3,
                                   .block_length = block,
                                   .decoder_layers = 2};
  net::transformer const n(size, arbitrary_weights{});
  tokens const x = some_tokens(positions, 11);
  auto const sees = [](std::size_t p, std::size_t j) { return j / 5 <= p / 5; };
  CHECK(distance(call(n, x, 1), plain{}(size, x, 0.4, sees)) < float_error);

  // Guesses of a block; its end encoded with the first guess of the next one.
  auto store = n.make_store(1, positions);
  role_list roles(static_cast<std::size_t>(positions), 0);
  for (std::int64_t first = 0; first < positions; first += block) {
    auto const begin = roles.begin() + first;
    auto const end = roles.begin() + std::min(first + block, positions);
    for (int guess = 0; guess < 3; ++guess) {
      tokens noised = x;
      for (std::int64_t p = first + guess; p < std::min(first + block, positions); p += 2) {
        noised[static_cast<std::size_t>(p)] = 0;
      }
      std::fill(begin, end, fresh);
      *begin = kv::query;  // seen by the others, though nothing is asked of it
      CHECK(agrees(n, call(n, noised, roles, store), roles, call(n, noised, 1)));
      CHECK(!store.kept(0, first));
      std::fill(roles.begin(), begin, kv::reuse);
    }
    std::fill(begin, end, kv::role(kv::query | kv::keep));
  }
  values const silent = call(n, x, roles, store);
  CHECK(std::all_of(silent.begin(), silent.end(), [](float v) { return std::isnan(v); }));

  // Both at once, over what is kept already, leaves the store as it was.
  role_list const everything(static_cast<std::size_t>(positions), all);
  CHECK(agrees(n, call(n, x, everything, store), everything, call(n, x, 1)));
  role_list last(static_cast<std::size_t>(positions), kv::reuse);
  std::fill(last.begin() + 20, last.end(), fresh);
  CHECK(agrees(n, call(n, x, last, store), last, call(n, x, 1)));
  CHECK(agrees(n, call(n, x, last, store), last, call(n, x, 1)));

  auto counted = n.make_store(1, positions);
  call(n, x, everything, counted);
  CHECK(counted.cost() == n.full_cost(positions));
  // A decoder call on the last three positions: two layers, of which the second ends in logits.
  counted.reset_cost();
  call(n, x, last, counted);
  std::int64_t const w = 24, layer = 24 * w * w + 4 * w * positions;
  CHECK(counted.cost() == net::token_cost{1, 3, 3, 3 * positions, 3 * (2 * layer + 2 * w * 11)});
  // An encoder call: nothing goes beyond the last keys and values.
  counted.reset_cost();
  std::fill(last.begin() + 20, last.end(), kv::role(kv::query | kv::keep));
  call(n, x, last, counted);
  CHECK(counted.cost() == net::token_cost{1, 3, 0, 3 * positions, 3 * (2 * layer + 6 * w * w)});
}

TEST_CASE("transformer: costs are counted in whole numbers") {
  net::transformer const n({.classes = 7, .width = 8, .heads = 2, .layers = 3, .block_length = 4},
                           arbitrary_weights{});
  tokens const x = some_tokens(12, 7);
  auto store = n.make_store(1, 12);
  // Two blocks, of which the logits of two positions are wanted.
  call(n, x, {all, 5, 5, 5, 5, 5, 5, all, 0, 0, 0, 0}, store);
  net::token_cost cost = store.cost();
  CHECK(cost.calls == 1);
  CHECK(cost.rows == 8);
  CHECK(cost.logits == 2);
  CHECK(cost.pairs == 4 * 4 + 4 * 8);
  std::int64_t const w = 8, qkv = 6 * w * w, after = 18 * w * w, pair = 4 * w, out = 2 * w * 7;
  CHECK(cost.flops == 3 * 8 * qkv + 2 * (8 * after + 48 * pair) + 2 * after + 12 * pair + 2 * out);
  // The third block on top of them
  store.reset_cost();
  call(n, x, {2, 2, 2, 2, 2, 2, 2, 2, fresh, fresh, fresh, fresh}, store);
  cost = store.cost();
  CHECK(cost.pairs == 4 * 12);
  CHECK(cost.flops == 4 * (3 * (qkv + after + 12 * pair) + out));
  // Reuse alone is no work.
  store.reset_cost();
  call(n, x, {2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0}, store);
  CHECK(store.cost() == net::token_cost{});
  CHECK(n.full_cost(12).pairs == 4 * (4 + 8 + 12));
  net::transformer const open({.classes = 7, .width = 8, .heads = 2, .layers = 3},
                              arbitrary_weights{});
  CHECK(open.full_cost(12).pairs == 144);
  CHECK(open.full_cost(12).flops == 3 * (12 * (qkv + after) + 144 * pair) + 12 * out);
}

TEST_CASE("transformer: no allocation after the first call of a shape") {
  net::timed_transformer const n(small(8), arbitrary_weights{});
  std::int64_t const batch = 3, positions = 40;
  tokens const x = some_tokens(batch * positions, 11);
  role_list roles(x.size(), all);
  values out(x.size() * 11);
  auto store = n.make_store(batch, positions);
  auto const both = [&] {
    batch_view<std::int32_t const> const in{x.data(), batch, positions};
    batch_view<float> const result{out.data(), batch, positions * 11};
    n(diffx::exec::host{}, in, at(0.3), result);
    n(diffx::exec::host{}, in, at(0.3), batch_view<kv::role const>{roles.data(), batch, positions},
      store, result);
  };
  both();
  std::fill(roles.begin(), roles.end(), fresh);
  both();
  std::int64_t const before = test::allocations_made();
  both();
  CHECK(test::allocations_made() == before);
}

TEST_CASE("transformer: wrong calls are refused and leave the store as it was") {
  net::transformer const n(small(4), arbitrary_weights{});
  tokens x = some_tokens(12, 11);
  auto store = n.make_store(1, 12);
  role_list const start = {all, all, all, all, 0, 0, 0, 0, 0, 0, 0, 0};
  call(n, x, start, store);
  auto const refuses = [&](role_list const& roles, char const* what) {
    CHECK_THROWS_WITH_AS(call(n, x, roles, store), doctest::Contains(what), diffx::error);
  };
  refuses({2, 2, 2, 2, all, 2, 0, 0, 0, 0, 0, 0}, "position 5: is to be reused, but");
  CHECK(!store.kept(0, 4));
  refuses({2, 2, 2, 2, kv::keep, 0, 0, 0, 0, 0, 0, 0}, "position 4: role = 4");
  refuses({2, 2, 2, 2, kv::logits, 0, 0, 0, 0, 0, 0, 0}, "role = 8");
  refuses({3, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0}, "role = 3");
  refuses({kv::reuse | kv::logits, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0}, "role = 10");
  refuses({16, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0}, "role = 16");
  CHECK(store.cost().calls == 1);

  x[5] = 11;
  refuses({2, 2, 2, 2, fresh, fresh, 0, 0, 0, 0, 0, 0}, "token = 11, must be from 0 to 10");
  CHECK_THROWS_WITH_AS(call(n, x, 1), doctest::Contains("a token = 11"), diffx::error);
  x[5] = -1;
  CHECK_THROWS_WITH_AS(call(n, x, 1), doctest::Contains("a token = -1"), diffx::error);
  call(n, x, start, store);  // nobody looks at the position

  values out(12 * 11);
  batch_view<std::int32_t const> const in{x.data(), 1, 12};
  batch_view<float> const result{out.data(), 1, 12 * 11};
  diffx::exec::host const exec;
  auto const store_call = [&](auto tokens_view, auto role_view, auto& where, auto to) {
    n(exec, tokens_view, at(0.4), role_view, where, to);
  };
  batch_view<kv::role const> const roles{start.data(), 1, 12};
  CHECK_THROWS_WITH_AS(n(exec, in, at(0.4), batch_view<float>{out.data(), 1, 12 * 10}),
                       doctest::Contains("features of the output"), diffx::error);
  CHECK_THROWS_WITH_AS(n(exec, in, at(0.4), batch_view<float>{out.data(), 2, 6 * 11}),
                       doctest::Contains("batch of the output"), diffx::error);
  CHECK_THROWS_WITH_AS(
      store_call(in, batch_view<kv::role const>{start.data(), 1, 11}, store, result),
      doctest::Contains("positions of the roles = 11"), diffx::error);
  CHECK_THROWS_WITH_AS(
      store_call(in, batch_view<kv::role const>{start.data(), 2, 6}, store, result),
      doctest::Contains("batch of the roles = 2"), diffx::error);
  auto short_store = n.make_store(1, 11), wide_store = n.make_store(2, 12);
  CHECK_THROWS_WITH_AS(store_call(in, roles, short_store, result),
                       doctest::Contains("must be 11 as in the store"), diffx::error);
  CHECK_THROWS_WITH_AS(store_call(in, roles, wide_store, result),
                       doctest::Contains("must be 2 as in the store"), diffx::error);
  net::transformer const other(small(3), arbitrary_weights{});
  auto foreign = other.make_store(1, 12);
  CHECK_THROWS_WITH_AS(store_call(in, roles, foreign, result), doctest::Contains("another network"),
                       diffx::error);
  CHECK_THROWS_WITH_AS(n.make_store(-1, 4), doctest::Contains("batch of a store"), diffx::error);
  CHECK_THROWS_WITH_AS(n.make_store(1, 0), doctest::Contains("positions of a store"), diffx::error);

  net::timed_transformer const told(small(), arbitrary_weights{});
  CHECK_THROWS_WITH_AS(call(told, some_tokens(4, 11), 1, std::nan("")), doctest::Contains("t = "),
                       diffx::error);
  auto const sized = [](net::transformer_size size) {
    return net::transformer(size, arbitrary_weights{});
  };
  CHECK_THROWS_WITH_AS(sized({.classes = 0}), doctest::Contains("classes = 0"), diffx::error);
  CHECK_THROWS_WITH_AS(sized({.width = 12, .heads = 4}), doctest::Contains("a multiple of 2 heads"),
                       diffx::error);
  CHECK_THROWS_WITH_AS(sized({.block_length = 4, .decoder_layers = 7}),
                       doctest::Contains("at most layers"), diffx::error);
  CHECK_THROWS_WITH_AS(sized({.decoder_layers = 1}), doctest::Contains("block_length of a decoder"),
                       diffx::error);
  CHECK_THROWS_WITH_AS(sized({.block_length = -1}), doctest::Contains("block_length"),
                       diffx::error);
  CHECK_THROWS_WITH_AS(sized({.width = 1024}), doctest::Contains("512"), diffx::error);
}
