// What a search adds to the runs of the sampler: ancestors from log weights and the rows that move
// with them, beside a gather of all rows; and keeping the best of whole runs.

#include <diffx/grid/time.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/search/resample.hpp>
#include <diffx/solver/ddim.hpp>

#include "support.hpp"
#include <numeric>

using namespace diffx;

namespace {

exec::host const one{};

/// Groups of particles with log weights of unit variance: some four in ten are replaced.
void resample(benchmark::State& state) {
  std::int64_t const particles = state.range(0), features = 256;
  std::int64_t const groups = std::max<std::int64_t>(1, 4096 / particles);
  std::int64_t const batch = groups * particles;
  auto const weights = bench::random_values<double>(batch, 1);
  std::vector<std::int64_t> ancestors(static_cast<std::size_t>(batch));
  std::vector<search::resampled> found(static_cast<std::size_t>(groups));
  sampler const s{process::vp<>{}, solver::ddim{.eta = 1.0}};
  auto const grid = grid::uniform_lambda(s.process, 4);
  bench::no_op<> const network;
  auto x = bench::random_values<float>(batch * features, 2);
  auto copy = x;
  batch_view<float> const view{x.data(), batch, features};
  detail::workspace const memory(s.workspace_size(one, network, view));
  options<> o{noise::counted{3}};
  o.start = start::given;
  auto run = s.start(one, network, grid, view, memory.span(), o);
  double draw = 0.0, move = 0.0, gather = 0.0;
  int turn = 0;
  for (auto _ : state) {
    auto const begin = bench::clock::now();
    search::resample(weights, particles, o.noise, {0, ++turn % 1000 + 1}, 0, ancestors, found);
    auto const drawn = bench::clock::now();
    run.replace(particles, ancestors.data());
    auto const moved = bench::clock::now();
    for (std::int64_t i = 0; i < batch; ++i) {
      auto const from = i / particles * particles + ancestors[static_cast<std::size_t>(i)];
      std::memcpy(copy.data() + i * features, x.data() + from * features,
                  static_cast<std::size_t>(features) * sizeof(float));
    }
    benchmark::ClobberMemory();
    gather += bench::seconds_since(moved);
    draw += std::chrono::duration<double>(drawn - begin).count();
    move += std::chrono::duration<double>(moved - drawn).count();
    state.SetIterationTime(std::chrono::duration<double>(moved - begin).count());
  }
  auto const each = 1e9 / static_cast<double>(state.iterations() * batch);
  state.counters["draw_ns"] = draw * each;
  state.counters["move_ns"] = move * each;
  state.counters["gather_ns"] = gather * each;
  state.counters["limit_ratio"] = gather / (draw + move);
}

/// Four runs and the best row of them, beside one run.
void best_of_n(benchmark::State& state) {
  std::int64_t const batch = state.range(0), features = state.range(1);
  sampler const s{process::vp<>{}, solver::ddim{.eta = 1.0}, guidance::none{}, cache::none{},
                  search::best_of_n{4}};
  sampler const plain{s.process, s.solver};
  auto const grid = grid::uniform_lambda(s.process, 20);
  bench::no_op<> const network;
  std::vector<float> x(static_cast<std::size_t>(batch * features));
  batch_view<float> const view{x.data(), batch, features};
  auto const score = [](batch_view<float const> rows, std::span<double> scores) {
    for (std::int64_t i = 0; i < rows.batch; ++i) {
      scores[static_cast<std::size_t>(i)] = static_cast<double>(rows.row(i)[0]);
    }
  };
  options const o{noise::counted{3}};
  detail::workspace const memory(s.best_workspace_size(one, network, view, o));
  double searched = 0.0, sampled = 0.0;
  for (auto _ : state) {
    auto const begin = bench::clock::now();
    s.sample_best(one, network, grid, view, score, memory.span(), o);
    double const took = bench::seconds_since(begin);
    state.SetIterationTime(took);
    searched += took;
    auto const middle = bench::clock::now();
    plain.start(one, network, grid, view, memory.span(), o).finish();
    sampled += bench::seconds_since(middle);
  }
  state.counters["runs_ratio"] = searched / (4.0 * sampled);
}

}  // namespace

BENCHMARK(resample)->RangeMultiplier(4)->Range(16, 4096)->UseManualTime();
BENCHMARK(best_of_n)->Args({64, 784})->Args({64, 3072})->UseManualTime();

BENCHMARK_MAIN();
