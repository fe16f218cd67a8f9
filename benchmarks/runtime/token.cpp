// Drawing classes from rows of logits: one read of the logits, no probability written; and steps of
// confidence decoding, which also say how probable each class is and commit the surest. The limit
// is a read-only sum over the same bytes on the same threads in the same process; the peer is a
// softmax and a draw from its running sum, as code without this library has it.

#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/decode.hpp>

#include "support.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

using namespace diffx;

namespace {

exec::threads const two(2);

/// A network that leaves its logits as they are.
template <int Branches>
struct fixed_logits {
  static constexpr int branches = Branches;
  prediction::x0_posterior<> prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, query const&, Out const&) const noexcept {}
};

double read_bandwidth(std::vector<float> const& v) {
  double best = 1e30;
  auto const pieces = static_cast<std::int64_t>(v.size() / 16384) + 1;
  std::vector<float> sums(static_cast<std::size_t>(pieces) * 16);
  for (int repeat = 0; repeat < 9; ++repeat) {
    auto const begin = bench::clock::now();
    two.for_each_sample(pieces, [&](std::int64_t piece) {
      std::size_t const first = static_cast<std::size_t>(piece) * 16384;
      std::size_t const last = std::min(first + 16384, v.size() / 16 * 16);
      float sum[16] = {};
      for (std::size_t i = first; i < last; i += 16) {
        for (std::size_t k = 0; k < 16; ++k) sum[k] += v[i + k];
      }
      for (std::size_t k = 0; k < 16; ++k) sums[static_cast<std::size_t>(piece) * 16 + k] = sum[k];
    });
    benchmark::DoNotOptimize(sums.data());
    best = std::min(best, bench::seconds_since(begin));
  }
  return static_cast<double>(v.size() * sizeof(float)) / best;
}

/// One step of `make(classes)` from masks, on a grid of so many steps.
template <class Make>
void step(benchmark::State& state, Make make, int steps) {
  std::int64_t const rows = state.range(0), classes = state.range(1);
  auto const s = make(static_cast<int>(classes));
  constexpr int branches = decltype(s.guidance)::branches;
  fixed_logits<branches> const network;
  auto const grid = grid::uniform_t(s.process, steps);
  std::vector<std::int32_t> x(static_cast<std::size_t>(rows));
  batch_view<std::int32_t> const v{x.data(), 1, rows};
  detail::workspace const memory(s.workspace_size(two, network, v));
  auto const logits = bench::random_values<float>(rows * classes * branches, 1);
  std::memcpy(memory.span().data(), logits.data(), logits.size() * sizeof(float));
  auto const [total, best] = bench::time_steps(state, [&](std::uint64_t seed) {
    return s.start(two, network, grid, v, memory.span(), options{noise::counted{seed}});
  });
  if (std::all_of(x.begin(), x.end(), [&](auto code) { return code == classes; })) {
    state.SkipWithError("no position got a class");
    return;
  }
  double const bytes = static_cast<double>(logits.size() * sizeof(float));
  state.counters["bytes_floor"] = bytes;
  double const limit = bytes / read_bandwidth(logits);
  state.counters["limit_ratio"] = limit / (total / static_cast<double>(state.iterations()));
  state.counters["limit_ratio_best"] = limit / best;
  state.counters["workspace_B"] = static_cast<double>(memory.span().size());
}

/// Every position is drawn: from masks to data at once.
template <class Guidance>
void draw(benchmark::State& state, Guidance guidance) {
  step(
      state,
      [&](int classes) {
        return sampler{process::absorbing<>(classes), solver::ancestral{}, guidance};
      },
      1);
}

/// Every position is proposed with its probability, and the surest one is committed.
void decode_step(benchmark::State& state, decode::proposal proposal) {
  step(
      state,
      [&](int classes) {
        solver::decode<decode::probability, decode::per_call> solver;
        solver.propose = proposal;
        return sampler{process::absorbing<>(classes), solver, guidance::none{}};
      },
      2);
}

void softmax_and_draw(benchmark::State& state) {
  std::int64_t const rows = state.range(0), classes = state.range(1);
  auto const logits = bench::random_values<float>(rows * classes, 1);
  std::vector<float> p(logits.size());
  std::vector<std::int32_t> x(static_cast<std::size_t>(rows));
  for (auto _ : state) {
    two.for_each_sample(rows, [&](std::int64_t r) {
      float const* const l = logits.data() + r * classes;
      float* const q = p.data() + r * classes;
      float top = l[0], sum = 0.0f;
      for (std::int64_t k = 1; k < classes; ++k) top = std::max(top, l[k]);
      for (std::int64_t k = 0; k < classes; ++k) sum += q[k] = std::exp(l[k] - top);
      double left = 0.5 * static_cast<double>(sum);
      std::int64_t k = 0;
      for (; k + 1 < classes && (left -= static_cast<double>(q[k])) >= 0.0;) ++k;
      x[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(k);
    });
    benchmark::DoNotOptimize(x.data());
  }
}

void shapes(benchmark::internal::Benchmark* b) {
  for (std::int64_t const classes : {50257, 126464}) {
    for (std::int64_t const rows : {1, 32, 256}) b->Args({rows, classes});
  }
  b->Args({65536, 27});
}

}  // namespace

BENCHMARK_CAPTURE(draw, none, guidance::none{})
    ->Name("token/absorbing-ancestral-none/fp32")
    ->Apply(shapes)
    ->UseManualTime();
BENCHMARK_CAPTURE(draw, cfg, guidance::cfg{2.0})
    ->Name("token/absorbing-ancestral-cfg/fp32")
    ->Apply(shapes)
    ->UseManualTime();
BENCHMARK_CAPTURE(decode_step, drawn, decode::proposal{.temperature = 1.0})
    ->Name("token/absorbing-decode-drawn/fp32")
    ->Apply(shapes)
    ->UseManualTime();
BENCHMARK_CAPTURE(decode_step, greedy, decode::proposal{.temperature = 0.0})
    ->Name("token/absorbing-decode-greedy/fp32")
    ->Apply(shapes)
    ->UseManualTime();
BENCHMARK_CAPTURE(decode_step, top_k, decode::proposal{.temperature = 1.0, .top_k = 50})
    ->Name("token/absorbing-decode-top_k/fp32")
    ->Apply(shapes)
    ->UseManualTime();
BENCHMARK_CAPTURE(decode_step, top_p, decode::proposal{.temperature = 1.0, .top_p = 0.9})
    ->Name("token/absorbing-decode-top_p/fp32")
    ->Apply(shapes)
    ->UseManualTime();
BENCHMARK(softmax_and_draw)->Name("token/peer/softmax_and_draw/fp32")->Apply(shapes)->UseRealTime();

BENCHMARK_MAIN();
