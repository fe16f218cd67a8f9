// process::sphere_bridge: its levels, its priors, and the laws that a run noises to.

#include <diffx/analysis/sphere_radial.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/bridge_cosine.hpp>
#include <diffx/schedule/bridge_linear.hpp>
#include <diffx/solver/geodesic_bridge.hpp>

#include "support/circle.hpp"
#include "support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <numbers>
#include <vector>

namespace {

using namespace diffx;
namespace prior = process::sphere_prior;

template <class Process>
void check_levels(Process const& p) {
  CHECK(p.at(1.0).alpha == 0.0);
  CHECK(p.at(1.0).sigma == 1.0);
  CHECK(p.at(0.0).alpha == 1.0);
  CHECK(p.at(0.0).sigma == 0.0);
  CHECK(p.at(0.3).timestep == 0.7);
  for (double const t : {1e-6, 0.01, 0.4, 0.9, 0.999}) {
    level const a = p.at(t), b = p.at_lambda(a.lambda);
    CHECK(a.alpha + a.sigma == doctest::Approx(1.0).epsilon(1e-14));
    CHECK(b.alpha == doctest::Approx(a.alpha).epsilon(1e-12));
    CHECK(b.sigma == doctest::Approx(a.sigma).epsilon(1e-12));
    CHECK(b.t == doctest::Approx(t).epsilon(1e-9));
    CHECK(a.sigma == doctest::Approx(p.schedule().to_come(t) / p.schedule().to_come(1.0)));
  }
  for (int n = 1; n <= 300; ++n) {
    auto const g = grid::uniform_t(p, n);
    CHECK(g.steps() == n);
    CHECK(g.front().t == 1.0);
    CHECK(g.back().sigma == 0.0);
  }
}

TEST_CASE("sphere_bridge: levels and their inverse, for every schedule") {
  check_levels(process::sphere_bridge<>(5));
  check_levels(process::sphere_bridge<prior::mask, schedule::bridge_linear>(5));
  check_levels(process::sphere_bridge<prior::mask, schedule::bridge_cosine>(5));
  CHECK_THROWS_AS(process::sphere_bridge<>(5).at(1.1), error);
}

TEST_CASE("sphere_bridge: priors are points of the sphere") {
  auto const norm = [](detail::sphere_law const& l, detail::sphere_start const& s) {
    return l.tokens * s.token * s.token + (l.width - l.tokens) * s.mask * s.mask;
  };
  auto const mask = process::sphere_bridge<>(7).law();
  CHECK(mask.width == 8);
  CHECK(mask.usual.mask == 1.0);
  auto const even = process::sphere_bridge<prior::barycentre>(7).law();
  CHECK(even.width == 7);
  CHECK(norm(even, even.usual) == doctest::Approx(1.0));
  auto const some = process::sphere_bridge<prior::initial>(7, {0.3}).law();
  CHECK(some.width == 8);
  CHECK(7 * some.usual.token * some.usual.token == doctest::Approx(0.3));
  CHECK(norm(some, some.usual) == doctest::Approx(1.0));
  auto const two = process::sphere_bridge<prior::mixture>(7).law();
  CHECK(two.usual.mask == 1.0);
  CHECK(two.other.token == two.other.mask);
  CHECK(norm(two, two.other) == doctest::Approx(1.0));
  prior::mixture const linear{prior::mixture::path::linear}, root{prior::mixture::path::root};
  prior::mixture const step{prior::mixture::path::step, 0.35};
  for (auto const& m : {linear, root, step}) CHECK(m.other(1.0) == 1.0);  // sampling starts there
  CHECK(linear.other(0.25) == 0.25);
  CHECK(root.other(0.75) == 0.5);
  CHECK(step.other(0.66) == 1.0);
  CHECK(step.other(0.64) == 0.0);
  CHECK(prior::mixture{prior::mixture::path::step, 0.0}.other(1.0) == 0.0);
}

TEST_CASE("sphere_bridge refuses what is none, with name, value and range") {
  CHECK_THROWS_WITH_AS(process::sphere_bridge<>(0), doctest::Contains("tokens = 0"), error);
  CHECK_THROWS_WITH_AS(process::sphere_bridge<prior::barycentre>(1),
                       doctest::Contains("coordinates of a position = 1"), error);
  CHECK_THROWS_WITH_AS((process::sphere_bridge<prior::initial>(3, {1.5})),
                       doctest::Contains("lambda = 1.5"), error);
  CHECK_THROWS_WITH_AS(
      (process::sphere_bridge<prior::mixture>(3, {prior::mixture::path::step, -0.1})),
      doctest::Contains("threshold"), error);
  CHECK_THROWS_WITH_AS((process::sphere_bridge<>(3, {}, {0.0, 0.2})), doctest::Contains("b0"),
                       error);
  CHECK_THROWS_WITH_AS((process::sphere_bridge<>(3, {}, {}, 0)),
                       doctest::Contains("noising_steps = 0"), error);
}

/// Noises `x` to grid[first] and returns it.
template <class Process, class T>
void noise_to(Process const& p, double t, std::vector<T>& x, std::int64_t batch,
              std::uint64_t seed) {
  sampler const s{p, solver::geodesic_bridge{}};
  timetable const g({p.at(t), p.at(0.5 * t)});
  auto const none = denoiser::predicts<prediction::x0_posterior<>>(
      [](auto const&, auto const&, query const&, auto const&) {});
  exec::threads const exec(2);
  batch_view<T> const v{x.data(), batch, static_cast<std::int64_t>(x.size()) / batch};
  detail::workspace const memory(s.workspace_size(exec, none, v));
  options o{noise::counted{seed}};
  o.start = start::noised;
  s.start(exec, none, g, v, memory.span(), o);
}

// n = 200000: 16 equal cells see a total variation of 1 % (power 0.99).
TEST_CASE("sphere_bridge on a circle: noised states have the law of a Brownian bridge") {
  constexpr std::int64_t n = 200'000;
  auto const p = test::circle();
  double const total = p.schedule().to_come(1.0);
  for (double const t : {0.95, 0.5, 0.05}) {
    std::vector<double> x;
    for (std::int64_t i = 0; i < n; ++i) x.insert(x.end(), {0.0, 1.0});  // token 1
    noise_to(p, t, x, n, 3);
    level const at = p.at(t);
    double const mean = at.sigma * test::circle_start + at.alpha * test::circle_vertex(1);
    double const deviation = std::sqrt(total * at.alpha * at.sigma);
    std::vector<std::int64_t> count(16, 0);
    for (std::size_t i = 0; i < x.size(); i += 2) {
      double const z = (std::atan2(x[i + 1], x[i]) - mean) / deviation;
      ++count[std::min<std::size_t>(15, static_cast<std::size_t>(16.0 * test::normal_cdf(z)))];
    }
    CHECK(test::passes("noised circle",
                       test::test_cells(count, std::vector<double>(16, 1.0 / 16)).p));
  }
}

TEST_CASE("sphere_bridge: noised states agree with the radial tables") {
  // Four tokens and a mask; the process's own rates, and wide ones, where curvature counts.
  constexpr std::int64_t n = 16'000;
  auto const check = [&](auto const& p) {
    analysis::sphere_radial const table(p, {400, 1 << 14, 9});
    auto const width = static_cast<std::size_t>(p.law().width);
    for (double const t : {0.6, 0.2}) {
      std::vector<double> x(static_cast<std::size_t>(n) * width, 0.0);
      for (std::size_t i = 2; i < x.size(); i += width) x[i] = 1.0;  // token 2
      noise_to(p, t, x, n, 5);
      double forward = 0.0, back = 0.0;
      for (std::size_t i = 0; i < x.size(); i += width) {
        forward += x[i + 2] / n;
        double along = 0.0;
        for (std::size_t k = 0; k < width; ++k) {
          along += x[i + k] * (k + 1 < width ? p.law().usual.token : p.law().usual.mask) / n;
        }
        back += along;
      }
      auto const law = table.at(t);
      double const shrunk = sphere::mean_cosine(p.law().width - 1, law.rho);
      double const c = p.law().usual.token;
      // Two means of 16000 whose deviations stay below 0.35: five of their difference's deviations
      // are 0.02. With wrong angles or spreads both are off by 0.05 and more.
      CHECK(std::fabs(forward - shrunk * (law.forward + law.back * c)) < 0.02);
      CHECK(std::fabs(back - shrunk * (law.forward * c + law.back)) < 0.02);
    }
  };
  check(process::sphere_bridge<>(4));
  check(process::sphere_bridge<prior::mask>(4, {}, {0.3, 0.5}));
  check(process::sphere_bridge<prior::initial>(4, {0.6}, {0.3, 0.5}));
}

TEST_CASE("sphere_bridge: a mixture's noised samples start at one point or the other") {
  constexpr std::int64_t n = 20'000;
  process::sphere_bridge<prior::mixture> const p(3, {prior::mixture::path::linear}, {1e-9, 1e-9});
  std::vector<double> x(n * 2 * 4, 0.0);  // two positions: the coin is the sample's
  for (std::size_t i = 0; i < x.size(); i += 4) x[i] = 1.0;
  noise_to(p, 0.8, x, n, 8);
  std::int64_t even = 0;
  for (std::size_t i = 0; i < x.size(); i += 8) {
    bool const first = x[i + 1] > 0.1, second = x[i + 5] > 0.1;
    REQUIRE(first == second);
    even += first;
  }
  CHECK(test::passes("mixture's coin", test::p_of_binomial(even, n, 0.8)));
}

}  // namespace
