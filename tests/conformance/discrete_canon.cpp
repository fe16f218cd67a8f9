// The entries of the discrete-diffusion canon: schedules, kernels, bridges, scores, exact laws.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/analysis/class_kernel.hpp>
#include <diffx/analysis/float_race.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/discretised_gaussian.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/schedule/class_rates.hpp>
#include <diffx/schedule/geometric_noise.hpp>
#include <diffx/schedule/linear_noise.hpp>
#include <diffx/schedule/log_linear.hpp>
#include <diffx/schedule/mask_cosine.hpp>
#include <diffx/schedule/mask_cosine_squared.hpp>
#include <diffx/schedule/mask_log.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/schedule/scaled_mask_cosine.hpp>
#include <diffx/solver/ancestral.hpp>

#include "decoding.hpp"
#include "papers.hpp"
#include "remask.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conformance {
namespace {

namespace process = diffx::process;
namespace schedule = diffx::schedule;
namespace analysis = diffx::analysis;
using diffx::level;
using numbers = std::vector<double>;

/// Compares a list, entry by entry, each by its own size or `floor` if that is larger.
void compare(report& r, numbers const& got, json const& want, double floor,
             std::string const& what) {
  if (!want.is_array() || got.size() != want.size()) {
    r.fail(what + ": " + std::to_string(got.size()) + " values, want " +
           std::to_string(want.size()));
    return;
  }
  for (std::size_t k = 0; k < got.size(); ++k) {
    double const w = want[k].get<double>();
    r.near(got[k], w, std::max(std::fabs(w), floor), what + "[" + std::to_string(k) + "]");
  }
}

/// A level of classes that keeps the data class with this probability.
level kept(double alpha) { return {1.0 - alpha, alpha, 1.0 - alpha, 0.0, 0.0}; }

numbers row_of(numbers const& matrix, std::size_t i, std::size_t n) {
  auto const first = matrix.begin() + static_cast<std::ptrdiff_t>(i * n);
  return {first, first + static_cast<std::ptrdiff_t>(n)};
}

numbers flat(json const& table) {
  numbers out;
  for (json const& row : table) {
    for (json const& v : row) out.push_back(v.get<double>());
  }
  return out;
}

// ---- schedules ----

template <class F>
bool with_schedule(std::string const& name, settings& params, F const& f) {
  if (name == "loglinear") {
    f(schedule::log_linear{params.number("eps", 0.0)});
  } else if (name == "cosine") {
    f(schedule::mask_cosine{params.number("eps", 0.0)});
  } else if (name == "cosinesqr") {
    f(schedule::mask_cosine_squared{params.number("eps", 0.0)});
  } else if (name == "geometric") {
    f(schedule::geometric_noise{params.number("sigma_min", 1e-4),
                                params.number("sigma_max", 20.0)});
  } else if (name == "linear") {
    f(schedule::linear_noise{params.number("sigma_min", 0.0), params.number("sigma_max", 10.0)});
  } else {
    return false;
  }
  params.refuse_unread(name);
  return true;
}

bool schedule_sigma(settings& e, report& r) {
  auto const given = e.get<json>("params", json::object());
  settings params(given);
  auto const t = e.get<numbers>("t", {});
  return with_schedule(e.get<std::string>("schedule", ""), params, [&](auto const& s) {
    s.check();
    numbers sigma, rate, alpha;
    for (double const v : t) {
      // The reference's t = 0 is the limit from above; here it is the data.
      double const time = v > 0.0 ? v : 1e-300;
      sigma.push_back(schedule::total_noise(s, time));
      rate.push_back(schedule::noise_rate(s, time));
      alpha.push_back(schedule::kept_at(s, time));
    }
    // The reference takes 1 - alpha and logarithms of alpha in plain form: sigma is good to a few
    // eps absolutely, and what divides by alpha to eps / alpha relatively. With the tolerance
    // 1e-13 below that is a floor of 1 (sigma) and of 1 / alpha (rates) at the small end.
    r.tolerance = 1e-13;
    auto const want_sigma = e.get<json>("sigma", {}), want_rate = e.get<json>("dsigma", {}),
               want_alpha = e.get<json>("alpha", {});
    if (want_sigma.size() != t.size() || want_rate.size() != t.size()) {
      return r.fail("lists of different lengths");
    }
    compare(r, alpha, want_alpha, 1e-2, "alpha");
    for (std::size_t k = 0; k < t.size(); ++k) {
      double const a = want_alpha[k].get<double>();
      r.near(sigma[k], want_sigma[k].get<double>(), std::max(1.0, 1e-2 / a), "sigma");
      r.near(rate[k], want_rate[k].get<double>(), std::max(1.0, rate[k]) * std::max(1.0, 1e-2 / a),
             "dsigma");
    }
  });
}

bool schedule_move_chance(settings& e, report& r) {
  auto const name = e.get<std::string>("schedule", "");
  auto const t = e.get<numbers>("t", {});
  auto const check = [&](auto const& s) {
    s.check();
    numbers moved, weight;
    for (double const v : t) {
      moved.push_back(s.moved(v));
      weight.push_back(-schedule::masked_weight(s, v));
    }
    compare(r, moved, e.get<json>("move_chance", {}), 0.0, "move_chance");
    compare(r, weight, e.get<json>("loss_scaling", {}), 0.0, "loss_scaling");
  };
  // The reference's floor of a power, 1e-3.
  if (name == "loglinear") {
    check(schedule::log_linear{});
  } else if (name == "square") {
    check(schedule::mask_power{2.0, 1e-3});
  } else if (name == "square_root") {
    check(schedule::mask_power{0.5, 1e-3});
  } else if (name == "log") {
    check(schedule::mask_log{});
  } else {
    return false;
  }
  r.tolerance = 1e-12;
  return true;
}

// ---- scores ----

bool sedd_analytic(settings& e, report& r) {
  auto const graph = e.get<std::string>("graph", "");
  int const states = e.get<int>("states", 0);
  if (graph != "uniform" && graph != "absorbing") return false;
  bool const masks = graph == "absorbing";
  diffx::detail::limit_law const law{states, masks ? states - 1 : -1, nullptr};
  auto const x = e.get<std::vector<int>>("x", {});
  auto const score = e.get<json>("score", {});
  double const noise = e.get<double>("dsigma", 0.0);
  auto const staggered = e.get<json>("staggered", {}), into = e.get<json>("transition_into_x", {}),
             weights = e.get<json>("prob_unnormalised", {}),
             rates = e.get<json>("euler_reverse_rate", {});
  r.tolerance = 1e-13;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto const s = score.at(i).get<numbers>();
    double size = 0.0;  // differences of sums of this size
    for (double const v : s) size += v;
    compare(r, analysis::staggered_scores(law, noise, s), staggered.at(i), size, "staggered");
    compare(r, analysis::transition_into(law, noise, x[i]), into.at(i), 1.0, "transition");
    compare(r, analysis::tweedie_weights(law, noise, x[i], s), weights.at(i), size, "weights");
    compare(r, analysis::reverse_rate_row(law, x[i], s), rates.at(i), size, "rates");
  }
  return true;
}

