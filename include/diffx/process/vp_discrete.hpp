#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/error.hpp>
#include <diffx/schedule/alpha_bar_table.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

namespace diffx::process {

/// The variance-preserving chain of T trained steps, extended to real indices between them.
///
///     alpha^2 = alpha_bar_i,   sigma^2 = 1 - alpha_bar_i,   timestep = i,   t = (i + 1) / T
///
/// Between entries log(sigma / alpha) is linear in i; from t = 0 (clean data, i = -1) to i = 0
/// sigma / alpha itself is. With zero terminal SNR alpha is linear on the last interval, where
/// the other rule would be infinite.
///
/// Source    Ho, Jain & Abbeel 2020, arXiv:2006.11239; interpolation in log sigma as in Karras et
///           al. 2022, arXiv:2206.00364, and the samplers built upon it.
/// Units     i is the network's training index, from 0 to T - 1; t in [0, 1].
/// Errors    t outside [0, 1], i outside [-1, T-1], lambda below the table's last or NaN, or a
///           table whose last entry does not agree with ZeroTerminalSnr: throws diffx::error.
template <bool ZeroTerminalSnr = false>
class basic_vp_discrete {
 public:
  using kind = process_tag;
  static constexpr std::string_view name =
      ZeroTerminalSnr ? "process::vp_discrete_zero_terminal" : "process::vp_discrete";
  static constexpr std::string_view source = "arXiv:2006.11239";
  static constexpr value_kind values = value_kind::continuous;
  static constexpr bool zero_terminal_snr = ZeroTerminalSnr;

  explicit basic_vp_discrete(schedule::alpha_bar_table table) : table_(std::move(table)) {
    diffx::detail::require(
        table_.zero_terminal_snr() == ZeroTerminalSnr, "diffx::process::vp_discrete",
        "last alpha_bar", table_.alpha_bar(table_.size() - 1),
        ZeroTerminalSnr ? "0 for vp_discrete_zero_terminal (use vp_discrete otherwise)"
                        : "above 0 (use vp_discrete_zero_terminal for alpha_bar = 0)");
    diffx::detail::require(table_.size() >= 2, "diffx::process::vp_discrete", "number of entries",
                           table_.size(), "at least 2");
  }

  int num_train_timesteps() const noexcept { return table_.size(); }
  schedule::alpha_bar_table const& table() const noexcept { return table_; }
  double edm_sigma_min() const noexcept { return table_.edm_sigma(0); }
  double edm_sigma_max() const noexcept { return table_.edm_sigma(table_.size() - 1); }

  level at(double t) const {
    diffx::detail::require(t >= 0.0 && t <= 1.0, "diffx::process::vp_discrete::at", "t", t,
                           "in [0, 1]");
    return at_index(std::clamp(t * table_.size() - 1.0, -1.0, table_.size() - 1.0));
  }

  level at_index(double i) const {
    int const last = table_.size() - 1;
    diffx::detail::require(i >= -1.0 && i <= last, "diffx::process::vp_discrete::at_index", "index",
                           i, "in [-1, " + diffx::detail::text(last) + "] (-1 is clean data)");
    int const low = std::min(static_cast<int>(std::floor(i)), last - 1);
    double const w = i - low;
    if (low < 0) return make(i, w == 0.0 ? inf : table_.lambda(0) - std::log(w));
    if (w == 0.0) return make(i, table_.lambda(low));
    if (w == 1.0) return make(i, table_.lambda(last));
    if (std::isinf(table_.log_alpha_bar(low + 1))) {
      double const l = table_.log_alpha_bar(low) + 2.0 * std::log1p(-w);
      return make(i, -0.5 * std::log(std::expm1(-l)));
    }
    return make(i, std::lerp(table_.lambda(low), table_.lambda(low + 1), w));
  }

  level at_lambda(double lambda) const {
    double const lowest = table_.lambda(table_.size() - 1);
    // A last digit may be lost on the way through exp and log; the end itself must come back.
    if (lambda < lowest && lambda > lowest - 1e-12 * (1.0 + std::abs(lowest))) lambda = lowest;
    diffx::detail::require(
        lambda >= lowest, "diffx::process::vp_discrete::at_lambda", "lambda", lambda,
        "at least " + diffx::detail::text(lowest) + " (the noisiest trained level)");
    return make(index_at_lambda(lambda), lambda);
  }

  /// The real index with this lambda; values beyond the table's ends give the ends (0 and T - 1
  /// for `clamp_to_table`, which is how k-diffusion style samplers find their timesteps).
  double index_at_lambda(double lambda, bool clamp_to_table = false) const noexcept {
    int const last = table_.size() - 1;
    if (lambda >= table_.lambda(0)) {
      return clamp_to_table ? 0.0 : std::expm1(table_.lambda(0) - lambda);
    }
    if (lambda <= table_.lambda(last)) return last;
    int low = 0;
    for (int high = last; high - low > 1;) {
      int const middle = low + (high - low) / 2;
      (table_.lambda(middle) >= lambda ? low : high) = middle;
    }
    double const a = table_.lambda(low);
    double const b = table_.lambda(low + 1);
    if (std::isinf(b)) {
      double const l = -std::log1p(std::exp(-2.0 * lambda));
      return low - std::expm1(0.5 * (l - table_.log_alpha_bar(low)));
    }
    return low + (a - lambda) / (a - b);
  }

 private:
  static constexpr double inf = std::numeric_limits<double>::infinity();

  level make(double i, double lambda) const noexcept {
    return {(i + 1.0) / table_.size(), 1.0 / std::sqrt(1.0 + std::exp(-2.0 * lambda)),
            1.0 / std::sqrt(1.0 + std::exp(2.0 * lambda)), lambda, i};
  }

  schedule::alpha_bar_table table_;
};

using vp_discrete = basic_vp_discrete<false>;
using vp_discrete_zero_terminal = basic_vp_discrete<true>;

static_assert(gaussian_process<vp_discrete> && gaussian_process<vp_discrete_zero_terminal>);

}  // namespace diffx::process
