// expected-error: a process of classes needs a network of logits
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

using namespace diffx;

struct network {
#if defined(DIFFX_BAD)
  diffx::prediction::eps prediction{};
#else
  diffx::prediction::x0_posterior<> prediction{};
#endif
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
  int x = 0;
  sampler const s{process::absorbing<>(3), solver::ancestral{}};
  s.sample(exec::host{}, network{}, grid::uniform_t(s.process, 2), batch_view<int>{&x, 1, 1});
}
