// Guidance by a classifier's gradient: the exact one makes the conditional network, whatever it
// predicts.

#include <diffx/denoiser/classifier_guided.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/score.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/ve.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/solver/ddpm.hpp>

#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;

/// x0 ~ 0.3 N(1, 0.2) + 0.7 N(-1, 0.5); y = 1 is the first part.
struct two_parts {
  double share[2]{0.7, 0.3}, mean[2]{-1.0, 1.0}, variance[2]{0.5, 0.2};

  double x0_given(int y, double x, level const& at) const {
    double const v = variance[y] * at.alpha * at.alpha + at.sigma * at.sigma;
    return mean[y] + variance[y] * at.alpha / v * (x - at.alpha * mean[y]);
  }
  /// p(y = 1 | x_t).
  double posterior(double x, level const& at) const {
    double w[2];
    for (int y = 0; y < 2; ++y) {
      double const v = variance[y] * at.alpha * at.alpha + at.sigma * at.sigma;
      double const off = x - at.alpha * mean[y];
      w[y] = share[y] * std::exp(-0.5 * off * off / v) / std::sqrt(v);
    }
    return w[1] / (w[0] + w[1]);
  }
  double x0(double x, level const& at) const {
    double const p = posterior(x, at);
    return p * x0_given(1, x, at) + (1.0 - p) * x0_given(0, x, at);
  }
  /// d/dx log p(y = 1 | x_t) = score given y - score.
  double gradient(double x, level const& at) const {
    return at.alpha / (at.sigma * at.sigma) * (x0_given(1, x, at) - x0(x, at));
  }
};

template <class Prediction>
auto network_of(Prediction prediction) {
  return denoiser::predicts<Prediction>([prediction](auto const&, batch_view<double const> x,
                                                     query const& q, batch_view<double> out) {
    auto const form = prediction.to(frame::x0, q.at);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      out.data[i] = (two_parts{}.x0(x.data[i], q.at) - form.state * x.data[i]) / form.output;
    }
  });
}

auto const add_gradient = [](auto const&, batch_view<double const> x, query const& q, double factor,
                             batch_view<double> out) {
  for (std::int64_t i = 0; i < x.size(); ++i) {
    out.data[i] += factor * two_parts{}.gradient(x.data[i], q.at);
  }
};

template <class Prediction>
void check_conditional(level const& at) {
  Prediction const prediction{};
  denoiser::classifier_guided const guided(network_of(prediction), add_gradient);
  denoiser::classifier_guided const free(network_of(prediction), add_gradient, 0.0);
  std::vector<double> const x{-2.0, -0.3, 0.0, 0.9, 1.7};
  std::vector<double> out(x.size());
  query q;
  q.at = at;
  batch_view<double const> const from{x.data(), 5, 1};
  batch_view<double> const to{out.data(), 5, 1};
  auto const form = prediction.to(frame::x0, at);
  guided(exec::host{}, from, q, to);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(form.state * x[i] + form.output * out[i] ==
          doctest::Approx(two_parts{}.x0_given(1, x[i], at)).epsilon(1e-10));
  }
  free(exec::host{}, from, q, to);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(form.state * x[i] + form.output * out[i] ==
          doctest::Approx(two_parts{}.x0(x[i], at)).epsilon(1e-10));
  }
}

TEST_CASE("classifier guidance: at scale 1 the network of the conditional law") {
  process::vp_discrete const vp(schedule::cosine(100));
  for (int const i : {3, 40, 90}) {
    check_conditional<prediction::eps>(vp.at_index(i));
    check_conditional<prediction::x0>(vp.at_index(i));
    check_conditional<prediction::v>(vp.at_index(i));
    check_conditional<prediction::score>(vp.at_index(i));
  }
  check_conditional<prediction::eps>(process::ve{}.at(0.4));
  CHECK_THROWS_WITH_AS(
      denoiser::classifier_guided(network_of(prediction::eps{}), add_gradient, HUGE_VAL),
      doctest::Contains("scale = inf"), error);
}

TEST_CASE("classifier guidance: rows of a label, sampled, n = 4e4") {
  denoiser::classifier_guided const guided(network_of(prediction::eps{}), add_gradient);
  sampler const s{process::vp_discrete(schedule::cosine(400)), solver::ddpm{}};
  constexpr std::int64_t n = 40'000;
  std::vector<double> x(n);
  s.sample(exec::threads{}, guided, grid::timesteps(s.process, grid::index::strided(400, 400)),
           batch_view<double>{x.data(), n, 1}, options<>{noise::counted{12}});
  double sum = 0.0, squares = 0.0;
  for (double const v : x) {
    sum += v;
    squares += (v - 1.0) * (v - 1.0);
  }
  CHECK(test::passes("mean", test::p_of_z(test::z_of_mean(sum / n, 1.0, 0.2, n))));
  // The small variance of 400 steps is a little under-dispersed.
  CHECK(squares / n == doctest::Approx(0.2).epsilon(0.05));
}

}  // namespace
