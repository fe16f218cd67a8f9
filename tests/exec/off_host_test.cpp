// Processes whose laws are tables, on an execution object that does not reach the host's memory:
// the samples are exec::host's, bit for bit, and so are those of forks and resumed runs.

#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/discretised_gaussian.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/rate_matrix.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/recipe/digress.hpp>
#include <diffx/recipe/tabddpm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/schedule/sigma_power.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/churn.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/decode.hpp>
#include <diffx/solver/defog.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/dpmpp_sde.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/repaint.hpp>

#include "support/elsewhere.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;
using numbers = std::vector<float>;
using prediction::x0_posterior;
using power_edm = process::edm_of<schedule::sigma_power>;

/// Answers that depend on everything, of one block or several: a network of no law in particular.
template <class Prediction>
struct some_network {
  static constexpr int branches = 2;
  Prediction prediction{};

  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const& x, query const& q, Out const& out) const {
    if constexpr (requires { x.features; }) {
      answer(x, q, out);
    } else {
      std::apply(
          [&](auto const&... o) {
            std::apply([&](auto const&... in) { (answer(in, q, o), ...); }, x);
          },
          out);
    }
  }

 private:
  template <class In, class T>
  static void answer(In const& x, query const& q, batch_view<T> out) {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      auto sum = static_cast<T>(q.at.t + q.branch);
      for (std::int64_t c = 0; c < x.features; ++c) sum += static_cast<T>(x.row(i)[c]);
      for (std::int64_t c = 0; c < out.features; ++c) {
        out.row(i)[c] = std::sin(sum + static_cast<T>(c % 17)) * T(0.8);
      }
    }
  }
};

/// Room for a run, with nothing sensible in it.
struct room : detail::workspace {
  explicit room(std::int64_t bytes) : detail::workspace(bytes) {
    if (!span().empty()) std::memset(span().data(), 0xA5, span().size());
  }
};

constexpr solver::ancestral ancestral;
constexpr std::int64_t batch = 37;

template <class T>
batch_view<T> view(std::vector<T>& x) {
  return {x.data(), batch, static_cast<std::int64_t>(x.size()) / batch, 5};
}

struct to_the_end {
  template <class Run>
  void operator()(Run& run) const {
    run.finish();
  }
};

template <class Exec, class Sampler, class Network, class State, class Drive = to_the_end>
State sampled(Exec const& exec, Sampler const& s, Network const& network, timetable const& grid,
              State state, options<> const& o, Drive const& drive = {}) {
  std::apply(
      [&](auto&... x) {
        auto const views = std::tuple{view(x)...};
        room const memory(s.workspace_size(exec, network, views, o));
        auto run = s.start(exec, network, grid, views, memory.span(), o);
        drive(run);
      },
      state);
  return state;
}

/// From the prior, and from data that is noised first.
template <class Prediction, class Sampler, class State, class Drive = to_the_end>
void check_on(timetable const& grid, Sampler const& s, State const& given,
              Drive const& drive = {}) {
  some_network<Prediction> const network;
  for (auto const from : {start::prior, start::noised}) {
    options<> const o{noise::counted{11}, from};
    std::int64_t uploaded = 0;
    test::apart const apart{{}, &uploaded};
    auto const there = sampled(apart, s, network, grid, given, o, drive);
    CHECK(there == sampled(exec::host{}, s, network, grid, given, o, drive));
    CHECK(there != given);
    CHECK(uploaded > 0);
  }
}
template <class Prediction, class... Rest>
void check(auto const& s, Rest const&... rest) {
  check_on<Prediction>(grid::uniform_t(detail::part<0>(s.process), 6), s, rest...);
}

std::tuple<codes> classes(std::int64_t positions) {
  return {codes(static_cast<std::size_t>(batch * positions), 1)};
}
std::tuple<numbers> values(std::int64_t columns) {
  return {numbers(static_cast<std::size_t>(batch * columns), 0.5F)};
}

/// A law that is not uniform.
std::vector<double> law_of(int classes) {
  std::vector<double> pi;
  double sum = 0.0;
  for (int k = 0; k < classes; ++k) sum += pi.emplace_back(1.0 + k % 5);
  for (double& p : pi) p /= sum;
  return pi;
}

process::rate_matrix<> some_rates() {
  return process::rate_matrix<>({-3, 1, 2, 4, -5, 1, 0.5, 0.25, -0.75});
}

template <class Column, class... Args>
process::columns<Column> columns_of(std::vector<Column> columns) {
  return process::columns<Column>(std::move(columns));
}

process::columns<power_edm> some_columns(int width) {
  std::vector<power_edm> of;
  for (int c = 0; c < width; ++c) of.emplace_back(schedule::sigma_power{.rho = 5.0 + (c / 3) % 4});
  return columns_of(std::move(of));
}

}  // namespace

