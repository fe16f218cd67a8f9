// What this machine can do: copies, a triad with four reads and two writes, a read-only sum, one
// fork and join. Every other benchmark quotes its ratio to the copy, measured in its own process.

#include "support.hpp"
#include <numeric>

namespace {

template <class Exec>
void copy(benchmark::State& state, Exec const& exec) {
  std::int64_t const bytes = state.range(0) * 4;
  for (auto _ : state)
    state.SetIterationTime(2.0 * static_cast<double>(bytes) / bench::copy_bandwidth(exec, bytes));
  state.SetBytesProcessed(state.iterations() * 2 * bytes);
}

template <class Exec>
void triad(benchmark::State& state, Exec const& exec) {
  std::int64_t const n = state.range(0);
  auto const a = bench::random_values<float>(n, 1), b = bench::random_values<float>(n, 2),
             c = bench::random_values<float>(n, 3);
  auto x = bench::random_values<float>(n, 4);
  std::vector<float> h(static_cast<std::size_t>(n));
  float const *pa = a.data(), *pb = b.data(), *pc = c.data();
  float *px = x.data(), *ph = h.data();
  for (auto _ : state) {
    exec.for_each_tile(1, n, [=](std::int64_t, std::int64_t first, int count) {
      DIFFX_INDEPENDENT
      for (std::int64_t i = first; i < first + count; ++i) {
        float const m = 0.5f * pa[i] + 0.25f * pb[i];
        ph[i] = m;
        px[i] = 0.9f * px[i] + 0.1f * m + 0.05f * pc[i];
      }
    });
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * n * 24);
}

void sum(benchmark::State& state) {
  auto const a = bench::random_values<float>(state.range(0), 1);
  for (auto _ : state) {
    float s[16] = {};
    for (std::size_t i = 0; i + 16 <= a.size(); i += 16) {
      for (std::size_t k = 0; k < 16; ++k) s[k] += a[i + k];
    }
    benchmark::DoNotOptimize(s);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) * 4);
}

void fork_join(benchmark::State& state) {
  diffx::exec::threads const exec(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    exec.for_each_sample(exec.count(), [](std::int64_t i) { benchmark::DoNotOptimize(i); });
  }
}

diffx::exec::host const one{};
diffx::exec::threads const two(2);

}  // namespace

BENCHMARK_CAPTURE(copy, threads_1, one)
    ->RangeMultiplier(16)
    ->Range(1 << 16, 100'000'000)
    ->UseManualTime()
    ->Iterations(3);
BENCHMARK_CAPTURE(copy, threads_2, two)
    ->RangeMultiplier(16)
    ->Range(1 << 16, 100'000'000)
    ->UseManualTime()
    ->Iterations(3);
BENCHMARK_CAPTURE(triad, threads_1, one)->RangeMultiplier(16)->Range(1 << 16, 1 << 24);
BENCHMARK_CAPTURE(triad, threads_2, two)
    ->RangeMultiplier(16)
    ->Range(1 << 16, 1 << 24)
    ->UseRealTime();
BENCHMARK(sum)->RangeMultiplier(16)->Range(1 << 16, 1 << 24);
BENCHMARK(fork_join)->Arg(2)->UseRealTime();

BENCHMARK_MAIN();
