#include <diffx/grid/ays.hpp>
#include <diffx/grid/flow.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/sigma.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/rectified_flow.hpp>
#include <diffx/process/ve.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/schedule/scaled_linear.hpp>

#include "support/message.hpp"
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <numbers>
#include <set>
#include <string>
#include <vector>

namespace grid = diffx::grid;
namespace process = diffx::process;
using grid::end_point;
using grid::points;
using test::message_of;
using test::says;

namespace {

using indices = std::vector<int>;

process::vp_discrete stable_diffusion() {
  return process::vp_discrete(diffx::schedule::scaled_linear());
}

/// Every n from 1 to 1000 gives n steps, or a message that says how many fit. `room` counts the n
/// that fit. The timetable's constructor has checked that its levels are strictly monotone.
template <class Make>
int room(Make make, char const* where) {
  int fits = 0;
  for (int n = 1; n <= 1000; ++n) {
    int steps = -1;
    std::string const message = message_of([&] { steps = make(n).steps(); });
    INFO(where << " n = " << n << " " << message);
    if (message.empty()) {
      CHECK(steps == n);
      ++fits;
    } else {
      CHECK(message.rfind(std::string("diffx::grid::"), 0) == 0);
      CHECK(message.find("number of steps = ") != std::string::npos);
    }
  }
  return fits;
}

}  // namespace

TEST_CASE("published index grids") {
  CHECK(grid::index::linspace(1000, 7) == indices{999, 832, 666, 500, 333, 166, 0});
  CHECK(grid::index::linspace(1000, 7, points::drop_smallest) ==
        indices{999, 856, 714, 571, 428, 285, 143});
  CHECK(grid::index::leading(1000, 7) == indices{852, 710, 568, 426, 284, 142, 0});
  CHECK(grid::index::leading(1000, 7, 0, points::drop_smallest) ==
        indices{875, 750, 625, 500, 375, 250, 125});
  CHECK(grid::index::leading(1000, 3, 1) == indices{667, 334, 1});
  CHECK(grid::index::strided(1000, 5) == indices{800, 600, 400, 200, 0});
  CHECK(grid::index::strided(1000, 7) == indices{996, 830, 664, 498, 332, 166, 0});
  CHECK(grid::index::strided(10, 4) == indices{9, 6, 3, 0});
  CHECK(grid::index::strided(7, 1) == indices{0});
  CHECK(grid::index::strided(3, 2) == indices{2, 0});
  CHECK(grid::index::trailing(1000, 7) == indices{999, 856, 713, 570, 428, 285, 142});
  CHECK(grid::index::consistency(1000, 3) == indices{999, 679, 339});
  CHECK(grid::index::consistency(1000, 2, 37) == indices{998, 512});
  CHECK(grid::index::quadratic(1000, 3) == indices{800, 200, 0});
  CHECK(grid::index::linspace(1000, 1) == indices{999});
}

TEST_CASE("trailing gives n points for every n and T, from the noisiest down") {
  for (int const train : {1000, 1100, 500, 1, 7}) {
    for (int n = 1; n <= train; ++n) {
      auto const list = grid::index::trailing(train, n);
      CHECK(static_cast<int>(list.size()) == n);
      CHECK(list.front() == train - 1);
      CHECK(list.back() >= 0);
      CHECK(std::adjacent_find(list.begin(), list.end(), std::less_equal<>()) == list.end());
    }
  }
  CHECK(grid::trailing(stable_diffusion(), 61).steps() == 61);
}

