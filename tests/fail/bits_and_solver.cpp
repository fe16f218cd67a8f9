// expected-error: process::xor_packed takes solver::ancestral or solver::xor_renoise
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/xor_renoise.hpp>

#include <cstdint>

using namespace diffx;

#if defined(DIFFX_BAD)
using chosen = solver::euler_ctmc;
#else
using chosen = solver::xor_renoise;
#endif

struct network {
  diffx::prediction::x0_posterior<> prediction{};
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
  std::uint32_t x = 0;
  sampler const s{process::xor_packed(schedule::flip_linear(2, 0.1), 20), chosen{}};
  s.sample(exec::host{}, network{}, grid::uniform_t(s.process, 2),
           batch_view<std::uint32_t>{&x, 1, 1});
}
