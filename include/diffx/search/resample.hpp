#pragma once

#include <diffx/detail/resample_row.hpp>
#include <diffx/detail/sample_sums.hpp>
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
#include <string_view>
#include <vector>

namespace diffx::search {

/// What the weights of a group of particles say.
struct resampled {
  double effective = 0.0;  // (sum w)^2 / sum w^2, in [1, K]
  double log_mean = 0.0;   // log(1/K sum w): the increment of the log evidence
};

}  // namespace diffx::search

namespace diffx::detail {

/// Effective sample size and mean of whole weights; NaN for a group that was refused.
struct resampled_op {
  static constexpr int sums = 2;

  std::uint64_t const* weights;  // [groups, features]
  std::int64_t features;
  int digits;
  double const* most;  // [groups]
  search::resampled* found;

  struct row_type {
    resampled_op const& op;
    std::int64_t group;

    template <int W>
    DIFFX_HD void add(std::int64_t first, int n, double (&sum)[2][W]) const noexcept {
      for (int i = 0; i < W; ++i) {
        if (i >= n) break;
        double const w = static_cast<double>(op.weights[group * op.features + first + i]);
        sum[0][i] += w;
        sum[1][i] = fma(w, w, sum[1][i]);
      }
    }
    DIFFX_HD void finish(double const (&sum)[2]) const noexcept {
      double const mean = ::ldexp(sum[0] / static_cast<double>(op.features), -op.digits);
      bool const refused = !(op.most[group] == op.most[group]);
      op.found[group].effective = refused ? op.most[group] : sum[0] * sum[0] / sum[1];
      op.found[group].log_mean = op.most[group] + log(mean);
    }
  };
  DIFFX_HD row_type row(std::int64_t group) const noexcept { return {*this, group}; }
};

/// Digits of a whole weight: sums of K stay below 2^62.
inline int weight_digits(std::int64_t particles, std::string_view where) {
  require(particles >= 1 && particles <= (std::int64_t{1} << 20), where, "particles",
          static_cast<long long>(particles), "in [1, 2^20]");
  return std::min(52, 62 - static_cast<int>(std::bit_width(static_cast<std::uint64_t>(particles))));
}

}  // namespace diffx::detail

namespace diffx::search {

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
/// Errors    K outside [1, 2^20], spans of other lengths, a key or group out of range, a log weight
///           that is NaN or +inf, or a group of nothing but -inf: throws diffx::error.
inline void resample(std::span<double const> log_weights, std::int64_t particles,
                     noise::counted const& noise, noise::key key, std::int64_t first_group,
                     std::span<std::int64_t> ancestors, std::span<resampled> found) {
  constexpr auto where = "diffx::search::resample";
  constexpr double infinity = std::numeric_limits<double>::infinity();
  using detail::require;
  using detail::text;
  int const digits = detail::weight_digits(particles, where);
  auto const count = static_cast<std::size_t>(particles);
  require(log_weights.size() == found.size() * count, where, "log_weights.size()",
          static_cast<long long>(log_weights.size()), "found.size() x particles");
  require(ancestors.size() == log_weights.size(), where, "ancestors.size()",
          static_cast<long long>(ancestors.size()), "that of log_weights");
  noise::check_key(key);
  noise::check_range(first_group, static_cast<std::int64_t>(found.size()), 1, 0);
  auto const K = static_cast<std::uint64_t>(particles);
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
    for (std::size_t j = 0; j < count; ++j) {
      weight[j] = detail::whole_weight(logs[j], most, digits);
      total += weight[j];
    }
    detail::sample_sums<detail::resampled_op>{{weight.data(), particles, digits, &most, &found[g]}}(
        0);
    detail::resample_points const points(noise.words(key, group, 0), total, K);
    std::uint64_t below = 0, k = 0;
    for (std::size_t j = 0; j < count; ++j) {
      below += weight[j];
      for (children[j] = 0; k < K && points.at(k) < below; ++k) ++children[j];
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

/// Bytes that resample_on works in, reached by its execution object.
inline std::int64_t resample_workspace_size(std::int64_t groups, std::int64_t particles) {
  constexpr auto where = "diffx::search::resample_workspace_size";
  static_cast<void>(detail::weight_digits(particles, where));
  detail::require(groups >= 0 && groups <= (std::int64_t{1} << 36), where, "groups",
                  static_cast<long long>(groups), "in [0, 2^36]");
  return groups * (2 * particles + 1) * 8;
}

/// The same off the host, by a team of threads a group: two launches, no wait and no allocation.
/// Ancestors and what is found have the bits of resample(). A group with a log weight that is NaN
/// or +inf, or of nothing but -inf, cannot throw there: it keeps its particles and is found NaN.
template <class Exec>
void resample_on(Exec const& exec, double const* log_weights, std::int64_t groups,
                 std::int64_t particles, noise::counted const& noise, noise::key key,
                 std::int64_t first_group, std::span<std::byte> workspace, std::int64_t* ancestors,
                 resampled* found) {
  constexpr auto where = "diffx::search::resample_on";
  static_assert(
      !Exec::on_host && requires(detail::resample_op const& op) { exec.for_each_row(groups, op); },
      "diffx: resample_on needs teams of threads (exec::cuda); on the host call search::resample.");
  int const digits = detail::weight_digits(particles, where);
  std::int64_t const bytes = resample_workspace_size(groups, particles);
  detail::require(static_cast<std::int64_t>(workspace.size()) >= bytes, where, "workspace.size()",
                  static_cast<long long>(workspace.size()),
                  "at least " + detail::text(static_cast<long long>(bytes)));
  noise::check_key(key);
  noise::check_range(first_group, groups, 1, 0);
  auto* const weights = reinterpret_cast<std::uint64_t*>(workspace.data());
  auto* const places = weights + groups * particles;
  auto* const most = reinterpret_cast<double*>(places + groups * particles);
  exec.for_each_row(groups, detail::resample_op{log_weights, particles, digits, noise, key,
                                                first_group, ancestors, weights, places, most});
  detail::for_each_sum(exec, groups, detail::resampled_op{weights, particles, digits, most, found});
}

}  // namespace diffx::search