TEST_CASE("every grid has n strictly monotone steps, or says kindly that they do not fit") {
  auto const sd = stable_diffusion();
  auto const range = grid::sigma_range_of(sd);
  process::vp<> const vp;
  process::rectified_flow const flow;
  CHECK(room([&](int n) { return grid::trailing(sd, n); }, "trailing") == 1000);
  CHECK(room([&](int n) { return grid::linspace(sd, n); }, "linspace") == 1000);
  CHECK(room([&](int n) { return grid::linspace(sd, n, points::drop_smallest); }, "drop") == 999);
  CHECK(room([&](int n) { return grid::linspace(sd, n, points::exact, end_point::none); },
             "none") == 999);
  CHECK(room([&](int n) { return grid::leading(sd, n); }, "leading") == 1000);
  CHECK(room([&](int n) { return grid::leading(sd, n, 0, points::drop_smallest); },
             "leading drop") == 999);
  CHECK(room([&](int n) { return grid::quadratic(sd, n); }, "quadratic") > 20);
  CHECK(room([&](int n) { return grid::consistency(sd, n); }, "consistency") == 50);
  for (auto const end : {end_point::zero, end_point::sigma_min, end_point::none}) {
    CHECK(room([&](int n) { return grid::karras(sd, n, range, 7.0, end); }, "karras") == 1000);
    CHECK(room([&](int n) { return grid::exponential(sd, n, range, end); }, "exponential") == 1000);
    CHECK(room([&](int n) { return grid::polyexponential(sd, n, range, 2.0, end); }, "poly") >=
          999);
    CHECK(room([&](int n) { return grid::beta(sd, n, range, 0.6, 0.6, end); }, "beta") == 1000);
  }
  CHECK(room([&](int n) { return grid::uniform_t(vp, n); }, "uniform_t") == 1000);
  CHECK(room(
            [&](int n) {
              return grid::uniform_t(vp, n, {1.0, 1e-3, end_point::zero});
            },
            "t0") == 1000);
  CHECK(room([&](int n) { return grid::quad(vp, n); }, "quad") == 1000);
  CHECK(room([&](int n) { return grid::uniform_lambda(vp, n); }, "uniform_lambda") == 1000);
  CHECK(room([&](int n) { return grid::flow(flow, n, 3.0); }, "flow") == 1000);
  CHECK(room([&](int n) { return grid::ays(sd, grid::ays_model::stable_diffusion_1_5, n); },
             "ays") == 1000);
  CHECK(room([&](int n) { return grid::karras(process::edm(), n); }, "edm") == 1000);
  CHECK(room([&](int n) { return grid::karras(process::ve(), n); }, "ve") == 1000);
}

TEST_CASE("ends of a run") {
  auto const sd = stable_diffusion();
  CHECK(grid::trailing(sd, 5).back().sigma == 0.0);
  CHECK(grid::trailing(sd, 5, end_point::sigma_min).back().timestep == 0.0);
  CHECK(grid::trailing(sd, 5, end_point::none).back().timestep ==
        grid::index::trailing(1000, 6)[5]);
  CHECK(grid::karras(sd, 5, grid::sigma_range_of(sd), 7.0, end_point::sigma_min).back().lambda ==
        doctest::Approx(sd.table().lambda(0)));
  CHECK(!message_of([&] { grid::linspace(sd, 5, points::exact, end_point::sigma_min); }).empty());
  CHECK(grid::timesteps(sd, std::vector<double>{999.0, 500.5, 10.0}).steps() == 3);
  CHECK(!message_of([&] { grid::timesteps(sd, indices{10, 20}); }).empty());
}

TEST_CASE("sigma spacings in closed form") {
  grid::sigma_range const r{0.002, 80.0};
  auto const karras = grid::sigma::karras(10, r);
  CHECK(karras[1] == doctest::Approx(42.41518931851267).epsilon(1e-12));
  CHECK(karras[5] == doctest::Approx(1.501741979068008).epsilon(1e-9));
  CHECK(karras.front() == 80.0);
  CHECK(karras.back() == 0.002);
  auto const e = grid::sigma::exponential(5, r);
  for (int i = 0; i < 4; ++i) {
    auto const k = static_cast<std::size_t>(i);
    CHECK(e[k] / e[k + 1] == doctest::Approx(std::pow(80.0 / 0.002, 0.25)).epsilon(1e-12));
  }
  CHECK(grid::sigma::lu(5, r) == e);
  auto const poly = grid::sigma::polyexponential(5, r, 1.0);
  for (std::size_t i = 0; i < 5; ++i) CHECK(poly[i] == doctest::Approx(e[i]).epsilon(1e-12));
  auto const vp = grid::sigma::vp(3);
  CHECK(vp[0] == doctest::Approx(std::sqrt(std::exp(10.05) - 1.0)).epsilon(1e-12));
  CHECK(grid::sigma::karras(1, r) == std::vector<double>{80.0});
  auto const fast = grid::dpm_fast(process::vp<>(), 10, {0.01, 100.0});
  CHECK(fast.steps() == 4);
}

