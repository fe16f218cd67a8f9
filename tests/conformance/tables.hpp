#pragma once

#include <diffx/process/gaussian.hpp>

#include "diffusers_grid.hpp"
#include "harness.hpp"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace conformance {

/// Largest error of a case in units of its tolerance, and where.
struct verdict {
  double worst = 0.0;  // at most 1 passes
  double error = 0.0;  // relative, or absolute where said
  int compared = 0;
  std::string where;

  void note(std::string const& what, double got, double want, double tolerance, double scale) {
    ++compared;
    double const e = got == want ? 0.0 : std::abs(got - want) / scale;
    error = std::max(error, e);
    if (e / tolerance <= worst || std::isnan(worst)) return;  // a NaN of e goes on, and stays
    worst = e / tolerance;
    where = what + ": got " + diffx::detail::text(got) + ", expected " + diffx::detail::text(want);
  }
  bool passes() const { return worst <= 1.0; }
};

namespace detail {

inline double scale_of(double want) { return std::max(std::abs(want), 1e-300); }

/// Timesteps: exact where whole, else 1e-9; an entry that is 0 but for rounding to 1e-9 absolute.
inline void compare_timesteps(verdict& v, std::vector<double> const& got, json const& want) {
  v.note("number of timesteps", static_cast<double>(got.size()), static_cast<double>(want.size()),
         1e-12, 1.0);
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    double const w = want[i].get<double>();
    bool const whole = want[i].is_number_integer();
    v.note("timestep " + std::to_string(i), got[i], w, whole ? 1e-300 : 1e-9,
           whole ? 1.0 : std::max(std::abs(w), 1.0));
  }
}

inline void compare_sigmas(verdict& v, std::vector<double> const& got, json const& want) {
  auto const expected = want.is_null() ? std::vector<double>{} : want.get<std::vector<double>>();
  v.note("number of sigmas", static_cast<double>(got.size()), static_cast<double>(expected.size()),
         1e-12, 1.0);
  for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    v.note("sigma " + std::to_string(i), got[i], expected[i], 1e-11, scale_of(expected[i]));
  }
}

inline verdict check_schedule(json const& c) {
  verdict v;
  settings const s(c.at("scheduler"), c.at("config"));
  // These put 2^-24 in place of a terminal zero. On the linear schedule that is more than the entry
  // before it, so no table of the library can hold it: it is compared here by itself.
  bool const zero = !s.flag("rescale_betas_zero_snr") ||
                    !(c.at("scheduler") == "EulerDiscreteScheduler" ||
                      c.at("scheduler") == "EulerAncestralDiscreteScheduler" ||
                      c.at("scheduler") == "DPMSolverMultistepScheduler" ||
                      c.at("scheduler") == "UniPCMultistepScheduler");
  auto const table = c.at("scheduler") == "UnCLIPScheduler"
                         ? diffx::schedule::cosine(s.integer("num_train_timesteps"))
                         : make_table(s);
  auto const bar_at = [&](int t) {
    return !zero && t + 1 == table.size() ? 0x1p-24 : table.alpha_bar(t);
  };
  // CogVideoX changes alpha_bar after its betas are made, the others make betas anew.
  auto const betas = s.has("snr_shift_scale") ? base_table(s) : table;
  for (std::size_t i = 0; i < c.at("t").size(); ++i) {
    int const t = c["t"][i];
    std::string const at = " at " + std::to_string(t);
    double const beta = c["betas"][i];
    // The reference has beta as a difference of numbers near 1: absolute digits, not relative.
    v.note("beta" + at, betas.beta(t), beta, 1e-11, 1.0);
    double const bar = c["alphas_cumprod"][i];
    v.note("alpha_bar" + at, bar_at(t), bar, 1e-11, scale_of(bar));
  }
  double sum = 0.0;
  double sum_log = 0.0;
  for (int t = 0; t < table.size(); ++t) {
    sum += bar_at(t);
    if (t + 1 < table.size()) sum_log += table.log_alpha_bar(t);
  }
  double const want = c.at("sum_alphas_cumprod");
  double const want_log = c.at("sum_log_alphas_cumprod");
  v.note("sum of alpha_bar", sum, want, 1e-11, scale_of(want));
  v.note("sum of log alpha_bar", sum_log, want_log, 1e-11, scale_of(want_log));
  return v;
}

