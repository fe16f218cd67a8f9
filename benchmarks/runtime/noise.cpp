// Noise from counters against its limits: Philox words on the same machine and a plain write of
// the result; the peer is std::normal_distribution over std::mt19937_64.
//
// seconds_per_item is wall time per normal, word or element written.

#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace {

namespace noise = diffx::noise;

constexpr int features = 1 << 14;
constexpr int rows = 16;

/// Against the double-precision scalar code: a benchmark that does not verify does not report.
template <class T>
bool verified(std::vector<T> const& z, std::uint64_t seed, noise::key k) {
  for (int r = 0; r < rows; ++r) {
    for (int g = 0; g < features / 4; ++g) {
      double want[4];
      diffx::random::normals(
          diffx::random::philox4x32(noise::counter(k, r, g), diffx::random::key_from_seed(seed)),
          want);
      for (int e = 0; e < 4; ++e) {
        auto const at =
            static_cast<std::size_t>(r) * features + static_cast<std::size_t>(4 * g + e);
        if (!(std::abs(static_cast<double>(z[at]) - want[e]) < 4e-6)) return false;
      }
    }
  }
  return true;
}

void report(benchmark::State& state, double per_iteration, double bytes) {
  using benchmark::Counter;
  double const n = per_iteration * static_cast<double>(state.iterations());
  state.counters["seconds_per_item"] = Counter(n, Counter::kIsRate | Counter::kInvert);
  state.counters["bytes_floor"] = bytes;
  state.counters["allocs"] = 0;
  state.counters["launches"] = 0;
  state.counters["workspace_B"] = 0;
}

template <class T>
void fill(benchmark::State& state) {
  auto const threads = static_cast<int>(state.range(0));
  std::vector<T> z(static_cast<std::size_t>(rows) * features, T(99));
  noise::counted const source{1};
  noise::key k{0};
  auto const share = [&](int t) {
    for (int r = t; r < rows; r += threads) {
      source.fill(k, r, 0, features, z.data() + static_cast<std::ptrdiff_t>(r) * features);
    }
  };
  for (auto _ : state) {
    ++k.step;
    std::vector<std::thread> pool;
    for (int t = 1; t < threads; ++t) pool.emplace_back(share, t);
    share(0);
    for (auto& t : pool) t.join();
    benchmark::DoNotOptimize(z.data());
    benchmark::ClobberMemory();
  }
  if (!verified(z, 1, k)) state.SkipWithError("normals differ from the double-precision reference");
  report(state, double{rows} * features, double{sizeof(T)} * rows * features);
}
BENCHMARK_TEMPLATE(fill, float)->Name("noise/fill/fp32/threads")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_TEMPLATE(fill, double)->Name("noise/fill/fp64/threads")->Arg(1)->Arg(2)->UseRealTime();

/// Short rows, as tabular data has them, one by one: the tail code counts.
void fill_row(benchmark::State& state) {
  auto const width = static_cast<int>(state.range(0));
  std::vector<float> z(static_cast<std::size_t>(width));
  std::int64_t sample = 0;
  for (auto _ : state) {
    noise::counted{1}.fill({1}, sample++, 0, width, z.data());
    benchmark::DoNotOptimize(z.data());
    benchmark::ClobberMemory();
  }
  report(state, width, 4.0 * width);
}
BENCHMARK(fill_row)->Name("noise/row/fp32/features")->Arg(2)->Arg(8)->Arg(32)->Arg(100)->Arg(512);

/// The same rows laid end to end, 512 elements at a time, as a pass on the host asks for them.
void fill_rows(benchmark::State& state) {
  constexpr int tile = 512;
  std::vector<float> z(tile);
  std::int64_t first = 0;
  for (auto _ : state) {
    noise::counted{1}.fill_rows({1}, 0, state.range(0), first, tile, z.data());
    first += tile;
    benchmark::DoNotOptimize(z.data());
    benchmark::ClobberMemory();
  }
  report(state, tile, 4.0 * tile);
}
BENCHMARK(fill_rows)->Name("noise/rows/fp32/features")->Arg(2)->Arg(6)->Arg(8)->Arg(32)->Arg(100);

template <int Rounds>
void words(benchmark::State& state) {
  constexpr int lanes = 64;
  std::uint32_t w[4][lanes] = {};
  for (int i = 0; i < lanes; ++i) w[0][i] = static_cast<std::uint32_t>(i);
  for (auto _ : state) {
    for (int tile = 0; tile < 64; ++tile) {
      diffx::random::philox4x32_lanes<lanes, Rounds>(w[0], w[1], w[2], w[3], {{1, 0}});
      benchmark::ClobberMemory();
    }
    benchmark::DoNotOptimize(w);
  }
  report(state, 64.0 * 4.0 * lanes, 0.0);
}
BENCHMARK_TEMPLATE(words, 10)->Name("noise/limit/philox_10_words");
BENCHMARK_TEMPLATE(words, 7)->Name("noise/limit/philox_7_words");

void write(benchmark::State& state) {
  std::vector<float> z(static_cast<std::size_t>(rows) * features);
  int value = 0;
  for (auto _ : state) {
    std::memset(z.data(), ++value & 0xff, z.size() * sizeof(float));
    benchmark::DoNotOptimize(z.data());
    benchmark::ClobberMemory();
  }
  report(state, double{rows} * features, 4.0 * rows * features);
}
BENCHMARK(write)->Name("noise/limit/write_fp32");

template <class T>
void standard_library(benchmark::State& state) {
  std::vector<T> z(features);
  std::mt19937_64 engine(1);
  std::normal_distribution<T> normal;
  for (auto _ : state) {
    for (T& v : z) v = normal(engine);
    benchmark::DoNotOptimize(z.data());
    benchmark::ClobberMemory();
  }
  report(state, features, double{sizeof(T)} * features);
}
BENCHMARK_TEMPLATE(standard_library, float)->Name("noise/peer/std_normal_distribution/fp32");
BENCHMARK_TEMPLATE(standard_library, double)->Name("noise/peer/std_normal_distribution/fp64");

}  // namespace

BENCHMARK_MAIN();
