#pragma once

#include <diffx/detail/exp.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace diffx::detail {

/// floor(a b / 2^64).
constexpr std::uint64_t high_product(std::uint64_t a, std::uint64_t b) noexcept {
  constexpr std::uint64_t low = 0xFFFFFFFFu;
  std::uint64_t const middle = (a >> 32) * (b & low) + ((a & low) * (b & low) >> 32);
  std::uint64_t const cross = (a & low) * (b >> 32) + (middle & low);
  return (a >> 32) * (b >> 32) + (middle >> 32) + (cross >> 32);
}

}  // namespace diffx::detail

namespace diffx::search {

/// What the weights of a group of particles say.
struct resampled {
  double effective = 0.0;  // (sum w)^2 / sum w^2, in [1, K]
  double log_mean = 0.0;   // log(1/K sum w): the increment of the log evidence
};

/// Systematic resampling of groups of K particles: of weights w_j = exp(log_weights[j]), particle j
/// gets floor or ceil of K w_j / sum w children, K w_j / sum w in the mean.
///
/// The weights over the largest become integers of s = min(52, 62 - bits of K) binary digits, so
/// that their sum W is below 2^62 and is the same in any order. A weight is off by half a digit, a
/// probability by (K + 1) / 2^(s + 1): 4e-12 at K = 4096. Weights that round to 0 are never drawn:
/// 37 nats below the largest at s = 52. Child k is drawn by the point (k W + r) / K, with one
/// r in [0, W) a group.
///
/// A particle with a child keeps its place: ancestors[j] = j. The others get the further children,
/// in order, so rows can be copied in place: every source stays.
///
/// Source    Kitagawa 1996 (systematic resampling); Douc and Cappe 2005 compare the schemes.
/// Shapes    log_weights, ancestors: [groups, K], ancestors counted within the group;
///           found: [groups]. Group g draws from sample first_group + g of `noise`.
/// Requires  host memory; noise that this key addresses nowhere else: a fork of the run's.
/// Errors    K outside [1, 2^31), spans of other lengths, a key or group out of range, a log weight
///           that is NaN or +inf, or a group of nothing but -inf: throws diffx::error.
inline void resample(std::span<double const> log_weights, std::int64_t particles,
                     noise::counted const& noise, noise::key key, std::int64_t first_group,
                     std::span<std::int64_t> ancestors, std::span<resampled> found) {
  constexpr auto where = "diffx::search::resample";
  constexpr double infinity = std::numeric_limits<double>::infinity();
  using detail::require;
  using detail::text;
  require(particles >= 1 && particles < (std::int64_t{1} << 31), where, "particles",
          static_cast<long long>(particles), "in [1, 2^31)");
  auto const count = static_cast<std::size_t>(particles);
  require(log_weights.size() == found.size() * count, where, "log_weights.size()",
          static_cast<long long>(log_weights.size()), "found.size() x particles");
  require(ancestors.size() == log_weights.size(), where, "ancestors.size()",
          static_cast<long long>(ancestors.size()), "that of log_weights");
  noise::check_key(key);
  noise::check_range(first_group, static_cast<std::int64_t>(found.size()), 1, 0);
  auto const K = static_cast<std::uint64_t>(particles);
  int const digits = std::min(52, 62 - static_cast<int>(std::bit_width(K)));
  std::vector<std::uint64_t> weight(count), children(count);
  for (std::size_t g = 0; g < found.size(); ++g) {
    auto const logs = log_weights.subspan(g * count, count);
    auto const group = first_group + static_cast<std::int64_t>(g);
    double most = -infinity;
    for (std::size_t j = 0; j < count; ++j) {
      if (!(logs[j] < infinity)) {
        detail::fail(std::string(where) + ": log_weights = " + text(logs[j]) + " of group " +
                     text(static_cast<long long>(group)) + ", particle " +
                     text(static_cast<long long>(j)) + ", must be below +inf, not NaN");
      }
      most = std::max(most, logs[j]);
    }
    if (most == -infinity) {
      detail::fail(std::string(where) + ": log_weights = -inf of all particles of group " +
                   text(static_cast<long long>(group)) + ", must be finite for one");
    }
    std::uint64_t total = 0;
    double squares = 0.0;
    for (std::size_t j = 0; j < count; ++j) {
      double const w = std::ldexp(detail::exp_weight(logs[j] - most), digits);
      weight[j] = static_cast<std::uint64_t>(w + 0.5);
      total += weight[j];
      squares += static_cast<double>(weight[j]) * static_cast<double>(weight[j]);
    }
    auto const sum = static_cast<double>(total);
    found[g] = {sum * sum / squares,
                most + std::log(std::ldexp(sum / static_cast<double>(K), -digits))};

    auto const words = noise.words(key, group, 0);
    std::uint64_t const r = detail::high_product(
        static_cast<std::uint64_t>(words.word[0]) << 32 | words.word[1], total);
    // (k W + r) / K in parts that fit 64 bits.
    auto const point = [&](std::uint64_t k) { return k * (total / K) + (k * (total % K) + r) / K; };
    std::uint64_t below = 0, k = 0;
    for (std::size_t j = 0; j < count; ++j) {
      below += weight[j];
      for (children[j] = 0; k < K && point(k) < below; ++k) ++children[j];
    }
    std::size_t parent = 0;
    for (std::size_t j = 0; j < count; ++j) {
      auto& to = ancestors[g * count + j];
      to = static_cast<std::int64_t>(j);
      if (children[j] > 0) continue;
      while (children[parent] < 2) ++parent;
      to = static_cast<std::int64_t>(parent);
      --children[parent];
    }
  }
}

}  // namespace diffx::search
