#pragma once

// What every benchmark of a loop needs: a copy measured in the same process, random inputs, and a
// network that costs nothing.

#include <diffx/concepts/denoiser.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/eps.hpp>

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

namespace bench {

using clock = std::chrono::steady_clock;

inline double seconds_since(clock::time_point start) {
  return std::chrono::duration<double>(clock::now() - start).count();
}

template <class T>
std::vector<T> random_values(std::int64_t n, std::uint64_t seed) {
  std::vector<T> v(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; i += 512) {
    diffx::noise::counted{seed}.fill(
        {0, 0}, 0, i, static_cast<int>(std::min<std::int64_t>(512, n - i)), v.data() + i);
  }
  return v;
}

/// Bytes per second of a copy of this size on these threads, read and write counted: the fastest
/// of several, since a limit is a limit.
template <class Exec>
double copy_bandwidth(Exec const& exec, std::int64_t bytes) {
  static std::vector<char> from, to;
  if (static_cast<std::int64_t>(from.size()) < bytes) {
    from.assign(static_cast<std::size_t>(bytes), 1);
    to.assign(static_cast<std::size_t>(bytes), 2);
  }
  constexpr std::int64_t piece = 1 << 14;
  std::int64_t const pieces = (bytes + piece - 1) / piece;
  char const* const source = from.data();
  char* const target = to.data();
  double best = 1e30;
  int const inner = static_cast<int>(std::clamp<std::int64_t>((1 << 22) / bytes, 1, 1000));
  for (int repeat = 0; repeat < 9; ++repeat) {
    auto const start = clock::now();
    for (int i = 0; i < inner; ++i) {
      exec.for_each_sample(pieces, [=](std::int64_t k) {
        std::int64_t const begin = k * piece;
        std::memcpy(target + begin, source + begin,
                    static_cast<std::size_t>(std::min(piece, bytes - begin)));
      });
      benchmark::ClobberMemory();
    }
    best = std::min(best, seconds_since(start) / inner);
  }
  return 2.0 * static_cast<double>(bytes) / best;
}

/// A network that leaves its output as it is: what is measured is the loop.
template <int Branches = 1, class Prediction = diffx::prediction::eps>
struct no_op {
  static constexpr int branches = Branches;
  Prediction prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, diffx::query const&, Out const&) const noexcept {}
};

/// Times of one step; the fastest, and all of them.
struct step_times {
  double total = 0.0, best = 1e30;
};

/// advance() of runs that begin anew: start(seed) makes one, which is not timed.
template <class Start>
step_times time_steps(benchmark::State& state, Start const& start) {
  step_times out;
  std::uint64_t seed = 0;
  for (auto _ : state) {
    auto run = start(++seed);
    auto const begin = clock::now();
    run.advance();
    double const took = seconds_since(begin);
    state.SetIterationTime(took);
    out.total += took;
    out.best = std::min(out.best, took);
  }
  return out;
}

}  // namespace bench
