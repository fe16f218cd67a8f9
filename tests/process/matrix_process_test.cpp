// Processes of classes by matrices: what their matrices must be, and what they refuse.

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/discretised_gaussian.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/process/rate_matrix.hpp>
#include <diffx/schedule/geometric_noise.hpp>
#include <diffx/schedule/log_linear.hpp>

#include <cmath>
#include <cstddef>
#include <doctest/doctest.h>
#include <vector>

namespace {

namespace process = diffx::process;
namespace schedule = diffx::schedule;
using matrix = std::vector<double>;

/// eps times the handful of terms that an entry is the sum of, and a few products.
constexpr double rounding = 1e-14;

std::size_t size_of(matrix const& a) {
  return static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(a.size()))));
}

matrix multiply(matrix const& a, matrix const& b) {
  std::size_t const n = size_of(a);
  matrix out(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t j = 0; j < n; ++j) out[i * n + j] += a[i * n + k] * b[k * n + j];
  return out;
}

double difference(matrix const& a, matrix const& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) worst = std::fmax(worst, std::fabs(a[k] - b[k]));
  return worst;
}

matrix identity(int states) {
  auto const n = static_cast<std::size_t>(states);
  matrix out(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) out[i * n + i] = 1.0;
  return out;
}

/// Laws in rows, which compose, and do nothing over no time.
template <class Process>
void check_matrices(Process const& p, std::vector<double> const& times) {
  for (double const a : times) {
    CHECK(difference(p.transition(p.at(a), p.at(a)), identity(p.states())) < rounding);
    for (double const b : times) {
      if (b < a) continue;
      auto const m = p.transition(p.at(a), p.at(b));
      std::size_t const n = size_of(m);
      REQUIRE(static_cast<int>(n) == p.states());
      for (std::size_t i = 0; i < n; ++i) {
        double sum = 0.0;
        for (std::size_t j = 0; j < n; ++j) {
          CHECK(m[i * n + j] >= 0.0);
          sum += m[i * n + j];
        }
        CHECK(std::fabs(sum - 1.0) < rounding);
      }
      for (double const c : times) {
        if (c < b) continue;
        CHECK(difference(multiply(m, p.transition(p.at(b), p.at(c))),
                         p.transition(p.at(a), p.at(c))) < rounding);
      }
    }
  }
  CHECK(p.at(0.0).sigma == 0.0);
  CHECK(p.at_lambda(p.at(times[1]).lambda).t == doctest::Approx(times[1]).epsilon(1e-9));
  CHECK_THROWS_AS(p.at(-0.1), diffx::error);
  CHECK_THROWS_AS(p.at(std::nan("")), diffx::error);
  CHECK_THROWS_AS(p.at_lambda(std::nan("")), diffx::error);
  CHECK_THROWS_AS(p.transition(p.at(times[2]), p.at(times[1])), diffx::error);
}

TEST_CASE("discretised Gaussian: its formula, and columns that add up to 1 as well") {
  for (int const classes : {1, 2, 3, 8}) {
    process::discretised_gaussian const p(classes, {1e-4, 0.02, 0.3, 1.0, 50.0});
    check_matrices(p, {0.0, 0.2, 0.4, 0.8, 1.0});
    auto const n = static_cast<std::size_t>(classes);
    for (int k = 0; k < p.steps(); ++k) {
      double const beta =
          std::vector<double>{1e-4, 0.02, 0.3, 1.0, 50.0}[static_cast<std::size_t>(k)];
      auto const m = p.transition(p.at_index(k - 1), p.at_index(k));
      auto const all = p.transition({}, p.at_index(k));
      double const scale = classes > 1 ? 4.0 / ((classes - 1.0) * (classes - 1.0) * beta) : 0.0;
      double z = 0.0;
      for (int d = 1 - classes; d < classes; ++d) z += std::exp(-scale * d * d);
      for (std::size_t i = 0; i < n; ++i) {
        double column = 0.0, total = 0.0;
        for (std::size_t j = 0; j < n; ++j) {
          double const d = static_cast<double>(i) - static_cast<double>(j);
          if (i != j) CHECK(std::fabs(m[i * n + j] - std::exp(-scale * d * d) / z) < rounding);
          CHECK(m[i * n + j] == m[j * n + i]);
          column += m[j * n + i];
          total += all[j * n + i];
        }
        CHECK(std::fabs(column - 1.0) < rounding);
        CHECK(std::fabs(total - 1.0) < rounding);
      }
    }
  }
}

