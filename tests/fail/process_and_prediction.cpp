// expected-error: where an eps or score prediction says nothing about x0
#include <diffx/exec/host.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"

struct from_pure_noise : test::vp_process {
  static constexpr bool zero_terminal_snr = true;
};
struct network {
#if defined(DIFFX_BAD)
  diffx::prediction::eps prediction{};
#else
  diffx::prediction::v prediction{};
#endif
  template <class E, class X, class O>
  void operator()(E const&, X, diffx::query const&, O) const {}
};

int main() {
  float x = 0;
  diffx::sampler const s{from_pure_noise{}, diffx::solver::ddim{}};
  s.sample(diffx::exec::host{}, network{}, test::lambda_grid(2),
           diffx::batch_view<float>{&x, 1, 1});
}
