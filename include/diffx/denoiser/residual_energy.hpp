#pragma once

#include <diffx/concepts/denoiser.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// The energy that turns a factorised proposal into an autoregressive law, without training:
///
///     E(x0, x_t) = -log p_AR(x0) + log p(x0 | x_t),    so that p(x0 | x_t) exp(-E) = p_AR(x0)
///
///     log_p_ar(exec, batch_view<Code const> x0, batch_view<double> out)
///
/// writes the log-probability of every token given those before it, 0 for a token that the model
/// gives none (a first one without a start symbol).
///
/// `masked_only`, set to the mask, is the published carry-over variant: tokens that x_t shows are
/// left out of the first sum, as they are of the second. They depend on the drawn tokens before
/// them, so that variant is an approximation.
///
/// Source    Xu et al. 2024, arXiv:2410.21357 (EDLM-AR, EDLM-coAR).
/// Shapes    x0: [batch x candidates, positions], sample by sample; x_t: [batch, positions]; log_p:
///           [batch x candidates, positions]; out: [batch x candidates].
/// Requires  host memory.
/// Errors    none here.
template <class LogLikelihood>
struct residual_energy {
  LogLikelihood log_p_ar;
  int masked_only = -1;

  template <class Exec, class Code>
  void operator()(Exec const& exec, batch_view<Code const> x0, batch_view<Code const> x_t,
                  query const&, std::span<double const> log_p, std::span<double> out) const {
    static_assert(
        Exec::on_host,
        "diffx::denoiser::residual_energy works on host memory. Use exec::host or exec::threads.");
    std::vector<double> terms(static_cast<std::size_t>(x0.size()));
    log_p_ar(exec, x0, batch_view<double>{terms.data(), x0.batch, x0.features, x0.first_sample});
    std::int64_t const candidates = x_t.batch > 0 ? x0.batch / x_t.batch : 0;
    for (std::int64_t r = 0; r < x0.batch; ++r) {
      Code const* const seen = x_t.row(r / candidates);
      double sum = 0.0;
      for (std::int64_t l = 0; l < x0.features; ++l) {
        auto const at = static_cast<std::size_t>(r * x0.features + l);
        bool const counts = masked_only < 0 || static_cast<int>(seen[l]) == masked_only;
        sum += log_p[at] - (counts ? terms[at] : 0.0);
      }
      out[static_cast<std::size_t>(r)] = sum;
    }
  }
};
template <class F>
residual_energy(F) -> residual_energy<F>;
template <class F>
residual_energy(F, int) -> residual_energy<F>;

}  // namespace diffx::denoiser
