#pragma once

#include <diffx/concepts/cache.hpp>

namespace diffx::cache {

/// Calls the network on every N-th step and repeats its prediction in between.
///
///     p_i = network(x_i, t_i)  if i mod N == 0,  else  p_{i-1}
///
/// S steps of a one-evaluation solver cost ceil(S / N) evaluations instead of S. The prediction
/// kept is the guided one, as the network gave it (eps, v, ...); the state has moved on, so the x0
/// estimate moves with it.
///
/// Source    the uniform 1:N schedule of Ma, Fang & Wang 2024 (DeepCache), arXiv:2312.00858; here
///           the whole prediction is kept, not the network's inner features.
/// Errors    N < 1 does not compile.
template <int N>
struct every_n {
  static_assert(N >= 1,
                "diffx::cache::every_n<N>: N is the refresh period in solver steps and must be at "
                "least 1. Use cache::none to evaluate the network on every step.");
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::every_n";
  static constexpr std::string_view source = "arXiv:2312.00858";
  static constexpr int depth = N > 1 ? 1 : 0;

  bool refresh(step const& s, int first) const noexcept { return (s.index - first) % N == 0; }
  void weights(step const&, std::span<double const>, std::span<double> w) const noexcept {
    w[0] = 1.0;
  }
};

static_assert(cache_policy<every_n<1>> && cache_policy<every_n<4>>);

}  // namespace diffx::cache