bool mdlm_reverse_kernel(settings& e, report& r) {
  int const classes = e.get<int>("vocab_incl_mask", 0), mask = e.get<int>("mask", -1);
  process::absorbing<> const p(classes, mask);
  auto const x = e.get<std::vector<int>>("x_t", {});
  auto const logits = e.get<json>("logits", {}), want = e.get<json>("p_x0", {}),
             kernel = e.get<json>("q_xs", {}), scored = e.get<json>("score_at_sigma", {});
  level const t = kept(e.get<double>("alpha_t", 0.0)), s = kept(e.get<double>("alpha_s", 0.0));
  level const at = kept(std::exp(-scored.at("sigma").get<double>()));
  r.tolerance = 1e-13;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto const row = logits.at(i).get<numbers>();
    auto const law = analysis::law_of_logits<double>(p.limit(), x[i], row);
    compare(r, law, want.at(i), 1.0, "p_x0");
    compare(r, analysis::mixture_kernel(p, t, s, x[i], law), kernel.at(i), 1.0, "q_xs");
    auto const cavity = analysis::cavity_of_posterior(p, at, x[i], law);
    compare(r, analysis::score_of_cavity(p, at, x[i], cavity), scored.at("score").at(i), 1.0,
            "score");
  }
  return scored.size() == 2;
}

