// Golden cases of the exponential integrators: DPM-Solver in all its forms, DEIS, UniPC, SA-Solver.

#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/flow.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/solver/deis.hpp>
#include <diffx/solver/dpm_solver_blocks.hpp>
#include <diffx/solver/dpm_solver_multistep.hpp>
#include <diffx/solver/sa_solver.hpp>
#include <diffx/solver/unipc.hpp>

#include "diffusers_grid.hpp"
#include "harness.hpp"
#include <array>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace conformance {
namespace {

using diffx::frame;
using diffx::level;
namespace solver = diffx::solver;

/// The levels of a case are all given; nothing is asked between them.
struct listed_levels {
  using kind = diffx::process_tag;
  static constexpr std::string_view name = "conformance::listed_levels";
  static constexpr std::string_view source = "";
  static constexpr diffx::value_kind values = diffx::value_kind::continuous;
  static constexpr bool zero_terminal_snr = false;

  level at(double) const { diffx::detail::fail("conformance: no level between those listed"); }
  level at_lambda(double) const { return at(0.0); }
};
using context = diffx::plan_context<listed_levels>;
using planner = std::function<void(context const&, diffx::plan&)>;

/// Any solver of one frame under one type, so that the run is compiled once for all of them.
template <frame F>
struct any_solver {
  using kind = diffx::solver_tag;
  static constexpr std::string_view name = "conformance::any_solver";
  static constexpr std::string_view source = "";
  static constexpr diffx::frame frame = F;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 5;
  static constexpr int states = 1;
  static constexpr int noises = 2;

  planner planned;
  void plan(context const& c, diffx::plan& out) const { planned(c, out); }
};

/// x0 = x - s out, with s = sigma / alpha: what `flow_prediction` means off the straight path.
struct flow_of_sigmas {
  diffx::linear_form to(frame f, level const& at) const {
    double const s = at.edm_sigma();
    if (f == frame::x0) return {1.0, -s};
    return {(1.0 - at.alpha) / at.sigma, at.alpha * s / at.sigma};
  }
};

/// v off the circle, where its two forms disagree: one of x0 and eps is taken from v, the other
/// from x = alpha x0 + sigma eps.
struct v_off_circle {
  bool x0_first = true;

  diffx::linear_form to(frame f, level const& at) const {
    double const a = at.alpha, s = at.sigma;
    if (f == frame::x0) {
      return x0_first ? diffx::linear_form{a, -s} : diffx::linear_form{(1.0 - s * s) / a, -s};
    }
    return x0_first ? diffx::linear_form{(1.0 - a * a) / s, a} : diffx::linear_form{s, a};
  }
};

struct any_prediction {
  using kind = diffx::prediction_tag;
  [[maybe_unused]] static constexpr std::string_view name = "conformance::any_prediction";
  [[maybe_unused]] static constexpr std::string_view source = "";
  static constexpr bool scales_input = false;
  static constexpr bool needs_signal = false;

  std::variant<diffx::prediction::eps, diffx::prediction::x0, diffx::prediction::v,
               diffx::prediction::flow, flow_of_sigmas, v_off_circle>
      type;

