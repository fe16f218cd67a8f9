// expected-error: packed bits stand in words of 32
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include <cstdint>

using namespace diffx;

#if defined(DIFFX_BAD)
using word = std::uint64_t;
#else
using word = std::uint32_t;
#endif

struct network {
  diffx::prediction::x0_posterior<> prediction{};
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
  word x = 0;
  sampler const s{process::xor_packed(schedule::flip_linear(2, 0.1), 20), solver::ancestral{}};
  s.sample(exec::host{}, network{}, grid::uniform_t(s.process, 2), batch_view<word>{&x, 1, 1});
}
