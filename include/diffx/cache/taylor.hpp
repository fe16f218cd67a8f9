#pragma once

#include <diffx/concepts/cache.hpp>

namespace diffx::cache {

/// Calls the network on every N-th step and extrapolates its prediction in between.
///
///     p(t) = sum_j l_j(t) p(t_j)     Lagrange polynomial through the last Order + 1 evaluations
///
/// In process time t. Order 0 repeats the prediction (every_n), 1 extrapolates linearly; while
/// fewer evaluations exist the order is lower. The same polynomial as a Taylor expansion with
/// finite differences, for steps of any length.
///
/// Cost      ceil(S / N) evaluations for S steps; Order + 1 tensors are kept and read.
/// Source    Liu et al. 2025 (TaylorSeer), arXiv:2503.06923, there on features inside the network;
///           here on the whole guided prediction.
/// Errors    N < 1 or Order outside [0, 3] does not compile.
template <int N, int Order = 1>
struct taylor {
  static_assert(N >= 1,
                "diffx::cache::taylor<N, Order>: N is the refresh period in solver steps and must "
                "be at least 1. Use cache::none to evaluate the network on every step.");
  static_assert(Order >= 0 && Order <= 3,
                "diffx::cache::taylor<N, Order>: Order is the degree of the extrapolation and must "
                "be 0, 1, 2 or 3; higher ones amplify the error of the network.");
  using kind = cache_tag;
  static constexpr std::string_view name = Order == 1 ? "cache::linear" : "cache::taylor";
  static constexpr std::string_view source = "arXiv:2503.06923";
  static constexpr int depth = N > 1 ? Order + 1 : 0;

  bool refresh(step const& s, int first) const noexcept { return (s.index - first) % N == 0; }

  /// times[0] is now, times[1], ... are those of the stored predictions, newest first.
  void weights(step const&, std::span<double const> times, std::span<double> w) const noexcept {
    for (std::size_t j = 0; j < w.size(); ++j) {
      double l = 1.0;
      for (std::size_t k = 0; k < w.size(); ++k) {
        if (k != j) l *= (times[0] - times[k + 1]) / (times[j + 1] - times[k + 1]);
      }
      w[j] = l;
    }
  }
};

/// Linear extrapolation from the last two evaluations.
template <int N>
using linear = taylor<N, 1>;

static_assert(cache_policy<taylor<3, 1>> && cache_policy<taylor<1, 2>>);

}  // namespace diffx::cache