  diffx::linear_form to(frame f, level const& at) const {
    return std::visit([&](auto const& p) { return p.to(f, at); }, type);
  }
  double input_scale(level const&) const { return 1.0; }
};

/// The solver that a case asks for.
struct choice {
  frame in = frame::x0;
  planner plan;
};

template <class Solver>
choice chosen(Solver s) {
  return {Solver::frame, [s](context const& c, diffx::plan& out) { s.plan(c, out); }};
}

std::string one_of(json const& config, char const* key, char const* fallback,
                   std::initializer_list<char const*> known) {
  std::string const value = config.contains(key) && !config[key].is_null()
                                ? config[key].get<std::string>()
                                : std::string(fallback);
  for (char const* const k : known) {
    if (value == k) return value;
  }
  diffx::detail::fail("conformance: exponential: unknown setting " + std::string(key) + " = " +
                      value);
}

[[noreturn]] void unsupported(std::string const& what) {
  diffx::detail::fail("conformance: exponential: unknown setting " + what);
}

// ------------------------------------------------------------------------------- DPM-Solver

struct dpm_settings {
  bool data = true;  // x0 frame
  bool random = false;
  int order = 2;
  bool midpoint = true;
  bool lower_order_final = true;
  bool euler_at_final = false;
};

dpm_settings read_dpm(json const& config, bool random_eps_known) {
  dpm_settings s;
  std::string const algorithm =
      one_of(config, "algorithm_type", "dpmsolver++",
             {"dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver", "deis"});
  s.data = algorithm != "dpmsolver" && algorithm != "sde-dpmsolver";
  s.random = algorithm.rfind("sde-", 0) == 0;
  if (s.random && !s.data && !random_eps_known) unsupported("algorithm_type = " + algorithm);
  s.midpoint = one_of(config, "solver_type", "midpoint",
                      {"midpoint", "heun", "logrho", "bh1", "bh2"}) != "heun";
  s.order = config.value("solver_order", 2);
  if (s.order < 1 || s.order > 3) unsupported("solver_order = " + std::to_string(s.order));
  s.lower_order_final = config.value("lower_order_final", true);
  s.euler_at_final = config.value("euler_at_final", false);
  return s;
}

template <frame F, int Order, bool Random>
choice multistep(dpm_settings const& d) {
  solver::dpm_solver_multistep<F, Order, Random> s;
  s.second = d.midpoint ? solver::second_order::midpoint : solver::second_order::exact;
  s.third = Random ? solver::third_order::undoubled_wrong_sign : solver::third_order::undoubled;
  s.short_run = d.lower_order_final ? 15 : 0;
  s.euler_at_final = d.euler_at_final;
  return chosen(s);
}

template <frame F, bool Random>
choice multistep(dpm_settings const& d) {
  if (d.order == 1) return multistep<F, 1, Random>(d);
  if (d.order == 2) return multistep<F, 2, Random>(d);
  if constexpr (F == frame::eps && Random) {
    return multistep<F, 2, Random>(d);  // there is no third order; a run too short for it is second
  } else {
    return multistep<F, 3, Random>(d);
  }
}

choice multistep(dpm_settings const& d) {
  if (d.data) return d.random ? multistep<frame::x0, true>(d) : multistep<frame::x0, false>(d);
  return d.random ? multistep<frame::eps, true>(d) : multistep<frame::eps, false>(d);
}

/// Runs of any length end with lower orders, or none does.
int always(bool lower_order_final) {
  return lower_order_final ? std::numeric_limits<int>::max() : 0;
}

template <frame F, int Order, bool Random>
choice blocks(dpm_settings const& d) {
  solver::dpm_solver_blocks<F, Order, Random> s;
  s.form = d.midpoint ? solver::block_form::midpoint
           : Random   ? solver::block_form::wrong_sign
                      : solver::block_form::exact;
  s.short_run = always(d.lower_order_final);
  return chosen(s);
}

template <frame F, bool Random>
choice blocks(dpm_settings const& d) {
  if (d.order == 1) return blocks<F, 1, Random>(d);
  return d.order == 2 ? blocks<F, 2, Random>(d) : blocks<F, 3, Random>(d);
}

choice blocks(dpm_settings const& d) {
  if (!d.data) return blocks<frame::eps, false>(d);
  return d.random ? blocks<frame::x0, true>(d) : blocks<frame::x0, false>(d);
}

// ------------------------------------------------------------------------------- DEIS, UniPC

choice deis(json const& config) {
  one_of(config, "algorithm_type", "deis", {"deis", "dpmsolver", "dpmsolver++"});
  one_of(config, "solver_type", "logrho", {"logrho", "midpoint", "heun", "bh1", "bh2"});
  int const short_run = config.value("lower_order_final", true) ? 15 : 0;
  switch (config.value("solver_order", 2)) {
    case 1:
      return chosen(solver::deis<1>{short_run});
    case 2:
      return chosen(solver::deis<2>{short_run});
    case 3:
      return chosen(solver::deis<3>{short_run});
  }
  unsupported("solver_order = " + config["solver_order"].dump());
}

template <int Order>
choice unipc(json const& config) {
  auto const fill = [&](auto s) {
    bool const bh1 =
        one_of(config, "solver_type", "bh2", {"bh1", "bh2", "midpoint", "heun", "logrho"}) == "bh1";
    s.form = bh1 ? solver::unipc_form::bh1 : solver::unipc_form::bh2;
    s.short_run = always(config.value("lower_order_final", true));
    if (config.contains("disable_corrector") && !config["disable_corrector"].is_null()) {
      s.uncorrected = config["disable_corrector"].get<std::vector<int>>();
    }
    return chosen(s);
  };
  if (config.value("predict_x0", true)) return fill(solver::unipc<Order, frame::x0>{});
  return fill(solver::unipc<Order, frame::eps>{});
}

choice unipc(json const& config) {
  if (config.contains("solver_p") && !config["solver_p"].is_null()) {
    unsupported("solver_p = " + config["solver_p"].dump());
  }
  switch (config.value("solver_order", 2)) {
    case 1:
      return unipc<1>(config);
    case 2:
      return unipc<2>(config);
    case 3:
      return unipc<3>(config);
    case 4:
      return unipc<4>(config);
    case 5:
      return unipc<5>(config);
  }
  unsupported("solver_order = " + config["solver_order"].dump());
}

// --------------------------------------------------------------------------------- SA-Solver

/// tau as the golden files say it in words, of the timestep that the network is told.
struct told_tau {
  double value = 1.0, low = 200.0, high = 800.0;

