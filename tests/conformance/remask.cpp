// Remasking, discrete flow matching, and the predictor and corrector of uniform noise.

#include "remask.hpp"

#include <diffx/denoiser/predicts.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/detail/decoding_block.hpp>
#include <diffx/detail/leave_one_out.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/polynomial.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/remdm.hpp>

#include "papers.hpp"
#include "tokens.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace conformance {
namespace {

namespace solver = diffx::solver;
namespace remask = solver::remask;
namespace pick = solver::pick;
using diffx::level;
using codes = std::vector<std::int32_t>;
using row_type = diffx::detail::class_row<double, 1>;

row_type row_of(double const* logits, int classes, int excluded = -1) {
  row_type row;
  row.source[0] = logits;
  row.weight[0] = 1.0;
  row.classes = classes;
  row.excluded = excluded;
  return row;
}

// ---- the canon's operations ----

/// The stage that a solver plans between two levels.
template <class Solver, class Process>
diffx::categorical_stage stage_of(Solver const& s, Process const& p, level const& from,
                                  level const& to) {
  diffx::timetable const grid({from, to});
  diffx::categorical_plan out;
  s.plan(diffx::plan_context<Process>{p, grid, 0, 0, 0}, out);
  return out.stages().front();
}

template <class Rule>
void remdm_kernel(json const& e, report& r, Rule const& rule, double t, level const& from,
                  level const& to) {
  solver::remdm<Rule> const s{rule};
  auto const w = s.weights(t, from, to);
  r.near(remask::limit(from, to), e.at("sigma_max").get<double>(), 1.0, "sigma_max");
  r.near(w[1], e.at("sigma").get<double>(), 1.0, "sigma");
  auto const p = e.at("p_x0").get<std::vector<double>>();
  auto const mask = e.at("mask").get<std::size_t>();
  std::vector<double> logits;
  for (double const q : p) logits.push_back(std::log(q));
  auto row = row_of(logits.data(), static_cast<int>(p.size()), static_cast<int>(mask));
  if (!row.scan()) return r.fail("p_x0 is no distribution");
  // Every probability is that of the words that lead to the class: a coin, then a draw.
  for (std::size_t k = 0; k < p.size(); ++k) {
    double const drawn = k == mask ? 1.0 - w[0] : w[0] * row.probability(static_cast<int>(k));
    double const kept = k == mask ? w[1] : k == 1 ? 1.0 - w[1] : 0.0;
    r.near(drawn, e.at("q_from_mask").at(k).get<double>(), 1.0, "q_from_mask " + std::to_string(k));
    r.near(kept, e.at("q_from_unmasked_token1").at(k).get<double>(), 1.0,
           "q_from_unmasked_token1 " + std::to_string(k));
  }
}

constexpr double canon_tolerance = 1e-14;  // a dozen operations in double

bool remdm_case(json const& e, report& r) {
  r.tolerance = canon_tolerance;
  settings keys(e);
  keys.ignore({"op", "source", "alpha_t", "alpha_s", "rule", "eta", "sigma_max", "sigma", "p_x0",
               "mask", "q_from_unmasked_token1", "q_from_mask"});
  keys.refuse_unread("remdm_kernel");
  int const classes = static_cast<int>(e.at("p_x0").size());
  diffx::process::absorbing<> const p(classes, e.at("mask").get<int>());
  double const alpha_t = e.at("alpha_t").get<double>(), alpha_s = e.at("alpha_s").get<double>();
  double const eta = e.contains("eta") ? e["eta"].get<double>() : 1.0;
  auto const rule = e.at("rule").get<std::string>();
  level const from = p.at(1.0 - alpha_t), to = p.at(1.0 - alpha_s);
  if (rule == "cap") return remdm_kernel(e, r, remask::cap{eta}, from.t, from, to), true;
  if (rule == "rescale") {
    return remdm_kernel(e, r, remask::rescale{eta}, from.t, from, to), true;
  }
  // The largest there is, whatever eta says.
  if (rule == "max") return remdm_kernel(e, r, remask::rescale{1.0}, from.t, from, to), true;
  if (rule == "fb" || rule == "forward_backward" || rule == "forward-backward") {
    return remdm_kernel(e, r, remask::forward_backward{}, from.t, from, to), true;
  }
  if (rule == "loop_const") {
    // What the loop holds: both ends of a step within it are at alpha_on.
    remask::loop const loop{.eta = eta, .alpha_on = alpha_t};
    double const t = loop.t_on, s = 0.5 * (loop.t_on + loop.t_off);
    return remdm_kernel(e, r, loop, t, loop.on(p, p.at(t)), loop.on(p, p.at(s))), true;
  }
  r.fail("unknown rule " + rule);
  return true;
}

bool dfm_case(json const& e, report& r) {
  r.tolerance = canon_tolerance;
  settings keys(e);
  keys.ignore({"op", "source", "kappa_power", "t", "h", "x", "x1", "div_free", "p_source",
               "velocity_offdiag", "intensity", "jump_prob", "jump_dist"});
  keys.refuse_unread("dfm_mixture_euler");
  auto const source = e.at("p_source").get<std::vector<double>>();
  diffx::process::marginal<diffx::schedule::polynomial> const p(
      source, {e.at("kappa_power").get<double>()});
  int const x = e.at("x").get<int>(), x1 = e.at("x1").get<int>();
  double const u = e.at("t").get<double>(), h = e.at("h").get<double>();
  solver::discrete_flow_matching const s{e.at("div_free").get<double>(),
                                         solver::flow_rates::frozen};
  level const from = p.at(1.0 - u);
  auto const law = p.limit();
  auto const rates = s.at(from, p.schedule().slope(from.t));
  double const away = rates.away(law, x, x1);
  r.near(away, e.at("intensity").get<double>(), std::max(1.0, away), "intensity");
  // The same through a planned step, unless it is one onto the data, which ends at x1.
  double over = h * away;
  if (u + h < 1.0) {
    auto const w = stage_of(s, p, from, p.at(1.0 - u - h)).weight;
    over = solver::discrete_flow_matching::velocity{w[0], w[1]}.away(law, x, x1);
  }
  r.near(solver::discrete_flow_matching::jump_probability(over), e.at("jump_prob").get<double>(),
         1.0, "jump_prob");
  for (int y = 0; y < law.classes; ++y) {
    auto const at = static_cast<std::size_t>(y);
    double const v = y == x ? 0.0 : rates.to(law, x1, y);
    r.near(v, e.at("velocity_offdiag").at(at).get<double>(), std::max(1.0, away),
           "velocity_offdiag");
    if (e.at("jump_dist").is_null()) continue;
    // The intensity has a factor 1 - p(x) of the source, good to eps over what that leaves.
    double const left = 1.0 - source[static_cast<std::size_t>(x)];
    r.near(away > 0.0 ? v / away : 0.0, e.at("jump_dist").at(at).get<double>(),
           left > 0.0 ? 1.0 / left : 1.0, "jump_dist");
  }
  return true;
}

// ---- the predictor and corrector of uniform noise ----

codes flat(json const& rows) {
  codes out;
  for (json const& row : rows) {
    for (json const& v : row) out.push_back(v.get<std::int32_t>());
  }
  return out;
}

void same(report& r, codes const& got, json const& want, std::string const& what) {
  codes const w = flat(want);
  if (got.size() != w.size()) return r.fail(what + ": another size");
  for (std::size_t i = 0; i < w.size(); ++i) {
    ++r.compared;
    if (got[i] == w[i]) continue;
    return r.fail(what + " " + std::to_string(i) + ": got " + std::to_string(got[i]) + ", want " +
                  std::to_string(w[i]));
  }
}

/// The files' categorical draw: the first class whose running sum is above u.
template <class P>
int drawn(int classes, double u, P const& probability) {
  double sum = 0.0, running = 0.0;
  for (int k = 0; k < classes; ++k) sum += probability(k);
  for (int k = 0; k < classes; ++k) {
    if ((running += probability(k)) > u * sum) return k;
  }
  return classes - 1;
}

/// A run of the case. Before every stage the words are chosen that make the library draw what the
/// reference's numbered requests draw, by the library's own probabilities.
template <class Pick>
class ddim_run {
  using gibbs = solver::gibbs<Pick>;

