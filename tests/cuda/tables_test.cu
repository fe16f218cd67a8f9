// Processes whose laws are tables: they compile and link, and where there is a device its samples
// are compared with the host's, with those of a recorded loop, and with those of runs that fork and
// go on from a checkpoint.

#include <diffx/exec/cuda_graph.cuh>
#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/noise/counted_from.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/discretised_gaussian.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/process/rate_matrix.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/recipe/digress.hpp>
#include <diffx/recipe/tabddpm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/sigma_power.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/churn.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/defog.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/repaint.hpp>

#include "on_device.cuh"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
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

constexpr std::int64_t batch = 64;

/// An answer from the value at the same place of the sample, as far as there is one.
template <class In>
struct answer_op {
  In const* x;
  float* out;
  std::int64_t features, answers;
  float shift;

  DIFFX_HD void operator()(std::int64_t i) const {
    std::int64_t const sample = i / answers, k = i - sample * answers;
    float const seen = static_cast<float>(x[sample * features + k % features]);
    out[i] = 0.6f * seen / (1.0f + 0.2f * seen * seen) + 0.1f * static_cast<float>(k % 7) + shift;
  }
};

/// The same of one block or of several.
template <class Prediction>
struct some_network {
  static constexpr int branches = 2;
  Prediction prediction{};

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, query const& q, Out const& out) const {
    answer(exec, x, out, 0.1f * static_cast<float>(q.branch) - 0.2f * static_cast<float>(q.at.t));
  }

 private:
  template <class Exec, class In>
  static void answer(Exec const& exec, batch_view<In const> x, batch_view<float> out, float shift) {
    exec.for_each_sample(out.size(),
                         answer_op<In>{x.data, out.data, x.features, out.features, shift});
  }
  template <class Exec, class A, class B>
  static void answer(Exec const& exec, std::tuple<batch_view<A const>, batch_view<B const>> x,
                     std::tuple<batch_view<float>, batch_view<float>> out, float shift) {
    answer(exec, std::get<0>(x), std::get<0>(out), shift);
    answer(exec, std::get<1>(x), std::get<1>(out), shift);
  }
};

template <class T>
batch_view<T> view(T* data, std::size_t size) {
  return {data, batch, static_cast<std::int64_t>(size) / batch, 0};
}

/// Equal words; a host build without fused multiply-add may round a border to the other side.
void check_near(codes const& here, codes const& there) {
  int differ = 0;
  for (std::size_t i = 0; i < here.size(); ++i) differ += here[i] != there[i] ? 1 : 0;
  CHECK(differ <= static_cast<int>(here.size() / 500) + 2);
}
void check_near(numbers const& here, numbers const& there) {
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < here.size(); ++i) {
    worst =
        std::fmax(worst, std::fabs(static_cast<double>(here[i]) - static_cast<double>(there[i])));
    largest = std::fmax(largest, std::fabs(static_cast<double>(here[i])));
  }
  // Rounding at the first level, 80 times the data, in up to 12 evaluations.
  CHECK(worst <= 12 * 80 * 6e-8 * largest);
}

/// One block or two, on the host and on the device.
template <class Prediction, class Sampler, class... Vs>
void compare_on(timetable const& grid, Sampler const& s, Vs... state) {
  some_network<Prediction> const network;
  for (auto const from : {start::prior, start::noised}) {
    options<> const o{noise::counted{11}, from};
    std::tuple<Vs...> here{state...};
    std::apply(
        [&](auto&... v) {
          s.sample(exec::host{}, network, grid, std::tuple{view(v.data(), v.size())...}, o);
        },
        here);
    test::stream const on;
    std::tuple<test::device_array<typename Vs::value_type>...> const arrays{state...};
    auto const there = std::apply(
        [](auto const&... a) { return std::tuple{view(a.data(), a.span().size())...}; }, arrays);
    test::device_array<std::byte> const memory(
        static_cast<std::size_t>(s.workspace_size(on.exec(), network, there, o)));
    auto run = s.start(on.exec(), network, grid, there, memory.span(), o);
    run.finish();
    on.exec().wait();
    check_near(std::get<0>(here), std::get<0>(arrays).back());
    if constexpr (sizeof...(Vs) == 2) check_near(std::get<1>(here), std::get<1>(arrays).back());
  }
}
template <class Prediction, class Sampler, class... Vs>
void compare(Sampler const& s, Vs const&... state) {
  compare_on<Prediction>(grid::uniform_t(detail::part<0>(s.process), 6), s, state...);
}

