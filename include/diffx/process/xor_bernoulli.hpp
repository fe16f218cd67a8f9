#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/chain_time.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/schedule/flip_table.hpp>

#include <cmath>
#include <string_view>
#include <utility>

namespace diffx::process {

/// Bits are flipped: x_k = x_0 xor Bernoulli(b_k), b_k counted from the data.
///
///     1 - 2 b_t = (1 - 2 b_s)(1 - 2 d),    d the flip from s to t
///
/// It is uniform noise over two classes with alpha = 1 - 2 b: half of the bits that lose their
/// value get it back. So solver::ancestral has the exact bit posterior, and everything that works
/// on classes works on bits.
///
/// Levels have t = k / T, timestep = k - 1, k = 0 the data. A last b below 1/2 leaves something of
/// the data where the run starts without it: the table should end at 1/2.
///
/// Source    Kinakh & Voloshynovskiy 2024 (Binary Diffusion), arXiv:2409.13882.
/// Shapes    states [batch, bits], integers 0 and 1.
/// Errors    a t that is not k / T, an index outside [-1, T - 1], a lambda of no step: throws
///           diffx::error.
class xor_bernoulli {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::xor_bernoulli";
  static constexpr std::string_view source = "arXiv:2409.13882";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr bool is_absorbing = false;

  explicit xor_bernoulli(schedule::flip_table flips)
      : time_(flips.size()), flips_(std::move(flips)) {}

  schedule::flip_table const& flips() const noexcept { return flips_; }
  int steps() const noexcept { return time_.steps(); }
  diffx::detail::limit_law limit() const noexcept { return {2, -1, nullptr}; }

  level at(double t) const { return after(time_.step(t, where)); }
  /// The level of training index i, from -1, the data, to T - 1.
  level at_index(int i) const {
    diffx::detail::require(i >= -1 && i < steps(), where, "index", i, "in [-1, T - 1]");
    return after(i + 1);
  }
  level at_lambda(double lambda) const {
    diffx::detail::require(!std::isnan(lambda), where, "lambda", lambda, "a number");
    int nearest = 0;
    for (int k = 1; k <= steps(); ++k) {
      nearest = after(k).lambda >= lambda ? k : nearest;
    }
    if (nearest < steps() && lambda - after(nearest + 1).lambda < 1e-9) ++nearest;
    level const out = after(nearest);
    diffx::detail::require(out.lambda == lambda || std::fabs(out.lambda - lambda) < 1e-9, where,
                           "lambda", lambda, "that of a step: the table has no law between them");
    return out;
  }

 private:
  static constexpr std::string_view where = "diffx::process::xor_bernoulli";

  level after(int k) const {
    double const moved = k == 0 ? 0.0 : 2.0 * flips_.flip(k - 1), kept = 1.0 - moved;
    return {static_cast<double>(k) / steps(), kept, moved, std::log(kept) - std::log(moved),
            k - 1.0};
  }

  diffx::detail::chain_time time_;
  schedule::flip_table flips_;
};

static_assert(categorical_process<xor_bernoulli>);

}  // namespace diffx::process
