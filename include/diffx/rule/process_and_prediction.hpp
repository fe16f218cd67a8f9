#pragma once

namespace diffx::rule {

template <class Process, class Prediction>
inline constexpr bool prediction_survives_start =
    !(Process::zero_terminal_snr && Prediction::needs_signal);

template <class Process, class Prediction>
struct process_and_prediction_must_fit {
  static_assert(prediction_survives_start<Process, Prediction>,
                "diffx: this process starts at alpha = 0, where an eps or score prediction says "
                "nothing about x0. Use a network that predicts v, x0 or flow, or a process that "
                "keeps some signal. The two policies are the arguments of "
                "process_and_prediction_must_fit<...>.");
};

}  // namespace diffx::rule
