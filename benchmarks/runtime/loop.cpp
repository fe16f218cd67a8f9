// The whole loop around a network that costs nothing: what the loop adds to every step beyond its
// arithmetic. 1, 20, 50 and 1000 steps; a small state, so that memory does not hide the loop.

#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include "support.hpp"

using namespace diffx;

namespace {

template <class Sampler>
void loop(benchmark::State& state, Sampler const& s) {
  std::int64_t const n = state.range(0);
  auto const grid = grid::uniform_lambda(s.process, static_cast<int>(state.range(1)));
  auto x = bench::random_values<float>(n, 1);
  auto const start_x = x;
  bench::no_op<2> const network;
  exec::host const host;
  batch_view<float> const v{x.data(), 1, n};
  detail::workspace const memory(s.workspace_size(host, network, v));
  auto const noise =
      bench::random_values<float>(static_cast<std::int64_t>(memory.span().size()) / 4, 2);
  std::memcpy(memory.span().data(), noise.data(), noise.size() * 4);
  options<noise::counted> opts;
  opts.start = start::given;
  double seconds = 0.0;
  std::int64_t steps = 0;
  for (auto _ : state) {
    x = start_x;
    auto run = s.start(host, network, grid, v, memory.span(), opts);
    auto const begin = bench::clock::now();
    run.finish();
    double const took = bench::seconds_since(begin);
    state.SetIterationTime(took);
    seconds += took;
    steps += grid.steps();
  }
  state.counters["ns_per_step"] = 1e9 * seconds / static_cast<double>(steps);
  state.counters["workspace_B"] = static_cast<double>(memory.span().size());
}

using vp = process::vp<>;

}  // namespace

#define LOOP(name, ...)                                     \
  BENCHMARK_CAPTURE(loop, name, __VA_ARGS__)                \
      ->ArgsProduct({{16, 1024, 65536}, {1, 20, 50, 1000}}) \
      ->UseManualTime()
LOOP(vp - ddim - none / fp32, sampler{vp{}, solver::ddim{}});
LOOP(vp - dpmpp_2m - none / fp32, sampler{vp{}, solver::dpmpp_2m{}});
LOOP(vp - dpmpp_2m - cfg / fp32, sampler{vp{}, solver::dpmpp_2m{}, guidance::cfg{3.0}});

BENCHMARK_MAIN();
