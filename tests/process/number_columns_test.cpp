// Columns of numbers with schedules of their own: as one process where they are alike, each as it
// would be alone where they are not.

#include <diffx/cache/every_n.hpp>
#include <diffx/cache/taylor.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/noise/recording.hpp>
#include <diffx/noise/replayed.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/flow.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/rectified_flow.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/bounded_mask_power.hpp>
#include <diffx/schedule/learned_exponent.hpp>
#include <diffx/schedule/sigma_power.hpp>
#include <diffx/schedule/vp_linear.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/churn.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/dpmpp_sde.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/euler_ancestral.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/repaint.hpp>
#include <diffx/solver/runge_kutta.hpp>
#include <diffx/solver/unipc.hpp>

#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using power_edm = process::edm_of<schedule::sigma_power>;
using numbers = std::vector<float>;

static_assert(gaussian_column_process<process::columns<process::edm>>);
static_assert(!gaussian_process<process::columns<process::edm>>);
static_assert(!column_process<process::columns<process::edm>>);
static_assert(!gaussian_column_process<process::columns<process::absorbing<>>>);

template <class T>
batch_view<T> view(std::vector<T>& x, std::int64_t columns) {
  return {x.data(), static_cast<std::int64_t>(x.size()) / columns, columns};
}

/// Answers that depend on everything: a network of no law in particular.
template <class Prediction, bool Variance>
struct some_network {
  static constexpr int branches = 2;
  static constexpr bool learned_variance = Variance;
  Prediction prediction{};

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q, batch_view<T> out) const {
    REQUIRE(out.features == x.features * (Variance ? 2 : 1));
    for (std::int64_t i = 0; i < x.batch; ++i) {
      T sum = static_cast<T>(q.at.t + q.branch);
      for (std::int64_t c = 0; c < x.features; ++c) sum += x.row(i)[c];
      for (std::int64_t c = 0; c < out.features; ++c) {
        out.row(i)[c] = std::sin(sum + static_cast<T>(c)) * T(0.5);
      }
    }
  }
};

template <class Prediction = prediction::eps, bool Variance = false, class Process, class Solver,
          class Guidance = guidance::none, class Cache = cache::none>
numbers sampled(Process const& process, timetable const& g, std::int64_t width,
                Solver const& solver, Guidance const& guidance = {}, Cache const& cache = {}) {
  sampler const s{process, solver, guidance, cache};
  numbers x(static_cast<std::size_t>(7 * width));
  s.sample(exec::threads{}, some_network<Prediction, Variance>{}, g, view(x, width),
           options<>{noise::counted{11}});
  return x;
}

template <class Prediction = prediction::eps, bool Variance = false, class Process, class... Rest>
void check_alike(Process const& one, Rest const&... rest) {
  auto const g = grid::uniform_t(one, 6);
  for (int const width : {1, 6, 600}) {
    process::columns const all(std::vector<Process>(static_cast<std::size_t>(width), one));
    auto const by_column = grid::uniform_t(all, 6);
    auto const a = sampled<Prediction, Variance>(one, g, width, rest...);
    CHECK(a == sampled<Prediction, Variance>(all, by_column, width, rest...));
    bool finite = true;
    for (float const v : a) finite = finite && std::isfinite(v);
    CHECK(finite);
  }
}

/// The first column's schedule and others, none of which is like its neighbour.
process::columns<power_edm> tabdiff_columns(int width) {
  std::vector<power_edm> of;
  for (int c = 0; c < width; ++c) {
    of.emplace_back(schedule::sigma_power{
        .rho = schedule::learned_exponent(0.7 * (c * c % 5) - 1.0 + 0.1 * c, 5.0)});
  }
  return process::columns(of);
}

/// Standard normals by address, for a state that begins at column `from` of another.
struct shifted_normals {
  std::int64_t from;
  float operator()(noise::key k, std::int64_t sample, std::int64_t element) const {
    float z[4];
    std::int64_t const at = from + element;
    noise::counted{23}.fill(k, sample, at - at % 4, 4, z);
    return z[at % 4];
  }
};
auto normals_from(std::int64_t from) { return noise::injected_by{shifted_normals{from}}; }

