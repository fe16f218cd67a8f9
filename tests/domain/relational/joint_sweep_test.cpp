// Tables whose rows are denoised together.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/domain/relational/database.hpp>
#include <diffx/domain/relational/joint_sweep.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/product.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::relational;
using doctest::Approx;
using doctest::Contains;
using numbers = std::vector<double>;

/// Parents p of variance a^2 and children b p + noise of variance s^2: children of one parent are
/// alike through it alone. Children without a parent are of the same law.
struct family {
  double a = 1.5, b = 0.8, s = 0.6;
};

/// The mean of every parent given the states of all rows at one level.
numbers parent_means(family const& f, level const& at, row_links const& links,
                     batch_view<double const> p, batch_view<double const> c) {
  double const noise = at.sigma * at.sigma, v = at.alpha * at.alpha * f.s * f.s + noise;
  numbers precision(static_cast<std::size_t>(p.batch),
                    1.0 / (f.a * f.a) + at.alpha * at.alpha / noise);
  numbers mean(precision.size());
  for (std::size_t i = 0; i < mean.size(); ++i) {
    mean[i] = at.alpha * p.row(static_cast<std::int64_t>(i))[0] / noise;
  }
  for (std::size_t j = 0; j < links.size(); ++j) {
    if (links[j] < 0) continue;
    auto const i = static_cast<std::size_t>(links[j]);
    precision[i] += at.alpha * at.alpha * f.b * f.b / v;
    mean[i] += at.alpha * f.b * c.row(static_cast<std::int64_t>(j))[0] / v;
  }
  for (std::size_t i = 0; i < mean.size(); ++i) mean[i] /= precision[i];
  return mean;
}

using seen_state = snapshot<double>;

/// The exact denoiser of the parents, or of the children. Its own rows are x, those of the other
/// table are the snapshot's.
struct exact {
  static constexpr int branches = 1;
  prediction::x0 prediction{};
  family f;
  row_links const* links = nullptr;
  bool is_parent = true;
  seen_state const *parents = nullptr, *children = nullptr;
  int* failures = nullptr;  // this many calls throw

  void operator()(exec::host const&, batch_view<double const> x, query const& q,
                  batch_view<double> out) const {
    if (failures != nullptr && (*failures)-- > 0) throw std::runtime_error("network is down");
    auto const& own = is_parent ? *parents : *children;
    auto const seen = own.view();
    if (seen.data != nullptr) {
      CHECK(std::equal(x.data, x.data + x.size(), seen.data));  // the state it is called with
    }
    bool const alone = std::all_of(links->begin(), links->end(), [](auto p) { return p < 0; });
    if (is_parent) {
      auto const c = alone ? batch_view<double const>{} : children->view();
      auto const mean = parent_means(f, q.at, *links, x, c);
      std::copy(mean.begin(), mean.end(), out.data);
      return;
    }
    numbers mean;
    if (!alone) mean = parent_means(f, q.at, *links, parents->view(), x);
    double const alpha = q.at.alpha, noise = q.at.sigma * q.at.sigma;
    double const own_variance = f.b * f.b * f.a * f.a + f.s * f.s;
    for (std::size_t j = 0; j < links->size(); ++j) {
      auto const row = static_cast<std::int64_t>(j);
      std::int64_t const p = (*links)[j];
      double const v = p < 0 ? own_variance : f.s * f.s;
      double const from = p < 0 ? 0.0 : f.b * mean[static_cast<std::size_t>(p)];
      out.row(row)[0] =
          from + alpha * v / (alpha * alpha * v + noise) * (x.row(row)[0] - alpha * from);
    }
  }
};

struct tables {
  numbers parents, children;
};

