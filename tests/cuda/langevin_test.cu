// Langevin steps on the device: lengths of samples and of the level.

#include <diffx/exec/host.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/langevin_corrector.hpp>
#include <diffx/solver/s4.hpp>

#include "../support/levels.hpp"
#include "on_device.cuh"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

/// An element-wise network that runs wherever the executor does.
struct wave {
  diffx::prediction::eps prediction{};

  struct op {
    float const* x;
    float* out;
    std::int64_t features;
    float t;
    DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
      for (int i = 0; i < n; ++i) {
        std::int64_t const e = sample * features + first + i;
        out[e] = 0.8f * x[e] / (1.0f + 0.1f * x[e] * x[e]) + 0.05f * t;
      }
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<float const> x, diffx::query const& q,
                  diffx::batch_view<float> out) const {
    exec.for_each_tile(x.batch, x.features,
                       op{x.data, out.data, x.features, static_cast<float>(q.at.t)});
  }
};

template <class Sampler>
void compare(Sampler const& s) {
  constexpr std::int64_t batch = 5, features = 1003;
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 11));
  wave const network;
  std::vector<float> host(batch * features);
  s.sample(diffx::exec::host{}, network, grid,
           diffx::batch_view<float>{host.data(), batch, features, 0});
  auto const back = test::sampled_on_device<float>(s, network, grid, batch, features);
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < back.size(); ++i) {
    worst =
        std::fmax(worst, std::fabs(static_cast<double>(host[i]) - static_cast<double>(back[i])));
    largest = std::fmax(largest, std::fabs(static_cast<double>(host[i])));
  }
  // Host builds without fused multiply-add round every product: C N eps with C = 4, N = 10.
  CHECK(worst <= 8 * 10 * 6e-8 * largest);
}

}  // namespace

TEST_CASE("host and device take the same Langevin steps") {
  using diffx::langevin_norms;
  test::vp_process const p;
  for (auto const norms : {langevin_norms::sample, langevin_norms::level}) {
    compare(diffx::sampler{p, diffx::solver::langevin_corrector<>{0.1, {}, norms}});
    compare(diffx::sampler{p, diffx::solver::s4{.snr = 0.1, .norms = norms}});
  }
}
