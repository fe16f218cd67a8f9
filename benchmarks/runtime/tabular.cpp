// A reverse step of mixed rows: six numbers and eight columns of classes, on one clock, as TabDDPM
// has them. The limit is a copy, on the same threads in the same process, of the bytes that a step
// has to read and write.

#include <diffx/grid/index.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/recipe/tabddpm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/product.hpp>

#include "support.hpp"
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <vector>

using namespace diffx;

namespace {

exec::threads const two(2);

constexpr std::int64_t numbers = 6, columns = 8;

/// The published composition, with the classes of each column.
struct own_classes {
  static constexpr std::int64_t logits = 112;  // of a row
  static auto composed() { return recipe::tabddpm({2, 2, 3, 5, 8, 15, 27, 50}); }
};

/// One block of as many classes each.
struct equal_classes {
  static constexpr std::int64_t logits = columns * 14;
  static auto composed() {
    return sampler{process::product{std::tuple{process::vp_discrete(schedule::cosine()),
                                               process::uniform<>(14)}},
                   solver::product{std::tuple{solver::ddpm_large{}, solver::ancestral{}}}};
  }
};

using no_op = bench::no_op<1, prediction::product<prediction::eps, prediction::x0_cavity<>>>;

template <class Table>
void step_back(benchmark::State& state) {
  std::int64_t const rows = state.range(0);
  auto const s = Table::composed();
  timetable const grid =
      grid::timesteps(std::get<0>(s.process.parts), grid::index::strided(1000, 10));
  std::vector<float> z(static_cast<std::size_t>(rows * numbers));
  std::vector<std::int32_t> c(static_cast<std::size_t>(rows * columns));
  std::tuple const x{batch_view<float>{z.data(), rows, numbers},
                     batch_view<std::int32_t>{c.data(), rows, columns}};
  no_op const network;
  detail::workspace const memory(s.workspace_size(two, network, x));
  auto const outputs = bench::random_values<float>(
      static_cast<std::int64_t>(memory.span().size() / sizeof(float)), 1);
  std::memcpy(memory.span().data(), outputs.data(), outputs.size() * sizeof(float));
  auto const [total, best] = bench::time_steps(state, [&](std::uint64_t seed) {
    return s.start(two, network, grid, x, memory.span(), options{noise::counted{seed}});
  });
  if (std::all_of(c.begin(), c.end(), [](auto code) { return code == 0; })) {
    state.SkipWithError("no position got a class");
    return;
  }
  double const mean = total / static_cast<double>(state.iterations());
  double const bytes =
      static_cast<double>(rows * (numbers * 12 + columns * 8 +
                                  Table::logits * static_cast<std::int64_t>(sizeof(float))));
  double const limit = bytes / bench::copy_bandwidth(two, static_cast<std::int64_t>(bytes) / 2);
  state.counters["bytes_floor"] = bytes;
  state.counters["limit_ratio"] = limit / mean;
  state.counters["limit_ratio_best"] = limit / best;
  state.counters["ns_per_row"] = 1e9 * mean / static_cast<double>(rows);
}

}  // namespace

BENCHMARK_TEMPLATE(step_back, own_classes)
    ->Name("tabular/step/own")
    ->Arg(4096)
    ->Arg(65536)
    ->UseManualTime();
BENCHMARK_TEMPLATE(step_back, equal_classes)
    ->Name("tabular/step/equal")
    ->Arg(4096)
    ->Arg(65536)
    ->UseManualTime();

BENCHMARK_MAIN();
