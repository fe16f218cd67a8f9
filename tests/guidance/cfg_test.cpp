// Classifier-free guidance and the absence of guidance. This file counts the program's allocations.

#include <diffx/denoiser/branched.hpp>
#include <diffx/denoiser/gaussian.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/allocations.hpp"
#include "../support/expect.hpp"
#include "../support/guidance_cases.hpp"
#include "../support/policy_checks.hpp"

using namespace diffx;

namespace {

std::vector<double> const condition{2, 7, 13, 19, 29, 37}, null{3, 11, 17, 23, 31, 41};

/// The wavy network's x0 in the terms of another prediction type.
template <class Prediction>
struct as {
  static constexpr int branches = test::wavy::branches;
  Prediction prediction{};

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    test::wavy{}(exec, x, q, out);
    auto const from = prediction::eps{}.to(frame::x0, q.at), to = prediction.to(frame::x0, q.at);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      double const x0 = from.state * x.data[i] + from.output * out.data[i];
      out.data[i] = static_cast<T>((x0 - to.state * x.data[i]) / to.output);
    }
  }
};

/// Final over first state of the guided flow of two centred laws from sigma = 80 to 0.01.
template <class Guidance>
double growth(Guidance const& guidance, int steps, double condition_sd, double null_sd) {
  std::vector<level> levels;
  for (int i = 0; i <= steps; ++i) {
    levels.push_back(level::edm(80.0 * std::pow(0.01 / 80.0, static_cast<double>(i) / steps)));
  }
  denoiser::branched const both(denoiser::gaussian(0.0, condition_sd),
                                denoiser::gaussian(0.0, null_sd));
  double x = 1.0;
  options<> given;
  given.start = start::given;
  sampler{process::edm{}, solver::heun{}, guidance}.sample(exec::host{}, both, timetable(levels),
                                                           batch_view<double>{&x, 1, 1}, given);
  return x;
}

}  // namespace

TEST_CASE("classifier-free guidance is its algebra, at its cost") {
  test::holds(test::guidance_algebra([](double w) { return guidance::cfg{w}; }));
  test::holds(test::guidance_algebra([](double w) {
    return guidance::cfg{guidance::scale::linear{w, w}};
  }));
}

TEST_CASE("every element is p_null + w (p_cond - p_null), from branches 0 and 1 alone") {
  for (double const w : {-1.0, 0.5, 3.0, 7.5}) {
    std::vector<query> asked;
    auto const x0 = test::guided(guidance::cfg{w}, {{}, {condition, null}, &asked}, 2);
    for (std::size_t i = 0; i < x0.size(); ++i) {
      // Two products and their sum: each rounds once.
      double const size = std::fabs(w) * condition[i] + std::fabs(1.0 - w) * null[i];
      CHECK(std::fabs(x0[i] - (null[i] + w * (condition[i] - null[i]))) <= 4e-16 * size);
    }
    REQUIRE(asked.size() == 2);
    CHECK(asked[0].branch == 0);
    CHECK(asked[1].branch == 1);
    CHECK(asked[0].at.t == asked[1].at.t);
  }
}

TEST_CASE("a neutral scale asks one branch and gives its bits; so does no guidance") {
  auto const one = [](auto const& guidance, int branch, std::vector<double> const& expected) {
    std::vector<query> asked;
    CHECK(test::guided(guidance, {{}, {condition, null}, &asked}, 2) == expected);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].branch == branch);
  };
  one(guidance::cfg{1.0}, 0, condition);
  one(guidance::cfg{0.0}, 1, null);
  one(guidance::cfg<>{}, 0, condition);
  one(guidance::none{}, 0, condition);

  auto const sample = [](auto const& guidance) {
    std::vector<float> x(14 * 37);
    sampler{test::vp_process{}, solver::ddim{.eta = 1.0}, guidance}.sample(
        exec::host{}, test::wavy{}, test::lambda_grid(9), batch_view<float>{x.data(), 14, 37});
    return x;
  };
  auto const conditional = sample(guidance::none{});
  CHECK(test::same_bits(conditional, sample(guidance::cfg{1.0})));
  CHECK_FALSE(test::same_bits(conditional, sample(guidance::cfg{0.0})));
}

TEST_CASE("golden cases of classifier-free guidance") {
  int compared = 0;
  for (auto const& c : test::guidance_cases("guider")) {
    if (c.at("params").contains("guidance_rescale")) continue;
    test::for_each_guided_step(
        c, [](auto scale) { return guidance::cfg{scale}; },
        [&](auto const& got, auto const& want, int calls, int branches) {
          ++compared;
          CHECK(test::distance(got, want) <= 1e-9 * test::largest(want));
          CHECK(calls == branches);
        });
  }
  CHECK(compared == 10);
}

TEST_CASE("a guided sample does not depend on what the network predicts") {
  auto const sample = [](auto const& network) {
    std::vector<double> x(12);
    sampler{test::vp_process{}, solver::ddim{.eta = 1.0}, guidance::cfg{3.0}}.sample(
        exec::host{}, network, test::lambda_grid(8), batch_view<double>{x.data(), 3, 4});
    return x;
  };
  auto const eps = sample(test::wavy{});
  // A conversion loses 1 / alpha = 20 at the noisy end, and w = 3 takes a difference.
  CHECK(test::distance(eps, sample(as<prediction::x0>{})) <= 1e-12 * test::largest(eps));
  CHECK(test::distance(eps, sample(as<prediction::v>{})) <= 1e-12 * test::largest(eps));
}

TEST_CASE("the guided flow multiplies the flows of its branches, not their densities") {
  // d log x / d sigma = sigma sum_i w_i / (v_i + sigma^2), so variances end as prod v_i^w_i = 1/4
  // where the density p_cond^2 / p_null would have 1 / (2 - 1/4).
  auto const exact = [](double w, double from, double to) {
    auto const flow = [&](double v) { return std::sqrt((v + to * to) / (v + from * from)); };
    return std::pow(flow(1.0), w) * std::pow(flow(4.0), 1.0 - w);
  };
  auto const converges = [](auto const& guidance, double expected) {
    double const coarse = std::fabs(growth(guidance, 128, 1.0, 2.0) / expected - 1.0),
                 fine = std::fabs(growth(guidance, 256, 1.0, 2.0) / expected - 1.0);
    CHECK(fine < 5e-3);
    CHECK(coarse / fine == doctest::Approx(4.0).epsilon(0.2));  // Heun's second order
    return std::pow(80.0 * growth(guidance, 256, 1.0, 2.0), 2);
  };
  double const variance = converges(guidance::cfg{2.0}, exact(2.0, 80.0, 0.01));
  CHECK(variance == doctest::Approx(0.25).epsilon(0.02));
  CHECK(variance < 0.5 * 4.0 / 7.0);

  // An interval whose ends are levels of both grids: a product of three flows.
  double const high = 80.0 * std::pow(0.01 / 80.0, 0.25), low = 80.0 * std::pow(0.01 / 80.0, 0.75);
  converges(guidance::cfg{guidance::scale::interval{2.0, low * 1.0001, high * 1.0001}},
            exact(1.0, 80.0, high) * exact(2.0, high, low) * exact(1.0, low, 0.01));
}

TEST_CASE("a scale that is not finite is refused before the first call") {
  for (double const w : {double(NAN), HUGE_VAL, -HUGE_VAL}) {
    std::vector<query> asked;
    CHECK_THROWS_WITH_AS(test::guided(guidance::cfg{w}, {{}, {condition, null}, &asked}),
                         doctest::Contains("diffx::guidance::cfg: guidance_scale = "), error);
    CHECK(asked.empty());
  }
}
