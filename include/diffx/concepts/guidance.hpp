#pragma once

#include <diffx/step.hpp>

#include <concepts>
#include <span>
#include <string_view>

namespace diffx {

struct guidance_tag {};

/// What a guidance does to the x0 estimate inside the fused pass.
enum class x0_hook {
  none,
  clip,     // clamp to +-limit
  dynamic,  // clamp to +-q of the sample and divide by q; q is a quantile of |x0|
};

/// What a guidance measures per sample before the pass.
enum class guidance_reduction {
  none,
  rescale,  // std of the conditional and of the guided prediction
};

/// A guidance steers the prediction by combining those of several branches.
///
/// | `G::branches`           | branches it may ask for; 0 is the condition, 1 the null            |
/// | `g.weights(step, span)` | weight of each branch in this step; sum 1; 0: not evaluated        |
/// | `G::hook`               | what happens to the x0 estimate (x0_hook)                          |
/// | `G::reduction`          | what is measured per sample first (guidance_reduction)             |
/// | `G::kernels`            | classes alone: it acts on the reverse kernels of as many branches, |
/// |                         | q ~ prod_b q_b^w_b; further branches are tables R_b of log-ratios, |
/// |                         | which multiply by exp(w_b R_b). Absent: it mixes logits            |
///
/// Weights that sum to 1 mean the same in every frame; host, double, pure. A table's weight is
/// beside that sum.
template <class G>
concept guidance_policy = std::same_as<typename G::kind, guidance_tag> &&
    requires(G const& g, step const& s, std::span<double> w) {
  { G::name } -> std::convertible_to<std::string_view>;
  { G::source } -> std::convertible_to<std::string_view>;
  { G::branches } -> std::convertible_to<int>;
  { G::hook } -> std::convertible_to<x0_hook>;
  { G::reduction } -> std::convertible_to<guidance_reduction>;
  g.weights(s, w);
};

template <class G>
inline constexpr int kernels_of = 0;
template <class G>
requires requires { G::kernels; }
inline constexpr int kernels_of<G> = G::kernels;

/// True if a branch after the kernels is a table of log-ratios.
template <class G>
inline constexpr bool reads_log_ratios = kernels_of<G> > 0 && kernels_of<G> < G::branches;

}  // namespace diffx
