// Golden cases of one-step, ancestral and Runge-Kutta samplers.

#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/flow.hpp>
#include <diffx/prediction/normalised.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddim_inverse.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/dpmpp_sde.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/euler_ancestral.hpp>
#include <diffx/solver/flow_ancestral.hpp>
#include <diffx/solver/flow_lcm.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/kdpm2.hpp>
#include <diffx/solver/kdpm2_ancestral.hpp>
#include <diffx/solver/late_churn.hpp>
#include <diffx/solver/repaint.hpp>

#include "diffusers_grid.hpp"
#include "harness.hpp"
#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace conformance {
namespace {

using diffx::frame;
using diffx::level;
namespace prediction = diffx::prediction;
namespace solver = diffx::solver;

[[noreturn]] void unsupported(std::string const& what) {
  diffx::detail::fail("conformance: one step: unknown setting " + what);
}

std::string one_of(json const& config, char const* key, char const* fallback,
                   std::initializer_list<char const*> known) {
  std::string const value = config.contains(key) && !config[key].is_null()
                                ? config[key].get<std::string>()
                                : std::string(fallback);
  for (char const* const k : known) {
    if (value == k) return value;
  }
  unsupported(std::string(key) + " = " + value);
}

bool flag(json const& config, char const* key, bool fallback) {
  return config.contains(key) && !config[key].is_null() ? config[key].get<bool>() : fallback;
}

double number(json const& config, char const* key, double fallback) {
  if (!config.contains(key) || config[key].is_null()) return fallback;
  json const& v = config[key];
  if (v == "inf") return INFINITY;
  if (v == "-inf") return -INFINITY;
  return v.get<double>();
}

/// Answers a solver that asks for the level in the middle of its step with the one of the case,
/// whose timestep is the scheduler's own.
struct middle_level {
  using kind = diffx::process_tag;
  static constexpr std::string_view name = "conformance::middle_level";
  static constexpr std::string_view source = "";
  static constexpr diffx::value_kind values = diffx::value_kind::continuous;
  static constexpr bool zero_terminal_snr = false;

  level middle{};
  bool known = false;

  level at(double) const { diffx::detail::fail("conformance: no level is known by its time"); }
  level at_lambda(double lambda) const {
    // Where a churn goes the network is not asked.
    if (!known) return level::edm(std::exp(-lambda));
    if (!(std::fabs(middle.lambda - lambda) < 1e-3)) {
      diffx::detail::fail("conformance: a level at lambda = " + diffx::detail::text(lambda) +
                          " is not the middle of its step");
    }
    return middle;
  }
};
using context = diffx::plan_context<middle_level>;

/// Plans step `index` of the case, given a timetable of that step alone.
using planner = std::function<void(context const&, int index, diffx::plan&)>;

/// Any solver of one frame under one type, so that the run is compiled once for all of them.
template <frame F, bool Variance>
struct any_solver {
  using kind = diffx::solver_tag;
  static constexpr std::string_view name = "conformance::any_solver";
  static constexpr std::string_view source = "";
  static constexpr diffx::frame frame = F;
  static constexpr int order = 1;
  static constexpr int max_evals = 2;
  static constexpr int history = F == diffx::frame::x0 && !Variance ? 1 : 0;
  static constexpr int states = F == diffx::frame::x0 ? 1 : 2;
  static constexpr int noises = 2;
  static constexpr bool learned_variance = Variance;

  std::function<void(int, diffx::plan&)> planned;
  void plan(context const& c, diffx::plan& out) const { planned(c.index, out); }
};

/// The velocity of a network whose time runs from noise to data.
struct flow_to_data {
  diffx::linear_form to(frame f, level const& at) const {
    auto const form = prediction::flow{}.to(f, at);
    return {form.state, -form.output};
  }
  double input_scale(level const&) const { return 1.0; }
};

struct any_prediction {
  using kind = diffx::prediction_tag;
  static constexpr std::string_view name = "conformance::any_prediction";
  static constexpr std::string_view source = "";
  static constexpr bool scales_input = true;
  static constexpr bool needs_signal = false;

