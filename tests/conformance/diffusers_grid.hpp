#pragma once

#include <diffx/grid/flow.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/sigma.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/schedule/exponential.hpp>
#include <diffx/schedule/laplace.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/schedule/scaled_linear.hpp>
#include <diffx/schedule/sigmoid.hpp>
#include <diffx/schedule/snr_shift.hpp>
#include <diffx/schedule/zero_terminal_snr.hpp>
#include <diffx/step.hpp>

#include "diffusers_settings.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// Turns a scheduler's settings, as the golden files give them, into the levels that a solver of
/// this library runs on. Built upon diffx's schedules and grids; what a scheduler does differently
/// from them (rounding, truncation, which end is appended) is stated here, once per class.
namespace conformance {

using json = nlohmann::json;

/// Which path the levels of a case lie on.
enum class path {
  vp,        // alpha^2 + sigma^2 = 1
  edm,       // alpha = 1, sigma = sigma / alpha: the state is x / alpha
  flow,      // alpha = 1 - sigma
  trig_flow  // alpha = cos t, sigma = sin t; data scaled by sigma_data
};

/// All that is known of a run before its first model call.
///
/// `evals[i]` belongs to `timesteps[i]`: the level at which the model is asked, whose `timestep` is
/// what the model is told. `steps[k]` is one step of the solver; it uses the entries from
/// k * order on (the last step of a two-evaluation solver has only one). Levels of neighbouring
/// steps chain unless the scheduler itself breaks the chain (see `chains`).
struct grid_case {
  std::string scheduler;
  json config;  // all settings of the class, defaults filled in
  conformance::path path = path::vp;
  std::optional<diffx::schedule::alpha_bar_table> table;  // none for sigma-only classes

  std::vector<double> timesteps;  // as the scheduler holds them
  std::vector<double> sigmas;     // as the scheduler holds them; empty where it has none
  double init_noise_sigma = 1.0;
  int order = 1;                      // model evaluations per full step
  std::vector<double> unrounded;      // timesteps before rounding or truncation, if any was done
  std::vector<double> middle_sigmas;  // where a second evaluation lies between two points

  std::vector<diffx::level> evals;
  std::vector<diffx::step> steps;
  diffx::level final;
  bool chains = true;  // steps[k].to is steps[k + 1].from
};

namespace detail {

[[noreturn]] inline void unknown(std::string const& scheduler, std::string const& key,
                                 json const& value, std::string const& known) {
  diffx::detail::fail("conformance::make_grid: " + scheduler + ": " + key + " = " + value.dump() +
                      ", must be " + known);
}

/// The settings of one case: refuses keys that the class does not have, fills in defaults.
class settings {
 public:
  settings(std::string scheduler, json const& given) : scheduler_(std::move(scheduler)) {
    static json const all = json::parse(diffusers_settings);
    auto const entry = all.find(scheduler_);
    if (entry == all.end()) unknown(scheduler_, "scheduler", scheduler_, "a known scheduler");
    values_ = entry->at("grid");
    std::set<std::string> solver;
    for (auto const& key : entry->at("solver")) solver.insert(key.get<std::string>());
    for (auto const& [key, value] : given.items()) {
      if (!values_.contains(key) && solver.count(key) == 0) {
        unknown(scheduler_, key, value, "one of the known settings of this class");
      }
      values_[key] = value;
    }
  }

  std::string const& scheduler() const { return scheduler_; }
  json const& all() const { return values_; }
  bool has(char const* key) const { return values_.contains(key) && !values_[key].is_null(); }
  bool flag(char const* key) const { return has(key) && values_.at(key).get<bool>(); }
  int integer(char const* key) const { return values_.at(key).get<int>(); }
  double number(char const* key) const {
    json const& v = values_.at(key);
    if (v == "inf") return std::numeric_limits<double>::infinity();
    if (v == "-inf") return -std::numeric_limits<double>::infinity();
    return v.get<double>();
  }
  /// One of the listed words; anything else is an error that names the setting.
  std::string word(char const* key, std::initializer_list<char const*> known) const {
    json const& value = values_.at(key);
    std::string list;
    for (char const* const k : known) {
      if (value == k) return k;
      list += std::string(list.empty() ? "" : " or ") + k;
    }
    unknown(scheduler_, key, value, list);
  }

 private:
  std::string scheduler_;
  json values_;
};

/// The arguments of set_timesteps: every one must be asked for, or it is unknown.
class arguments {
 public:
  arguments(std::string scheduler, json const& given)
      : scheduler_(std::move(scheduler)), values_(given.is_null() ? json::object() : given) {}
  json get(char const* key) {
    known_.insert(key);
    auto const v = values_.find(key);
    return v == values_.end() ? json() : *v;
  }
  bool has(char const* key) const { return values_.contains(key); }
  void finish() const {
    for (auto const& [key, value] : values_.items()) {
      if (known_.count(key) == 0) {
        unknown(scheduler_, "set_timesteps." + key, value, "absent for this class");
      }
    }
  }

