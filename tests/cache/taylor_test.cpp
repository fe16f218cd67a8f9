// The caches that extrapolate a prediction in time.

#include <diffx/cache/every_n.hpp>
#include <diffx/cache/taylor.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include "../support/expect.hpp"
#include "../support/policy_checks.hpp"
#include "../support/remembering.hpp"

using namespace diffx;

namespace {

test::vp_process const path;

double polynomial(int degree, double t) {
  double sum = 0.0;
  for (int k = degree; k >= 0; --k) sum = sum * t + (k % 2 == 0 ? 1.3 : -0.8) * (k + 1);
  return sum;
}

/// The x0 of every step, on a network that predicts a polynomial in time.
template <class Cache>
std::vector<double> shown(Cache const& cache, timetable const& grid, int degree) {
  auto const s = test::composed(path, solver::ddim{}, guidance::none{}, cache);
  auto const network = denoiser::predicts<prediction::x0>(
      [&](auto const&, batch_view<double const>, query const& q, batch_view<double> out) {
        out.data[0] = polynomial(degree, q.at.t);
      });
  double x = 0.0, x0 = 0.0;
  batch_view<double> const v{&x, 1, 1};
  exec::host const host;
  detail::workspace const memory(s.workspace_size(host, network, v));
  auto r = s.start(host, network, grid, v, memory.span());
  r.preview_into(&x0);
  std::vector<double> all;
  while (!r.done()) {
    r.advance();
    all.push_back(x0);
  }
  return all;
}

/// Exact on polynomials of its order once it has enough predictions, of lower order before.
template <int N, int Order>
void extrapolates() {
  auto const grid = test::uneven_grid(path, 16, true);
  for (int degree = 0; degree <= Order + 1; ++degree) {
    auto const x0 = shown(cache::taylor<N, Order>{}, grid, degree);
    for (int i = 0; i < grid.steps(); ++i) {
      int const stored = i / N + 1, order = std::min(Order, stored - 1);
      double const error =
          std::fabs(x0[static_cast<std::size_t>(i)] - polynomial(degree, grid[i].t));
      INFO("N ", N, ", order ", Order, ", degree ", degree, ", step ", i);
      if (i % N == 0 || degree <= order) {
        // Weights reach 1e3 where old predictions lie close together in time.
        CHECK(error < 1e-11);
      } else {
        CHECK(error > 1e-9);
      }
    }
  }
}

}  // namespace

TEST_CASE("the extrapolation's weights") {
  step const s{};
  std::vector<double> const times{0.2, 0.4, 0.5, 0.8};
  double w[3];
  cache::linear<2>{}.weights(s, std::span(times).first(3), std::span(w, 2));
  CHECK(w[0] == doctest::Approx(3.0));
  CHECK(w[1] == doctest::Approx(-2.0));
  cache::taylor<2, 2>{}.weights(s, times, w);
  CHECK(w[0] == doctest::Approx(4.5));
  CHECK(w[1] == doctest::Approx(-4.0));
  CHECK(w[2] == doctest::Approx(0.5));
  cache::linear<2>{}.weights(s, std::span(times).first(2), std::span(w, 1));
  CHECK(w[0] == 1.0);
}

TEST_CASE("the cache calls on every N-th step of a run and extrapolates in between") {
  test::holds(test::cache_schedule(cache::linear<2>{}, 2, 1));
  test::holds(test::cache_schedule(cache::taylor<2, 2>{}, 2, 2));
  test::holds(test::cache_schedule(cache::taylor<3, 3>{}, 3, 3));
}

TEST_CASE("polynomials of the cache's order are exact, one degree more is not") {
  extrapolates<2, 0>();
  extrapolates<2, 1>();
  extrapolates<3, 1>();
  extrapolates<2, 2>();
  extrapolates<3, 3>();
}

TEST_CASE("order 0 repeats and a period of 1 is no cache, bit for bit") {
  auto const run = [](auto const& cache) {
    return test::run_of(sampler{path, solver::ddim{.eta = 1.0}, guidance::cfg{2.5}, cache},
                        test::wavy{}, 10);
  };
  CHECK(test::same_bits(run(cache::taylor<3, 0>{}), run(cache::every_n<3>{})));
  CHECK(test::same_bits(run(cache::taylor<1, 2>{}), run(cache::none{})));
  CHECK_FALSE(test::same_bits(run(cache::linear<3>{}), run(cache::every_n<3>{})));
}

TEST_CASE("a cached run is the run of a network that extrapolates itself") {
  auto const check = [](auto const& cache, int period, int order, auto const& solver,
                        auto const& guidance) {
    for (int const first : {0, 2}) {
      auto const cached =
          test::run_of(sampler{path, solver, guidance, cache}, test::wavy{}, 10, first);
      auto const expected =
          test::remembered_run(sampler{path, solver, guidance}, period, order, 10, first);
      for (std::size_t i = 0; i < cached.size(); ++i) {
        // Rounding of weights up to 20 on predictions of order 1, over 10 steps.
        CHECK(std::fabs(cached[i] - expected[i]) < 1e-11);
      }
    }
  };
  check(cache::linear<2>{}, 2, 1, solver::ddim{}, guidance::none{});
  check(cache::linear<3>{}, 3, 1, solver::ddim{.eta = 1.0}, guidance::cfg{2.5});
  check(cache::taylor<2, 2>{}, 2, 2, solver::dpmpp_2m{}, guidance::none{});
  check(cache::taylor<3, 2>{}, 3, 2, solver::dpmpp_2m{}, guidance::cfg{2.5});
}
