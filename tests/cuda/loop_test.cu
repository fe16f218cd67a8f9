// The loop on the device: every shape of the fused pass compiles and links; where there is a
// device, its samples are compared with the host's.

#include <diffx/cache/every_n.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/levels.hpp"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

template <class Sampler>
void compare(Sampler const& s) {
  constexpr std::int64_t batch = 5, features = 1003;
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 11));
  test::wave const network;
  std::vector<float> host(batch * features);
  s.sample(diffx::exec::host{}, network, grid,
           diffx::batch_view<float>{host.data(), batch, features, 0});
  auto const back = test::sampled_on_device<float>(s, network, grid, batch, features);
  // Host builds without fused multiply-add round every product: C N eps with C = 4, N = 10.
  CHECK(test::largest_difference(host, back) <= 4 * 10 * 6e-8);
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
                         diffx::guidance::dynamic_threshold{diffx::guidance::cfg{2.0}, 0.9, 3.0}});
  compare(diffx::sampler{p, diffx::solver::ddim{},
                         diffx::guidance::clip_x0{diffx::guidance::none{}},
                         diffx::cache::every_n<2>{}});
}

namespace {

/// NaN in one place, from step 3 on.
struct breaking {
  diffx::prediction::eps prediction{};

  struct op {
    float* out;
    bool breaks;
    DIFFX_HD void operator()(std::int64_t i) const {
      out[i] = breaks && i == 1500 ? HUGE_VALF - HUGE_VALF : 0.1f;
    }
  };
  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<float const>, diffx::query const& q,
                  diffx::batch_view<float> out) const {
    exec.for_each_sample(out.size(), op{out.data, q.step >= 3});
  }
};

}  // namespace

TEST_CASE("NaN from a network on the device is reported with its step and sample") {
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddim{}};
  diffx::options<> o{diffx::noise::counted{1}};
  o.check_finite = true;
  CHECK_THROWS_WITH_AS(
      test::sampled_on_device<float>(s, breaking{},
                                     diffx::timetable(test::uniform_lambda(-3, 3, 6)), 3, 1000, o),
      doctest::Contains("1 values that are not finite (of 1000) for sample 1 in step 3"),
      diffx::error);
}