  std::variant<prediction::eps, prediction::x0, prediction::v, prediction::flow, flow_to_data,
               prediction::edm, prediction::normalised<prediction::eps>,
               prediction::normalised<prediction::x0>, prediction::normalised<prediction::v>>
      type{};

  diffx::linear_form to(frame f, level const& at) const {
    return std::visit([&](auto const& p) { return p.to(f, at); }, type);
  }
  double input_scale(level const& at) const {
    return std::visit([&](auto const& p) { return p.input_scale(at); }, type);
  }
};

struct prepared {
  grid_case grid;
  frame in = frame::x0;
  planner plan;
  any_prediction prediction;
  diffx::x0_hook hook = diffx::x0_hook::none;
  double clip = 1.0, ratio = 0.995, largest = 1.0;
  bool learned_variance = false;
  std::function<int(int step, int draw)> number;  // of the noise; steps count from the start
  int first = 0;
  bool churns = false;
  int idle = 0;  // iterations at the end that ask the network and change nothing
};

template <class Solver>
void use(prepared& p, Solver s) {
  p.in = Solver::frame;
  p.plan = [s](context const& c, int, diffx::plan& out) { s.plan(c, out); };
}

/// Network outputs, on a variance-preserving path or, with scaled inputs, on alpha = 1.
any_prediction read_prediction(json const& config, bool scaled,
                               std::initializer_list<char const*> known) {
  std::string const type = one_of(config, "prediction_type", "epsilon", known);
  any_prediction p;
  if (type == "epsilon") {
    if (scaled) p.type = prediction::normalised<prediction::eps>{};
  } else if (type == "sample" || type == "original_sample") {
    if (scaled) {
      p.type = prediction::normalised<prediction::x0>{};
    } else {
      p.type = prediction::x0{};
    }
  } else if (scaled) {
    p.type = prediction::normalised<prediction::v>{};
  } else {
    p.type = prediction::v{};
  }
  return p;
}

void read_hook(prepared& p, bool clips_by_default) {
  json const& config = p.grid.config;
  if (flag(config, "thresholding", false)) {
    p.hook = diffx::x0_hook::dynamic;
    p.ratio = number(config, "dynamic_thresholding_ratio", 0.995);
    p.largest = number(config, "sample_max_value", 1.0);
  } else if (flag(config, "clip_sample", clips_by_default)) {
    p.hook = diffx::x0_hook::clip;
    p.clip = number(config, "clip_sample_range", 1.0);
  }
}

/// The arguments of a step: those that nobody asked for are refused.
class step_arguments {
 public:
  explicit step_arguments(json const& c) : given_(c.value("step_args", json::object())) {
    if (given_.is_null()) given_ = json::object();
  }
  double number(char const* key, double fallback) {
    seen_.emplace_back(key);
    return conformance::number(given_, key, fallback);
  }
  bool flag(char const* key, bool fallback) {
    seen_.emplace_back(key);
    return conformance::flag(given_, key, fallback);
  }
  void finish() const {
    for (auto const& [key, value] : given_.items()) {
      if (std::find(seen_.begin(), seen_.end(), key) == seen_.end()) {
        unsupported("step_args." + key + " = " + value.dump());
      }
    }
  }