 private:
  std::string scheduler_;
  json values_;
  std::set<std::string> known_;
};

// ------------------------------------------------------------------------------------- levels

/// Time on every path is sigma / (alpha + sigma): strictly monotone in lambda, tau on a flow.
inline diffx::level make_level(double alpha, double sigma, double lambda, double timestep) {
  return {sigma / (alpha + sigma), alpha, sigma, lambda, timestep};
}

inline diffx::level clean_level(double timestep = 0.0) {
  return {0.0, 1.0, 0.0, std::numeric_limits<double>::infinity(), timestep};
}

/// In place of alpha = 0, so little signal that x0 as (x - sigma eps) / alpha is beyond every clip
/// but not beyond a float: schedulers divide by the zero and clip the infinity.
inline diffx::level dark(diffx::level at) {
  at.alpha = 1e-30;
  at.lambda = std::log(at.alpha);
  return at;
}

inline diffx::level table_level(diffx::schedule::alpha_bar_table const& table, int i,
                                double timestep) {
  if (i < 0 || i >= table.size()) {
    diffx::detail::fail("conformance: index " + std::to_string(i) + " is not in the table");
  }
  return make_level(table.alpha(i), table.sigma(i), table.lambda(i), timestep);
}

/// From the value a `sigmas` array holds: sigma / alpha, or tau on a flow.
inline diffx::level sigma_level(path on, double s, double timestep) {
  if (s == 0.0) return clean_level(timestep);
  double const inf = std::numeric_limits<double>::infinity();
  switch (on) {
    case path::edm:
      return make_level(1.0, s, -std::log(s), timestep);
    case path::flow:
      return make_level(1.0 - s, s, s == 1.0 ? -inf : std::log1p(-s) - std::log(s), timestep);
    case path::trig_flow:
      return make_level(std::cos(s), std::sin(s), -std::log(std::tan(s)), timestep);
    case path::vp:
      break;
  }
  double const alpha = 1.0 / std::sqrt(1.0 + s * s);
  return make_level(alpha, s * alpha, -std::log(s), timestep);
}

// ------------------------------------------------------------------------------------- tables

inline diffx::schedule::alpha_bar_table base_table(settings const& s) {
  int const n = s.integer("num_train_timesteps");
  if (s.has("trained_betas")) {  // given betas replace the schedule, be they n or not
    return diffx::schedule::alpha_bar_table::from_betas(
        s.all().at("trained_betas").get<std::vector<double>>());
  }
  std::string const name = s.word("beta_schedule", {"linear", "scaled_linear", "squaredcos_cap_v2",
                                                    "sigmoid", "exp", "laplace"});
  if (name == "squaredcos_cap_v2") return diffx::schedule::cosine(n);
  if (name == "exp") return diffx::schedule::exponential(n);
  if (name == "laplace") {
    return diffx::schedule::laplace(n, diffx::schedule::laplace_form::as_published);
  }
  double const start = s.number("beta_start");
  double const end = s.number("beta_end");
  if (name == "linear") return diffx::schedule::linear(n, start, end);
  if (name == "sigmoid") return diffx::schedule::sigmoid(n, start, end);
  return diffx::schedule::scaled_linear(n, start, end);
}

inline diffx::schedule::alpha_bar_table make_table(settings const& s) {
  auto table = base_table(s);
  if (s.has("snr_shift_scale")) {
    table = diffx::schedule::snr_shift(table, s.number("snr_shift_scale"));
  }
  if (s.flag("rescale_betas_zero_snr")) {
    table = diffx::schedule::zero_terminal_snr(table);
  }
  return table;
}

/// sigma / alpha of every trained step, for classes that divide by alpha: these put an alpha_bar of
/// 2^-24 in place of the zero of a rescaled table. Where the entry before is smaller still, the
/// values end with a fall that no table of the library has, and are searched here.
class sigma_curve {
 public:
  explicit sigma_curve(diffx::schedule::alpha_bar_table const& table) {
    int const last = table.size() - 1;
    for (int i = 0; i <= last; ++i) sigmas_.push_back(table.edm_sigma(i));
    bool const zero = table.zero_terminal_snr();
    if (zero) sigmas_.back() = std::sqrt(0x1p24 - 1.0);
    if (!zero) {
      process_.emplace(table);
    } else if (table.alpha_bar(last - 1) > 0x1p-24) {
      process_.emplace(diffx::schedule::with_terminal_alpha_bar(table));
    }
  }

  double min() const { return sigmas_.front(); }
  double max() const { return sigmas_.back(); }

  /// At a real index, linear between entries.
  double at(double index) const {
    double const last = static_cast<double>(sigmas_.size()) - 1.0;
    if (index <= 0.0) return min();
    if (index >= last) return max();
    auto const low = static_cast<std::size_t>(index);
    double const w = index - static_cast<double>(low);
    double const a = sigmas_[low];
    return w == 0.0 ? a : a + w * (sigmas_[low + 1] - a);
  }

  /// The real index of a value, linear in its logarithm, clamped to the table.
  double index_of(double s) const {
    double const x = std::log(s > 0.0 ? s : 1e-10);
    if (process_) return process_->index_at_lambda(-x, true);
    std::size_t low = sigmas_.size() - 1;  // the last entry that is not above
    while (low > 0 && x < std::log(sigmas_[low])) --low;
    low = std::min(low, sigmas_.size() - 2);
    double const a = std::log(sigmas_[low]), b = std::log(sigmas_[low + 1]);
    return static_cast<double>(low) + std::clamp((a - x) / (a - b), 0.0, 1.0);
  }