/// x0 of independent normals: mean 0.3 c, deviation 1 + c / 4, of columns first, first + 1, ...
/// told the clock alone.
template <class Column>
struct own_normals {
  static constexpr int branches = 1;
  prediction::x0 prediction{};
  std::vector<Column> columns;
  int first = 0;

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q, batch_view<T> out) const {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      level const l = columns[c].at(q.at.t);
      double const mean = mean_of(first + static_cast<int>(c));
      double const s = deviation_of(first + static_cast<int>(c));
      double const all = l.alpha * l.alpha * s * s + l.sigma * l.sigma;
      for (std::int64_t i = 0; i < x.batch; ++i) {
        double const v = static_cast<double>(x.row(i)[c]);
        out.row(i)[c] = static_cast<T>(mean + l.alpha * s * s / all * (v - l.alpha * mean));
      }
    }
  }
  static double mean_of(int c) { return 0.3 * c; }
  static double deviation_of(int c) { return 1.0 + 0.25 * c; }
};

/// Of every column by itself, in units of an input that is scaled to its own level.
struct own_sines {
  static constexpr int branches = 1;
  prediction::edm prediction{};
  int first = 0;

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q, batch_view<T> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      auto const c = static_cast<T>(first + static_cast<int>(i % x.features));
      out.data[i] = std::sin(x.data[i] + T(0.3) * c + static_cast<T>(q.at.t)) * T(0.5);
    }
  }
};

/// Runs `process` as a whole and every column as a process of its own.
template <class Column, class Use>
void check_alone(process::columns<Column> const& process, Use const& use) {
  int const width = process.size();
  std::vector<Column> all;
  for (int c = 0; c < width; ++c) all.push_back(process.column(c));
  auto const together =
      use(process, own_normals<Column>{{}, all, 0}, normals_from(0), std::int64_t{width});
  for (int c = 0; c < width; ++c) {
    auto const alone = use(process.column(c), own_normals<Column>{{}, {process.column(c)}, c},
                           normals_from(c), std::int64_t{1});
    bool same = true;
    for (std::size_t i = 0; i < alone.size(); ++i) {
      same = same && together[i * static_cast<std::size_t>(width) + static_cast<std::size_t>(c)] ==
                         alone[i];
      CHECK(std::isfinite(alone[i]));
    }
    CAPTURE(c);
    CHECK(same);
  }
}

template <class Column, class Solver>
void check_solver_alone(process::columns<Column> const& process, Solver const& solver,
                        grid::time_range const range) {
  check_alone(process, [&](auto const& p, auto const& network, auto const& noise, auto width) {
    sampler const s{p, solver};
    numbers x(static_cast<std::size_t>(5 * width));
    s.sample(exec::host{}, network, grid::uniform_t(p, 7, range), view(x, width), options{noise});
    return x;
  });
}

TEST_CASE("columns of numbers that are alike are one process, bit for bit") {
  process::vp<> const vp;
  check_alike(vp, solver::ddim{});
  check_alike(vp, solver::ddpm{});
  check_alike(vp, solver::dpmpp_2m{});
  check_alike(vp, solver::dpmpp_2m_sde{});
  check_alike(vp, solver::unipc<3>{});
  check_alike<prediction::v>(vp, solver::dpmpp_sde{});
  check_alike<prediction::eps, true>(vp, solver::ddpm_learned{});
  check_alike(vp, solver::ddim{}, guidance::cfg{1.7});
  check_alike(vp, solver::heun{}, guidance::rescale<guidance::cfg<>>{guidance::cfg<>{1.7}, 0.5});
  check_alike(vp, solver::dpmpp_2m{},
              guidance::clip_x0<guidance::cfg<>>{guidance::cfg<>{1.7}, 1.0});
  check_alike(vp, solver::ddim{}, guidance::none{}, cache::every_n<2>{});
  check_alike(vp, solver::ddim{}, guidance::cfg{1.7}, cache::linear<2>{});
  check_alike<prediction::flow>(process::rectified_flow{}, solver::flow_euler{});
  power_edm const edm(schedule::sigma_power{});
  check_alike<prediction::edm>(edm, solver::heun{});
  check_alike<prediction::edm>(edm, solver::rk4{});
  check_alike<prediction::edm>(edm, solver::churn<>{{}, {.churn = 2.0, .to = 60.0}});
}

