// Moments of rows that pass by, against the sums over all of them; and what inversion does to them.

#include <diffx/analysis/running_moments.hpp>
#include <diffx/denoiser/gaussian.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddim_inverse.hpp>

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
using analysis::running_moments;
using doctest::Approx;
using numbers = std::vector<double>;

numbers normals(std::int64_t n, std::uint64_t seed) {
  numbers out(static_cast<std::size_t>(n));
  noise::counted{seed}.fill(noise::key{}, 0, 0, static_cast<int>(n), out.data());
  return out;
}

batch_view<double const> view(numbers const& x, std::int64_t width) {
  return {x.data(), std::ssize(x) / width, width};
}

/// Mean, variance, skewness and kurtosis of one column, by two passes.
numbers direct(numbers const& x, std::size_t width, std::size_t j) {
  long double mean = 0, m2 = 0, m3 = 0, m4 = 0;
  auto const n = static_cast<long double>(x.size() / width);
  for (std::size_t i = j; i < x.size(); i += width) mean += x[i] / n;
  for (std::size_t i = j; i < x.size(); i += width) {
    long double const d = x[i] - mean;
    m2 += d * d;
    m3 += d * d * d;
    m4 += d * d * d * d;
  }
  long double const s = std::sqrt(m2 / (n - 1));
  return {static_cast<double>(mean), static_cast<double>(s * s),
          static_cast<double>(n / ((n - 1) * (n - 2)) * m3 / (s * s * s)),
          static_cast<double>(n * m4 / (m2 * m2))};
}

void check(running_moments const& m, numbers const& x, double scale = 1.0) {
  auto const width = static_cast<std::size_t>(m.width());
  auto const mean = m.mean(), variance = m.variance(), skew = m.skewness(), kurt = m.kurtosis();
  for (std::size_t j = 0; j < width; ++j) {
    auto const want = direct(x, width, j);
    CHECK(mean[j] == Approx(want[0]).epsilon(1e-13 * scale));
    CHECK(variance[j] == Approx(want[1]).epsilon(1e-12 * scale));
    CHECK(std::fabs(skew[j] - want[2]) < 1e-12 * scale);
    CHECK(kurt[j] == Approx(want[3]).epsilon(1e-12 * scale));
  }
}

TEST_CASE("moments are those of two passes, however the rows are cut") {
  constexpr std::int64_t width = 3, rows = 101;
  auto x = normals(rows * width, 1);
  for (std::size_t i = 0; i < x.size(); i += 3) {
    x[i] = std::exp(x[i]);
    x[i + 1] = 5.0 - 2.0 * x[i + 1] * x[i + 1];
  }
  running_moments all(width);
  all.add(view(x, width));
  CHECK(all.count() == rows);
  check(all, x);
  for (std::int64_t const cut : {0, 1, 2, 50, 100, 101}) {
    running_moments a(width), b(width);
    a.add(batch_view<double const>{x.data(), cut, width});
    b.add(batch_view<double const>{x.data() + cut * width, rows - cut, width});
    a.merge(b);
    CHECK(a.count() == rows);
    check(a, x);
  }
  running_moments pieces(width);
  for (std::int64_t i = 0; i < rows; i += 7) {
    running_moments p(width);
    p.add(
        batch_view<double const>{x.data() + i * width, std::min<std::int64_t>(7, rows - i), width});
    pieces.merge(p);
  }
  check(pieces, x);
  pieces.merge(running_moments(width));
  CHECK(pieces.count() == rows);
}

TEST_CASE("a large mean costs no digits of the moments about it") {
  auto x = normals(200, 2), far = x;
  for (double& v : far) v = 1e6 + std::round(v * 1024.0) / 1024.0;
  running_moments m(1);
  m.add(view(far, 1));
  check(m, far, 1e4);  // the mean is rounded to 1e-10, and all follow
}

TEST_CASE("known values, and rows of float") {
  std::vector<float> const x{1, 2, 3, 4, 10};
  running_moments m(1);
  m.add(batch_view<float const>{x.data(), 5, 1});
  CHECK(m.mean()[0] == 4.0);
  CHECK(m.variance()[0] == 12.5);
  CHECK(m.skewness()[0] == Approx(5.0 / 12.0 * 180.0 / std::pow(12.5, 1.5)).epsilon(1e-14));
  CHECK(m.kurtosis()[0] == Approx(5.0 * (81 + 16 + 1 + 0 + 1296) / 2500.0).epsilon(1e-14));
}

