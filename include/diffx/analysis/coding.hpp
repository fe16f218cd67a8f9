#pragma once

#include <diffx/analysis/rans.hpp>
#include <diffx/decode/order.hpp>
#include <diffx/detail/checkpoint.hpp>
#include <diffx/detail/masked_calls.hpp>
#include <diffx/grid/ardm.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// Lossless coding of sequences with a masked network: several positions share one call.
///
/// A code starts with a header (code_header) and goes on with one stream of a range coder
/// (rans.hpp). All integers are written seven bits a byte, so a header takes some tens of bytes.
namespace diffx::analysis {

/// What a code says of itself.
struct code_header {
  int bits = 24;    // a call's probabilities are multiples of 2^-bits
  int classes = 0;  // of the process: logits of a position
  int mask = 0;     // of the process
  std::int64_t batch = 0;
  std::int64_t first_sample = 0;
  std::variant<decode::order::raster, decode::order::random, decode::order::fixed> order{};
  grid::ardm_policy policy{1, {0}};
};

}  // namespace diffx::analysis

namespace diffx::detail {

inline constexpr std::array<std::uint8_t, 4> code_magic{'D', 'X', 'A', '1'};
inline constexpr std::size_t code_prefix = 8;  // magic and checksum

inline std::uint32_t code_checksum(std::span<std::uint8_t const> bytes) noexcept {
  hash64 h;
  h.add_bytes(bytes.data(), bytes.size());
  return static_cast<std::uint32_t>(h.value() ^ h.value() >> 32);
}

inline void put_varint(std::vector<std::uint8_t>& out, std::uint64_t v) {
  for (; v >= 128; v >>= 7) out.push_back(static_cast<std::uint8_t>((v & 127) | 128));
  out.push_back(static_cast<std::uint8_t>(v));
}

/// Reads the header of a code; refuses what no writer wrote.
class code_reader {
 public:
  static constexpr auto where = "diffx::analysis::read_code_header";

  code_reader(std::span<std::uint8_t const> bytes, std::size_t next) : bytes_(bytes), next_(next) {}

  std::size_t next() const noexcept { return next_; }
  std::size_t left() const noexcept { return bytes_.size() - next_; }

  std::uint64_t integer() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (left() == 0) fail(std::string(where) + ": the code ends within its header");
      std::uint64_t const byte = bytes_[next_++];
      if (shift == 63 && byte > 1) break;
      v |= (byte & 127) << shift;
      if (byte < 128) return v;
    }
    fail(std::string(where) + ": the header holds an integer of more than 64 bits");
  }

  std::int64_t in_range(std::string_view name, std::uint64_t low, std::uint64_t high) {
    std::uint64_t const v = integer();
    require(v >= low && v <= high, where, name, static_cast<unsigned long>(v),
            "in [" + text(static_cast<unsigned long>(low)) + ", " +
                text(static_cast<unsigned long>(high)) + "]");
    return static_cast<std::int64_t>(v);
  }

 private:
  std::span<std::uint8_t const> bytes_;
  std::size_t next_;
};

/// Order and policy: a tag and what goes with it; the counts of the calls, twice each, and one more
/// where a number of equal ones follows.
inline void put_order(std::vector<std::uint8_t>& out, decode::order::raster const&) {
  put_varint(out, 0);
}
inline void put_order(std::vector<std::uint8_t>& out, decode::order::random const& order) {
  put_varint(out, 1);
  put_varint(out, order.noise.seed);
}
inline void put_order(std::vector<std::uint8_t>& out, decode::order::fixed const& order) {
  put_varint(out, 2);
  for (std::int32_t const r : order.rank()) put_varint(out, static_cast<std::uint64_t>(r));
}

inline void put_header(std::vector<std::uint8_t>& out, analysis::code_header const& h) {
  out.assign(code_magic.begin(), code_magic.end());
  out.resize(code_prefix);
  put_varint(out, static_cast<std::uint64_t>(h.bits));
  put_varint(out, static_cast<std::uint64_t>(h.classes));
  put_varint(out, static_cast<std::uint64_t>(h.mask));
  put_varint(out, static_cast<std::uint64_t>(h.batch));
  put_varint(out, static_cast<std::uint64_t>(h.first_sample));
  put_varint(out, static_cast<std::uint64_t>(h.policy.positions()));
  std::visit([&](auto const& order) { put_order(out, order); }, h.order);
  auto const counts = h.policy.counts();
  for (std::size_t i = 0, same = 0; i < counts.size(); i += same) {
    for (same = 0; i + same < counts.size() && counts[i + same] == counts[i];) ++same;
    put_varint(out, static_cast<std::uint64_t>(counts[i]) << 1 | (same > 1 ? 1u : 0u));
    if (same > 1) put_varint(out, same);
  }
}

