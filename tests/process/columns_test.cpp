// Columns of classes: as one process where they are alike, each by its own law where they are not.

#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/schedule/polynomial.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/tau_leaping.hpp>
#include <diffx/solver/xor_renoise.hpp>

#include "support/ragged_table.hpp"
#include "support/statistics.hpp"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;

static_assert(column_process<process::columns<process::uniform<>>>);
static_assert(!categorical_process<process::columns<process::uniform<>>>);

batch_view<std::int32_t> view(codes& x, std::int64_t columns) {
  return {x.data(), static_cast<std::int64_t>(x.size()) / columns, columns};
}

/// Logits that depend on everything: a network of no law in particular.
auto some_network(std::int64_t width) {
  return denoiser::predicts<prediction::x0_posterior<float>, 2>(
      [width](auto const&, batch_view<std::int32_t const> x, query const& q,
              batch_view<float> out) {
        REQUIRE(out.features == width);
        for (std::int64_t i = 0; i < x.batch; ++i) {
          for (std::int64_t k = 0; k < width; ++k) {
            std::int64_t sum = k * k + 3 * q.branch;
            for (std::int64_t c = 0; c < x.features; ++c) sum += (c + 2) * x.row(i)[c] + k * c;
            out.row(i)[k] = static_cast<float>(sum % 7) * 0.4F - static_cast<float>(q.at.t);
          }
        }
      });
}

template <class Process, class Solver, class Guidance>
codes sampled(Process const& process, Solver const& solver, Guidance const& guidance,
              std::int64_t positions, std::int64_t logits) {
  sampler const s{process, solver, guidance};
  codes x(static_cast<std::size_t>(300 * positions));
  s.sample(exec::threads{}, some_network(logits), grid::uniform_t(process, 9), view(x, positions),
           options<>{noise::counted{11}});
  return x;
}

template <class Column, class Solver>
void check_alike(Column const& one, Solver const& solver) {
  process::columns const three(std::vector<Column>(3, one));
  int const classes = one.limit().classes;
  CHECK(three.logits() == 3 * classes);
  CHECK(sampled(one, solver, guidance::none{}, 3, 3 * classes) ==
        sampled(three, solver, guidance::none{}, 3, 3 * classes));
  CHECK(sampled(one, solver, guidance::cfg{1.7}, 3, 3 * classes) ==
        sampled(three, solver, guidance::cfg{1.7}, 3, 3 * classes));
}

std::vector<std::int64_t> counts(codes const& x, std::size_t columns,
                                 std::vector<int> const& states, std::size_t cells) {
  std::vector<std::int64_t> out(cells, 0);
  for (std::size_t i = 0; i < x.size(); i += columns) {
    std::size_t cell = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      cell = cell * static_cast<std::size_t>(states[c]) + static_cast<std::size_t>(x[i + c]);
    }
    ++out[cell];
  }
  return out;
}

