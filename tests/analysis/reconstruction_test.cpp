// The reconstruction score, on Gaussian data whose exact network makes every step affine.

#include <diffx/analysis/anomaly.hpp>
#include <diffx/analysis/auroc.hpp>
#include <diffx/analysis/reconstruction.hpp>
#include <diffx/denoiser/gaussian.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/noise/zero.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/gaussian.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/message.hpp"
#include "../support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::analysis::anomaly;
using doctest::Approx;
using numbers = std::vector<double>;

constexpr int first = 250;  // steps of the reference, of 1000
numbers const mean{0.5, -1.0, 0.0}, variance{1.0, 0.25, 2.0};

process::vp_discrete path() { return process::vp_discrete(schedule::linear(1000, 1e-4, 1e-2)); }

timetable grid_of(process::vp_discrete const& p) {
  std::vector<int> indices;
  for (int i = first - 1; i >= 0; --i) indices.push_back(i);
  return grid::timesteps(p, indices);
}

batch_view<double const> view(numbers const& x) { return {x.data(), std::ssize(x) / 3, 3}; }

/// x' ~ N(slope x + offset, variance) of one feature from the first level on, step by step.
struct affine {
  double slope = 1.0, offset = 0.0, variance = 0.0;
};
std::vector<affine> chain(timetable const& grid, std::size_t j) {
  std::vector<affine> out(1);
  denoiser::gaussian const network(mean, variance);
  for (int k = 0; k < grid.steps(); ++k) {
    auto const q = process::posterior(grid[k], grid[k + 1]);
    auto const x0 = network.x0_of(grid[k], static_cast<std::int64_t>(j));
    double const m = q.noisier + q.x0 * x0.slope;
    affine const& a = out.back();
    out.push_back({m * a.slope, m * a.offset + q.x0 * x0.offset, m * m * a.variance + q.variance});
  }
  return out;
}

TEST_CASE("without noise the score is that of an affine map, and a step is one evaluation") {
  auto const p = path();
  auto const grid = grid_of(p);
  sampler const s{p, solver::ddpm{}};
  denoiser::gaussian const network(mean, variance);
  numbers const x{0.5, -1.0, 0.0, 3.0, 2.0, -1.0, 8.0, -9.0, 10.0};
  for (auto const from : {denoise_start::clean, denoise_start::noised}) {
    double const first_scale = from == denoise_start::clean ? 1.0 : grid[0].alpha;
    numbers end(3, 0.0), way(3, 0.0);
    for (std::size_t j = 0; j < 3; ++j) {
      auto const c = chain(grid, j);
      for (std::size_t i = 0; i < 3; ++i) {
        double const v = first_scale * x[3 * i + j];
        double before = v;
        for (auto const& a : c) {
          double const now = a.slope * v + a.offset;
          way[i] += (now - before) * (now - before) / 3.0;
          before = now;
        }
        end[i] += (before - x[3 * i + j]) * (before - x[3 * i + j]) / 3.0;
      }
    }
    for (auto const kind : {reconstruction_error::end, reconstruction_error::path}) {
      auto const got =
          reconstruction{from, kind}.run(s, exec::host{}, network, grid, view(x), noise::zero{});
      CHECK(got.nfe == first);
      for (std::size_t i = 0; i < 3; ++i) {
        double const want = kind == reconstruction_error::end ? end[i] : way[i];
        CHECK(got.scores[i] == Approx(want).epsilon(1e-11));
      }
    }
    CHECK(end[0] < end[1]);  // from the mean outwards
    CHECK(end[1] < end[2]);
  }
  // A step of two evaluations costs two, but for the last.
  sampler const twice{p, solver::heun{}};
  for (auto const kind : {reconstruction_error::end, reconstruction_error::path}) {
    reconstruction const r{denoise_start::clean, kind, 2};
    CHECK(r.run(twice, exec::host{}, network, grid, view(x)).nfe == 2 * (2 * first - 1));
  }
}