TEST_CASE("discretised Gaussian: near classes first, uniform in the end") {
  process::discretised_gaussian const near(8, {0.01});
  auto const m = near.transition({}, near.at(1.0));
  CHECK(m[3 * 8 + 4] > m[3 * 8 + 5]);
  CHECK(m[3 * 8 + 5] > m[3 * 8 + 7]);
  process::discretised_gaussian const far(8, std::vector<double>(400, 0.5));
  for (double const v : far.transition({}, far.at(1.0))) CHECK(std::fabs(v - 0.125) < 1e-12);
  CHECK(far.limit().probability(5) == 0.125);
}

TEST_CASE("mask and replace: its formula") {
  std::vector<double> const kept{0.8, 0.5, 0.1}, masked{0.1, 0.3, 0.85};
  process::mask_and_replace const p(3, kept, masked);
  check_matrices(p, {0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0});
  CHECK(p.states() == 4);
  CHECK(p.limit().mask == 3);
  CHECK(p.at_index(1).alpha == 0.5);
  CHECK(p.at_index(1).timestep == 1.0);
  CHECK(p.at_index(-1).alpha == 1.0);
  for (int k = 0; k < 3; ++k) {
    auto const i = static_cast<std::size_t>(k);
    auto const all = p.transition({}, p.at_index(k));
    double const other = (1.0 - kept[i] - masked[i]) / 3.0;
    CHECK(std::fabs(all[0] - kept[i] - other) < rounding);
    CHECK(std::fabs(all[1] - other) < rounding);
    CHECK(std::fabs(all[3] - masked[i]) < rounding);
    CHECK(all[12] == 0.0);
    CHECK(all[15] == 1.0);
    double const k0 = k > 0 ? kept[i - 1] : 1.0, m0 = k > 0 ? masked[i - 1] : 0.0;
    auto const one = p.between(p.at_index(k - 1), p.at_index(k));
    CHECK(one.keep == doctest::Approx(kept[i] / k0).epsilon(1e-15));
    CHECK(one.mask == doctest::Approx(1.0 - (1.0 - masked[i]) / (1.0 - m0)).epsilon(1e-14));
    CHECK(one.keep + 3.0 * one.replace + one.mask == doctest::Approx(1.0).epsilon(1e-15));
  }
  auto const usual = process::mask_and_replace::linear(16, 100);
  CHECK(usual.steps() == 100);
  CHECK(usual.at_index(99).alpha == doctest::Approx(9e-6).epsilon(1e-9));
}

TEST_CASE("rate matrix: the marginal process is one of its kind") {
  std::vector<double> const pi{0.5, 0.3, 0.2};
  matrix rates;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) rates.push_back(pi[j] - (i == j ? 1.0 : 0.0));
  schedule::log_linear const s{1e-3};
  process::rate_matrix<schedule::log_linear> const p(rates, s);
  process::marginal<schedule::log_linear> const m(pi, s);
  check_matrices(p, {0.0, 0.2, 0.5, 0.9, 1.0});
  for (double const t : {0.1, 0.5, 0.999, 1.0}) {
    CHECK(p.at(t).alpha == m.at(t).alpha);
    for (double const r : {0.0, 0.3}) {
      if (r > t) continue;
      CHECK(difference(p.transition(p.at(r), p.at(t)),
                       diffx::analysis::transition(m, m.at(r), m.at(t))) < rounding);
    }
  }
  for (int k = 0; k < 3; ++k) {
    CHECK(std::fabs(p.limit().probability(k) - pi[static_cast<std::size_t>(k)]) < rounding);
  }
}

TEST_CASE("rate matrix: two classes in closed form, birth and death, and the generator itself") {
  double const a = 0.7, b = 0.2;
  process::rate_matrix<> const two({-a, a, b, -b});
  check_matrices(two, {0.0, 0.1, 0.3, 1.0});
  for (double const t : {0.01, 0.3, 1.0}) {
    double const noise = 10.0 * t, fade = std::exp(-(a + b) * noise);
    matrix const want{(b + a * fade) / (a + b), a * (1 - fade) / (a + b),  //
                      b * (1 - fade) / (a + b), (a + b * fade) / (a + b)};
    CHECK(difference(two.transition({}, two.at(t)), want) < rounding);
  }
  // Nearest neighbours: fast and slow rates together.
  matrix chain(25, 0.0);
  for (std::size_t i = 0; i + 1 < 5; ++i) {
    double const rate = i == 2 ? 1e-3 : 50.0;
    chain[i * 5 + i + 1] += rate;
    chain[(i + 1) * 5 + i] += 2.0 * rate;
    chain[i * 5 + i] -= rate;
    chain[(i + 1) * 5 + i + 1] -= 2.0 * rate;
  }
  process::rate_matrix<> const p(chain);
  check_matrices(p, {0.0, 0.1, 0.5, 1.0});
  for (std::size_t i = 0; i < 5; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < 5; ++j) sum += p.rates()[i * 5 + j];
    CHECK(std::fabs(sum) < rounding * 100.0);  // of rates up to 100
    if (i > 0) {                               // detailed balance: pi_i falls by halves
      CHECK(p.limit().probability(static_cast<int>(i)) ==
            doctest::Approx(0.5 * p.limit().probability(static_cast<int>(i) - 1)).epsilon(1e-9));
    }
  }
  // (exp(h R) - 1) / h is R up to h R^2 / 2.
  double const t = 1e-9, h = 10.0 * t;
  auto const small = p.transition({}, p.at(t));
  for (std::size_t k = 0; k < 25; ++k) {
    double const one = k % 6 == 0 ? 1.0 : 0.0;
    CHECK(std::fabs((small[k] - one) / h - chain[k]) < h * 150.0 * 150.0 + 1e-15 / h);
  }
}