/// Samples both tables; `swap`: they take part in the other order; `joint` false: one by one.
template <class Solver>
tables sample(Solver const& solver, int steps, row_links const& links, tables x, start from,
              bool swap = false, bool joint = true, int failures = 0) {
  process::vp const process;
  sampler const s{process, solver};
  auto const levels = grid::uniform_t(process, steps, {1.0, 1e-3, grid::end_point::zero});
  exec::host const host;
  seen_state seen_parents, seen_children;
  exact const parent{{}, {}, &links, true, &seen_parents, &seen_children};
  exact const child{{}, {}, &links, false, &seen_parents, &seen_children, &failures};
  batch_view<double> const p{x.parents.data(), static_cast<std::int64_t>(x.parents.size()), 1};
  batch_view<double> const c{x.children.data(), static_cast<std::int64_t>(x.children.size()), 1};
  options<> const of_parents{noise::counted{1}, from}, of_children{noise::counted{2}, from};
  if (!joint) {
    s.sample(host, parent, levels, p, of_parents);
    s.sample(host, child, levels, c, of_children);
    return x;
  }
  detail::workspace const wp(s.workspace_size(host, parent, p)),
      wc(s.workspace_size(host, child, c));
  auto run_p = s.start(host, parent, levels, p, wp.span(), of_parents);
  auto run_c = s.start(host, child, levels, c, wc.span(), of_children);
  swept const with_p{run_p, seen_parents};
  swept const with_c{run_c, seen_children};
  auto const go = [](auto sweep) {
    for (int tries = 0; tries < 4; ++tries) {
      try {
        sweep.finish();
        break;
      } catch (std::runtime_error const&) {
      }
    }
    CHECK(sweep.done());
  };
  if (swap) {
    go(joint_sweep{with_c, with_p});
  } else {
    go(joint_sweep{with_p, with_c});
  }
  return x;
}

/// Variances and covariances of a family of one parent and `size` children. A solver without noise
/// is linear here: family k starts from the k-th axis, and what it becomes is a column of the map.
struct covariances {
  double parent, child, parent_child, siblings;
};
template <class Solver>
covariances of_family(Solver const& solver, int steps, std::size_t size) {
  std::size_t const n = size + 1;
  tables x{numbers(n, 0.0), numbers(n * size, 0.0)};
  row_links links;
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t j = 0; j < size; ++j) links.push_back(static_cast<std::int64_t>(k));
    (k == 0 ? x.parents[0] : x.children[k * size + k - 1]) = 1.0;
  }
  x = sample(solver, steps, links, x, start::given);
  covariances out{};
  for (std::size_t k = 0; k < n; ++k) {
    double const p = x.parents[k], c = x.children[k * size], d = x.children[k * size + 1];
    out.parent += p * p;
    out.child += c * c;
    out.parent_child += p * c;
    out.siblings += c * d;
  }
  return out;
}

/// The largest distance from the model's.
double error_of(covariances const& got) {
  family const f;
  double const shared = f.b * f.a * f.a;
  return std::max({std::fabs(got.parent - f.a * f.a),
                   std::fabs(got.child - f.b * shared - f.s * f.s),
                   std::fabs(got.parent_child - shared), std::fabs(got.siblings - f.b * shared)});
}

TEST_CASE("joint_sweep: the exact denoiser of a linear-Gaussian model gives its covariances") {
  double const coarse = error_of(of_family(solver::ddim{}, 100, 3));
  double const fine = error_of(of_family(solver::ddim{}, 1600, 3));
  CHECK(fine < coarse / 12.0);  // first order: 16
  CHECK(fine < 0.02);
  // Of second order only if the second evaluation sees the other table's second state as well.
  double const heun = error_of(of_family(solver::heun{}, 20, 3));
  double const heun_fine = error_of(of_family(solver::heun{}, 80, 3));
  CHECK(heun_fine < heun / 12.0);  // 16
  CHECK(heun_fine < 0.005);
}

row_links const mixed_links{0, 0, 1, 3, 3, 3, -1, 2, -1, 0};

TEST_CASE("joint_sweep: independent of the order of the tables, bit by bit") {
  tables const x{numbers(4), numbers(mixed_links.size())};
  auto const noisy = solver::ddim{.eta = 1.0};
  auto const one = sample(noisy, 30, mixed_links, x, start::prior);
  auto const other = sample(noisy, 30, mixed_links, x, start::prior, true);
  CHECK(one.parents == other.parents);
  CHECK(one.children == other.children);
  auto const a = sample(solver::heun{}, 30, mixed_links, x, start::prior);
  auto const b = sample(solver::heun{}, 30, mixed_links, x, start::prior, true);
  CHECK(a.parents == b.parents);
  CHECK(a.children == b.children);
}