// n = 3000 runs of one row; a mean off by 3 % of the score is seen.
TEST_CASE("with noise the expected score is the map's square and the variance of its end") {
  auto const p = path();
  auto const grid = grid_of(p);
  sampler const s{p, solver::ddpm{}};
  denoiser::gaussian const network(mean, variance);
  numbers const x{1.5, -2.0, 3.0};
  constexpr int n = 3000;
  for (auto const from : {denoise_start::clean, denoise_start::noised}) {
    double expected = 0.0, spread = 0.0;
    for (std::size_t j = 0; j < 3; ++j) {
      affine a = chain(grid, j).back();
      if (from == denoise_start::noised) {
        a.variance += a.slope * a.slope * grid[0].sigma * grid[0].sigma;
        a.slope *= grid[0].alpha;
      }
      double const bias = a.slope * x[j] + a.offset - x[j];
      expected += (bias * bias + a.variance) / 3.0;
      spread += (2.0 * a.variance * a.variance + 4.0 * a.variance * bias * bias) / 9.0;
    }
    reconstruction const r{from, reconstruction_error::end, n};
    auto const got = r.run(s, exec::host{}, network, grid, view(x), noise::counted{5});
    CHECK(got.nfe == n * first);
    CHECK(test::passes("reconstruction: expected score",
                       test::p_of_z(test::z_of_mean(got.scores[0], expected, spread, n))));
  }
}

TEST_CASE("repeats are the mean over forks of the noise, and rows do not see each other") {
  auto const p = path();
  auto const grid = grid_of(p);
  sampler const s{p, solver::ddpm{}};
  denoiser::gaussian const network(mean, variance);
  numbers const x{1.5, -2.0, 3.0, 0.0, 0.1, 0.2};
  noise::counted const noise{7};
  reconstruction const three{denoise_start::noised, reconstruction_error::path, 3};
  reconstruction const once{denoise_start::noised, reconstruction_error::path};
  auto const run = [&](reconstruction const& r, batch_view<double const> v,
                       noise::counted const& n) {
    return r.run(s, exec::host{}, network, grid, v, n).scores;
  };
  auto const got = run(three, view(x), noise);
  auto const a = run(once, view(x), noise), b = run(once, view(x), noise.fork(1)),
             c = run(once, view(x), noise.fork(2));
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(got[i] == Approx((a[i] + b[i] + c[i]) / 3).epsilon(1e-15));
  CHECK(run(three, {x.data() + 3, 1, 3, 1}, noise)[0] == got[1]);
  CHECK(run(once, view(x), noise::counted{8}) != a);
}

TEST_CASE("it ranks as the distance from the mean does, 250 times as dear as one network call") {
  auto const p = path();
  auto const grid = grid_of(p);
  sampler const s{p, solver::ddim{}};
  denoiser::gaussian const network(0.0, 1.0);
  constexpr std::int64_t rows = 200, width = 3;
  numbers x(rows * width);
  noise::counted{3}.fill(noise::key{}, 0, 0, rows * width, x.data());
  std::vector<std::uint8_t> labels(rows, 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i / width % 2 == 1) {
      x[i] *= 3.0;
      labels[i / width] = 1;
    }
  }
  numbers norm;
  for (std::size_t i = 0; i < x.size(); i += width) {
    norm.push_back(x[i] * x[i] + x[i + 1] * x[i + 1] + x[i + 2] * x[i + 2]);
  }
  auto const got = reconstruction{}.run(s, exec::host{}, network, grid, view(x));
  CHECK(analysis::auroc(got.scores, labels) == analysis::auroc(norm, labels));
  CHECK(got.nfe == 250);
}

TEST_CASE("what is refused") {
  auto const p = path();
  sampler const s{p, solver::ddpm{}};
  denoiser::gaussian const network(mean, variance);
  numbers const x{1.5, -2.0, 3.0, 1.0, 1.0, 1.0};
  std::string const where = "diffx::analysis::anomaly::reconstruction";
  CHECK(test::says(test::message_of([&] {
                     reconstruction{.repeats = 0}.run(s, exec::host{}, network, grid_of(p),
                                                      view(x));
                   }),
                   where, "repeats", "0", "at least 1"));
  timetable const up({p.at_index(0), p.at_index(9)});
  CHECK(test::message_of([&] {
          reconstruction{}.run(s, exec::host{}, network, up, view(x));
        }).rfind(where + ": the timetable goes from data to noise", 0) == 0);
  auto const lost = denoiser::predicts<prediction::x0>(
      [](auto const&, batch_view<double const> in, query const&, batch_view<double> out) {
        std::copy_n(in.data, in.size(), out.data);
        out.data[4] = NAN;
      });
  CHECK(test::message_of([&] {
          reconstruction{}.run(s, exec::host{}, lost, grid_of(p), view(x));
        }) == where + ": the score of row 1 is NaN");
}

}  // namespace
