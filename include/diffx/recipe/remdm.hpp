#pragma once

#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/remdm.hpp>

namespace diffx::recipe {

/// ReMDM: masked text of which a part is taken back in every step, by the rule remask::cap,
/// rescale, confidence, loop or forward_backward. The rules' numbers are the published ones for a
/// grid::uniform_t of 1024 steps. The published runs draw from a nucleus of 0.9 and end with the
/// likeliest class of what is still masked at t = 1e-5; here the last step draws.
///
/// Source    Wang et al. 2025, arXiv:2503.00307.
template <class Rule = solver::remask::cap>
auto remdm(process::absorbing<> const& process, Rule const& rule = {}) {
  return sampler{process, solver::remdm<Rule>{rule}};
}

}  // namespace diffx::recipe
