// The loop on the device: every shape of the fused pass compiles and links; where there is a
// device, its samples are compared with the host's.

#include <diffx/cache/every_n.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/levels.hpp"
#include "on_device.cuh"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

/// An element-wise network that runs wherever the executor does.
struct wave {
  static constexpr int branches = 2;
  diffx::prediction::eps prediction{};

  struct op {
    float const* x;
    float* out;
    std::int64_t features;
    float t, shift;
    DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
      for (int i = 0; i < n; ++i) {
        std::int64_t const e = sample * features + first + i;
        out[e] = 0.8f * x[e] / (1.0f + 0.1f * x[e] * x[e]) + 0.05f * t + shift;
      }
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<float const> x, diffx::query const& q,
                  diffx::batch_view<float> out) const {
    exec.for_each_tile(x.batch, x.features,
                       op{x.data, out.data, x.features, static_cast<float>(q.at.t),
                          0.1f * static_cast<float>(q.branch)});
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
  CHECK(worst <= 4 * 10 * 6e-8 * largest);
}

}  // namespace

TEST_CASE("host and device give the same samples") {
  test::vp_process const p;
  compare(diffx::sampler{p, diffx::solver::ddim{}});
  compare(diffx::sampler{p, diffx::solver::ddim{.eta = 1.0}});
  compare(diffx::sampler{p, diffx::solver::dpmpp_2m{}, diffx::guidance::cfg{2.0}});
  compare(diffx::sampler{p, diffx::solver::heun{}});
  compare(diffx::sampler{p, diffx::solver::ddim{},
                         diffx::guidance::rescale{diffx::guidance::cfg{2.0}, 0.7}});
  compare(diffx::sampler{p, diffx::solver::ddim{},
                         diffx::guidance::clip_x0{diffx::guidance::none{}},
                         diffx::cache::every_n<2>{}});
}
