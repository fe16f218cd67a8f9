// The cache that repeats a prediction, and the absence of one. This file counts the program's
// allocations.

#include <diffx/cache/every_n.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/allocations.hpp"
#include "../support/expect.hpp"
#include "../support/policy_checks.hpp"
#include "../support/remembering.hpp"

using namespace diffx;

namespace {

/// The steps on which a run calls the network, one entry per call.
template <class Sampler>
std::vector<int> steps_called(Sampler const& s, int steps, int first = 0) {
  std::vector<int> called;
  auto const network = denoiser::predicts<prediction::eps, 2>(
      [&](auto const&, batch_view<double const> x, query const& q, batch_view<double> out) {
        called.push_back(q.step);
        for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = x.data[i];
      });
  std::vector<double> x(3);
  options<> o;
  o.first_step = first;
  auto const r = s.sample(exec::host{}, network, test::lambda_grid(steps),
                          batch_view<double>{x.data(), 1, 3}, o);
  CHECK(r.nfe == static_cast<int>(called.size()));
  return called;
}

test::vp_process const path;

}  // namespace

TEST_CASE("the cache calls on every N-th step of a run and repeats in between") {
  test::holds(test::cache_schedule(cache::none{}, 1, 1));
  test::holds(test::cache_schedule(cache::every_n<1>{}, 1, 1));
  test::holds(test::cache_schedule(cache::every_n<2>{}, 2, 0));
  test::holds(test::cache_schedule(cache::every_n<3>{}, 3, 0));
}

TEST_CASE("S steps cost ceil(S / N) evaluations of every branch") {
  auto const count = [](auto cache, int period) {
    for (int steps = 1; steps <= 9; ++steps) {
      for (int first = 0; first < steps; first += 2) {
        int const evaluations = (steps - first + period - 1) / period;
        sampler const plain{path, solver::ddim{}, guidance::none{}, cache};
        CHECK(static_cast<int>(steps_called(plain, steps, first).size()) == evaluations);
        sampler const guided{path, solver::ddim{}, guidance::cfg{3.0}, cache};
        CHECK(static_cast<int>(steps_called(guided, steps, first).size()) == 2 * evaluations);
      }
    }
  };
  count(cache::none{}, 1);
  count(cache::every_n<1>{}, 1);
  count(cache::every_n<2>{}, 2);
  count(cache::every_n<4>{}, 4);
  count(cache::every_n<20>{}, 20);
  // A branch that an interval leaves out is not called: steps 0, 3, 6, 9, of which 3 is guided.
  guidance::cfg const inside{guidance::scale::interval{3.0, 0.9, 6.0}};
  CHECK(steps_called(sampler{path, solver::ddim{}, inside, cache::every_n<3>{}}, 10) ==
        std::vector<int>{0, 3, 3, 6, 9});
}

TEST_CASE("a period of 1 is no cache, bit for bit") {
  auto const check = [](auto const& solver, auto const& guidance) {
    CHECK(test::same_bits(
        test::run_of(sampler{path, solver, guidance, cache::every_n<1>{}}, test::wavy{}, 9),
        test::run_of(sampler{path, solver, guidance}, test::wavy{}, 9)));
  };
  check(solver::ddim{.eta = 1.0}, guidance::none{});
  check(solver::dpmpp_2m{}, guidance::cfg{2.5});
  check(solver::dpmpp_2m_sde{}, guidance::rescale{guidance::cfg{2.5}, 0.7});
  check(solver::heun{}, guidance::none{});  // which no other period goes with
  CHECK(cache::every_n<1>::depth == 0);     // nor does it keep a tensor
}

TEST_CASE("a cached run is the run of a network that repeats itself, bit for bit") {
  // Noise is drawn and the state moves on every step, called or not.
  auto const check = [](auto const& solver, auto const& guidance) {
    for (int const first : {0, 2}) {
      auto const cached = test::run_of(sampler{path, solver, guidance, cache::every_n<3>{}},
                                       test::wavy{}, 10, first);
      auto const plain = sampler{path, solver, guidance};
      CHECK(test::same_bits(cached, test::remembered_run(plain, 3, 0, 10, first)));
      CHECK_FALSE(test::same_bits(cached, test::remembered_run(plain, 1, 0, 10, first)));
    }
  };
  check(solver::ddim{}, guidance::none{});
  check(solver::ddim{.eta = 1.0}, guidance::none{});
  check(solver::dpmpp_2m{}, guidance::none{});
  check(solver::dpmpp_2m_sde{}, guidance::cfg{2.5});
  check(solver::ddim{.eta = 1.0}, guidance::rescale{guidance::cfg{2.5}, 0.7});
}

TEST_CASE("the prediction kept is the guided one, with the scale of the step that called") {
  std::vector<double> const scales{2.0, 3.0, 5.0, 7.0, 1.5, 4.0},
      held{2.0, 2.0, 2.0, 7.0, 7.0, 7.0};
  auto const cached = sampler{path, solver::ddim{}, guidance::cfg{guidance::scale::list{scales}},
                              cache::every_n<3>{}};
  auto const plain = sampler{path, solver::ddim{}, guidance::cfg{guidance::scale::list{held}}};
  CHECK(
      test::same_bits(test::run_of(cached, test::wavy{}, 6), test::remembered_run(plain, 3, 0, 6)));
}

TEST_CASE("after renoise the schedule begins anew") {
  sampler const s{path, solver::ddim{}, guidance::none{}, cache::every_n<3>{}};
  auto const grid = test::lambda_grid(9);
  std::vector<int> called;
  auto const network = denoiser::predicts<prediction::eps>(
      [&](auto const&, batch_view<double const> x, query const& q, batch_view<double> out) {
        called.push_back(q.step);
        for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = x.data[i];
      });
  std::vector<double> x(3);
  batch_view<double> const v{x.data(), 1, 3};
  exec::host const host;
  detail::workspace const memory(s.workspace_size(host, network, v));
  auto r = s.start(host, network, grid, v, memory.span());
  for (int i = 0; i < 5; ++i) r.advance();
  r.renoise(4, 1);
  r.finish();
  CHECK(called == std::vector<int>{0, 3, 4, 7});
}
