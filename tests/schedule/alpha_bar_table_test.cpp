#include <diffx/schedule/alpha_bar_table.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/schedule/exponential.hpp>
#include <diffx/schedule/jascha.hpp>
#include <diffx/schedule/jsd.hpp>
#include <diffx/schedule/laplace.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/schedule/quadratic.hpp>
#include <diffx/schedule/scaled_linear.hpp>
#include <diffx/schedule/sigmoid.hpp>
#include <diffx/schedule/snr_shift.hpp>
#include <diffx/schedule/zero_terminal_snr.hpp>

#include "support/message.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <numbers>

namespace schedule = diffx::schedule;
using test::message_of;
using test::says;

namespace {

double relative(double got, double want) { return std::abs(got / want - 1.0); }

}  // namespace

TEST_CASE("alpha, sigma and lambda of a table agree with their definitions") {
  for (auto const& table :
       {schedule::linear(), schedule::scaled_linear(), schedule::cosine(), schedule::sigmoid(),
        schedule::quadratic(), schedule::exponential(), schedule::laplace(), schedule::jascha()}) {
    CHECK(table.size() == 1000);
    CHECK(!table.zero_terminal_snr());
    double bar = 1.0;
    for (int i = 0; i < table.size(); ++i) {
      bar *= 1.0 - table.beta(i);
      CHECK(relative(table.alpha_bar(i), bar) < 1e-11);
      CHECK(std::abs(table.alpha(i) * table.alpha(i) + table.sigma(i) * table.sigma(i) - 1.0) <
            1e-15);
      CHECK(relative(table.edm_sigma(i), table.sigma(i) / table.alpha(i)) < 1e-14);
      CHECK(std::abs(table.lambda(i) + std::log(table.edm_sigma(i))) < 1e-14);
    }
  }
}

TEST_CASE("published ends of the schedules") {
  CHECK(relative(schedule::linear().alpha_bar(999), 4.035829765375676e-05) < 1e-12);
  CHECK(relative(schedule::scaled_linear().edm_sigma(999), 14.614641229333635) < 1e-12);
  CHECK(relative(schedule::scaled_linear().alpha_bar(999), 0.004660098513077241) < 1e-12);
  CHECK(relative(schedule::sigmoid().beta(0), 0.00014920520081703202) < 1e-12);
  auto const quadratic = schedule::quadratic(1000);
  CHECK(relative(quadratic.beta(0), 1e-4) < 1e-12);
  CHECK(relative(quadratic.beta(999), 0.02) < 1e-12);
}

TEST_CASE("closed forms: jsd is linear, exponential is constant, cosine follows its function") {
  auto const jsd = schedule::jsd(100);
  for (int i = 0; i < 99; ++i) CHECK(relative(jsd.alpha_bar(i), 1.0 - (i + 1) / 100.0) < 1e-12);
  CHECK(jsd.zero_terminal_snr());
  CHECK(jsd.alpha_bar(99) == 0.0);
  CHECK(jsd.edm_sigma(99) == std::numeric_limits<double>::infinity());

  auto const exponential = schedule::exponential(1000, 12.0);
  for (int i : {0, 500, 999}) CHECK(relative(exponential.beta(i), -std::expm1(-0.012)) < 1e-12);

  auto const cosine = schedule::cosine(1000);
  auto const f = [](double u) {
    double const c = std::cos((u + 0.008) / 1.008 * 0.5 * std::numbers::pi);
    return c * c;
  };
  for (int i : {0, 10, 500, 900, 990}) {
    CHECK(relative(cosine.alpha_bar(i), f((i + 1) / 1000.0) / f(0.0)) < 1e-11);
  }
  CHECK(relative(cosine.beta(999), 0.999) < 1e-12);
}

TEST_CASE("1 - alpha_bar keeps its digits where beta is tiny") {
  auto const table = schedule::linear(1000, 1e-12, 1e-10);
  CHECK(relative(table.one_minus_alpha_bar(0), 1e-12) < 1e-14);
  CHECK(relative(table.edm_sigma(0), 1e-6) < 1e-11);
}

TEST_CASE("jascha: the first chain of diffusion models") {
  auto const table = schedule::jascha(1000, 1e-3);
  CHECK(relative(table.beta(1), 0.0010019889869960182) < 1e-12);
  CHECK(relative(table.alpha_bar(1), 0.9970000259799562) < 1e-12);
  CHECK(relative(1.0 - table.alpha_bar(999), 0.9990083877122817) < 1e-12);
}