 private:
  std::vector<double> sigmas_;
  std::optional<diffx::process::vp_discrete> process_;
};

inline std::vector<double> reals(std::vector<int> const& v) { return {v.begin(), v.end()}; }

inline double snapped(double x) {
  double const whole = std::nearbyint(x);
  return std::abs(x - whole) < 1e-9 ? whole : x;
}
inline double truncated(double x) { return std::trunc(snapped(x)); }
inline double rounded(double x) { return std::nearbyint(snapped(x)); }

// --------------------------------------------------------------------------------- completion

/// Chains steps through sigma points (the last one is where the run ends).
inline void chain(grid_case& g, std::vector<diffx::level> points) {
  int const n = static_cast<int>(points.size()) - 1;
  for (int i = 0; i < n; ++i) {
    auto const k = static_cast<std::size_t>(i);
    g.steps.push_back({i, n, points[k], points[k + 1]});
  }
  g.final = points.back();
}

/// One evaluation per step; sigmas hold one more entry than timesteps.
inline void finish_single(grid_case& g) {
  std::vector<diffx::level> points;
  for (std::size_t i = 0; i < g.sigmas.size(); ++i) {
    double const t = i < g.timesteps.size() ? g.timesteps[i] : 0.0;
    points.push_back(sigma_level(g.path, g.sigmas[i], t));
  }
  g.evals.assign(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(g.timesteps.size()));
  chain(g, std::move(points));
}

// ----------------------------------------------------------------- index grids without sigmas

/// The schedulers round products of floating-point numbers, so a value that should be a half goes
/// to either side of it. Their arithmetic is repeated here; diffx's own grids round exact
/// fractions.
inline std::vector<int> rounded_linspace(int last, int n, diffx::grid::points which) {
  int const count = which == diffx::grid::points::exact ? n : n + 1;
  if (count == 1) return {0};  // the lower end of the range
  double const step = static_cast<double>(last - 1) / (count - 1);
  std::vector<int> out;
  for (int k = count - 1; static_cast<int>(out.size()) < n; --k) {
    double const x = k == count - 1 ? last - 1 : k * step;
    out.push_back(static_cast<int>(std::nearbyint(x)));
  }
  return out;
}

/// From `last` down by train / n, while above 0: rounding may leave one point more than n, near 0.
inline std::vector<int> rounded_trailing(int last, int train, int n) {
  double const start = last;
  double const stride = -static_cast<double>(train) / n;
  double const step = (start + stride) - start;
  std::vector<int> out;
  for (int k = 0; k < std::ceil(-start / stride); ++k) {
    out.push_back(static_cast<int>(std::nearbyint(start + k * step)) - 1);
  }
  return out;
}

/// first + k step as the schedulers compute it, exact at the far end.
inline double evenly(double first, double last, int k, int count) {
  if (k > 0 && k == count - 1) return last;
  return count == 1 ? first : k * ((last - first) / (count - 1)) + first;
}

/// Of `train` steps, the first `last` are used.
inline std::vector<int> spaced(settings const& s, int n, diffx::grid::points which, int last,
                               int train) {
  std::string const spacing = s.word("timestep_spacing", {"linspace", "leading", "trailing"});
  if (spacing == "linspace") return rounded_linspace(last, n, which);
  if (spacing == "leading") {
    return diffx::grid::index::leading(last, n, s.integer("steps_offset"), which);
  }
  return rounded_trailing(last, train, n);
}

inline std::vector<int> explicit_timesteps(json const& v) { return v.get<std::vector<int>>(); }

inline int steps_of(settings const& s, json const& num_steps) {
  if (!num_steps.is_number_integer()) unknown(s.scheduler(), "num_steps", num_steps, "an integer");
  return num_steps.get<int>();
}

/// Levels of a table-based class: `from` index i to index `to`, below 0 meaning the final level.
inline diffx::level final_level(settings const& s, diffx::schedule::alpha_bar_table const& table) {
  if (!s.has("set_alpha_to_one") || s.flag("set_alpha_to_one")) return clean_level();
  return table_level(table, 0, 0.0);
}

inline void finish_indices(grid_case& g, settings const& s, std::vector<int> const& indices,
                           std::vector<int> const& targets) {
  auto const& table = *g.table;
  g.timesteps = reals(indices);
  g.final = final_level(s, table);
  int const n = static_cast<int>(targets.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    g.evals.push_back(table_level(table, indices[i], indices[i]));
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    int const to = targets[i];
    auto const level = to < 0 ? g.final : table_level(table, to, to);
    g.steps.push_back({static_cast<int>(i), n, g.evals[i], level});
    if (i + 1 < targets.size() && to != indices[i + 1]) g.chains = false;
  }
}

/// Every index goes to the next one, the last to the final level.
inline std::vector<int> next_of(std::vector<int> const& indices) {
  std::vector<int> out(indices.begin() + 1, indices.end());
  out.push_back(-1);
  return out;
}

/// Every index goes T / n (integer division) down, whatever the next entry is.
inline std::vector<int> stride_below(std::vector<int> const& indices, int train, int n) {
  std::vector<int> out;
  for (int const i : indices) out.push_back(i - train / n);
  return out;
}

inline void index_grid(grid_case& g, settings const& s, json const& num_steps, arguments& args) {
  std::string const& name = s.scheduler();
  g.table = make_table(s);
  int const train = s.integer("num_train_timesteps");
  auto const exact = diffx::grid::points::exact;

  if (name == "DDPMScheduler") {
    json const given = args.get("timesteps");
    auto const indices = given.is_null() ? spaced(s, steps_of(s, num_steps), exact, train, train)
                                         : explicit_timesteps(given);
    finish_indices(g, s, indices, next_of(indices));
  } else if (name == "DDIMScheduler" || name == "CogVideoXDDIMScheduler" ||
             name == "CogVideoXDPMScheduler") {
    int const n = steps_of(s, num_steps);
    auto const indices = spaced(s, n, exact, train, train);
    finish_indices(g, s, indices, stride_below(indices, train, n));
  } else if (name == "DDIMInverseScheduler") {
    // From data to noise: the model is asked at index i, the state is one stride below it.
    int const n = steps_of(s, num_steps);
    s.word("timestep_spacing", {"leading", "trailing"});
    auto indices = spaced(s, n, exact, train, train);
    std::vector<int> const rising(indices.rbegin(), indices.rend());
    g.timesteps = reals(rising);
    auto const first = final_level(s, *g.table);
    for (int i = 0; i < n; ++i) {
      int const to = rising[static_cast<std::size_t>(i)];
      int const from = to - train / n;
      g.evals.push_back(table_level(*g.table, to, to));
      auto const at = from < 0 ? first : table_level(*g.table, from, from);
      g.steps.push_back({i, n, at, g.evals.back()});
      if (i > 0 && from != rising[static_cast<std::size_t>(i) - 1]) g.chains = false;
    }
    g.final = g.evals.back();
  } else if (name == "PNDMScheduler") {
    int const n = steps_of(s, num_steps);
    auto const indices = spaced(s, n, exact, train, train);
    std::vector<int> asked;
    if (s.flag("skip_prk_steps")) {
      asked.assign(indices.begin(), indices.end());
      if (n > 1) asked.insert(asked.begin() + 1, indices[1]);
    } else {
      // Three Runge-Kutta steps of four calls each: t, the middle twice, the end.
      if (n < 4) unknown(name, "num_steps", n, "at least 4 without skip_prk_steps");
      int const half = train / n / 2;
      for (std::size_t k = 0; k < 3; ++k) {
        int const middle = indices[k + 1] + half;
        for (int const i : {indices[k], middle, middle, indices[k + 1]}) asked.push_back(i);
      }
      asked.insert(asked.end(), indices.begin() + 3, indices.end());
    }
    finish_indices(g, s, indices, stride_below(indices, train, n));
    g.timesteps = reals(asked);
    g.evals.clear();
    for (int const i : asked) g.evals.push_back(table_level(*g.table, i, i));
  } else if (name == "RePaintScheduler") {
    int const n = std::min(steps_of(s, num_steps), train);
    json const length = args.get("jump_length");
    json const samples = args.get("jump_n_sample");
    int const jump = length.is_null() ? 10 : length.get<int>();
    int const repeats = samples.is_null() ? 10 : samples.get<int>();
    std::vector<int> left(static_cast<std::size_t>(n), 0);
    for (int j = 0; j < n - jump; j += jump) left[static_cast<std::size_t>(j)] = repeats - 1;
    std::vector<int> indices;
    for (int t = n; t >= 1;) {
      indices.push_back(--t * (train / n));
      if (left[static_cast<std::size_t>(t)]-- <= 0) continue;
      for (int k = 0; k < jump; ++k) indices.push_back(++t * (train / n));
    }
    finish_indices(g, s, indices, stride_below(indices, train, n));
    g.chains = false;
  } else {  // LCMScheduler, TCDScheduler
    json const given = args.get("timesteps");
    json const strength_given = args.get("strength");
    json const origin = args.get("original_inference_steps");
    double const strength = strength_given.is_null() ? 1.0 : strength_given.get<double>();
    s.word("timestep_spacing", {"leading", "trailing", "linspace"});  // without effect
    // TCD takes every training step as the origin when a count is given at the call.
    int const original = origin.is_null()         ? s.integer("original_inference_steps")
                         : name == "TCDScheduler" ? train
                                                  : origin.get<int>();
    std::vector<int> indices;
    if (given.is_null()) {
      indices = diffx::grid::index::consistency(train, steps_of(s, num_steps), original, strength);
    } else {
      indices = explicit_timesteps(given);
      auto const n = static_cast<int>(indices.size());
      indices.erase(indices.begin(), indices.end() - std::min(static_cast<int>(n * strength), n));
    }
    auto targets = next_of(indices);
    targets.back() = name == "TCDScheduler" ? 0 : indices.back();
    finish_indices(g, s, indices, targets);
  }
}

// -------------------------------------------------------------- sigma grids of multistep solvers

inline double flow_shifted(double tau, double shift) { return diffx::grid::tau::shift(tau, shift); }

inline int first_clipped(diffx::schedule::alpha_bar_table const& table, double lambda_min) {
  int clipped = 0;  // entries whose lambda lies below the bound
  for (int i = 0; i < table.size(); ++i) clipped += table.lambda(i) < lambda_min ? 1 : 0;
  return clipped;
}

/// The inverse drops repeated timesteps from its list, before it cuts them to integers, but not
/// their sigmas.
inline void drop_repeated(std::vector<double>& timesteps) {
  std::vector<double> kept;
  for (double const x : timesteps) {
    if (std::find(kept.begin(), kept.end(), x) == kept.end()) kept.push_back(x);
  }
  timesteps = std::move(kept);
}

inline void multistep_grid(grid_case& g, settings const& s, json const& num_steps,
                           arguments& args) {
  namespace sigma = diffx::grid::sigma;
  std::string const& name = s.scheduler();
  bool const inverse = name == "DPMSolverMultistepInverseScheduler";
  bool const unipc = name == "UniPCMultistepScheduler";
  bool const single = name == "DPMSolverSinglestepScheduler";
  bool const multi = name == "DPMSolverMultistepScheduler";
  bool const keeps_last =
      name == "DEISMultistepScheduler" || name == "SASolverScheduler" || inverse;
  g.table = make_table(s);
  sigma_curve const curve(*g.table);
  int const train = s.integer("num_train_timesteps");
  double const clip = s.has("lambda_min_clipped") ? s.number("lambda_min_clipped")
                                                  : -std::numeric_limits<double>::infinity();
  int const last = train - first_clipped(*g.table, clip);

  json const mu = name == "SASolverScheduler" || inverse ? json() : args.get("mu");
  double shift = s.number("flow_shift");
  if (!mu.is_null()) {
    if (!s.flag("use_dynamic_shifting")) unknown(name, "mu", mu, "absent without dynamic shifting");
    if (!unipc) s.word("time_shift_type", {"exponential"});
    shift = std::exp(mu.get<double>());
  } else if (unipc && s.flag("use_dynamic_shifting")) {
    unknown(name, "mu", mu, "given with dynamic shifting");
  }

  json const given = multi || single ? args.get("timesteps") : json();
  std::vector<double> t;
  int n = 0;
  if (!given.is_null()) {
    t = reals(explicit_timesteps(given));
    n = static_cast<int>(t.size());
  } else {
    n = steps_of(s, num_steps);
    auto const drop = diffx::grid::points::drop_smallest;
    if (inverse) {
      // n of n + 1 points, without the largest; spaced() drops the smallest of them.
      std::string const spacing = s.word("timestep_spacing", {"linspace", "leading", "trailing"});
      if (spacing == "trailing") {
        t = reals(spaced(s, n, drop, last, train));
        std::reverse(t.begin(), t.end());
      } else {
        auto const all = spacing == "linspace"
                             ? rounded_linspace(last, n + 1, diffx::grid::points::exact)
                             : diffx::grid::index::leading(last, n + 1, s.integer("steps_offset"));
        for (auto i = all.rbegin(); i + 1 != all.rend(); ++i) t.push_back(*i);
      }
    } else {
      t = reals(single ? rounded_linspace(last, n, drop) : spaced(s, n, drop, last, train));
    }
  }

  diffx::grid::sigma_range const range{s.has("sigma_min") ? s.number("sigma_min") : curve.min(),
                                       s.has("sigma_max") ? s.number("sigma_max") : curve.max()};
  std::vector<double> v;
  // `chop` is of values that the scheduler has to the last digit; others snap before they are cut.
  enum class to_integer { none, round, truncate, chop } how = to_integer::none;
  bool respaced = true;
  bool const flow = s.flag("use_flow_sigmas");
  bool const cosine = s.all().at("beta_schedule") == "squaredcos_cap_v2";
  if (s.flag("use_karras_sigmas")) {
    v = sigma::karras(n, range);
    how = multi && cosine ? to_integer::truncate : to_integer::round;
  } else if (s.flag("use_lu_lambdas")) {
    v = sigma::lu(n, range);
    how = cosine ? to_integer::truncate : to_integer::round;
  } else if (s.flag("use_exponential_sigmas")) {
    v = sigma::exponential(n, range);
    how = to_integer::truncate;
  } else if (s.flag("use_beta_sigmas")) {
    v = sigma::beta(n, range);
    how = to_integer::truncate;
  } else {
    respaced = false;
  }
  if (respaced && inverse) {  // from the data on
    std::reverse(v.begin(), v.end());
    if (n == 1) v = {range.min};
    // Its beta sigmas are the largest less a part of the whole range, which costs small ones
    // digits.
    for (double& x : v) x = s.flag("use_beta_sigmas") ? range.max + (x - range.max) : x;
  }

  if (respaced || flow) t.resize(static_cast<std::size_t>(n));  // clipped grids may be shorter
  if (respaced && !(flow && unipc)) {
    for (std::size_t i = 0; i < v.size(); ++i) t[i] = curve.index_of(v[i]);
  } else if (respaced) {
    if (!s.flag("use_karras_sigmas")) unknown(name, "use_flow_sigmas", true, "false here");
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] = v[i] / (v[i] + 1.0);
      t[i] = v[i] * train;
    }
    how = to_integer::chop;
  } else if (flow) {
    double const tau_min = 1.0 / train;
    if (unipc) {
      for (int i = 0; i < n; ++i) {
        double const tau = evenly(1.0, tau_min, i, n + 1);
        if (mu.is_null()) {
          v.push_back(flow_shifted(tau, shift));
        } else {
          bool const linear = s.word("time_shift_type", {"exponential", "linear"}) == "linear";
          double const m = mu.get<double>();
          v.push_back(linear ? diffx::grid::tau::dynamic_shift_linear(tau, m)
                             : diffx::grid::tau::dynamic_shift(tau, m));
        }
      }
      if (s.has("shift_terminal")) {
        v = diffx::grid::tau::stretch_to(v, s.number("shift_terminal"));
      }
      if (std::abs(v[0] - 1.0) < 1e-6) v[0] -= 1e-6;
    } else {
      for (int i = n; i > 0; --i) {
        v.push_back(flow_shifted(1.0 - evenly(1.0, tau_min, i, n + 1), shift));
      }
    }
    for (int i = 0; i < n; ++i) {
      auto const k = static_cast<std::size_t>(i);
      t[k] = v[k] * train;
    }
    how = to_integer::chop;
  } else {
    for (double const i : t) v.push_back(curve.at(i));
  }
  if (flow) g.path = path::flow;

