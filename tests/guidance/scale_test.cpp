// Scales that follow the step: their formulas, and what a run makes of them.

#include <diffx/guidance/cfg.hpp>

#include "../support/guidance_cases.hpp"
#include <doctest/doctest.h>
#include <numbers>

using namespace diffx;
namespace scale = guidance::scale;

namespace {

step at(int index, int count) {
  step s;
  s.index = index;
  s.count = count;
  return s;
}

/// The scale that a run applies on each step: with 0 for the condition and 1 for the null branch
/// the guided x0 is 1 - w.
template <class Scale>
std::vector<double> applied(Scale const& w, timetable const& grid) {
  std::vector<double> scales;
  for (int i = 0; i < grid.steps(); ++i) {
    auto const x0 = test::guided(guidance::cfg<Scale>{w}, {{}, {{0.0}, {1.0}}}, 1, grid, i);
    scales.push_back(1.0 - x0[0]);
  }
  return scales;
}

}  // namespace

TEST_CASE("scale schedules are their formulas in the fraction of steps done") {
  for (int const count : {2, 5, 9}) {
    for (int i = 0; i < count; ++i) {
      double const u = static_cast<double>(i) / (count - 1);
      step const s = at(i, count);
      CHECK(scale::constant{3.0}(s) == 3.0);
      CHECK(scale::linear{2.0, 7.0}(s) == doctest::Approx(2.0 + 5.0 * u));
      CHECK(scale::cosine{7.0, 5.0}(s) ==
            doctest::Approx(4.0 - 3.0 * std::cos(std::numbers::pi * u * u * u * u * u)));
      CHECK(scale::cosine{7.0, 1.0}(s) ==
            doctest::Approx(4.0 - 3.0 * std::cos(std::numbers::pi * u)));
      CHECK(scale::parabola{7.0}(s) == doctest::Approx(1.0 + 24.0 * u * (1.0 - u)));
    }
  }
  CHECK(scale::cosine{7.0}(at(0, 9)) == 1.0);
  CHECK(scale::parabola{7.0}(at(0, 9)) == 1.0);
  CHECK(scale::parabola{7.0}(at(4, 9)) == 7.0);
  CHECK(scale::parabola{7.0}(at(8, 9)) == 1.0);
  // One step is the last step.
  CHECK(scale::linear{2.0, 7.0}(at(0, 1)) == 7.0);
  CHECK(scale::cosine{7.0}(at(0, 1)) == 7.0);
}

TEST_CASE("a list gives one value per step and repeats its last") {
  std::vector<double> const values{3.0, 5.0, 2.0};
  scale::list const l{values};
  CHECK(l(at(0, 9)) == 3.0);
  CHECK(l(at(1, 9)) == 5.0);
  CHECK(l(at(2, 9)) == 2.0);
  CHECK(l(at(8, 9)) == 2.0);
  CHECK(scale::list{}(at(4, 9)) == 1.0);
}

TEST_CASE("an interval holds its upper end and not its lower one") {
  auto const sigma = [](double s) {
    step st;
    st.from = level::edm(s);
    return st;
  };
  scale::interval const w{3.0, 0.5, 4.0};
  CHECK(w(sigma(4.0)) == 3.0);
  CHECK(w(sigma(std::nextafter(4.0, 5.0))) == 1.0);
  CHECK(w(sigma(0.5)) == 1.0);
  CHECK(w(sigma(std::nextafter(0.5, 1.0))) == 3.0);
  CHECK(scale::interval<>{{3.0}}(sigma(1e-6)) == 3.0);  // by default everywhere
  // sigma / alpha, so that a path with alpha < 1 is guided at the same noise.
  step on_vp;
  on_vp.from = test::vp(-std::log(3.9));
  CHECK(w(on_vp) == 3.0);
  on_vp.from = test::vp(-std::log(4.1));
  CHECK(w(on_vp) == 1.0);
}

TEST_CASE("a run applies the scale of each of its steps, wherever it starts") {
  auto const grid = test::lambda_grid(5);
  auto const check = [&](auto const& w) {
    auto const scales = applied(w, grid);
    for (int i = 0; i < 5; ++i) {
      CHECK(scales[static_cast<std::size_t>(i)] == doctest::Approx(w(grid.step(i))));
    }
  };
  std::vector<double> const values{3.0, 5.0, 2.0, 4.0, 6.0};
  check(scale::linear{2.0, 7.0});
  check(scale::cosine{7.0, 2.0});
  check(scale::parabola{7.0});
  check(scale::list{values});
  check(scale::interval{scale::linear{2.0, 7.0}, 0.5, 4.0});
  check([](step const& s) { return s.from.alpha + 2.0; });  // any function of the step
}

TEST_CASE("outside its interval a branch costs no call") {
  // lambda = -3 + 0.6 i: sigma / alpha = e^-lambda is in (0.9, 5] for i = 3, 4, 5.
  auto const asked_of = [](auto const& guidance) {
    int calls = 0;
    test::wavy network;
    network.calls = &calls;
    std::vector<double> x(6);
    auto const r = sampler{test::vp_process{}, solver::ddim{}, guidance}.sample(
        exec::host{}, network, test::lambda_grid(10), batch_view<double>{x.data(), 2, 3});
    CHECK(r.nfe == calls);
    CHECK(r.evaluations == 10);
    return calls;
  };
  CHECK(asked_of(guidance::none{}) == 10);
  CHECK(asked_of(guidance::cfg{3.0}) == 20);
  CHECK(asked_of(guidance::cfg{1.0}) == 10);
  CHECK(asked_of(guidance::cfg{0.0}) == 10);
  CHECK(asked_of(guidance::cfg{scale::interval{3.0, 0.9, 5.0}}) == 13);

  for (int i = 0; i < 10; ++i) {
    std::vector<query> asked;
    auto const x0 = test::guided(guidance::cfg{scale::interval{3.0, 0.9, 5.0}},
                                 {{}, {{2.0}, {7.0}}, &asked}, 1, test::lambda_grid(10), i);
    bool const inside = i >= 3 && i <= 5;
    CHECK(asked.size() == (inside ? 2u : 1u));
    CHECK(asked[0].branch == 0);
    CHECK(x0[0] == (inside ? -8.0 : 2.0));
  }
}
