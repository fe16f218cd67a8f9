// A network that looks at one row at a time, in a loop that goes over all rows in every step
// (sampler::sample) and in one that takes a few rows through all steps (sample_by_rows), in turns:
// loop_ratio is the time of the former over that of the latter. 2^20 rows, 50 steps.

#include <diffx/denoiser/row_local.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sample_by_rows.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include "support.hpp"

using namespace diffx;

namespace {

exec::host const one{};
exec::threads const two(2);

/// Six operations a feature.
struct wave {
  prediction::eps prediction{};

  template <class Exec>
  void operator()(Exec const& exec, batch_view<float const> x, query const& q,
                  batch_view<float> out) const {
    auto const shift = 0.05f * static_cast<float>(q.at.t);
    exec.for_each_tile(1, x.size(), [=](std::int64_t, std::int64_t first, int n) {
      float const* const from = x.data + first;
      float* const to = out.data + first;
      for (int i = 0; i < n; ++i) {
        to[i] = 0.8f * from[i] / (1.0f + 0.1f * from[i] * from[i]) + shift;
      }
    });
  }
};

template <class S, class Exec>
void trajectory(benchmark::State& state, S const& solver, Exec const& exec) {
  std::int64_t const rows = std::int64_t{1} << 20, features = state.range(0);
  sampler const s{process::vp<>{}, solver};
  auto const grid = grid::uniform_lambda(s.process, 50);
  auto const network = denoiser::row_local(wave{});
  std::vector<float> x(static_cast<std::size_t>(rows * features)), y(x.size());
  options const o{noise::counted{1}};
  double by_steps = 0.0, by_rows = 0.0;
  for (auto _ : state) {
    auto const begin = bench::clock::now();
    s.sample(exec, network, grid, batch_view<float>{x.data(), rows, features}, o);
    by_steps += bench::seconds_since(begin);
    auto const middle = bench::clock::now();
    sample_by_rows(s, exec, network, grid, batch_view<float>{y.data(), rows, features}, o);
    double const took = bench::seconds_since(middle);
    by_rows += took;
    state.SetIterationTime(took);
    if (x != y) state.SkipWithError("the samples differ");
  }
  state.counters["loop_ratio"] = by_steps / by_rows;
  state.counters["ns_per_element_step"] = 1e9 * by_rows / static_cast<double>(state.iterations()) /
                                          (static_cast<double>(rows * features) * grid.steps());
}

template <class S, class Exec>
void add(char const* name, S solver, Exec const& exec) {
  benchmark::RegisterBenchmark(name,
                               [=](benchmark::State& state) { trajectory(state, solver, exec); })
      ->Arg(8)
      ->Arg(16)
      ->Arg(64)
      ->Iterations(3)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace

int main(int argc, char** argv) {
  add("trajectory/vp-ddim-none/fp32/threads_1", solver::ddim{}, one);
  add("trajectory/vp-dpmpp_2m-none/fp32/threads_1", solver::dpmpp_2m{}, one);
  add("trajectory/vp-dpmpp_2m-none/fp32/threads_2", solver::dpmpp_2m{}, two);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