TEST_CASE("a marginal that lies elsewhere gives the host's classes") {
  for (int const k : {3, 70, 300}) {  // groups, a thread a row, long rows
    process::marginal<> const p(law_of(k), {1e-3});
    auto const state = classes(11);
    check<x0_posterior<>>(sampler{p, ancestral}, state);
    check<prediction::x0_cavity<>>(sampler{p, ancestral, guidance::cfg{1.5}}, state);
    check<x0_posterior<>>(sampler{p, ancestral, guidance::d_cfg{1.5}}, state);
    check<x0_posterior<>>(sampler{p, solver::defog{}}, state);
    check<x0_posterior<>>(sampler{p, solver::discrete_flow_matching{}}, state);
    check<x0_posterior<>>(sampler{p, solver::euler_ctmc{}}, state);
    solver::decode<decode::probability, decode::pace> decoder;
    decoder.commit.steps = 6;
    check<x0_posterior<>>(sampler{p, decoder}, state);
    solver::gibbs<> const sweep{2};
    check<prediction::x0_cavity<>>(
        sampler{p,
                solver::predictor_corrector<solver::ancestral, solver::gibbs<>>{ancestral, sweep}},
        state);
  }
}

TEST_CASE("columns of classes that lie elsewhere give the host's classes") {
  for (int const longest : {9, 300}) {
    using uniform = process::uniform<>;
    using marginal = process::marginal<>;
    using masks = process::absorbing<schedule::mask_power>;
    auto const a = columns_of(std::vector{uniform(2), uniform(longest), uniform(5)});
    auto const b = columns_of(
        std::vector{marginal(law_of(4)), marginal(law_of(longest)), marginal(law_of(2))});
    auto const c = columns_of(std::vector{masks(3, 3, schedule::mask_power{1.0}),
                                          masks(longest, longest, schedule::mask_power{2.0})});
    check<x0_posterior<>>(sampler{a, ancestral}, classes(3));
    check<x0_posterior<>>(sampler{b, ancestral}, classes(3));
    check<x0_posterior<>>(sampler{b, solver::discrete_flow_matching{}, guidance::cfg{1.5}},
                          classes(3));
    check<x0_posterior<>>(sampler{c, ancestral}, classes(2));
  }
}

TEST_CASE("matrices that lie elsewhere give the host's classes") {
  auto const state = classes(11);
  check<x0_posterior<>>(sampler{some_rates(), ancestral}, state);
  check<prediction::x0_cavity<>>(sampler{some_rates(), ancestral, guidance::cfg{1.5}}, state);
  check<x0_posterior<>>(sampler{process::mask_and_replace::linear(4, 6), ancestral}, state);
  check<x0_posterior<>>(sampler{process::discretised_gaussian(5, std::vector(6, 0.3)), ancestral},
                        state);
}

namespace {

constexpr solver::churn_amount usual{.churn = 2.0, .to = 50.0};
constexpr solver::repaint twice{.jump_length = 2, .samples = 2};

template <class T>
struct repaints {
  solver::known_region<T> known;
  template <class Run>
  void operator()(Run& run) const {
    twice.finish(run, known);
  }
};

}  // namespace

TEST_CASE("columns of numbers that lie elsewhere give the host's numbers") {
  for (int const width : {1, 7, 600}) {
    auto const p = some_columns(width);
    auto const state = values(width);
    check<prediction::edm>(sampler{p, solver::heun{}}, state);
    check<prediction::edm>(sampler{p, solver::churn<>{{}, usual}}, state);
    check<prediction::eps>(sampler{p, solver::ddim{.eta = 1.0}}, state);
    check<prediction::eps>(
        sampler{p, solver::dpmpp_2m{}, guidance::rescale{guidance::cfg{2.0}, 0.7}}, state);
  }
}

TEST_CASE("what is known is painted in elsewhere as on the host") {
  std::vector<std::uint8_t> mask;
  numbers known_numbers;
  codes known_codes;
  for (int i = 0; i < batch * 7; ++i) {
    mask.push_back(i % 3 == 0 ? 1 : 0);
    known_numbers.push_back(0.1F * static_cast<float>(i % 9));
    known_codes.push_back(i % 3);
  }
  check<prediction::eps>(sampler{some_columns(7), solver::ddim{.eta = 1.0}}, values(7),
                         repaints<float>{{known_numbers.data(), mask.data()}});
  repaints<std::int32_t> const of_codes{{known_codes.data(), mask.data()}};
  check<x0_posterior<>>(sampler{process::marginal<>(law_of(3)), ancestral}, classes(7), of_codes);
  check<x0_posterior<>>(sampler{some_rates(), ancestral}, classes(7), of_codes);
  check<x0_posterior<>>(sampler{columns_of(std::vector(7, process::uniform<>(3))), ancestral},
                        classes(7), of_codes);
}

namespace {

std::tuple<codes, codes> some_graphs() { return {codes(batch * 6, 1), codes(batch * 15, 1)}; }
using of_graphs = prediction::product<x0_posterior<>, x0_posterior<>>;

}  // namespace

