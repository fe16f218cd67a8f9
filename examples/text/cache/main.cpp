// diffx_text_cache: what committing many positions a call and keeping keys and values save, on a
// task whose answers can be checked.
//
// A worksheet is a row of sums, `47+5=52+9=61;`, whose answers are masked: two digits, then steps
// that each add one digit to the last answer modulo 100. A small transformer fills in the digits,
// as Fast-dLLM and dKV-Cache decode a language model: one digit a call or all that are sure, with
// and without a cache of keys and values. Prints a Markdown table of accuracy, calls,
// floating-point operations and time against one digit a call without a cache.

#include <diffx/cache/kv.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/denoiser/eigen/transformer.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/recipe/fast_dllm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

#include "option_value.hpp"
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace diffx;
using example::number;
namespace net = denoiser::eigen;
using clock_type = std::chrono::steady_clock;

constexpr int mask = 0;

double seconds_since(clock_type::time_point begin) {
  return std::chrono::duration<double>(clock_type::now() - begin).count();
}

struct settings {
  int seeds = 5;
  int block = 32;
  double tau = 0.9;
  std::vector<int> lengths{128, 256, 512, 1024};
  int characters = 1024;  // of a seed, in rows of one length
  std::string model = std::string(DIFFX_EXAMPLES_DIR) + "/models/worksheet.safetensors";
  std::string json;
};

/// One row: its characters, and where the digits of its answers are, sum by sum.
struct worksheet {
  struct answer {
    int first, last;  // positions
    int sum;          // of which it is a step
  };
  std::string text;
  std::vector<answer> answers;
  int sums = 0;

  /// The same sums as examples/text/train/worksheets.py, from other random numbers.
  worksheet(int length, std::mt19937_64& random) {
    auto const draw = [&](int from, int to) {
      return from + static_cast<int>(random() % static_cast<std::uint64_t>(to - from + 1));
    };
    auto const put = [&](int value) {
      text += static_cast<char>('0' + value / 10);
      text += static_cast<char>('0' + value % 10);
    };
    while (static_cast<int>(text.size()) < length) {
      int value = draw(0, 99);
      put(value);
      for (int steps = draw(2, 6); steps > 0; --steps) {
        int const term = draw(1, 9);
        value = (value + term) % 100;
        text += '+';
        text += static_cast<char>('0' + term);
        text += '=';
        int const first = static_cast<int>(text.size());
        if (first < length) answers.push_back({first, std::min(first + 2, length), sums});
        put(value);
      }
      text += ';';
      ++sums;
    }
    text.resize(static_cast<std::size_t>(length));
    sums = answers.empty() ? 0 : answers.back().sum + 1;
  }

  std::vector<std::int32_t> masked() const {
    std::vector<std::int32_t> x(text.begin(), text.end());
    for (answer const& a : answers) std::fill(x.begin() + a.first, x.begin() + a.last, mask);
    return x;
  }
};

/// The network, with the time of its calls and what they cost.
struct measured {
  net::transformer const& network;
  prediction::x0_posterior<float> prediction{};
  mutable double seconds = 0.0;
  mutable net::token_cost cost{};

  auto make_store(std::int64_t batch, std::int64_t positions) const {
    return network.make_store(batch, positions);
  }
  template <class Exec, class X, class Roles, class Store, class Out>
  void operator()(Exec const& exec, X x, query const& q, Roles roles, Store& store, Out out) const {
    auto const begin = clock_type::now();
    network(exec, x, q, roles, store, out);
    seconds += seconds_since(begin);
    cost = store.cost();
  }
};

/// Of all rows that one method has decoded.
struct total {
  std::string name;
  std::vector<int> right;  // answers, of every sum
  double seconds = 0.0, network_seconds = 0.0;
  net::token_cost cost;
  kv_cost kv;
};

