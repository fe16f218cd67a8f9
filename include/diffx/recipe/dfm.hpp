#pragma once

#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/polynomial.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>

namespace diffx::recipe {

/// Discrete flow matching on the mixture path of a polynomial scheduler, from masks.
///
///     recipe::dfm const s{process::absorbing<schedule::polynomial>(classes, classes, {2.0}),
///                         {.c = 1.0}};
///
/// Source    Gat et al. 2024, arXiv:2407.15595.
using dfm = sampler<process::absorbing<schedule::polynomial>, solver::discrete_flow_matching>;

/// The same from uniform classes.
using dfm_uniform = sampler<process::uniform<schedule::polynomial>, solver::discrete_flow_matching>;

}  // namespace diffx::recipe