TEST_CASE("laplace: the exact form is the logistic function of log SNR, the published its root") {
  auto const exact = schedule::laplace(1000);
  auto const published = schedule::laplace(1000, schedule::laplace_form::as_published);
  for (int i : {10, 300, 700, 900}) {
    CHECK(relative(exact.alpha_bar(i), published.alpha_bar(i) * published.alpha_bar(i)) < 1e-11);
  }
  CHECK(std::abs(exact.lambda(499)) < 1e-2);  // SNR 1 in the middle
}

TEST_CASE("zero terminal SNR moves sqrt(alpha_bar) affinely, keeping the first entry") {
  auto const table = schedule::scaled_linear();
  auto const zero = schedule::zero_terminal_snr(table);
  CHECK(zero.alpha_bar(0) == table.alpha_bar(0));
  CHECK(zero.alpha_bar(999) == 0.0);
  CHECK(zero.zero_terminal_snr());
  double const q0 = table.alpha(0);
  double const qt = table.alpha(999);
  for (int i : {1, 100, 500, 998}) {
    double const q = (table.alpha(i) - qt) * q0 / (q0 - qt);
    CHECK(relative(zero.alpha_bar(i), q * q) < 1e-10);
  }
  auto const ended = schedule::with_terminal_alpha_bar(zero);
  CHECK(relative(ended.alpha_bar(999), 0x1p-24) < 1e-14);
  CHECK(ended.alpha_bar(500) == zero.alpha_bar(500));
  // On the linear schedule the published 2^-24 lies above the entry before it.
  auto const linear = schedule::zero_terminal_snr(schedule::linear());
  CHECK(message_of([&] { schedule::with_terminal_alpha_bar(linear); }).find("log_alpha_bar[999]") !=
        std::string::npos);
}

TEST_CASE("snr_shift divides the SNR") {
  auto const table = schedule::scaled_linear();
  auto const shifted = schedule::snr_shift(table, 3.0);
  for (int i : {0, 1, 500, 999}) {
    CHECK(std::abs(shifted.lambda(i) - table.lambda(i) + 0.5 * std::log(3.0)) < 1e-12);
  }
}

TEST_CASE("bad arguments of schedules are named with value and range") {
  CHECK(says(message_of([] { schedule::linear(0); }), "diffx::schedule::linear",
             "num_train_timesteps", "0", "at least 1"));
  CHECK(says(message_of([] { schedule::linear(10, -1.0, 0.1); }),
             "diffx::schedule::alpha_bar_table", "beta[0]", "-1", "in (0, 1)"));
  CHECK(says(message_of([] { schedule::linear(10, std::nan(""), 0.1); }),
             "diffx::schedule::alpha_bar_table", "beta[0]", "nan", "in (0, 1)"));
  CHECK(message_of([] { schedule::scaled_linear(10, 0.5, 2.0); }).find("must be in (0, 1)") !=
        std::string::npos);
  CHECK(says(message_of([] { schedule::cosine(10, 1.5); }), "diffx::schedule::cosine", "max_beta",
             "1.5", "in (0, 1)"));
  CHECK(says(message_of([] { schedule::jsd(1); }), "diffx::schedule::jsd", "num_train_timesteps",
             "1", "at least 2"));
  CHECK(says(message_of([] { schedule::exponential(10, -1.0); }), "diffx::schedule::exponential",
             "rate", "-1", "positive and finite"));
  CHECK(says(message_of([] { schedule::laplace(10, schedule::laplace_form::exact, 0.0); }),
             "diffx::schedule::laplace", "scale", "0", "positive and finite"));
  CHECK(says(message_of([] { schedule::jascha(10, 0.7); }), "diffx::schedule::jascha", "step1_beta",
             "0.7", "in [0, 0.5)"));
  CHECK(says(message_of([] { schedule::snr_shift(schedule::linear(), 0.0); }),
             "diffx::schedule::snr_shift", "scale", "0", "positive and finite"));
  CHECK(!message_of([] { schedule::alpha_bar_table::from_betas({}); }).empty());
  CHECK(!message_of([] { schedule::alpha_bar_table({-0.1, -0.1}); }).empty());
  CHECK(!message_of([] { schedule::zero_terminal_snr(schedule::linear(1)); }).empty());
}
