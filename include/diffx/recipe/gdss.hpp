#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/process/product.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/langevin_corrector.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/reverse_diffusion.hpp>
#include <diffx/solver/s4.hpp>

#include <tuple>
#include <utility>

namespace diffx::recipe {

/// GDSS: the features of nodes and the adjacency of a graph as one system of two stochastic
/// differential equations, each variance-preserving or variance-exploding, on one clock. State:
/// std::tuple{nodes [batch, n d], pairs [batch, n (n - 1) / 2]} (domain::graph::number_graphs); the
/// network sees both and answers for both, prediction::product<prediction::score,
/// prediction::score> or any other.
///
///     auto const s = recipe::gdss(process::vp<>{}, process::ve{}, 0.2);
///     auto const g = grid::uniform_t(std::get<0>(s.process.parts), 1000);
///
/// Both blocks are corrected and then predicted, each time from the same old state. The correction
/// of a graph follows from its own norms (langevin_norms::sample), in which padding does not count;
/// the published means over the batch are langevin_norms::batch, and with langevin_norms::level a
/// graph is the same to the bit in any order of its nodes. N steps cost 2 N evaluations.
///
/// The start of a process::ve has the standard deviation sigma_max; the published one has 1, the
/// sigma_max of its models.
///
/// Source    Jo et al. 2022, arXiv:2202.02514.
/// Errors    snr not above 0 throws when the run is planned.
template <gaussian_process Nodes, gaussian_process Pairs>
auto gdss(Nodes nodes, Pairs pairs, double snr = 0.2,
          langevin_norms norms = langevin_norms::sample) {
  solver::langevin_corrector<> const solver{snr, {}, norms};
  return sampler{process::product{std::tuple{std::move(nodes), std::move(pairs)}},
                 solver::product{std::tuple{solver, solver}}};
}

/// The same with solver::s4: N steps cost N evaluations, each of which corrects and predicts.
template <gaussian_process Nodes, gaussian_process Pairs>
auto gdss_s4(Nodes nodes, Pairs pairs, double snr = 0.2,
             langevin_norms norms = langevin_norms::sample) {
  solver::s4 const solver{snr, norms};
  return sampler{process::product{std::tuple{std::move(nodes), std::move(pairs)}},
                 solver::product{std::tuple{solver, solver}}};
}

}  // namespace diffx::recipe
