// Solver results that were computed independently of any library, from the published formulas.

#include "canon.hpp"

#include <diffx/denoiser/gaussian.hpp>
#include <diffx/denoiser/gaussian_mixture.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpm_solver_multistep.hpp>
#include <diffx/solver/dpm_solver_singlestep.hpp>
#include <diffx/solver/er_sde.hpp>
#include <diffx/solver/sa_solver.hpp>
#include <diffx/solver/unipc.hpp>

#include "support/levels.hpp"
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace conformance {
namespace {

using diffx::frame;
using diffx::level;
namespace solver = diffx::solver;

diffx::denoiser::gaussian_mixture mixture_of(json const& d) {
  return {d.at("weights").get<std::vector<double>>(), d.at("means").get<std::vector<double>>(),
          d.at("stds").get<std::vector<double>>()};
}

/// One run of one feature per sample; noise(step, sample) is the variate of a step.
template <class Solver, class Denoiser, class Noise>
std::vector<double> end_of(Solver const& s, Denoiser const& denoiser, std::vector<level> levels,
                           std::vector<double> x, Noise const& noise) {
  auto const value = [&](diffx::noise::key k, std::int64_t sample, std::int64_t) {
    return noise(k.step, static_cast<std::size_t>(sample));
  };
  diffx::options<diffx::noise::injected_by<decltype(value)>> const options{{value},
                                                                           diffx::start::given};
  diffx::timetable const grid(std::move(levels));
  auto const batch = static_cast<std::int64_t>(x.size());
  diffx::sampler const sampler{test::vp_process{}, s};
  sampler.sample(diffx::exec::host{}, denoiser, grid,
                 diffx::batch_view<double>{x.data(), batch, 1, 0}, options);
  return x;
}

double no_noise(int, std::size_t) { return 0.0; }

report begin(std::string id, double tolerance) {
  report r;
  r.id = std::move(id);
  r.tolerance = tolerance;
  return r;
}

void compare(report& r, std::vector<double> const& got, json const& want) {
  if (got.size() != want.size()) return r.fail("number of results");
  double largest = 0.0;
  for (json const& w : want) largest = std::max(largest, std::fabs(w.get<double>()));
  for (std::size_t i = 0; i < got.size(); ++i) {
    r.near(got[i], want[i].get<double>(), largest, "result " + std::to_string(i));
  }
}

struct constant_tau {
  double value = 0.0;
  double operator()(level const&) const { return value; }
};

/// Calls f with the deterministic solver of this name; false if there is none here.
template <class F>
bool with_ode_solver(std::string const& name, F const& f) {
  solver::dpm_solver_multistep<frame::x0, 2> two{.short_run = 0};
  solver::dpm_solver_multistep<frame::x0, 3> three{.short_run = 0};
  if (name == "ddim") return f(solver::ddim{}), true;
  if (name == "pp2m_heun" || name == "expAB2_x0_warm") return f(two), true;
  if (name == "pp2m_mid") {
    two.second = solver::second_order::midpoint;
    return f(two), true;
  }
  if (name == "pp3m_fac2" || name == "expAB3_x0_warm") return f(three), true;
  if (name == "pp3m_ref") {
    three.third = solver::third_order::undoubled;
    return f(three), true;
  }
  if (name == "dpm2s" || name == "kdpm2") return f(solver::dpm_solver_2s{}), true;  // one method
  if (name == "dpm3s") return f(solver::dpm_solver_3s{}), true;
  if (name == "pp2s") return f(solver::dpmpp_2s{}), true;
  if (name == "pp3s") return f(solver::dpmpp_3s{}), true;
  if (name == "unipc3_warm") {
    return f(solver::unipc<3>{.form = solver::unipc_form::bh2, .short_run = 0}), true;
  }
  if (name == "unipc2_bh1_warm" || name == "unipc2_bh2_warm") {
    bool const bh1 = name == "unipc2_bh1_warm";
    return f(solver::unipc<2>{.form = bh1 ? solver::unipc_form::bh1 : solver::unipc_form::bh2,
                              .short_run = 0}),
           true;
  }
  if (name == "unipc3_bh2_pred_only_warm") {
    return f(solver::unipc<3>{.form = solver::unipc_form::bh2, .short_run = 0, .corrects = false}),
           true;
  }
  return false;
}

/// Likewise for stochastic ones.
template <class F>
bool with_sde_solver(std::string const& name, F const& f) {
  using solver::er_quadrature;
  solver::dpm_solver_multistep<frame::x0, 2, true> two{.short_run = 0};
  solver::dpm_solver_multistep<frame::x0, 3, true> three{.short_run = 0};
  if (name == "ddim_eta1") return f(solver::ddim{.eta = 1.0}), true;
  if (name == "ddim_eta.5") return f(solver::ddim{.eta = 0.5}), true;
  if (name == "pp1_sde") return f(solver::dpm_solver_multistep<frame::x0, 1, true>{}), true;
  if (name == "pp2m_sde_heun") return f(two), true;
  if (name == "pp2m_sde_mid") {
    two.second = solver::second_order::midpoint;
    return f(two), true;
  }
  if (name == "pp3m_sde_fac2") return f(three), true;
  if (name == "pp3m_sde_kdiff") {
    three.third = solver::third_order::undoubled;
    return f(three), true;
  }
  if (name == "sa_ab2_tau1") {
    return f(solver::sa_solver<2, 0, frame::x0, constant_tau>{.tau = {1.0}, .short_run = 0}), true;
  }
  if (name == "sa_ab3_tau1" || name == "sa_ab3_tau.5") {
    double const tau = name == "sa_ab3_tau1" ? 1.0 : 0.5;
    return f(solver::sa_solver<3, 0, frame::x0, constant_tau>{.tau = {tau}, .short_run = 0}), true;
  }
  if (name == "sa_pc3_4_tau1") {
    return f(solver::sa_solver<3, 4, frame::x0, constant_tau>{.tau = {1.0}, .short_run = 0}), true;
  }
  if (name == "er1_f5") return f(solver::er_sde<1>{}), true;
  if (name == "er2_f5") {
    return f(solver::er_sde<2>{.quadrature = er_quadrature::left_sum}), true;
  }
  if (name == "er3_f5") {
    return f(solver::er_sde<3>{.quadrature = er_quadrature::left_sum}), true;
  }
  if (name == "er3_f5_quad") return f(solver::er_sde<3>{}), true;
  return false;
}

void ode_case(json const& c, json const& denoiser, std::vector<report>& out) {
  auto const mixture = mixture_of(denoiser);
  std::vector<level> levels;
  for (json const& l : c.at("lambda_grid")) levels.push_back(test::vp(l.get<double>()));
  for (auto const& entry : c.at("results").items()) {
    std::string const& name = entry.key();
    json const& want = entry.value();
    with_ode_solver(name, [&](auto const& s) {
      report r = begin(
          name + "-" + c.at("grid").get<std::string>() + std::to_string(c.at("steps").get<int>()),
          1e-10);
      compare(r, end_of(s, mixture, levels, c.at("x_start").get<std::vector<double>>(), no_noise),
              want);
      out.push_back(r);
    });
  }
}

/// lambda of the linear variance-preserving schedule, beta from 0.1 to 20.
double linear_lambda(double t) {
  double const log_alpha = -0.25 * t * t * 19.9 - 0.05 * t;
  return -0.5 * std::log(std::expm1(-2.0 * log_alpha));
}

void sde_case(json const& c, std::vector<report>& out) {
  double const mean = c.at("data").at("mean").get<double>();
  double const variance = c.at("data").at("var").get<double>();
  diffx::denoiser::gaussian const data(mean, std::sqrt(variance));
  for (json const& row : c.at("rows")) {
    int const steps = row.at("steps").get<int>();
    auto const levels = test::uniform_lambda(linear_lambda(c.at("T_start").get<double>()),
                                             linear_lambda(c.at("T_end").get<double>()), steps + 1);
    auto const name = row.at("name").get<std::string>();
    with_sde_solver(name, [&](auto const& s) {
      // Sample 0 starts at the mean, sample 1 one deviation above; sample 2 + k sees noise k alone.
      level const& at = levels.front();
      double const start = at.alpha * mean;
      std::vector<double> x(static_cast<std::size_t>(steps) + 2, start);
      x[1] += std::sqrt(at.alpha * at.alpha * variance + at.sigma * at.sigma);
      x = end_of(s, data, levels, x, [](int step, std::size_t sample) {
        return sample == static_cast<std::size_t>(step) + 2 ? 1.0 : 0.0;
      });
      report r = begin(name, 1e-10);
      double total = 0.0;
      std::vector<double> gains;
      for (std::size_t i = 1; i < x.size(); ++i) {
        gains.push_back(x[i] - x[0]);
        total += gains.back() * gains.back();
      }
      r.near(x[0], row.at("mean").get<double>(), 1.0, "mean");
      r.near(gains[0], row.at("coef_xT").get<double>(), 1.0, "gain of the start");
      r.near(total, row.at("var").get<double>(), 1.0, "variance");
      compare(r, {gains.begin() + 1, gains.end()}, row.at("noise_coefs"));
      out.push_back(r);
    });
  }
}

struct numbered_phi {
  int number = 1;
  double operator()(double l) const {
    if (number == 1) return l;
    if (number == 2) return l * l;
    if (number == 4) return l * std::sqrt(l);
    if (number == 7) return solver::er_noise_scale{}(l);
    diffx::detail::fail("conformance: er_sde: unknown setting fn = " + std::to_string(number));
  }
};

template <int Order>
std::vector<double> er_end(json const& c, diffx::denoiser::gaussian_mixture const& mixture) {
  auto const alphas = c.at("alphas").get<std::vector<double>>();
  auto const sigmas = c.at("sigmas").get<std::vector<double>>();
  auto const noise = c.at("noise").get<std::vector<std::vector<double>>>();
  std::vector<level> levels;
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    double const t = sigmas[i] / (alphas[i] + sigmas[i]);
    levels.push_back({t, alphas[i], sigmas[i], std::log(alphas[i] / sigmas[i]), t});
  }
  solver::er_sde<Order, numbered_phi> const s{{c.at("fn").get<int>()},
                                              solver::er_quadrature::left_sum};
  return end_of(s, mixture, levels, c.at("x_start").get<std::vector<double>>(),
                [&](int step, std::size_t sample) {
                  return noise[static_cast<std::size_t>(step)].at(sample);
                });
}

void er_case(json const& c, json const& denoiser, std::vector<report>& out) {
  int const order = c.at("order").get<int>();
  report r = begin("er_sde-" + std::to_string(order) + "-" + c.at("fn").dump(), 1e-9);
  auto const mixture = mixture_of(denoiser);
  compare(r,
          order == 1   ? er_end<1>(c, mixture)
          : order == 2 ? er_end<2>(c, mixture)
                       : er_end<3>(c, mixture),
          c.at("x_end"));
  out.push_back(r);
}

}  // namespace

bool is_canon(json const& file) {
  if (!file.is_object() || !file.contains("meta") || !file.contains("cases")) return false;
  for (json const& c : file["cases"]) {
    if (!c.is_object() || !c.contains("kind")) return false;
    auto const kind = c["kind"].get<std::string>();
    if (kind != "ode" && kind != "ode_orders" && kind != "sde_affine" && kind != "er_sde") {
      return false;
    }
  }
  return true;
}

std::vector<report> canon_reports(json const& file) {
  std::vector<report> out;
  json const denoiser = file.at("meta").value("denoiser", json());
  for (json const& c : file.at("cases")) {
    auto const kind = c.at("kind").get<std::string>();
    if (kind == "ode") ode_case(c, denoiser, out);
    if (kind == "sde_affine") sde_case(c, out);
    if (kind == "er_sde") er_case(c, denoiser, out);
  }
  return out;
}

}  // namespace conformance
