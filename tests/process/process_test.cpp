#include <diffx/process/edm.hpp>
#include <diffx/process/rectified_flow.hpp>
#include <diffx/process/stochastic_interpolant.hpp>
#include <diffx/process/sub_vp.hpp>
#include <diffx/process/ve.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/schedule/cosine_dsno.hpp>
#include <diffx/schedule/jsd.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/schedule/scaled_linear.hpp>
#include <diffx/schedule/sigma_power.hpp>
#include <diffx/schedule/vp_cosine.hpp>
#include <diffx/schedule/zero_terminal_snr.hpp>

#include "support/message.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <numbers>
#include <string>

namespace process = diffx::process;
namespace schedule = diffx::schedule;
using diffx::level;
using test::message_of;
using test::says;

namespace {

double constexpr inf = std::numeric_limits<double>::infinity();
double const not_a_number = std::nan("");

/// A path of the caller's own without a closed inverse.
struct cubic_path {
  static constexpr bool zero_terminal_snr = true;
  double alpha(double t) const { return 1.0 - t * t * t; }
  double sigma(double t) const { return t; }
  double alpha_rate(double t) const { return -3.0 * t * t; }
  double sigma_rate(double) const { return 1.0; }
};

template <class F>
void for_each_process(F f) {
  f(process::vp<>{}, "vp linear");
  f(process::vp<schedule::vp_cosine>{}, "vp cosine");
  f(process::vp<schedule::cosine_dsno>{}, "vp dsno");
  f(process::sub_vp<>{}, "sub_vp");
  f(process::ve{}, "ve");
  f(process::edm{}, "edm");
  f(process::edm_of<schedule::sigma_power>{}, "edm, power of time");
  f(process::rectified_flow{}, "rectified flow");
  f(process::stochastic_interpolant<process::linear_path>{}, "linear path");
  f(process::stochastic_interpolant<process::trigonometric_path>{}, "trigonometric path");
  f(process::stochastic_interpolant<cubic_path>{}, "cubic path");
  f(process::vp_discrete(schedule::linear()), "discrete linear");
  f(process::vp_discrete(schedule::cosine()), "discrete cosine");
  f(process::vp_discrete_zero_terminal(schedule::jsd()), "discrete jsd");
  f(process::vp_discrete_zero_terminal(schedule::zero_terminal_snr(schedule::scaled_linear())),
    "discrete zero terminal");
}

}  // namespace

TEST_CASE("lambda falls strictly, and alpha, sigma and lambda agree") {
  for_each_process([](auto const& p, char const* name) {
    INFO(std::string(name));
    double previous = inf;
    for (int i = 0; i <= 4000; ++i) {
      double const t = i / 4000.0;
      level const at = p.at(t);
      CHECK(at.t == doctest::Approx(t).epsilon(1e-12));
      CHECK((i == 0 ? at.lambda <= previous : at.lambda < previous));
      previous = at.lambda;
      CHECK(std::isfinite(at.timestep));
      if (at.sigma > 0.0 && at.alpha > 0.0) {
        double const direct = std::log(at.alpha) - std::log(at.sigma);
        CHECK(std::abs(at.lambda - direct) < 1e-9 * (1.0 + std::abs(direct)));
      }
    }
  });
}

TEST_CASE("at_lambda is the inverse of at") {
  for_each_process([](auto const& p, char const* name) {
    INFO(std::string(name));
    for (int i = 0; i <= 1000; ++i) {
      level const at = p.at(i / 1000.0);
      level const back = p.at_lambda(at.lambda);
      INFO(i);
      CHECK(std::abs(back.t - at.t) < 2e-12);
      CHECK(std::abs(back.alpha - at.alpha) < 1e-11);
      CHECK(std::abs(back.sigma - at.sigma) < 1e-10 * (1.0 + at.sigma));
      bool const same = back.lambda == at.lambda;  // also at the infinite ends
      CHECK((same || std::abs(back.lambda - at.lambda) < 1e-12 * (1.0 + std::abs(at.lambda))));
      CHECK(std::abs(back.timestep - at.timestep) < 1e-8 * (1.0 + std::abs(at.timestep)));
    }
  });
}

TEST_CASE("zero_terminal_snr says whether alpha(1) is 0") {
  for_each_process([](auto const& p, char const* name) {
    INFO(std::string(name));
    CHECK((p.at(1.0).alpha == 0.0) == p.zero_terminal_snr);
  });
}

TEST_CASE("time and lambda out of range or NaN are refused by name") {
  for_each_process([](auto const& p, char const* name) {
    INFO(std::string(name));
    for (double const t : {-0.1, 1.1, inf, not_a_number}) {
      std::string const message = message_of([&] { p.at(t); });
      CHECK(message.find("at: t = " + diffx::detail::text(t) + ", must be in [0, 1]") !=
            std::string::npos);
    }
    CHECK(message_of([&] { p.at_lambda(not_a_number); }).find("lambda = ") != std::string::npos);
    if (!p.zero_terminal_snr) {
      CHECK(message_of([&] { p.at_lambda(p.at(1.0).lambda - 1.0); }).find("lambda = ") !=
            std::string::npos);
    }
  });
}

