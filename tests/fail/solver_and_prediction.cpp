// expected-error: one of the two speaks of concrete scores
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/tweedie.hpp>

using namespace diffx;

struct network {
#if defined(DIFFX_BAD)
  diffx::prediction::x0_posterior<> prediction{};
#else
  diffx::prediction::concrete_score<> prediction{};
#endif
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
  int x = 0;
  sampler const s{process::uniform<>(3), solver::tweedie{}};
  s.sample(exec::host{}, network{}, grid::uniform_t(s.process, 2), batch_view<int>{&x, 1, 1});
}
