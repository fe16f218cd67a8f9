#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

/// Edges of a graph are taken away, each by itself, until none is left: an edge is still there
/// after step t = 0 .. T - 1 with probability
///
///     alpha_bar_t = alpha_0 alpha_1 ... alpha_t
///
/// An edge of the data that is missing at t is back at t - 1 with probability
///
///     gamma_t = (1 - alpha_t) alpha_bar_(t-1) / (1 - alpha_bar_t),    gamma_0 = 1
///
/// On pairs of nodes it is process::marginal whose law is class 0 alone; this is the same for
/// sparse graphs, on which solvers keep a list of edges and no pair that has none.
///
/// Source    Chen et al. 2023 (EDGE), arXiv:2305.04111.
/// Errors    no step, an alpha outside (0, 1]: throws diffx::error.
class edge_removal {
 public:
  static constexpr std::string_view name = "domain::graph::edge_removal";
  static constexpr std::string_view source = "arXiv:2305.04111";

  explicit edge_removal(std::vector<double> alpha) : alpha_(std::move(alpha)) {
    detail::require(!alpha_.empty(), where, "alpha.size()", 0, "at least 1");
    double product = 1.0;
    for (std::size_t t = 0; t < alpha_.size(); ++t) {
      detail::require(alpha_[t] > 0.0 && alpha_[t] <= 1.0, where,
                      "alpha[" + std::to_string(t) + "]", alpha_[t], "in (0, 1]");
      alpha_bar_.push_back(product *= alpha_[t]);
    }
  }

  /// alpha_t = 1 - beta_t, beta from 0.1 / T to 20 / T in equal steps.
  ///
  /// Errors    T < 20, or T = 20, where alpha would not be positive: throws diffx::error.
  static edge_removal linear(int steps) {
    detail::require(steps > 20, "diffx::domain::graph::edge_removal::linear", "steps", steps,
                    "above 20 (fewer would give an edge a negative probability of staying); use "
                    "edge_removal::cosine");
    std::vector<double> alpha;
    for (int t = 0; t < steps; ++t) {
      alpha.push_back(1.0 - (0.1 + 19.9 * t / (steps - 1.0)) / steps);
    }
    return edge_removal(std::move(alpha));
  }

  /// alpha_t^2 = f((t + 1) / T) / f(t / T), at least 0.001, f(u) = cos^2((u + s) / (1 + s) pi / 2),
  /// s = 0.008.
  static edge_removal cosine(int steps) {
    detail::require(steps >= 1, "diffx::domain::graph::edge_removal::cosine", "steps", steps,
                    "at least 1");
    auto const f = [steps](int t) {
      double const c =
          std::cos((static_cast<double>(t) / steps + 0.008) / 1.008 * 0.5 * std::numbers::pi);
      return c * c;
    };
    std::vector<double> alpha;
    for (int t = 0; t < steps; ++t) {
      alpha.push_back(std::sqrt(std::clamp(f(t + 1) / f(t), 0.001, 1.0)));
    }
    return edge_removal(std::move(alpha));
  }

  /// The same share of the edges goes at every step, and few are left: alpha_bar_t =
  /// 1 - (t + 1) / (T + 1).
  static edge_removal even(int steps) {
    detail::require(steps >= 1, "diffx::domain::graph::edge_removal::even", "steps", steps,
                    "at least 1");
    std::vector<double> alpha;
    for (int t = 0; t < steps; ++t) alpha.push_back((steps - t) / (steps - t + 1.0));
    return edge_removal(std::move(alpha));
  }

  /// The published "Tt1", alpha_t = 1 / (T - t): the first step takes all but a T-th of the edges.
  /// For comparisons; what was meant is even().
  static edge_removal reciprocal(int steps) {
    detail::require(steps >= 1, "diffx::domain::graph::edge_removal::reciprocal", "steps", steps,
                    "at least 1");
    std::vector<double> alpha;
    for (int t = 0; t < steps; ++t) alpha.push_back(1.0 / (steps - t + 1e-8));
    return edge_removal(std::move(alpha));
  }

  int steps() const noexcept { return static_cast<int>(alpha_.size()); }
  double alpha(int t) const { return alpha_.at(static_cast<std::size_t>(t)); }
  double alpha_bar(int t) const { return alpha_bar_.at(static_cast<std::size_t>(t)); }

  /// The level after step t, for process::marginal and what goes with it.
  level at(int t) const {
    double const kept = alpha_bar(t);
    return {(t + 1.0) / steps(), kept, 1.0 - kept, std::log(kept) - std::log1p(-kept),
            static_cast<double>(t)};
  }

  double gamma(int t) const { return t == 0 ? 1.0 : back(t, alpha_bar(t - 1)); }
  /// The published gamma_0 takes alpha_bar_0 for what comes before step 0, which is 1: some edges
  /// never come back.
  double published_gamma(int t) const { return back(t, alpha_bar(t == 0 ? 0 : t - 1)); }

 private:
  static constexpr std::string_view where = "diffx::domain::graph::edge_removal";

  double back(int t, double before) const {
    double const gone = 1.0 - alpha_bar(t);
    return gone > 0.0 ? (1.0 - alpha(t)) * before / gone : 0.0;
  }

  std::vector<double> alpha_, alpha_bar_;
};

/// The probability that a node which has `missing` edges less than in the data gets one back.
inline double active_probability(double gamma, std::int64_t missing) noexcept {
  if (missing <= 0) return 0.0;
  return gamma < 1.0 ? -std::expm1(static_cast<double>(missing) * std::log1p(-gamma)) : 1.0;
}

/// When a node gets an edge back, drawn at once. A node that has D edges less than in the data is
/// quiet in all of the steps s .. t - 1 with probability
///
///     (1 - gamma_s)^D ... (1 - gamma_(t-1))^D
///
/// and D does not change while it is quiet, so its next active step is had from one uniform number
/// by inversion of this product, which is ((1 - alpha_bar_(s-1)) / (1 - alpha_bar_(t-1)))^D.
class active_steps {
 public:
  /// gamma of every step.
  explicit active_steps(std::vector<double> const& gamma)
      : quiet_(gamma.size() + 1, 0.0), certain_(gamma.size() + 1, -1) {
    for (std::size_t t = gamma.size(); t-- > 0;) {
      // Sums of logarithms from the last step down; a step in which all are active adds nothing.
      quiet_[t] = quiet_[t + 1] + (gamma[t] < 1.0 ? std::log1p(-gamma[t]) : 0.0);
    }
    for (std::size_t t = 0; t < gamma.size(); ++t) {
      certain_[t + 1] = gamma[t] < 1.0 ? certain_[t] : static_cast<int>(t);
    }
  }

  /// The next step below t, or -1 for none, from a number in (0, 1).
  int next(int t, std::int64_t missing, double uniform) const noexcept {
    if (missing <= 0) return -1;
    auto const at = static_cast<std::size_t>(t);
    double const low = quiet_[at] + std::log(uniform) / static_cast<double>(missing);
    // The largest step of [certain + 1, t) whose sum is not above `low`.
    auto const first = quiet_.begin() + certain_[at] + 1, last = quiet_.begin() + t;
    auto const found = std::upper_bound(first, last, low);
    return found == first ? certain_[at] : static_cast<int>(found - quiet_.begin()) - 1;
  }

 private:
  std::vector<double> quiet_;  // rises with t
  std::vector<int> certain_;   // of t, the next step below in which gamma is 1, or -1
};

}  // namespace diffx::domain::graph
