#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/rule/solver_and_guidance.hpp>

namespace diffx::rule {

template <class Process, class Guidance>
inline constexpr bool guidance_suits_values = (Process::values == value_kind::continuous &&
                                               !sphere_process<Process>) ||
                                              (Guidance::hook == x0_hook::none &&
                                               Guidance::reduction == guidance_reduction::none &&
                                               !renoises_unguided<Guidance>);

template <class Process, class Guidance>
inline constexpr bool process_has_kernels = kernels_of<Guidance> == 0 ||
                                            (Process::values == value_kind::categorical &&
                                             !column_process<Process>);

/// These measure x0 over a sample, or weigh by one level.
template <class Process, class Guidance>
inline constexpr bool guidance_suits_columns =
    !(gaussian_column_process<Process> &&
      (Guidance::hook == x0_hook::dynamic || renoises_unguided<Guidance>));

template <class Process, class Guidance>
struct process_and_guidance_must_fit {
  static_assert(
      guidance_suits_columns<Process, Guidance>,
      "diffx: guidance::dynamic_threshold and guidance::cfg_pp need one noise level for a whole "
      "sample, and process::columns gives every column of numbers its own. Use guidance::clip_x0 "
      "or guidance::cfg, or one process for all columns. The two policies are the arguments of "
      "process_and_guidance_must_fit<...>.");
  static_assert(
      guidance_suits_values<Process, Guidance>,
      "diffx: this guidance clips, rescales or re-noises an x0 estimate, which a block of "
      "classes or of points on spheres does not have. Use guidance::none or guidance::cfg, which "
      "mixes logits. The two "
      "policies are the arguments of process_and_guidance_must_fit<...>.");
  static_assert(process_has_kernels<Process, Guidance>,
                "diffx: guidance::d_cfg and guidance::d_cbg act on the reverse kernels of classes "
                "that all positions share, which this process has not. Use guidance::cfg, which "
                "mixes predictions. The two "
                "policies are the arguments of process_and_guidance_must_fit<...>.");
};

}  // namespace diffx::rule