TEST_CASE("what is refused") {
  auto const where = "diffx::analysis::running_moments";
  CHECK(
      test::says(test::message_of([] { running_moments(0); }), where, "width", "0", "at least 1"));
  running_moments m(2);
  numbers const x{1, 2, 3, 4, 1, 5}, bad{1, 2, 3, NAN};
  CHECK(test::says(test::message_of([&] { m.add(view(x, 3)); }), where, "rows.features", "3",
                   "the width, 2"));
  CHECK(test::says(test::message_of([&] { m.merge(running_moments(3)); }), where, "other.width()",
                   "3", "the width, 2"));
  CHECK(test::says(test::message_of([&] { m.mean(); }), where, "rows for the mean", "0",
                   "at least 1"));
  CHECK(test::says(test::message_of([&] { m.add(view(bad, 2)); }), where, "a number of row 1",
                   "nan", "finite"));
  CHECK(m.count() == 1);
  CHECK(test::says(test::message_of([&] { m.variance(); }), where, "rows for the variance", "1",
                   "at least 2"));
  m.add(batch_view<double const>{x.data(), 1, 2});
  CHECK(test::says(test::message_of([&] { m.skewness(); }), where, "rows for the skewness", "2",
                   "at least 3"));
  m.add(batch_view<double const>{x.data(), 1, 2});
  CHECK(test::says(test::message_of([&] { m.skewness(); }), where,
                   "variance of column 0 for the skewness", "0", "positive"));
  CHECK(test::says(test::message_of([&] { m.kurtosis(); }), where,
                   "variance of column 0 for the kurtosis", "0", "positive"));
}

TEST_CASE("frechet_squared: closed form, zero for equal laws, symmetric") {
  numbers const m{1.0, -2.0}, v{4.0, 9.0}, n{0.0, 1.0}, w{1.0, 16.0};
  CHECK(analysis::frechet_squared(m, v, n, w) == 1.0 + 9.0 + 1.0 + 1.0);
  CHECK(analysis::frechet_squared(n, w, m, v) == 12.0);
  CHECK(analysis::frechet_squared(m, v, m, v) == 0.0);
  auto const where = "diffx::analysis::frechet_squared";
  CHECK(test::says(test::message_of([&] { analysis::frechet_squared(m, v, n, numbers{1}); }), where,
                   "length of a list", "1", "mean.size() = 2"));
  CHECK(test::says(test::message_of([&] {
                     analysis::frechet_squared(m, numbers{1, -1}, n, w);
                   }),
                   where, "variance", "-1", "at least 0"));
  CHECK(test::says(test::message_of([] { analysis::frechet_squared({}, {}, {}, {}); }), where,
                   "mean.size()", "0", "at least 1"));
}

// ---- states that inversion took to a level ----

process::vp_discrete path() { return process::vp_discrete(schedule::linear()); }

/// The levels 0, stride, 2 stride, ... of the trained ones, from data to noise and back.
std::vector<level> levels(process::vp_discrete const& p, int stride, int last) {
  std::vector<level> out;
  for (int i = 0; i <= last; i += stride) out.push_back(p.at_index(i));
  return out;
}
timetable up(std::vector<level> const& l) { return timetable(l); }
timetable down(std::vector<level> const& l) {
  return timetable(std::vector<level>(l.rbegin(), l.rend()));
}

template <class Solver, class Network>
void take(Solver const& s, process::vp_discrete const& p, timetable const& g,
          Network const& network, numbers& x, std::int64_t width) {
  options<> o;
  o.start = start::given;
  sampler{p, s}.sample(exec::host{}, network, g,
                       batch_view<double>{x.data(), std::ssize(x) / width, width}, o);
}

TEST_CASE("inversion and sampling undo one another where eps does not change") {
  auto const p = path();
  auto const l = levels(p, 20, 600);
  auto const constant = denoiser::predicts<prediction::eps>(
      [](auto const&, batch_view<double const>, query const&, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i)
          out.data[i] = 0.3 * static_cast<double>(i) - 1;
      });
  auto const x = normals(6, 3);
  auto y = x;
  take(solver::ddim_inverse{}, p, up(l), constant, y, 6);
  CHECK(y != x);
  take(solver::ddim{}, p, down(l), constant, y, 6);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == Approx(x[i]).epsilon(1e-12));
}

