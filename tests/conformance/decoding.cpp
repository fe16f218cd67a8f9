// Confidence decoding, caches of keys and values, blocks of text and traces: the golden entries of
// their papers, each value from the library's own functions and runs.

#include "decoding.hpp"

#include <diffx/analysis/trace.hpp>
#include <diffx/cache/kv.hpp>
#include <diffx/domain/text/attention_mask.hpp>
#include <diffx/domain/text/entropy.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/schedule/mask_sine.hpp>
#include <diffx/solver/decode.hpp>

#include "papers.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace conformance {
namespace {

namespace decode = diffx::decode;
using diffx::batch_view;
using diffx::detail::class_row;
using codes = std::vector<std::int32_t>;
using numbers = std::vector<double>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
int size_of(json const& list) { return static_cast<int>(list.size()); }

/// Refuses an entry with anything that its reader does not know.
void know(json const& e, std::initializer_list<char const*> keys) {
  settings s(e);
  s.ignore({"op", "source"});
  s.ignore(keys);
  s.refuse_unread(e.at("op").get<std::string>());
}

void same(report& r, std::int64_t got, std::int64_t want, std::string const& what) {
  ++r.compared;
  if (got != want) {
    r.fail(what + ": got " + std::to_string(got) + ", want " + std::to_string(want));
  }
}

template <class Got>
void same_list(report& r, Got const& got, json const& want, std::string const& what) {
  same(r, static_cast<std::int64_t>(std::size(got)), size_of(want), what + ", length");
  for (std::size_t i = 0; i < std::min<std::size_t>(std::size(got), want.size()); ++i) {
    same(r, static_cast<std::int64_t>(got[i]), want[i].get<std::int64_t>(),
         what + "[" + std::to_string(i) + "]");
  }
}

/// One row after another of a matrix.
template <class Got>
void same_matrix(report& r, Got const& got, json const& want, std::string const& what) {
  json flat = json::array();
  for (json const& row : want) {
    for (json const& v : row) flat.push_back(v);
  }
  same_list(r, got, flat, what);
}

double number_of(std::string const& key) { return std::stod(key); }

class_row<double, 1> row_of(numbers const& logits) {
  class_row<double, 1> row;
  row.source[0] = logits.data();
  row.weight[0] = 1.0;
  row.classes = static_cast<int>(logits.size());
  return row;
}

numbers logs_of(json const& probabilities) {
  numbers out;
  for (json const& p : probabilities) out.push_back(std::log(p.get<double>()));
  return out;
}

// ---- networks ----

/// Says the same in every call; knows of each call what it was asked for.
struct fixed_answer {
  diffx::prediction::x0_posterior<double> prediction{};
  int classes;
  numbers logits;  // [positions, classes]

  struct asked {
    int queries, keys;
    std::vector<int> positions;  // that are queried
  };
  std::shared_ptr<std::vector<asked>> calls = std::make_shared<std::vector<asked>>();

  struct store {};
  store make_store(std::int64_t, std::int64_t) const { return {}; }

  template <class Exec, class Code>
  void operator()(Exec const&, batch_view<Code const> x, diffx::query const&,
                  batch_view<double> out) const {
    auto const n = static_cast<int>(x.features);
    std::vector<int> all(at(n));
    std::iota(all.begin(), all.end(), 0);
    calls->push_back({n, n, std::move(all)});
    write(x, out);
  }
  template <class Exec, class Code>
  void operator()(Exec const&, batch_view<Code const> x, diffx::query const&,
                  batch_view<diffx::kv::role const> roles, store&, batch_view<double> out) const {
    asked a{0, 0, {}};
    for (std::int64_t p = 0; p < roles.features; ++p) {
      diffx::kv::role const role = roles.data[p];
      if ((role & diffx::kv::query) != 0) a.positions.push_back(static_cast<int>(p));
      a.keys += (role & (diffx::kv::query | diffx::kv::reuse)) != 0 ? 1 : 0;
    }
    a.queries = static_cast<int>(a.positions.size());
    calls->push_back(std::move(a));
    write(x, out);
  }

