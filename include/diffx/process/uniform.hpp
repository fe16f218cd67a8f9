#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/class_time.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/schedule/log_linear.hpp>

#include <string_view>

namespace diffx::process {

/// A position that loses its class takes any of the classes, the same one included.
///
///     q(x_t | x_0) = alpha 1[x_t = x_0] + (1 - alpha) / classes
///
/// Source    Austin et al. 2021, arXiv:2107.03006; Schiff et al. 2024, arXiv:2412.10193.
/// Shapes    states [batch, positions], integers in [0, classes).
/// Errors    classes < 1, t or lambda out of range, or a bad schedule: throws diffx::error.
template <class Schedule = schedule::log_linear>
class uniform {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::uniform";
  static constexpr std::string_view source = "arXiv:2107.03006";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr bool is_absorbing = false;

  explicit uniform(int classes, Schedule schedule = {}) : time_(schedule), classes_(classes) {
    diffx::detail::require(classes >= 1, "diffx::process::uniform", "classes", classes,
                           "at least 1");
  }

  Schedule const& schedule() const noexcept { return time_.schedule(); }
  diffx::detail::limit_law limit() const noexcept { return {classes_, -1, nullptr}; }

  level at(double t) const { return time_.at(t, "diffx::process::uniform::at"); }
  level at_lambda(double lambda) const {
    return time_.at_lambda(lambda, "diffx::process::uniform::at_lambda");
  }

 private:
  diffx::detail::class_time<Schedule> time_;
  int classes_;
};

static_assert(categorical_process<uniform<>>);

}  // namespace diffx::process