template <class Sampler>
void decode_row(Sampler const& s, net::transformer const& network, worksheet const& sheet,
                total& sum) {
  exec::host const exec;
  measured const denoiser{network};
  auto x = sheet.masked();
  auto const masks = static_cast<int>(std::count(x.begin(), x.end(), mask));
  auto const grid = grid::uniform_t(s.process, masks);
  batch_view<std::int32_t> const row{x.data(), 1, static_cast<std::int64_t>(x.size())};
  options<> opts;
  opts.start = start::given;
  detail::workspace const memory(s.workspace_size(exec, denoiser, row, opts));

  auto const begin = clock_type::now();
  auto run = s.start(exec, denoiser, grid, row, memory.span(), opts);
  run.finish();
  sum.seconds += seconds_since(begin);

  sum.network_seconds += denoiser.seconds;
  sum.cost += denoiser.cost;
  kv_cost const& kv = run.kv();
  sum.kv.rows += kv.rows;
  sum.kv.pairs += kv.pairs;
  sum.kv.dense_rows += kv.dense_rows;
  sum.kv.dense_pairs += kv.dense_pairs;
  std::vector<int> right(static_cast<std::size_t>(sheet.sums));
  for (worksheet::answer const& a : sheet.answers) {
    right[static_cast<std::size_t>(a.sum)] +=
        std::equal(x.begin() + a.first, x.begin() + a.last, sheet.text.begin() + a.first) ? 1 : 0;
  }
  sum.right.insert(sum.right.end(), right.begin(), right.end());
}

template <class Commit, class Cache>
auto decoding(settings const& with, Commit const& commit, Cache const& cache) {
  solver::decode<decode::probability, Commit> solver;
  solver.commit = commit;
  solver.propose.temperature = 0.0;
  solver.block = with.block;
  return sampler{process::absorbing<>{128, mask}, solver, guidance::none{}, cache};
}

/// Calls use(name, sampler) for everything that is compared; the first one is the baseline. It has
/// no cache, and computes logits only where the decoder reads them, as all others do.
template <class Use>
void for_each_decoding(settings const& with, Use const& use) {
  process::absorbing<> const process{128, mask};
  cache::dkv_decode no_cache;
  no_cache.refresh_calls = 1;
  decode::per_call const one;
  decode::threshold sure;
  sure.tau = with.tau;
  use("one a call", decoding(with, one, no_cache));
  use("threshold", decoding(with, sure, no_cache));
  use("one, `kv_prefix`", decoding(with, one, cache::kv_prefix{}));
  use("one, `kv_dual`", decoding(with, one, cache::kv_dual{}));
  use("one, `dkv_decode`", decoding(with, one, cache::dkv_decode{}));
  use("threshold, `kv_prefix`",
      recipe::fast_dllm(process, with.block, with.tau, cache::kv_prefix{}));
  use("threshold, `kv_dual`", recipe::fast_dllm(process, with.block, with.tau, cache::kv_dual{}));
  use("threshold, `dkv_decode`", decoding(with, sure, cache::dkv_decode{}));
}

struct interval {
  double low, high;
};

/// 95 % of the difference of two methods' shares of right answers, or of one method's share, over
/// sums drawn with replacement: the answers of one sum depend on each other, sums do not.
interval bootstrap(std::vector<int> const& right, std::vector<int> const* base,
                   std::vector<int> const& answers) {
  constexpr int draws = 2000;
  std::mt19937_64 random(1);
  std::vector<double> share;
  for (int i = 0; i < draws; ++i) {
    double sum = 0.0, of = 0.0;
    for (std::size_t k = 0; k < right.size(); ++k) {
      auto const at = static_cast<std::size_t>(random() % right.size());
      sum += right[at] - (base != nullptr ? (*base)[at] : 0);
      of += answers[at];
    }
    share.push_back(sum / of);
  }
  std::sort(share.begin(), share.end());
  return {share[draws / 40], share[draws - 1 - draws / 40]};
}