 public:
  ddim_run(json const& c, report& r, Pick)
      : c_(c),
        r_(r),
        batch_(c.at("shape")[0].get<std::int64_t>()),
        positions_(c["shape"][1].get<std::int64_t>()),
        vocab_(c.at("vocab").get<int>()),
        temperature_(c.at("temperature").get<double>()),
        process_(vocab_),
        x_(flat(c.at("initial_tokens"))) {
    settings config(c.at("config"));
    int const sweeps = config.get("corrector_steps", 0);
    gibbs_.picks = std::clamp(config.get("corrector_k", 1), 1, static_cast<int>(positions_));
    gibbs_.temperature = config.number("corrector_selection_tau", 1.0);
    config.ignore({"corrector_selection", "num_inference_steps"});
    config.refuse_unread("discrete_ddim");
    auto const split = solver::corrected_run::of(c.at("budget").get<int>(), sweeps);
    r.near(split.steps, c.at("predictor_steps").get<double>(), 1.0, "predictor_steps");
    r.near(split.corrected_steps, c.at("corrected_steps").get<double>(), 1.0, "corrected_steps");
    if (static_cast<std::size_t>(split.steps) != c.at("steps").size()) r.fail("number of steps");
    run({{}, gibbs_, sweeps, split.corrected_steps}, split.steps);
  }