  if (inverse && how != to_integer::round) drop_repeated(t);
  if (how != to_integer::none) {
    g.unrounded = t;
    for (double& x : t) {
      x = how == to_integer::round  ? rounded(x)
          : how == to_integer::chop ? std::trunc(x)
                                    : truncated(x);
    }
  }

  if (inverse) {
    v.push_back(respaced || flow ? v.back() : curve.at(last - 1));
  } else if (keeps_last) {
    v.push_back(respaced || flow ? v.back() : curve.min());
  } else if (s.word("final_sigmas_type", {"zero", "sigma_min"}) == "zero") {
    v.push_back(0.0);
  } else {
    v.push_back(unipc && (respaced || flow) ? v.back() : curve.min());
  }
  g.timesteps = std::move(t);
  g.sigmas = std::move(v);
  if (inverse && how == to_integer::round) drop_repeated(g.timesteps);
  finish_single(g);
}

// ------------------------------------------------------------- sigma grids of k-diffusion solvers

inline void k_diffusion_grid(grid_case& g, settings const& s, json const& num_steps,
                             arguments& args) {
  namespace sigma = diffx::grid::sigma;
  std::string const& name = s.scheduler();
  bool const euler = name == "EulerDiscreteScheduler";
  bool const heun = name == "HeunDiscreteScheduler";
  bool const kdpm2 = name == "KDPM2DiscreteScheduler";
  bool const kdpm2_a = name == "KDPM2AncestralDiscreteScheduler";
  bool const sde = name == "DPMSolverSDEScheduler";
  g.path = path::edm;
  g.table = make_table(s);
  sigma_curve const curve(*g.table);
  json const told_train =
      euler || name == "EulerAncestralDiscreteScheduler" || name == "LMSDiscreteScheduler"
          ? json()
          : args.get("num_train_timesteps");
  int const train = told_train.is_null() ? s.integer("num_train_timesteps") : told_train.get<int>();
  bool const continuous = euler &&
                          s.word("timestep_type", {"discrete", "continuous"}) == "continuous" &&
                          s.all().at("prediction_type") == "v_prediction";
  bool const log_linear =
      euler && s.word("interpolation_type", {"linear", "log_linear"}) == "log_linear";

  json const given_t = euler || heun ? args.get("timesteps") : json();
  json const given_s = euler ? args.get("sigmas") : json();
  std::string const spacing = s.word("timestep_spacing", {"linspace", "leading", "trailing"});
  std::vector<double> t;
  std::vector<double> v;
  double end = 0.0;
  if (!given_s.is_null()) {
    v = given_s.get<std::vector<double>>();
    end = v.back();
    v.pop_back();
    for (double const x : v) t.push_back(curve.index_of(x));
  } else {
    int n = 0;
    if (!given_t.is_null()) {
      t = given_t.get<std::vector<double>>();
      n = static_cast<int>(t.size());
    } else {
      n = steps_of(s, num_steps);
      if (spacing == "linspace") {  // not rounded
        for (int k = n - 1; k >= 0; --k) {
          t.push_back(diffx::grid::detail::spread(0.0, train - 1.0, k, n));
        }
      } else {
        t = reals(spaced(s, n, diffx::grid::points::exact, train, train));
      }
    }
    if (log_linear) {  // one more than there are timesteps, so the run ends before the last
      v = sigma::exponential(n + 1, {curve.min(), curve.max()});
    } else {
      for (double const i : t) v.push_back(curve.at(i));
    }
    // Re-spaced sigmas take their range from the chosen timesteps, not from the table.
    auto const range = [&]() -> diffx::grid::sigma_range {
      return {euler && s.has("sigma_min") ? s.number("sigma_min") : v.back(),
              euler && s.has("sigma_max") ? s.number("sigma_max") : v.front()};
    };
    bool respaced = true;
    bool round = false;
    bool const any = s.flag("use_karras_sigmas") || s.flag("use_exponential_sigmas") ||
                     s.flag("use_beta_sigmas");
    if (n == 1 && any) {  // one timestep has no range
      v = {range().max};
      round = (kdpm2 || kdpm2_a) && s.flag("use_karras_sigmas");
    } else if (s.flag("use_karras_sigmas")) {
      v = sigma::karras(n, range());
      round = kdpm2 || kdpm2_a;
    } else if (s.flag("use_exponential_sigmas")) {
      v = sigma::exponential(n, range());
    } else if (s.flag("use_beta_sigmas")) {
      v = sigma::beta(n, range());
    } else {
      respaced = false;
    }
    for (std::size_t i = 0; respaced && i < v.size(); ++i) t[i] = curve.index_of(v[i]);
    if (round) {
      g.unrounded = t;
      for (double& x : t) x = rounded(x);
    }
    if (euler && s.word("final_sigmas_type", {"zero", "sigma_min"}) == "sigma_min") {
      end = curve.min();
    }
  }
  double largest = end;
  for (double const x : v) largest = std::fmax(largest, x);
  g.init_noise_sigma = spacing == "leading" ? std::sqrt(largest * largest + 1.0) : largest;
  if (continuous) {
    t.clear();
    for (double const x : v) t.push_back(0.25 * std::log(x));
  }

  std::size_t const n = t.size();
  v.push_back(end);
  std::vector<diffx::level> points;
  for (std::size_t i = 0; i <= n; ++i) {
    points.push_back(sigma_level(path::edm, v[i], i < n ? t[i] : 0.0));
  }
  bool const two = heun || kdpm2 || kdpm2_a || sde;
  g.order = two ? 2 : 1;
  if (!two) {
    g.timesteps = t;
    g.sigmas = v;
    g.evals.assign(points.begin(), points.end() - 1);
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      g.timesteps.push_back(t[i]);
      g.evals.push_back(points[i]);
      if (i + 1 == n) break;
      if (heun) {
        g.timesteps.push_back(t[i + 1]);
        g.evals.push_back(points[i + 1]);
        continue;
      }
      // Geometric mean with the next sigma, or with the ancestral sigma_down towards it.
      double const next = v[i + 1];
      // The difference cancels where the sigmas are far apart, so its order of operations is
      // theirs.
      double const up = std::sqrt(next * next * (v[i] * v[i] - next * next) / (v[i] * v[i]));
      double const down = kdpm2_a ? std::sqrt(next * next - up * up) : next;
      double const middle = std::exp(0.5 * (std::log(v[i]) + std::log(down)));
      double const told = curve.index_of(middle);
      g.middle_sigmas.push_back(middle);
      g.timesteps.push_back(told);
      g.evals.push_back(sigma_level(path::edm, middle, told));
    }
    bool const extra_zero = kdpm2 || kdpm2_a;  // these hold the final zero twice more
    for (std::size_t i = 0; i < n; ++i) {
      for (int k = 0; k < (i == 0 ? 1 : 2); ++k) g.sigmas.push_back(v[i]);
    }
    for (int k = 0; k < (extra_zero ? 3 : 1); ++k) g.sigmas.push_back(end);
  }
  chain(g, std::move(points));
}

