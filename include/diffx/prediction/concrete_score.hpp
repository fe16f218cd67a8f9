#pragma once

#include <diffx/concepts/prediction.hpp>

#include <cmath>
#include <string_view>

namespace diffx::prediction {

/// The network gives the logarithms of ratios of probabilities of the noised classes, those of
/// sequences that differ from the present one at one position alone:
///
///     s_y = p_t(x with y in this place) / p_t(x)
///         = (alpha c_y + (1 - alpha) pi_y) / (alpha c_x + (1 - alpha) pi_x)
///
/// with c the cavity (prediction::x0_cavity). The ratio of the class that is there is 1: its entry
/// is not read, so a mask needs no logit. Guidance mixes the logarithms, which is that of the
/// densities themselves.
///
/// At alpha = 0 a ratio says nothing of the data: a run starts with some signal left.
///
/// Source    Lou et al. 2024, arXiv:2310.16834.
/// Shapes    logits [batch, positions, classes], in T; the constant of a row matters.
/// Errors    none.
template <class T = float>
struct concrete_score {
  using kind = prediction_tag;
  using value_type = T;
  static constexpr std::string_view name = "prediction::concrete_score";
  static constexpr std::string_view source = "arXiv:2310.16834";
  static constexpr bool is_cavity = false;
  static constexpr bool is_score = true;
};

static_assert(class_prediction<concrete_score<>>);

/// The log-score that a network of absorbing noise means by its output, when it was trained to
/// leave the size of the scores at this noise to a factor: `states` counts the mask.
///
///     log s = output - log(e^total_noise - 1) - log(states - 1)
///
/// Source    Lou et al. 2024, arXiv:2310.16834, section 5.
inline double scaled_log_score(double output, double total_noise, int states) {
  // log(e^x - 1), where neither the exponential overflows nor the difference loses digits.
  double const factor = total_noise < 30.0 ? std::log(std::expm1(total_noise))
                                           : total_noise + std::log1p(-std::exp(-total_noise));
  return output - factor - std::log(states - 1.0);
}

}  // namespace diffx::prediction