TEST_CASE("the bridge of matrices is Bayes' rule over all paths") {
  process::discretised_gaussian const p(4, {0.1, 0.3, 0.2});
  // q(x1, x2 | x0) by multiplying single steps.
  auto const q1 = p.transition(p.at_index(-1), p.at_index(0)),
             q2 = p.transition(p.at_index(0), p.at_index(1));
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      double total = 0.0;
      std::vector<double> joint;
      for (int k = 0; k < 4; ++k) {
        joint.push_back(q1[static_cast<std::size_t>(i * 4 + k)] *
                        q2[static_cast<std::size_t>(k * 4 + j)]);
        total += joint.back();
      }
      auto const got = diffx::analysis::bridge(p, p.at_index(1), p.at_index(0), j, i);
      for (std::size_t k = 0; k < 4; ++k) CHECK(std::fabs(got[k] - joint[k] / total) < rounding);
    }
  }
}

TEST_CASE("processes of matrices refuse what is none") {
  using diffx::error;
  CHECK_THROWS_WITH_AS(process::discretised_gaussian(0, {0.1}), doctest::Contains("classes = 0"),
                       error);
  CHECK_THROWS_WITH_AS(process::discretised_gaussian(3, {}), doctest::Contains("betas.size()"),
                       error);
  CHECK_THROWS_WITH_AS(process::discretised_gaussian(3, {0.1, 0.0}), doctest::Contains("a beta"),
                       error);
  process::discretised_gaussian const p(3, {0.1, 0.2, 0.3});
  CHECK_THROWS_WITH_AS(p.at(0.5), doctest::Contains("a multiple of 1 / 3"), error);
  CHECK_THROWS_AS(p.at_index(3), error);
  CHECK(diffx::grid::uniform_t(p, 3).steps() == 3);
  CHECK_THROWS_AS(diffx::grid::uniform_t(p, 2), error);

  using process::mask_and_replace;
  CHECK_THROWS_WITH_AS(mask_and_replace(0, {0.5}, {0.1}), doctest::Contains("classes = 0"), error);
  CHECK_THROWS_AS(mask_and_replace(3, {}, {}), error);
  CHECK_THROWS_WITH_AS(mask_and_replace(3, {0.5}, {0.1, 0.2}), doctest::Contains("masked.size()"),
                       error);
  CHECK_THROWS_WITH_AS(mask_and_replace(3, {0.5, 0.6}, {0.1, 0.2}), doctest::Contains("kept"),
                       error);
  CHECK_THROWS_WITH_AS(mask_and_replace(3, {0.5, 0.4}, {0.3, 0.2}), doctest::Contains("masked"),
                       error);
  CHECK_THROWS_WITH_AS(mask_and_replace(3, {0.5, 0.4}, {0.6, 0.6}), doctest::Contains("b = "),
                       error);
  CHECK_THROWS_AS(mask_and_replace::linear(3, 1), error);

  using rates = process::rate_matrix<>;
  CHECK_THROWS_WITH_AS(rates({-1, 1, 1}), doctest::Contains("rates.size()"), error);
  CHECK_THROWS_WITH_AS(rates({1, -1, 1, -1}), doctest::Contains("a rate"), error);
  CHECK_THROWS_WITH_AS(rates({-1, 2, 1, -1}), doctest::Contains("sum of rates"), error);
  CHECK_THROWS_WITH_AS(rates({0, 0, 0, 0}), doctest::Contains("largest rate"), error);
  CHECK_THROWS_WITH_AS(rates({0, 0, 0, 1, -2, 1, 0, 0, 0}),
                       doctest::Contains("remembers of its start"), error);
  CHECK_THROWS_WITH_AS((process::rate_matrix<schedule::log_linear>({-1, 1, 1, -1})),
                       doctest::Contains("total noise at t = 1"), error);
}

}  // namespace
