// expected-error: logits of packed bits are read in the prediction's own type
#include <diffx/denoiser/computes_in.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include <cstdint>

using namespace diffx;

struct network {
  prediction::x0_posterior<> prediction{};
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
#if defined(DIFFX_BAD)
  auto const asked = denoiser::computes_in<double>(network{});
#else
  network const asked;
#endif
  std::uint32_t x = 0;
  sampler const s{process::xor_packed(schedule::flip_linear(2, 0.1), 20), solver::ancestral{}};
  s.sample(exec::host{}, asked, grid::uniform_t(s.process, 2), batch_view<std::uint32_t>{&x, 1, 1});
}
