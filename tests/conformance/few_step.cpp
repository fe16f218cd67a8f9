// Golden cases of the linear multistep solvers (PNDM, iPNDM, LMS), the samplers of few-step models
// (consistency, LCM, TCD, TrigFlow, flow maps) and the score SDEs.

#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/prediction/consistency.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/flow.hpp>
#include <diffx/prediction/normalised.hpp>
#include <diffx/prediction/score.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/solver/consistency.hpp>
#include <diffx/solver/euler_maruyama.hpp>
#include <diffx/solver/flow_lcm.hpp>
#include <diffx/solver/flow_map.hpp>
#include <diffx/solver/ipndm.hpp>
#include <diffx/solver/langevin_corrector.hpp>
#include <diffx/solver/lcm.hpp>
#include <diffx/solver/lms.hpp>
#include <diffx/solver/pndm.hpp>
#include <diffx/solver/reverse_diffusion.hpp>
#include <diffx/solver/scm.hpp>
#include <diffx/solver/tcd.hpp>

#include "diffusers_grid.hpp"
#include "harness.hpp"
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace conformance {
namespace {

using diffx::frame;
using diffx::level;
using diffx::linear_form;
namespace solver = diffx::solver;
namespace prediction = diffx::prediction;

[[noreturn]] void unsupported(std::string const& what) {
  diffx::detail::fail("conformance: few_step: unknown setting " + what);
}

/// The levels of a case are all given. A solver that asks for more is handed its process apart.
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

/// Any solver of one frame under one type, so that a run is compiled once for all of them.
template <frame F, int Noises>
struct any_solver {
  using kind = diffx::solver_tag;
  static constexpr std::string_view name = "conformance::any_solver";
  static constexpr std::string_view source = "";
  static constexpr diffx::frame frame = F;
  static constexpr int order = 1;
  static constexpr int max_evals = 4;
  static constexpr int history = Noises > 0 ? 0 : 3;
  static constexpr int states = Noises > 0 ? 1 : 3;
  static constexpr int noises = Noises;

  planner planned;
  void plan(context const& c, diffx::plan& out) const { planned(c, out); }
};

struct any_prediction {
  using kind = diffx::prediction_tag;
  static constexpr std::string_view name = "conformance::any_prediction";
  static constexpr std::string_view source = "";
  static constexpr bool scales_input = true;
  static constexpr bool needs_signal = false;

  std::function<linear_form(frame, level const&)> form;
  std::function<double(level const&)> scale;

  linear_form to(frame f, level const& at) const { return form(f, at); }
  double input_scale(level const& at) const { return scale(at); }
};
static_assert(diffx::prediction_policy<any_prediction>);

template <class P>
any_prediction predicted(P p) {
  return {[p](frame f, level const& at) { return p.to(f, at); },
          [p](level const& at) { return p.input_scale(at); }};
}

template <class Solver>
planner planned(Solver s) {
  return [s](context const& c, diffx::plan& out) { s.plan(c, out); };
}

/// The same with a process that knows levels between the listed ones.
template <class Solver, class Process>
planner planned_with(Solver s, Process process) {
  return [s, process](context const& c, diffx::plan& out) {
    s.plan(diffx::plan_context<Process>{process, c.grid, c.index, c.first, c.last}, out);
  };
}

std::string prediction_type(json const& config) {
  return config.value("prediction_type", std::string("epsilon"));
}

any_prediction discrete_prediction(json const& config, bool samples) {
  std::string const type = prediction_type(config);
  if (type == "epsilon") return predicted(prediction::eps{});
  if (type == "v_prediction") return predicted(prediction::v{});
  if (type == "sample" && samples) return predicted(prediction::x0{});
  unsupported("prediction_type = " + type);
}

/// Neighbours that a scheduler lets coincide are set apart by the last digit of t and lambda;
/// alpha and sigma stay what they are.
diffx::timetable table_of(std::vector<level> levels) {
  double const inf = std::numeric_limits<double>::infinity();
  bool const inverts = levels.size() > 1 && levels.back().lambda < levels.front().lambda;
  for (std::size_t i = 1; i < levels.size() && !inverts; ++i) {
    level const& q = levels[i - 1];
    level& p = levels[i];
    if (p.t >= q.t) p.t = std::nextafter(q.t, -inf);
    if (p.lambda <= q.lambda) p.lambda = std::nextafter(q.lambda, inf);
  }
  return diffx::timetable(std::move(levels));
}

/// Everything that the loop needs, made from the case's settings alone.
struct setup {
  any_prediction prediction;
  planner plan;
  std::vector<level> levels;
  double noised_alpha = 1.0, noised_sigma = 0.0;
  int first = 0;
};

int start_of(json const& c) {
  return c.contains("start_index") && !c["start_index"].is_null() ? c["start_index"].get<int>() : 0;
}

template <class T, frame F, int Noises, class Guidance = diffx::guidance::none>
void run_case(json const& c, report& r, grid_case const& g, setup const& s,
              Guidance const& guidance = {}) {
  int const first = s.first;
  diffx::sampler const sampler{listed_levels{}, any_solver<F, Noises>{s.plan}, guidance};
  loop_options options;
  options.first_step = first;
  options.noise.number = [first](int step, int) { return step - first; };
  run_loop<T>(c, r, sampler, s.prediction, table_of(s.levels),
              start_state<T>(c, g.init_noise_sigma, s.noised_alpha, s.noised_sigma), options);
}

void compare_grid(json const& c, report& r, grid_case const& g) {
  r.list(g.timesteps, c.at("timesteps"), r.is_float ? 1e-4 : 1e-9, "timesteps", 1e-7);
  if (!g.sigmas.empty() && c.contains("sigmas")) r.list(g.sigmas, c.at("sigmas"), 1e-11, "sigmas");
}

std::vector<level> chained(grid_case const& g) {
  std::vector<level> levels(g.evals.begin(), g.evals.end());
  levels.push_back(g.final);
  return levels;
}

void noise_to(setup& s, level const& at) {
  s.noised_alpha = at.alpha;
  s.noised_sigma = at.sigma;
}

/// Starts at the case's own place in the grid.
setup started(setup s, json const& c, grid_case const& g) {
  s.first = start_of(c);
  noise_to(s, g.evals[static_cast<std::size_t>(s.first)]);
  return s;
}

// ------------------------------------------------------------------------- linear multistep

template <solver::pndm_start Start>
planner pndm_plan(json const& config, diffx::process::vp_discrete const& process, double stride,
                  double half) {
  std::string const type = prediction_type(config);
  using combine = solver::pndm_combine;
  if (type == "epsilon") {
    return planned_with(solver::pndm<Start, combine::eps>{stride, half}, process);
  }
  if (type == "v_prediction") {
    return planned_with(solver::pndm<Start, combine::v>{stride, half}, process);
  }
  unsupported("prediction_type = " + type);
}

/// PNDM counts its iterations from where it starts, wherever that is in the list. Its Runge-Kutta
/// steps go from the list's first levels all the same, to where the network is asked: four
/// evaluations each, or fewer at the end of the list.
struct pndm_restarted {
  std::vector<level> bases, asked, targets;
  bool v = false;

  void plan(int index, diffx::plan& out) const {
    auto const first = static_cast<std::size_t>(4 * index);
    std::array<double, 4> state{}, output{};
    for (std::size_t k = 0; k < 4 && first + k < asked.size(); ++k) {
      level const &base = bases[first], &at = asked[first + k], &to = targets[first + k];
      auto const e = diffx::detail::exponential(frame::eps, base, to, 0.0, 1);
      state[k] = e.state + (v ? e.moment[0] * base.sigma : 0.0);
      output[k] = e.moment[0] * (v ? base.alpha : 1.0);
      diffx::stage& s = out.evaluate(at, to);
      if (v) s.convert = level{at.t, 1.0, 0.0};  // as solver::pndm combines v
      s.keeps = k == 0;
      s.retains = k % 2 == 0;
      s.state[k == 0 ? 0 : 1] = state[k];
      s.output = output[k];
      if (k == 3) {  // the two middle outputs come from the states that they led to
        double const second = output[3] / (3.0 * output[1]), third = output[3] / (3.0 * output[2]);
        s.state = {third, second, state[3] - second * state[1] - third * state[2]};
        s.output = s.history[0] = output[3] / 6.0;
      }
    }
  }
};

setup pndm_setup(json const& c, grid_case const& g) {
  json const& config = g.config;
  diffx::process::vp_discrete const process(*g.table);
  double const size = process.num_train_timesteps();
  int const stride = config.at("num_train_timesteps").get<int>() / static_cast<int>(g.steps.size());
  bool const clean = config.at("set_alpha_to_one").get<bool>();
  level const end = clean ? process.at(0.0) : process.at_index(0.0);
  auto const below = [=](level const& at, int indices) {
    double const t = at.t - indices / size;
    return t > end.t + 1e-9 ? process.at(t) : end;
  };
  std::vector<level> asked;
  for (double const t : g.timesteps) asked.push_back(process.at_index(t));
  pndm_restarted restarted{asked, {}, {}, prediction_type(config) == "v_prediction"};
  int const first = start_of(c);
  asked.erase(asked.begin(), asked.begin() + first);
  setup s;
  s.prediction = discrete_prediction(c.at("config"), false);
  noise_to(s, asked.front());
  if (!config.at("skip_prk_steps").get<bool>()) {
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (i >= 12 || i % 4 == 0) s.levels.push_back(asked[i]);
      restarted.targets.push_back(below(asked[i], i % 2 == 0 ? stride / 2 : 0));
    }
    s.levels.push_back(end);
    restarted.asked = asked;
    auto const plan = pndm_plan<solver::pndm_start::runge_kutta>(c.at("config"), process,
                                                                 stride / size, stride / 2 / size);
    s.plan = [=](context const& c, diffx::plan& out) {
      if (first == 0 || c.index >= 3) {
        plan(c, out);
      } else {
        restarted.plan(c.index, out);
      }
    };
    return s;
  }
  s.levels = asked;
  s.levels.push_back(end);
  if (asked.size() == 1) {  // no step to start with: DDIM
    s.plan = [to = below(asked[0], stride)](context const& c, diffx::plan& out) {
      auto const e = diffx::detail::exponential(frame::eps, c.from(), to, 0.0, 1);
      diffx::stage& step = out.evaluate(c.from(), to);
      step.state[0] = e.state;
      step.output = e.moment[0];
    };
    return s;
  }
  // Without the Runge-Kutta start two evaluations make the first step, the others a step each.
  s.levels.erase(s.levels.begin() + 1);
  auto const plan = pndm_plan<solver::pndm_start::plms>(c.at("config"), process, stride / size,
                                                        stride / 2 / size);
  s.plan = [plan, own = table_of({asked[0], asked[1], end})](context const& c, diffx::plan& out) {
    plan(c.index > 0 ? c : context{c.process, own, 0, 0, c.last}, out);
  };
  return s;
}

setup lms_setup(json const& c, grid_case const& g) {
  setup s;
  std::string const type = prediction_type(c.at("config"));
  if (type == "epsilon") {
    s.prediction = predicted(prediction::normalised<prediction::eps>{});
  } else if (type == "v_prediction") {
    s.prediction = predicted(prediction::normalised<prediction::v>{});
  } else if (type == "sample") {
    s.prediction = predicted(prediction::normalised<prediction::x0>{});
  } else {
    unsupported("prediction_type = " + type);
  }
  int order = 4;
  for (auto const& [key, value] : c.at("step_args").items()) {
    if (key != "order") unsupported("step_args." + key);
    order = value.get<int>();
  }
  auto const start = solver::lms_start::as_published;
  switch (order) {
    case 1:
      s.plan = planned(solver::lms<1>{start});
      break;
    case 2:
      s.plan = planned(solver::lms<2>{start});
      break;
    case 3:
      s.plan = planned(solver::lms<3>{start});
      break;
    case 4:
      s.plan = planned(solver::lms<4>{start});
      break;
    default:
      unsupported("step_args.order = " + std::to_string(order));
  }
  s.levels = chained(g);
  return started(s, c, g);
}

// -------------------------------------------------------------------------- few-step models

setup consistency_setup(grid_case const& g, json const& config) {
  setup s;
  s.prediction = predicted(
      prediction::consistency{config.value("sigma_data", 0.5), config.value("sigma_min", 0.002)});
  s.plan =
      planned(solver::consistency{config.value("sigma_min", 0.002), config.value("s_noise", 1.0)});
  s.levels = chained(g);
  return s;
}

/// TrigFlow by the angle that the network is told: the first one may lie just beyond pi / 2, where
/// no level has a place.
struct trig_flow_at_angle {
  linear_form to(frame f, level const& at) const {
    if (f != frame::x0) diffx::detail::fail("conformance: TrigFlow in another frame");
    return {std::cos(at.timestep), -std::sin(at.timestep)};
  }
  double input_scale(level const&) const { return 1.0; }
};

setup scm_setup(grid_case const& g, json const& config) {
  if (config.value("prediction_type", std::string("trigflow")) != "trigflow") {
    unsupported("prediction_type = " + config["prediction_type"].dump());
  }
  setup s;
  s.prediction = predicted(trig_flow_at_angle{});
  s.plan = planned(solver::scm{config.value("sigma_data", 0.5)});
  s.levels.assign(g.evals.begin(), g.evals.end());
  for (level& l : s.levels) l.alpha = std::max(l.alpha, 0.0);
  if (s.levels.front().alpha == 0.0) {
    s.levels.front().lambda = -std::numeric_limits<double>::infinity();
    s.levels.front().t = 1.0;
  }
  return s;
}

/// The levels at which the network is asked.
std::vector<level> asked(grid_case const& g) {
  std::vector<level> levels = g.evals;
  for (level& l : levels) l = l.alpha == 0.0 ? detail::dark(l) : l;
  return levels;
}

setup lcm_setup(json const& c, grid_case const& g, json const& config) {
  setup s;
  s.prediction = discrete_prediction(config, true);
  s.plan = planned(solver::lcm{config.value("timestep_scaling", 10.0)});
  s.levels = asked(g);
  // Given timesteps that are not all used have no last step: it renoises onto its own level.
  json const set = c.value("set_timesteps", json::object());
  bool const cut = set.contains("timesteps") && set["timesteps"].size() > g.timesteps.size();
  s.levels.push_back(cut ? s.levels.back() : detail::clean_level());
  return s;
}

setup tcd_setup(json const& c, grid_case const& g, json const& config) {
  double gamma = 0.3;
  for (auto const& [key, value] : c.at("step_args").items()) {
    if (key != "eta") unsupported("step_args." + key);
    gamma = value.get<double>();
  }
  setup s;
  s.prediction = discrete_prediction(config, true);
  solver::tcd const tcd{gamma};
  if (g.table->zero_terminal_snr()) {
    s.plan = planned_with(tcd, diffx::process::vp_discrete_zero_terminal(*g.table));
  } else {
    s.plan = planned_with(tcd, diffx::process::vp_discrete(*g.table));
  }
  s.levels = asked(g);
  s.levels.push_back(g.steps.back().to);  // index 0, whatever set_alpha_to_one says
  return s;
}

template <class T>
void lcm_case(json const& c, report& r, grid_case const& g, setup const& s) {
  json const& config = c.at("config");
  using none = diffx::guidance::none;
  if (config.value("thresholding", false)) {
    double const ratio = config.value("dynamic_thresholding_ratio", 0.995);
    double const most = config.value("sample_max_value", 1.0);
    run_case<T, frame::x0, 1>(c, r, g, s, diffx::guidance::dynamic_threshold{none{}, ratio, most});
  } else if (config.value("clip_sample", false)) {
    double const range = config.value("clip_sample_range", 1.0);
    run_case<T, frame::x0, 1>(c, r, g, s, diffx::guidance::clip_x0{none{}, range});
  } else {
    run_case<T, frame::x0, 1>(c, r, g, s);
  }
}

// -------------------------------------------------------------------------------- score SDEs

/// Compares the mean that the run ends on, which the file holds apart.
template <class T>
void compare_mean(json const& c, report& r, T const* x) {
  if (!c.contains("extra") || !c["extra"].contains("final_mean_sample_probes")) return;
  json const& want = c["extra"]["final_mean_sample_probes"];
  for (std::size_t i = 0; i < want.size(); ++i) {
    r.near(static_cast<double>(x[probes[i]]), want[i].get<double>(), r.scale,
           "final mean, probe " + std::to_string(probes[i]));
  }
}

template <class T, class Sampler>
void run_steps(json const& c, report& r, Sampler const& sampler, diffx::timetable const& grid,
               std::vector<T> x, numbered const& noise, bool mean_only) {
  recorder<T> rec(c, r);
  if (!mean_only) rec.initial(x.data());
  model<T, prediction::score> const network{{}, c.at("model").get<std::string>()};
  diffx::exec::host const exec;
  diffx::batch_view<T> const view{x.data(), batch, features, 0};
  diffx::options<numbered> const opts{noise, diffx::start::given};
  int iteration = 0;
  sampler.sample(exec, network, grid, view, opts, [&](diffx::progress const&) {
    if (!mean_only) rec.after(iteration, x.data());
    ++iteration;
  });
  if (mean_only) {
    compare_mean(c, r, x.data());
  } else {
    rec.final(x.data());
  }
}

template <class T, int Corrections>
void ve_case(json const& c, report& r, grid_case const& g, double snr,
             std::vector<level> const& levels) {
  diffx::timetable const grid = table_of(levels);
  for (bool const mean_only : {false, true}) {
    auto const x = start_state<T>(c, g.init_noise_sigma);
    solver::reverse_diffusion const predictor{!mean_only};
    numbered noise;
    noise.number = [](int step, int draw) {
      return step * (Corrections + 1) + (draw == 0 ? Corrections : draw - 16);
    };
    if constexpr (Corrections == 0) {
      static_cast<void>(snr);
      run_steps<T>(c, r, diffx::sampler{listed_levels{}, predictor}, grid, x, noise, mean_only);
    } else {
      solver::langevin_corrector<solver::reverse_diffusion, Corrections> const s{snr, predictor};
      run_steps<T>(c, r, diffx::sampler{listed_levels{}, s}, grid, x, noise, mean_only);
    }
  }
}

template <class T>
void sde_ve(json const& c, report& r, grid_case const& g) {
  json const& config = g.config;
  int const n = static_cast<int>(g.timesteps.size());
  double const low = std::log(config.at("sigma_min").get<double>());
  double const high = std::log(config.at("sigma_max").get<double>());
  std::vector<level> levels;
  for (int k = 0; k < n; ++k) {
    // The predictor's sigma comes from a table of its own, found by the time; the network is told
    // the one of the continuous schedule.
    double const t = g.timesteps[static_cast<std::size_t>(k)];
    int const place = static_cast<int>(t * (n - 1));
    if (place != n - 1 - k) unsupported("sampling_eps this large for so many steps");
    double const sigma = std::exp(diffx::grid::detail::spread(low, high, place, n));
    levels.push_back(detail::sigma_level(path::edm, sigma, g.sigmas[static_cast<std::size_t>(k)]));
  }
  levels.push_back(detail::clean_level());
  double const snr = c.at("config").value("snr", 0.15);
  int const corrections = c.at("config").value("correct_steps", 1);
  switch (corrections) {
    case 0:
      return ve_case<T, 0>(c, r, g, snr, levels);
    case 1:
      return ve_case<T, 1>(c, r, g, snr, levels);
    case 2:
      return ve_case<T, 2>(c, r, g, snr, levels);
    case 3:
      return ve_case<T, 3>(c, r, g, snr, levels);
    default:
      unsupported("correct_steps = " + std::to_string(corrections));
  }
}

template <class T>
void sde_vp(json const& c, report& r, grid_case const& g) {
  json const& config = g.config;
  diffx::process::vp<> const process(diffx::schedule::vp_linear{
      config.at("beta_min").get<double>(), config.at("beta_max").get<double>()});
  setup s;
  s.prediction = predicted(prediction::eps{});
  for (double const t : g.timesteps) s.levels.push_back(process.at(t));
  s.levels.push_back(detail::clean_level());
  solver::euler_maruyama em{solver::em_step::as_published, true};
  s.plan = planned_with(em, process);
  run_case<T, frame::eps, 1>(c, r, g, s);
  if (!c.contains("extra") || !c["extra"].contains("final_mean_sample_probes")) return;
  em.noisy_end = false;
  diffx::sampler const sampler{listed_levels{},
                               any_solver<frame::eps, 1>{planned_with(em, process)}};
  auto x = start_state<T>(c, g.init_noise_sigma);
  model<T, any_prediction> const network{s.prediction, c.at("model").get<std::string>()};
  sampler.sample(diffx::exec::host{}, network, table_of(s.levels),
                 diffx::batch_view<T>{x.data(), batch, features, 0},
                 diffx::options<numbered>{numbered{}, diffx::start::given});
  compare_mean(c, r, x.data());
}

// ------------------------------------------------------------------------------------ families

void refuse_step_args(json const& c) {
  if (!c.contains("step_args")) return;
  for (auto const& [key, value] : c["step_args"].items()) {
    unsupported("step_args." + key + " = " + value.dump());
  }
}

template <class T>
bool family(json const& c, report& r) {
  auto const name = c.at("scheduler").get<std::string>();
  json const& config = c.at("config");
  auto const grid = [&] {
    grid_case g = make_grid(name, config, c.at("num_steps"), c.value("set_timesteps", json()));
    compare_grid(c, r, g);
    return g;
  };
  auto const noised = [&](setup s, grid_case const& g) { return started(std::move(s), c, g); };
  if (name == "PNDMScheduler") {
    refuse_step_args(c);
    auto const g = grid();
    run_case<T, frame::eps, 0>(c, r, g, pndm_setup(c, g));
  } else if (name == "IPNDMScheduler") {
    refuse_step_args(c);
    auto const g = grid();
    setup s;
    s.prediction = predicted(prediction::v{});
    s.plan = planned(solver::ipndm<4>{});
    s.levels = chained(g);
    run_case<T, frame::eps, 0>(c, r, g, noised(s, g));
  } else if (name == "LMSDiscreteScheduler") {
    auto const g = grid();
    run_case<T, frame::eps, 0>(c, r, g, lms_setup(c, g));
  } else if (name == "CMStochasticIterativeScheduler") {
    refuse_step_args(c);
    auto const g = grid();
    auto const s = noised(consistency_setup(g, g.config), g);
    if (g.config.value("clip_denoised", true)) {
      run_case<T, frame::x0, 1>(c, r, g, s, diffx::guidance::clip_x0{diffx::guidance::none{}, 1.0});
    } else {
      run_case<T, frame::x0, 1>(c, r, g, s);
    }
  } else if (name == "ConsistencyDecoderScheduler") {
    refuse_step_args(c);
    auto const g = grid();
    setup s;
    s.prediction = predicted(prediction::edm{config.value("sigma_data", 0.5)});
    s.plan = planned(solver::consistency{0.0});
    s.levels = chained(g);
    run_case<T, frame::x0, 1>(c, r, g, noised(s, g));
  } else if (name == "SCMScheduler") {
    refuse_step_args(c);
    auto const g = grid();
    run_case<T, frame::x0, 1>(c, r, g, noised(scm_setup(g, config), g));
  } else if (name == "LCMScheduler") {
    refuse_step_args(c);
    auto const g = grid();
    lcm_case<T>(c, r, g, noised(lcm_setup(c, g, config), g));
  } else if (name == "TCDScheduler") {
    auto const g = grid();
    run_case<T, frame::x0, 1>(c, r, g, noised(tcd_setup(c, g, config), g));
  } else if (name == "FlowMatchLCMScheduler") {
    refuse_step_args(c);
    auto const g = grid();
    if (config.contains("scale_factors") && !config["scale_factors"].is_null()) {
      unsupported("scale_factors = " + config["scale_factors"].dump());
    }
    setup s;
    s.prediction = predicted(prediction::flow{});
    s.plan = planned(solver::flow_lcm{});
    s.levels = chained(g);
    run_case<T, frame::x0, 1>(c, r, g, noised(s, g));
  } else if (name == "FlowMapEulerDiscreteScheduler") {
    refuse_step_args(c);
    auto const g = grid();
    setup s;
    s.prediction = predicted(prediction::flow{});
    s.plan = planned(solver::flow_map{});
    s.levels = chained(g);
    run_case<T, frame::flow, 0>(c, r, g, noised(s, g));
  } else if (name == "ScoreSdeVeScheduler") {
    refuse_step_args(c);
    if (start_of(c) != 0) unsupported("start_index");
    sde_ve<T>(c, r, grid());
  } else if (name == "ScoreSdeVpScheduler") {
    refuse_step_args(c);
    if (start_of(c) != 0) unsupported("start_index");
    sde_vp<T>(c, r, grid());
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool few_step_case(json const& c, report& r) {
  return r.is_float ? family<float>(c, r) : family<double>(c, r);
}

}  // namespace conformance