 private:
  template <class Code>
  void write(batch_view<Code const> x, batch_view<double> out) const {
    for (std::int64_t b = 0; b < x.batch; ++b) {
      std::copy(logits.begin(), logits.end(), out.row(b));
    }
  }
};

/// Logits of every position: `confidence` for its token, `others` for every other one.
fixed_answer one_token_each(int classes, codes const& tokens, numbers const& confidence,
                            double others) {
  fixed_answer out{{}, classes, numbers(tokens.size() * at(classes), others)};
  for (std::size_t p = 0; p < tokens.size(); ++p) {
    out.logits[p * at(classes) + at(tokens[p])] = confidence[p];
  }
  return out;
}

// ---- runs ----

/// A run of the decoder on one text, step by step: f(run) after each.
template <class Solver, class Denoiser, class Cache, class Noise, class F>
void decode_text(int classes, int mask, Solver const& solver, Denoiser const& network, Cache cache,
                 codes& x, int steps, Noise const& noise, F const& after) {
  diffx::process::absorbing<> const process(classes, mask);
  diffx::sampler const s{process, solver, diffx::guidance::none{}, cache};
  auto const grid = diffx::grid::uniform_t(process, steps);
  batch_view<std::int32_t> const view{x.data(), 1, static_cast<std::int64_t>(x.size())};
  diffx::options<Noise> const opts{noise, diffx::start::given};
  diffx::exec::host const exec;
  diffx::detail::workspace const memory(s.workspace_size(exec, network, view, opts));
  auto run = s.start(exec, network, grid, view, memory.span(), opts);
  while (!run.done()) {
    run.advance();
    after(run);
  }
}

/// What one call commits: 1 for every position that has a class now and had none.
template <class Confidence, class Rule>
codes committed_by(Rule rule, numbers const& logits, int classes, int mask, codes x) {
  fixed_answer const network{{}, classes, logits};
  codes const before = x;
  codes out(x.size(), 0);
  diffx::solver::decode<Confidence, Rule> solver{};
  solver.commit = rule;
  solver.propose.temperature = 0.0;
  bool first = true;
  decode_text(classes, mask, solver, network, diffx::cache::none{}, x,
              static_cast<int>(x.size()) + 1, diffx::noise::counted{1}, [&](auto const&) {
                if (!first) return;
                first = false;
                for (std::size_t p = 0; p < x.size(); ++p) {
                  out[p] = before[p] == mask && x[p] != mask ? 1 : 0;
                }
              });
  return out;
}

int sum_of(codes const& x) { return std::accumulate(x.begin(), x.end(), 0); }

// ---- 091: thresholds and what the caches cost ----

void confidence_parallel(json const& e, report& r) {
  know(e, {"logits", "masked", "confidence", "x0", "threshold", "fixed_k", "factor_n_intended",
           "factor_n_reference"});
  auto const rows = e.at("logits").get<std::vector<numbers>>();
  int const classes = static_cast<int>(rows.at(0).size());
  auto const masked = e.at("masked").get<codes>();
  auto const count = sum_of(masked);
  numbers logits;
  codes x;
  for (std::size_t p = 0; p < rows.size(); ++p) {
    auto row = row_of(rows[p]);
    row.scan();
    r.near(decode::probability::of(row, row.likeliest(), 0.0, 0), e.at("confidence").at(p), 1.0,
           "confidence");
    same(r, row.likeliest(), e.at("x0").at(p).get<int>(), "x0");
    logits.insert(logits.end(), rows[p].begin(), rows[p].end());
    x.push_back(masked[p] != 0 ? classes : row.likeliest());
  }
  auto const by = [&](auto rule) {
    return committed_by<decode::probability>(rule, logits, classes, classes, x);
  };
  for (auto const& [tau, set] : e.at("threshold").items()) {
    same_list(r, by(decode::threshold{number_of(tau)}), set, "threshold " + tau);
  }
  for (auto const& [k, set] : e.at("fixed_k").items()) {
    same_list(r, by(decode::per_call{std::stoi(k)}), set, "fixed_k " + k);
  }
  for (auto const& [f, n] : e.at("factor_n_intended").items()) {
    same(r, sum_of(by(decode::factor{number_of(f)})), n.get<int>(), "factor_n_intended " + f);
  }
  for (auto const& [f, n] : e.at("factor_n_reference").items()) {
    // The reference takes the last candidate as well when only that one fails.
    int const intended = sum_of(by(decode::factor{number_of(f)}));
    same(r, intended == count - 1 ? count : intended, n.get<int>(), "factor_n_reference " + f);
  }
}

void fast_dllm_cache_cost(json const& e, report& r) {
  know(e, {"prompt_len", "gen_len", "block", "steps", "threshold", "confidence_logit",
           "other_logits", "vocab", "runs"});
  int const prompt = e.at("prompt_len"), length = e.at("gen_len"), block = e.at("block");
  int const vocab = e.at("vocab"), positions = prompt + length;
  auto const confidence = e.at("confidence_logit").get<numbers>();
  for (auto const& item : e.at("runs").items()) {
    std::string const& name = item.key();
    json const& want = item.value();
    auto const tokens = want.at("tokens").get<codes>();
    // The mask stands beside the vocabulary here, so that the confidence is a softmax over all of
    // it, as in the reference.
    auto const network = one_token_each(vocab, tokens, confidence, e.at("other_logits"));
    codes x(at(positions), vocab);
    std::copy_n(tokens.begin(), prompt, x.begin());
    std::vector<std::array<int, 2>> lengths;
    int nfe = 0;
    auto const run_with = [&](auto rule, auto cache) {
      diffx::solver::decode<decode::probability, decltype(rule)> solver{};
      solver.commit = rule;
      solver.propose.temperature = 0.0;
      solver.block = block;
      // With a cache the reference calls the network once more for a block that its first call
      // has finished already, which changes nothing; diffx goes on to the next block.
      bool const idles = name != "none";
      std::size_t of_block = 0;  // calls
      auto const idle = [&](int first) {
        ++nfe;
        lengths.push_back({name == "dual" ? block : positions - first, positions});
      };
      int at_block = -1;
      int const steps = std::max(length, e.at("steps").get<int>()) + 1;
      decode_text(vocab, vocab, solver, network, cache, x, steps, diffx::noise::counted{1},
                  [&](auto& run) {
                    if (network.calls->empty()) return;  // a step without a call: all is done
                    int const first = run.block().cursors()[0].first;
                    if (first != at_block && at_block >= 0 && idles && of_block == 1) {
                      idle(at_block);
                    }
                    of_block = first != at_block ? 1 : of_block + 1;
                    at_block = first;
                    for (auto const& c : *network.calls) lengths.push_back({c.queries, c.keys});
                    nfe += static_cast<int>(network.calls->size());
                    network.calls->clear();
                  });
      if (idles && of_block == 1) idle(at_block);
    };
    auto const run_cached = [&](auto cache) {
      if (!e.contains("threshold") || e["threshold"].is_null()) {
        run_with(decode::evenly{e.at("steps").get<int>() / (length / block)}, cache);
      } else {
        run_with(decode::threshold{e["threshold"].get<double>()}, cache);
      }
    };
    if (name == "none") {
      run_cached(diffx::cache::none{});
    } else if (name == "prefix") {
      run_cached(diffx::cache::kv_prefix{});
    } else if (name == "dual") {
      run_cached(diffx::cache::kv_dual{});
    } else {
      r.fail("unknown cache " + name);
    }
    settings keys(want);
    keys.ignore({"nfe", "query_key_lengths", "tokens"});
    keys.refuse_unread("fast_dllm_cache_cost");
    same(r, nfe, want.at("nfe").get<int>(), name + " nfe");
    codes flat;
    for (auto const& l : lengths) flat.insert(flat.end(), l.begin(), l.end());
    same_matrix(r, flat, want.at("query_key_lengths"), name + " query_key_lengths");
    same_list(r, x, want.at("tokens"), name + " tokens");
  }
}

// ---- 047: which positions are queried, and which are stored ----

/// Words that let decode::random_order take the positions as they are listed.
struct listed_order {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "conformance::listed_order";
  std::vector<std::uint32_t> rank;  // of a position; the lowest is decoded first