codes classes(std::int64_t positions) {
  return codes(static_cast<std::size_t>(batch * positions), 1);
}
numbers values(std::int64_t columns) {
  return numbers(static_cast<std::size_t>(batch * columns), 0.5f);
}

std::vector<double> law_of(int classes) {
  std::vector<double> pi;
  double sum = 0.0;
  for (int k = 0; k < classes; ++k) sum += pi.emplace_back(1.0 + k % 5);
  for (double& p : pi) p /= sum;
  return pi;
}

process::columns<power_edm> some_columns(int width) {
  std::vector<power_edm> of;
  for (int c = 0; c < width; ++c) of.emplace_back(schedule::sigma_power{.rho = 5.0 + (c / 3) % 4});
  return process::columns<power_edm>(std::move(of));
}

process::rate_matrix<> some_rates() {
  return process::rate_matrix<>({-3, 1, 2, 4, -5, 1, 0.5, 0.25, -0.75});
}

constexpr solver::ancestral ancestral;

}  // namespace

TEST_CASE("host and device draw the same classes from laws in tables") {
  for (int const k : {5, 300}) {
    process::marginal<> const p(law_of(k));
    compare<x0_posterior<>>(sampler{p, ancestral}, classes(33));
    compare<prediction::x0_cavity<>>(sampler{p, ancestral, guidance::cfg{1.5}}, classes(33));
    compare<x0_posterior<>>(sampler{p, ancestral, guidance::d_cfg{1.5}}, classes(33));
    compare<x0_posterior<>>(sampler{p, solver::defog{}}, classes(33));
    using column = process::marginal<>;
    compare<x0_posterior<>>(
        sampler{process::columns<column>({column(law_of(2)), column(law_of(k)), column(law_of(7))}),
                ancestral},
        classes(3));
  }
  compare<x0_posterior<>>(sampler{some_rates(), ancestral}, classes(33));
  compare<x0_posterior<>>(sampler{process::mask_and_replace::linear(4, 6), ancestral}, classes(33));
  compare<x0_posterior<>>(
      sampler{process::discretised_gaussian(5, std::vector<double>(6, 0.3)), ancestral},
      classes(33));
}

TEST_CASE("host and device move columns of numbers by their own schedules") {
  for (int const width : {1, 7, 600}) {
    compare<prediction::edm>(sampler{some_columns(width), solver::heun{}}, values(width));
    compare<prediction::edm>(
        sampler{some_columns(width), solver::churn<>{{}, {.churn = 2.0, .to = 50.0}}},
        values(width));
    compare<prediction::eps>(sampler{some_columns(width), solver::ddim{.eta = 1.0}}, values(width));
    compare<prediction::eps>(
        sampler{some_columns(width), solver::dpmpp_2m_sde{}, guidance::cfg{2.0}}, values(width));
  }
}

TEST_CASE("DiGress and TabDDPM on a device") {
  compare<prediction::product<x0_posterior<>, x0_posterior<>>>(
      recipe::digress(law_of(4), law_of(3), 5), classes(6), classes(15));
  auto const tables = recipe::tabddpm({2, 5, 30});
  compare_on<prediction::product<prediction::eps, x0_posterior<>>>(
      grid::timesteps(std::get<0>(tables.process.parts), grid::index::strided(1000, 6)), tables,
      values(5), classes(3));
}

