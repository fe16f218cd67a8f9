#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Orders of generation, as a table of who comes when. An order gives every position of a sample a
/// priority that stands for the whole run; the position of the highest priority is generated
/// first, of equal ones the lower index. So an order is a confidence that reads no logits:
/// order::random is what decode::random_order uses in a run of the same seed, order::raster is
/// decode::left_to_right.
///
/// | `o.priority(sample, position)` | larger is earlier; pure |
namespace diffx::decode {

template <class O>
concept generation_order = requires(O const& o, std::int64_t i) {
  { o.priority(i, i) } -> std::same_as<double>;
};

namespace order {

/// A uniformly random order for each sample, computed from its address. The address is one that no
/// step of a run draws at, so an order and a run may share a seed.
///
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037, Algorithm 1.
/// Errors    none.
struct random {
  static constexpr std::string_view name = "decode::order::random";

  noise::counted noise{};

  DIFFX_HD double priority(std::int64_t sample, std::int64_t position) const noexcept {
    auto const w = noise.words({noise::prior_step, noise::max_draw, 0, 1.0, 1.0}, sample, position);
    return detail::unit_uniform(w.word[0], w.word[1]);
  }
};

/// Left to right.
struct raster {
  static constexpr std::string_view name = "decode::order::raster";

  DIFFX_HD double priority(std::int64_t, std::int64_t position) const noexcept {
    return -static_cast<double>(position);
  }
};

/// Any order, the same for all samples: rank[position] is the place of a position.
///
/// Requires  host memory.
/// Errors    ranks that are no permutation: throws diffx::error with the index.
class fixed {
 public:
  static constexpr std::string_view name = "decode::order::fixed";

  explicit fixed(std::vector<std::int32_t> rank) : rank_(std::move(rank)) {
    constexpr auto where = "diffx::decode::order::fixed";
    auto const n = static_cast<long long>(rank_.size());
    detail::require(n > 0, where, "rank.size()", n, "at least 1");
    std::vector<bool> seen(rank_.size(), false);
    for (std::size_t i = 0; i < rank_.size(); ++i) {
      bool const fits = rank_[i] >= 0 && rank_[i] < n;
      bool const is_new = fits && !seen[static_cast<std::size_t>(rank_[i])];
      detail::require(is_new, where, "rank[" + detail::text(i) + "]", rank_[i],
                      "in [0, " + detail::text(n) + "), each once");
      seen[static_cast<std::size_t>(rank_[i])] = true;
    }
  }

  std::span<std::int32_t const> rank() const noexcept { return rank_; }
  double priority(std::int64_t, std::int64_t position) const noexcept {
    return -static_cast<double>(rank_[static_cast<std::size_t>(position)]);
  }

 private:
  std::vector<std::int32_t> rank_;
};

static_assert(generation_order<random> && generation_order<raster> && generation_order<fixed>);

}  // namespace order

/// Refuses a fixed order that is for another number of positions.
template <generation_order Order>
void require_positions(Order const& order, std::int64_t positions, std::string_view where) {
  if constexpr (requires { order.rank(); }) {
    detail::require(static_cast<std::int64_t>(order.rank().size()) == positions, where,
                    "ranks of the order", static_cast<long long>(order.rank().size()),
                    "the positions, " + detail::text(positions));
  }
}

/// Position r of `out` is the position that is generated at place r.
///
/// Shapes    out [positions].
template <generation_order Order>
void positions_by_rank(Order const& order, std::int64_t sample, std::span<std::int32_t> out) {
  std::vector<std::pair<double, std::int32_t>> by(out.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    auto const p = static_cast<std::int32_t>(i);
    by[i] = {-order.priority(sample, p), p};
  }
  std::sort(by.begin(), by.end());
  for (std::size_t r = 0; r < out.size(); ++r) out[r] = by[r].second;
}

/// The inverse of a permutation: ranks of positions from positions by rank, and back.
///
/// Requires  both [positions]; `order` a permutation.
inline void invert_order(std::span<std::int32_t const> order, std::span<std::int32_t> out) {
  for (std::size_t r = 0; r < order.size(); ++r) {
    out[static_cast<std::size_t>(order[r])] = static_cast<std::int32_t>(r);
  }
}

/// The place of every position of a sample.
///
/// Shapes    out [positions].
template <generation_order Order>
void ranks(Order const& order, std::int64_t sample, std::span<std::int32_t> out) {
  std::vector<std::int32_t> by(out.size());
  positions_by_rank(order, sample, by);
  invert_order(by, out);
}

}  // namespace diffx::decode