TEST_CASE("DiGress and TabDDPM elsewhere give the host's samples") {
  check<of_graphs>(recipe::digress(law_of(4), law_of(3), 5), some_graphs());
  auto const tables = recipe::tabddpm({2, 5, 30});
  check_on<prediction::product<prediction::eps, x0_posterior<>>>(
      grid::timesteps(std::get<0>(tables.process.parts), grid::index::strided(1000, 6)), tables,
      std::tuple{numbers(batch * 5, 0.5F), codes(batch * 3, 1)});
}

TEST_CASE("a run's tables are its own from the start on") {
  some_network<x0_posterior<>> const network;
  options<> const o{noise::counted{11}};
  auto const overwritten = [&](auto process, auto const& other) {
    sampler s{process, ancestral};
    auto const grid = grid::uniform_t(s.process, 6);
    auto const as_it_was = sampled(exec::host{}, s, network, grid, classes(2), o);
    auto state = classes(2);
    auto const x = std::tuple{view(std::get<0>(state))};
    test::apart const apart;
    room const memory(s.workspace_size(apart, network, x, o));
    auto run = s.start(apart, network, grid, x, memory.span(), o);
    s.process = other;
    run.finish();
    CHECK(state == as_it_was);
  };
  using marginal = process::marginal<>;
  marginal const one({0.2, 0.3, 0.5}), other({0.7, 0.2, 0.1});
  overwritten(one, other);
  overwritten(columns_of(std::vector(2, one)), columns_of(std::vector(2, other)));
}

TEST_CASE("what goes by value is not uploaded, and takes no room") {
  some_network<x0_posterior<>> const network;
  sampler const s{process::uniform<>(5), ancestral};
  auto const grid = grid::uniform_t(s.process, 6);
  std::int64_t uploaded = 0;
  test::apart const apart{{}, &uploaded};
  sampled(apart, s, network, grid, classes(3), options<>{});
  CHECK(uploaded == 0);
  auto state = classes(3);
  auto const x = view(std::get<0>(state));
  CHECK(s.workspace_size(apart, network, x) == s.workspace_size(exec::host{}, network, x));
  sampler const p{process::marginal<>(law_of(5)), ancestral};
  CHECK(p.workspace_size(apart, network, x) > p.workspace_size(exec::host{}, network, x));
}

namespace {

/// Two steps, a checkpoint, a fork from there; then both to the end, and once more from the
/// checkpoint in a run of `Other`.
template <class State>
struct branches_off {
  State run, fork, resumed;
  std::vector<std::byte> bytes;
};

template <class Other, class Exec, class Sampler, class Network, class State>
branches_off<State> branched(Exec const& exec, Sampler const& s, Network const& network,
                             timetable const& grid, State const& given) {
  branches_off<State> out{given, given, given, {}};
  auto const views = [](State& state) {
    return std::apply([](auto&... x) { return std::tuple{view(x)...}; }, state);
  };
  auto const x = views(out.run), y = views(out.fork), z = views(out.resumed);
  options<> const o{noise::counted{11}};
  Other const other;
  room const a(s.workspace_size(exec, network, x)), b(s.workspace_size(exec, network, y)),
      c(s.workspace_size(other, network, z));
  auto run = s.start(exec, network, grid, x, a.span(), o);
  run.advance();
  run.advance();
  out.bytes = run.checkpoint();
  auto fork = run.fork(3, y, b.span());
  run.finish();
  fork.finish();
  auto resumed = s.start(other, network, grid, z, c.span(), o);
  resumed.resume(out.bytes);
  resumed.finish();
  return out;
}

template <class Prediction, class Sampler, class State>
void check_branches(Sampler const& s, State const& given) {
  some_network<Prediction> const network;
  auto const grid = grid::uniform_t(detail::part<0>(s.process), 6);
  auto const here = branched<exec::host>(exec::host{}, s, network, grid, given);
  CHECK(here.resumed == here.run);
  CHECK(here.fork != here.run);
  auto const same = [&](auto const& there) {
    CHECK(there.bytes == here.bytes);
    CHECK(there.run == here.run);
    CHECK(there.fork == here.fork);
    CHECK(there.resumed == here.run);
  };
  same(branched<test::apart>(test::apart{}, s, network, grid, given));
  same(branched<exec::host>(test::apart{}, s, network, grid, given));
  same(branched<test::apart>(exec::host{}, s, network, grid, given));
}

}  // namespace

TEST_CASE("forks, checkpoints and resumed runs elsewhere are the host's") {
  check_branches<prediction::eps>(
      sampler{process::vp{}, solver::dpmpp_2m_sde{}, guidance::cfg{2.0}}, values(7));
  check_branches<prediction::eps>(sampler{some_columns(7), solver::dpmpp_2m_sde{}}, values(7));
  check_branches<prediction::edm>(sampler{some_columns(7), solver::dpmpp_sde{}}, values(7));
  check_branches<x0_posterior<>>(
      sampler{process::marginal<>(law_of(5), {1e-3}), solver::euler_ctmc{}}, classes(11));
  check_branches<x0_posterior<>>(sampler{some_rates(), ancestral}, classes(11));
  check_branches<of_graphs>(recipe::digress(law_of(4), law_of(3), 5), some_graphs());
}
