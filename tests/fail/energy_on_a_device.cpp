// expected-error: energy_resampled works on host memory. Use exec::host or exec::threads
#include <diffx/denoiser/energy_resampled.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/recipe/edlm.hpp>

#include "../support/elsewhere.hpp"

using namespace diffx;

struct network {
  prediction::x0_posterior<> prediction{};
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};
struct energy {
  template <class E, class X>
  void operator()(E const&, X, X, query const&, std::span<double const>, std::span<double>) const {}
};

int main() {
#if defined(DIFFX_BAD)
  test::elsewhere const exec{};
#else
  exec::host const exec{};
#endif
  int x = 0;
  process::absorbing<> const masks(3);
  denoiser::energy_resampled const d(masks, network{}, energy{});
  auto const s = recipe::edlm(masks);
  batch_view<int> const view{&x, 1, 1};
  detail::workspace const memory(s.workspace_size(exec, d, view));
  s.start(exec, d, grid::uniform_t(masks, 2), view, memory.span()).finish();
}
