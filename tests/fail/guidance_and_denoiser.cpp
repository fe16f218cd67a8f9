// expected-error: guidance needs a null branch
#include <diffx/exec/host.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"

struct no_null {
#if defined(DIFFX_BAD)
  static constexpr int branches = 1;
#else
  static constexpr int branches = 2;
#endif
  diffx::prediction::eps prediction{};
  template <class E, class X, class O>
  void operator()(E const&, X, diffx::query const&, O) const {}
};

int main() {
  float x = 0;
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddim{}, diffx::guidance::cfg{3.0}};
  s.sample(diffx::exec::host{}, no_null{}, test::lambda_grid(2),
           diffx::batch_view<float>{&x, 1, 1});
}
