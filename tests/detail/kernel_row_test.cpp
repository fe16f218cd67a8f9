// The guided kernel of one position: its probabilities against direct sums, and what it draws over
// a grid of uniforms, without statistics.

#include <diffx/detail/kernel_row.hpp>
#include <diffx/detail/limit_law.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using diffx::detail::class_kernel;
using diffx::detail::kernel_row;
using diffx::detail::limit_law;
using diffx::detail::unit_uniform;
using row_t = kernel_row<double, 2>;

constexpr double infinity = std::numeric_limits<double>::infinity();
using numbers = std::vector<double>;

numbers logits(int classes, double seed, int ruled_out) {
  numbers l(static_cast<std::size_t>(classes));
  for (std::size_t k = 0; k < l.size(); ++k) {
    double const x = static_cast<double>(k);
    l[k] = static_cast<int>(k) % 7 == ruled_out ? -infinity
                                                : 4.0 * std::sin(seed + 1.7 * x + 0.01 * x * x);
  }
  return l;
}

numbers softmax(numbers const& l, int without) {
  numbers p(l.size());
  double sum = 0.0;
  for (std::size_t k = 0; k < l.size(); ++k) {
    sum += p[k] = static_cast<int>(k) == without ? 0.0 : std::exp(l[k]);
  }
  for (double& v : p) v /= sum;
  return p;
}

row_t row_of(numbers const& a, numbers const& b, double gamma, int kernels, limit_law law,
             int now) {
  row_t row;
  row.source[0] = a.data();
  row.source[1] = b.data();
  row.weight[0] = kernels == 2 ? gamma : 1.0;
  row.weight[1] = kernels == 2 ? 1.0 - gamma : gamma;
  row.sources = 2;
  row.kernels = kernels;
  row.law = law;
  row.now = now;
  return row;
}

constexpr class_kernel mixing{{0.2, 0.05}, {0.9, 0.3}}, other_mixing{{0.1, 0.4}, {0.3, 0.7}};

void check_classes(int classes, int kernels, double gamma, int m) {
  CAPTURE(classes);
  CAPTURE(kernels);
  CAPTURE(gamma);
  auto const a = logits(classes, 0.37, 3), b = logits(classes, 1.9, 5);
  int const now = classes / 2;
  auto row = row_of(a, b, gamma, kernels, {classes, -1, nullptr}, now);
  REQUIRE(row.normalise());
  auto const p = softmax(a, -1), u = softmax(b, -1);
  CHECK(row.data_probability(0, now) ==
        doctest::Approx(p[static_cast<std::size_t>(now)]).epsilon(1e-12));
  row.kernel[0] = mixing;
  row.kernel[1] = other_mixing;
  REQUIRE(row.scan());
  numbers q(a.size());
  double total = 0.0;
  for (std::size_t k = 0; k < q.size(); ++k) {
    bool const here = static_cast<int>(k) == now;
    q[k] = std::pow(mixing.at(here, p[k], 1.0 / classes), row.weight[0]);
    q[k] *= kernels == 2 ? std::pow(other_mixing.at(here, u[k], 1.0 / classes), row.weight[1])
            : b[k] == -infinity ? 0.0
                                : std::exp(gamma * b[k]);
    total += q[k];
  }
  double sum = 0.0, off = 0.0;
  for (std::size_t k = 0; k < q.size(); ++k) {
    double const have = row.probability(static_cast<int>(k));
    off = std::max(off, std::abs(have - q[k] / total));
    sum += have;
    if (q[k] == 0.0) CHECK(have == 0.0);
  }
  CHECK(off < 1e-13);
  CHECK(std::abs(sum - 1.0) < 1e-12);
  // Every class as often as its probability over m midpoints, those ruled out never.
  std::vector<int> count(q.size(), 0);
  for (int i = 0; i < m; ++i) ++count[static_cast<std::size_t>(row.draw((i + 0.5) / m))];
  for (std::size_t k = 0; k < q.size(); ++k) {
    if (q[k] == 0.0) CHECK(count[k] == 0);
    if (std::abs(count[k] - m * q[k] / total) > 1.0 + 1e-9 * m) {
      FAIL_CHECK("class " << k << ": " << count[k] << ", want " << m * q[k] / total);
    }
  }
  CHECK(q[static_cast<std::size_t>(row.draw(unit_uniform(0, 0)))] > 0.0);
  CHECK(q[static_cast<std::size_t>(row.draw(unit_uniform(0xFFFFFFFFu, 0xFFFFFFFFu)))] > 0.0);
}