TEST_CASE("joint_sweep: without edges it is independent runs, bit by bit") {
  tables const x{numbers(4), numbers(10)};
  row_links const none(10, -1);
  auto const noisy = solver::ddim{.eta = 1.0};
  auto const one = sample(noisy, 30, none, x, start::prior);
  auto const alone = sample(noisy, 30, none, x, start::prior, false, false);
  CHECK(one.parents == alone.parents);
  CHECK(one.children == alone.children);
  CHECK(sample(noisy, 30, mixed_links, x, start::prior).parents != alone.parents);
}

TEST_CASE("joint_sweep: with noise, variances and covariances of many families") {
  // 8000 families of two: standard errors of the moments are below 0.04.
  tables x{numbers(8000), numbers(16000)};
  row_links links;
  for (std::int64_t j = 0; j < 16000; ++j) links.push_back(j / 2);
  x = sample(solver::ddim{.eta = 1.0}, 200, links, x, start::prior);
  covariances got{};
  for (std::size_t k = 0; k < 8000; ++k) {
    double const p = x.parents[k], c = x.children[2 * k], d = x.children[2 * k + 1];
    got.parent += p * p / 8000;
    got.child += (c * c + d * d) / 16000;
    got.parent_child += p * (c + d) / 16000;
    got.siblings += c * d / 8000;
  }
  CHECK(error_of(got) < 0.16);
}

TEST_CASE("joint_sweep: a network that fails can be asked again") {
  tables const x{numbers(4), numbers(mixed_links.size())};
  auto const noisy = solver::ddim{.eta = 1.0};
  for (bool const swap : {false, true}) {
    auto const undisturbed = sample(noisy, 12, mixed_links, x, start::prior, swap);
    auto const disturbed = sample(noisy, 12, mixed_links, x, start::prior, swap, true, 3);
    CHECK(disturbed.parents == undisturbed.parents);
    CHECK(disturbed.children == undisturbed.children);
  }
}

constexpr int mask = 3;  // of three classes

/// A network of numbers and classes that looks at its own snapshot and the other table's.
struct mixed_network {
  using mixed = snapshot<double, std::int32_t>;
  struct both {
    using kind = prediction_tag;
    std::tuple<prediction::x0, prediction::x0_posterior<double>> parts{};
  };
  both prediction{};
  mixed const *own, *other;
  std::int64_t* masked;  // classes of the other table, at the last call

  template <class X, class Out>
  void operator()(exec::host const&, X const& x, query const&, Out const& out) const {
    auto const own_numbers = own->view<0>();
    auto const own_codes = own->view<1>();
    CHECK(std::equal(own_numbers.data, own_numbers.data + own_numbers.size(), std::get<0>(x).data));
    CHECK(std::equal(own_codes.data, own_codes.data + own_codes.size(), std::get<1>(x).data));
    auto const codes = other->view<1>();
    *masked = std::count(codes.data, codes.data + codes.size(), mask);
    std::fill_n(std::get<0>(out).data, std::get<0>(out).size(), 0.5);
    std::fill_n(std::get<1>(out).data, std::get<1>(out).size(), 0.0);
  }
};

