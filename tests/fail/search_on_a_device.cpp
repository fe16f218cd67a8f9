// expected-error: this sample_best takes its workspace from the host
#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"
#include "../support/elsewhere.hpp"

#if defined(DIFFX_BAD)
using executor = test::elsewhere;
#else
using executor = diffx::exec::host;
#endif

int main() {
  float x = 0;
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddim{}, diffx::guidance::none{},
                         diffx::cache::none{}, diffx::search::best_of_n{2}};
  s.sample_best(executor{}, test::wavy{}, test::lambda_grid(2), diffx::batch_view<float>{&x, 1, 1},
                [](auto const&, auto const&) {});
}
