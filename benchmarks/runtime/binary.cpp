// Rows of bits: noise put on them, and the step back from a network's logits; one code a bit, and
// packed, 32 to a word. The limit is a copy, on the same threads in the same process, of the bytes
// that a pass has to read and write.

#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/xor_renoise.hpp>

#include "support.hpp"
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

using namespace diffx;

namespace {

exec::threads const two(2);

using network = bench::no_op<1, prediction::x0_posterior<>>;

schedule::flip_table flips() { return schedule::flip_linear(2, 0.05, 0.1); }

struct codes {
  using value_type = std::uint8_t;
  static constexpr double bytes = 1.0, logits = 2.0;  // of a bit
  static process::xor_bernoulli noise(std::int64_t) { return process::xor_bernoulli(flips()); }
  static std::int64_t width(std::int64_t bits) { return bits; }
};

struct packed {
  using value_type = std::uint32_t;
  static constexpr double bytes = 0.125, logits = 1.0;
  static process::xor_packed noise(std::int64_t bits) { return {flips(), bits}; }
  static std::int64_t width(std::int64_t bits) { return (bits + 31) / 32; }
};

template <class Layout, class Solver, class Time>
void measure(benchmark::State& state, Solver solver, double bytes_a_bit, Time time) {
  std::int64_t const rows = state.range(0), bits = state.range(1);
  using value = typename Layout::value_type;
  sampler const s{Layout::noise(bits), solver};
  auto const grid = grid::uniform_t(s.process, 2);
  std::int64_t const width = Layout::width(bits);
  std::vector<value> x(static_cast<std::size_t>(rows * width));
  batch_view<value> const v{x.data(), rows, width};
  detail::workspace const memory(s.workspace_size(two, network{}, v));
  auto const logits =
      bench::random_values<float>(static_cast<std::int64_t>(memory.span().size()) / 4, 1);
  std::memcpy(memory.span().data(), logits.data(), logits.size() * sizeof(float));
  double total = 0.0, best = 1e30;
  options<> o{noise::counted{0}};
  for (auto _ : state) {
    ++o.noise.seed;
    double const took = time(s, grid, v, memory.span(), o);
    state.SetIterationTime(took);
    total += took;
    best = std::min(best, took);
  }
  if (std::all_of(x.begin(), x.end(), [](value word) { return word == 0; })) {
    state.SkipWithError("no bit was set");
    return;
  }
  double const features = static_cast<double>(rows * bits), bytes = features * bytes_a_bit;
  double const mean = total / static_cast<double>(state.iterations());
  double const limit =
      bytes /
      bench::copy_bandwidth(two, std::max<std::int64_t>(static_cast<std::int64_t>(bytes) / 2, 1));
  state.counters["bytes_floor"] = bytes;
  state.counters["limit_ratio"] = limit / mean;
  state.counters["limit_ratio_best"] = limit / best;
  state.counters["ns_per_feature"] = 1e9 * mean / features;
}

/// A run that begins with clean bits and puts noise on them.
template <class Layout>
void add_noise(benchmark::State& state) {
  measure<Layout>(state, solver::ancestral{}, 2.0 * Layout::bytes,
                  [](auto const& s, auto const& grid, auto v, auto memory, options<> o) {
                    o.start = start::noised;
                    network const none;
                    auto const begin = bench::clock::now();
                    auto const run = s.start(two, none, grid, v, memory, o);
                    return bench::seconds_since(begin);
                  });
}

template <class Layout, class Solver>
void step_back(benchmark::State& state) {
  measure<Layout>(state, Solver{}, 2.0 * Layout::bytes + 4.0 * Layout::logits,
                  [](auto const& s, auto const& grid, auto v, auto memory, options<> const& o) {
                    network const none;
                    auto run = s.start(two, none, grid, v, memory, o);
                    auto const begin = bench::clock::now();
                    run.advance();
                    return bench::seconds_since(begin);
                  });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->Args({4096, 100})->Args({4096, 512})->Args({65536, 256})->UseManualTime();
}

}  // namespace

BENCHMARK_TEMPLATE(add_noise, codes)->Name("binary/xor/codes")->Apply(shapes);
BENCHMARK_TEMPLATE(add_noise, packed)->Name("binary/xor/packed")->Apply(shapes);
BENCHMARK_TEMPLATE(step_back, codes, solver::ancestral)
    ->Name("binary/step-ancestral/codes")
    ->Apply(shapes);
BENCHMARK_TEMPLATE(step_back, packed, solver::ancestral)
    ->Name("binary/step-ancestral/packed")
    ->Apply(shapes);
BENCHMARK_TEMPLATE(step_back, codes, solver::xor_renoise)
    ->Name("binary/step-xor_renoise/codes")
    ->Apply(shapes);
BENCHMARK_TEMPLATE(step_back, packed, solver::xor_renoise)
    ->Name("binary/step-xor_renoise/packed")
    ->Apply(shapes);

BENCHMARK_MAIN();