TEST_CASE("the iDDPM chain is that of the cosine schedule") {
  auto const all = grid::sigma::iddpm(1000, {1e-4, 1e5});
  CHECK(all.size() == 1000);
  CHECK(std::is_sorted(all.rbegin(), all.rend()));
  CHECK(all.back() == doctest::Approx(0.00643).epsilon(1e-2));  // the first level of the chain
  auto const some = grid::sigma::iddpm(18);
  CHECK(some.front() <= 81.0);
  CHECK(some.back() >= 0.0064);
  CHECK(std::set<double>(some.begin(), some.end()).size() == 18);
  CHECK(!message_of([] { grid::sigma::iddpm(2000); }).empty());
}

TEST_CASE("the beta quantile: closed forms, symmetry, inverse") {
  CHECK(grid::beta_quantile(0.3, 1.0, 1.0) == doctest::Approx(0.3).epsilon(1e-14));
  CHECK(grid::beta_quantile(0.3, 2.0, 1.0) == doctest::Approx(std::sqrt(0.3)).epsilon(1e-14));
  for (double const p : {1e-9, 1e-3, 0.1, 0.37, 0.5, 0.9, 0.999}) {
    double const s = std::sin(0.5 * std::numbers::pi * p);  // the arcsine law, a = b = 1/2
    CHECK(std::abs(grid::beta_quantile(p, 0.5, 0.5) / (s * s) - 1.0) < 1e-13);
    double const x = grid::beta_quantile(p, 0.6, 0.6);
    CHECK(std::abs(grid::beta_distribution(x, 0.6, 0.6) / p - 1.0) < 1e-13);
    CHECK(std::abs(grid::beta_quantile(1.0 - p, 0.6, 0.6) - (1.0 - x)) < 1e-13);
    double const y = grid::beta_quantile(p, 3.0, 40.0);
    CHECK(std::abs(grid::beta_distribution(y, 3.0, 40.0) / p - 1.0) < 1e-12);
  }
  CHECK(grid::beta_quantile(0.0, 0.6, 0.6) == 0.0);
  CHECK(grid::beta_quantile(1.0, 0.6, 0.6) == 1.0);
  CHECK(says(message_of([] { grid::beta_quantile(1.5, 1, 1); }), "diffx::grid::beta_quantile", "p",
             "1.5", "in [0, 1]"));
}

TEST_CASE("flow shifts") {
  namespace tau = grid::tau;
  for (double const t : {0.1, 0.5, 0.9}) {
    // A static shift S lowers lambda by log S.
    process::rectified_flow const flow;
    CHECK(flow.at(tau::shift(t, 3.0)).lambda ==
          doctest::Approx(flow.at(t).lambda - std::log(3.0)).epsilon(1e-12));
    CHECK(tau::dynamic_shift(t, std::log(3.0)) == doctest::Approx(tau::shift(t, 3.0)));
    CHECK(tau::dynamic_shift_linear(t, 3.0) == doctest::Approx(tau::shift(t, 3.0)));
  }
  CHECK(tau::shift(1.0, 3.0) == 1.0);
  CHECK(tau::dynamic_shift(0.0, 1.0) == 0.0);
  CHECK(tau::mu_of_tokens(256) == 0.5);
  CHECK(tau::mu_of_tokens(4096) == doctest::Approx(1.15));
  auto const stretched = tau::stretch_to({1.0, 0.5, 0.2}, 0.02);
  CHECK(stretched[0] == 1.0);
  CHECK(stretched[2] == doctest::Approx(0.02));
  CHECK(grid::flow(process::rectified_flow(), 10).front().t == 1.0);
  CHECK(grid::flow(process::rectified_flow(), 10)[1].t == doctest::Approx(0.889));
  CHECK(says(message_of([] { tau::shift(0.5, -1.0); }), "diffx::grid::tau::shift", "shift", "-1",
             "positive and finite"));
  CHECK(says(message_of([] { tau::shift(1.5, 1.0); }), "diffx::grid::tau::shift", "tau", "1.5",
             "in [0, 1]"));
}

