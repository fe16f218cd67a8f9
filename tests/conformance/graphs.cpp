// The golden entries of graphs: DiGress's chain, features and distances, DeFoG's rates, EDGE's
// schedules and active nodes.

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/analysis/histogram_mmd.hpp>
#include <diffx/domain/graph/degree_guided.hpp>
#include <diffx/domain/graph/edge_removal.hpp>
#include <diffx/domain/graph/features.hpp>
#include <diffx/grid/distorted.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/schedule/class_alpha_bar.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/solver/defog.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace conformance {
namespace {

namespace analysis = diffx::analysis;
namespace graph = diffx::domain::graph;
namespace schedule = diffx::schedule;
using diffx::level;
using numbers = std::vector<double>;
using process = diffx::process::marginal<schedule::class_alpha_bar>;

/// A number by its own size, but for what is as small as the last place of a float of size 1.
void compare(report& r, double got, json const& want, std::string const& what) {
  double const w = want.get<double>();
  r.near(got, w, std::max(std::fabs(w), 0x1p-23 / r.tolerance), what);
}

/// The same of lists, nested as they are.
template <class T>
void compare(report& r, std::vector<T> const& got, json const& want, std::string const& what) {
  if (got.size() != want.size()) return r.fail(what + ": number of values");
  for (std::size_t i = 0; i < got.size(); ++i) {
    compare(r, got[i], want[i], what + "[" + std::to_string(i) + "]");
  }
}

std::vector<numbers> rows_of(numbers const& matrix, std::size_t width) {
  std::vector<numbers> out;
  for (std::size_t i = 0; i < matrix.size(); i += width) {
    out.emplace_back(matrix.begin() + static_cast<std::ptrdiff_t>(i),
                     matrix.begin() + static_cast<std::ptrdiff_t>(i + width));
  }
  return out;
}

// ---- DiGress ----

/// The reference caps its betas where it multiplies them up, and not where it takes one step.
schedule::class_alpha_bar capped(int steps) { return {schedule::cosine(steps + 1, 0.9999)}; }
schedule::class_alpha_bar uncapped(int steps) {
  return {schedule::cosine(steps + 1, 1.0 - 0x1p-53)};
}

void cosine_schedule(json const& in, json const& want, report& r) {
  refuse_unread(in, {"T", "indices"}, r);
  refuse_unread(want, {"beta", "alpha_bar"}, r);
  int const steps = in.at("T").get<int>();
  auto const table = capped(steps).table, betas = uncapped(steps).table;
  numbers beta, alpha_bar;
  for (int const i : in.at("indices").get<std::vector<int>>()) {
    double const before = i == 0 ? 0.0 : betas.log_alpha_bar(i - 1);
    beta.push_back(-std::expm1(betas.log_alpha_bar(i) - before));
    alpha_bar.push_back(std::exp(table.log_alpha_bar(i)));
  }
  compare(r, beta, want.at("beta"), "beta");
  compare(r, alpha_bar, want.at("alpha_bar"), "alpha_bar");
}

/// A law that was rounded to floats.
numbers law_of(json const& j) { return analysis::normalised(j.get<numbers>()); }

void transition_posterior(json const& in, json const& want, report& r) {
  refuse_unread(in, {"T", "t", "marginal_x", "marginal_e", "x_t", "logits", "x_0"}, r);
  refuse_unread(
      want, {"Q_t", "Q_bar_s", "Q_bar_t", "Q_bar_t_edge", "posterior_true_x0", "p_s_given_t"}, r);
  int const steps = in.at("T").get<int>(), t = in.at("t").get<int>();
  numbers const pi = law_of(in.at("marginal_x")), edges = law_of(in.at("marginal_e"));
  process const nodes(pi, capped(steps)), loose(pi, uncapped(steps));
  process const pairs(edges, capped(steps));
  // Index 0 of the reference is its clean end, the first noised level of a chain of steps + 1.
  auto const at = [&](process const& p, int index) { return p.at((index + 1.0) / (steps + 1.0)); };
  std::size_t const k = pi.size(), e = edges.size();
  compare(r, rows_of(analysis::transition(loose, at(loose, t - 1), at(loose, t)), k),
          want.at("Q_t"), "Q_t");
  compare(r, rows_of(analysis::transition(nodes, {}, at(nodes, t - 1)), k), want.at("Q_bar_s"),
          "Q_bar_s");
  compare(r, rows_of(analysis::transition(nodes, {}, at(nodes, t)), k), want.at("Q_bar_t"),
          "Q_bar_t");
  compare(r, rows_of(analysis::transition(pairs, {}, at(pairs, t)), e), want.at("Q_bar_t_edge"),
          "Q_bar_t_edge");
  auto const now = in.at("x_t").get<std::vector<int>>(),
             data = in.at("x_0").get<std::vector<int>>();
  auto const logits = in.at("logits").get<std::vector<numbers>>();
  if (now.size() != data.size() || now.size() != logits.size()) {
    return r.fail("lists of different lengths");
  }
  std::vector<numbers> bridges, kernels;
  for (std::size_t i = 0; i < now.size(); ++i) {
    bridges.push_back(analysis::bridge(loose, at(loose, t), at(loose, t - 1), now[i], data[i]));
    auto const posterior =
        analysis::law_of_logits(loose.limit(), now[i], std::span<double const>(logits[i]));
    kernels.push_back(
        analysis::mixture_kernel(loose, at(loose, t), at(loose, t - 1), now[i], posterior));
  }
  compare(r, bridges, want.at("posterior_true_x0"), "posterior_true_x0");
  compare(r, kernels, want.at("p_s_given_t"), "p_s_given_t");
}

void graph_features(json const& in, json const& want, report& r) {
  refuse_unread(in, {"n_nodes", "padded_to", "edges", "max_n_nodes"}, r);
  refuse_unread(want,
                {"cycles_per_node_3_4_5", "cycles_total_3_4_5_6", "n_components",
                 "eigenvalues_over_n_first5_nonzero", "feature_X", "feature_y"},
                r);
  auto const edges = in.at("edges").get<std::vector<std::pair<std::int64_t, std::int64_t>>>();
  auto const n = in.at("n_nodes").get<std::int64_t>(),
             padded = in.at("padded_to").get<std::int64_t>();
  auto const g = graph::from_edges(n, edges);
  auto const features = graph::features_of(g, in.at("max_n_nodes").get<std::int64_t>(), padded);
  // Rows of nodes that are not there are zeros.
  auto const padded_rows = [&](auto const& rows) {
    std::vector<numbers> out;
    for (auto const& row : rows) out.emplace_back(row.begin(), row.end());
    out.resize(static_cast<std::size_t>(padded), numbers(3, 0.0));
    return out;
  };
  auto const cycles = graph::count_cycles(g);
  numbers const y(features.graph.begin(), features.graph.end());
  compare(r, padded_rows(cycles.node), want.at("cycles_per_node_3_4_5"), "cycles_per_node_3_4_5");
  compare(r, numbers(cycles.total.begin(), cycles.total.end()), want.at("cycles_total_3_4_5_6"),
          "cycles_total_3_4_5_6");
  compare(r, numbers{y[5]}, want.at("n_components"), "n_components");
  compare(r, numbers(y.begin() + 6, y.end()), want.at("eigenvalues_over_n_first5_nonzero"),
          "eigenvalues_over_n_first5_nonzero");
  compare(r, padded_rows(features.node), want.at("feature_X"), "feature_X");
  compare(r, y, want.at("feature_y"), "feature_y");
}

void mmd(json const& in, json const& want, report& r) {
  refuse_unread(in, {"histograms_a", "histograms_b"}, r);
  refuse_unread(want, {"sigma_1", "sigma_01"}, r);
  auto const a = in.at("histograms_a").get<std::vector<numbers>>();
  auto const b = in.at("histograms_b").get<std::vector<numbers>>();
  compare(r, analysis::mmd_tv(a, b, 1.0), want.at("sigma_1"), "sigma_1");
  compare(r, analysis::mmd_tv(a, b, 0.1), want.at("sigma_01"), "sigma_01");
}

// ---- DeFoG ----

diffx::grid::distortion distortion_named(std::string const& kind) {
  using diffx::grid::distortion;
  for (auto const& [name, value] :
       {std::pair{"identity", distortion::identity}, std::pair{"cos", distortion::cos},
        std::pair{"revcos", distortion::revcos}, std::pair{"polyinc", distortion::polyinc},
        std::pair{"polydec", distortion::polydec}}) {
    if (kind == name) return value;
  }
  diffx::detail::fail("conformance: unknown distortion " + kind);
}

void time_distortion(json const& in, json const& want, report& r) {
  refuse_unread(in, {"kind", "t"}, r);
  refuse_unread(want, {"f"}, r);
  auto const kind = distortion_named(in.at("kind").get<std::string>());
  numbers f;
  for (double const t : in.at("t").get<numbers>()) {
    f.push_back(diffx::grid::distorted_time(kind, t));
  }
  compare(r, f, want.at("f"), "f");
}

void rate_rows(json const& in, json const& want, report& r) {
  refuse_unread(in, {"limit", "t", "eta", "omega", "x_t", "x_1", "dt"}, r);
  refuse_unread(want, {"p_t", "Z", "R_star", "R_total", "step_probabilities"}, r);
  diffx::process::marginal<> const p(law_of(in.at("limit")));
  auto const number = [&](char const* key) { return in.at(key).get<double>(); };
  auto const x = in.at("x_t").get<std::vector<int>>(), x1 = in.at("x_1").get<std::vector<int>>();
  if (x.size() != x1.size()) return r.fail("lists of different lengths");
  auto const law = p.limit();
  numbers z;
  std::vector<numbers> given, least, total, step;
  for (std::size_t i = 0; i < x.size(); ++i) {
    diffx::solver::defog::rates const rate(law, number("t"), number("eta"), number("omega"), x[i],
                                           x1[i]);
    z.push_back(rate.given());
    numbers marginal, star, sum, out;
    double away = 0.0;
    for (int y = 0; y < law.classes; ++y) {
      marginal.push_back(rate.marginal(y));
      star.push_back(rate.least(y));
      sum.push_back(rate(y));
      out.push_back(rate(y) * number("dt"));
      away += y == x[i] ? 0.0 : out.back();
    }
    out[static_cast<std::size_t>(x[i])] = std::max(1.0 - away, 0.0);
    given.push_back(marginal);
    least.push_back(star);
    total.push_back(sum);
    step.push_back(out);
  }
  compare(r, given, want.at("p_t"), "p_t");
  compare(r, z, want.at("Z"), "Z");
  compare(r, least, want.at("R_star"), "R_star");
  compare(r, total, want.at("R_total"), "R_total");
  compare(r, step, want.at("step_probabilities"), "step_probabilities");
}

// ---- EDGE ----

graph::edge_removal removal_of(json const& in) {
  auto const kind = in.at("schedule").get<std::string>();
  int const steps = in.at("timesteps").get<int>();
  if (kind == "linear") return graph::edge_removal::linear(steps);
  if (kind == "cosine") return graph::edge_removal::cosine(steps);
  if (kind == "Tt1") return graph::edge_removal::reciprocal(steps);
  diffx::detail::fail("conformance: unknown schedule " + kind);
}

void schedule_alpha(json const& in, json const& want, report& r) {
  refuse_unread(in, {"schedule", "timesteps", "indices"}, r);
  refuse_unread(want, {"alpha", "alpha_bar"}, r);
  auto const p = removal_of(in);
  numbers alpha, alpha_bar;
  for (int const t : in.at("indices").get<std::vector<int>>()) {
    alpha.push_back(p.alpha(t));
    alpha_bar.push_back(p.alpha_bar(t));
  }
  // In double, each by its own size.
  auto const each = [&](numbers const& got, json const& entries, std::string const& what) {
    if (got.size() != entries.size()) return r.fail(what + ": number of values");
    for (std::size_t i = 0; i < got.size(); ++i) {
      double const w = entries[i].get<double>();
      r.near(got[i], w, std::fabs(w), what + "[" + std::to_string(i) + "]");
    }
  };
  each(alpha, want.at("alpha"), "alpha");
  each(alpha_bar, want.at("alpha_bar"), "alpha_bar");
}

/// A schedule that gives an edge a negative probability of staying must be refused.
void too_short(json const& in, json const& want, report& r) {
  refuse_unread(in, {"schedule", "timesteps"}, r);
  refuse_unread(want, {"min_alpha"}, r);
  bool refused = false;
  try {
    removal_of(in);
  } catch (diffx::error const&) {
    refused = true;
  }
  ++r.compared;
  if (refused != (want.at("min_alpha").get<double>() <= 0.0)) {
    r.fail(refused ? "refused" : "not refused");
  }
}

void active_nodes(json const& in, json const& want, report& r) {
  refuse_unread(in, {"schedule", "timesteps", "t", "degree_0", "degree_t"}, r);
  refuse_unread(want, {"p_active"}, r);
  auto const p = removal_of(in);
  auto const target = in.at("degree_0").get<std::vector<std::int64_t>>();
  auto const now = in.at("degree_t").get<std::vector<std::int64_t>>();
  if (target.size() != now.size()) return r.fail("lists of different lengths");
  json const& p_active = want.at("p_active");
  if (p_active.size() != now.size()) return r.fail("p_active: number of values");
  for (std::size_t i = 0; i < now.size(); ++i) {
    std::int64_t const missing = target[i] - now[i];
    double const w = p_active[i].get<double>();
    // The reference takes a float 1 - gamma, rounded to half of 2^-24, to this power and from 1.
    double const rounding =
        (static_cast<double>(std::max(missing, std::int64_t{0})) + 2.0) * 0x1p-25 / r.tolerance;
    r.near(graph::active_probability(p.published_gamma(in.at("t").get<int>()), missing), w,
           std::max(std::fabs(w), rounding), "p_active[" + std::to_string(i) + "]");
  }
}

void binomial_posterior(json const& in, json const& want, report& r) {
  refuse_unread(in, {"schedule", "timesteps", "t", "final_prob", "x0", "x_t"}, r);
  refuse_unread(want, {"posterior"}, r);
  auto const p = removal_of(in);
  int const t = in.at("t").get<int>();
  diffx::process::marginal<> const pairs(law_of(in.at("final_prob")));
  // The reference takes alpha_bar_0 for what comes before step 0.
  double const before = p.alpha_bar(t == 0 ? 0 : t - 1), after = before * p.alpha(t);
  level from, to;
  from.alpha = after;
  from.sigma = 1.0 - after;
  to.alpha = before;
  to.sigma = 1.0 - before;
  auto const told = in.at("x0").get<std::vector<numbers>>();
  auto const now = in.at("x_t").get<std::vector<numbers>>();
  if (told.size() != now.size()) return r.fail("lists of different lengths");
  std::vector<numbers> got;
  for (std::size_t i = 0; i < told.size(); ++i) {
    int const here = now[i].at(1) > now[i].at(0) ? 1 : 0;
    got.push_back(analysis::plug_in_kernel(pairs, from, to, here, analysis::normalised(told[i])));
  }
  compare(r, got, want.at("posterior"), "posterior");
}

/// The nodes that are missing an edge in the last step are active for certain, so that a run of one
/// step says which pairs it asks about.
void active_pairs(json const& in, json const& want, report& r) {
  refuse_unread(in, {"pairs", "edges", "active_nodes"}, r);
  refuse_unread(want, {"degree", "active_pairs"}, r);
  using pair = std::pair<std::int64_t, std::int64_t>;
  auto const pairs = in.at("pairs").get<std::vector<pair>>();
  auto const present = in.at("edges").get<std::vector<int>>();
  auto const active = in.at("active_nodes").get<std::vector<std::int64_t>>();
  if (pairs.size() != present.size()) return r.fail("lists of different lengths");
  std::vector<graph::edge> edges;
  std::int64_t n = 0;
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    n = std::max({n, pairs[k].first + 1, pairs[k].second + 1});
    if (present[k] == 0) continue;
    edges.push_back(
        {static_cast<std::int32_t>(pairs[k].first), static_cast<std::int32_t>(pairs[k].second)});
  }
  graph::sparse_graph const g(n, edges);
  numbers degree, asked;
  for (auto const d : g.degrees()) degree.push_back(static_cast<double>(d));
  compare(r, degree, want.at("degree"), "degree");
  std::vector<std::int64_t> target(static_cast<std::size_t>(n), 0);
  for (auto const i : active) target.at(static_cast<std::size_t>(i)) = 1;
  auto const listen = [&](graph::edge_query const&, std::span<graph::edge const> scored,
                          std::span<float>) {
    for (graph::edge const& e : scored) {
      auto const at = std::find(pairs.begin(), pairs.end(), pair{e.low, e.high});
      asked.push_back(static_cast<double>(at - pairs.begin()));
    }
  };
  graph::degree_guided{.any_degrees = true}.sample(graph::edge_removal({0.5}), listen, target,
                                                   diffx::noise::counted{1});
  std::sort(asked.begin(), asked.end());
  compare(r, asked, want.at("active_pairs"), "active_pairs");
}

}  // namespace

bool edge_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = std::max(e.at("tol").get<double>(), 1e-12);  // 0: whole numbers
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "schedule_alpha") return schedule_alpha(in, want, r), true;
  if (name == "schedule_linear_too_short") return too_short(in, want, r), true;
  if (name == "active_node_probability") return active_nodes(in, want, r), true;
  if (name == "binomial_posterior") return binomial_posterior(in, want, r), true;
  if (name == "degree_and_active_pairs") return active_pairs(in, want, r), true;
  return false;
}

bool digress_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "cosine_schedule") return cosine_schedule(in, want, r), true;
  if (name == "marginal_transition_posterior") return transition_posterior(in, want, r), true;
  if (name.starts_with("graph_features_")) return graph_features(in, want, r), true;
  if (name == "mmd_tv_gaussian") return mmd(in, want, r), true;
  return false;
}

bool defog_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "time_distortion") return time_distortion(in, want, r), true;
  if (name == "rate_rows") return rate_rows(in, want, r), true;
  return false;
}

}  // namespace conformance
