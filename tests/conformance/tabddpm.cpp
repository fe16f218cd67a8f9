// The golden entries of rows of numbers and categories that go through one chain of steps: its
// schedules, a step of the numbers, a step of every category.

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddim_inverse.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/gibbs.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace conformance {
namespace {

namespace analysis = diffx::analysis;
namespace solver = diffx::solver;
using diffx::level;
using diffx::process::vp_discrete;
using diffx::schedule::alpha_bar_table;
using numbers = std::vector<double>;
using rows = std::vector<numbers>;
using codes = std::vector<std::vector<int>>;

/// Entry by entry; allowance(i, value) is what the tolerance is relative to.
template <class F>
void compare(report& r, numbers const& got, json const& want, F const& allowance,
             std::string const& what) {
  if (got.size() != want.size()) return r.fail(what + ": number of values");
  for (std::size_t i = 0; i < got.size(); ++i) {
    double const w = want[i].get<double>();
    r.near(got[i], w, allowance(i, w), what + "[" + std::to_string(i) + "]");
  }
}

/// Of numbers that were rounded once, from double to float: each by its own size. A 0 is exact.
double own_size(std::size_t, double w) {
  return std::max(std::fabs(w), std::numeric_limits<double>::min());
}

/// Of a beta, which the reference has as 1 less a float below 1, whose last place is 2^-24.
auto beta_size(report const& r) {
  return [floor = 0x1p-24 / r.tolerance](std::size_t i, double w) {
    return std::max(own_size(i, w), floor);
  };
}

/// The reference scales the betas of 1000 steps with the number of steps.
alpha_bar_table table_of(json const& in) {
  int const steps = in.at("num_timesteps").get<int>();
  auto const kind = in.at("scheduler").get<std::string>();
  if (kind == "cosine") return diffx::schedule::cosine(steps);
  if (kind != "linear") diffx::detail::fail("conformance: unknown scheduler " + kind);
  double const scale = 1000.0 / steps;
  return diffx::schedule::linear(steps, 1e-4 * scale, 2e-2 * scale);
}

// ---- numbers ----

/// A network that has said this, whatever it is asked.
template <class Prediction>
struct said {
  static constexpr int branches = 1;
  Prediction prediction;
  numbers const& values;

  template <class Exec, class T>
  void operator()(Exec const&, diffx::batch_view<T const>, diffx::query const&,
                  diffx::batch_view<T> out) const {
    std::copy(values.begin(), values.end(), out.data);
  }
};

/// A row of numbers after one step of the solver, all its noise being `xi`.
template <class Solver, class Prediction>
numbers after(Solver const& s, vp_discrete const& process, level const& from, level const& to,
              numbers x, Prediction prediction, numbers const& output, double xi = 0.0) {
  if (x.size() != output.size()) diffx::detail::fail("conformance: rows of different lengths");
  auto const value = [xi](diffx::noise::key, std::int64_t, std::int64_t) { return xi; };
  diffx::options<diffx::noise::injected_by<decltype(value)>> const options{{value},
                                                                           diffx::start::given};
  diffx::sampler const sampler{process, s};
  sampler.sample(
      diffx::exec::host{}, said<Prediction>{prediction, output}, diffx::timetable({from, to}),
      diffx::batch_view<double>{x.data(), 1, static_cast<std::int64_t>(x.size())}, options);
  return x;
}

/// What a step from index i to the one before makes of a state, a prediction of x0 and a noise.
template <class Solver>
double gain(Solver const& s, vp_discrete const& process, int i, double x, double x0, double xi) {
  return after(s, process, process.at_index(i), process.at_index(i - 1), {x},
               diffx::prediction::x0{}, {x0}, xi)[0];
}

double squared(double v) { return v * v; }

double posterior_variance(vp_discrete const& process, int i) {
  return squared(gain(solver::ddpm{}, process, i, 0.0, 0.0, 1.0));
}

/// The reference's table: beta, but first the posterior variance of the step before the last, which
/// no sampler adds, since the last step has no noise.
double model_variance(vp_discrete const& process, int i) {
  if (i == 0) return posterior_variance(process, 1);
  return squared(gain(solver::ddpm_large{}, process, i, 0.0, 0.0, 1.0));
}

void schedule(json const& in, json const& want, report& r) {
  refuse_unread(in, {"scheduler", "num_timesteps", "indices"}, r);
  refuse_unread(want,
                {"beta", "alpha_bar", "posterior_mean_coef_x0", "posterior_mean_coef_xt",
                 "posterior_variance", "model_variance", "log_alpha", "log_1_min_alpha_bar"},
                r);
  vp_discrete const process(table_of(in));
  alpha_bar_table const& table = process.table();
  auto const indices = in.at("indices").get<std::vector<int>>();
  auto const check_to = [&](auto const& allowance, std::string const& name, auto const& f) {
    numbers got;
    for (int const i : indices) got.push_back(f(i));
    compare(r, got, want.at(name), allowance, name);
  };
  auto const check = [&](std::string const& name, auto const& f) { check_to(own_size, name, f); };
  for (int const i : indices) {
    if (i < 0 || i >= table.size()) return r.fail("index " + std::to_string(i));
  }
  check_to(beta_size(r), "beta", [&](int i) { return table.beta(i); });
  check("alpha_bar", [&](int i) { return table.alpha_bar(i); });
  check("posterior_mean_coef_x0",
        [&](int i) { return gain(solver::ddpm{}, process, i, 0.0, 1.0, 0.0); });
  check("posterior_mean_coef_xt",
        [&](int i) { return gain(solver::ddpm{}, process, i, 1.0, 0.0, 0.0); });
  check("posterior_variance", [&](int i) { return posterior_variance(process, i); });
  check_to(beta_size(r), "model_variance", [&](int i) { return model_variance(process, i); });
  check("log_alpha", [&](int i) { return std::log1p(-table.beta(i)); });
  check("log_1_min_alpha_bar", [&](int i) { return std::log(table.one_minus_alpha_bar(i)); });
}

void gaussian_step(json const& in, json const& want, report& r) {
  refuse_unread(in, {"num_timesteps", "scheduler", "t", "x_t", "eps"}, r);
  refuse_unread(want, {"pred_x0", "mean", "variance", "ddim_eta0", "ddim_inverse"}, r);
  vp_discrete const process(table_of(in));
  int const t = in.at("t").get<int>(), steps = process.num_train_timesteps();
  level const here = process.at_index(t), before = process.at_index(t - 1);
  // The reference's level after the last one has no signal.
  level const next = t + 1 < steps ? process.at_index(t + 1)
                                   : level{(t + 2.0) / steps, 0.0, 1.0,
                                           -std::numeric_limits<double>::infinity(), t + 1.0};
  auto const x = in.at("x_t").get<rows>(), eps = in.at("eps").get<rows>();
  for (auto const& [key, value] : want.items()) {
    if (value.size() != x.size()) return r.fail(key + ": number of rows");
  }
  diffx::prediction::eps const said_eps;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto const row = " of row " + std::to_string(i);
    // In float, x0 is a difference of two large numbers where there is little signal; and sigma is
    // the root of 1 less a float below 1, half of whose last place is 2^-25.
    auto const check = [&](numbers const& got, level const& to, std::string const& key) {
      auto const terms = [&](std::size_t k, double) {
        double const parts = std::fabs(x[i][k]) + here.sigma * std::fabs(eps[i][k]);
        double const root = to.sigma > 0.0 ? 0x1p-26 / (to.sigma * r.tolerance) : 0.0;
        return std::max(1.0, to.alpha * parts / here.alpha) + root * std::fabs(eps[i][k]);
      };
      compare(r, got, want.at(key).at(i), terms, key + row);
    };
    auto const step = [&](auto const& s, level const& to, double xi = 0.0) {
      return after(s, process, here, to, x[i], said_eps, eps[i], xi);
    };
    check(step(solver::ddim{}, level{}), level{}, "pred_x0");
    auto const mean = step(solver::ddpm_large{}, before);
    check(mean, before, "mean");
    if (t == 0 && step(solver::ddpm_large{}, before, 1.0) != mean) {
      r.fail("the last step adds noise");
    }
    compare(r, {model_variance(process, t)}, json::array({want.at("variance").at(i)}), beta_size(r),
            "variance" + row);
    check(step(solver::ddim{}, before), before, "ddim_eta0");
    check(step(solver::ddim_inverse{}, next), next, "ddim_inverse");
  }
}

// ---- categories ----

/// The level of classes of an index: the class is kept with probability alpha_bar.
level kept(alpha_bar_table const& table, int i) {
  if (i < 0) return {};
  double const alpha = table.alpha_bar(i), sigma = table.one_minus_alpha_bar(i);
  return {(i + 1.0) / table.size(), alpha, sigma, std::log(alpha / sigma), static_cast<double>(i)};
}

/// What solver::ancestral draws from, of a cavity.
numbers ancestral_law(diffx::process::uniform<> const& process, level const& t, level const& s,
                      int now, numbers const& cavity) {
  using process_type = diffx::process::uniform<>;
  diffx::timetable const grid({t, s});
  diffx::categorical_plan plan;
  solver::ancestral{}.plan(diffx::plan_context<process_type>{process, grid, 0, 0, 0}, plan);
  double weight[4];
  for (std::size_t i = 0; i < 4; ++i) weight[i] = plan.stages().at(0).weight[i];
  auto const law = process.limit();
  auto const kernel = solver::ancestral::kernel<true>(weight, law, now, 0.0);
  numbers out;
  for (int k = 0; k < law.classes; ++k) {
    out.push_back(kernel.at(k == now, cavity[static_cast<std::size_t>(k)], law.probability(k)));
  }
  return analysis::normalised(out);
}

void multinomial(json const& in, json const& want, report& r) {
  refuse_unread(in, {"classes", "num_timesteps", "scheduler", "t", "x_t", "x_0", "logits"}, r);
  refuse_unread(
      want, {"q_xt_given_x0", "posterior_true_x0", "log_softmax_blocks", "posterior_plug_in"}, r);
  auto const table = table_of(in);
  int const index = in.at("t").get<int>();
  if (index < 0 || index >= table.size()) return r.fail("t");
  level const t = kept(table, index), s = kept(table, index - 1);
  auto const classes = in.at("classes").get<std::vector<int>>();
  auto const now = in.at("x_t").get<codes>(), data = in.at("x_0").get<codes>();
  auto const logits = in.at("logits").get<rows>();
  if (data.size() != now.size() || logits.size() != now.size()) return r.fail("number of rows");
  for (auto const& [key, value] : want.items()) {
    if (value.size() != now.size()) return r.fail(key + ": number of rows");
  }
  diffx::domain::table::one_hot const layout(classes);
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i].size() != classes.size() || data[i].size() != classes.size() ||
        std::ssize(logits[i]) != layout.width()) {
      return r.fail("shapes of row " + std::to_string(i));
    }
    numbers noised, bridge, ancestral_bridge, log_p, plug_in, ancestral;
    auto const append = [](numbers& to, numbers const& more) {
      to.insert(to.end(), more.begin(), more.end());
    };
    for (std::size_t j = 0; j < classes.size(); ++j) {
      int const n = classes[j], from = now[i][j], x0 = data[i][j];
      if (from < 0 || from >= n || x0 < 0 || x0 >= n) return r.fail("a code that is no class");
      diffx::process::uniform<> const process(n);
      auto const size = static_cast<std::size_t>(n);
      auto const first = logits[i].begin() + layout.offset(j);
      numbers const block(first, first + n);
      numbers const p =
          analysis::law_of_logits(process.limit(), from, std::span<double const>(block));
      numbers clean(size, 0.0);
      clean[static_cast<std::size_t>(x0)] = 1.0;
      append(noised, analysis::noised_law(process, t, clean));
      append(bridge, analysis::bridge(process, t, s, from, x0));
      append(ancestral_bridge, ancestral_law(process, t, s, from, clean));
      for (double const v : p) log_p.push_back(std::log(v));
      append(plug_in, analysis::plug_in_kernel(process, t, s, from, p));
      append(ancestral, ancestral_law(process, t, s, from, p));
    }
    // A probability's error is the relative one of an exponential, of at most 1; that of a
    // logarithm is of its own size where it is large.
    auto const check = [&](numbers const& got, std::string const& key, std::string const& how) {
      auto const size = [](std::size_t, double w) { return std::max(1.0, std::fabs(w)); };
      compare(r, got, want.at(key).at(i), size, key + how + " of row " + std::to_string(i));
    };
    check(noised, "q_xt_given_x0", "");
    check(bridge, "posterior_true_x0", "");
    check(ancestral_bridge, "posterior_true_x0", ", solver::ancestral,");
    check(log_p, "log_softmax_blocks", "");
    check(plug_in, "posterior_plug_in", "");
    check(ancestral, "posterior_plug_in", ", solver::ancestral,");
  }
}

