// One step of each solver, alone: bytes that it must move against the bytes of a copy, both on the
// same threads in the same process. limit_ratio = floor time / time; 1 is the speed of memcpy.

#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/unipc.hpp>

#include "support.hpp"

using namespace diffx;

namespace {

exec::host const one{};
exec::threads const two(2);

/// Bytes per element of a step, from the composition: predictions, states and history read, state
/// and history written. Heun's two stages count together. What is measured over a sample first is
/// read twice.
template <class Sampler, class T>
double floor_bytes() {
  using S = typename Sampler::solver_type;
  using G = typename Sampler::guidance_type;
  constexpr int measured = G::reduction == guidance_reduction::rescale ? G::branches
                           : G::hook == x0_hook::dynamic               ? G::branches + 1
                                                                       : 0;
  if constexpr (S::max_evals == 2 && S::states == 2) {
    return static_cast<double>(sizeof(T)) * (2 * (G::branches + 2) + 1);  // 28 in float, one branch
  } else {
    return static_cast<double>(sizeof(T)) *
           (2 + G::branches + measured + S::history + (S::history > 0 ? 1 : 0));
  }
}

template <class T, class Sampler, class Exec>
void step_of(benchmark::State& state, Sampler const& s, Exec const& exec) {
  std::int64_t const batch = state.range(0), features = state.range(1), n = batch * features;
  // The middle steps of a long run: history is full, no edge rule applies. `counts` steps a sample.
  int const counts = static_cast<int>(std::clamp<std::int64_t>((1 << 22) / n, 4, 400));
  auto const grid = grid::uniform_lambda(s.process, counts + 8);
  auto x = bench::random_values<T>(n, 1);
  bench::no_op<2> const network;
  batch_view<T> const v{x.data(), batch, features};
  detail::workspace const memory(s.workspace_size(exec, network, v));
  auto const filler =
      bench::random_values<T>(static_cast<std::int64_t>(memory.span().size() / sizeof(T)), 2);
  std::memcpy(memory.span().data(), filler.data(), filler.size() * sizeof(T));
  auto const limit_before = bench::copy_bandwidth(exec, n * static_cast<std::int64_t>(sizeof(T)));
  double best = 1e30, total = 0.0;
  std::int64_t repeats = 0;
  for (auto _ : state) {
    auto run = s.start(exec, network, grid, v, memory.span());
    for (int i = 0; i < 4; ++i) run.advance();
    auto const begin = bench::clock::now();
    for (int i = 0; i < counts; ++i) run.advance();
    double const took = bench::seconds_since(begin) / counts;
    state.SetIterationTime(took);
    best = std::min(best, took);
    total += took;
    ++repeats;
  }
  auto const limit_after = bench::copy_bandwidth(exec, n * static_cast<std::int64_t>(sizeof(T)));
  double const bytes = floor_bytes<Sampler, T>() * static_cast<double>(n);
  double const limit = std::max(limit_before, limit_after);
  state.counters["bytes_floor"] = bytes;
  state.counters["limit_ratio"] = bytes / limit / (total / static_cast<double>(repeats));
  state.counters["limit_ratio_best"] = bytes / limit / best;
  state.counters["limit_drift"] = limit_after / limit_before;
  state.counters["workspace_B"] = static_cast<double>(memory.span().size());
}

template <class S, class G>
auto compose(S s, G g) {
  return sampler{process::vp<>{}, s, g};
}

// Sizes: the three shapes of the usual pipelines, 16 M elements, where memory decides, and, where
// it is asked for, 100 M.
template <class T, class S, class G, class Exec>
void add(char const* name, S s, G g, Exec const& exec, bool large = false) {
  auto* const b = benchmark::RegisterBenchmark(
      name, [=](benchmark::State& state) { step_of<T>(state, compose(s, g), exec); });
  b->Args({1, 16384})->Args({64, 3072})->Args({8, 65536})->Args({16, 1 << 20})->UseManualTime();
  if (large) b->Args({16, 6'250'000});
}

// What is measured over a sample costs by the row: short rows, too.
template <class G>
void add_measured(char const* name, G g) {
  auto* const b = benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
    step_of<float>(state, compose(solver::ddim{}, g), one);
  });
  b->Args({1000, 32})->Args({64, 784})->Args({64, 3072})->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  using guidance::cfg;
  using guidance::none;
  add<float>("step/vp-ddim-none/fp32/threads_1", solver::ddim{}, none{}, one);
  add<float>("step/vp-ddim-none/fp32/threads_2", solver::ddim{}, none{}, two);
  add<float>("step/vp-ddim-cfg/fp32/threads_2", solver::ddim{}, cfg{3.0}, two);
  add<float>("step/vp-ddim_eta1-none/fp32/threads_2", solver::ddim{.eta = 1.0}, none{}, two);
  add<float>("step/vp-dpmpp_2m-none/fp32/threads_1", solver::dpmpp_2m{}, none{}, one);
  add<float>("step/vp-dpmpp_2m-none/fp32/threads_2", solver::dpmpp_2m{}, none{}, two, true);
  add<float>("step/vp-dpmpp_2m-cfg/fp32/threads_2", solver::dpmpp_2m{}, cfg{3.0}, two);
  add<double>("step/vp-dpmpp_2m-cfg/fp64/threads_2", solver::dpmpp_2m{}, cfg{3.0}, two);
  add<float>("step/vp-dpmpp_2m_sde-none/fp32/threads_2", solver::dpmpp_2m_sde{}, none{}, two);
  add<float>("step/vp-dpmpp_2m_sde-cfg/fp32/threads_2", solver::dpmpp_2m_sde{}, cfg{3.0}, two);
  add<float>("step/vp-heun-none/fp32/threads_2", solver::heun{}, none{}, two);
  add<float>("step/vp-unipc_2-none/fp32/threads_2", solver::unipc<2>{}, none{}, two);
  add_measured("step/vp-ddim-cfg/fp32/threads_1", cfg{3.0});
  add_measured("step/vp-ddim-cfg_rescale/fp32/threads_1", guidance::rescale{cfg{3.0}, 0.7});
  add_measured("step/vp-ddim-none_threshold/fp32/threads_1",
               guidance::dynamic_threshold{none{}, 0.995, 1.0});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
