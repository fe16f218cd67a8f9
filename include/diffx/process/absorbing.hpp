#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/class_time.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/schedule/log_linear.hpp>

#include <string_view>

namespace diffx::process {

/// Masked diffusion: a position that loses its class becomes the mask and stays it.
///
///     q(x_t | x_0) = alpha 1[x_t = x_0] + (1 - alpha) 1[x_t = mask]
///
/// The network gives one logit for each of `classes` states; the mask's own, if it has one, is
/// ignored. The mask may be any state: one of the logits, or the number after the last.
///
/// Source    Austin et al. 2021, arXiv:2107.03006; Sahoo et al. 2024, arXiv:2406.07524.
/// Shapes    states [batch, positions], integers in [0, classes] where the mask is one of them.
/// Errors    classes < 1, a mask outside [0, classes], t or lambda out of range, or a bad schedule:
///           throws diffx::error.
template <class Schedule = schedule::log_linear>
class absorbing {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::absorbing";
  static constexpr std::string_view source = "arXiv:2406.07524";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr bool is_absorbing = true;

  absorbing(int classes, int mask, Schedule schedule = {})
      : time_(schedule), classes_(classes), mask_(mask) {
    constexpr auto where = "diffx::process::absorbing";
    diffx::detail::require(classes >= 1, where, "classes", classes, "at least 1");
    diffx::detail::require(mask >= 0 && mask <= classes, where, "mask", mask,
                           "in [0, classes]: a logit, or the number after the last");
  }
  /// The mask is the number after the last logit.
  explicit absorbing(int classes) : absorbing(classes, classes) {}

  Schedule const& schedule() const noexcept { return time_.schedule(); }
  diffx::detail::limit_law limit() const noexcept { return {classes_, mask_, nullptr}; }

  level at(double t) const { return time_.at(t, "diffx::process::absorbing::at"); }
  level at_lambda(double lambda) const {
    return time_.at_lambda(lambda, "diffx::process::absorbing::at_lambda");
  }

 private:
  diffx::detail::class_time<Schedule> time_;
  int classes_;
  int mask_;
};

static_assert(categorical_process<absorbing<>>);

}  // namespace diffx::process