template <class Column>
void check_law(std::vector<Column> const& of, std::vector<int> const& states, int steps) {
  process::columns const process(of);
  test::ragged_table<process::columns<Column>> const network{{}, &process, test::dependent_rows()};
  auto const g = grid::uniform_t(process, steps);
  auto const law = network.after(g);
  sampler const s{process, solver::ancestral{}};
  codes x(3 * 200'000);
  s.sample(exec::threads{}, network, g, view(x, 3), options<>{noise::counted{5}});
  CHECK(test::passes("columns after " + std::to_string(steps) + " steps",
                     test::test_cells(counts(x, 3, states, law.size()), law).p));
}

TEST_CASE("columns that are alike are one process, bit for bit") {
  check_alike(process::uniform<>(4), solver::ancestral{});
  check_alike(process::absorbing<>(4), solver::ancestral{});
  check_alike(process::absorbing<>(4, 2), solver::ancestral{});
  check_alike(process::marginal<>({0.5, 0.3, 0.2}), solver::ancestral{});
  check_alike(process::uniform<schedule::polynomial>(5, {2.0}), solver::discrete_flow_matching{});
  check_alike(process::uniform<schedule::log_linear>(5, {1e-3}), solver::euler_ctmc{});
  check_alike(process::uniform<schedule::log_linear>(5, {1e-3}), solver::tau_leaping{});
}

TEST_CASE("columns of own classes: the K-step law of the chain, n = 2e5 rows") {
  using uniform = process::uniform<>;
  for (int const steps : {1, 3, 8}) {
    check_law(std::vector{uniform(2), uniform(3), uniform(2)}, {2, 3, 2}, steps);
  }
  using absorbing = process::absorbing<>;
  check_law(std::vector{absorbing(2), absorbing(3), absorbing(2)}, {3, 4, 3}, 3);
  using marginal = process::marginal<>;
  check_law(std::vector{marginal({0.3, 0.7}), marginal({0.2, 0.5, 0.3}), marginal({0.9, 0.1})},
            {2, 3, 2}, 3);
}

TEST_CASE("columns of own schedules: each moves by its own, on one clock") {
  using column = process::absorbing<schedule::polynomial>;
  check_law(std::vector{column(2, 2, {0.5}), column(3, 3, {1.0}), column(2, 2, {3.0})}, {3, 4, 3},
            4);
  using uniform = process::uniform<schedule::polynomial>;
  check_law(std::vector{uniform(2, {0.5}), uniform(3, {1.0}), uniform(2, {3.0})}, {2, 3, 2}, 4);
}

TEST_CASE("columns: noised data by the schedule and the classes of each column, n = 2e5") {
  using column = process::uniform<schedule::polynomial>;
  process::columns const process(std::vector{column(2, {1.0}), column(4, {3.0})});
  sampler const s{process, solver::ancestral{}};
  constexpr std::int64_t n = 200'000;
  codes x;
  for (std::int64_t i = 0; i < n; ++i) x.insert(x.end(), {1, 3});
  options<> o{noise::counted{8}};
  o.start = start::noised;
  o.first_step = 4;
  auto const g = grid::uniform_t(process, 10);
  exec::threads const exec;
  auto const network = some_network(6);
  detail::workspace const memory(s.workspace_size(exec, network, view(x, 2), o));
  auto const r = s.start(exec, network, g, view(x, 2), memory.span(), o);
  std::vector<double> law(8);
  double const kept[2] = {process.column(0).at(0.6).alpha, process.column(1).at(0.6).alpha};
  CHECK(kept[0] == doctest::Approx(0.4));
  CHECK(kept[1] == doctest::Approx(0.064));
  for (int a = 0; a < 2; ++a) {
    for (int b = 0; b < 4; ++b) {
      law[static_cast<std::size_t>(4 * a + b)] = ((a == 1 ? kept[0] : 0.0) + (1 - kept[0]) / 2) *
                                                 ((b == 3 ? kept[1] : 0.0) + (1 - kept[1]) / 4);
    }
  }
  CHECK(r.step() == 4);
  CHECK(test::passes("noised columns", test::test_cells(counts(x, 2, {2, 4}, 8), law).p));
}

TEST_CASE("a column does not see its neighbours' logits") {
  process::columns const process(
      std::vector{process::uniform<>(2), process::uniform<>(300), process::uniform<>(3)});
  sampler const s{process, solver::ancestral{}};
  auto const of = [&](float other) {
    auto const network = denoiser::predicts<prediction::x0_posterior<float>>(
        [&](auto const&, batch_view<std::int32_t const> x, query const&, batch_view<float> out) {
          for (std::int64_t i = 0; i < x.batch; ++i) {
            for (std::int64_t k = 0; k < 305; ++k) {
              bool const middle = k >= 2 && k < 302;
              out.row(i)[k] =
                  middle ? other * static_cast<float>(k % 5) : static_cast<float>(k % 3);
            }
          }
        });
    codes x(3 * 1000);
    s.sample(exec::host{}, network, grid::uniform_t(process, 6), view(x, 3));
    return x;
  };
  auto const a = of(0.0F), b = of(50.0F);
  int moved = 0;
  for (std::size_t i = 0; i < a.size(); i += 3) {
    CHECK(a[i] == b[i]);
    CHECK(a[i + 2] == b[i + 2]);
    moved += a[i + 1] != b[i + 1] ? 1 : 0;
  }
  CHECK(moved > 500);
}

TEST_CASE("columns: fixed cells stay, checkpoints go on, and wrong states are named") {
  process::columns const process(std::vector{process::uniform<>(2), process::uniform<>(5)});
  sampler const s{process, solver::ancestral{}};
  auto const g = grid::uniform_t(process, 8);
  exec::host const host;
  auto const network = some_network(7);
  codes x(2 * 50);
  std::vector<std::uint8_t> fixed(x.size(), 0);
  for (std::size_t i = 0; i < x.size(); i += 2) {
    x[i + 1] = 4;
    fixed[i + 1] = 1;
  }
  options<> o{noise::counted{2}};
  o.fixed = fixed.data();
  s.sample(host, network, g, view(x, 2), o);
  for (std::size_t i = 0; i < x.size(); i += 2) CHECK(x[i + 1] == 4);

  codes y(2 * 50), z(2 * 50);
  detail::workspace const memory(s.workspace_size(host, network, view(y, 2)));
  auto r = s.start(host, network, g, view(y, 2), memory.span());
  for (int i = 0; i < 3; ++i) r.advance();
  auto const saved = r.checkpoint();
  detail::workspace const more(s.workspace_size(host, network, view(z, 2)));
  auto again = s.start(host, network, g, view(z, 2), more.span());
  again.resume(saved);
  r.finish();
  again.finish();
  CHECK(y == z);
  process::columns const wider(std::vector{process::uniform<>(2), process::uniform<>(6)});
  sampler const other{wider, solver::ancestral{}};
  auto const network8 = some_network(8);
  detail::workspace const third(other.workspace_size(host, network8, view(z, 2)));
  auto stranger = other.start(host, network8, g, view(z, 2), third.span());
  CHECK_THROWS_AS(stranger.resume(saved), error);
  using curved = process::uniform<schedule::polynomial>;
  auto const checkpoint_of = [&](double power, std::vector<std::byte> const& from) {
    process::columns const p(std::vector{curved(2, {1.0}), curved(5, {power})});
    sampler const own{p, solver::ancestral{}};
    detail::workspace const space(own.workspace_size(host, network, view(z, 2)));
    auto run = own.start(host, network, g, view(z, 2), space.span());
    run.advance();
    if (!from.empty()) run.resume(from);
    return run.checkpoint();
  };
  auto const second = checkpoint_of(2.0, {});
  CHECK_NOTHROW(checkpoint_of(2.0, second));
  CHECK_THROWS_AS(checkpoint_of(3.0, second), error);

  options<> given{noise::counted{2}};
  given.start = start::given;
  codes bad{1, 4, 1, 5};
  CHECK_THROWS_WITH_AS(s.sample(host, network, g, view(bad, 2), given),
                       doctest::Contains("position 1, must be in [0, 5)"), error);
  bad = {1, 4, 2, 3};
  CHECK_THROWS_WITH_AS(s.sample(host, network, g, view(bad, 2), given),
                       doctest::Contains("position 0, must be in [0, 2)"), error);
  codes three(3);
  CHECK_THROWS_WITH_AS(s.sample(host, network, g, view(three, 3)),
                       doctest::Contains("the columns of the process, 2"), error);
  CHECK_THROWS_AS(process::columns(std::vector<process::uniform<>>{}), error);
  process::columns const many(std::vector{process::uniform<>(2), process::uniform<>(200)});
  sampler const narrow{many, solver::ancestral{}};
  std::vector<std::int8_t> small(2);
  auto const silent = denoiser::predicts<prediction::x0_posterior<float>>(
      [](auto const&, auto const&, query const&, batch_view<float>) {});
  CHECK_THROWS_WITH_AS(narrow.sample(host, silent, g, batch_view<std::int8_t>{small.data(), 1, 2}),
                       doctest::Contains("largest class = 199"), error);
  process::columns const turned(std::vector{process::uniform<>(200), process::uniform<>(2)});
  sampler const also{turned, solver::ancestral{}};
  CHECK_THROWS_WITH_AS(also.sample(host, silent, g, batch_view<std::int8_t>{small.data(), 1, 2}),
                       doctest::Contains("largest class = 199"), error);
  // A solver asks the process of each column.
  sampler const flips{process, solver::xor_renoise{}};
  CHECK_THROWS_WITH_AS(flips.sample(host, network, g, view(x, 2)),
                       doctest::Contains("the classes of the process = 5"), error);
}

TEST_CASE("options.fixed: cells of any block stay, and a mask that no block takes is refused") {
  using said = prediction::product<prediction::eps, prediction::x0_posterior<float>,
                                   prediction::x0_posterior<float>>;
  auto const network =
      denoiser::predicts<said>([](auto const&, auto const&, query const&, auto const& out) {
        for (std::int64_t i = 0; i < std::get<0>(out).size(); ++i) std::get<0>(out).data[i] = 0.1F;
        for (std::int64_t i = 0; i < std::get<1>(out).size(); ++i) std::get<1>(out).data[i] = 0.0F;
        for (std::int64_t i = 0; i < std::get<2>(out).size(); ++i) std::get<2>(out).data[i] = 0.0F;
      });
  process::columns const columns(std::vector{process::uniform<>(2), process::uniform<>(5)});
  sampler const s{
      process::product{std::tuple{process::vp<>(), process::absorbing<>(40), columns}},
      solver::product{std::tuple{solver::ddim{}, solver::ancestral{}, solver::ancestral{}}}};
  constexpr std::int64_t n = 100;
  std::vector<float> z(n);
  codes a(3 * n, 7), b(2 * n, 1);
  std::vector<std::uint8_t> keep_a(a.size()), keep_b(b.size());
  for (std::size_t i = 0; i < keep_a.size(); i += 3) keep_a[i] = 1;
  for (std::size_t i = 1; i < keep_b.size(); i += 2) keep_b[i] = 1;
  std::tuple const state{batch_view<float>{z.data(), n, 1}, view(a, 3), view(b, 2)};
  auto const g = grid::uniform_t(process::vp<>(), 6, {1.0, 0.0, grid::end_point::none});
  options<> o{noise::counted{3}};
  o.fixed = {nullptr, keep_a.data(), keep_b.data()};
  s.sample(exec::host{}, network, g, state, o);
  int stayed_a = 0, stayed_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (keep_a[i] != 0) CHECK(a[i] == 7);
    stayed_a += keep_a[i] == 0 && a[i] == 7 ? 1 : 0;
  }
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (keep_b[i] != 0) CHECK(b[i] == 1);
    stayed_b += keep_b[i] == 0 && b[i] == 1 ? 1 : 0;
  }
  CHECK(stayed_a < 25);  // one in forty of 200, and one in two of 100
  CHECK(stayed_b < 85);

  auto const with = [&](fixed_positions const& fixed) {
    options<> other;
    other.fixed = fixed;
    s.sample(exec::host{}, network, g, state, other);
  };
  CHECK_NOTHROW(with({}));
  std::vector<std::uint8_t> keep_z(z.size(), 1);
  z.assign(z.size(), 0.5F);
  keep_z[2] = 0;
  with(keep_z.data());
  for (std::size_t i = 0; i < z.size(); ++i) CHECK((z[i] == 0.5F) == (i != 2));
  CHECK_THROWS_WITH_AS(with({nullptr, nullptr, nullptr, keep_a.data()}),
                       doctest::Contains("has a mask for block 3, and the state has 3 blocks"),
                       error);
  std::uint8_t const* const m = keep_a.data();
  CHECK_THROWS_WITH_AS((fixed_positions{m, m, m, m, m, m, m, m, m}),
                       doctest::Contains("blocks of fixed = 9, must be at most 8"), error);
}