/// Codes of rows, read from the largest of every block.
numbers read(diffx::domain::table::one_hot const& layout, numbers const& x, std::int64_t n) {
  std::vector<int> out(static_cast<std::size_t>(n * layout.columns()));
  layout.read(diffx::batch_view<double const>{x.data(), n, layout.width()},
              diffx::batch_view<int>{out.data(), n, layout.columns()});
  return {out.begin(), out.end()};
}

/// Rows of numbers one after another, all of this width.
numbers flat(json const& table, std::int64_t width, report& r) {
  numbers out;
  for (json const& row : table) {
    if (static_cast<std::int64_t>(row.size()) != width) r.fail("rows of another width");
    for (json const& v : row) out.push_back(v.get<double>());
  }
  return out;
}

/// The tolerance is one of values; codes are exact, as they differ by 1 at least.
double unit(std::size_t, double) { return 1.0; }

void log_onehot(json const& in, json const& want, report& r) {
  using diffx::domain::table::class_view;
  refuse_unread(in, {"classes", "index"}, r);
  refuse_unread(want, {"log_onehot", "decoded"}, r);
  diffx::domain::table::one_hot const layout(in.at("classes").get<std::vector<int>>(),
                                             class_view::log_one_hot);
  auto const n = static_cast<std::int64_t>(in.at("index").size());
  numbers const index = flat(in.at("index"), layout.columns(), r);
  if (!r.first_failure.empty()) return;
  std::vector<int> const code(index.begin(), index.end());
  numbers x(static_cast<std::size_t>(n * layout.width()));
  layout.write(diffx::batch_view<int const>{code.data(), n, layout.columns()},
               diffx::batch_view<double>{x.data(), n, layout.width()});
  compare(r, x, json(flat(want.at("log_onehot"), layout.width(), r)), unit, "log_onehot");
  compare(r, read(layout, x, n), json(flat(want.at("decoded"), layout.columns(), r)), unit,
          "decoded");
}