 private:
  json given_;
  std::vector<std::string> seen_;
};

// --------------------------------------------------------------------------------- the families

/// One noise in every step, counted from the start.
int one_a_step(int step, int) { return step; }

void ddim(prepared& p, step_arguments& args, bool cogvideo) {
  p.prediction = read_prediction(p.grid.config, false, {"epsilon", "sample", "v_prediction"});
  solver::ddim s;
  s.eta = args.number("eta", 0.0);
  s.keeps_raw_eps = !args.flag("use_clipped_model_output", false);
  if (cogvideo) {
    s.eta = 0.0;  // its step takes eta and does not use it
  } else {
    read_hook(p, true);
  }
  use(p, s);
}

void ddim_inverse(prepared& p) {
  p.prediction = read_prediction(p.grid.config, false, {"epsilon", "sample", "v_prediction"});
  read_hook(p, true);
  solver::ddim_inverse s;
  s.keeps_raw_eps = true;
  use(p, s);
}

template <solver::ddpm_variance Variance>
void ddpm(prepared& p, double floor) {
  p.learned_variance = Variance == solver::ddpm_variance::learned;
  p.in = frame::x0;
  auto const timesteps = p.grid.timesteps;
  p.plan = [=](context const& c, int index, diffx::plan& out) {
    solver::ddpm_of<Variance> s;
    s.variance_floor = floor;
    s.noise_onto_data = timesteps[static_cast<std::size_t>(index)] > 0.0;
    s.plan(c, out);
  };
}

void ddpm(prepared& p, bool unclip) {
  json const& config = p.grid.config;
  std::string variance;
  if (unclip) {
    p.prediction = read_prediction(config, false, {"epsilon", "sample"});
    variance =
        one_of(config, "variance_type", "fixed_small_log", {"fixed_small_log", "learned_range"});
  } else {
    p.prediction = read_prediction(config, false, {"epsilon", "sample", "v_prediction"});
    variance = one_of(config, "variance_type", "fixed_small",
                      {"fixed_small", "fixed_small_log", "fixed_large", "learned_range"});
  }
  read_hook(p, true);
  if (variance == "learned_range") {
    ddpm<solver::ddpm_variance::learned>(p, unclip ? 0.0 : 1e-20);
  } else if (variance == "fixed_large") {
    ddpm<solver::ddpm_variance::large>(p, 1e-20);
  } else {
    ddpm<solver::ddpm_variance::small>(p, 1e-20);
  }
}

void wuerstchen(prepared& p) {
  p.prediction.type = prediction::eps{};
  p.plan = [](context const& c, int, diffx::plan& out) {
    solver::ddpm s;
    s.mean_at_end = c.to().timestep == 0.0;
    s.plan(c, out);
  };
}

solver::churn_amount read_churn(prepared const& p, step_arguments& args) {
  solver::churn_amount a;
  // Divided by the number of levels here, since steps are planned one at a time.
  a.churn = args.number("s_churn", 0.0) / static_cast<double>(p.grid.sigmas.size() - 1);
  a.from = args.number("s_tmin", 0.0);
  a.to = args.number("s_tmax", INFINITY);
  a.s_noise = args.number("s_noise", 1.0);
  return a;
}

/// Noise is drawn in steps that churn; `again`: a second time, unused, in all but the last of them.
void count_churns(prepared& p, solver::churn_amount const& a, bool again) {
  std::vector<int> before{0};
  for (std::size_t k = 0; k < p.grid.steps.size(); ++k) {
    double const s =
        p.grid.path == path::flow ? p.grid.steps[k].from.sigma : p.grid.steps[k].from.edm_sigma();
    bool const churns = a.gamma(s, 1) > 0.0;
    before.push_back(before.back() + (churns ? (again ? 2 : 1) : 0));
  }
  int const first = p.first;
  p.number = [=](int step, int) {
    return before[static_cast<std::size_t>(step + first)] - before[static_cast<std::size_t>(first)];
  };
}

/// Euler on alpha = 1, with a churn that comes after the network's answer.
void euler(prepared& p, step_arguments& args, bool v) {
  auto const amount = read_churn(p, args);
  count_churns(p, amount, false);
  if (amount.churn == 0.0) {
    use(p, solver::euler{});
  } else {
    p.churns = true;
    use(p, solver::late_churn<any_prediction>{p.prediction, amount, v});
  }
}

void flow_euler(prepared& p, step_arguments& args) {
  for (char const* idle : {"s_churn", "s_tmin", "s_tmax", "s_noise"}) args.number(idle, 0.0);
  p.prediction.type = prediction::flow{};
  if (flag(p.grid.config, "stochastic_sampling", false)) {
    use(p, solver::flow_lcm{});
  } else {
    use(p, solver::flow_euler{});
  }
}

/// With a churn, noise comes after the network's answer and the slope is scaled by s / s^.
void flow_heun(prepared& p, step_arguments& args) {
  p.prediction.type = prediction::flow{};
  auto const amount = read_churn(p, args);
  count_churns(p, amount, true);
  if (amount.churn == 0.0) {
    use(p, solver::flow_heun{});
    return;
  }
  p.in = frame::flow;
  p.plan = [=](context const& c, int, diffx::plan& out) {
    double const s = c.from().sigma, gamma = amount.gamma(s, 1), up = s * (1.0 + gamma);
    double const h = c.to().sigma - up;
    double const noise = amount.s_noise * s * std::sqrt(gamma * (2.0 + gamma));
    diffx::stage& first = out.evaluate(c.from(), c.to());
    first.state[0] = 1.0;
    first.output = h * s / up;
    first.noise[0] = {{}, noise};
    if (c.to().sigma == 0.0) return;
    first.retains = true;
    diffx::stage& second = out.evaluate(c.to(), c.to());
    second.state = {0.5, 0.5};
    second.output = 0.5 * h;
    second.noise[0] = {{}, 0.5 * noise};
  };
}

void flow_ancestral(prepared& p) {
  json const& config = p.grid.config;
  p.prediction.type = prediction::flow{};
  solver::flow_ancestral s;
  s.eta = number(config, "eta", 1.0);
  s.s_noise = number(config, "s_noise", 1.0);
  s.guard = 1e-12;
  p.idle = static_cast<int>(p.grid.timesteps.size() - p.grid.steps.size());
  if (s.s_noise > 0.0 || s.eta == 0.0) {
    use(p, s);
    return;
  }
  // Without noise it stays below the level where the next step starts.
  p.plan = [=](context const& c, int, diffx::plan& out) {
    double const tau = c.from().sigma, next = c.to().sigma;
    double const ratio = next * (1.0 + (next / tau - 1.0) * s.eta) / tau;
    diffx::stage& step = out.evaluate(c.from(), c.to());
    step.state[0] = ratio;
    step.output = 1.0 - ratio;
  };
}

// -------------------------------------------------------------------------------------- the run

/// The stages of step `index`. A step of length 0 asks the network and moves nothing but what a
/// hook on x0 moves; here it has length 1e-13 in lambda and no noise.
void plan_step(prepared const& p, int index, diffx::plan& out) {
  diffx::step s = p.grid.steps[static_cast<std::size_t>(index)];
  if (s.from.alpha == 0.0) s.from = detail::dark(s.from);
  bool const still = std::fabs(s.to.lambda - s.from.lambda) < 1e-12;
  if (still) {
    double const sign = p.grid.scheduler == "DDIMInverseScheduler" ? -1.0 : 1.0;
    s.to = s.from;
    s.to.timestep = p.grid.steps[static_cast<std::size_t>(index)].to.timestep;
    s.to.lambda += sign * 1e-13 * std::max(1.0, std::fabs(s.to.lambda));
    s.to.t *= 1.0 - sign * 1e-13;
  }
  diffx::timetable const own(std::vector<level>{s.from, s.to});
  middle_level process;
  auto const second = static_cast<std::size_t>(2 * index + 1);
  if (p.grid.order == 2 && second < p.grid.evals.size()) process = {p.grid.evals[second], true};
  std::size_t const before = out.stages().size();
  p.plan(context{process, own, 0, 0, 0}, index, out);
  for (std::size_t i = before; i < out.stages().size(); ++i) {
    for (diffx::noise_term& n : out.stages()[i].noise) {
      n.key.step = index;
      if (still && !p.churns) n.weight = 0.0;
    }
  }
}

template <class T, frame F, bool Variance, class Guidance>
void run_with(json const& c, report& r, prepared const& p, Guidance guidance) {
  grid_case const& g = p.grid;
  auto const evaluations_per_step = static_cast<std::size_t>(g.order);
  double alpha = 1.0, sigma = 0.0;
  if (c.contains("start_index") && !c["start_index"].is_null()) {
    level const& at = g.evals[static_cast<std::size_t>(p.first) * evaluations_per_step];
    alpha = at.alpha;
    sigma = at.sigma;
  }
  auto x = start_state<T>(c, g.init_noise_sigma, alpha, sigma);
  recorder<T> rec(c, r);
  rec.initial(x.data());

  // The run's own timetable only counts steps: each is planned between its own two levels.
  std::vector<level> counting;
  int const steps = static_cast<int>(g.steps.size());
  for (int i = 0; i <= steps; ++i) counting.push_back(level::edm(steps + 1.0 - i));
  for (level& l : counting) l.t = l.sigma;
  diffx::timetable const grid(counting);

  any_solver<F, Variance> s;
  s.planned = [&](int index, diffx::plan& out) { plan_step(p, index, out); };
  diffx::sampler<middle_level, any_solver<F, Variance>, Guidance> const sampler{
      middle_level{}, s, guidance, {}, {}};
  model<T, any_prediction, Variance> const network{p.prediction, c.at("model").get<std::string>()};
  diffx::exec::host const exec;
  diffx::options<numbered> options;
  options.noise.number = [&](int step, int draw) { return p.number(step - p.first, draw); };
  options.start = diffx::start::given;
  options.first_step = p.first;
  diffx::batch_view<T> const view{x.data(), batch, features, 0};
  diffx::detail::workspace const memory(sampler.workspace_size(exec, network, view, options));
  auto run = sampler.start(exec, network, grid, view, memory.span(), options);
  int iteration = 0;
  while (!run.done()) {
    run.advance_stage();
    rec.after(iteration++, run.current_state());
  }
  for (int i = 0; i < p.idle; ++i) rec.after(iteration++, x.data());
  rec.final(x.data());
}

/// RePaint, whose steps back are not those of the process: each multiplies T / n betas that begin
/// at the level it starts from, one stride above those that it undoes.
template <class T>
void run_repaint(json const& c, report& r, prepared const& p) {
  if (c.contains("start_index") && !c["start_index"].is_null()) unsupported("start_index");
  grid_case const& g = p.grid;
  auto x = start_state<T>(c, g.init_noise_sigma);
  recorder<T> rec(c, r);
  rec.initial(x.data());
  std::vector<T> image(x.size());
  std::vector<unsigned char> mask(x.size());
  for (std::int64_t f = 0; f < elements; ++f) {
    auto const i = static_cast<std::size_t>(f);
    image[i] = static_cast<T>(dummy_sample(f));
    mask[i] = uniform(4999999, static_cast<std::uint64_t>(f)) < 0.5 ? 1 : 0;
  }
  diffx::batch_view<T> const view{x.data(), batch, features, 0};
  model<T, any_prediction> const network{p.prediction, c.at("model").get<std::string>()};
  diffx::exec::host const exec;
  int const stride = g.config.at("num_train_timesteps").get<int>() / c.at("num_steps").get<int>();
  int drawn = 0, last = static_cast<int>(g.timesteps.front()) + 1;
  numbered noise{};
  noise.number = [&](int, int) { return drawn; };
  diffx::guidance::clip_x0<diffx::guidance::none> const guidance{{}, p.clip};
  using solver_type = any_solver<frame::x0, false>;
  for (std::size_t k = 0; k < g.timesteps.size(); ++k) {
    int const t = static_cast<int>(g.timesteps[k]);
    if (t < last) {
      solver_type s;
      s.planned = [&](int, diffx::plan& out) { plan_step(p, static_cast<int>(k), out); };
      diffx::sampler<middle_level, solver_type, decltype(guidance)> const sampler{
          middle_level{}, s, guidance, {}, {}};
      diffx::options<numbered> options{noise, diffx::start::given};
      level const& to = g.steps[k].to;
      diffx::timetable const own({g.steps[k].from, to});
      sampler.sample(exec, network, own, view, options);
      exec.for_each_tile(batch, features,
                         solver::paste_known<T, numbered>{{image.data(), mask.data()},
                                                          view,
                                                          static_cast<T>(to.alpha),
                                                          static_cast<T>(to.sigma),
                                                          noise,
                                                          {}});
      ++drawn;
    } else {
      for (int i = 0; i < stride; ++i, ++drawn) {
        int const at = last + i;
        double const bar = g.table->alpha(at) / (at > 0 ? g.table->alpha(at - 1) : 1.0);
        T const keep = static_cast<T>(bar),
                spread = static_cast<T>(std::sqrt((1.0 - bar) * (1.0 + bar)));
        for (std::int64_t f = 0; f < elements; ++f) {
          T& value = x[static_cast<std::size_t>(f)];
          value = keep * value +
                  spread * static_cast<T>(noise_number(static_cast<std::uint64_t>(drawn), f));
        }
      }
    }
    last = t;
    rec.after(static_cast<int>(k), x.data());
  }
  rec.final(x.data());
}

template <class T, frame F, bool Variance = false>
void run_in(json const& c, report& r, prepared const& p) {
  using diffx::guidance::none;
  if (p.hook == diffx::x0_hook::none) {
    run_with<T, F, Variance>(c, r, p, none{});
    return;
  }
  if constexpr (F != frame::flow) {
    if (p.hook == diffx::x0_hook::clip) {
      run_with<T, F, Variance>(c, r, p, diffx::guidance::clip_x0<none>{{}, p.clip});
      return;
    }
  }
  if constexpr (F == frame::x0) {
    run_with<T, F, Variance>(c, r, p,
                             diffx::guidance::dynamic_threshold<none>{{}, p.ratio, p.largest});
    return;
  }
  unsupported("a threshold in this frame");
}

template <class T>
void run_case(json const& c, report& r, prepared const& p) {
  if (p.grid.scheduler == "RePaintScheduler") {
    run_repaint<T>(c, r, p);
    return;
  }
  switch (p.in) {
    case frame::x0:
      if (p.learned_variance) {
        run_in<T, frame::x0, true>(c, r, p);
      } else {
        run_in<T, frame::x0>(c, r, p);
      }
      return;
    case frame::eps:
      run_in<T, frame::eps>(c, r, p);
      return;
    case frame::flow:
      run_in<T, frame::flow>(c, r, p);
      return;
  }
}

}  // namespace

