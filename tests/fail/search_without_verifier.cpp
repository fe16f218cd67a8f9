// expected-error: call sample_best with a verifier
#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"

int main() {
  float x = 0;
  diffx::batch_view<float> const view{&x, 1, 1};
#if defined(DIFFX_BAD)
  diffx::search::best_of_n const search{2};
#else
  diffx::search::none const search{};
#endif
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddim{}, diffx::guidance::none{},
                         diffx::cache::none{}, search};
  s.sample(diffx::exec::host{}, test::wavy{}, test::lambda_grid(2), view);
}