// ------------------------------------------------------------------------------ EDM and relatives

inline void edm_grid(grid_case& g, settings const& s, json const& num_steps, arguments& args) {
  namespace sigma = diffx::grid::sigma;
  std::string const& name = s.scheduler();
  g.path = path::edm;
  diffx::grid::sigma_range const range{s.number("sigma_min"), s.number("sigma_max")};
  bool const karras = s.word("sigma_schedule", {"karras", "exponential"}) == "karras";
  json const ramp = name == "EDMEulerScheduler" ? args.get("sigmas_tensor") : json();
  std::vector<double> v;
  if (!ramp.is_null()) {  // places in [0, 1]; the exponential schedule uses their number only
    auto const places = ramp.get<std::vector<double>>();
    double const rho = s.number("rho");
    double const a = std::pow(range.max, 1.0 / rho);
    double const b = std::pow(range.min, 1.0 / rho);
    if (karras) {
      for (double const u : places) v.push_back(std::pow(a + u * (b - a), rho));
    } else {
      v = sigma::exponential(static_cast<int>(places.size()), range);
    }
  } else {
    int const n = steps_of(s, num_steps);
    v = karras ? sigma::karras(n, range, s.number("rho")) : sigma::exponential(n, range);
  }
  if (!karras && v.size() == 1) v[0] = range.min;  // these rise from sigma_min and are turned over
  for (double const x : v) {
    g.timesteps.push_back(name == "CosineDPMSolverMultistepScheduler"
                              ? std::atan(x) * 2.0 / std::numbers::pi
                              : 0.25 * std::log(x));
  }
  bool const zero = s.word("final_sigmas_type", {"zero", "sigma_min"}) == "zero";
  v.push_back(zero ? 0.0 : name == "EDMEulerScheduler" ? v.back() : range.min);
  g.sigmas = std::move(v);
  g.init_noise_sigma = std::sqrt(range.max * range.max + 1.0);
  finish_single(g);
}

