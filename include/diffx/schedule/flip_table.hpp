#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace diffx::schedule {

/// How likely a bit is flipped at each of T levels, counted from the data and not from the level
/// before: 1/2 leaves nothing of it.
///
/// Errors    an empty table, a probability outside (0, 1/2] or below the one before it: throws
///           diffx::error with the index and the value.
class flip_table {
 public:
  explicit flip_table(std::vector<double> flips) : flips_(std::move(flips)) {
    constexpr auto where = "diffx::schedule::flip_table";
    detail::require(!flips_.empty(), where, "number of entries", 0, "at least 1");
    for (std::size_t i = 0; i < flips_.size(); ++i) {
      double const least = i == 0 ? 0.0 : flips_[i - 1];
      detail::require(flips_[i] > 0.0 && flips_[i] <= 0.5 && flips_[i] >= least, where,
                      "flip[" + detail::text(static_cast<int>(i)) + "]", flips_[i],
                      "in (0, 1/2] and not below the entry before it");
    }
  }

  int size() const noexcept { return static_cast<int>(flips_.size()); }
  double flip(int i) const noexcept { return flips_[static_cast<std::size_t>(i)]; }

 private:
  std::vector<double> flips_;
};

/// Three curves from `begin`, usually 1 / (bits of a row), to `end`; i = 0 ... T - 1.
///
///     linear      begin + (end - begin) i / (T - 1)
///     quadratic   (sqrt(begin) + (sqrt(end) - sqrt(begin)) i / (T - 1))^2
///     sigmoid     begin + (end - begin) / (1 + exp(-z_i)),  z_i from -6 to 6: reaches neither end
///
/// Source    Kinakh & Voloshynovskiy 2024 (Binary Diffusion), arXiv:2409.13882.
/// Errors    T < 1 or probabilities that flip_table refuses: throws diffx::error.
inline flip_table flip_linear(int steps, double begin, double end = 0.5) {
  detail::require_length("diffx::schedule::flip_linear", steps);
  std::vector<double> flips;
  for (int i = 0; i < steps; ++i) flips.push_back(detail::spread(begin, end, i, steps));
  return flip_table(std::move(flips));
}

inline flip_table flip_quadratic(int steps, double begin, double end = 0.5) {
  detail::require_length("diffx::schedule::flip_quadratic", steps);
  std::vector<double> flips;
  for (int i = 0; i < steps; ++i) {
    double const root = detail::spread(std::sqrt(begin), std::sqrt(end), i, steps);
    // The square of a root may be above the end by a rounding.
    flips.push_back(i == 0 ? begin : std::fmin(root * root, std::fmax(begin, end)));
    if (i > 0 && i == steps - 1) flips.back() = end;
  }
  return flip_table(std::move(flips));
}

inline flip_table flip_sigmoid(int steps, double begin, double end = 0.5) {
  detail::require_length("diffx::schedule::flip_sigmoid", steps);
  std::vector<double> flips;
  for (int i = 0; i < steps; ++i) {
    double const z = detail::spread(-6.0, 6.0, i, steps);
    flips.push_back(begin + (end - begin) / (1.0 + std::exp(-z)));
  }
  return flip_table(std::move(flips));
}

}  // namespace diffx::schedule
