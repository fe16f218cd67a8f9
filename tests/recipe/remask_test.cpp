// Recipes of masks that come back, discrete flows and uniform noise: they run as their comments say.

#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/recipe/dfm.hpp>
#include <diffx/recipe/remdm.hpp>
#include <diffx/recipe/udlm.hpp>

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;

/// Evaluations of a run that must end with data.
template <class Sampler>
int evaluations(Sampler const& s, int steps) {
  denoiser::joint_table const d(s.process, 3, 2, std::vector<double>{5, 1, 1, 1, 5, 1, 1, 1, 5});
  std::vector<std::int32_t> x(100 * 2);
  auto const r = s.sample(exec::host{}, d, grid::uniform_t(s.process, steps),
                          batch_view<std::int32_t>{x.data(), 100, 2});
  CHECK(std::all_of(x.begin(), x.end(), [](int k) { return k >= 0 && k < 3; }));
  return r.evaluations;
}

TEST_CASE("recipes of remasking, flows and uniform noise") {
  CHECK(evaluations(recipe::remdm<>{process::absorbing<>(3)}, 12) == 12);
  CHECK(evaluations(recipe::remdm<solver::remask::loop>{process::absorbing<>(3)}, 12) == 12);
  CHECK(evaluations(recipe::remdm<solver::remask::confidence>{process::absorbing<>(3)}, 12) == 12);
  CHECK(evaluations(recipe::dfm{process::absorbing<schedule::polynomial>(3, 3, {2.0}), {.c = 1.0}},
                    9) == 9);
  CHECK(evaluations(recipe::dfm_uniform{process::uniform<schedule::polynomial>(3)}, 9) == 9);
  CHECK(evaluations(recipe::udlm<>{process::uniform<>(3)}, 5) == 5);
  auto const r = solver::corrected_run::of(20, 1);
  recipe::udlm_corrected<> const s{process::uniform<>(3), {{}, {}, 1, r.corrected_steps}};
  CHECK(evaluations(s, r.steps) == 20);
}

}  // namespace
