#pragma once

#include <diffx/domain/text/base_n.hpp>
#include <diffx/domain/text/vertices.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/geodesic_random_walk.hpp>

namespace diffx::recipe {

/// RDLM: continuous diffusion of text on the sphere of distributions.
///
///     auto const s = recipe::rdlm_text8();
///     auto const grid = recipe::rdlm_grid(s.process, 256);
///     s.sample(exec, network, grid, x, options{noise::counted{7}});   // x [batch, positions x 28]
///     domain::text::to_tokens(x, codes, 27, 28);
///
/// The network is a denoiser of prediction::x0_posterior: it sees the points, the mask's coordinate
/// last, and gives a logit a token; q.at.timestep is the paper's time. A prompt is put at
/// its vertices (domain::text::to_vertices) and named by options::fixed.
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564.
using rdlm =
    sampler<process::sphere_bridge<process::sphere_prior::mixture>, solver::geodesic_random_walk>;

/// `tokens` classes, started from the even point where `threshold` is above 0, else from the mask.
inline rdlm rdlm_of(int tokens, double threshold) {
  using process::sphere_prior::mixture;
  return {rdlm::process_type(tokens, mixture{mixture::path::step, threshold})};
}

/// 27 characters; 256 steps.
inline rdlm rdlm_text8() { return rdlm_of(27, 0.35); }

/// 30522 tokens as 10 digits of 3 classes (domain::text::base_n); 1000 steps.
inline rdlm rdlm_lm1b() { return rdlm_of(3, 0.38); }
inline domain::text::base_n rdlm_lm1b_digits() {
  return domain::text::base_n::of_vocabulary(30522, 3);
}

/// Even steps to t = 1e-5.
inline timetable rdlm_grid(rdlm::process_type const& process, int steps) {
  return grid::uniform_t(process, steps, {1.0, 1e-5, grid::end_point::none});
}

}  // namespace diffx::recipe
