// The clock of rows of numbers and classes: the noise level as a power of time, its exponents, and
// a run of both kinds of column on one timetable.

#include <diffx/denoiser/gaussian.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/sigma.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/product.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/bounded_mask_power.hpp>
#include <diffx/schedule/learned_exponent.hpp>
#include <diffx/schedule/sigma_power.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/product.hpp>

#include "../support/message.hpp"
#include "../support/statistics.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using doctest::Approx;
using numbers_process = process::edm_of<schedule::sigma_power>;
using classes_process = process::absorbing<schedule::bounded_mask_power>;

TEST_CASE("sigma_power: the points of the grid of the same name, evenly in time") {
  schedule::sigma_power const s{0.01, 30.0, 5.0};
  auto const points = grid::sigma::karras(11, {0.01, 30.0}, 5.0);
  for (std::size_t k = 0; k < 11; ++k) {
    double const t = 1.0 - static_cast<double>(k) / 10.0;
    if (k < 10) CHECK(s.sigma(t) == Approx(points[k]).epsilon(1e-13));
  }
  CHECK(s.sigma(0.0) == 0.0);
  CHECK(s.sigma(1e-300) == Approx(0.01).epsilon(1e-14));
  CHECK(s.sigma(1.0) == 30.0);
  CHECK(s.time(0.01) > 0.0);
  CHECK(s.time(0.0) == 0.0);
  numbers_process const p(s);
  CHECK(p.at_lambda(-std::log(0.01)).t > 0.0);
  CHECK(p.at_lambda(std::numeric_limits<double>::infinity()).t == 0.0);
  // Between the smallest noise and none there is no level.
  CHECK(test::message_of([&] { p.at_lambda(-std::log(0.009)); }) ==
        "diffx::process::edm::at_lambda: lambda = " + detail::text(-std::log(0.009)) +
            ", must be in [" + detail::text(-std::log(30.0)) + ", " +
            detail::text(-std::log(0.01)) + "]");
  CHECK(grid::karras(p, 10).back().sigma == 0.0);
  CHECK(p.at(0.5).timestep == Approx(0.25 * std::log(s.sigma(0.5))).epsilon(1e-15));
}

TEST_CASE("sigma_power: what is refused") {
  auto const check = [](schedule::sigma_power const& s) {
    return test::message_of([&] { s.check(); });
  };
  auto const where = "diffx::schedule::sigma_power";
  CHECK(check({}).empty());
  CHECK(test::says(check({0.0, 1.0}), where, "sigma_min", "0", "positive and finite"));
  CHECK(test::says(check({1.0, 1.0}), where, "sigma_max", "1", "finite and above sigma_min"));
  CHECK(test::says(check({1.0, 2.0, -1.0}), where, "rho", "-1", "positive and finite"));
}

TEST_CASE("learned_exponent: positive beyond the offset, whatever the raw number") {
  CHECK(schedule::learned_exponent(0.0, 1.0) == Approx(1.0 + std::log(2.0)).epsilon(1e-15));
  CHECK(schedule::learned_exponent(1.0, 5.0) ==
        Approx(5.0 + std::log1p(std::exp(1.0))).epsilon(1e-15));
  CHECK(schedule::learned_exponent(-700.0, 0.0) == Approx(std::exp(-700.0)).epsilon(1e-14));
  CHECK(schedule::learned_exponent(1e4, 1.0) == 10001.0);
}

/// Numbers of a known normal law beside classes of a known law.
struct row_network {
  struct both {
    using kind = prediction_tag;
    std::tuple<prediction::x0, prediction::x0_posterior<double>> parts{};
  };
  both prediction{};
  denoiser::gaussian numbers{1.5, 0.5};
  std::vector<double> law{0.5, 0.3, 0.2};

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, query const& q, Out const& out) const {
    numbers(exec, std::get<0>(x), q, std::get<0>(out));
    auto const& logits = std::get<1>(out);
    for (std::int64_t i = 0; i < logits.size(); ++i) {
      logits.data[i] = std::log(law[static_cast<std::size_t>(i % 3)]);
    }
  }
};

// n = 40000 classes; a total variation of 1.5 % is seen.
TEST_CASE("numbers and classes on one clock: a run ends as data, and only there") {
  constexpr std::int64_t rows = 20000, columns = 2;
  numbers_process const numeric;
  auto const run = [&](schedule::bounded_mask_power const& m, timetable const& g,
                       std::vector<double>& z) {
    sampler const s{process::product{std::tuple{numeric, classes_process(3, 3, m)}},
                    solver::product{std::tuple{solver::euler{}, solver::ancestral{}}}};
    std::vector<std::int32_t> codes(rows * columns);
    z.assign(rows, 0.0);
    s.sample(exec::host{}, row_network{}, g,
             std::tuple{batch_view<double>{z.data(), rows, 1},
                        batch_view<std::int32_t>{codes.data(), rows, columns}},
             options{noise::counted{3}});
    std::vector<std::int64_t> count(4, 0);
    for (auto const c : codes) ++count[static_cast<std::size_t>(c)];
    return count;
  };
  auto const to_data = grid::uniform_t(numeric, 20, {1.0, 0.0});
  std::vector<double> z, alone(rows);
  schedule::bounded_mask_power const m{2.0, 0.2, 0.1};
  auto const count = run(m, to_data, z);
  CHECK(count[3] == 0);
  std::vector<double> const law{0.5, 0.3, 0.2, 0.0};
  CHECK(test::passes("numbers and classes: classes", test::test_cells(count, law).p));
  sampler{numeric, solver::euler{}}.sample(exec::host{}, denoiser::gaussian{1.5, 0.5}, to_data,
                                           batch_view<double>{alone.data(), rows, 1},
                                           options{noise::counted{3}});
  CHECK(z == alone);
  // The last level above data keeps its share of the masks that a run starts with.
  timetable const above({numeric.at(1.0), numeric.at(0.3), numeric.at(1e-12)});
  auto const left = run(m, above, z);
  double const masked = 0.2 / 0.9;
  std::vector<double> const mixed{0.5 * (1 - masked), 0.3 * (1 - masked), 0.2 * (1 - masked),
                                  masked};
  CHECK(test::passes("numbers and classes: masks left", test::test_cells(left, mixed).p));
}

TEST_CASE("sigma_power: a root that tells nothing is refused") {
  for (double const rho : {1e-3, 1e17, 0.0, -1.0}) {
    diffx::schedule::sigma_power s;
    s.rho = rho;
    CHECK_THROWS_WITH_AS(s.check(), doctest::Contains("rho"), diffx::error);
  }
}

}  // namespace