  template <class T>
  void fill(diffx::noise::key, std::int64_t, std::int64_t, int n, T* out) const {
    std::fill_n(out, n, T(0));
  }
  diffx::random::words4 words(diffx::noise::key, std::int64_t, std::int64_t position) const {
    return {{~(rank[at(position)] << 8), 0, 0, 0}};
  }
  listed_order fork(std::uint64_t) const { return *this; }
};
static_assert(diffx::word_source<listed_order>);

/// Compares the positions of every call, and with `stored` what is in the store after it.
template <class Confidence, class Cache, class Noise>
void query_sets(json const& e, report& r, numbers const& confidence, Cache cache,
                Noise const& noise) {
  int const prompt = e.at("prompt_len"), length = e.at("gen_len"), block = e.at("block");
  constexpr int vocab = 40;  // the entries say none: the tokens do not matter
  codes tokens;
  for (int p = 0; p < prompt + length; ++p) tokens.push_back(p % vocab);
  auto const network = one_token_each(vocab, tokens, confidence, 0.0);
  codes x(tokens.size(), vocab);
  std::copy_n(tokens.begin(), prompt, x.begin());
  diffx::solver::decode<Confidence, decode::evenly> solver{};
  solver.commit.steps = e.at("steps").get<int>() / (length / block);
  solver.propose.temperature = 0.0;
  solver.block = block;
  std::size_t call = 0;
  json const& sets = e.at("forwards");
  decode_text(vocab, vocab, solver, network, cache, x, e.at("steps"), noise, [&](auto& run) {
    if (call >= network.calls->size()) return;  // nothing was left to decode
    auto const what = "call " + std::to_string(call);
    if (call < sets.size()) {
      same_list(r, network.calls->back().positions, sets[call], "forwards, " + what);
    }
    if (e.contains("kv_positions_valid_after")) {
      // The reference empties its store when a block begins.
      codes valid;
      auto const stored = run.kv_stored();
      for (std::size_t p = 0; p < stored.size(); ++p) {
        if (stored[p] >= run.block().cursors()[0].since) {
          valid.push_back(static_cast<std::int32_t>(p));
        }
      }
      same_list(r, valid, e["kv_positions_valid_after"].at(call),
                "kv_positions_valid_after, " + what);
    }
    ++call;
  });
  same(r, static_cast<std::int64_t>(call), size_of(sets), "calls");
}

/// The order in which the reference takes the positions. Its other logits are -30, so that several
/// probabilities round to 1: among those that do, the order is that of the reference's sort, which
/// the file shows and nobody promises.
std::vector<std::size_t> decoded_order(json const& e) {
  constexpr int vocab = 40;
  auto const logits = e.at("confidence_logit").get<numbers>();
  numbers probability, seen;
  for (std::size_t p = 0; p < logits.size(); ++p) {
    numbers one(vocab, -30.0);
    one[0] = logits[p];
    auto row = row_of(one);
    row.scan();
    probability.push_back(row.probability(0));
    double first = INFINITY;
    json const& valid = e.at("kv_positions_valid_after");
    for (std::size_t i = valid.size(); i-- > 0;) {
      for (json const& v : valid[i]) {
        if (v.get<std::size_t>() == p) first = static_cast<double>(i);
      }
    }
    seen.push_back(first);
  }
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (probability[a] != probability[b]) return probability[a] > probability[b];
    return seen[a] != seen[b] ? seen[a] < seen[b] : a < b;
  });
  return order;
}