  double operator()(level const& at) const {
    return at.timestep >= low && at.timestep <= high ? value : 0.0;
  }
  static told_tau of(json const& config) {
    if (!config.contains("tau_func") || config["tau_func"].is_null()) return {};
    std::string const words = config["tau_func"].get<std::string>();
    told_tau t;
    char rest = 0;
    if (std::sscanf(words.c_str(), "constant %lf%c", &t.value, &rest) == 1) {
      t.low = -INFINITY;
      t.high = INFINITY;
      return t;
    }
    double other = 0.0;
    if (std::sscanf(words.c_str(), "%lf for %lf <= t <= %lf, else %lf%c", &t.value, &t.low, &t.high,
                    &other, &rest) == 4 &&
        other == 0.0) {
      return t;
    }
    unsupported("tau_func = " + words);
  }
};

template <int P, int Q>
choice sa(json const& config) {
  auto const fill = [&](auto s) {
    s.tau = told_tau::of(config);
    s.form = solver::sa_form::as_published;
    s.short_run = always(config.value("lower_order_final", true));
    return chosen(s);
  };
  bool const data = one_of(config, "algorithm_type", "data_prediction",
                           {"data_prediction", "noise_prediction"}) == "data_prediction";
  if (data) return fill(solver::sa_solver<P, Q, frame::x0, told_tau>{});
  return fill(solver::sa_solver<P, Q, frame::eps, told_tau>{});
}

template <std::size_t... I>
choice sa(json const& config, std::index_sequence<I...>) {
  int const p = config.value("predictor_order", 2), q = config.value("corrector_order", 2);
  choice result;
  bool const found =
      ((p == static_cast<int>(I / 4) + 1 && q == static_cast<int>(I % 4) + 1
            ? (result = sa<static_cast<int>(I / 4) + 1, static_cast<int>(I % 4) + 1>(config), true)
            : false) ||
       ...);
  if (!found) {
    unsupported("predictor_order = " + std::to_string(p) +
                ", corrector_order = " + std::to_string(q));
  }
  return result;
}

// ------------------------------------------------------------------------------- CogVideoX

/// The last step goes below index 0, to the final level; other spacings may end at index 0 or
/// above.
bool reaches_end(grid_case const& g) {
  int const stride =
      g.config.at("num_train_timesteps").get<int>() / static_cast<int>(g.timesteps.size());
  return g.timesteps.back() - stride < 0.0;
}

/// Steps that end elsewhere than the next one starts: each is planned on a list of its own.
choice with_own_ends(choice inner, std::vector<diffx::step> const& steps, bool first_order_end) {
  solver::dpm_solver_multistep<frame::x0, 2, true> s;
  s.second = solver::second_order::midpoint;
  s.short_run = 0;
  auto first = s;
  first.euler_at_final = true;  // the own list of a step ends with it
  inner.plan = [=](context const& c, diffx::plan& out) {
    std::vector<level> levels;
    for (int i = 0; i <= c.index; ++i) levels.push_back(c.grid[i]);
    level to = steps[static_cast<std::size_t>(c.index)].to;
    level const& from = levels.back();
    if (to.lambda <= from.lambda) to = c.grid[c.index + 1];
    levels.push_back(to);
    diffx::timetable const own(levels);
    context const here{c.process, own, c.index, c.first, c.last};
    bool const ends = first_order_end && c.index + 1 == static_cast<int>(steps.size());
    (ends ? first : s).plan(here, out);
  };
  return inner;
}

// ---------------------------------------------------------------------------------- the run

/// A timetable must go on strictly. Schedulers may end with a step of length 0 (up to rounding),
/// which asks the network once more and changes nothing: here it has length 1e-13 in lambda, and
/// no noise, whose weight is the root of the length. Where a reference's own length is what
/// rounding left of lambda, its noise is within the root of some last digits, and so is the
/// comparison.
diffx::timetable strict(std::vector<level> levels, planner& plan, report& r) {
  level const& before = levels[levels.size() - 2];
  level& last = levels.back();
  if (std::fabs(last.lambda - before.lambda) < 1e-12) {
    bool const inverts = before.lambda < levels.front().lambda;
    double const sign = inverts ? -1.0 : 1.0;
    double const told = last.timestep;
    last = before;
    last.timestep = told;
    last.lambda += sign * 1e-13 * std::max(1.0, std::fabs(last.lambda));
    last.t *= 1.0 - sign * 1e-13;
    last.sigma *= 1.0 - sign * 1e-13;
    double const digits =
        8.0 * std::numeric_limits<double>::epsilon() * std::max(1.0, std::fabs(last.lambda));
    double const largest = std::sqrt(3.0) * last.sigma * std::sqrt(2.0 * digits) / r.scale;
    double const least = 1e-5 * last.sigma;  // a step that began earlier has more noise than this
    plan = [inner = plan, largest, least, &r](context const& c, diffx::plan& out) {
      inner(c, out);
      if (c.index + 1 < c.grid.steps()) return;
      for (diffx::noise_term& n : out.stages().back().noise) {
        if (n.weight == 0.0 || std::fabs(n.weight) > least) continue;
        r.tolerance = std::max(r.tolerance, largest);
        n.weight = 0.0;
      }
    };
  }
  return diffx::timetable(std::move(levels));
}

struct prepared {
  grid_case grid;
  choice solve;
  bool thresholds = false;
  double ratio = 0.995, largest = 1.0;
};

template <class T, frame F, class Prediction, class Guidance>
void run_with(json const& c, report& r, prepared const& p, Prediction prediction,
              diffx::timetable const& levels, std::vector<T> x, loop_options const& options,
              Guidance guidance) {
  diffx::sampler const s{listed_levels{}, any_solver<F>{p.solve.plan}, guidance};
  run_loop<T>(c, r, s, prediction, levels, std::move(x), options);
}

template <class T, frame F, class Prediction>
void run_in(json const& c, report& r, prepared const& p, Prediction prediction,
            diffx::timetable const& levels, std::vector<T> x, loop_options const& options) {
  if (p.thresholds) {
    run_with<T, F>(
        c, r, p, prediction, levels, std::move(x), options,
        diffx::guidance::dynamic_threshold<diffx::guidance::none>{{}, p.ratio, p.largest});
  } else {
    run_with<T, F>(c, r, p, prediction, levels, std::move(x), options, diffx::guidance::none{});
  }
}

template <class T>
void run_case(json const& c, report& r, prepared p) {
  grid_case const& g = p.grid;
  std::string const name = g.scheduler;
  json const& config = g.config;
  std::vector<level> levels;
  for (level const& l : g.evals) levels.push_back(l);
  levels.push_back(g.steps[g.evals.size() - 1].to);
  diffx::timetable const grid = strict(std::move(levels), p.solve.plan, r);

  loop_options options;
  int first = 0;
  double alpha = 1.0, sigma = 0.0;
  if (c.contains("start_index") && !c["start_index"].is_null()) {
    first = c["start_index"].get<int>();
    level at = grid[first];
    if (name == "SASolverScheduler") {  // noised with the table's entry, not with the grid's
      int const i = static_cast<int>(at.timestep);
      at.alpha = g.table->alpha(i);
      at.sigma = g.table->sigma(i);
    }
    alpha = at.alpha;
    sigma = at.sigma;
  }
  options.first_step = first;
  int const last = grid.steps() - 1;
  if (name == "CogVideoXDPMScheduler") {
    // Two noises per step from the second on, the first of them unused; one in the very last.
    bool const ends = reaches_end(g);
    options.noise.number = [=](int step, int) {
      int const i = step - first;
      return step == last && ends && i > 0 ? 2 * i - 1 : 2 * i;
    };
  } else {
    options.noise.number = [=](int step, int) { return step - first; };
  }

  auto x = start_state<T>(c, g.init_noise_sigma, alpha, sigma);
  bool const edm =
      name == "EDMDPMSolverMultistepScheduler" || name == "CosineDPMSolverMultistepScheduler";
  if (edm) {
    bool const flipped =
        one_of(config, "prediction_type", name[0] == 'C' ? "v_prediction" : "epsilon",
               {"epsilon", "v_prediction"}) == "v_prediction";
    double const data = config.value("sigma_data", name[0] == 'C' ? 1.0 : 0.5);
    run_in<T, frame::x0>(c, r, p, diffx::prediction::edm{data, flipped}, grid, std::move(x),
                         options);
    return;
  }
  std::string const type = one_of(config, "prediction_type", "epsilon",
                                  {"epsilon", "sample", "v_prediction", "flow_prediction"});
  any_prediction prediction;
  if (type == "sample") prediction.type = diffx::prediction::x0{};
  if (type == "v_prediction") {
    if (g.path == path::flow) {
      bool const x0_first = p.solve.in == frame::x0 || name == "DEISMultistepScheduler";
      prediction.type = v_off_circle{x0_first};
    } else {
      prediction.type = diffx::prediction::v{};
    }
  }
  if (type == "flow_prediction") {
    if (g.path == path::flow) {
      prediction.type = diffx::prediction::flow{};
    } else {
      prediction.type = flow_of_sigmas{};
    }
  }
  if (p.solve.in == frame::x0) {
    run_in<T, frame::x0>(c, r, p, prediction, grid, std::move(x), options);
  } else {
    run_in<T, frame::eps>(c, r, p, prediction, grid, std::move(x), options);
  }
}

}  // namespace