bool uniform_leave_one_out(settings& e, report& r) {
  process::uniform<> const p(e.get<int>("K", 0));
  level const t = kept(e.get<double>("alpha", 0.0));
  auto const x = e.get<std::vector<int>>("tokens", {});
  auto const logits = e.get<json>("logits", {}), posterior = e.get<json>("p_x0", {}),
             cavity = e.get<json>("p_loo", {}), gibbs = e.get<json>("gibbs_conditional", {});
  r.tolerance = 1e-13;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto const row = logits.at(i).get<numbers>();
    auto const law = analysis::law_of_logits<double>(p.limit(), x[i], row);
    auto const c = analysis::cavity_of_posterior(p, t, x[i], law);
    compare(r, law, posterior.at(i), 1.0, "p_x0");
    compare(r, c, cavity.at(i), 1.0, "p_loo");
    compare(r, analysis::noised_law(p, t, c), gibbs.at(i), 1.0, "gibbs_conditional");
    // The way back, and through the scores.
    compare(r, analysis::posterior_of_cavity(p, t, x[i], c), posterior.at(i), 1.0, "posterior");
    auto const scores = analysis::score_of_cavity(p, t, x[i], c);
    // Scores are nearly 1 where little of the data is left: eps over alpha.
    compare(r, analysis::cavity_of_score(p, t, scores), cavity.at(i), std::max(10.0, 1.0 / t.alpha),
            "cavity of scores");
  }
  return true;
}

// ---- kernels ----

template <class Process>
void d3pm(Process const& p, level const& before, level const& last, settings& e, report& r) {
  auto const n = static_cast<std::size_t>(e.get<int>("K", 0));
  auto const step = analysis::transition(p, before, last), all = analysis::transition(p, {}, last);
  auto const want_step = e.get<json>("Q_last", {}), want_all = e.get<json>("Qbar_last", {}),
             want = e.get<json>("posterior_x0_xt_xprev", {});
  if (step.size() != n * n || want.size() != n) return r.fail("another number of states");
  for (std::size_t i = 0; i < n; ++i) {
    compare(r, row_of(step, i, n), want_step.at(i), 1.0, "Q_last");
    compare(r, row_of(all, i, n), want_all.at(i), 1.0, "Qbar_last");
    for (std::size_t j = 0; j < n; ++j) {
      compare(r, analysis::bridge(p, last, before, static_cast<int>(j), static_cast<int>(i)),
              want.at(i).at(j), 1.0, "posterior");
    }
  }
}

bool d3pm_posterior(settings& e, report& r) {
  auto const kind = e.get<std::string>("kind", "");
  int const n = e.get<int>("K", 0);
  auto const betas = e.get<numbers>("betas", {});
  bool const has_law = e.has("marginal");
  double before = 1.0;
  for (std::size_t k = 0; k + 1 < betas.size(); ++k) before *= 1.0 - betas[k];
  level const s = kept(before), t = kept(before * (1.0 - betas.back()));
  r.tolerance = 1e-13;
  if (kind == "uniform") {
    d3pm(process::uniform<>(n), s, t, e, r);
  } else if (kind == "absorbing") {
    d3pm(process::absorbing<>(n - 1), s, t, e, r);
  } else if (kind == "marginal") {
    d3pm(process::marginal<>(e.get<numbers>("marginal", {})), s, t, e, r);
  } else if (kind == "gaussian") {
    process::discretised_gaussian const p(n, betas);
    d3pm(p, p.at_index(p.steps() - 2), p.at_index(p.steps() - 1), e, r);
  } else {
    return false;
  }
  return has_law == (kind == "marginal");
}

bool vq_diffusion_posterior(settings& e, report& r) {
  int const states = e.get<int>("K_incl_mask", 0);
  auto const p = process::mask_and_replace::linear(states - 1, e.get<int>("T", 0));
  int const index = e.get<int>("t", 0);
  level const t = p.at_index(index), s = p.at_index(index - 1);
  // The entry's tables were rounded to float as logarithms, which are as large as 20: half an ulp
  // of such is 1e-6, and a probability multiplies up to three of them.
  r.tolerance = 3e-6;
  auto const one = p.between(s, t), all = p.between({}, t), before = p.between({}, s);
  compare(
      r, {one.keep, one.replace, one.mask},
      json::array({e.get<double>("at", 0.0), e.get<double>("bt", 0.0), e.get<double>("ct", 0.0)}),
      0.0, "chances");
  compare(r, {all.keep, all.replace, all.mask}, e.get<json>("cum", {}), 0.0, "cum");
  compare(r, {before.keep, before.replace, before.mask}, e.get<json>("cum_prev", {}), 0.0,
          "cum_prev");
  auto const x = e.get<std::vector<int>>("x_t", {});
  auto const law = e.get<json>("p_x0", {}), want = e.get<json>("p_prev", {});
  for (std::size_t i = 0; i < x.size(); ++i) {
    // A mask before a class is impossible; the reference has the floor exp(-70) / b for it.
    compare(r, analysis::mixture_kernel(p, t, s, x[i], law.at(i).get<numbers>()), want.at(i), 1e-4,
            "p_prev");
  }
  return true;
}