inline void consistency_model_grid(grid_case& g, settings const& s, json const& num_steps,
                                   arguments& args) {
  g.path = path::edm;
  int const train = s.integer("num_train_timesteps");
  json const given = args.get("timesteps");
  std::vector<int> places;  // descending
  if (given.is_null()) {
    places = diffx::grid::index::leading(train, steps_of(s, num_steps));
  } else {
    places = explicit_timesteps(given);
  }
  double const rho = s.number("rho");
  double const a = std::pow(s.number("sigma_max"), 1.0 / rho);
  double const b = std::pow(s.number("sigma_min"), 1.0 / rho);
  for (auto p = places.rbegin(); p != places.rend(); ++p) {
    double const x = std::pow(a + static_cast<double>(*p) / (train - 1) * (b - a), rho);
    g.sigmas.push_back(x);
    g.timesteps.push_back(250.0 * std::log(x + 1e-44));
  }
  g.sigmas.push_back(s.number("sigma_min"));
  g.init_noise_sigma = s.number("sigma_max");
  finish_single(g);
}

// -------------------------------------------------------------------------------- flow matching

inline void flow_grid(grid_case& g, settings const& s, json const& num_steps, arguments& args) {
  namespace sigma = diffx::grid::sigma;
  std::string const& name = s.scheduler();
  g.path = path::flow;
  if (name == "MiniMaxH3Scheduler") {  // model time 1 - tau; n points, so n - 1 steps
    json const given = args.get("sigmas");
    if (given.is_null()) {
      int const n = steps_of(s, num_steps);
      for (int k = 0; k < n; ++k) {
        double const tau = diffx::grid::detail::spread(1.0, 0.0, k, n);
        g.sigmas.push_back(flow_shifted(tau, s.number("shift")));
      }
    } else {
      g.sigmas = given.get<std::vector<double>>();
    }
    for (std::size_t k = 0; k + 1 < g.sigmas.size(); ++k) {
      g.timesteps.push_back(1.0 - g.sigmas[k]);
    }
    finish_single(g);
    return;
  }
  double const train = s.number("num_train_timesteps");
  bool const ltx = name == "LTXEulerAncestralRFScheduler";
  bool const flow_heun = name == "FlowMatchHeunDiscreteScheduler";
  json const given_s = flow_heun ? json() : args.get("sigmas");
  json const given_t = flow_heun ? json() : args.get("timesteps");
  if (ltx && !(given_s.is_null() && given_t.is_null())) {  // its timesteps are sigmas as well
    g.sigmas = (given_s.is_null() ? given_t : given_s).get<std::vector<double>>();
    for (double const x : g.sigmas) g.timesteps.push_back(x * train);
    finish_single(g);  // the last timestep, at sigma 0, has no step
    return;
  }
  double const shift = s.has("shift") ? s.number("shift") : 1.0;
  bool const dynamic = s.flag("use_dynamic_shifting");
  bool const map = name == "FlowMapEulerDiscreteScheduler";
  json const mu = s.all().contains("use_dynamic_shifting") ? args.get("mu") : json();
  if (dynamic && mu.is_null()) unknown(name, "mu", mu, "given with dynamic shifting");

  std::vector<double> v;
  if (given_s.is_string()) {
    if (given_s != "linspace(1,1/n,n)") unknown(name, "sigmas", given_s, "linspace(1,1/n,n)");
    int const n = args.get("n").get<int>();
    for (int k = 0; k < n; ++k) v.push_back(diffx::grid::detail::spread(1.0, 1.0 / n, k, n));
  } else if (given_s.is_array()) {
    v = given_s.get<std::vector<double>>();
  } else if (!given_t.is_null()) {
    v = given_t.get<std::vector<double>>();
    for (double& x : v) x /= train;
  } else {
    int const n = steps_of(s, num_steps);
    // The ends of the training range are shifted once here, every point again below.
    double const last = dynamic ? 1.0 / train : flow_shifted(1.0 / train, shift);
    for (int k = 0; k < n; ++k) {
      v.push_back(map ? diffx::grid::detail::spread(1.0, 0.0, k, n + 1)
                      : evenly(train, last * train, k, n) / train);
    }
  }
  for (double& x : v) {
    if (!dynamic) {
      x = flow_shifted(x, shift);
    } else if (s.word("time_shift_type", {"exponential", "linear"}) == "linear") {
      x = diffx::grid::tau::dynamic_shift_linear(x, mu.get<double>());
    } else {
      x = diffx::grid::tau::dynamic_shift(x, mu.get<double>());
    }
  }
  if (s.has("shift_terminal")) v = diffx::grid::tau::stretch_to(v, s.number("shift_terminal"));
  int const n = static_cast<int>(v.size());
  bool const one = n == 1;  // which has no range
  if (s.flag("use_karras_sigmas") && !one) v = sigma::karras(n, {v.back(), v.front()});
  if (s.flag("use_exponential_sigmas") && !one) v = sigma::exponential(n, {v.back(), v.front()});
  if (s.flag("use_beta_sigmas") && !one) v = sigma::beta(n, {v.back(), v.front()});
  bool const invert = s.flag("invert_sigmas");
  if (invert) {
    for (double& x : v) x = 1.0 - x;
  }
  // Given timesteps are shifted like their sigmas; only FlowMatchLCM tells the model the given
  // ones.
  for (double const x : v) g.timesteps.push_back(x * train);
  if (!given_t.is_null() && !invert && name == "FlowMatchLCMScheduler") {
    g.timesteps = given_t.get<std::vector<double>>();
  }
  if (!flow_heun) {
    g.sigmas = v;
    g.sigmas.push_back(invert ? 1.0 : 0.0);
    finish_single(g);
    return;
  }
  g.order = 2;
  auto const t = std::exchange(g.timesteps, {});
  std::vector<diffx::level> points;
  for (std::size_t i = 0; i < v.size(); ++i) {
    points.push_back(sigma_level(path::flow, v[i], t[i]));
    for (int k = 0; k < (i == 0 ? 1 : 2); ++k) {
      g.timesteps.push_back(t[i]);
      g.sigmas.push_back(v[i]);
      g.evals.push_back(points.back());
    }
  }
  g.sigmas.push_back(0.0);
  points.push_back(clean_level());
  chain(g, std::move(points));
}

