#pragma once

#include <diffx/process/marginal.hpp>
#include <diffx/process/product.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/class_alpha_bar.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/product.hpp>

#include <tuple>
#include <utility>
#include <vector>

namespace diffx::recipe {

/// DiGress: graphs whose nodes and pairs of nodes forget their classes into the marginals of the
/// data, on one chain of steps. State: std::tuple{nodes [batch, n], pairs [batch, n (n - 1) / 2]}
/// (domain::graph::graph_batch); the network, which sees both, answers with their logits,
/// prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>>.
///
///     auto const m = domain::graph::marginals_of(graphs, 4, 3);
///     auto const s = recipe::digress(m.nodes, m.pairs, 500);
///     auto const g = grid::uniform_t(std::get<0>(s.process.parts), 501);
///
/// A chain of T steps has T + 1 levels of noise: its cleanest still has some, and what the
/// published sampler returns is that. Here one more step goes to the data. A process::uniform for
/// either block is the uniform variant.
///
/// Source    Vignac et al. 2023, arXiv:2209.14734.
/// Errors    steps < 1, a law that does not sum to 1: throws diffx::error.
inline auto digress(std::vector<double> node_marginal, std::vector<double> pair_marginal,
                    int steps = 500) {
  detail::require(steps >= 1, "diffx::recipe::digress", "steps", steps, "at least 1");
  schedule::class_alpha_bar const schedule{schedule::cosine(steps + 1, 0.9999)};
  return sampler{
      process::product{std::tuple{process::marginal(std::move(node_marginal), schedule),
                                  process::marginal(std::move(pair_marginal), schedule)}},
      solver::product{std::tuple{solver::ancestral{}, solver::ancestral{}}}};
}

}  // namespace diffx::recipe