bool uniform_posterior_routes(settings& e, report& r) {
  process::uniform<> const p(e.get<int>("K", 0));
  // The plan of the library's own step between the two levels.
  level const from = p.at(1.0 - e.get<double>("alpha_t", 0.0)),
              to = p.at(1.0 - e.get<double>("alpha_s", 0.0));
  diffx::timetable const grid({from, to});
  diffx::categorical_plan plan;
  diffx::solver::ancestral{}.plan(diffx::plan_context<process::uniform<>>{p, grid, 0, 0, 0}, plan);
  auto const& w = plan.stages().at(0).weight;
  double const weight[4] = {w[0], w[1], w[2], w[3]};
  auto const want = e.get<json>("routes", {});
  r.tolerance = 1e-13;
  auto const check = [&](double seen, char const* which) {
    auto const m = diffx::solver::ancestral::routes_of(weight, p.limit().probability(0), seen);
    double const clean = m.clean + m.back, sum = clean + m.stay + m.fresh;
    compare(r, {clean / sum, m.stay / sum, m.fresh / sum}, want.at(which), 1.0, which);
  };
  check(0.0, "different");
  check(1.0, "same");
  return want.size() == 2;
}

// ---- exact laws of two positions ----

template <class Process>
void enumeration(Process const& p, int classes, settings& e, report& r) {
  auto const weights = flat(e.get<json>("p0", {}));
  diffx::denoiser::joint_table const table(p, classes, 2, weights,
                                           diffx::prediction::x0_posterior<double>{});
  diffx::denoiser::joint_table const others(p, classes, 2, weights,
                                            diffx::prediction::x0_cavity<double>{});
  diffx::query q;
  q.at = kept(e.get<double>("alpha_t", 0.0));
  level const s = kept(e.get<double>("alpha_s", 0.0));
  int const width = p.limit().classes;
  for (json const& row : e.get<json>("rows", {})) {
    settings entry(row);
    auto const x = entry.get<std::vector<int>>("x_t", {});
    auto const want_p = entry.get<json>("p_x0_posterior", {}),
               want_c = entry.get<json>("p_x0_leave_one_out", {}),
               want = entry.get<json>("p_xs_exact_marginals", {}),
               wrong = entry.get<json>("plug_in_with_posterior", {});
    entry.refuse_unread("a row");
    numbers logits(2 * static_cast<std::size_t>(width)), cavity_logits = logits;
    diffx::exec::host const host;
    table(host, diffx::batch_view<int const>{x.data(), 1, 2}, q,
          diffx::batch_view<double>{logits.data(), 1, 2 * width});
    others(host, diffx::batch_view<int const>{x.data(), 1, 2}, q,
           diffx::batch_view<double>{cavity_logits.data(), 1, 2 * width});
    for (std::size_t l = 0; l < 2; ++l) {
      auto const part = [&](numbers const& all) {
        return std::span<double const>(all).subspan(l * static_cast<std::size_t>(width),
                                                    static_cast<std::size_t>(width));
      };
      auto const law = analysis::law_of_logits<double>(p.limit(), x[l], part(logits));
      auto const cavity = analysis::cavity_of_posterior(p, q.at, x[l], law);
      compare(r, law, want_p.at(l), 1.0, "posterior");
      compare(r, cavity, want_c.at(l), 1.0, "leave one out");
      compare(r, analysis::law_of_logits<double>(p.limit(), x[l], part(cavity_logits)),
              want_c.at(l), 1.0, "cavity of the table");
      compare(r, analysis::mixture_kernel(p, q.at, s, x[l], law), want.at(l), 1.0, "mixture");
      compare(r, analysis::plug_in_kernel(p, q.at, s, x[l], cavity), want.at(l), 1.0, "plug-in");
      compare(r, analysis::plug_in_kernel(p, q.at, s, x[l], law), wrong.at(l), 1.0,
              "plug-in of the posterior");
    }
  }
}