TEST_CASE("kernel_row: probabilities and draws of tempered kernels, and of one with a table") {
  for (int const classes : {2, 3, 255, 256, 257, 1000}) {
    for (double const gamma : {2.5, -0.5}) {
      check_classes(classes, 2, gamma, 5003);
      check_classes(classes, 1, gamma, 5003);
    }
  }
  check_classes(50257, 2, 1.5, 20011);
  check_classes(150001, 1, 1.5, 2003);  // more than max_tiles tiles: wider ones
}

TEST_CASE("kernel_row: the mask has a mass of its own, and no class draws it") {
  for (int const mask : {40, 17}) {  // after the classes, or among them
    auto const a = logits(40, 0.37, 3), b = logits(40, 1.9, 5);
    auto row = row_of(a, b, 2.5, 2, {40, mask, nullptr}, mask);
    REQUIRE(row.normalise());
    row.kernel[0] = row.kernel[1] = {{0.25, 0.0}, {0.0, 0.75}};
    row.stay = std::log(0.75);
    REQUIRE(row.scan());
    auto const p = softmax(a, mask), u = softmax(b, mask);
    double z = 0.0;
    for (std::size_t k = 0; k < p.size(); ++k) {
      if (p[k] > 0.0 && u[k] > 0.0) z += std::pow(p[k], 2.5) * std::pow(u[k], -1.5);
    }
    double const leaves = 0.25 * z / (0.25 * z + 0.75);
    CHECK(row.leaves_mask() == doctest::Approx(leaves).epsilon(1e-13));
    CHECK(row.probability(mask) == doctest::Approx(1.0 - leaves).epsilon(1e-13));
    double sum = row.probability(mask);
    for (int k = 0; k < 40; ++k) sum += k == mask ? 0.0 : row.probability(k);
    CHECK(sum == doctest::Approx(1.0).epsilon(1e-13));
    for (int i = 0; i < 1000; ++i) CHECK(row.draw((i + 0.5) / 1000) != mask);
    row.stay = row_t::nothing;  // the last step
    REQUIRE(row.scan());
    CHECK(row.leaves_mask() == 1.0);
    CHECK(row.probability(mask) == 0.0);
  }
}

TEST_CASE("kernel_row: logs alone where the data is the only route") {
  // p and u so small that their powers would be 0 or infinite one by one.
  numbers const a{0.0, -600.0, -590.0}, b{0.0, -700.0, -300.0};
  auto row = row_of(a, b, 3.0, 2, {3, 3, nullptr}, 3);
  REQUIRE(row.normalise());
  row.kernel[0] = row.kernel[1] = {{1.0, 0.0}, {0.0, 0.0}};
  REQUIRE(row.scan());
  // 3 (-600) - 2 (-700) = -400 and 3 (-590) - 2 (-300) = -1170: nearly all is class 0.
  CHECK(row.probability(0) == 1.0);
  numbers const c{-infinity, -600.0, -590.0}, d{-infinity, -700.0, -690.0};
  auto far = row_of(c, d, 3.0, 2, {3, 3, nullptr}, 3);
  REQUIRE(far.normalise());
  far.kernel[0] = far.kernel[1] = {{1.0, 0.0}, {0.0, 0.0}};
  REQUIRE(far.scan());
  CHECK(far.probability(2) / far.probability(1) == doctest::Approx(std::exp(10.0)).epsilon(1e-12));
}

TEST_CASE("kernel_row: what is no distribution, and what leaves no state") {
  double const nan = std::numeric_limits<double>::quiet_NaN();
  numbers const good{0.1, 0.2, 0.3};
  for (auto const& bad :
       {numbers{0.1, nan, 0.3}, {0.1, infinity, 0.3}, {-infinity, -infinity, -infinity}}) {
    CHECK_FALSE(row_of(bad, good, 2.0, 2, {3, -1, nullptr}, 0).normalise());
    CHECK_FALSE(row_of(good, bad, 2.0, 2, {3, -1, nullptr}, 0).normalise());
    auto table = row_of(good, bad, 2.0, 1, {3, -1, nullptr}, 0);
    REQUIRE(table.normalise());
    table.kernel[0] = mixing;
    CHECK_FALSE(table.scan());
  }
  // Classes that exclude each other leave the mask, where there is one.
  numbers const left{0.0, -infinity}, right{-infinity, 0.0};
  auto row = row_of(left, right, 2.0, 2, {2, 2, nullptr}, 2);
  REQUIRE(row.normalise());
  row.kernel[0] = row.kernel[1] = {{0.5, 0.0}, {0.0, 0.5}};
  CHECK_FALSE(row.scan());
  row.stay = std::log(0.5);
  CHECK(row.scan());
  CHECK(row.leaves_mask() == 0.0);
  CHECK(row.probability(2) == 1.0);
  CHECK(row.probability(0) == 0.0);
}

}  // namespace
