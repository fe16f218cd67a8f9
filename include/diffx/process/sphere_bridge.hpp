#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/sphere_law.hpp>
#include <diffx/detail/unit_time.hpp>
#include <diffx/error.hpp>
#include <diffx/schedule/bridge_geometric.hpp>

#include <cmath>
#include <limits>
#include <string_view>

namespace diffx::process {

/// Where the bridges of a sphere_bridge start. `other(t)` is the probability that a sample, seen at
/// time t, started at the other point.
namespace sphere_prior {

/// The vertex of the mask: masked diffusion.
struct mask {
  diffx::detail::sphere_law law(int tokens) const { return {tokens, tokens + 1, {0.0, 1.0}, {}}; }
  static double other(double) noexcept { return 0.0; }
};

/// All tokens alike, and no mask: uniform diffusion.
struct barycentre {
  diffx::detail::sphere_law law(int tokens) const {
    return {tokens, tokens, {1.0 / std::sqrt(static_cast<double>(tokens)), 0.0}, {}};
  }
  static double other(double) noexcept { return 0.0; }
};

/// A part lambda on the tokens, all alike, the rest on the mask.
///
/// Errors    lambda outside [0, 1]: throws diffx::error.
struct initial {
  double lambda = 0.5;
  diffx::detail::sphere_law law(int tokens) const {
    diffx::detail::require(lambda >= 0.0 && lambda <= 1.0, "diffx::process::sphere_prior::initial",
                           "lambda", lambda, "in [0, 1]");
    return {tokens, tokens + 1, {std::sqrt(lambda / tokens), std::sqrt(1.0 - lambda)}, {}};
  }
  static double other(double) noexcept { return 0.0; }
};

/// The law of the state at time t is a mixture of two bridges: with probability w from the point
/// where all coordinates, the mask's too, are alike, else from the mask.
///
///     linear: w = t    root: w = 1 - sqrt(1 - t)    step: w = 1 where 1 - t < threshold, else 0
///
/// Sampling starts at t = 1 where w = 1; a step of threshold 0 is the mask alone.
///
/// Errors    a threshold outside [0, 1]: throws diffx::error.
struct mixture {
  enum class path { linear, root, step };
  path along = path::step;
  double threshold = 0.35;

  diffx::detail::sphere_law law(int tokens) const {
    diffx::detail::require(threshold >= 0.0 && threshold <= 1.0,
                           "diffx::process::sphere_prior::mixture", "threshold", threshold,
                           "in [0, 1]");
    double const alike = 1.0 / std::sqrt(tokens + 1.0);
    return {tokens, tokens + 1, {0.0, 1.0}, {alike, alike}};
  }
  double other(double t) const noexcept {
    switch (along) {
      case path::linear:
        return t;
      case path::root:
        return 1.0 - std::sqrt(1.0 - t);
      default:
        return 1.0 - t < threshold ? 1.0 : 0.0;
    }
  }
};

}  // namespace sphere_prior

/// Bridges on the sphere from a prior point to the vertex of the data's token, position by
/// position:
///
///     dX = pull(t) log_X(e_k) |dt| + sqrt(beta(t)) dB,    pull = beta / int_0^t beta
///
/// t falls from 1 to 0; the paper's time is 1 - t, and it stands in a level's timestep, since its
/// networks are told it. A position holds one coordinate for every token and, where the prior has
/// one, the mask's after them. The network sees all of them and gives one logit a token.
///
/// Levels: sigma = int_0^t beta / int_0^1 beta, the share of the noise to come; alpha = 1 - sigma;
/// lambda = log(alpha / sigma). In the flat limit x_t = sigma start + alpha e_k + noise of variance
/// alpha sigma int_0^1 beta.
///
/// What a run noises (start::noised, renoise) is simulated: the bridge from the prior point to the
/// state, in `noising_steps` steps of equal noise.
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564.
/// Shapes    states [batch, positions x width], rows of width of norm 1; logits
///           [batch, positions x tokens].
/// Errors    tokens < 1, fewer than two coordinates, noising_steps outside [1, 4096], t or lambda
///           out of range, a bad prior or schedule: throws diffx::error.
template <class Prior = sphere_prior::mask, class Schedule = schedule::bridge_geometric>
class sphere_bridge {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::sphere_bridge";
  static constexpr std::string_view source = "arXiv:2502.11564";
  static constexpr value_kind values = value_kind::continuous;

  explicit sphere_bridge(int tokens, Prior prior = {}, Schedule schedule = {},
                         int noising_steps = 64)
      : prior_(prior), schedule_(schedule), noising_steps_(noising_steps) {
    constexpr auto where = "diffx::process::sphere_bridge";
    diffx::detail::require(tokens >= 1 && tokens < std::numeric_limits<int>::max(), where, "tokens",
                           tokens, "at least 1");
    diffx::detail::require(noising_steps >= 1 && noising_steps <= 4096, where, "noising_steps",
                           noising_steps, "in [1, 4096]");
    schedule_.check();
    law_ = prior_.law(tokens);
    diffx::detail::require(law_.width >= 2, where, "coordinates of a position", law_.width,
                           "at least 2: a sphere of fewer is no manifold");
  }

  Prior const& prior() const noexcept { return prior_; }
  Schedule const& schedule() const noexcept { return schedule_; }
  int noising_steps() const noexcept { return noising_steps_; }
  diffx::detail::sphere_law const& law() const noexcept { return law_; }

  level at(double t) const {
    diffx::detail::require_unit_time("diffx::process::sphere_bridge::at", t);
    double const alpha = schedule_.passed(t) / schedule_.passed(0.0);
    double const sigma = schedule_.to_come(t) / schedule_.to_come(1.0);
    return {t, alpha, sigma, std::log(alpha) - std::log(sigma), 1.0 - t};
  }
  level at_lambda(double lambda) const {
    double const sigma = 1.0 / (1.0 + std::exp(lambda));
    double const t = diffx::detail::admitted_time(
        "diffx::process::sphere_bridge::at_lambda", lambda, schedule_.time(sigma),
        -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity());
    return {t, 1.0 / (1.0 + std::exp(-lambda)), sigma, lambda, 1.0 - t};
  }

 private:
  Prior prior_;
  Schedule schedule_;
  int noising_steps_;
  diffx::detail::sphere_law law_;
};

static_assert(sphere_process<sphere_bridge<>>);

}  // namespace diffx::process
