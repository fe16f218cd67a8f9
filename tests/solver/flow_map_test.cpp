#include <diffx/denoiser/gaussian.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/flow.hpp>
#include <diffx/process/rectified_flow.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/flow_map.hpp>

#include "support/levels.hpp"
#include "support/plan_interpreter.hpp"
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::flow_map;

TEST_CASE("flow_map: x + (tau' - tau) u on the straight path; the Euler step on any") {
  diffx::timetable const grid({test::flow(0.95), test::flow(0.6), test::flow(0.2), test::clean()});
  for (int i = 0; i < 3; ++i) {
    auto const plan = test::plan_of(flow_map{}, grid, i);
    CHECK(plan.size() == 1);
    CHECK(plan[0].state[0] == doctest::Approx(1.0).epsilon(1e-15));
    CHECK(plan[0].output == doctest::Approx(grid[i + 1].sigma - grid[i].sigma).epsilon(1e-14));
  }
  diffx::timetable const vp({test::vp(-2.0), test::vp(-0.7), test::clean()});
  for (int i = 0; i < 2; ++i) {
    level const s = vp[i], t = vp[i + 1];
    double const x0 = 0.3, eps = -0.8, x = s.alpha * x0 + s.sigma * eps;
    test::interpreter run(x);
    run.step(test::plan_of(flow_map{}, vp, i), [&](double, level const&) { return eps - x0; });
    CHECK(run.x() == doctest::Approx(t.alpha * x0 + t.sigma * eps).epsilon(1e-13));
  }
}

/// The exact flow map of Gaussian data: the mean velocity from q.at to q.to.
struct gaussian_map {
  diffx::prediction::flow prediction{};
  diffx::denoiser::gaussian data{0.7, 0.6};

  template <class Exec>
  void operator()(Exec const&, diffx::batch_view<double const> x, diffx::query const& q,
                  diffx::batch_view<double> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      double const end = data.flow_map(x.data[i], q.at, q.to);
      out.data[i] = (end - x.data[i]) / (q.to.sigma - q.at.sigma);
    }
  }
};

TEST_CASE("flow_map: with the exact map any number of steps gives the exact end") {
  diffx::denoiser::gaussian const data(0.7, 0.6);
  for (int n : {1, 2, 3, 7}) {
    std::vector<level> levels;
    for (int k = n; k > 0; --k) levels.push_back(test::flow(0.9 * k / n));
    levels.push_back(test::clean());
    diffx::timetable const grid(levels);
    std::vector<double> x{-1.0, 0.2, 2.0};
    auto want = x;
    for (double& v : want) v = data.flow_map(v, grid.front(), grid.back());
    diffx::sampler const s{diffx::process::rectified_flow{}, flow_map{}};
    auto const r = s.sample(diffx::exec::host{}, gaussian_map{}, grid,
                            diffx::batch_view<double>{x.data(), 3, 1},
                            diffx::options<>{.start = diffx::start::given});
    CHECK(r.nfe == n);
    for (std::size_t i = 0; i < 3; ++i) CHECK(x[i] == doctest::Approx(want[i]).epsilon(1e-12));
  }
}

}  // namespace
