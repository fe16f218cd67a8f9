#include <diffx/process/gaussian.hpp>
#include <diffx/process/rectified_flow.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/schedule/linear.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include <array>
#include <cmath>
#include <doctest/doctest.h>
#include <numbers>

namespace process = diffx::process;
using diffx::level;

TEST_CASE("the posterior is Bayes' rule for normal laws, on any path") {
  // Precision weighting of q(x_c | x0) and q(x_n | x_c): an independent derivation.
  process::rectified_flow const flow;
  for (auto const& [noisier, cleaner] :
       {std::pair(flow.at(0.7), flow.at(0.3)), std::pair(test::vp(-1.0), test::vp(0.5)),
        std::pair(level::edm(5.0), level::edm(0.4))}) {
    auto const forward = process::renoise(cleaner, noisier);
    double const prior = 1.0 / (cleaner.sigma * cleaner.sigma);
    double const seen = forward.scale * forward.scale / (forward.std * forward.std);
    double const precision = prior + seen;
    auto const law = process::posterior(noisier, cleaner);
    CHECK(law.variance == doctest::Approx(1.0 / precision).epsilon(1e-12));
    CHECK(law.x0 == doctest::Approx(cleaner.alpha * prior / precision).epsilon(1e-12));
    CHECK(law.noisier ==
          doctest::Approx(forward.scale / (forward.std * forward.std) / precision).epsilon(1e-12));
    // Means and variances compose: averaging the posterior over x_n gives back q(x_c | x0).
    CHECK(law.x0 + law.noisier * noisier.alpha == doctest::Approx(cleaner.alpha).epsilon(1e-12));
    CHECK(law.variance + law.noisier * law.noisier * noisier.sigma * noisier.sigma ==
          doctest::Approx(cleaner.sigma * cleaner.sigma).epsilon(1e-12));
    CHECK(forward.scale * forward.scale * cleaner.sigma * cleaner.sigma +
              forward.std * forward.std ==
          doctest::Approx(noisier.sigma * noisier.sigma).epsilon(1e-12));
  }
}

TEST_CASE("on the discrete chain it is the posterior of DDPM") {
  process::vp_discrete const chain(diffx::schedule::linear());
  double const bar = chain.table().alpha_bar(500);
  double const before = chain.table().alpha_bar(499);
  double const beta = chain.table().beta(500);
  auto const law = process::posterior(chain.at_index(500), chain.at_index(499));
  CHECK(law.x0 == doctest::Approx(std::sqrt(before) * beta / (1.0 - bar)).epsilon(1e-11));
  CHECK(law.noisier ==
        doctest::Approx(std::sqrt(1.0 - beta) * (1.0 - before) / (1.0 - bar)).epsilon(1e-11));
  CHECK(law.variance == doctest::Approx((1.0 - before) / (1.0 - bar) * beta).epsilon(1e-11));
}

TEST_CASE("both ends are finite") {
  level const clean = test::clean();
  level const noise = test::pure_noise();
  level const middle = test::vp(0.3);
  auto const onto_data = process::posterior(middle, clean);
  CHECK(onto_data.x0 == 1.0);
  CHECK(onto_data.noisier == 0.0);
  CHECK(onto_data.variance == 0.0);
  auto const from_noise = process::posterior(noise, middle);
  CHECK(from_noise.x0 == middle.alpha);
  CHECK(from_noise.noisier == 0.0);
  CHECK(from_noise.variance == doctest::Approx(middle.sigma * middle.sigma));
  auto const whole = process::posterior(noise, clean);
  CHECK(whole.x0 == 1.0);
  CHECK(whole.variance == 0.0);
  auto const none = process::posterior(middle, middle);
  CHECK(none.noisier == 1.0);
  CHECK(none.variance == 0.0);
  auto const from_data = process::renoise(clean, middle);
  CHECK(from_data.scale == middle.alpha);
  CHECK(from_data.std == doctest::Approx(middle.sigma));
  auto const to_noise = process::renoise(middle, noise);
  CHECK(to_noise.scale == 0.0);
  CHECK(to_noise.std == 1.0);
}

TEST_CASE("levels in the wrong order are refused") {
  CHECK(!test::message_of([] { process::posterior(test::vp(1.0), test::vp(0.0)); }).empty());
  CHECK(!test::message_of([] { process::renoise(test::vp(0.0), test::vp(1.0)); }).empty());
  CHECK(!test::message_of([] { process::posterior(test::clean(), test::vp(0.0)); }).empty());
}

TEST_CASE("the prior is normal") {
  level const at = level::edm(3.0);
  CHECK(process::prior_std(at) == 3.0);
  CHECK(process::prior_std(at, 4.0) == 5.0);
  std::array<double, 3> const x{0.5, -1.0, 2.0};
  double want = 0.0;
  for (double const v : x) {
    want += std::log(std::exp(-v * v / 18.0) / (3.0 * std::sqrt(2.0 * std::numbers::pi)));
  }
  CHECK(process::prior_log_density(at, std::span<double const>(x)) == doctest::Approx(want));
  CHECK(test::says(test::message_of([&] { process::prior_std(at, -1.0); }),
                   "diffx::process::prior_std", "data_std", "-1", "at least 0"));
  CHECK(!test::message_of([] { process::prior_std(test::clean()); }).empty());
}