/// All methods take turns row by row, so that a disturbance of the machine meets all of them.
std::vector<nlohmann::json> measure(settings const& with, net::transformer const& network,
                                    int length) {
  std::vector<total> totals;
  for_each_decoding(with, [&](char const* name, auto const&) {
    totals.push_back({name, {}, {}, {}, {}, {}});
  });
  std::vector<int> answers;
  std::int64_t masks = 0;
  for (int seed = 0; seed < with.seeds; ++seed) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    for (int row = 0; row < std::max(1, with.characters / length); ++row) {
      worksheet const sheet(length, random);
      if (answers.empty()) {  // the first pass finds cold memory
        total cold;
        decode_row(recipe::fast_dllm(process::absorbing<>{128, mask}), network, sheet, cold);
      }
      std::size_t const first = answers.size();
      answers.resize(first + static_cast<std::size_t>(sheet.sums));
      for (worksheet::answer const& a : sheet.answers) {
        ++answers[first + static_cast<std::size_t>(a.sum)];
        masks += a.last - a.first;
      }
      std::size_t method = 0;
      for_each_decoding(with, [&](char const*, auto const& s) {
        decode_row(s, network, sheet, totals[method++]);
      });
    }
    std::fprintf(stderr, "length %d: seed %d of %d\n", length, seed + 1, with.seeds);
  }

  std::vector<nlohmann::json> lines;
  total const& base = totals.front();
  auto const sum_of = [](std::vector<int> const& v) {
    double sum = 0.0;
    for (int i : v) sum += i;
    return sum;
  };
  double const all = sum_of(answers);
  auto const ratio = [](auto a, auto b) { return static_cast<double>(a) / static_cast<double>(b); };
  double const every_logit =
      ratio(network.full_cost(length).flops * base.cost.calls, base.cost.flops);
  for (total const& t : totals) {
    interval const right = bootstrap(t.right, nullptr, answers);
    interval const lost = bootstrap(base.right, &t.right, answers);
    lines.push_back(
        {{"length", length},
         {"decoding", t.name},
         {"answers", all},
         {"right", sum_of(t.right) / all},
         {"right_interval", {right.low, right.high}},
         {"lost", (sum_of(base.right) - sum_of(t.right)) / all},
         {"lost_interval", {lost.low, lost.high}},
         {"tokens", masks},
         {"calls", t.cost.calls},
         {"tokens_per_call", ratio(masks, t.cost.calls)},
         {"rows", t.kv.rows},
         {"pairs", t.kv.pairs},
         {"rows_without_cache", t.kv.dense_rows},
         {"pairs_without_cache", t.kv.dense_pairs},
         {"logits", t.cost.logits},
         {"flops", t.cost.flops},
         {"flop_ratio", ratio(base.cost.flops, t.cost.flops)},
         {"flop_ratio_to_every_logit", every_logit * ratio(base.cost.flops, t.cost.flops)},
         {"seconds", t.seconds},
         {"wall_ratio", base.seconds / t.seconds},
         {"outside_network", 1.0 - t.network_seconds / t.seconds}});
  }
  return lines;
}

void print(nlohmann::json const& r) {
  auto const get = [&](char const* key) { return r.at(key).get<double>(); };
  auto const at = [&](char const* key, int i) {
    return r.at(key).at(static_cast<std::size_t>(i)).get<double>();
  };
  std::printf(
      "| %d | %s | %.1f (%.1f to %.1f) | %.1f (%.1f to %.1f) | %.0f | %.2f | %.1f | %.1f | %.2f | "
      "%.2f | %.2f | %.2f | %.1f |\n",
      r.at("length").get<int>(), r.at("decoding").get<std::string>().c_str(), 100.0 * get("right"),
      100.0 * at("right_interval", 0), 100.0 * at("right_interval", 1), 100.0 * get("lost"),
      100.0 * at("lost_interval", 0), 100.0 * at("lost_interval", 1), get("calls"),
      get("tokens_per_call"), 1e-3 * get("rows"), 1e-6 * get("pairs"), 1e-9 * get("flops"),
      get("flop_ratio"), get("seconds"), get("wall_ratio"), 100.0 * get("outside_network"));
}

void compare(int argc, char** argv) {
  settings with;
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--quick") {
      with.seeds = 1;
      with.lengths = {128, 256};
      with.characters = 256;
      continue;
    }
    if (option == "--help" || i + 1 >= argc) {
      std::printf(
          "usage: diffx_text_cache [--quick] [--length N (128, 256, 512, 1024)] [--seeds N (5)]\n"
          "                        [--block N (32)] [--json FILE] [--model FILE]\n");
      return;
    }
    if (option == "--length")
      with.lengths = {number(option, argv[++i], 1, 100'000)};
    else if (option == "--seeds")
      with.seeds = number(option, argv[++i], 1, 100'000);
    else if (option == "--block")
      with.block = number(option, argv[++i], 1, 100'000);
    else if (option == "--json")
      with.json = argv[++i];
    else if (option == "--model")
      with.model = argv[++i];
    else
      detail::fail("unknown option " + option + "; see --help");
  }
  net::transformer const network{net::safetensors(with.model)};
  std::printf(
      "| length | decoding | %% right | points lost | calls | tokens a call | 1e3 rows | 1e6 pairs "
      "|"
      " GFLOP | FLOP ratio | seconds | wall ratio | %% outside |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  auto lines = nlohmann::json::array();
  for (int const length : with.lengths) {
    for (auto const& line : measure(with, network, length)) {
      print(line);
      lines.push_back(line);
    }
    std::fflush(stdout);
  }
  if (!with.json.empty()) {
    std::ofstream file(with.json);
    file << lines.dump(1) << '\n';
    if (!file) detail::fail("cannot write '" + with.json + "'");
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    compare(argc, argv);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_text_cache: %s\n", e.what());
    return 1;
  }
}
