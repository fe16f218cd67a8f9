#pragma once

#include <diffx/detail/parts.hpp>
#include <diffx/step.hpp>

#include <concepts>
#include <string_view>

namespace diffx {

struct prediction_tag {};

/// The quantity a solver works in. Every one is linear in the state and any other.
///
///     x0;   eps = (x - alpha x0) / sigma;   flow u = eps - x0
enum class frame { x0, eps, flow };

/// `state * x + output * p`: how a raw network output p becomes another quantity at one level.
struct linear_form {
  double state = 0.0;
  double output = 1.0;
};

/// A prediction type says what the network's output means.
///
/// | `P::name`, `P::source`  | identity                                                           |
/// | `p.to(f, level)`        | the linear form that turns the raw output into frame f; host       |
/// | `p.input_scale(level)`  | factor by which the network wants the state multiplied (1: none)   |
/// | `P::scales_input`       | false if input_scale is 1 at every level: no copy is made          |
/// | `P::needs_signal`       | true if x0 cannot be recovered at alpha = 0 (eps, score)           |
template <class P>
concept prediction_policy = std::same_as<typename P::kind, prediction_tag> &&
    requires(P const& p, frame f, level at) {
  { P::name } -> std::convertible_to<std::string_view>;
  { P::source } -> std::convertible_to<std::string_view>;
  { p.to(f, at) } -> std::same_as<linear_form>;
  { p.input_scale(at) } -> std::convertible_to<double>;
  { P::scales_input } -> std::convertible_to<bool>;
  { P::needs_signal } -> std::convertible_to<bool>;
};

/// A prediction of classes: one row of logits a position.
///
/// | `P::value_type` | what a logit is stored in                                               |
/// | `P::is_cavity`  | the softmax is the law of the data class given: all positions (false),  |
/// |                 | all others (true)                                                       |
/// | `P::is_score`   | true: no such law, but log-ratios of probabilities of the noised classes |
template <class P>
concept class_prediction = std::same_as<typename P::kind, prediction_tag> && requires {
  typename P::value_type;
  { P::name } -> std::convertible_to<std::string_view>;
  { P::source } -> std::convertible_to<std::string_view>;
  { P::is_cavity } -> std::convertible_to<bool>;
};

template <class P>
inline constexpr bool scores_classes = false;
template <class P>
requires requires { P::is_score; }
inline constexpr bool scores_classes<P> = P::is_score;

template <class P>
concept any_prediction = prediction_policy<P> || class_prediction<P> || detail::has_parts<P>;

}  // namespace diffx