void dkv_decode_query_sets(json const& e, report& r) {
  know(e, {"prompt_len", "gen_len", "block", "steps", "cache_interval", "confidence_logit",
           "forwards", "kv_positions_valid_after"});
  auto const order = decoded_order(e);
  auto const n = static_cast<double>(order.size());
  numbers confidence(order.size());  // the same order, with probabilities below 1
  for (std::size_t k = 0; k < order.size(); ++k) {
    confidence[order[k]] = 20.0 * (1.0 - static_cast<double>(k) / n);
  }
  query_sets<decode::probability>(
      e, r, confidence, diffx::cache::dkv_decode{e.at("cache_interval")}, diffx::noise::counted{1});
}

void dkv_greedy_query_sets(json const& e, report& r) {
  know(e, {"prompt_len", "gen_len", "block", "steps", "cache_interval", "window",
           "decode_order_per_block", "forwards"});
  listed_order order;
  order.rank.resize(at(e.at("prompt_len").get<int>() + e.at("gen_len").get<int>()));
  for (json const& block : e.at("decode_order_per_block")) {
    for (std::size_t k = 0; k < block.size(); ++k) {
      order.rank.at(block[k].get<std::size_t>()) = static_cast<std::uint32_t>(k);
    }
  }
  query_sets<decode::random_order>(e, r, numbers(order.rank.size(), 1.0),
                                   diffx::cache::dkv_greedy{e.at("cache_interval"), e.at("window")},
                                   order);
}

// ---- 105: what a decoder reads of a row ----