 private:
  using solver_type = solver::predictor_corrector<solver::ancestral, gibbs>;

  void run(solver_type const& solver, int steps) {
    diffx::sampler const s{process_, solver};
    auto const grid = diffx::grid::uniform_t(process_, steps);
    words_.assign(x_.size(), {});
    diffx::options<given_words> const options{
        given_words{positions_,
                    [this](int, int block, int half, std::int64_t i) {
                      auto const& w = words_[static_cast<std::size_t>(i)];
                      int const at = block < 16 ? block : (block - 16) % gibbs::draws;
                      return w[static_cast<std::size_t>(2 * at + half)];
                    }},
        diffx::start::given};
    diffx::batch_view<std::int32_t> const view{x_.data(), batch_, positions_};
    diffx::exec::host const exec;
    // The model is told the number of calls; a temperature is that of the predictor alone.
    auto const model = [this](auto const&, diffx::batch_view<std::int32_t const> x,
                              diffx::query const& q, diffx::batch_view<double> out) {
      auto const l =
          token_logits(x.data, x.batch, x.features, vocab_, calls_, q.stage == 0 ? scale() : 1.0);
      std::copy(l.begin(), l.end(), out.data);
    };
    auto const network = diffx::denoiser::predicts<diffx::prediction::x0_posterior<double>>(model);
    diffx::detail::workspace const memory(s.workspace_size(exec, network, view, options));
    auto run = s.start(exec, network, grid, view, memory.span(), options);
    for (json const& step : c_.at("steps")) {
      int const k = run.step();
      auto const name = "step " + std::to_string(k);
      if (step.at("step_index").get<int>() != k) r_.fail(name + ": another index");
      predict(step, stage_of(solver_type{}, process_, grid[k], grid[k + 1]), name);
      run.advance_stage();
      ++calls_;
      same(r_, x_, step.at("tokens"), name + " tokens");
      json const& sweeps = step.at("correctors");
      int const expected = k < solver.corrected_steps ? solver.sweeps : 0;
      if (sweeps.size() != static_cast<std::size_t>(expected)) r_.fail(name + ": sweeps");
      for (json const& sweep : sweeps) {
        correct(sweep, grid[k + 1], name + " sweep");
        run.advance_stage();
        ++calls_;
        same(r_, x_, sweep.at("tokens"), name + " sweep tokens");
      }
      if (run.step() != k + 1) return r_.fail(name + ": the step has more stages");
    }
    if (!run.done()) r_.fail("the run has more steps");
  }

  /// At temperature 0 the logits are so far apart that the likeliest class has all probability.
  double scale() const { return temperature_ > 0.0 ? 1.0 / temperature_ : 1e8; }