TEST_CASE("columns of numbers that are alike: given cells, going back and forks, bit for bit") {
  power_edm const one(schedule::sigma_power{});
  process::columns const all(std::vector<power_edm>(6, one));
  auto const g = grid::uniform_t(one, 6);
  auto const of = [&](auto const& process) {
    sampler const s{process, solver::heun{}};
    exec::threads const exec;
    some_network<prediction::edm, false> const network;
    numbers x(6 * 20), y(6 * 20), given(x.size());
    std::vector<unsigned char> mask(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      given[i] = static_cast<float>(i) * 0.1F;
      mask[i] = i % 7 < 3 ? 1 : 0;
    }
    detail::workspace const memory(s.workspace_size(exec, network, view(x, 6)));
    detail::workspace const more(s.workspace_size(exec, network, view(x, 6)));
    auto run = s.start(exec, network, g, view(x, 6), memory.span());
    numbers shown(x.size());
    run.preview_into(shown.data());
    run.advance();
    run.advance_stage();
    auto fork = run.fork(3, std::tuple{view(y, 6)}, more.span());
    fork.finish();
    run.advance();
    solver::repaint{.jump_length = 2, .samples = 2}.finish(
        run, solver::known_region<float>{given.data(), mask.data()});
    x.insert(x.end(), y.begin(), y.end());
    x.insert(x.end(), shown.begin(), shown.end());
    return x;
  };
  CHECK(of(one) == of(all));
}

TEST_CASE("columns of own schedules: each has the samples that it would have alone") {
  auto const edm = tabdiff_columns(7);
  grid::time_range const onto_data{1.0, 0.0, grid::end_point::none};
  check_solver_alone(edm, solver::euler{}, onto_data);
  check_solver_alone(edm, solver::heun{}, onto_data);
  check_solver_alone(edm, solver::dpmpp_2m{}, onto_data);
  check_solver_alone(edm, solver::dpmpp_2m_sde{}, onto_data);
  check_solver_alone(edm, solver::euler_ancestral{}, onto_data);
  std::vector<process::vp<>> of;
  for (double const b : {20.0, 20.0, 12.0, 12.0, 5.0, 20.0}) {
    of.emplace_back(schedule::vp_linear{.beta_max = b});
  }
  process::columns const vp(of);
  grid::time_range const range{};
  check_solver_alone(vp, solver::ddim{}, range);
  check_solver_alone(vp, solver::ddpm{}, range);
  check_solver_alone(vp, solver::unipc<3>{}, range);
}

TEST_CASE("columns of own schedules: the input is scaled to each column's level") {
  auto const check = [](auto const& solver, int last) {
    check_alone(tabdiff_columns(7), [&](auto const& p, auto const& like, auto const& noise,
                                        auto width) {
      own_sines const network{{}, like.first};
      sampler const s{p, solver};
      exec::host const exec;
      numbers x(static_cast<std::size_t>(9 * width)), given(x.size(), 0.7F);
      std::vector<unsigned char> mask(x.size());
      for (std::size_t i = 0; i < mask.size(); ++i) {
        mask[i] = (i / static_cast<std::size_t>(width)) % 3 == 0 ? 1 : 0;  // whole rows
      }
      auto const g = grid::uniform_t(p, 6, {1.0, 0.0, grid::end_point::none});
      options o{noise};
      o.last_step = last;  // before the end, where given cells still have the noise of their column
      detail::workspace const memory(s.workspace_size(exec, network, view(x, width), o));
      auto run = s.start(exec, network, g, view(x, width), memory.span(), o);
      solver::repaint{.jump_length = 1, .samples = 2}.finish(
          run, solver::known_region<float>{given.data(), mask.data()});
      return x;
    });
  };
  for (int const last : {3, 5}) {
    check(solver::euler{}, last);
    check(solver::heun{}, last);
  }
}