TEST_CASE("joint_sweep: rows of numbers and classes are seen, block by block") {
  sampler const s{process::product{std::tuple{process::vp<>{}, process::absorbing<>(mask)}},
                  solver::product{std::tuple{solver::ddim{}, solver::ancestral{}}}};
  process::vp<> const clock;
  timetable const levels({clock.at(1.0), clock.at(0.5), clock.at(0.0)});
  exec::host const host;
  numbers xa(3 * 2), xb(5 * 1);
  std::vector<std::int32_t> ca(3 * 40), cb(5 * 30);
  mixed_network::mixed a, b;
  std::int64_t masked_b = -1, masked_a = -1;
  mixed_network const na{{}, &a, &b, &masked_b}, nb{{}, &b, &a, &masked_a};
  std::tuple const va{batch_view<double>{xa.data(), 3, 2},
                      batch_view<std::int32_t>{ca.data(), 3, 40}};
  std::tuple const vb{batch_view<double>{xb.data(), 5, 1},
                      batch_view<std::int32_t>{cb.data(), 5, 30}};
  detail::workspace const wa(s.workspace_size(host, na, va)), wb(s.workspace_size(host, nb, vb));
  auto ra = s.start(host, na, levels, va, wa.span());
  auto rb = s.start(host, nb, levels, vb, wb.span());
  joint_sweep sweep{swept{ra, a}, swept{rb, b}};
  sweep.advance();
  CHECK(masked_b == 150);
  CHECK(masked_a == 120);
  std::int64_t const left = std::count(ca.begin(), ca.end(), mask);
  CHECK((left > 0 && left < 120));
  sweep.advance();
  CHECK(masked_a == left);  // b read a before a was advanced
  CHECK(sweep.done());
  CHECK(std::count(ca.begin(), ca.end(), mask) == 0);
  CHECK(a.view<0>().features == 2);
  CHECK_NOTHROW(sweep.advance());
}

TEST_CASE("joint_sweep: runs on other clocks are refused") {
  process::vp const process;
  auto const network = denoiser::predicts<prediction::x0>(
      [](auto const&, auto const&, query const&, auto const& out) { out.data[0] = 0.0; });
  exec::host const host;
  double x = 0.0, y = 0.0;
  batch_view<double> const vx{&x, 1, 1}, vy{&y, 1, 1};
  sampler const ddim{process, solver::ddim{}};
  sampler const heun{process, solver::heun{}};
  detail::workspace const wx(ddim.workspace_size(host, network, vx)),
      wy(heun.workspace_size(host, network, vy));
  auto const levels = grid::uniform_t(process, 4), finer = grid::uniform_t(process, 5);
  auto const longer = grid::uniform_t(process, 4, {1.0, 1e-2});
  snapshot<double> sx, sy;
  {
    auto a = ddim.start(host, network, levels, vx, wx.span());
    auto b = ddim.start(host, network, finer, vy, wy.span());
    CHECK_THROWS_WITH_AS((joint_sweep{swept{a, sx}, swept{b, sy}}), Contains("other times"), error);
    auto c = ddim.start(host, network, longer, vy, wy.span());
    CHECK_THROWS_WITH_AS((joint_sweep{swept{a, sx}, swept{c, sy}}), Contains("other times"), error);
  }
  {
    auto a = ddim.start(host, network, levels, vx, wx.span());
    auto b = ddim.start(host, network, levels, vy, wy.span());
    a.advance();
    joint_sweep sweep{swept{a, sx}, swept{b, sy}};
    CHECK_THROWS_WITH_AS(sweep.advance(), Contains("stand at other stages"), error);
    b.advance();
    CHECK_NOTHROW(sweep.finish());
    CHECK(b.done());
  }
  {
    auto a = ddim.start(host, network, levels, vx, wx.span());
    auto b = heun.start(host, network, levels, vy, wy.span());
    joint_sweep sweep{swept{a, sx}, swept{b, sy}};
    CHECK_THROWS_WITH_AS(sweep.finish(), Contains("equally many stages"), error);
  }
  {
    options<> short_run{};
    short_run.last_step = 1;
    auto a = ddim.start(host, network, levels, vx, wx.span(), short_run);
    auto b = ddim.start(host, network, levels, vy, wy.span());
    joint_sweep sweep{swept{a, sx}, swept{b, sy}};
    sweep.advance();
    CHECK_FALSE(sweep.done());
    sweep.advance();
    CHECK(sweep.done());
    CHECK_FALSE(b.done());
    CHECK_THROWS_WITH_AS(sweep.advance_stage(), Contains("stand at other stages"), error);
  }
}

}  // namespace
