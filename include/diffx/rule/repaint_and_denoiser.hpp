#pragma once

#include <diffx/concepts/denoiser.hpp>

namespace diffx::rule {

/// What is known is shown to the network clean or noised like the rest: it was trained for one.
template <class Repaint, class Denoiser>
struct repaint_and_denoiser_must_fit {
  static_assert(!observes_clean<Denoiser>,
                "diffx: solver::repaint gives the known part the noise of every level, and "
                "denoiser::clamp_clean shows the network the clean one, as it was trained. Use "
                "run.finish() with denoiser::clamp_clean, or solver::repaint with a network of "
                "whole noised states. The two policies are the arguments of "
                "repaint_and_denoiser_must_fit<...>.");
};

}  // namespace diffx::rule