TEST_CASE("columns of own schedules: the exact line of Euler's method on normals") {
  auto const process = tabdiff_columns(6);
  std::vector<power_edm> all;
  for (int c = 0; c < 6; ++c) all.push_back(process.column(c));
  auto const g = grid::uniform_t(process, 9, {1.0, 0.0, grid::end_point::none});
  sampler const s{process, solver::euler{}};
  own_normals<power_edm> const network{{}, all, 0};
  std::vector<double> x(6 * 40);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 80.0 * std::sin(static_cast<double>(i));
  auto const start = x;
  options<> o;
  o.start = start::given;
  s.sample(exec::host{}, network, g, view(x, 6), o);
  for (std::size_t i = 0; i < x.size(); ++i) {
    int const c = static_cast<int>(i % 6);
    double const m = network.mean_of(c), v = network.deviation_of(c) * network.deviation_of(c);
    double factor = 1.0;
    for (int k = 0; k < g.steps(); ++k) {
      double const from = process.column(c).at(g[k].t).sigma;
      double const r = process.column(c).at(g[k + 1].t).sigma / from;
      factor *= r + (1.0 - r) * v / (v + from * from);
    }
    // Nine steps of a handful of roundings, each of numbers up to 80.
    CHECK(std::fabs(x[i] - (m + factor * (start[i] - m))) < 100 * 80.0 * 2.3e-16);
  }
}

TEST_CASE("columns of own schedules: going back and given cells are those of each column alone") {
  check_alone(tabdiff_columns(6), [](auto const& p, auto const& network, auto const& noise,
                                     auto width) {
    sampler const s{p, solver::heun{}};
    exec::threads const exec;
    numbers x(static_cast<std::size_t>(9 * width)), given(x.size(), 0.7F);
    std::vector<unsigned char> mask(x.size());
    for (std::size_t i = 0; i < mask.size(); ++i) {
      mask[i] = (i / static_cast<std::size_t>(width)) % 2 == 0 ? 1 : 0;  // whole rows
    }
    auto const g = grid::uniform_t(p, 5, {1.0, 0.0, grid::end_point::none});
    detail::workspace const memory(s.workspace_size(exec, network, view(x, width), options{noise}));
    auto run = s.start(exec, network, g, view(x, width), memory.span(), options{noise});
    solver::repaint{.jump_length = 1, .samples = 3}.finish(
        run, solver::known_region<float>{given.data(), mask.data()});
    for (std::size_t i = 0; i < mask.size(); ++i) CHECK((mask[i] == 0 || x[i] == 0.7F));
    return x;
  });
  check_alone(tabdiff_columns(6),
              [](auto const& p, auto const& network, auto const& noise, auto width) {
                sampler const s{p, solver::ddim{}};
                numbers x(static_cast<std::size_t>(9 * width), 1.5F);
                options o{noise};
                o.start = start::noised;
                o.first_step = 2;
                s.sample(exec::host{}, network, grid::uniform_t(p, 5), view(x, width), o);
                return x;
              });
}