void dream_confidence_greedy(json const& e, report& r) {
  know(e, {"logits", "top_p", "top_k", "max_prob", "margin", "neg_entropy", "x0", "kept"});
  decode::proposal shape{};
  shape.temperature = 0.0;
  shape.top_p_first = true;
  settings filters(e);
  shape.top_p = filters.number("top_p", 1.0);
  shape.top_k = filters.get("top_k", 0);
  auto const rows = e.at("logits").get<std::vector<numbers>>();
  for (char const* key : {"max_prob", "margin", "neg_entropy", "x0", "kept"}) {
    same(r, size_of(e.at(key)), size_of(e.at("logits")), std::string(key) + ", length");
  }
  for (std::size_t p = 0; p < rows.size(); ++p) {
    auto row = row_of(rows[p]);
    if (shape.filters()) shape.filter(row);
    codes kept;
    for (int k = 0; k < row.classes; ++k) kept.push_back(row.keeps(k) ? 1 : 0);
    same_list(r, kept, e.at("kept").at(p), "kept");
    row.scan();
    int const k = row.likeliest();
    same(r, k, e.at("x0").at(p).get<int>(), "x0");
    r.near(decode::probability::of(row, k, 0.0, 0), e.at("max_prob").at(p), 1.0, "max_prob");
    row.scan<decode::margin::reads>();
    r.near(decode::margin::of(row, k, 0.0, 0), e.at("margin").at(p), 1.0, "margin");
    row.scan<decode::neg_entropy::reads>();
    // The reference takes log(p + 1e-10): every class that is kept adds p log(1 + 1e-10 / p), at
    // most 1e-10.
    double const added = 1e-10 * row.classes;
    r.near(decode::neg_entropy::of(row, k, 0.0, 0), e.at("neg_entropy").at(p),
           1.0 + added / r.tolerance, "neg_entropy");
  }
}

// ---- 197 and 063: blocks ----

void bd3_training_mask(json const& e, report& r) {
  know(e, {"n", "block", "mask"});
  same_matrix(r, diffx::domain::text::noisy_and_clean_mask(e.at("n"), e.at("block")), e.at("mask"),
              "mask");
}

void bd3_nucleus_exclusive(json const& e, report& r) {
  know(e, {"p", "probs", "filtered"});
  decode::proposal shape{};
  shape.top_p = e.at("p");
  shape.keeps_crossing = false;
  same(r, size_of(e.at("filtered")), size_of(e.at("probs")), "filtered, length");
  for (std::size_t i = 0; i < e.at("probs").size(); ++i) {
    auto const logits = logs_of(e["probs"][i]);
    auto row = row_of(logits);
    shape.filter(row);
    row.scan();
    for (int k = 0; k < row.classes; ++k) {
      r.near(row.probability(k), e.at("filtered").at(i).at(at(k)), 1.0, "filtered");
    }
  }
}

void bd3_sample_entropy_nats(json const& e, report& r) {
  know(e, {"tokens", "entropy"});
  auto const tokens = e.at("tokens").get<codes>();
  // The reference's shares, logarithms, products and sums are float32: with u = 2^-24 a share is
  // off by u p, its logarithm by u (1 + |log p|), their product by u more, and the sum by u a term.
  double const entropy = diffx::domain::text::sample_entropy(std::span(tokens));
  r.tolerance = 0x1p-24;
  r.near(entropy, e.at("entropy"), 1.0 + (3.0 + static_cast<double>(tokens.size())) * entropy,
         "entropy");
}

void e2d2_masks(json const& e, report& r) {
  know(e, {"n", "block", "encoder", "decoder"});
  same_matrix(r, diffx::domain::text::block_causal_mask(e.at("n"), e.at("block")), e.at("encoder"),
              "encoder");
  same_matrix(r, diffx::domain::text::decoder_mask(e.at("n"), e.at("block")), e.at("decoder"),
              "decoder");
}

/// decode::predict_then_noise at a level that is named, not counted.
struct noise_to : decode::predict_then_noise {
  double moved = 0.0;  // 1 - alpha_s
  decode::choice chosen(decode::candidates const& c) const noexcept {
    return {c.count - remasked(c.block, c.count, moved), tau};
  }
};