bool exact_reverse_enumeration(settings& e, report& r) {
  auto const kind = e.get<std::string>("kind", "");
  int const classes = e.get<int>("V", 0);
  r.tolerance = 1e-13;
  if (kind == "uniform") {
    enumeration(process::uniform<>(classes), classes, e, r);
  } else if (kind == "absorbing") {
    enumeration(process::absorbing<>(classes), classes, e, r);
  } else {
    return false;
  }
  return true;
}

template <class Process>
void output_law(Process const& p, int classes, settings& e, report& r) {
  auto const data = flat(e.get<json>("p0", {}));
  diffx::denoiser::joint_table const table(p, classes, 2, data,
                                           diffx::prediction::x0_posterior<double>{});
  auto const grid = diffx::grid::uniform_t(p, e.get<int>("N", 0));
  auto const all = analysis::chain_law(
      p, table, grid, 2, analysis::independent_law(analysis::limit_row(p), 2),
      [&](int now, std::span<double const> logits, level const& from, level const& to) {
        return analysis::mixture_kernel(p, from, to, now,
                                        analysis::law_of_logits(p.limit(), now, logits));
      });
  auto const states = static_cast<std::size_t>(analysis::state_count(p)),
             n = static_cast<std::size_t>(classes);
  numbers law;
  for (std::size_t a = 0; a < n; ++a) {
    auto const row = row_of(all, a, states);
    law.insert(law.end(), row.begin(), row.begin() + classes);
    compare(r, {row.begin(), row.begin() + classes}, e.get<json>("law", {}).at(a), 1.0, "law");
  }
  r.near(analysis::total_variation(law, data), e.get<double>("tv", -1.0), 1.0, "tv");
  r.tolerance = 1e-13;
}

int table_size(settings& e) { return static_cast<int>(e.get<json>("p0", {}).size()); }

bool masked_ancestral_output_law(settings& e, report& r) {
  output_law(process::absorbing<>(table_size(e)), table_size(e), e, r);
  return true;
}
bool uniform_ancestral_output_law(settings& e, report& r) {
  output_law(process::uniform<>(table_size(e)), table_size(e), e, r);
  return true;
}

bool float32_gumbel_unmask_deficit(settings& e, report& r) {
  double const intended = e.get<double>("intended_unmask_prob", 0.0);
  double const got = analysis::float_race_probability(e.get<double>("V", 0.0), intended);
  r.tolerance = 1e-12;
  double const want = e.get<double>("float32_unmask_prob_first_order", 0.0);
  r.near(got, want, want, "probability");
  r.near(got / intended, e.get<double>("ratio", 0.0), 1.0, "ratio");
  return true;
}

struct operation {
  std::string_view name;
  bool (*check)(settings& e, report& r);
};

constexpr operation operations[] = {
    {"schedule_sigma", schedule_sigma},
    {"schedule_move_chance", schedule_move_chance},
    {"sedd_analytic", sedd_analytic},
    {"mdlm_reverse_kernel", mdlm_reverse_kernel},
    {"d3pm_posterior", d3pm_posterior},
    {"vq_diffusion_posterior", vq_diffusion_posterior},
    {"exact_reverse_enumeration", exact_reverse_enumeration},
    {"masked_ancestral_output_law_L2", masked_ancestral_output_law},
    {"uniform_ancestral_output_law_L2", uniform_ancestral_output_law},
    {"uniform_leave_one_out", uniform_leave_one_out},
    {"uniform_posterior_routes", uniform_posterior_routes},
    {"float32_gumbel_unmask_deficit", float32_gumbel_unmask_deficit},
};

}  // namespace

bool discrete_canon_entry(json const& entry, report& r) {
  settings e(entry);
  e.ignore({"source"});
  auto const op = e.get<std::string>("op", "");
  for (operation const& known : operations) {
    if (known.name != op) continue;
    bool const done = known.check(e, r);
    e.refuse_unread(op);
    return done;
  }
  return canon_remask(entry, r) || decoding_entry(entry, r);
}

}  // namespace conformance
