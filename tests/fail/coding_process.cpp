// expected-error: likelihoods and codes of masked sequences need process::absorbing
#include <diffx/analysis/masked_likelihood.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>

#include <cstdint>

#ifdef DIFFX_BAD
using noise_process = diffx::process::uniform<>;
#else
using noise_process = diffx::process::absorbing<>;
#endif

double bound(noise_process const& process, diffx::batch_view<std::int32_t const> x) {
  auto const network = diffx::denoiser::predicts<diffx::prediction::x0_posterior<>>(
      [](auto const&, auto, diffx::query const&, diffx::batch_view<float>) {});
  return diffx::analysis::masked_nelbo(diffx::exec::host{}, process, network, x).batch_mean;
}
