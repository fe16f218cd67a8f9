// Guidance rescale against its formula.

#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/rescale.hpp>

#include "../support/guidance_cases.hpp"
#include <doctest/doctest.h>

using namespace diffx;

namespace {

template <class T>
double deviation(T const* p, std::size_t n) {
  double mean = 0.0, sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) mean += static_cast<double>(p[i]) / static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) sum += std::pow(static_cast<double>(p[i]) - mean, 2);
  return std::sqrt(sum / static_cast<double>(n - 1));
}

/// phi g std(p_cond) / std(g) + (1 - phi) g, row by row.
std::vector<double> by_formula(std::vector<double> const& condition,
                               std::vector<double> const& null, double w, double phi,
                               std::size_t rows) {
  std::size_t const n = condition.size() / rows;
  std::vector<double> g(condition.size());
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = null[i] + w * (condition[i] - null[i]);
  for (std::size_t r = 0; r < rows; ++r) {
    double const ratio = deviation(&condition[r * n], n) / deviation(&g[r * n], n);
    for (std::size_t i = r * n; i < (r + 1) * n; ++i) {
      g[i] = phi * g[i] * ratio + (1.0 - phi) * g[i];
    }
  }
  return g;
}

}  // namespace

TEST_CASE("rescale is its formula on every row") {
  for (std::size_t const features : {2u, 5u, 37u}) {
    for (double const offset : {0.0, 100.0}) {
      auto condition = test::irregular(3 * features, 2.0, 0.1),
           null = test::irregular(3 * features, 1.0, 0.7);
      for (std::size_t i = 0; i < condition.size(); ++i) {
        condition[i] += offset;
        null[i] += 0.5 * offset;
      }
      for (double const w : {-2.0, 0.5, 4.0}) {
        for (double const phi : {0.3, 0.7, 1.0}) {
          auto const x0 =
              test::guided(guidance::rescale{guidance::cfg{w}, phi}, {{}, {condition, null}}, 3);
          auto const expected = by_formula(condition, null, w, phi, 3);
          CHECK(test::distance(x0, expected) <= 1e-12 * test::largest(expected));
        }
      }
    }
  }
}

TEST_CASE("rescale without effect gives the bits of the guidance inside it") {
  auto const condition = test::irregular(8, 2.0, 0.1), null = test::irregular(8, 1.0, 0.7);
  auto const plain = test::guided(guidance::cfg{4.0}, {{}, {condition, null}}, 2);
  CHECK(test::guided(guidance::rescale{guidance::cfg{4.0}, 0.0}, {{}, {condition, null}}, 2) ==
        plain);
  // One branch is not evaluated: there is nothing to correct.
  std::vector<query> asked;
  test::listed const network{{}, {condition, null}, &asked};
  CHECK(test::guided(guidance::rescale{guidance::cfg{1.0}, 0.7}, network, 2) == condition);
  CHECK(test::guided(guidance::rescale{guidance::cfg{0.0}, 0.7}, network, 2) == null);
  CHECK(asked.size() == 2);
}

TEST_CASE("a prediction without deviation is left as it is") {
  // A plain area: sums of squares of such numbers are not exact.
  for (std::size_t const features : {1u, 3u, 37u, 1000u}) {
    for (double const value : {0.1, -0.7, 2.3, 1e3 / 3.0}) {
      test::listed const network{
          {}, {std::vector<double>(features, value), std::vector<double>(features, 0.3)}};
      CHECK(test::guided(guidance::rescale{guidance::cfg{3.0}, 0.7}, network) ==
            test::guided(guidance::cfg{3.0}, network));
    }
  }
}

TEST_CASE("golden cases of guidance rescale") {
  int compared = 0;
  for (auto const& c : test::guidance_cases("guider")) {
    if (!c.at("params").contains("guidance_rescale")) continue;
    double const phi = c.at("params").at("guidance_rescale").get<double>();
    test::for_each_guided_step(
        c,
        [&](auto scale) {
          return guidance::rescale{guidance::cfg{scale}, phi};
        },
        [&](auto const& got, auto const& want, int calls, int branches) {
          ++compared;
          CHECK(test::distance(got, want) <= 1e-9 * test::largest(want));
          CHECK(calls == branches);
        });
  }
  CHECK(compared == 4);
}

TEST_CASE("rescale measures what the network predicts") {
  // One step of a network that predicts eps: the deviation restored is that of eps, not of x0.
  sampler const s{test::vp_process{}, solver::ddim{}, guidance::rescale{guidance::cfg{4.0}, 1.0}};
  auto const grid = test::lambda_grid(1);
  std::size_t const n = 50;
  auto const before = test::irregular(2 * n, 1.0, 0.0);
  auto x = before;
  std::vector<double> conditional(2 * n);
  options<> given;
  given.start = start::given;
  s.sample(exec::host{}, test::wavy{}, grid, batch_view<double>{x.data(), 2, 50}, given);
  query q;
  q.at = grid[0];
  test::wavy{}(exec::host{}, batch_view<double const>{before.data(), 2, 50}, q,
               batch_view<double>{conditional.data(), 2, 50});
  level const from = grid[0], to = grid[1];
  // x' = (alpha' / alpha) x + (sigma' - alpha' sigma / alpha) eps
  double const weight = to.sigma - to.alpha * from.sigma / from.alpha;
  for (std::size_t row = 0; row < 2; ++row) {
    std::vector<double> eps(n);
    for (std::size_t i = 0; i < n; ++i) {
      eps[i] = (x[n * row + i] - to.alpha / from.alpha * before[n * row + i]) / weight;
    }
    CHECK(deviation(eps.data(), n) ==
          doctest::Approx(deviation(&conditional[n * row], n)).epsilon(1e-12));
  }
}

TEST_CASE("a mix outside [0, 1] is refused") {
  for (double const phi : {-0.1, 1.5, double(NAN)}) {
    CHECK_THROWS_WITH_AS(test::guided(guidance::rescale{guidance::cfg{3.0}, phi}, {{}, {{2}, {3}}}),
                         doctest::Contains(("diffx::guidance::rescale: phi = " + detail::text(phi) +
                                            ", must be in [0, 1]")
                                               .c_str()),
                         error);
  }
}
