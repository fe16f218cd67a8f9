#pragma once

#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx {

/// The list of levels that a run visits: N steps are N + 1 levels, strictly monotone in time and
/// in lambda. Steps are found by their integer index and never again by value.
///
/// Grids (diffx/grid/) build timetables from a process; `timetable(levels)` takes any other list.
/// From noise to data is the usual direction; from data to noise is inversion.
///
/// Errors    fewer than two levels, a level that is not finite or has alpha or sigma below 0 or
///           both 0, or two neighbours that are equal or out of order: throws diffx::error with
///           the index and both values.
class timetable {
 public:
  /// `whose` begins the messages of errors.
  explicit timetable(std::vector<level> levels, std::string_view whose = "diffx::timetable")
      : levels_(std::move(levels)) {
    auto const n = static_cast<int>(levels_.size());
    detail::require(n >= 2, whose, "number of levels", n, "at least 2 (one step has two ends)");
    inverts_ = levels_.back().lambda < levels_.front().lambda;
    for (int i = 0; i < n; ++i) check(i, whose);
  }

  int steps() const noexcept { return static_cast<int>(levels_.size()) - 1; }
  level const& operator[](int i) const noexcept { return levels_[static_cast<std::size_t>(i)]; }
  level const& front() const noexcept { return levels_.front(); }
  level const& back() const noexcept { return levels_.back(); }
  std::span<level const> levels() const noexcept { return levels_; }

  /// True when the run goes from data to noise.
  bool inverts() const noexcept { return inverts_; }

  diffx::step step(int i) const noexcept { return {i, steps(), (*this)[i], (*this)[i + 1]}; }

 private:
  void check(int i, std::string_view whose) const {
    level const& p = (*this)[i];
    bool const finite = std::isfinite(p.t) && std::isfinite(p.alpha) && std::isfinite(p.sigma) &&
                        std::isfinite(p.timestep) && !std::isnan(p.lambda);
    if (!finite || p.alpha < 0.0 || p.sigma < 0.0 || p.alpha + p.sigma == 0.0) {
      detail::fail(std::string(whose) + ": level " + detail::text(i) +
                   " has t = " + detail::text(p.t) + ", alpha = " + detail::text(p.alpha) +
                   ", sigma = " + detail::text(p.sigma) +
                   "; all must be finite, alpha and sigma at least 0 and not both 0");
    }
    if (i == 0) return;
    level const& q = (*this)[i - 1];
    bool const ordered = inverts_ ? p.t > q.t && p.lambda < q.lambda  //
                                  : p.t < q.t && p.lambda > q.lambda;
    if (!ordered) {
      detail::fail(std::string(whose) + ": levels " + detail::text(i - 1) + " and " +
                   detail::text(i) + " have t = " + detail::text(q.t) + ", " + detail::text(p.t) +
                   " and lambda = " + detail::text(q.lambda) + ", " + detail::text(p.lambda) +
                   "; t must fall and lambda rise strictly (the reverse for an inversion), so " +
                   "sigma must not repeat or go out of order");
    }
  }

  std::vector<level> levels_;
  bool inverts_ = false;
};

}  // namespace diffx
