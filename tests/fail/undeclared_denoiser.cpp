// expected-error: the denoiser does not say what it predicts
#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"

int main() {
  float x = 0;
  auto const f = [](auto const&, auto, diffx::query const&, auto) {};
#if defined(DIFFX_BAD)
  auto const network = f;
#else
  auto const network = diffx::denoiser::predicts<diffx::prediction::eps>(f);
#endif
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddim{}};
  s.sample(diffx::exec::host{}, network, test::lambda_grid(2), diffx::batch_view<float>{&x, 1, 1});
}