  void predict(json const& step, diffx::categorical_stage const& s, std::string const& name) {
    auto const logits = token_logits(x_.data(), batch_, positions_, vocab_, calls_, scale());
    int const draw = temperature_ > 0.0 ? requests_++ : -1;
    int const route = requests_++, fresh = requests_++;
    double const w[4] = {s.weight[0], s.weight[1], s.weight[2], s.weight[3]};
    codes predicted;
    for (std::int64_t i = 0; i < batch_ * positions_; ++i) {
      auto const at = static_cast<std::size_t>(i);
      auto row = row_of(logits.data() + i * vocab_, vocab_);
      if (!row.scan()) return r_.fail(name + ": no distribution");
      double const u = draw < 0 ? 0.5 : requested(draw, i);
      int const data = draw < 0 ? row.likeliest() : row.draw(u);
      predicted.push_back(data);
      double const pi = process_.limit().probability(x_[at]);
      auto const m = solver::ancestral::routes_of(w, pi, data == x_[at] ? 1.0 : 0.0);
      double const all = m.fresh + m.stay + m.clean + m.back;
      double const share[3] = {(m.clean + m.back) / all, m.stay / all, m.fresh / all};
      json const& want = step.at("route_probs")
                             .at(static_cast<std::size_t>(i / positions_))
                             .at(static_cast<std::size_t>(i % positions_));
      for (std::size_t j = 0; j < 3; ++j) {
        r_.near(share[j], want.at(j).get<double>(), 1.0, name + " route_probs");
      }
      // The library's coin has the fresh class first, then the one that is there, then the data.
      int const taken = drawn(3, requested(route, i), [&](int j) { return share[j]; });
      // Where in its range it lies is the draw of the fresh class.
      double const start[3] = {1.0 - m.clean / all, m.fresh / all, 0.0};
      double const length[3] = {m.clean / all, share[1], share[2]};
      double const within = taken == 2 ? requested(fresh, i) : 0.5;
      words_[at] = {start[taken] + within * length[taken], u, 0.5, 0.5, 0.5, 0.5};
    }
    same(r_, predicted, step.at("predicted"), name + " predicted");
  }

  void correct(json const& sweep, level const& at, std::string const& name) {
    auto const logits = token_logits(x_.data(), batch_, positions_, vocab_, calls_);
    int const select = requests_++, draw = requests_++;
    auto const law = process_.limit();
    int const picks = gibbs_.picks;
    for (std::int64_t b = 0; b < batch_; ++b) {
      std::vector<double> keys;
      codes order;
      for (std::int64_t p = 0; p < positions_; ++p) {
        std::int64_t const i = b * positions_ + p;
        auto row = row_of(logits.data() + i * vocab_, vocab_);
        solver::gibbs_law<false, row_type> const given(row, law, x_[static_cast<std::size_t>(i)],
                                                       at.alpha, at.sigma);
        double score = 0.0;
        if constexpr (Pick::reads_row) score = Pick::of(given);
        keys.push_back(gibbs::key(score, gibbs_.temperature, requested(select, i)));
        order.push_back(static_cast<std::int32_t>(p));
        words_[static_cast<std::size_t>(i)] = {0.5, 0.5, 0.5, 0.5, requested(select, i), 0.5};
      }
      diffx::detail::sort_by_key(order.data(), static_cast<int>(positions_), keys.data());
      json const& want = sweep.at("resampled").at(static_cast<std::size_t>(b));
      json const& probs = sweep.at("probs").at(static_cast<std::size_t>(b));
      if (want.size() != static_cast<std::size_t>(picks)) return r_.fail(name + ": picks");
      for (int j = 0; j < picks; ++j) {
        auto const rank = static_cast<std::size_t>(j);
        std::int64_t const i = b * positions_ + order[rank];
        int const now = x_[static_cast<std::size_t>(i)];
        auto row = row_of(logits.data() + i * vocab_, vocab_);
        solver::gibbs_law<false, row_type> const given(row, law, now, at.alpha, at.sigma);
        int const k = drawn(vocab_, requested(draw, b * picks + j),
                            [&](int v) { return given.probability(v); });
        ++r_.compared;
        if (k != want.at(rank).get<int>()) {
          return r_.fail(name + " resampled: got " + std::to_string(k) + ", want " +
                         want.at(rank).dump());
        }
        r_.near(given.probability(k), probs.at(rank).get<double>(), 1.0, name + " probs");
        // The middle of the class in the cavity's distribution function, which has `now` first.
        double below = k == now ? 0.0 : given.cavity().probability(now);
        for (int v = 0; v < k && k != now; ++v) {
          below += v == now ? 0.0 : given.cavity().probability(v);
        }
        auto& w = words_[static_cast<std::size_t>(i)];
        w[0] = 0.5 * at.alpha;
        w[1] = below + 0.5 * given.cavity().probability(k);
      }
    }
  }

