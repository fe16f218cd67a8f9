#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/random.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>

namespace diffx::noise {

/// Increments of one Brownian path per element, addressed by the key's interval of process time:
///
///     z(from, to) = (W(to) - W(from)) / sqrt(|to - from|)
///
/// Step and draw are ignored, so every set of queries, every step count and either direction sees
/// the same path: increments add up, W(a, c) = W(a, b) + W(b, c), and a reversed interval negates.
///
/// W is built by bisection of [begin, end]: at the middle of an interval of length h it is the
/// average of the ends plus sqrt(h) / 2 times a normal that is computed from the interval's
/// address. Times are rounded to (end - begin) / 2^depth; z is scaled by the rounded length, so its
/// variance is exactly 1.
///
/// Cost      up to 2 (depth + 1) normals in double per element; 20 gives times to 1e-6 of the
/// range. Source    the Brownian bridge, Levy's construction. Requires  begin < end, 1 <= depth <=
/// 31: refused on construction. Errors    an interval outside [begin, end], or whose ends round to
/// one time, throws.
class by_interval {
 public:
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::by_interval";

  explicit by_interval(std::uint64_t seed, double begin = 0.0, double end = 1.0, int depth = 20)
      : nodes_{random::derive_seed(seed, label)}, begin_(begin), end_(end), depth_(depth) {
    constexpr auto where = "diffx::noise::by_interval";
    detail::require(std::isfinite(begin) && std::isfinite(end) && begin < end, where, "end", end,
                    "finite and greater than begin = " + detail::text(begin));
    detail::require(depth >= 1 && depth <= 31, where, "depth", depth, "in [1, 31]");
  }

  template <class T>
  void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    std::int64_t const from = tick(k.from, "key.from"), to = tick(k.to, "key.to");
    detail::require(from != to, "diffx::noise::by_interval::fill", "key.to", k.to,
                    "different from key.from at the source's depth");
    double const scale = 1.0 / std::sqrt(length(from < to ? to - from : from - to));
    for (int done = 0; done < n; done += width) {
      int const m = n - done < width ? n - done : width;
      double a[width], b[width];
      path(k.block, from, sample, first + done, m, a);
      path(k.block, to, sample, first + done, m, b);
      for (int e = 0; e < m; ++e) out[done + e] = static_cast<T>((b[e] - a[e]) * scale);
    }
  }

  /// The length that `fill` scales by: |to - from| after rounding.
  double rounded_length(double from, double to) const {
    std::int64_t const a = tick(from, "from"), b = tick(to, "to");
    return length(a < b ? b - a : a - b);
  }

  by_interval fork(std::uint64_t fork_label) const noexcept {
    by_interval r(*this);
    r.nodes_ = nodes_.fork(fork_label);
    return r;
  }

 private:
  static constexpr int width = 64;
  static constexpr std::uint64_t label = 0x62726F776E69616Eu;  // keeps off counted's addresses

  double length(std::int64_t ticks) const noexcept {
    return (end_ - begin_) * std::ldexp(static_cast<double>(ticks), -depth_);
  }

  std::int64_t tick(double t, std::string_view which) const {
    detail::require(t >= begin_ && t <= end_, "diffx::noise::by_interval", which, t,
                    "in [" + detail::text(begin_) + ", " + detail::text(end_) + "]");
    return std::llround(std::ldexp((t - begin_) / (end_ - begin_), depth_));
  }

  /// Node 0 drives W(end); node 2^level + i the middle of interval i of that level. Step and draw
  /// together are the 32 bits that hold it.
  void node(int block, std::uint32_t index, std::int64_t sample, std::int64_t first, int n,
            double* z) const noexcept {
    key const k{static_cast<int>(index >> 12), static_cast<int>(index & 0xFFFu), block, 0.0, 0.0};
    nodes_.fill(k, sample, first, n, z);
  }

  /// W at a tick.
  void path(int block, std::int64_t at, std::int64_t sample, std::int64_t first, int n,
            double* w) const noexcept {
    std::int64_t left = 0, right = std::int64_t{1} << depth_;
    double low[width] = {}, z[width];
    node(block, 0, sample, first, n, z);
    double const root = std::sqrt(end_ - begin_);
    for (int e = 0; e < n; ++e) w[e] = root * z[e];  // W(right), until `at` is met
    if (at == left) {
      for (int e = 0; e < n; ++e) w[e] = 0.0;
      return;
    }
    std::uint32_t index = 1;
    while (at != right) {
      std::int64_t const middle = left + (right - left) / 2;
      double const spread = 0.5 * std::sqrt(length(right - left));
      node(block, index, sample, first, n, z);
      bool const lower = at <= middle;
      for (int e = 0; e < n; ++e) {
        double const here = 0.5 * (low[e] + w[e]) + spread * z[e];
        (lower ? w[e] : low[e]) = here;
      }
      index = 2 * index + (lower ? 0u : 1u);
      (lower ? right : left) = middle;
    }
  }

  counted nodes_;
  double begin_, end_;
  int depth_;
};

static_assert(noise_source<by_interval>);

}  // namespace diffx::noise
