// expected-error: the tables of this process
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include "../support/elsewhere.hpp"

using namespace diffx;

struct network {
  prediction::x0_posterior<> prediction{};
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
#if defined(DIFFX_BAD)
  test::elsewhere const exec{};
#else
  test::apart const exec{};
#endif
  int x = 0;
  sampler const s{process::mask_and_replace(3, {1.0, 0.5, 0.0}, {0.0, 0.4, 0.9}),
                  solver::ancestral{}};
  batch_view<int> const view{&x, 1, 1};
  detail::workspace const memory(s.workspace_size(exec, network{}, view));
  s.start(exec, network{}, grid::uniform_t(s.process, 2), view, memory.span()).finish();
}