  json const& c_;
  report& r_;
  std::int64_t batch_, positions_;
  int vocab_;
  double temperature_;
  diffx::process::uniform<> process_;
  codes x_;
  gibbs gibbs_{};
  int calls_ = 0, requests_ = 0;
  std::vector<std::array<double, 6>> words_;
};

}  // namespace

bool canon_remask(json const& entry, report& r) {
  auto const op = entry.at("op").get<std::string>();
  if (op == "remdm_kernel") return remdm_case(entry, r);
  if (op == "dfm_mixture_euler") return dfm_case(entry, r);
  return false;
}

bool discrete_ddim_entry(json const& c, report& r) {
  if (c.at("kind") != "loop") return false;
  settings keys(c);
  keys.ignore({"id", "scheduler", "kind", "config", "budget", "temperature", "shape", "vocab",
               "predictor_steps", "corrected_steps", "initial_tokens", "steps",
               "f32_tokens_agree"});
  keys.refuse_unread("discrete_ddim");
  r.tolerance = 1e-13;  // sums of a vocabulary of exponentials, in another order
  json const& config = c.at("config");
  auto const how = config.contains("corrector_selection")
                       ? config["corrector_selection"].get<std::string>()
                       : "lowest_log_margin";
  if (how == "lowest_log_margin") {
    ddim_run(c, r, pick::lowest_margin{});
  } else if (how == "lowest_maxprob") {
    ddim_run(c, r, pick::lowest_probability{});
  } else if (how == "lowest_current_prob") {
    ddim_run(c, r, pick::lowest_current{});
  } else if (how == "random") {
    ddim_run(c, r, pick::at_random{});
  } else {
    r.fail("unknown corrector_selection " + how);
  }
  return true;
}

bool discrete_ddim_loo_entry(json const& c, report& r) {
  if (c.at("kind") != "tables") return false;
  settings keys(c);
  keys.ignore(
      {"id", "scheduler", "kind", "token_seed", "tokens", "logits", "loo", "f32_tokens_agree"});
  keys.refuse_unread("discrete_ddim_loo");
  r.tolerance = 1e-14;
  json const& tokens = c.at("tokens");
  json const& logits = c.at("logits");
  auto const classes = logits.at(0).at(0).size();
  diffx::process::uniform<> const p(static_cast<int>(classes));
  auto const seed = c.at("token_seed").get<std::uint64_t>();
  std::uint64_t number = 0;
  for (std::size_t b = 0; b < tokens.size(); ++b) {
    for (std::size_t s = 0; s < tokens[b].size(); ++s) {
      auto const now = tokens[b][s].get<int>();
      ++r.compared;
      if (now != p.limit().draw(uniform(3000000u + seed, number++))) {
        r.fail("tokens are not those of the seed");
      }
      for (json const& table : c.at("loo")) {
        // Not by way of 1 - alpha, which costs a small alpha its digits.
        double const alpha = table.at("alpha").get<double>();
        level const at{1.0 - alpha, alpha, 1.0 - alpha, 0.0, 0.0};
        double const shift = diffx::detail::leave_one_out_shift(p.limit(), now, at.alpha, at.sigma);
        for (std::size_t v = 0; v < classes; ++v) {
          double const l = logits[b][s][v].get<double>();
          double const got = static_cast<int>(v) == now ? l - shift : l;
          r.near(got, table.at("loo_logits").at(b).at(s).at(v).get<double>(),
                 std::max(1.0, std::fabs(l) + shift), "loo_logits");
        }
      }
    }
  }
  return true;
}

}  // namespace conformance