/// The exact eps of independent normal columns.
auto exact(denoiser::gaussian const& g) {
  return denoiser::predicts<prediction::eps>(
      [g](auto const&, batch_view<double const> x, query const& q, batch_view<double> out) {
        for (std::int64_t i = 0; i < x.size(); ++i) {
          out.data[i] = g.eps(x.data[i], q.at, i % x.features);
        }
      });
}

TEST_CASE("normal data: the states at a level have its law, up to the order of the solver") {
  auto const p = path();
  numbers const mean{1.0, -0.5}, variance{0.25, 2.0};
  auto const network = exact(denoiser::gaussian(mean, variance));
  constexpr int last = 600;
  // Rows at 0, 1 and -1 deviations from the mean have exactly its moments, up to a factor, and the
  // map is affine: so have their images.
  numbers rows;
  for (double const z : {-1.0, 0.0, 1.0}) {
    for (std::size_t j = 0; j < 2; ++j) rows.push_back(mean[j] + z * std::sqrt(variance[j]));
  }
  auto const noisy = p.at_index(last), clean = p.at_index(0);
  double off[3], back[3];
  int const strides[] = {20, 10, 5};
  for (std::size_t k = 0; k < 3; ++k) {
    auto const l = levels(p, strides[k], last);
    numbers x = rows;
    take(solver::ddim_inverse{}, p, up(l), network, x, 2);
    running_moments m(2);
    m.add(view(x, 2));
    auto const got_mean = m.mean(), got_variance = m.variance();
    off[k] = 0.0;
    for (std::size_t j = 0; j < 2; ++j) {
      // Data stand at the first trained level, as the published code takes them.
      double const start = clean.alpha * clean.alpha * variance[j] + clean.sigma * clean.sigma;
      double const end = noisy.alpha * noisy.alpha * variance[j] + noisy.sigma * noisy.sigma;
      double const want_mean =
          noisy.alpha * mean[j] + std::sqrt(end / start) * (mean[j] - clean.alpha * mean[j]);
      off[k] = std::max(off[k], std::fabs(got_mean[j] - want_mean));
      off[k] = std::max(off[k], std::fabs(got_variance[j] - end / start * variance[j]));
      CHECK(std::fabs(got_variance[j] - end) < 0.2);
    }
    take(solver::ddim{}, p, down(l), network, x, 2);
    back[k] = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      back[k] = std::max(back[k], std::fabs(x[i] - rows[i]));
    }
  }
  for (double const* e : {off, back}) {
    CHECK(e[0] / e[1] > 1.7);
    CHECK(e[0] / e[1] < 2.3);
    CHECK(e[1] / e[2] > 1.7);
    CHECK(e[1] / e[2] < 2.3);
  }
  CHECK(off[2] < 0.03);
}

// n = 4000 rows of a symmetric mixture with two narrow peaks, whose kurtosis is 1.08.
TEST_CASE("a mixture looks more normal the further up it is taken") {
  auto const p = path();
  constexpr double spread = 0.2;
  auto const network = denoiser::predicts<prediction::eps>(
      [](auto const&, batch_view<double const> x, query const& q, batch_view<double> out) {
        for (std::int64_t i = 0; i < x.size(); ++i) {
          double const a = q.at.alpha, v = a * a * spread * spread + q.at.sigma * q.at.sigma;
          double const score = (a * std::tanh(a * x.data[i] / v) - x.data[i]) / v;
          out.data[i] = -q.at.sigma * score;
        }
      });
  auto x = normals(4000, 5);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = (i % 2 == 0 ? 1.0 : -1.0) + spread * x[i];
  double before = 2.0;
  int from = 0;
  for (int const to : {200, 400, 600, 800}) {
    std::vector<level> l;
    for (int i = from; i <= to; i += 5) l.push_back(p.at_index(i));
    take(solver::ddim_inverse{}, p, up(l), network, x, 1);
    running_moments m(1);
    m.add(view(x, 1));
    double const far = std::fabs(m.kurtosis()[0] - 3.0);
    CHECK(far < before);
    CHECK(std::fabs(m.skewness()[0]) < 0.2);
    before = far;
    from = to;
  }
  CHECK(before < 0.3);
}

}  // namespace
