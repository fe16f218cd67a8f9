#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>

namespace diffx::recipe {

/// Discrete flow matching from masks (process::absorbing) or uniform classes (process::uniform), as
/// a rule with schedule::polynomial. `c` is the weight of the divergence-free part, which goes back
/// and forth.
///
/// Source    Gat et al. 2024, arXiv:2407.15595.
template <categorical_process Process>
auto dfm(Process const& process, double c = 0.0) {
  return sampler{process, solver::discrete_flow_matching{c}};
}

}  // namespace diffx::recipe