/// Fails on a column of five classes.
struct brittle : solver::ancestral {
  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    solver::ancestral::plan(c, out);
    if (c.process.limit().classes == 5) {
      out.stages().back().weight[1] = std::numeric_limits<double>::quiet_NaN();
    }
  }
};

TEST_CASE("columns: levels that coincide and weights that are not finite are named by column") {
  using curved = process::uniform<schedule::polynomial>;
  exec::host const host;
  codes x(3);
  process::columns const steep(std::vector{curved(2, {1.0}), curved(5, {1.0}), curved(3, {1e5})});
  CHECK_THROWS_WITH_AS(
      (sampler{steep, solver::ancestral{}}.sample(host, some_network(10), grid::uniform_t(steep, 4),
                                                  view(x, 3))),
      doctest::Contains("diffx::run: column 2 of process::columns: levels 0 and 1"), error);
  process::columns const plain(std::vector{curved(2, {1.0}), curved(5, {1.0}), curved(3, {2.0})});
  CHECK_THROWS_WITH_AS((sampler{plain, brittle{}}.sample(host, some_network(10),
                                                         grid::uniform_t(plain, 4), view(x, 3))),
                       doctest::Contains("not finite at step 0 of column 1 from lambda"), error);
}

TEST_CASE("classes: workspace beyond 2^63 bytes is refused before anything is allocated") {
  sampler const s{process::uniform<>(2147483647), solver::ancestral{}};
  batch_view<std::int32_t> const huge{nullptr, 1, (std::int64_t{1} << 31) + 1};
  CHECK_THROWS_WITH_AS(s.workspace_size(exec::host{}, some_network(1), huge),
                       doctest::Contains("workspace of logits"), error);
  batch_view<std::int32_t> const longer{nullptr, 1, std::int64_t{1} << 33};
  CHECK_THROWS_WITH_AS(s.workspace_size(exec::host{}, some_network(1), longer),
                       doctest::Contains("logits of a sample"), error);
}