void e2d2_predict_then_noise_greedy(json const& e, report& r) {
  know(e, {"block", "mask", "x_t", "x_theta", "alpha_s", "threshold", "confidence", "num_remasked",
           "x_s"});
  auto x = e.at("x_t").get<codes>();
  int const mask = e.at("mask"), classes = size_of(e.at("x_theta").at(0));
  numbers logits;
  for (json const& row : e.at("x_theta")) {
    for (double const l : logs_of(row)) logits.push_back(l);
  }
  noise_to rule{};
  rule.steps = 1;
  rule.tau = e.at("threshold");
  rule.moved = 1.0 - e.at("alpha_s").get<double>();
  int const block = e.at("block");
  auto const masked = static_cast<int>(std::count(x.begin(), x.end(), mask));
  same(r, decode::predict_then_noise::remasked(block, masked, rule.moved),
       e.at("num_remasked").get<int>(), "num_remasked");
  auto const confidence = e.at("confidence").get<std::string>();
  codes chosen;
  if (confidence == "max_prob") {
    chosen = committed_by<decode::probability>(rule, logits, classes, mask, x);
  } else if (confidence == "margin") {
    chosen = committed_by<decode::margin>(rule, logits, classes, mask, x);
  } else {
    r.fail("unknown confidence " + confidence);
    return;
  }
  for (std::size_t p = 0; p < x.size(); ++p) {
    if (chosen[p] == 0) continue;
    numbers const one(logits.begin() + static_cast<std::ptrdiff_t>(p) * classes,
                      logits.begin() + static_cast<std::ptrdiff_t>(p + 1) * classes);
    auto row = row_of(one);
    row.excluded = mask;
    row.scan();
    x[p] = row.likeliest();
  }
  same_list(r, x, e.at("x_s"), "x_s");
}

// ---- 089: traces ----

void tracerl_slices(json const& e, report& r) {
  know(e, {"step_map", "block", "shrink", "collapsed", "prompt_len", "mask_token", "rounds"});
  auto const map = e.at("step_map").get<codes>();
  auto const shrunk = diffx::analysis::shrink(map, e.at("shrink"));
  same_list(r, shrunk, e.at("collapsed"), "collapsed");
  auto const slices = diffx::analysis::slices(shrunk, e.at("block"));
  same(r, static_cast<std::int64_t>(slices.size()), size_of(e.at("rounds")), "rounds");
  // The text is the one thing that an entry does not say; it stands at the front of every round.
  std::size_t const prompt = e.at("prompt_len");
  std::int32_t const mask = e.at("mask_token");
  for (std::size_t i = 0; i < std::min(slices.size(), e.at("rounds").size()); ++i) {
    json const& round = e.at("rounds").at(i);
    auto const given = round.at("extended").get<codes>();
    codes extended(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(
                                                      std::min(given.size(), prompt + map.size())));
    codes train(prompt, 0);
    for (std::size_t p = 0; p < map.size(); ++p) {
      auto const what = slices[i][p];
      extended.push_back(what == diffx::analysis::slice::known ? extended.at(prompt + p) : mask);
      train.push_back(what == diffx::analysis::slice::scored ? 1 : 0);
    }
    same_list(r, extended, round.at("extended"), "extended " + std::to_string(i));
    same_list(r, train, round.at("train_mask"), "train_mask " + std::to_string(i));
  }
}

void step_map_from_history(json const& e, report& r) {
  know(e, {"mask", "history", "step_map"});
  codes states;
  for (json const& state : e.at("history")) {
    for (json const& v : state) states.push_back(v.get<std::int32_t>());
  }
  // The reference has 0 where nothing changed.
  same_list(r,
            diffx::analysis::step_map(std::span<std::int32_t const>(states),
                                      size_of(e.at("history").at(0)),
                                      e.at("mask").get<std::int32_t>(), 0),
            e.at("step_map"), "step_map");
}

// ---- the canon: which positions, and how many ----

/// The positions that a rule takes, in order of the confidence.
codes selected(auto const& rule, numbers const& confidence, numbers const& values) {
  auto const n = static_cast<int>(confidence.size());
  codes order(at(n));
  std::iota(order.begin(), order.end(), 0);
  diffx::detail::sort_by_key(order.data(), n, confidence.data());
  auto const chosen = rule.chosen({n, n, n, n, 0, 0.0, order.data(), values.data()});
  codes out;
  for (int i = 0; i < n; ++i) {
    std::int32_t const p = order[at(i)];
    if (i < chosen.surest || values[at(p)] >= chosen.from) out.push_back(p);
  }
  std::sort(out.begin(), out.end());
  return out;
}

