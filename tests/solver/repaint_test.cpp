#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/repaint.hpp>

#include "support/impulses.hpp"
#include "support/levels.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::solver::known_region;
using diffx::solver::repaint;

struct outcome {
  std::vector<double> x;
  std::vector<int> visits;  // of each step by the network
  int evaluations = 0;
};

/// Two features of one sample with correlation 1: x0 of both is the mean of both estimates.
outcome inpaint(repaint const& policy, int steps, std::int64_t batch, std::uint64_t seed,
                std::uint8_t const* fixed = nullptr) {
  auto levels = test::uniform_lambda(-3.0, 3.0, steps);
  levels.push_back(test::clean());
  diffx::timetable const grid(levels);
  outcome o;
  o.visits.assign(static_cast<std::size_t>(steps), 0);
  auto const network = diffx::denoiser::predicts<diffx::prediction::x0>(
      [&](auto const&, diffx::batch_view<double const> x, diffx::query const& q,
          diffx::batch_view<double> out) {
        ++o.visits[static_cast<std::size_t>(q.step)];
        double const a = q.at.alpha, s = q.at.sigma;
        for (std::int64_t i = 0; i < x.batch; ++i) {
          // x0 ~ N(0, 1) shared by both features: the posterior mean of their sum.
          double const m = a * (x.row(i)[0] + x.row(i)[1]) / (2.0 * a * a + s * s);
          out.row(i)[0] = out.row(i)[1] = m;
        }
      });
  auto const sampler = test::compose(test::vp_process{}, diffx::solver::ddim{});
  o.x.resize(static_cast<std::size_t>(2 * batch));
  std::vector<double> image(o.x.size());
  std::vector<unsigned char> mask(o.x.size());
  for (std::size_t i = 0; i < o.x.size(); i += 2) {
    image[i] = 1.5;
    mask[i] = 1;
  }
  diffx::batch_view<double> const view{o.x.data(), batch, 2, 0};
  diffx::options<diffx::noise::counted> options{diffx::noise::counted{seed}};
  options.fixed = fixed;
  diffx::exec::host const exec;
  diffx::detail::workspace const memory(sampler.workspace_size(exec, network, view, options));
  auto run = sampler.start(exec, network, grid, view, memory.span(), options);
  policy.finish(run, known_region<double>{image.data(), mask.data()});
  o.evaluations = run.status().evaluations;
  return o;
}

TEST_CASE("repaint: the known part is kept exactly, and the cost is as stated") {
  for (auto const& policy : {repaint{.jump_length = 3, .samples = 2}, repaint{10, 10},
                             repaint{.jump_length = 2, .samples = 3}, repaint{1, 1}}) {
    auto const o = inpaint(policy, 10, 3, 7);
    CHECK(o.evaluations == policy.evaluations(10));
    for (std::size_t i = 0; i < o.x.size(); i += 2) CHECK(o.x[i] == 1.5);
  }
  // Jumps of 3 from levels 6, 3 and 0 above the end: steps 1 to 9 twice, the first once.
  CHECK(inpaint({.jump_length = 3, .samples = 2}, 10, 1, 7).visits ==
        std::vector<int>{1, 2, 2, 2, 2, 2, 2, 2, 2, 2});
  CHECK(inpaint({.jump_length = 1, .samples = 1}, 4, 1, 7).visits == std::vector<int>(4, 1));
}

TEST_CASE("repaint: a number that is fixed stays, also where the known part is") {
  std::vector<std::uint8_t> const fixed{1, 0, 0, 1};
  auto const o = inpaint({.jump_length = 2, .samples = 2}, 6, 2, 7, fixed.data());
  CHECK(o.x[0] == 0.0);  // as the state began
  CHECK(o.x[1] != 0.0);
  CHECK(o.x[2] == 1.5);
  CHECK(o.x[3] == 0.0);
}

TEST_CASE("repaint: going back brings the free part closer to the known one") {
  auto const distance = [](repaint const& policy) {
    auto const o = inpaint(policy, 20, 400, 11);
    double sum = 0.0;
    for (std::size_t i = 0; i < o.x.size(); i += 2) sum += std::fabs(o.x[i + 1] - 1.5);
    return sum / 400.0;
  };
  double const once = distance({.jump_length = 2, .samples = 1});
  double const often = distance({.jump_length = 2, .samples = 8});
  CHECK(often < 0.7 * once);
}

TEST_CASE("repaint: bad arguments") {
  CHECK_THROWS_AS(inpaint({.jump_length = 0}, 4, 1, 7), diffx::error);
  CHECK_THROWS_AS(inpaint({.samples = 0}, 4, 1, 7), diffx::error);
  // Three levels of a jump: found before the first step.
  CHECK_THROWS_AS(inpaint({.jump_length = 1, .samples = 1367}, 4, 1, 7), diffx::error);
  CHECK(inpaint({.jump_length = 1, .samples = 1365}, 4, 1, 7).evaluations == 4 + 3 * 1364);
}

}  // namespace
