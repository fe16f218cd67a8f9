// expected-error: a drawn sequence stands for the posterior of the data, not for a cavity
#include <diffx/denoiser/energy_resampled.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/uniform.hpp>

using namespace diffx;

struct indifferent {
  void operator()(auto const&...) const {}
};

int main() {
  process::uniform<> const p(2);
#if defined(DIFFX_BAD)
  denoiser::joint_table const network(p, 2, 1, {0.4, 0.6}, prediction::x0_cavity<>{});
#else
  denoiser::joint_table const network(p, 2, 1, {0.4, 0.6});
#endif
  denoiser::energy_resampled const d(p, network, indifferent{});
  static_cast<void>(d);
}
