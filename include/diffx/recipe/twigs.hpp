#pragma once

#include <diffx/process/product.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/stem.hpp>
#include <diffx/solver/trunk.hpp>

#include <tuple>
#include <utility>

namespace diffx::recipe {

/// Diffusion Twigs: a trunk, such as a graph, and stems, such as its properties, on one clock. In
/// each step the network sees trunk and stems and predicts both; the stems follow, and the trunk
/// sees them in the next call. Trunk and stems may be of any processes: the nodes and pairs of
/// DiGress as the trunk, a Gaussian number as the stem.
///
///     auto const s = recipe::twigs(std::tuple{nodes, pairs},
///                                  std::tuple{solver::ancestral{}, solver::ancestral{}},
///                                  std::tuple{process::vp<>{}}, std::tuple{solver::ddpm{}});
///
/// State: the blocks of the trunk, then the stems, in one tuple. In every step the stems go round
/// `rounds` - 1 times at the level where they stand, with the trunk held (solver::stem), before all
/// take their step; 1 is the released code. N steps cost N rounds evaluations of a network that
/// predicts the stems as well; with networks of their own (denoiser::twigs) each counts.
///
/// In training, released code shows the trunk stems of pure noise; here they are what the chain has
/// made of them, as in its sampler.
///
/// Source    Mercatali et al. 2024, arXiv:2410.24012.
/// Errors    those of solver::trunk and solver::stem.
template <class... Trunk, class... TrunkSolvers, class... Stems, class... StemSolvers>
auto twigs(std::tuple<Trunk...> trunk, std::tuple<TrunkSolvers...> trunk_solvers,
           std::tuple<Stems...> stems, std::tuple<StemSolvers...> stem_solvers, int rounds = 1) {
  static_assert(
      sizeof...(Trunk) == sizeof...(TrunkSolvers) && sizeof...(Stems) == sizeof...(StemSolvers),
      "diffx::recipe::twigs: one solver per block of the trunk and per stem.");
  auto const held =
      std::apply([rounds](auto const&... s) { return std::tuple{solver::trunk(s, rounds)...}; },
                 trunk_solvers);
  auto const round = std::apply(
      [rounds](auto const&... s) { return std::tuple{solver::stem(s, rounds)...}; }, stem_solvers);
  return sampler{process::product{std::tuple_cat(std::move(trunk), std::move(stems))},
                 solver::product{std::tuple_cat(held, round)}};
}

}  // namespace diffx::recipe
