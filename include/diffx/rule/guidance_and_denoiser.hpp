#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/guidance.hpp>

namespace diffx::rule {

template <class Guidance, class Denoiser>
inline constexpr bool denoiser_has_branches = Guidance::branches <= branches_of<Denoiser>;

/// Branch 1 is a null condition or a table of log-ratios: both are numbers per class, and one read
/// as the other would go unnoticed.
template <class Guidance, class Denoiser>
inline constexpr bool branches_mean_the_same =
    Guidance::branches == 1 || reads_log_ratios<Guidance> == gives_log_ratios<Denoiser>;

template <class Guidance, class Denoiser>
struct guidance_and_denoiser_must_fit {
  static_assert(denoiser_has_branches<Guidance, Denoiser>,
                "diffx: this guidance asks for more branches than the denoiser answers; "
                "classifier-free guidance needs a null branch. Declare it "
                "(denoiser::predicts<Prediction, 2>(f), or static constexpr int branches = 2) and "
                "answer query.branch == 1, or use guidance::none. The two policies are the "
                "arguments of guidance_and_denoiser_must_fit<...>.");
  static_assert(!denoiser_has_branches<Guidance, Denoiser> ||
                    branches_mean_the_same<Guidance, Denoiser>,
                "diffx: one of the two takes branch 1 for a null condition and the other for a "
                "classifier's log-ratios. guidance::d_cbg needs denoiser::classified; "
                "guidance::cfg and guidance::d_cfg need a denoiser with a null branch. The two "
                "policies are the arguments of guidance_and_denoiser_must_fit<...>.");
};

template <class Solver, class Denoiser>
inline constexpr bool variance_is_consumed = true;
template <class Solver, class Denoiser>
requires requires { Solver::learned_variance; }
inline constexpr bool variance_is_consumed<Solver, Denoiser> =
    !Solver::learned_variance || learns_variance<Denoiser>;

template <class Solver, class Denoiser>
struct solver_and_denoiser_must_fit {
  static_assert(variance_is_consumed<Solver, Denoiser>,
                "diffx: this solver reads a learned variance, which the denoiser does not give. "
                "Declare learned_variance = true and write [batch, 2 features], or use a fixed "
                "variance. The two policies are the arguments of "
                "solver_and_denoiser_must_fit<...>.");
};

}  // namespace diffx::rule