bool exponential_case(json const& c, report& r) {
  std::string const name = c.at("scheduler").get<std::string>();
  bool const multi = name == "DPMSolverMultistepScheduler";
  bool const inverse = name == "DPMSolverMultistepInverseScheduler";
  bool const single = name == "DPMSolverSinglestepScheduler";
  bool const is_deis = name == "DEISMultistepScheduler";
  bool const is_unipc = name == "UniPCMultistepScheduler";
  bool const is_sa = name == "SASolverScheduler";
  bool const edm = name == "EDMDPMSolverMultistepScheduler";
  bool const cosine = name == "CosineDPMSolverMultistepScheduler";
  bool const cogx = name == "CogVideoXDPMScheduler";
  if (!(multi || inverse || single || is_deis || is_unipc || is_sa || edm || cosine || cogx)) {
    return false;
  }
  json const step_args = c.value("step_args", json::object());
  for (auto const& [key, value] : step_args.items()) {
    bool const idle = name == "CogVideoXDPMScheduler" && key == "eta";  // its step does not use it
    if (!idle) unsupported("step_args." + key + " = " + value.dump());
  }

  prepared p;
  p.grid = make_grid(name, c.at("config"), c.at("num_steps"), c.value("set_timesteps", json()));
  json const& config = p.grid.config;
  if (c.contains("timesteps")) r.list(p.grid.timesteps, c["timesteps"], 1e-9, "timesteps", 1e-12);
  if (c.contains("sigmas")) r.list(p.grid.sigmas, c["sigmas"], 1e-11, "sigmas");

  if (config.contains("variance_type") && !config["variance_type"].is_null()) {
    // The second half of the channels is the variance, which these solvers leave aside.
    one_of(config, "variance_type", "learned", {"learned", "learned_range"});
  }
  if (multi || inverse || edm) {
    dpm_settings d = read_dpm(config, multi || inverse);
    if (edm && d.random) d.order = std::min(d.order, 2);  // as sde-dpmsolver, see above
    p.solve = multistep(d);
  } else if (cosine) {
    dpm_settings d = read_dpm(config, false);
    d.random = true;
    d.order = std::min(d.order, 2);  // likewise
    p.solve = multistep(d);
  } else if (single) {
    dpm_settings d = read_dpm(config, false);
    d.lower_order_final = config.value("lower_order_final", false);
    p.solve = blocks(d);
  } else if (is_deis) {
    p.solve = deis(config);
  } else if (is_unipc) {
    p.solve = unipc(config);
  } else if (is_sa) {
    p.solve = sa(config, std::make_index_sequence<16>{});
  } else {
    p.solve = with_own_ends({}, p.grid.steps, reaches_end(p.grid));
  }
  // UniPC in the eps frame and CogVideoX do not look at these.
  bool const thresholds = !cogx && !(is_unipc && p.solve.in == frame::eps);
  p.thresholds = thresholds && config.value("thresholding", false);
  p.ratio = config.value("dynamic_thresholding_ratio", 0.995);
  p.largest = config.value("sample_max_value", 1.0);

  if (r.is_float) {
    run_case<float>(c, r, p);
  } else {
    run_case<double>(c, r, p);
  }
  return true;
}

}  // namespace conformance