namespace {

/// Replays of a recorded loop, for two seeds, and the same of a stream.
template <class Prediction, class T, class Sampler>
void check_replays(Sampler const& s, std::int64_t features, std::size_t nodes) {
  some_network<Prediction> const network;
  auto const grid = grid::uniform_t(s.process, 6);
  test::stream const on;
  cudaStream_t const stream = on.exec().stream;
  test::device_array<T> const x(static_cast<std::size_t>(batch * features));
  auto const there = view(x.data(), x.span().size());
  test::device_array<std::uint64_t> const seed(1);
  options<noise::counted_from> const o{{seed.data()}};
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(s.workspace_size(on.exec(), network, there, o)));
  exec::cuda_graph const loop(stream, [&](exec::cuda_recorder const& exec) {
    s.start(exec, network, grid, there, memory.span(), o).finish();
  });
  CHECK(loop.nodes() == nodes);
  for (std::uint64_t const value : {17, 18}) {
    test::ok(cudaMemcpyAsync(seed.data(), &value, sizeof value, cudaMemcpyHostToDevice, stream));
    // What a replay reads it has written.
    test::ok(cudaMemsetAsync(memory.data(), 0xA5, memory.span().size(), stream));
    loop.replay(stream);
    on.exec().wait();
    CHECK(x.back() == test::sampled_on_device<T>(s, network, grid, batch, features,
                                                 options<>{noise::counted{value}}));
  }
}

}  // namespace

TEST_CASE("a recorded loop brings its tables along") {
  // The law and the prior; then the network's and the pass.
  check_replays<x0_posterior<>, std::int32_t>(sampler{process::marginal<>(law_of(5)), ancestral},
                                              33, 2 + 6 * 2);
  // The weights of a step are one launch more.
  using column = process::uniform<>;
  check_replays<x0_posterior<>, std::int32_t>(
      sampler{process::columns<column>({column(2), column(7)}), ancestral}, 2, 3 + 6 * 3);
  check_replays<x0_posterior<>, std::int32_t>(sampler{some_rates(), ancestral}, 33, 2 + 6 * 3);
  check_replays<prediction::eps, float>(sampler{some_columns(7), solver::ddim{.eta = 1.0}}, 7,
                                        3 + 6 * 3);
}

namespace {

template <class Prediction, class T, class Sampler>
void check_branches(Sampler const& s, std::int64_t features) {
  some_network<Prediction> const network;
  auto const grid = grid::uniform_t(s.process, 6);
  auto const size = static_cast<std::size_t>(batch * features);
  options<> const o{noise::counted{11}};
  test::stream const on;
  test::device_array<T> const x(size), y(size), z(size);
  auto const bytes =
      static_cast<std::size_t>(s.workspace_size(on.exec(), network, view(x.data(), size), o));
  test::device_array<std::byte> const a(bytes), b(bytes), c(bytes);
  auto run = s.start(on.exec(), network, grid, view(x.data(), size), a.span(), o);
  run.advance();
  run.advance();
  auto const saved = run.checkpoint();
  auto fork = run.fork(3, std::tuple{view(y.data(), size)}, b.span());
  run.finish();
  fork.finish();
  auto resumed = s.start(on.exec(), network, grid, view(z.data(), size), c.span(), o);
  resumed.resume(saved);
  resumed.finish();
  on.exec().wait();
  CHECK(z.back() == x.back());
  CHECK(y.back() != x.back());
}

}  // namespace

TEST_CASE("runs on a device fork and go on from a checkpoint") {
  check_branches<prediction::eps, float>(sampler{some_columns(7), solver::dpmpp_2m_sde{}}, 7);
  check_branches<x0_posterior<>, std::int32_t>(sampler{process::marginal<>(law_of(5)), ancestral},
                                               33);
  check_branches<x0_posterior<>, std::int32_t>(sampler{some_rates(), ancestral}, 33);
}
