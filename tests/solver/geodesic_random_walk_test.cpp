// solver::geodesic_random_walk: the weights that it plans, and that the walk finds its vertex. Its
// laws stand beside those of geodesic_bridge.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/geodesic_bridge.hpp>
#include <diffx/solver/geodesic_random_walk.hpp>
#include <diffx/state/sphere.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;

TEST_CASE("geodesic_random_walk: weights of a step, and geodesic_bridge's for small ones") {
  process::sphere_bridge<> const p(3);
  for (double const t : {1.0, 0.6, 0.01}) {
    double const h = 1e-7;
    timetable const g({p.at(t), p.at(t - h)});
    categorical_plan walk, bridge;
    plan_context<process::sphere_bridge<>> const c{p, g, 0, 0, 0};
    solver::geodesic_random_walk{}.plan(c, walk);
    solver::geodesic_bridge{}.plan(c, bridge);
    auto const& w = walk.stages()[0].weight;
    CHECK(w[0] == doctest::Approx(p.schedule().pull(t) * h).epsilon(1e-8));
    CHECK(w[1] == doctest::Approx(std::sqrt(p.schedule().beta(t) * h)).epsilon(1e-8));
    // The same to first order in h, at t = 1 too, where almost all noise is to come.
    CHECK(bridge.stages()[0].weight[0] == doctest::Approx(w[0]).epsilon(1e-4));
    CHECK(bridge.stages()[0].weight[1] == doctest::Approx(w[1]).epsilon(1e-4));
  }
}

TEST_CASE("geodesic_random_walk: a fixed, sure network is decoded in the end") {
  process::sphere_bridge<> const p(8);
  sampler const s{p, solver::geodesic_random_walk{}};
  auto const d = denoiser::predicts<prediction::x0_posterior<>>(
      [](auto const&, auto const&, query const&, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = i % 8 == 5 ? 0.0f : -HUGE_VALF;
      });
  std::vector<float> x(50 * 9);
  s.sample(exec::host{}, d, grid::uniform_t(p, 200), batch_view<float>{x.data(), 50, 9},
           options{noise::counted{2}});
  double worst = 1.0;
  for (std::size_t i = 0; i < x.size(); i += 9) {
    CHECK(sphere::token_at(8, x.data() + i) == 5);
    worst = std::min(worst, static_cast<double>(x[i + 5]));
  }
  // The last step's noise, sqrt(beta h) in eight directions, is what is left: 0.09.
  CHECK(worst > std::cos(0.2));
}

}  // namespace