// ------------------------------------------------------------------------------------- the others

inline void other_grid(grid_case& g, settings const& s, json const& num_steps, arguments& args) {
  std::string const& name = s.scheduler();
  bool const wuerstchen = name == "DDPMWuerstchenScheduler";
  int const n = wuerstchen && num_steps.is_null() ? 0 : steps_of(s, num_steps);
  if (name == "UnCLIPScheduler") {
    s.word("beta_schedule", {"squaredcos_cap_v2"});
    g.table = diffx::schedule::cosine(s.integer("num_train_timesteps"));
    auto const indices = rounded_linspace(g.table->size(), n, diffx::grid::points::exact);
    finish_indices(g, s, indices, next_of(indices));
  } else if (name == "ConsistencyDecoderScheduler") {
    if (n != 2) unknown(name, "num_steps", n, "2");
    g.table = diffx::schedule::cosine(s.integer("num_train_timesteps"));
    std::vector<int> const indices{1008, 512};
    finish_indices(g, s, indices, next_of(indices));
    g.init_noise_sigma = g.table->sigma(1008);
  } else if (name == "IPNDMScheduler") {
    // sigma = sin^2(pi u / 2) with u from 1 to 0; the model is told the angle, in units of pi / 2.
    std::vector<diffx::level> points;
    std::vector<double> sigmas;
    if (s.has("trained_betas")) {  // what it calls betas are its sigmas
      sigmas = s.all().at("trained_betas").get<std::vector<double>>();
    } else {
      for (int k = 0; k <= n; ++k) {
        double const u = diffx::grid::detail::spread(1, 0, k, n + 1);
        double const root = std::sin(0.5 * std::numbers::pi * u);
        sigmas.push_back(root * root);
      }
    }
    for (double const sigma : sigmas) {
      double const alpha = std::sqrt((1.0 - sigma) * (1.0 + sigma));
      double const t = std::atan2(sigma, alpha) / std::numbers::pi * 2.0;
      g.timesteps.push_back(t);
      points.push_back(sigma == 0.0 ? clean_level()
                                    : make_level(alpha, sigma, std::log(alpha / sigma), t));
    }
    g.timesteps.pop_back();
    g.evals.assign(points.begin(), points.end() - 1);
    chain(g, std::move(points));
  } else if (name == "SCMScheduler") {
    g.path = path::trig_flow;
    json const given = args.get("timesteps");
    json const top = args.get("max_timesteps");
    json const middle = args.get("intermediate_timesteps");
    double const first = top.is_null() ? 1.5708 : top.get<double>();
    bool const by_hand = !args.has("intermediate_timesteps") || !middle.is_null();
    if (by_hand && n != 2) unknown(name, "intermediate_timesteps", middle, "null unless 2 steps");
    if (!given.is_null()) {
      g.timesteps = given.get<std::vector<double>>();
    } else if (by_hand) {
      g.timesteps = {first, middle.is_null() ? 1.3 : middle.get<double>(), 0.0};
    } else {
      for (int k = 0; k <= n; ++k) {
        g.timesteps.push_back(diffx::grid::detail::spread(first, 0.0, k, n + 1));
      }
    }
    // 1.5708 lies just beyond pi / 2: a signal of -3.7e-6, kept as it is.
    for (double const t : g.timesteps) {
      double const ratio = std::cos(t) / std::sin(t);
      double const lambda = t == 0.0      ? std::numeric_limits<double>::infinity()
                            : ratio > 0.0 ? std::log(ratio)
                                          : -std::numeric_limits<double>::infinity();
      g.evals.push_back(make_level(std::cos(t), std::sin(t), lambda, t));
    }
    chain(g, g.evals);
  } else if (wuerstchen) {
    double const offset = s.number("s");
    double const scaler = s.number("scaler");
    auto const root = [&](double u) {
      return std::cos((u + offset) / (1.0 + offset) * 0.5 * std::numbers::pi);
    };
    json const given = args.get("timesteps");
    std::vector<double> times;
    if (!given.is_null()) {
      times = given.get<std::vector<double>>();
    } else {
      for (int k = 0; k <= n; ++k) {
        times.push_back(diffx::grid::detail::spread(1.0, 0.0, k, n + 1));
      }
    }
    for (double const u : times) {
      double const w = scaler > 1.0   ? 1.0 - std::pow(1.0 - u, scaler)
                       : scaler < 1.0 ? std::pow(u, scaler)
                                      : u;
      double const raw = root(w) * root(w) / (root(0.0) * root(0.0));
      double const bar = std::fmin(std::fmax(raw, 0.0001), 0.9999);
      g.timesteps.push_back(u);
      g.evals.push_back(
          make_level(std::sqrt(bar), std::sqrt(1.0 - bar), 0.5 * std::log(bar / (1.0 - bar)), u));
    }
    chain(g, g.evals);
  } else if (name == "ScoreSdeVeScheduler" || name == "ScoreSdeVpScheduler") {
    bool const ve = name == "ScoreSdeVeScheduler";
    if (ve) g.path = path::edm;
    json const told = ve ? args.get("sampling_eps") : json();
    double const eps = told.is_null() ? s.number("sampling_eps") : told.get<double>();
    for (int k = 0; k < n; ++k) {
      double const t = diffx::grid::detail::spread(1.0, eps, k, n);
      g.timesteps.push_back(t);
      if (ve) {
        double const low = s.number("sigma_min");
        g.sigmas.push_back(low * std::pow(s.number("sigma_max") / low, t));
        g.evals.push_back(sigma_level(path::edm, g.sigmas.back(), g.sigmas.back()));
      } else {
        double const b0 = s.number("beta_min");
        double const l = -0.25 * t * t * (s.number("beta_max") - b0) - 0.5 * t * b0;
        g.evals.push_back(make_level(std::exp(l), std::sqrt(-std::expm1(2.0 * l)),
                                     -0.5 * std::log(std::expm1(-2.0 * l)), t));
      }
    }
    if (ve) g.init_noise_sigma = s.number("sigma_max");
    chain(g, g.evals);
  } else {
    unknown(name, "scheduler", name, "a class with a grid");
  }
}

}  // namespace detail