inline diffx::level level_or_clean(diffx::schedule::alpha_bar_table const& table, int t) {
  return t < 0 ? clean_level() : table_level(table, t, t);
}

inline verdict check_posterior(json const& c) {
  verdict v;
  json args = c.at("set_timesteps");
  json steps;
  if (args.contains("num_inference_steps")) {
    steps = args["num_inference_steps"];
    args.erase("num_inference_steps");
  }
  grid_case const g = make_grid(c.at("scheduler"), c.at("config"), steps, args);
  v.note("rows", static_cast<double>(g.steps.size()), static_cast<double>(c["rows"].size()), 1e-12,
         1.0);
  for (std::size_t i = 0; i < std::min(g.steps.size(), c["rows"].size()); ++i) {
    json const& row = c["rows"][i];
    auto const& [from, to] = std::pair(g.steps[i].from, g.steps[i].to);
    std::string const at = " in row " + std::to_string(i);
    auto const want = [&](char const* key) { return row.at(key).get<double>(); };
    // Where the reference subtracts numbers near 1 its digits are absolute, from `least` down.
    auto const note = [&](char const* key, double got, double least = 1e-300) {
      v.note(key + at, got, want(key), 1e-11, std::max(std::abs(want(key)), least));
    };
    note("t", from.timestep);
    note("alpha_bar", from.alpha * from.alpha);
    note("alpha_bar_prev", to.alpha * to.alpha);
    auto const law = diffx::process::posterior(from, to);
    double const large = diffx::process::renoise(to, from).std;
    double const small = std::max(law.variance, 1e-20);
    note("coef_x0", law.x0, 1.0);
    note("coef_xt", law.noisier, 1.0);
    note("fixed_small", small, 1e-3);
    note("fixed_small_log", std::sqrt(small), 1e-3);
    note("fixed_large", large * large, 1e-3);
    double const share = (0.25 + 1.0) / 2.0;
    note("learned_range_at_0.25", share * std::log(large * large) + (1.0 - share) * std::log(small),
         1.0);
  }
  return v;
}

inline verdict check_variance(json const& c) {
  verdict v;
  settings const s(c.at("scheduler"), c.at("config"));
  auto const table = make_table(s);
  for (json const& row : c.at("rows")) {
    int const t = row.at("t");
    int const prev = row.at("prev_t");
    auto const law =
        diffx::process::posterior(level_or_clean(table, t), level_or_clean(table, prev));
    double const want = row.at("variance");
    v.note("variance at " + std::to_string(t), law.variance, want, 1e-11, scale_of(want));
  }
  return v;
}

/// The forward process of the dummy sample with the hash sample as noise, one level per batch item.
template <class LevelOf>
verdict check_forward(json const& c, char const* key, LevelOf level_of) {
  verdict v;
  double largest = 0.0;
  for (json const& x : c.at(key)) largest = std::max(largest, std::abs(x.get<double>()));
  for (std::size_t i = 0; i < 16; ++i) {
    int const f = probes[i];
    diffx::level const at = level_of(static_cast<std::size_t>(f / 192));
    v.note(std::string(key) + " " + std::to_string(f),
           at.alpha * dummy_sample(f) + at.sigma * hash_sample(f), c[key][i], 1e-11, largest);
    if (c.contains("velocity")) {
      v.note("velocity " + std::to_string(f),
             at.alpha * hash_sample(f) - at.sigma * dummy_sample(f), c["velocity"][i], 1e-11, 1.0);
    }
  }
  return v;
}

