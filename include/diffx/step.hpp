#pragma once

#include <cmath>
#include <limits>

namespace diffx {

/// One point of a noise process: x = alpha x0 + sigma eps.
///
/// `lambda` = log(alpha / sigma), half the log SNR, is stored beside alpha and sigma because it
/// cannot be recovered from them without cancellation. It is +inf at sigma = 0 and -inf at
/// alpha = 0.
struct level {
  double t = 0.0;      // process time in [0, 1]; 0 is data, 1 is noise
  double alpha = 1.0;  // signal scale
  double sigma = 0.0;  // noise scale
  double lambda = std::numeric_limits<double>::infinity();
  double timestep = 0.0;  // what a network trained on discrete indices is told; else equal to t

  /// The noise level of EDM: sigma / alpha.
  double edm_sigma() const noexcept { return sigma / alpha; }

  /// The same lambda on the variance-exploding path alpha = 1.
  static level edm(double edm_sigma, double timestep = 0.0) noexcept {
    return {edm_sigma, 1.0, edm_sigma, -std::log(edm_sigma), timestep};
  }
};

/// One reverse step, from the noisier level to the cleaner one. Inversion runs the other way.
struct step {
  int index = 0;  // place in the loop, 0 first
  int count = 0;  // steps of the whole run
  level from;
  level to;

  /// lambda_to - lambda_from; positive when denoising, +inf onto sigma = 0.
  double h() const noexcept { return to.lambda - from.lambda; }
};

}  // namespace diffx