TEST_CASE("columns of own schedules: the start is the noise of each column's level, n = 2e5") {
  process::columns const process(std::vector{power_edm(schedule::sigma_power{.sigma_max = 80.0}),
                                             power_edm(schedule::sigma_power{.sigma_max = 3.0}),
                                             power_edm(schedule::sigma_power{.sigma_max = 20.0})});
  sampler const s{process, solver::euler{}};
  constexpr std::int64_t n = 200'000;
  numbers x(3 * n, std::numeric_limits<float>::quiet_NaN());
  auto const g = grid::uniform_t(process, 4);
  exec::threads const exec;
  some_network<prediction::eps, false> const network;
  detail::workspace const memory(s.workspace_size(exec, network, view(x, 3)));
  auto const run = s.start(exec, network, g, view(x, 3), memory.span());
  double const sigma[3] = {80.0, 3.0, 20.0};
  double square[3] = {}, product = 0.0;
  for (std::size_t i = 0; i < x.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) {
      double const z = static_cast<double>(x[i + c]) / sigma[c];
      square[c] += z * z;
    }
    product += static_cast<double>(x[i]) / 80.0 * static_cast<double>(x[i + 1]) / 3.0;
  }
  // Deviations of a mean of squares and of products of n normals; 5 of each: 6e-7 two-sided.
  for (double const q : square) CHECK(std::fabs(q / n - 1.0) < 5.0 * std::sqrt(2.0 / n));
  CHECK(std::fabs(product / n) < 5.0 / std::sqrt(static_cast<double>(n)));
  CHECK(run.step() == 0);
}

TEST_CASE(
    "columns of own schedules: a recording is played back, and checkpoints know the schedules") {
  auto const process = tabdiff_columns(5);
  sampler const s{process, solver::churn<>{{}, {.churn = 2.0, .to = 20.0}}};
  some_network<prediction::edm, false> const network;
  auto const g = grid::uniform_t(process, 6, {0.9, 0.0, grid::end_point::none});
  exec::host const host;
  numbers x(5 * 8), y(5 * 8);
  CHECK_THROWS_WITH_AS(s.sample(host, network, g, view(x, 5)),
                       doctest::Contains("solver::churn plans other stages for column"), error);
  sampler const open{process, solver::churn<>{{}, {.churn = 2.0}}};
  noise::recording const tape(noise::counted{4});
  open.sample(host, network, g, view(x, 5), options{tape});
  noise::replayed const played(tape.records());
  open.sample(exec::threads{}, network, g, view(y, 5), options{played});
  CHECK(x == y);
  open.sample(exec::threads{}, network, g, view(y, 5), options{noise::counted{4}});
  CHECK(x == y);

  auto const checkpoint_of = [&](double rho, std::vector<std::byte> const& from) {
    process::columns const p(std::vector{power_edm(schedule::sigma_power{}),
                                         power_edm(schedule::sigma_power{.rho = rho})});
    sampler const own{p, solver::heun{}};
    numbers z(2 * 4);
    auto const grid = grid::uniform_t(p, 5);
    detail::workspace const space(own.workspace_size(host, network, view(z, 2)));
    auto run = own.start(host, network, grid, view(z, 2), space.span());
    run.advance();
    run.advance_stage();  // in the middle of a step
    if (!from.empty()) run.resume(from);
    auto const saved = run.checkpoint();
    run.finish();
    return std::pair{saved, z};
  };
  auto const second = checkpoint_of(5.5, {});
  CHECK(checkpoint_of(5.5, second.first).second == second.second);
  CHECK_THROWS_AS(checkpoint_of(6.0, second.first), error);
}

/// Fails above a level.
struct brittle : solver::ddim {
  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    solver::ddim::plan(c, out);
    if (c.from().sigma > 3.0) out.stages().back().output = std::numeric_limits<double>::infinity();
  }
};