/// The grid of one case. Throws diffx::error that names the setting for any key or value that it
/// does not know; settings of the update rule alone are passed by (see diffusers_settings).
inline grid_case make_grid(std::string const& scheduler, json const& config, json const& num_steps,
                           json const& set_timesteps) {
  detail::settings const s(scheduler, config);
  detail::arguments args(scheduler, set_timesteps);
  grid_case g;
  g.scheduler = scheduler;
  g.config = s.all();
  auto const any = [&](std::initializer_list<char const*> names) {
    for (char const* const name : names) {
      if (scheduler == name) return true;
    }
    return false;
  };
  if (any({"DDIMScheduler", "DDIMInverseScheduler", "DDPMScheduler", "PNDMScheduler",
           "CogVideoXDDIMScheduler", "CogVideoXDPMScheduler", "RePaintScheduler", "LCMScheduler",
           "TCDScheduler"})) {
    detail::index_grid(g, s, num_steps, args);
  } else if (any({"DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler",
                  "DPMSolverMultistepInverseScheduler", "DEISMultistepScheduler",
                  "UniPCMultistepScheduler", "SASolverScheduler"})) {
    detail::multistep_grid(g, s, num_steps, args);
  } else if (any({"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler",
                  "HeunDiscreteScheduler", "LMSDiscreteScheduler", "KDPM2DiscreteScheduler",
                  "KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler"})) {
    detail::k_diffusion_grid(g, s, num_steps, args);
  } else if (any({"EDMEulerScheduler", "EDMDPMSolverMultistepScheduler",
                  "CosineDPMSolverMultistepScheduler"})) {
    detail::edm_grid(g, s, num_steps, args);
  } else if (any({"CMStochasticIterativeScheduler"})) {
    detail::consistency_model_grid(g, s, num_steps, args);
  } else if (any({"FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler",
                  "FlowMatchLCMScheduler", "FlowMapEulerDiscreteScheduler",
                  "LTXEulerAncestralRFScheduler", "MiniMaxH3Scheduler"})) {
    detail::flow_grid(g, s, num_steps, args);
  } else {
    detail::other_grid(g, s, num_steps, args);
  }
  args.finish();
  return g;
}

}  // namespace conformance
