// Recipes of masks that come back, discrete flows and uniform noise: they run as their comments
// say.

#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/recipe/dfm.hpp>
#include <diffx/recipe/remdm.hpp>
#include <diffx/recipe/udlm.hpp>
#include <diffx/schedule/polynomial.hpp>

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
  process::absorbing<> const masks(3);
  CHECK(evaluations(recipe::remdm(masks), 12) == 12);
  CHECK(evaluations(recipe::remdm(masks, solver::remask::loop{}), 12) == 12);
  CHECK(evaluations(recipe::remdm(masks, solver::remask::confidence{}), 12) == 12);
  CHECK(evaluations(recipe::dfm(process::absorbing<schedule::polynomial>(3, 3, {2.0}), 1.0), 9) ==
        9);
  process::uniform<> const noise(3);
  CHECK(evaluations(recipe::dfm(noise), 9) == 9);
  CHECK(evaluations(recipe::udlm(noise), 5) == 5);
  CHECK(evaluations(recipe::udlm_corrected(noise, 20), solver::corrected_run::of(20, 1).steps) ==
        20);
  CHECK(evaluations(recipe::udlm_corrected<solver::pick::at_random>(noise, 21, 3, 2),
                    solver::corrected_run::of(21, 3).steps) == 21);
}

}  // namespace
