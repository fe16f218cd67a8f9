// Block refinement and entropy-bound sampling, step by step.

#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/decode/proposal.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

#include "papers.hpp"
#include "tokens.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace conformance {
namespace {

namespace decode = diffx::decode;
using codes = std::vector<std::int32_t>;

codes flat(json const& rows) {
  codes out;
  for (json const& row : rows) {
    for (json const& v : row) out.push_back(v.get<std::int32_t>());
  }
  return out;
}

void same(report& r, std::vector<std::int32_t> const& got, json const& want,
          std::string const& what) {
  codes const w = flat(want);
  if (got.size() != w.size()) return r.fail(what + ": another size");
  for (std::size_t i = 0; i < w.size(); ++i) {
    ++r.compared;
    if (got[i] != w[i]) {
      return r.fail(what + " " + std::to_string(i) + ": got " + std::to_string(got[i]) + ", want " +
                    std::to_string(w[i]));
    }
  }
}

diffx::detail::class_row<double, 1> row_of(double const* logits, int vocab,
                                           decode::proposal const& shape) {
  diffx::detail::class_row<double, 1> row;
  row.source[0] = logits;
  row.weight[0] = shape.scale();
  row.classes = vocab;
  if (shape.filters()) shape.filter(row);
  return row;
}

/// The filters of an entry: a top_k of 0 or less and a top_p of 1 or more keep everything.
decode::proposal filter_of(settings& keys) {
  decode::proposal shape;
  shape.top_k = std::max(0, keys.get("top_k", 0));
  shape.top_p = std::min(1.0, keys.number("top_p", 1.0));
  return shape;
}

/// The case's own numbers, and what a step of it expects.
struct shape_of {
  std::int64_t rows, positions;
  int vocab;
};
shape_of shape_in(json const& c) {
  return {c.at("shape")[0].get<std::int64_t>(), c["shape"][1].get<std::int64_t>(),
          c.at("vocab").get<int>()};
}

/// Runs the steps of a case on a grid of more calls, since a run's last step commits everything and
/// the reference's does not. `look` sees every step's logits.
template <class Process, class Solver, class Look>
void run_steps(json const& c, report& r, Process const& process, Solver const& solver,
               double logit_scale, int calls, int requests, bool draws, Look const& look) {
  // Names of their own: clang 14 captures no structured bindings.
  shape_of const all = shape_in(c);
  std::int64_t const rows = all.rows, positions = all.positions;
  int const vocab = all.vocab;
  codes x = flat(c.at("initial_tokens"));
  token_model const model{{}, vocab, logit_scale};
  json const& steps = c.at("steps");
  // Editing goes on after the last mask, and the model is told the number of the call.
  given_words const words{positions, [&](int step, int block, int half, std::int64_t i) {
                            if (block == 0 && half == 0 && draws) {
                              return requested(requests * step, i);
                            }
                            return requested(requests * step + requests - 1, i);
                          }};
  diffx::sampler const s{process, solver};
  auto const grid = diffx::grid::uniform_t(process, calls);
  diffx::options<given_words> const options{words, diffx::start::given};
  diffx::batch_view<std::int32_t> const view{x.data(), rows, positions};
  diffx::exec::host const exec;
  diffx::detail::workspace const memory(s.workspace_size(exec, model, view, options));
  auto run = s.start(exec, model, grid, view, memory.span(), options);
  for (json const& step : steps) {
    int const k = run.step();
    codes const before = x;
    auto const seen = run.block().committed();
    codes const was(seen.data, seen.data + seen.size());
    run.advance();
    auto const logits = token_logits(before.data(), rows, positions, vocab, k, logit_scale);
    codes const now(seen.data, seen.data + seen.size());
    look(step, k, before, x, was, now, logits);
    same(r, x, step.at("tokens"), "tokens after call " + std::to_string(k));
  }
}

bool entropy_bound_case(json const& c, report& r) {
  if (c.at("kind") != "loop") return false;
  json const& config = c.at("config");
  settings of_config(config);
  auto const number = [&](char const* key, double other) { return of_config.number(key, other); };
  // Names of their own: clang 14 captures no structured bindings.
  shape_of const all = shape_in(c);
  std::int64_t const rows = all.rows, positions = all.positions;
  int const vocab = all.vocab;
  int const steps = c.at("num_steps").get<int>();
  double const first = number("t_max", 0.8), last = number("t_min", 0.4);
  if (static_cast<std::size_t>(steps) != c.at("steps").size()) r.fail("number of steps");
  double const gamma = number("entropy_bound", 0.1);
  of_config.ignore({"num_inference_steps"});  // the case says how many
  of_config.refuse_unread("entropy_bound");
  diffx::solver::decode<decode::neg_entropy, decode::entropy_bound> solver;
  solver.commit.gamma = gamma;
  solver.propose.temperature = first;
  solver.final_temperature = last;  // reached on the step after the reference's last
  solver.as_shaped = true;
  solver.revises = true;
  diffx::process::uniform<> const process(vocab);
  run_steps(c, r, process, solver, c.at("logit_scale").get<double>(), steps + 1, 2, true,
            [&](json const& step, int k, codes const&, codes const& x, codes const&, codes const&,
                std::vector<double> const& logits) {
              decode::proposal shape;
              shape.temperature = first + (last - first) * k / steps;
              codes sampled, accepted;
              std::vector<double> entropy;
              for (std::int64_t i = 0; i < rows * positions; ++i) {
                auto row = row_of(logits.data() + i * vocab, vocab, shape);
                row.scan<diffx::detail::row_measure::entropy>();
                entropy.push_back(row.measured());
                sampled.push_back(row.draw(requested(2 * k, i)));
              }
              same(r, sampled, step.at("sampled"), "sampled");
              for (std::size_t b = 0; b < step.at("entropy").size(); ++b) {
                for (std::size_t p = 0; p < step["entropy"][b].size(); ++p) {
                  std::size_t const i = b * static_cast<std::size_t>(positions) + p;
                  r.near(entropy[i], step["entropy"][b][p].get<double>(), 1.0, "entropy");
                  // Accepted: the proposal is there; else a class drawn from the noise.
                  auto const fresh = static_cast<std::int32_t>(
                      requested(2 * k + 1, static_cast<std::int64_t>(i)) * vocab);
                  bool const is = step.at("accepted")[b][p].get<int>() != 0;
                  ++r.compared;
                  if (x[i] != (is ? sampled[i] : fresh)) r.fail("accepted " + std::to_string(i));
                }
              }
            });
  return true;
}

bool block_refine_case(json const& c, report& r) {
  if (c.at("kind") != "loop") return false;
  json const& config = c.at("config");
  json const& args = c.at("step_args");
  // Names of their own: clang 14 captures no structured bindings.
  shape_of const all = shape_in(c);
  std::int64_t const rows = all.rows, positions = all.positions;
  int const vocab = all.vocab;
  bool const is_masked = c.at("mode") == "masked";
  if (!is_masked && c.at("mode") != "uniform") return false;
  int const steps = c.at("num_steps").get<int>();
  int const length = c.at("block_length").get<int>();

  settings of_config(config), of_step(args);
  of_config.ignore({"block_length", "num_inference_steps", "minimal_topk"});  // set, or unused
  of_step.ignore({"minimal_topk"});
  // An argument of the step goes before the setting. Bounds of 0 or less are below every
  // probability; the library's are above 0.
  auto const bound = [&](char const* key, double fallback) {
    double const set = of_config.number(key, fallback);
    return of_step.number(key, set);
  };
  double const least = std::numeric_limits<double>::min();
  double const tau = std::max(least, bound("threshold", 0.95));
  double const edit_above = bound("editing_threshold", INFINITY);
  bool const edits = is_masked ? edit_above > 0.0 && edit_above < 1.0 : edit_above < 1.0;

  // The filters shape what is drawn; the likeliest class is read from the whole row.
  decode::proposal shape = filter_of(of_step);
  shape.temperature = of_step.number("temperature", 0.0);
  auto const method = of_step.get<std::string>("sampling_method", "auto");
  if (method != "auto" && method != "multinomial") shape.temperature = 0.0;
  bool const draws = shape.temperature > 0.0;
  if (!draws) shape = decode::proposal{0.0};
  of_config.refuse_unread("block_refine config");
  of_step.refuse_unread("block_refine step_args");

  auto const look = [&](json const& step, int k, codes const& before, codes const& after,
                        codes const& was, codes const& now, std::vector<double> const& logits) {
    int const requests = is_masked ? 1 : (draws ? 2 : 1);
    codes predicted, transfer, edit;
    for (std::int64_t i = 0; i < rows * positions; ++i) {
      auto row = row_of(logits.data() + i * vocab, vocab, shape);
      row.scan();
      int const drawn = draws ? row.draw(requested(requests * k, i)) : row.likeliest();
      predicted.push_back(drawn);
      auto const at = static_cast<std::size_t>(i);
      bool const opened = was[at] == diffx::detail::open_position;
      transfer.push_back(opened && now[at] == k ? 1 : 0);
      edit.push_back(!opened && after[at] != before[at] ? 1 : 0);
      if (step.contains("confidence")) {
        auto const b = static_cast<std::size_t>(i / positions);
        auto const p = static_cast<std::size_t>(i % positions);
        r.near(row.probability(drawn), step["confidence"][b][p].get<double>(), 1.0, "confidence");
      }
    }
    same(r, predicted, step.at("predicted"), "predicted");
    same(r, transfer, step.at("transfer"), "transfer");
    same(r, edit, step.at("edit"), "edit");
  };

  int const taken = static_cast<int>(c.at("steps").size());
  int const calls = steps + taken + 1;
  auto const tell = [&](auto& solver) {
    solver.propose = shape;
    solver.as_shaped = true;
    solver.commit.steps = steps;
    solver.commit.tau = tau;
    if (edits) {
      solver.edit_above = std::max(least, edit_above);
      solver.edit_calls = taken;  // the case says where it ends
    }
  };
  if (is_masked) {
    json const& schedule = c.at("transfer_schedule");
    for (int i = 0; i < steps; ++i) {
      r.near(decode::dynamic::share(length, steps, i),
             schedule.at(static_cast<std::size_t>(i)).get<double>(), 1.0, "transfer_schedule");
    }
    int const prompt = c.at("prompt_length").get<int>();
    diffx::solver::decode<decode::probability, decode::dynamic> solver;
    tell(solver);
    solver.align = prompt > 0 ? decode::align::from_zero : decode::align::after_prompt;
    solver.block = length;
    diffx::process::absorbing<> const process(vocab);
    if (c.at("mask_token_id").get<int>() != process.limit().mask) r.fail("mask_token_id");
    run_steps(c, r, process, solver, 1.0, calls, 1, draws, look);
  } else {
    diffx::solver::decode<decode::probability, decode::pace> solver;
    tell(solver);
    run_steps(c, r, diffx::process::uniform<>(vocab), solver, 1.0, calls, draws ? 2 : 1, draws,
              look);
  }
  return true;
}

bool refine_tables(json const& c, report& r) {
  if (c.at("kind") != "tables") return false;
  for (json const& s : c.at("transfer_schedules")) {
    json const& want = s.at("schedule");
    int const steps = s.at("num_steps").get<int>();
    if (want.size() != static_cast<std::size_t>(steps)) r.fail("length of a schedule");
    for (int i = 0; i < steps; ++i) {
      r.near(decode::dynamic::share(s.at("block_length").get<int>(), steps, i),
             want.at(static_cast<std::size_t>(i)).get<double>(), 1.0, "transfer_schedules");
    }
  }
  for (json const& filter : c.at("filters")) {
    settings keys(filter);
    keys.ignore({"kept"});
    decode::proposal const shape = filter_of(keys);
    keys.refuse_unread("filters");
    json const& kept = filter.at("kept");
    for (std::size_t b = 0; b < kept.size(); ++b) {
      for (std::size_t p = 0; p < kept[b].size(); ++p) {
        auto const logits = c.at("logits")[b][p].get<std::vector<double>>();
        auto const row = row_of(logits.data(), static_cast<int>(logits.size()), shape);
        for (std::size_t k = 0; k < logits.size(); ++k) {
          ++r.compared;
          if (row.keeps(static_cast<int>(k)) != (kept[b][p][k].get<int>() != 0)) {
            r.fail(filter.dump().substr(0, 20) + " keeps " + std::to_string(k));
          }
        }
      }
    }
  }
  return true;
}

}  // namespace

bool refine_entry(json const& c, report& r) {
  // Sums of a few dozen probabilities in double.
  r.tolerance = 1e-13;
  auto const scheduler = c.at("scheduler").get<std::string>();
  if (scheduler == "EntropyBoundScheduler") return entropy_bound_case(c, r);
  if (scheduler != "BlockRefinementScheduler") return false;
  return block_refine_case(c, r) || refine_tables(c, r);
}

}  // namespace conformance
