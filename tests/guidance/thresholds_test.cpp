// Static clipping and dynamic thresholding of the x0 estimate against brute force.

#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>

#include "../support/guidance_cases.hpp"
#include <algorithm>
#include <doctest/doctest.h>

using namespace diffx;

namespace {

/// The quantile with linear interpolation between order statistics, of a sorted copy.
double quantile(std::vector<double> v, double ratio) {
  for (double& x : v) x = std::fabs(x);
  std::sort(v.begin(), v.end());
  double const place = ratio * static_cast<double>(v.size() - 1);
  auto const below = static_cast<std::size_t>(std::floor(place));
  auto const above = std::min(below + 1, v.size() - 1);
  return v[below] + (place - std::floor(place)) * (v[above] - v[below]);
}

std::vector<double> thresholded(std::vector<double> row, double ratio, double max_value) {
  double const q = std::clamp(quantile(row, ratio), 1.0, max_value);
  for (double& x : row) x = std::clamp(x, -q, q) / q;
  return row;
}

guidance::dynamic_threshold<guidance::none> dynamic(double ratio, double max_value) {
  return {{}, ratio, max_value};
}

}  // namespace

TEST_CASE("clipping clamps the guided x0 estimate") {
  auto const condition = test::irregular(10, 2.0, 0.1), null = test::irregular(10, 2.0, 0.7);
  auto const plain = test::guided(guidance::cfg{3.0}, {{}, {condition, null}}, 2);
  for (double const range : {0.25, 1.0, 3.0}) {
    auto const clipped =
        test::guided(guidance::clip_x0{guidance::cfg{3.0}, range}, {{}, {condition, null}}, 2);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      CHECK(clipped[i] == std::clamp(plain[i], -range, range));
    }
  }
  CHECK(test::guided(guidance::clip_x0{guidance::cfg{3.0}, 100.0}, {{}, {condition, null}}, 2) ==
        plain);
  CHECK(test::guided(guidance::clip_x0{guidance::none{}}, {{}, {{-1.5, 1.5, 0.5}}}) ==
        std::vector<double>{-1.0, 1.0, 0.5});
}

TEST_CASE("the solver goes on from the clipped x0, and eps follows it") {
  auto const check = [](bool keeps_raw_eps) {
    sampler const s{test::vp_process{}, solver::ddim{0.0, keeps_raw_eps},
                    guidance::clip_x0{guidance::none{}, 0.8}};
    auto const grid = test::lambda_grid(1);
    level const from = grid[0], to = grid[1];
    std::vector<double> const x0{-3.0, 0.5, 2.0};
    std::vector<double> x{0.4, -0.7, 1.1};
    auto const before = x;
    options<> given;
    given.start = start::given;
    s.sample(exec::host{}, test::listed{{}, {x0}}, grid, batch_view<double>{x.data(), 1, 3}, given);
    for (std::size_t i = 0; i < 3; ++i) {
      double const clipped = std::clamp(x0[i], -0.8, 0.8);
      double const eps = (before[i] - from.alpha * (keeps_raw_eps ? x0[i] : clipped)) / from.sigma;
      CHECK(x[i] == doctest::Approx(to.alpha * clipped + to.sigma * eps).epsilon(1e-14));
    }
  };
  check(false);
  check(true);
}

TEST_CASE("an x0 far beyond the clip becomes the bound itself") {
  auto const s =
      sampler{test::vp_process{}, solver::ddim{}, guidance::clip_x0{guidance::none{}, 0.8}};
  std::vector<float> x(6);
  timetable const grid({test::vp(-14.0), test::clean()});  // alpha = 8e-7
  s.sample(exec::host{}, test::wavy{}, grid, batch_view<float>{x.data(), 2, 3});
  for (float const v : x) CHECK(std::fabs(v) == 0.8f);
}

