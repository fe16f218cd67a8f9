// expected-error: shows the x0 estimate of a block of numbers
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

using namespace diffx;

struct network {
  prediction::x0_posterior<> prediction{};
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
  int x = 0, shown = 0;
  batch_view<int> const view{&x, 1, 1};
  sampler const s{process::absorbing<>(3), solver::ancestral{}};
  auto const grid = grid::uniform_t(s.process, 2);
  exec::host const host;
  network const d;
  detail::workspace const memory(s.workspace_size(host, d, view));
  auto run = s.start(host, d, grid, view, memory.span());
#if defined(DIFFX_BAD)
  run.preview_into(&shown);
#endif
  static_cast<void>(shown);
}