/// The race of classes by keys: solver::gibbs picks its positions by the same.
void gumbel_argmax(json const& in, json const& want, report& r) {
  refuse_unread(in, {"uniform", "logits"}, r);
  refuse_unread(want, {"gumbel", "index"}, r);
  using race = solver::gibbs<solver::pick::lowest_current>;
  auto const uniform = in.at("uniform").get<rows>(), logits = in.at("logits").get<rows>();
  if (logits.size() != uniform.size()) return r.fail("number of rows");
  if (want.at("gumbel").size() != uniform.size()) return r.fail("gumbel: number of rows");
  numbers index;
  for (std::size_t i = 0; i < uniform.size(); ++i) {
    if (logits[i].size() != uniform[i].size()) return r.fail("rows of different lengths");
    numbers noise, keys;
    for (std::size_t k = 0; k < uniform[i].size(); ++k) {
      double const u = uniform[i][k] + 1e-30;  // the reference's, that may be 0
      noise.push_back(race::key(0.0, 1.0, u));
      keys.push_back(race::key(logits[i][k], 1.0, u));
    }
    compare(r, noise, want.at("gumbel").at(i), unit, "gumbel of row " + std::to_string(i));
    diffx::domain::table::one_hot const layout({static_cast<int>(keys.size())});
    index.push_back(read(layout, keys, 1)[0]);
  }
  compare(r, index, want.at("index"), unit, "index");
}

}  // namespace

bool tabddpm_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "schedule") return schedule(in, want, r), true;
  if (name == "gaussian_step") return gaussian_step(in, want, r), true;
  if (name == "multinomial") return multinomial(in, want, r), true;
  if (name == "log_onehot") return log_onehot(in, want, r), true;
  if (name == "gumbel_argmax") return gumbel_argmax(in, want, r), true;
  return false;
}

}  // namespace conformance
