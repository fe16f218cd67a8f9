// What solver::defog makes of tables and rows that rule out classes, or are none.

#include <diffx/denoiser/classified.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/solver/defog.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using namespace diffx;
using codes = batch_view<std::int32_t const>;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// Classes after a run in which no class but the third has a log-ratio.
std::vector<std::int32_t> run_with(double ratio_of_third, double gamma) {
  process::marginal<schedule::mask_power> const process({0.5, 0.5, 0.0});
  auto const even = denoiser::predicts<prediction::x0_posterior<double>>(
      [](auto const&, codes, query const&, batch_view<double> out) {
        std::fill_n(out.data, out.size(), 0.0);
      });
  auto const table = [=](auto const&, codes x, query const&, batch_view<double> out) {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      for (int k = 0; k < 3; ++k) {
        out.data[3 * i + k] = k == 2 && x.data[i] != 2 ? ratio_of_third : 0.0;
      }
    }
  };
  sampler const s{process, solver::defog{}, guidance::d_cbg{gamma}};
  std::vector<std::int32_t> x(500);
  s.sample(exec::host{}, denoiser::classified{even, table}, grid::uniform_t(process, 6),
           batch_view<std::int32_t>{x.data(), 500, 1}, options<>{noise::counted{3}});
  return x;
}

}  // namespace

TEST_CASE("guided rates: a table rules a class out, whatever its weight's sign") {
  for (double const gamma : {1.0, -1.0}) {
    auto const x = run_with(-infinity, gamma);
    CHECK(std::count(x.begin(), x.end(), 2) == 0);
  }
  auto const free = run_with(0.0, 1.0);
  CHECK(std::count(free.begin(), free.end(), 2) > 100);
}

TEST_CASE("guided rates: a table of NaN or +inf is reported") {
  for (double const bad : {infinity, static_cast<double>(NAN)}) {
    for (double const gamma : {1.0, -1.0}) {
      CHECK_THROWS_WITH_AS(run_with(bad, gamma), doctest::Contains("in step 0"), error);
    }
  }
}

TEST_CASE("guided rates: the logits of a class that data alone shows are not read") {
  process::absorbing<schedule::mask_power> const process(3);
  auto const masked_alone = denoiser::predicts<prediction::x0_posterior<double>, 2>(
      [](auto const&, codes x, query const& q, batch_view<double> out) {
        for (std::int64_t i = 0; i < x.size(); ++i) {
          for (int k = 0; k < 3; ++k)
            out.data[3 * i + k] = x.data[i] == 3 ? 0.3 * k * q.branch : NAN;
        }
      });
  for (double const w : {1.0, 2.0}) {
    sampler const s{process, solver::defog{.eta = 0.5}, guidance::d_cfg{w}};
    std::vector<std::int32_t> x(500);
    CHECK_NOTHROW(s.sample(exec::host{}, masked_alone, grid::uniform_t(process, 6),
                           batch_view<std::int32_t>{x.data(), 500, 1}, options<>{}));
  }
}