bool one_step_case(json const& c, report& r) {
  std::string const name = c.at("scheduler").get<std::string>();
  auto const is = [&](char const* scheduler) { return name == scheduler; };
  bool const euler_discrete = is("EulerDiscreteScheduler");
  if (!(is("DDIMScheduler") || is("CogVideoXDDIMScheduler") || is("DDIMInverseScheduler") ||
        is("DDPMScheduler") || is("UnCLIPScheduler") || is("DDPMWuerstchenScheduler") ||
        euler_discrete || is("EDMEulerScheduler") || is("EulerAncestralDiscreteScheduler") ||
        is("HeunDiscreteScheduler") || is("KDPM2DiscreteScheduler") ||
        is("KDPM2AncestralDiscreteScheduler") || is("DPMSolverSDEScheduler") ||
        is("FlowMatchEulerDiscreteScheduler") || is("FlowMatchHeunDiscreteScheduler") ||
        is("LTXEulerAncestralRFScheduler") || is("MiniMaxH3Scheduler") || is("RePaintScheduler"))) {
    return false;
  }

  prepared p;
  p.grid = make_grid(name, c.at("config"), c.at("num_steps"), c.value("set_timesteps", json()));
  json const& config = p.grid.config;
  if (c.contains("timesteps")) r.list(p.grid.timesteps, c["timesteps"], 1e-9, "timesteps", 1e-7);
  if (c.contains("sigmas")) r.list(p.grid.sigmas, c["sigmas"], 1e-11, "sigmas");
  if (c.contains("start_index") && !c["start_index"].is_null()) {
    p.first = c["start_index"].get<int>();
  }
  p.number = one_a_step;

  step_arguments args(c);
  if (is("DDIMScheduler") || is("CogVideoXDDIMScheduler")) {
    ddim(p, args, is("CogVideoXDDIMScheduler"));
  } else if (is("DDIMInverseScheduler")) {
    ddim_inverse(p);
  } else if (is("DDPMScheduler") || is("UnCLIPScheduler")) {
    ddpm(p, is("UnCLIPScheduler"));
  } else if (is("DDPMWuerstchenScheduler")) {
    wuerstchen(p);
  } else if (euler_discrete) {
    p.prediction =
        read_prediction(config, true, {"epsilon", "sample", "original_sample", "v_prediction"});
    euler(p, args, config.value("prediction_type", "epsilon") == "v_prediction");
  } else if (is("EDMEulerScheduler")) {
    bool const flipped =
        one_of(config, "prediction_type", "epsilon", {"epsilon", "v_prediction"}) == "v_prediction";
    p.prediction.type = prediction::edm{number(config, "sigma_data", 0.5), flipped};
    euler(p, args, false);
  } else if (is("EulerAncestralDiscreteScheduler")) {
    p.prediction = read_prediction(config, true, {"epsilon", "v_prediction"});
    use(p, solver::euler_ancestral{});
  } else if (is("HeunDiscreteScheduler")) {
    p.prediction = read_prediction(config, true, {"epsilon", "sample", "v_prediction"});
    read_hook(p, false);
    use(p, solver::heun{});
  } else if (is("KDPM2DiscreteScheduler")) {
    p.prediction = read_prediction(config, true, {"epsilon", "v_prediction"});
    use(p, solver::kdpm2{});
  } else if (is("KDPM2AncestralDiscreteScheduler")) {
    p.prediction = read_prediction(config, true, {"epsilon", "v_prediction"});
    use(p, solver::kdpm2_ancestral{});
  } else if (is("DPMSolverSDEScheduler")) {
    p.prediction = read_prediction(config, true, {"epsilon", "v_prediction"});
    solver::dpmpp_sde_of<solver::stage_noise::independent> s;
    s.s_noise = args.number("s_noise", 1.0);
    use(p, s);
    p.number = [](int step, int draw) { return 2 * step + draw; };
  } else if (is("FlowMatchEulerDiscreteScheduler")) {
    flow_euler(p, args);
  } else if (is("FlowMatchHeunDiscreteScheduler")) {
    flow_heun(p, args);
  } else if (is("LTXEulerAncestralRFScheduler")) {
    flow_ancestral(p);
  } else if (is("RePaintScheduler")) {
    solver::ddim s;
    s.eta = number(config, "eta", 0.0);
    s.keeps_raw_eps = true;
    use(p, s);
    p.clip = flag(config, "clip_sample", true) ? 1.0 : INFINITY;
  } else {
    p.prediction.type = flow_to_data{};
    use(p, solver::flow_euler{});
  }
  args.finish();

  if (r.is_float) {
    run_case<float>(c, r, p);
  } else {
    run_case<double>(c, r, p);
  }
  return true;
}

}  // namespace conformance