inline verdict check_grid(json const& c, grid_case const& g) {
  verdict v;
  compare_timesteps(v, g.timesteps, c.at("timesteps"));
  compare_sigmas(v, g.sigmas, c.at("sigmas"));
  double const init = c.at("init_noise_sigma");
  v.note("init_noise_sigma", g.init_noise_sigma, init, 1e-11, scale_of(init));
  if (c.contains("order")) v.note("order", g.order, c["order"].get<double>(), 1e-12, 1.0);
  json const extra = c.contains("extra") ? c["extra"] : json::object();
  if (extra.contains("timesteps_before_rounding")) {
    json const& want = extra["timesteps_before_rounding"];
    for (std::size_t i = 0; i < want.size() && i < g.unrounded.size(); ++i) {
      v.note("unrounded timestep", g.unrounded[i], want[i].get<double>(), 1e-9,
             std::max(want[i].get<double>(), 1e-3));
    }
  }
  return v;
}

inline verdict check_grid_large(json const& c) {
  verdict v;
  auto const g = make_grid(c.at("scheduler"), c.at("config"), c.at("num_steps"), json());
  auto const& t = g.timesteps;
  auto sorted = t;
  std::sort(sorted.begin(), sorted.end());
  auto const distinct = std::unique(sorted.begin(), sorted.end()) - sorted.begin();
  auto const note = [&](char const* what, double got, json const& want) {
    double const w = want.get<double>();
    v.note(what, got, w, 1e-9, std::max(std::abs(w), 1e-3));
  };
  note("count", static_cast<double>(t.size()), c.at("count"));
  if (c.at("sum").is_number_integer()) {  // else it is rounding that tells values apart
    note("distinct", static_cast<double>(distinct), c.at("distinct"));
  }
  note("sum", std::accumulate(t.begin(), t.end(), 0.0), c.at("sum"));
  json const& first = c.at("first");
  json const& last = c.at("last");
  if (t.size() < first.size()) return v;  // the count has told
  for (std::size_t i = 0; i < first.size(); ++i) {
    note("first", t[i], first[i]);
    note("last", t[t.size() - last.size() + i], last.at(i));
  }
  return v;
}

}  // namespace detail

/// One case of tables.json, from its config alone. Throws diffx::error for an unknown kind.
inline verdict check_table(json const& c) {
  std::string const kind = c.at("kind");
  if (kind == "schedule") return detail::check_schedule(c);
  if (kind == "posterior_coefficients") return detail::check_posterior(c);
  if (kind == "variance") return detail::check_variance(c);
  if (kind == "grid_large") return detail::check_grid_large(c);
  if (kind == "add_noise_vp") {
    detail::settings const s(c.at("scheduler"), c.at("config"));
    auto const table = detail::make_table(s);
    return detail::check_forward(c, "add_noise", [&](std::size_t b) {
      return detail::table_level(table, c["timesteps_per_batch_item"][b].get<int>(), 0.0);
    });
  }
  if (kind != "grid" && kind != "add_noise_schedule" && kind != "scale_noise_flow") {
    diffx::detail::fail("conformance::check_table: kind = " + kind + ", must be a known kind");
  }
  grid_case const g = make_grid(c.at("scheduler"), c.at("config"), c.at("num_steps"), json());
  if (kind == "grid") return detail::check_grid(c, g);
  // Where a step has a middle, the reference noises to the sigma that it lists at that index.
  return detail::check_forward(
      c, kind == "scale_noise_flow" ? "scale_noise" : "add_noise", [&](std::size_t b) {
        auto const i = c["schedule_index_per_batch_item"][b].get<std::size_t>();
        if (g.scheduler == "SASolverScheduler") {  // noised with the table's entry
          return detail::table_level(*g.table, static_cast<int>(g.timesteps.at(i)), 0.0);
        }
        return detail::sigma_level(g.path, g.sigmas.at(i), 0.0);
      });
}

/// Timesteps, sigmas and init_noise_sigma of one case of continuous/*.json.
inline verdict check_case_grid(json const& c) {
  return detail::check_grid(
      c, make_grid(c.at("scheduler"), c.at("config"), c.at("num_steps"), c.at("set_timesteps")));
}

}  // namespace conformance