void parallel_selection(json const& e, report& r) {
  know(e, {"confidence", "entropy", "threshold", "factor", "eb_by_entropy", "eb_by_confidence"});
  auto const confidence = e.at("confidence").get<numbers>();
  numbers neg_entropy;
  for (json const& h : e.at("entropy")) neg_entropy.push_back(-h.get<double>());
  for (auto const& [tau, set] : e.at("threshold").items()) {
    same_list(r, selected(decode::threshold{number_of(tau)}, confidence, confidence), set,
              "threshold " + tau);
  }
  for (auto const& [f, n] : e.at("factor").items()) {
    auto const set = selected(decode::factor{number_of(f)}, confidence, confidence);
    same(r, static_cast<std::int64_t>(set.size()), n.get<int>(), "factor " + f);
  }
  for (auto const& [gamma, set] : e.at("eb_by_entropy").items()) {
    same_list(r, selected(decode::entropy_bound{number_of(gamma)}, neg_entropy, neg_entropy), set,
              "eb_by_entropy " + gamma);
  }
  for (auto const& [gamma, set] : e.at("eb_by_confidence").items()) {
    same_list(r, selected(decode::entropy_bound{number_of(gamma)}, confidence, neg_entropy), set,
              "eb_by_confidence " + gamma);
  }
}

/// How many of `masked` masks every step of a grid commits.
template <class Rule>
codes counts_of(Rule rule, int masked, diffx::timetable const& grid) {
  constexpr int classes = 2;
  fixed_answer const network{{}, classes, numbers(at(masked) * classes, 0.0)};
  diffx::process::absorbing<> const process(classes);
  diffx::solver::decode<decode::random_order, Rule> solver{};
  solver.commit = rule;
  diffx::sampler const s{process, solver};
  codes x(at(masked), classes), counts;
  int before = masked;
  s.sample(diffx::exec::host{}, network, grid,
           batch_view<std::int32_t>{x.data(), 1, static_cast<std::int64_t>(x.size())},
           diffx::options<>{diffx::noise::counted{1}}, [&](diffx::progress const&) {
             auto const now = static_cast<int>(std::count(x.begin(), x.end(), classes));
             counts.push_back(before - now);
             before = now;
           });
  return counts;
}

void llada_transfer_counts(json const& e, report& r) {
  know(e, {"masked", "steps", "counts"});
  int const steps = e.at("steps");
  auto const grid = diffx::grid::uniform_t(diffx::process::absorbing<>(2), steps);
  same_list(r, counts_of(decode::evenly{steps}, e.at("masked"), grid), e.at("counts"), "counts");
}

void dream_transfer_counts(json const& e, report& r) {
  know(e, {"masked", "steps", "eps", "counts"});
  // The grid in double: where the share of the masks is no integer up to float32 rounding, its
  // floor is that of the reference.
  int const steps = e.at("steps");
  double const eps = e.at("eps");
  diffx::process::absorbing<> const process(2);
  std::vector<diffx::level> levels;
  for (int i = 0; i <= steps; ++i) levels.push_back(process.at(1.0 + (eps - 1.0) * i / steps));
  diffx::timetable const grid(std::move(levels));
  same_list(r, counts_of(decode::transfer{}, e.at("masked"), grid), e.at("counts"), "counts");
}

struct operation {
  std::string_view op;
  void (*read)(json const& e, report& r);
};
constexpr operation operations[] = {
    {"bd3_nucleus_exclusive", bd3_nucleus_exclusive},
    {"bd3_sample_entropy_nats", bd3_sample_entropy_nats},
    {"bd3_training_mask", bd3_training_mask},
    {"confidence_parallel", confidence_parallel},
    {"dkv_decode_query_sets", dkv_decode_query_sets},
    {"dkv_greedy_query_sets", dkv_greedy_query_sets},
    {"dream_confidence_greedy", dream_confidence_greedy},
    {"dream_transfer_counts", dream_transfer_counts},
    {"e2d2_masks", e2d2_masks},
    {"e2d2_predict_then_noise_greedy", e2d2_predict_then_noise_greedy},
    {"fast_dllm_cache_cost", fast_dllm_cache_cost},
    {"llada_transfer_counts", llada_transfer_counts},
    {"parallel_selection", parallel_selection},
    {"step_map_from_history", step_map_from_history},
    {"tracerl_slices", tracerl_slices},
};

}  // namespace

bool decoding_entry(json const& entry, report& r) {
  for (operation const& o : operations) {
    if (entry.at("op") != o.op) continue;
    o.read(entry, r);
    return true;
  }
  return false;
}

}  // namespace conformance
