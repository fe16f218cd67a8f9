// The other solvers of classes on the device, as in classes_test.cu.

#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/defog.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/remdm.hpp>
#include <diffx/solver/tau_leaping.hpp>
#include <diffx/solver/tweedie.hpp>
#include <diffx/solver/xor_renoise.hpp>

#include "class_tables.cuh"
#include "device_networks.cuh"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

using diffx::prediction::concrete_score;
using diffx::prediction::x0_posterior;
using test::compare;
namespace solver = diffx::solver;

namespace {

constexpr diffx::schedule::log_linear floor_eps{1e-3};

template <class Solver>
void compare_packed(Solver const& solver) {
  constexpr std::int64_t batch = 64, bits = 70, words = 3;
  diffx::process::xor_packed const process(diffx::schedule::flip_quadratic(6, 0.01), bits);
  diffx::sampler const s{process, solver};
  auto const grid = diffx::grid::uniform_t(process, 6);
  std::vector<std::uint32_t> host(batch * words);
  s.sample(diffx::exec::host{}, test::logits_of_bits{}, grid,
           diffx::batch_view<std::uint32_t>{host.data(), batch, words, 0});
  auto const back =
      test::sampled_on_device<std::uint32_t>(s, test::logits_of_bits{}, grid, batch, words);
  int differ = 0;
  for (std::size_t i = 0; i < back.size(); ++i) differ += host[i] != back[i] ? 1 : 0;
  CHECK(differ <= 2);  // of 4480 bits; see test::compare
}

}  // namespace

TEST_CASE("host and device take the same jumps") {
  diffx::process::uniform<> const flat(5, floor_eps);
  diffx::process::absorbing<> const masks(9, 9, floor_eps);
  compare<concrete_score<>>(diffx::sampler{flat, solver::tweedie{}}, 5);
  compare<concrete_score<>>(diffx::sampler{masks, solver::tweedie{}}, 9);
  compare<x0_posterior<>>(diffx::sampler{flat, solver::euler_ctmc{}}, 5);
  compare<concrete_score<>>(diffx::sampler{flat, solver::tau_leaping{}}, 5);
  // Long rows, by teams.
  diffx::process::uniform<> const words(300, floor_eps);
  compare<concrete_score<>>(diffx::sampler{words, solver::tweedie{}}, 300);
  compare<concrete_score<>>(diffx::sampler{words, solver::tau_leaping{}}, 300);
  compare<x0_posterior<>>(diffx::sampler{words, solver::euler_ctmc{}}, 300);
  compare<x0_posterior<>>(diffx::sampler{flat, solver::discrete_flow_matching{0.5}}, 5);
  compare<x0_posterior<>>(diffx::sampler{flat, solver::defog{.eta = 1.0, .omega = 0.1}}, 5);
  compare<x0_posterior<>>(
      diffx::sampler{flat, solver::defog{.eta = 1.0}, diffx::guidance::d_cfg{2.0}}, 5);
}

TEST_CASE("host and device flip the same bits") {
  diffx::process::xor_bernoulli const flips(diffx::schedule::flip_quadratic(6, 0.01));
  compare<x0_posterior<>>(diffx::sampler{flips, solver::xor_renoise{}}, 2);
  compare<x0_posterior<>>(diffx::sampler{flips, solver::ancestral{}}, 2);
  compare_packed(solver::xor_renoise{});
  compare_packed(solver::ancestral{});
}

TEST_CASE("host and device mask, pick and draw the same again") {
  diffx::process::absorbing<> const masks(9);
  compare<x0_posterior<>>(diffx::sampler{masks, solver::remdm{solver::remask::cap{0.1}}}, 9);
  compare<x0_posterior<>>(diffx::sampler{masks, solver::remdm{solver::remask::confidence{}}}, 9);
  // Rows of a team, some of whose positions leave without a look at theirs.
  diffx::process::absorbing<> const words(300);
  compare<x0_posterior<>>(diffx::sampler{words, solver::remdm{solver::remask::cap{0.1}}}, 300);
  compare<x0_posterior<>>(diffx::sampler{words, solver::remdm{solver::remask::confidence{}}}, 300);
  for (int const classes : {5, 300}) {
    diffx::process::uniform<> const flat(classes);
    solver::ancestral const step;
    compare<x0_posterior<>>(
        diffx::sampler{flat, solver::predictor_corrector{step, solver::gibbs<>{2}}}, classes);
    compare<x0_posterior<>>(
        diffx::sampler{
            flat, solver::predictor_corrector{step, solver::gibbs<solver::pick::lowest_margin>{2}}},
        classes);
  }
}