TEST_CASE("closed forms of the continuous processes") {
  process::vp<> const vp;
  CHECK(std::abs(std::log(vp.at(1.0).alpha) + 0.25 * 19.9 + 0.05) < 1e-12);
  for (double const t : {0.01, 0.3, 0.9}) {
    double const e = 1e-5;
    double const slope = (vp.at(t + e).lambda - vp.at(t - e).lambda) / (2.0 * e);
    CHECK(vp.lambda_rate(t) == doctest::Approx(slope).epsilon(1e-5));
  }
  process::sub_vp<> const sub;
  CHECK(sub.at(0.5).sigma == doctest::Approx(1.0 - sub.at(0.5).alpha * sub.at(0.5).alpha));
  CHECK(sub.at(0.5).alpha == doctest::Approx(vp.at(0.5).alpha));
  process::ve const ve;
  CHECK(ve.at(0.5).sigma == doctest::Approx(std::sqrt(0.01 * 50.0)));
  CHECK(ve.at(0.0).sigma == 0.0);
  CHECK(ve.at(1.0).sigma == 50.0);
  CHECK(ve.at_lambda(-std::log(0.01)).t > 0.0);
  process::edm const edm;
  CHECK(message_of([&] { edm.at_lambda(-5.0); }).find(", inf]") != std::string::npos);
  CHECK(edm.at(0.25).sigma == 20.0);
  CHECK(edm.at(0.25).timestep == doctest::Approx(0.25 * std::log(20.0)));
  process::rectified_flow const flow;
  CHECK(flow.at(0.25).alpha == 0.75);
  CHECK(flow.at(0.25).timestep == 250.0);
  CHECK(flow.at(1.0).lambda == -inf);
  CHECK(flow.at_lambda(-inf).t == 1.0);
  CHECK(flow.at_lambda(inf).sigma == 0.0);
  process::vp<schedule::vp_cosine> const cosine;
  auto const f = [](double u) { return std::cos((u + 0.008) / 1.008 * 0.5 * std::numbers::pi); };
  CHECK(cosine.at(0.5).alpha == doctest::Approx(f(0.4973) / f(0.0)).epsilon(1e-12));
  CHECK(cosine.at(0.5).timestep == doctest::Approx(0.4973));
  process::vp<schedule::cosine_dsno> const dsno;
  CHECK(dsno.at(1.0).lambda == doctest::Approx(-10.0).epsilon(1e-9));
  CHECK(dsno.at(0.0).lambda == doctest::Approx(10.0).epsilon(1e-9));
  process::stochastic_interpolant<process::trigonometric_path> const trig;
  CHECK(trig.at(0.5).alpha == doctest::Approx(std::sqrt(0.5)));
  CHECK(trig.at(1.0).alpha == 0.0);
}

TEST_CASE("the discrete chain meets its table at every index, and data at t = 0") {
  auto const table = schedule::scaled_linear();
  process::vp_discrete const p(table);
  for (int i = 0; i < 1000; ++i) {
    level const at = p.at_index(i);
    CHECK(at.timestep == i);
    CHECK(std::abs(at.t - (i + 1) / 1000.0) < 1e-15);
    CHECK(at.lambda == table.lambda(i));
    CHECK(at.alpha == doctest::Approx(table.alpha(i)).epsilon(1e-14));
    CHECK(at.sigma == doctest::Approx(table.sigma(i)).epsilon(1e-13));
  }
  level const data = p.at(0.0);
  CHECK(data.alpha == 1.0);
  CHECK(data.sigma == 0.0);
  CHECK(data.lambda == inf);
  double const middle = std::sqrt(table.edm_sigma(499) * table.edm_sigma(500));
  CHECK(p.at_index(499.5).edm_sigma() == doctest::Approx(middle).epsilon(1e-13));
  CHECK(p.index_at_lambda(100.0, true) == 0.0);
  CHECK(p.index_at_lambda(-100.0, true) == 999.0);
  CHECK(says(message_of([&] { p.at_index(1000.0); }), "diffx::process::vp_discrete::at_index",
             "index", "1000", "in [-1, 999]"));
  CHECK(!message_of([] { process::vp_discrete{schedule::jsd()}; }).empty());
  CHECK(!message_of([] { process::vp_discrete_zero_terminal{schedule::linear()}; }).empty());
}

TEST_CASE("bad schedules are refused by the process that owns them") {
  CHECK(says(message_of([] {
               process::vp<>({-1.0, 20.0});
             }),
             "diffx::schedule::vp_linear", "beta_min", "-1", "at least 0 and finite"));
  CHECK(says(message_of([] {
               process::ve({0.0, 50.0});
             }),
             "diffx::schedule::ve_geometric", "sigma_min", "0", "positive and finite"));
  CHECK(says(message_of([] {
               process::edm({1.0, 0.5});
             }),
             "diffx::schedule::edm", "sigma_max", "0.5", "finite and above sigma_min"));
  CHECK(says(message_of([] {
               process::edm_of<schedule::sigma_power>({1.0, 2.0, 0.0});
             }),
             "diffx::schedule::sigma_power", "rho", "0", "positive and finite"));
  CHECK(says(message_of([] {
               process::vp<schedule::vp_cosine>({0.008, 1.0});
             }),
             "diffx::schedule::vp_cosine", "t_end", "1", "in (0, 1)"));
  CHECK(says(message_of([] {
               process::vp<schedule::cosine_dsno>({5.0, -5.0});
             }),
             "diffx::schedule::cosine_dsno", "log_snr_max", "-5", "finite and above"));
}