/// The header of a code, and where its stream starts.
inline std::pair<analysis::code_header, std::size_t> get_header(std::span<std::uint8_t const> bytes,
                                                                std::int64_t most_positions) {
  constexpr auto where = code_reader::where;
  constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
  if (bytes.size() < code_prefix ||
      !std::equal(code_magic.begin(), code_magic.end(), bytes.begin())) {
    fail(std::string(where) + ": these bytes are no code of this version");
  }
  std::uint32_t sum = 0;
  for (std::size_t i = code_magic.size(); i < code_prefix; ++i) sum = sum << 8 | bytes[i];
  if (sum != code_checksum(bytes.subspan(code_prefix))) {
    fail(std::string(where) + ": the code is damaged or cut off: its checksum differs");
  }
  code_reader in(bytes, code_prefix);
  analysis::code_header h;
  h.bits = static_cast<int>(in.in_range("bits", 1, analysis::max_code_bits));
  h.classes = static_cast<int>(in.in_range("classes", 1, most));
  h.mask = static_cast<int>(in.in_range("mask", 0, static_cast<std::uint64_t>(h.classes)));
  h.batch = in.in_range("batch", 0, static_cast<std::uint64_t>(noise::max_sample));
  h.first_sample = in.in_range("first_sample", 0, static_cast<std::uint64_t>(noise::max_sample));
  auto const positions = static_cast<int>(
      in.in_range("positions", 1, std::min(most, static_cast<std::uint64_t>(most_positions))));
  auto const kind = in.in_range("order", 0, 2);
  if (kind == 1) h.order = decode::order::random{noise::counted{in.integer()}};
  if (kind == 2) {
    require(static_cast<std::size_t>(positions) <= in.left(), where, "positions", positions,
            "at most the bytes left for their ranks");
    std::vector<std::int32_t> rank;
    for (int i = 0; i < positions; ++i) {
      rank.push_back(static_cast<std::int32_t>(in.in_range("rank", 0, most)));
    }
    h.order = decode::order::fixed(std::move(rank));
  }
  // Many calls take few bytes where their counts are equal; there are no more than positions.
  std::vector<int> starts;
  for (std::int64_t done = 0; done < positions;) {
    auto const rest = static_cast<std::uint64_t>(positions - done);
    auto const tagged = in.in_range("positions of a call", 2, 2 * rest + 1);
    std::int64_t const count = tagged / 2;
    std::int64_t run = 1;
    if (tagged % 2 != 0) {
      run = in.in_range("calls of one count", 2, rest / static_cast<std::uint64_t>(count));
    }
    for (std::int64_t i = 0; i < run; ++i, done += count) {
      starts.push_back(static_cast<int>(done));
    }
  }
  h.policy = grid::ardm_policy(positions, std::move(starts));
  return {std::move(h), in.next()};
}

/// The shares of every class at one position, or an error that says where.
template <class T>
void widths_at(std::string_view where, std::span<T const> row, int mask, int bits,
               std::span<std::uint32_t> out, std::int64_t sample, std::int64_t position) {
  if (analysis::slot_widths(row, mask, bits, out)) return;
  fail(std::string(where) +
       ": the logits are no distribution (NaN, +inf, or -inf alone) at sample " + text(sample) +
       ", position " + text(position));
}

}  // namespace diffx::detail

