#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/flow.hpp>
#include <diffx/prediction/interpolant.hpp>
#include <diffx/prediction/normalised.hpp>
#include <diffx/prediction/score.hpp>
#include <diffx/prediction/trig_flow.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/stochastic_interpolant.hpp>

#include "support/levels.hpp"
#include <cmath>
#include <doctest/doctest.h>

namespace prediction = diffx::prediction;
using diffx::frame;
using diffx::level;

namespace {

double constexpr x0 = 0.7;
double constexpr eps = -1.3;

double apply(diffx::linear_form form, double x, double p) {
  return form.state * x + form.output * p;
}

/// From the raw output, each frame must give what the state was made of.
template <class P>
void check(P const& p, level const& at, double raw) {
  double const x = at.alpha * x0 + at.sigma * eps;
  // The condition of x0 = (x - sigma eps) / alpha and of its fellows grows as the signal falls.
  double const size = 1e-12 * (1.0 + 1.0 / std::fmin(at.alpha, at.sigma));
  INFO(P::name << " at lambda " << at.lambda);
  CHECK(std::abs(apply(p.to(frame::x0, at), x, raw) - x0) < size);
  CHECK(std::abs(apply(p.to(frame::eps, at), x, raw) - eps) < size);
  CHECK(std::abs(apply(p.to(frame::flow, at), x, raw) - (eps - x0)) < size);
}

/// What a network of EDM would have to answer for this x0.
double edm_raw(prediction::edm const& p, level const& at) {
  double const s = at.sigma / at.alpha;
  double const d = p.sigma_data;
  double const r2 = s * s + d * d;
  double const out = (p.flipped ? -1.0 : 1.0) * s * d / std::sqrt(r2);
  return (x0 - d * d / r2 * (x0 + s * eps)) / out;
}

}  // namespace

static_assert(diffx::prediction_policy<prediction::interpolant<diffx::process::linear_path>>);
static_assert(diffx::prediction_policy<prediction::normalised<prediction::v>>);

TEST_CASE("every prediction gives back x0, eps and flow on its own paths") {
  for (double lambda = -6.0; lambda <= 6.0; lambda += 0.25) {
    level const vp = test::vp(lambda);
    level const flow = test::flow(1.0 / (1.0 + std::exp(lambda)));
    level const edm = level::edm(std::exp(-lambda));
    for (level const& at : {vp, flow, edm}) {
      check(prediction::eps{}, at, eps);
      check(prediction::x0{}, at, x0);
      check(prediction::score{}, at, -eps / at.sigma);
      check(prediction::edm{}, at, edm_raw({}, at));
      check(prediction::edm{0.5, true}, at, edm_raw({0.5, true}, at));
      check(prediction::edm{1.7, false}, at, edm_raw({1.7, false}, at));
      // Trained on variance-preserving inputs, sampled on any path.
      double const r = std::sqrt(at.alpha * at.alpha + at.sigma * at.sigma);
      check(prediction::normalised<prediction::eps>{}, at, eps);
      check(prediction::normalised<prediction::v>{}, at, (at.alpha * eps - at.sigma * x0) / r);
      check(prediction::normalised<prediction::x0>{}, at, x0);
      CHECK(prediction::normalised<prediction::v>{}.input_scale(at) ==
            doctest::Approx(1.0 / r).epsilon(1e-14));
    }
    check(prediction::v{}, vp, vp.alpha * eps - vp.sigma * x0);
    check(prediction::flow{}, flow, eps - x0);
    prediction::trig_flow const trig{0.5};
    check(trig, vp, (vp.alpha * eps - vp.sigma * x0) / trig.sigma_data);
  }
}

TEST_CASE("the interpolant's velocity is the derivative of its path") {
  using linear = diffx::process::linear_path;
  using trigonometric = diffx::process::trigonometric_path;
  diffx::process::stochastic_interpolant<linear> const straight;
  diffx::process::stochastic_interpolant<trigonometric> const round;
  for (double t = 0.01; t < 1.0; t += 0.01) {
    level const a = straight.at(t);
    check(prediction::interpolant<linear>{}, a, eps - x0);
    level const b = round.at(t);
    trigonometric const path;
    check(prediction::interpolant<trigonometric>{}, b,
          path.alpha_rate(t) * x0 + path.sigma_rate(t) * eps);
    double const e = 1e-6;
    CHECK(path.alpha_rate(t) ==
          doctest::Approx((path.alpha(t + e) - path.alpha(t - e)) / (2 * e)).epsilon(1e-7));
    CHECK(path.sigma_rate(t) ==
          doctest::Approx((path.sigma(t + e) - path.sigma(t - e)) / (2 * e)).epsilon(1e-7));
  }
}

TEST_CASE("a frame that is the output itself is passed on untouched") {
  level const at = test::vp(0.3);
  CHECK(prediction::x0{}.to(frame::x0, at).state == 0.0);
  CHECK(prediction::x0{}.to(frame::x0, at).output == 1.0);
  CHECK(prediction::eps{}.to(frame::eps, at).state == 0.0);
  CHECK(prediction::eps{}.to(frame::eps, at).output == 1.0);
  CHECK(prediction::flow{}.to(frame::flow, at).state == 0.0);
  CHECK(prediction::flow{}.to(frame::flow, at).output == 1.0);
}

TEST_CASE("without signal, v, x0, flow, TrigFlow and interpolants still know x0 and eps") {
  level const noise = test::pure_noise();  // alpha = 0, sigma = 1: x = eps
  CHECK(apply(prediction::v{}.to(frame::x0, noise), eps, -x0) == x0);
  CHECK(apply(prediction::v{}.to(frame::eps, noise), eps, -x0) == eps);
  CHECK(apply(prediction::x0{}.to(frame::eps, noise), eps, x0) == eps);
  CHECK(apply(prediction::flow{}.to(frame::x0, noise), eps, eps - x0) ==
        doctest::Approx(x0).epsilon(1e-14));
  CHECK(apply(prediction::trig_flow{1.0}.to(frame::x0, noise), eps, -x0) == x0);
  diffx::process::stochastic_interpolant<diffx::process::linear_path> const path;
  prediction::interpolant<diffx::process::linear_path> const u;
  CHECK(apply(u.to(frame::x0, path.at(1.0)), eps, eps - x0) == doctest::Approx(x0).epsilon(1e-14));
  CHECK(apply(u.to(frame::eps, path.at(0.0)), x0, eps - x0) == doctest::Approx(eps).epsilon(1e-14));
  CHECK(prediction::eps::needs_signal);
  CHECK(prediction::score::needs_signal);
  CHECK(!prediction::v::needs_signal);
}

TEST_CASE("input scales: EDM, TrigFlow and a network within another") {
  level const at = level::edm(2.0);
  CHECK(prediction::edm{0.5}.input_scale(at) == doctest::Approx(1.0 / std::sqrt(4.25)));
  CHECK(prediction::trig_flow{0.5}.input_scale(at) == 2.0);
  prediction::normalised<prediction::trig_flow> const both{{0.5}};
  CHECK(both.input_scale(at) == doctest::Approx(2.0 / std::sqrt(5.0)));
  CHECK(prediction::eps{}.input_scale(at) == 1.0);
}
