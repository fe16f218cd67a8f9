// expected-error: a concrete score goes with processes that keep or forget a class
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/discretised_gaussian.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

using namespace diffx;

struct network {
#if defined(DIFFX_BAD)
  diffx::prediction::concrete_score<> prediction{};
#else
  diffx::prediction::x0_cavity<> prediction{};
#endif
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
  int x = 0;
  sampler const s{process::discretised_gaussian(3, {0.1, 0.2}), solver::ancestral{}};
  s.sample(exec::host{}, network{}, grid::uniform_t(s.process, 2), batch_view<int>{&x, 1, 1});
}