TEST_CASE("uniform lambda is uniform, power times end where told") {
  process::vp<> const vp;
  auto const table = grid::uniform_lambda(vp, 20);
  double const h = table.step(0).h();
  for (int i = 0; i < 20; ++i) CHECK(table.step(i).h() == doctest::Approx(h).epsilon(1e-10));
  CHECK(table.front().t == 1.0);
  CHECK(table.back().t == 1e-3);
  auto const quad = grid::quad(vp, 4, {1.0, 0.0, end_point::none});
  CHECK(quad[2].t == doctest::Approx(0.25));
  CHECK(quad.back().sigma == 0.0);
  CHECK(!message_of([&] { grid::uniform_lambda(vp, 5, {1.0, 0.0}); }).empty());
  CHECK(!message_of([] { grid::uniform_lambda(process::rectified_flow(), 5); }).empty());
}

TEST_CASE("align-your-steps tables and their interpolation") {
  auto const ten = grid::ays_sigmas(grid::ays_model::stable_diffusion_xl, 10);
  CHECK(ten[1] == 6.315);
  CHECK(ten.back() == 0.029);
  auto const five = grid::ays_sigmas(grid::ays_model::stable_diffusion_xl, 5);
  CHECK(five[1] == 3.771);
  auto const twenty = grid::ays_sigmas(grid::ays_model::stable_video_diffusion, 20);
  CHECK(twenty[1] == doctest::Approx(std::sqrt(700.0 * 54.5)));
  CHECK(grid::ays_timesteps(grid::ays_model::stable_diffusion_1_5).size() == 10);
  CHECK(!message_of([] { grid::ays_timesteps(grid::ays_model::stable_video_diffusion); }).empty());
  // The published timesteps and sigmas belong together on this chain.
  auto const sd = stable_diffusion();
  auto const steps = grid::ays_timesteps(grid::ays_model::stable_diffusion_1_5);
  auto const sigmas = grid::ays_sigmas(grid::ays_model::stable_diffusion_1_5, 10);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(sd.at_index(steps[i]).edm_sigma() == doctest::Approx(sigmas[i]).epsilon(0.03));
  }
}

TEST_CASE("bad arguments of grids are named with value and range") {
  auto const sd = stable_diffusion();
  CHECK(says(message_of([&] { grid::trailing(sd, 0); }), "diffx::grid::index::trailing",
             "number of steps", "0", "in [1, 1000]"));
  CHECK(says(message_of([&] { grid::linspace(sd, 1001); }), "diffx::grid::index::linspace",
             "number of steps", "1001", "in [1, 1000]"));
  CHECK(says(message_of([&] { grid::linspace(sd, 1000, points::drop_smallest); }),
             "diffx::grid::linspace", "number of steps", "1000", "small enough"));
  CHECK(says(message_of([&] {
               grid::karras(sd, 0, {0.1, 1.0});
             }),
             "diffx::grid::sigma::karras", "number of steps", "0", "at least 1"));
  CHECK(says(message_of([&] {
               grid::karras(sd, 5, {0.0, 1.0});
             }),
             "diffx::grid::sigma::karras", "sigma_min", "0", "positive and finite"));
  CHECK(says(message_of([&] {
               grid::karras(sd, 5, {1.0, 0.5});
             }),
             "diffx::grid::sigma::karras", "sigma_max", "0.5", "finite and above sigma_min = 1"));
  CHECK(says(message_of([&] {
               grid::karras(sd, 5, {0.1, 1.0}, -1.0);
             }),
             "diffx::grid::sigma::karras", "rho", "-1", "positive and finite"));
  CHECK(says(message_of([&] {
               grid::exponential(sd, 5, {0.1, 100.0});
             }),
             "diffx::process::vp_discrete::at_lambda", "lambda",
             diffx::detail::text(-std::log(100.0)), "at least"));
  CHECK(says(message_of([&] {
               grid::uniform_t(sd, 5, {2.0, 0.1});
             }),
             "diffx::grid::power_t", "first", "2", "in (0, 1]"));
  CHECK(says(message_of([&] {
               grid::uniform_t(sd, 5, {0.5, std::nan("")});
             }),
             "diffx::grid::power_t", "last", "nan", "in [0, first = 0.5)"));
  CHECK(says(message_of([&] { grid::consistency(sd, 60); }), "diffx::grid::index::consistency",
             "number of steps", "60", "in [1, 50]"));
}
