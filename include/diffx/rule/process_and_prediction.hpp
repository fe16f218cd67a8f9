#pragma once

#include <diffx/concepts/prediction.hpp>
#include <diffx/concepts/process.hpp>

namespace diffx::rule {

template <class Process, class Prediction>
inline constexpr bool prediction_survives_start = true;
template <class Process, class Prediction>
requires requires { Process::zero_terminal_snr&& Prediction::needs_signal; }
inline constexpr bool prediction_survives_start<Process, Prediction> =
    !(Process::zero_terminal_snr && Prediction::needs_signal);
template <gaussian_column_process Process, class Prediction>
inline constexpr bool prediction_survives_start<Process, Prediction> =
    prediction_survives_start<typename Process::column_type, Prediction>;

template <class Process, class Prediction>
inline constexpr bool prediction_suits_process =
    Process::values == value_kind::categorical ? class_prediction<Prediction>
                                               : prediction_policy<Prediction>;
template <binary_process Process, class Prediction>
inline constexpr bool prediction_suits_process<Process, Prediction> = false;
template <binary_process Process, class_prediction Prediction>
inline constexpr bool prediction_suits_process<Process, Prediction> = !scores_classes<Prediction>;
// The drift of a bridge is the posterior mean of its directions: no cavity stands for that.
template <sphere_process Process, class Prediction>
inline constexpr bool prediction_suits_process<Process, Prediction> = false;
template <sphere_process Process, class_prediction Prediction>
inline constexpr bool prediction_suits_process<Process, Prediction> = !Prediction::is_cavity;

/// A score turns into the law of the data class through alpha and pi, which matrices have not.
template <class Process, class Prediction>
inline constexpr bool score_is_readable = !(matrix_process<Process> && scores_classes<Prediction>);

template <class Process, class Prediction>
struct process_and_prediction_must_fit {
  static_assert(
      prediction_suits_process<Process, Prediction>,
      "diffx: a process of classes needs a network of logits (prediction::x0_posterior, "
      "prediction::x0_cavity), process::xor_packed the same, process::sphere_bridge one of "
      "prediction::x0_posterior, and any other process one of numbers (prediction::eps, "
      "prediction::x0, prediction::v, ...). The two policies are the arguments of "
      "process_and_prediction_must_fit<...>.");
  static_assert(score_is_readable<Process, Prediction>,
                "diffx: a concrete score goes with processes that keep or forget a class "
                "(process::absorbing, process::uniform, process::marginal); for one of matrices "
                "the data class cannot be read from it. Use prediction::x0_posterior or "
                "prediction::x0_cavity. The two policies are the arguments of "
                "process_and_prediction_must_fit<...>.");
  static_assert(prediction_survives_start<Process, Prediction>,
                "diffx: this process starts at alpha = 0, where an eps or score prediction says "
                "nothing about x0. Use a network that predicts v, x0 or flow, or a process that "
                "keeps some signal. The two policies are the arguments of "
                "process_and_prediction_must_fit<...>.");
};

}  // namespace diffx::rule