TEST_CASE("a run that went back has other noise than the caller's fork of the same label") {
  process::uniform<> const p(1000);
  sampler const s{p, solver::ancestral{}};
  auto const network = denoiser::predicts<prediction::x0_posterior<float>>(
      [](auto const&, auto const&, query const&, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.0F;
      });
  auto const g = grid::uniform_t(p, 4);
  exec::host const host;
  codes x(200), y(200);
  detail::workspace const a(s.workspace_size(host, network, view(x, 1)));
  detail::workspace const b(s.workspace_size(host, network, view(x, 1)));
  auto run = s.start(host, network, g, view(x, 1), a.span());
  run.advance();
  auto fork = run.fork(1, std::tuple{view(y, 1)}, b.span());
  run.renoise(1, 1);
  run.finish();
  fork.finish();
  int same = 0;
  for (std::size_t i = 0; i < x.size(); ++i) same += x[i] == y[i] ? 1 : 0;
  CHECK(same < 20);
}

TEST_CASE("a checkpoint of a product knows the schedule of every block") {
  using curved = process::uniform<schedule::polynomial>;
  auto const network = denoiser::predicts<
      prediction::product<prediction::x0_posterior<float>, prediction::x0_posterior<float>>>(
      [](auto const&, auto const&, query const&, auto const& out) {
        for (std::int64_t i = 0; i < std::get<0>(out).size(); ++i) std::get<0>(out).data[i] = 0.0F;
        for (std::int64_t i = 0; i < std::get<1>(out).size(); ++i) std::get<1>(out).data[i] = 0.0F;
      });
  exec::host const host;
  codes x(6), y(6);
  std::tuple const state{view(x, 2), view(y, 2)};
  auto const checkpoint_of = [&](double power, std::vector<std::byte> const& from) {
    sampler const s{process::product{std::tuple{curved(3, {1.0}), curved(3, {power})}},
                    solver::ancestral{}};
    auto const g = grid::uniform_t(std::get<0>(s.process.parts), 5);
    detail::workspace const memory(s.workspace_size(host, network, state));
    auto run = s.start(host, network, g, state, memory.span());
    run.advance();
    if (!from.empty()) run.resume(from);
    return run.checkpoint();
  };
  auto const second = checkpoint_of(2.0, {});
  CHECK_NOTHROW(checkpoint_of(2.0, second));
  CHECK_THROWS_AS(checkpoint_of(3.0, second), error);
}

}  // namespace
