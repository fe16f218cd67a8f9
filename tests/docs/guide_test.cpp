// The first program of docs/guide.md.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

using namespace diffx;

TEST_CASE("the guide's first sample") {
  int const label = 7, null_label = 10;
  std::vector<int> labels;
  auto const my_model = [&](float const* x, std::int64_t batch, double, int told, float* out) {
    labels.push_back(told);
    std::copy_n(x, batch * 784, out);
  };

  // Your network: reads x [batch, features], writes its prediction. q.branch is 0 for the condition
  // and 1 for the null condition; q.at says the time in every unit a network may want.
  auto const network = denoiser::predicts<prediction::eps, 2>(
      [&](auto const&, batch_view<float const> x, query const& q, batch_view<float> out) {
        my_model(x.data, x.batch, q.at.timestep, q.branch == 0 ? label : null_label, out.data);
      });

  sampler const s{process::vp{}, solver::dpmpp_2m{}, guidance::cfg{3.0}};
  auto const grid = grid::uniform_lambda(s.process, 20);  // 20 steps
  std::vector<float> images(16 * 784);
  auto const report =
      s.sample(exec::host{}, network, grid, batch_view<float>{images.data(), 16, 784},
               options{noise::counted{42}});
  // report.nfe == 40: a guided evaluation counts 2

  CHECK(report.nfe == 40);
  CHECK(std::count(labels.begin(), labels.end(), 7) == 20);
  CHECK(std::count(labels.begin(), labels.end(), 10) == 20);
  CHECK(std::all_of(images.begin(), images.end(), [](float v) { return std::isfinite(v); }));
}