TEST_CASE("columns of numbers: what does not fit is named") {
  auto const process = tabdiff_columns(3);
  sampler const s{process, solver::euler{}};
  some_network<prediction::eps, false> const network;
  auto const g = grid::uniform_t(process, 4);
  exec::host const host;
  numbers x(4);
  CHECK_THROWS_WITH_AS(s.sample(host, network, g, view(x, 4)),
                       doctest::Contains("the columns of the process, 3"), error);
  CHECK_THROWS_AS(process::columns(std::vector<process::edm>{}), error);
  // Two times so near that the logarithm of 40 does not tell them apart, and that of 1 does.
  auto const up_to = [](double sigma_max) {
    return process::edm(schedule::edm{.sigma_max = sigma_max});
  };
  process::columns const uneven(std::vector{up_to(2.0), up_to(2.0), up_to(80.0)});
  timetable const close(
      {uneven.at(1.0), uneven.at(0.5), uneven.at(std::nextafter(0.5, 0.0)), uneven.at(0.0)});
  sampler const other{uneven, solver::ddim{}};
  numbers y(3);
  CHECK_THROWS_WITH_AS(
      other.sample(host, network, close, view(y, 3)),
      doctest::Contains("diffx::run: column 2 of process::columns: levels 1 and 2"), error);
  sampler const loud{process::columns(std::vector{up_to(2.0), up_to(2.0), up_to(4.0)}), brittle{}};
  CHECK_THROWS_WITH_AS(
      loud.sample(host, network, grid::uniform_t(loud.process, 3), view(y, 3)),
      doctest::Contains("has a weight that is not finite at step 0 of column 2 from lambda"),
      error);
}

/// Numbers as `some_network` says, and classes that depend on nothing.
struct independent {
  static constexpr int branches = 1;
  prediction::product<prediction::edm, prediction::x0_posterior<float>> prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const& x, query const& q, Out const& out) const {
    some_network<prediction::edm, false>{}(exec::host{}, std::get<0>(x), q, std::get<0>(out));
    float const p[5] = {0.3F, 0.7F, 0.2F, 0.5F, 0.3F};
    auto const& logits = std::get<1>(out);
    for (std::int64_t i = 0; i < logits.size(); ++i) {
      logits.data[i] = std::log(p[static_cast<std::size_t>(i % 5)]);
    }
  }
};

struct swapped {
  static constexpr int branches = 1;
  prediction::product<prediction::x0_posterior<float>, prediction::edm> prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, query const& q, Out const& out) const {
    independent{}(exec, std::tuple{std::get<1>(x), std::get<0>(x)}, q,
                  std::tuple{std::get<1>(out), std::get<0>(out)});
  }
};

TEST_CASE("rows of numbers and classes, every column of both with a schedule of its own") {
  using mask = process::absorbing<schedule::bounded_mask_power>;
  auto const of = tabdiff_columns(3);
  process::columns const classes(
      std::vector{mask(2, 2, {.power = 1.2}), mask(3, 3, {.power = 2.0})});
  sampler const s{process::product{std::tuple{of, classes}},
                  solver::product{std::tuple{solver::euler{}, solver::ancestral{}}}};
  constexpr std::int64_t n = 100'000;
  numbers z(3 * n), alone(3 * n);
  std::vector<std::int32_t> k(2 * n);
  grid::time_range const onto_data{1.0, 0.0, grid::end_point::none};
  auto const g = grid::uniform_t(of, 5, onto_data);
  s.sample(exec::threads{}, independent{}, g, std::tuple{view(z, 3), view(k, 2)},
           options<>{noise::counted{6}});
  sampler const only{of, solver::euler{}};
  only.sample(exec::threads{}, some_network<prediction::edm, false>{}, g, view(alone, 3),
              options<>{noise::counted{6}});
  CHECK(z == alone);
  std::vector<std::int64_t> count(6);
  for (std::size_t i = 0; i < k.size(); i += 2) {
    ++count[static_cast<std::size_t>(3 * k[i] + k[i + 1])];
  }
  std::vector<double> const law{0.06, 0.15, 0.09, 0.14, 0.35, 0.21};
  CHECK(test::passes("classes beside numbers", test::test_cells(count, law).p));

  // The numbers may be the second block as well.
  sampler const turned{process::product{std::tuple{classes, of}},
                       solver::product{std::tuple{solver::ancestral{}, solver::euler{}}}};
  auto const by_classes = grid::uniform_t(classes, 5);
  numbers other(3 * 10);
  std::vector<std::int32_t> few(2 * 10);
  turned.sample(exec::host{}, swapped{}, by_classes, std::tuple{view(few, 2), view(other, 3)});
  for (float const v : other) CHECK(std::isfinite(v));
}

}  // namespace