TEST_CASE("the dynamic threshold is the interpolated quantile of a row, held in its range") {
  for (std::size_t const features : {1u, 2u, 3u, 21u, 37u, 200u}) {
    for (double const ratio : {0.01, 0.5, 0.9, 0.995, 1.0}) {
      for (double const max_value : {1.0, 1.5, 100.0}) {
        // Rows of very different size, the first within [-1, 1].
        std::vector<double> x0, expected;
        for (double const size : {0.9, 3.0, 40.0}) {
          auto const row = test::irregular(features, size, size);
          auto const want = thresholded(row, ratio, max_value);
          x0.insert(x0.end(), row.begin(), row.end());
          expected.insert(expected.end(), want.begin(), want.end());
        }
        auto const got = test::guided(dynamic(ratio, max_value), {{}, {x0}}, 3);
        CHECK(test::distance(got, expected) <= 1e-15 * test::largest(expected));
        for (std::size_t i = 0; i < features; ++i) CHECK(got[i] == x0[i]);
      }
    }
  }
}

TEST_CASE("the dynamic threshold of rows that are constant, zero or tied") {
  CHECK(test::guided(dynamic(0.9, 10.0), {{}, {{4, 4, 4, 0, 0, 0, -3, 3, -3}}}, 3) ==
        std::vector<double>{1, 1, 1, 0, 0, 0, -1, 1, -1});
}

TEST_CASE("a dynamic threshold of at most 1 is clipping, bit for bit") {
  auto const x0 = test::irregular(40, 3.0, 0.2);
  CHECK(test::guided(dynamic(0.9, 1.0), {{}, {x0}}, 4) ==
        test::guided(guidance::clip_x0{guidance::none{}, 1.0}, {{}, {x0}}, 4));
}

TEST_CASE("the dynamic threshold of a row does not depend on the rows around it") {
  auto const x0 = test::irregular(4 * 9, 5.0, 0.4);
  auto const together = test::guided<float>(dynamic(0.8, 50.0), {{}, {x0}}, 4);
  for (std::size_t row = 0; row < 4; ++row) {
    auto const first = x0.begin() + static_cast<std::ptrdiff_t>(9 * row);
    auto const alone = test::guided<float>(dynamic(0.8, 50.0), {{}, {{first, first + 9}}});
    for (std::size_t i = 0; i < 9; ++i) CHECK(alone[i] == together[9 * row + i]);
  }
}

TEST_CASE("the dynamic threshold sees the guided prediction") {
  auto const condition = test::irregular(12, 2.0, 0.1), null = test::irregular(12, 2.0, 0.7);
  auto const plain = test::guided(guidance::cfg{3.0}, {{}, {condition, null}});
  guidance::dynamic_threshold const g{guidance::cfg{3.0}, 0.7, 9.0};
  CHECK(test::distance(test::guided(g, {{}, {condition, null}}), thresholded(plain, 0.7, 9.0)) <=
        1e-15);
}

TEST_CASE("golden cases of dynamic thresholding") {
  int compared = 0;
  for (auto const& c : test::guidance_cases("dynamic_threshold")) {
    auto const want = test::numbers(c.at("out"));
    auto const got =
        test::guided(dynamic(c.at("ratio").get<double>(), c.at("max_value").get<double>()),
                     {{}, {test::numbers(c.at("x0"))}}, c.at("shape")[0].get<int>());
    CHECK(test::distance(got, want) <= 1e-9 * test::largest(want));
    ++compared;
  }
  CHECK(compared == 4);
}

TEST_CASE("thresholds outside their range are refused") {
  auto const refuses = [](auto const& guidance, std::string const& message) {
    CHECK_THROWS_WITH_AS(test::guided(guidance, {{}, {{2}, {3}}}),
                         doctest::Contains(message.c_str()), error);
  };
  for (double const range : {0.0, -1.0, double(NAN)}) {
    refuses(guidance::clip_x0{guidance::none{}, range},
            "diffx::guidance::clip_x0: range = " + detail::text(range) + ", must be above 0");
  }
  for (double const ratio : {0.0, 1.5, double(NAN)}) {
    refuses(dynamic(ratio, 1.0), "diffx::guidance::dynamic_threshold: ratio = " +
                                     detail::text(ratio) + ", must be in (0, 1]");
  }
  for (double const most : {0.5, double(NAN)}) {
    refuses(dynamic(0.9, most), "diffx::guidance::dynamic_threshold: max_value = " +
                                    detail::text(most) + ", must be at least 1");
  }
}