namespace diffx::analysis {

/// What a code holds, to make room for it: batch x policy.positions() tokens. Look at the batch
/// before allocating for a code of a stranger: some tokens take hardly a bit.
///
/// Errors    bytes that are no code, are damaged or cut off, or a code of more positions than
///           `most_positions`: throws diffx::error.
inline code_header read_code_header(std::span<std::uint8_t const> bytes,
                                    std::int64_t most_positions = 1 << 20) {
  detail::require(most_positions >= 1, "diffx::analysis::read_code_header", "most_positions",
                  static_cast<long long>(most_positions), "at least 1");
  return detail::get_header(bytes, most_positions).first;
}

/// Codes a batch of sequences without loss: about -log2 p(x) bits, where p is the law of generating
/// in this order with this policy (sequence_nll is its logarithm), 7 bytes, and a header.
///
/// Call i of the policy sees the positions that the calls before it made known, and gives the
/// probabilities of all of its own. The code is a stack: the symbols are gathered in the order of
/// generation and pushed in reverse, so that decoding generates.
///
/// The decoder needs the very same logits: the same network, build, execution object and batch. A
/// library whose results depend on the number of threads or the size of the batch is given the
/// same ones. From equal logits everything else is integer arithmetic, equal on all targets.
///
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037, section 3.4 (compression); Duda 2013,
///           arXiv:1311.2540.
/// Shapes    x [batch, positions], classes of the data, no mask.
/// Requires  absorbing noise; host memory. Room for [batch, positions, classes] logits.
/// Errors    a token that is no data, an order or a policy of other positions, bits outside
///           [1, 31] or too few for the classes, logits that are no distribution: throws
///           diffx::error.
template <class Exec, class Process, class Denoiser, class Code, class Order>
std::vector<std::uint8_t> encode_sequences(Exec const& exec, Process const& process,
                                           Denoiser const& denoiser, batch_view<Code> x,
                                           Order const& order, grid::ardm_policy const& policy,
                                           int bits = 24) {
  constexpr auto where = "diffx::analysis::encode_sequences";
  using token = std::remove_const_t<Code>;
  static_assert(std::is_constructible_v<decltype(code_header::order), Order>,
                "diffx: a code states its order, so it must be decode::order::random, raster or "
                "fixed.");
  batch_view<token const> const tokens{x.data, x.batch, x.features, x.first_sample};
  auto const law = process.limit();
  detail::require(bits >= 1 && bits <= max_code_bits, where, "bits", bits, "in [1, 31]");
  detail::require(law.classes <= std::int64_t{1} << bits, where, "bits", bits,
                  "so many that 2^bits is at least the classes, " + detail::text(law.classes));
  detail::require(x.features == policy.positions(), where, "positions",
                  static_cast<long long>(x.features),
                  "those of the policy, " + detail::text(policy.positions()));
  decode::require_positions(order, x.features, where);
  noise::check_range(x.first_sample, x.batch, x.features, 1);
  detail::require_tokens(process, tokens, where);

  std::vector<slot_range> symbols;
  symbols.reserve(static_cast<std::size_t>(x.size()));
  std::vector<std::uint32_t> widths(static_cast<std::size_t>(law.classes));
  std::vector<token> canvas(static_cast<std::size_t>(x.size()));
  detail::masked_calls(exec, process, denoiser,
                       batch_view<token>{canvas.data(), x.batch, x.features, x.first_sample},
                       detail::generation_orders(order, x.batch, x.features, x.first_sample),
                       policy, [&](std::int64_t sample, std::int64_t position, auto row) {
                         detail::widths_at(where, row, law.mask, bits, std::span(widths),
                                           x.first_sample + sample, position);
                         token const now = x.row(sample)[position];
                         symbols.push_back(slots_of(widths, static_cast<int>(now)));
                         return now;
                       });

  std::vector<std::uint8_t> out;
  code_header header;
  header.bits = bits;
  header.classes = law.classes;
  header.mask = law.mask;
  header.batch = x.batch;
  header.first_sample = x.first_sample;
  header.order = order;
  header.policy = policy;
  detail::put_header(out, header);
  rans_encoder coder(bits);
  for (auto s = symbols.rbegin(); s != symbols.rend(); ++s) coder.push(*s);
  auto const stream = coder.finish();
  out.insert(out.end(), stream.begin(), stream.end());
  std::uint32_t const sum = detail::code_checksum(std::span(out).subspan(detail::code_prefix));
  for (std::size_t i = detail::code_magic.size(); i < detail::code_prefix; ++i) {
    out[i] = static_cast<std::uint8_t>(sum >> (8 * (detail::code_prefix - 1 - i)));
  }
  return out;
}

/// Writes the sequences of a code into x, which has their shape (read_code_header).
///
/// Shapes    x [header.batch, header.policy.positions()].
/// Errors    bytes that are no code, are damaged or cut off, or were written with other logits; a
///           code of another shape or process; logits that are no distribution: throws
///           diffx::error. x then holds tokens of no meaning.
template <class Exec, class Process, class Denoiser, class Code>
void decode_sequences(Exec const& exec, Process const& process, Denoiser const& denoiser,
                      std::span<std::uint8_t const> bytes, batch_view<Code> x) {
  constexpr auto where = "diffx::analysis::decode_sequences";
  auto const [h, start] = detail::get_header(bytes, std::max<std::int64_t>(1, x.features));
  auto const law = process.limit();
  auto const same = [&](std::string_view name, std::int64_t got, std::int64_t want) {
    detail::require(got == want, where, name, static_cast<long long>(got),
                    detail::text(static_cast<long long>(want)) + " as in the code's header");
  };
  same("x.batch", x.batch, h.batch);
  same("x.features", x.features, h.policy.positions());
  same("x.first_sample", x.first_sample, h.first_sample);
  same("classes of the process", law.classes, h.classes);
  same("mask of the process", law.mask, h.mask);
  detail::require(law.classes <= std::int64_t{1} << h.bits, where, "bits", h.bits,
                  "so many that 2^bits is at least the classes, " + detail::text(law.classes));

  rans_decoder coder(bytes.subspan(start), h.bits);
  std::vector<std::uint32_t> widths(static_cast<std::size_t>(law.classes));
  auto const orders = std::visit(
      [&](auto const& order) {
        return detail::generation_orders(order, x.batch, x.features, x.first_sample);
      },
      h.order);
  int const bits = h.bits;
  detail::masked_calls(exec, process, denoiser, x, orders, h.policy,
                       [&](std::int64_t sample, std::int64_t position, auto row) {
                         detail::widths_at(where, row, law.mask, bits, std::span(widths),
                                           x.first_sample + sample, position);
                         auto const [symbol, slots] = symbol_of(widths, coder.slot());
                         coder.pop(slots);
                         return symbol;
                       });
  coder.finish();
}

}  // namespace diffx::analysis
