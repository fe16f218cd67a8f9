// prediction::concrete_score: what it is made of, the way to a cavity and back, the scaled output
// of a network, and the exact denoiser's scores.

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
using numbers = std::vector<double>;
using score = prediction::concrete_score<double>;

TEST_CASE("scaled log-scores: the factor of the total noise, for small and large") {
  for (double const noise : {1e-12, 1e-4, 0.3, 5.0, 29.0, 31.0, 800.0}) {
    double const got = prediction::scaled_log_score(0.25, noise, 5);
    // log(e^x - 1) = x + log(1 - e^-x), in whichever form keeps its digits.
    double const factor = noise < 1.0 ? std::log(noise) + std::log(std::expm1(noise) / noise)
                                      : noise + std::log(-std::expm1(-noise));
    CHECK(got == doctest::Approx(0.25 - factor - std::log(4.0)).epsilon(1e-14));
  }
}

TEST_CASE("scaled log-scores: a network that gives log p is one of scores under absorbing noise") {
  // s_y = alpha / (1 - alpha) p_y = p_y / (e^noise - 1); the log of states - 1 is the network's.
  process::absorbing<> const p(3);
  level const t = p.at(0.4);
  numbers const law{0.2, 0.5, 0.3, 0.0};
  auto const s = analysis::score_of_cavity(p, t, 3, law);
  for (std::size_t k = 0; k < 3; ++k) {
    double const output = std::log(law[k]) + std::log(3.0);
    CHECK(std::log(s[k]) ==
          doctest::Approx(prediction::scaled_log_score(output, -std::log(t.alpha), 4))
              .epsilon(1e-13));
  }
  CHECK(s[3] == 1.0);
}

/// Ratios of probabilities of whole noised states, added up over the data.
template <class Process>
void check_table(Process const& p) {
  numbers const weights{5, 1, 2, 0.5, 3, 1, 2, 0.1, 4};
  denoiser::joint_table const table(p, 3, 2, weights, score{});
  int const states = analysis::state_count(p), width = p.limit().classes;
  query q;
  q.at = p.at(0.35);
  auto const forward = analysis::transition(p, {}, q.at);
  auto const n = static_cast<std::size_t>(states);
  auto const probability = [&](std::size_t a, std::size_t b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < 9; ++i) {
      sum += weights[i] * forward[i / 3 * n + a] * forward[i % 3 * n + b];
    }
    return sum;
  };
  for (int a = 0; a < states; ++a) {
    for (int b = 0; b < states; ++b) {
      std::int32_t const x[2] = {a, b};
      numbers out(2 * static_cast<std::size_t>(width));
      table(exec::host{}, batch_view<std::int32_t const>{x, 1, 2}, q,
            batch_view<double>{out.data(), 1, 2 * width});
      auto const i = static_cast<std::size_t>(a), j = static_cast<std::size_t>(b);
      for (std::size_t y = 0; y < static_cast<std::size_t>(width); ++y) {
        CHECK(std::exp(out[y]) ==
              doctest::Approx(probability(y, j) / probability(i, j)).epsilon(1e-13));
        CHECK(std::exp(out[static_cast<std::size_t>(width) + y]) ==
              doctest::Approx(probability(i, y) / probability(i, j)).epsilon(1e-13));
      }
    }
  }
}

TEST_CASE("concrete scores of the exact denoiser are ratios of probabilities of states") {
  check_table(process::uniform<>(3));
  check_table(process::marginal<>({0.5, 0.3, 0.2}));
  check_table(process::absorbing<>(3));
}

TEST_CASE("scores, cavities and posteriors: there and back") {
  numbers const cavity{0.2, 0.5, 0.3};
  auto const check = [&](auto const& p) {
    for (double const time : {1e-3, 0.4, 0.9}) {
      level const t = p.at(time);
      for (int now = 0; now < 3; ++now) {
        auto const s = analysis::score_of_cavity(p, t, now, cavity);
        CHECK(s[static_cast<std::size_t>(now)] == 1.0);
        auto const back = analysis::cavity_of_score(p, t, s);
        auto const law = analysis::posterior_of_cavity(p, t, now, cavity);
        auto const again = analysis::cavity_of_posterior(p, t, now, law);
        for (std::size_t k = 0; k < 3; ++k) {
          // A difference of numbers near 1 over alpha.
          CHECK(std::fabs(back[k] - cavity[k]) < 1e-14 / t.alpha);
          CHECK(std::fabs(again[k] - cavity[k]) < 1e-14);
        }
      }
    }
  };
  check(process::uniform<>(3));
  check(process::marginal<>({0.5, 0.3, 0.2}));
}

TEST_CASE("scores that are none leave a class nothing, and not less") {
  process::uniform<> const p(3);
  auto const c = analysis::cavity_of_score(p, p.at(0.5), numbers{1.0, 0.01, 5.0});
  CHECK(c[1] == 0.0);
  CHECK(c[0] + c[2] == doctest::Approx(1.0).epsilon(1e-15));
}

}  // namespace
