#pragma once

#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/remdm.hpp>

namespace diffx::recipe {

/// ReMDM: masked diffusion that takes back some of what it has drawn, by the rule `cap`,
/// `rescale`, `confidence`, `loop` or `forward_backward`.
///
///     recipe::remdm<> const s{process::absorbing<>(classes)};
///     auto const grid = grid::uniform_t(s.process, 1024);
///
/// The rules' defaults are the published ones for 1024 steps; the log-linear schedule is too. The
/// published runs stop at t = 1e-5 and take the likeliest class of what is masked then, from a
/// nucleus of 0.9; here the last step draws.
///
/// Source    Wang et al. 2025, arXiv:2503.00307.
template <class Rule = solver::remask::cap>
using remdm = sampler<process::absorbing<>, solver::remdm<Rule>>;

}  // namespace diffx::recipe
