#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/class_time.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/schedule/log_linear.hpp>

#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::process {

/// A position that loses its class takes one from a law of the user's, as a rule the marginal of
/// the data.
///
///     q(x_t | x_0) = alpha 1[x_t = x_0] + (1 - alpha) pi(x_t)
///
/// Source    Vignac et al. 2023, arXiv:2209.14734.
/// Shapes    states [batch, positions], integers in [0, pi.size()).
/// Errors    an empty pi, an entry below 0 or not finite, a sum that is not 1 to 1e-9, t or lambda
///           out of range, or a bad schedule: throws diffx::error.
template <class Schedule = schedule::log_linear>
class marginal {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::marginal";
  static constexpr std::string_view source = "arXiv:2209.14734";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr bool is_absorbing = false;

  explicit marginal(std::vector<double> pi, Schedule schedule = {})
      : time_(schedule), cumulative_(std::move(pi)) {
    constexpr auto where = "diffx::process::marginal";
    diffx::detail::require(!cumulative_.empty(), where, "pi.size()", 0, "at least 1");
    double sum = 0.0;
    for (double& p : cumulative_) {
      diffx::detail::require(p >= 0.0 && std::isfinite(p), where, "an entry of pi", p,
                             "at least 0 and finite");
      p = sum += p;
    }
    diffx::detail::require(std::fabs(sum - 1.0) < 1e-9, where, "the sum of pi", sum, "1");
    for (double& p : cumulative_) p /= sum;
  }

  Schedule const& schedule() const noexcept { return time_.schedule(); }
  diffx::detail::limit_law limit() const noexcept {
    return {static_cast<int>(cumulative_.size()), -1, cumulative_.data()};
  }

  level at(double t) const { return time_.at(t, "diffx::process::marginal::at"); }
  level at_lambda(double lambda) const {
    return time_.at_lambda(lambda, "diffx::process::marginal::at_lambda");
  }

 private:
  diffx::detail::class_time<Schedule> time_;
  std::vector<double> cumulative_;  // running sums of pi
};

static_assert(categorical_process<marginal<>>);

}  // namespace diffx::process
