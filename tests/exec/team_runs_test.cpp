// Whole runs of classes on an executor that works as a device's does, its teams stood for by
// threads: the classes of exec::host, every one.

#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/log_linear.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/decode.hpp>
#include <diffx/solver/defog.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/remdm.hpp>
#include <diffx/solver/tau_leaping.hpp>
#include <diffx/solver/tweedie.hpp>

#include "support/thread_team.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <utility>
#include <vector>

using diffx::prediction::concrete_score;
using diffx::prediction::x0_cavity;
using diffx::prediction::x0_posterior;
namespace decode = diffx::decode;
namespace guidance = diffx::guidance;
namespace solver = diffx::solver;

namespace {

/// Logits from the class, the position and the branch.
template <class Prediction>
struct table {
  static constexpr int branches = 2;
  using logit = typename Prediction::value_type;
  Prediction prediction{};
  int width;
  std::int64_t broken = -1;  // a position whose row holds NaN

  template <class Exec>
  void operator()(Exec const&, diffx::batch_view<std::int32_t const> x, diffx::query const& q,
                  diffx::batch_view<logit> out) const {
    for (std::int64_t i = 0; i < out.size(); ++i) {
      std::int64_t const position = i / width, v = i - position * width;
      std::int64_t const mixed = (x.data[position] * 7 + v * 5 + v * v + position * 3) % 1009;
      out.data[i] =
          logit(0.01) * static_cast<logit>(mixed) + logit(0.1) * logit(q.branch * (v % 7));
      if (v % 11 == 3) out.data[i] = -std::numeric_limits<logit>::infinity();
      if (position == broken) out.data[i] = std::numeric_limits<logit>::quiet_NaN();
    }
  }
};

/// The same numbers as log-ratios in the second branch.
template <class Prediction>
struct table_of_ratios : table<Prediction> {
  static constexpr bool log_ratios = true;
};

constexpr std::int64_t batch = 2, positions = 9;

/// The classes of a run, and how often a step was too long.
struct samples {
  std::vector<std::int32_t> classes;
  std::int64_t capped;
  bool operator==(samples const&) const = default;
};

template <class Exec, class Sampler, class Network>
samples sampled(Exec const& exec, Sampler const& s, Network const& network) {
  auto const grid = diffx::grid::uniform_t(s.process, 6);
  std::vector<std::int32_t> x(batch * positions);
  diffx::batch_view<std::int32_t> const view{x.data(), batch, positions, 0};
  diffx::detail::workspace const memory(s.workspace_size(exec, network, view));
  auto run = s.start(exec, network, grid, view, memory.span());
  run.finish();
  std::int64_t capped = 0;
  if constexpr (requires { run.capped(); }) {
    for (std::int64_t i = 0; i < run.capped().size(); ++i) capped += run.capped().data[i];
    CHECK(capped > 0);
  }
  return {std::move(x), capped};
}

template <class Prediction, template <class> class Network = table, class Sampler>
void compare(Sampler const& s, int width) {
  Network<Prediction> network;
  network.width = width;
  CAPTURE(width);
  CHECK(sampled(test::by_teams{}, s, network) == sampled(diffx::exec::host{}, s, network));
}

/// A text decoded with each filter.
template <class Confidence, class Commit>
void compare_filters(Commit const& commit) {
  std::vector<decode::proposal> const shapes{
      {},
      {.temperature = 0.0},
      {.temperature = 0.8, .top_k = 300, .top_p = 0.9, .min_p = 0.001},
      {.top_p = 0.8, .top_p_first = true, .keeps_crossing = false},
      {.temperature = 1.3, .top_k = 7, .min_p = 0.3}};
  diffx::process::absorbing<> const masks(2100);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    CAPTURE(i);
    solver::decode<Confidence, Commit> s{.commit = commit, .propose = shapes[i]};
    s.as_shaped = i % 2 == 1;
    s.order_temperature = i == 3 ? 0.5 : 0.0;
    s.block = i == 2 ? 4 : 0;
    compare<x0_posterior<>>(diffx::sampler{masks, s}, 2100);
  }
}

}  // namespace

TEST_CASE("teams decode the text that one thread decodes") {
  SUBCASE("by probability") { compare_filters<decode::probability>(decode::threshold{0.2}); }
  SUBCASE("by its logarithm") { compare_filters<decode::log_probability>(decode::transfer{}); }
  SUBCASE("by margin") { compare_filters<decode::margin>(decode::factor{}); }
  SUBCASE("by entropy") { compare_filters<decode::neg_entropy>(decode::entropy_bound{2.0}); }
  SUBCASE("by coins") { compare_filters<decode::random_order>(decode::by_coin{2}); }
}

TEST_CASE("teams decode with guidance, with edits, in doubles, and rows of few classes") {
  diffx::process::absorbing<> const masks(700);
  solver::decode<decode::margin, decode::entropy_sum> sure;
  sure.propose.top_p = 0.9;
  compare<x0_posterior<double>>(diffx::sampler{masks, sure, guidance::cfg{2.0}}, 700);
  compare<x0_posterior<>>(diffx::sampler{masks, sure, guidance::cfg{1.5}}, 700);
  for (int const classes : {2, 5, 255, 256, 257}) {
    solver::decode<decode::neg_entropy, decode::pace> edits;
    edits.commit.steps = 6;
    edits.edit_above = 0.01;
    edits.propose.top_k = 3;
    compare<x0_posterior<>>(diffx::sampler{diffx::process::uniform<>(classes), edits}, classes);
    compare<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(classes), edits}, classes);
  }
}

TEST_CASE("teams mask again and correct as one thread does") {
  for (int const classes : {5, 700}) {
    diffx::process::absorbing<> const masks(classes);
    diffx::process::uniform<> const flat(classes);
    compare<x0_posterior<>>(diffx::sampler{masks, solver::remdm{solver::remask::confidence{}}},
                            classes);
    compare<x0_posterior<>>(diffx::sampler{masks, solver::remdm{solver::remask::cap{0.2}}},
                            classes);
    solver::ancestral const step;
    compare<x0_posterior<>>(
        diffx::sampler{flat, solver::predictor_corrector{step, solver::gibbs<>{4}}}, classes);
    compare<x0_cavity<>>(
        diffx::sampler{
            flat, solver::predictor_corrector{step, solver::gibbs<solver::pick::lowest_margin>{3}}},
        classes);
    compare<x0_posterior<>>(
        diffx::sampler{
            flat,
            solver::predictor_corrector{step, solver::gibbs<solver::pick::lowest_probability>{3}}},
        classes);
  }
}

TEST_CASE("teams take the jumps of one thread, and count those held as often") {
  constexpr diffx::schedule::log_linear some_signal{1e-3};
  for (int const classes : {5, 700}) {
    diffx::process::uniform<diffx::schedule::log_linear> const flat(classes, some_signal);
    diffx::process::absorbing<diffx::schedule::log_linear> const masks(classes, classes,
                                                                       some_signal);
    compare<concrete_score<>>(diffx::sampler{flat, solver::tweedie{}}, classes);
    compare<concrete_score<>>(diffx::sampler{masks, solver::tweedie{}}, classes);
    compare<concrete_score<>>(diffx::sampler{flat, solver::tau_leaping{}}, classes);
    compare<x0_posterior<>>(diffx::sampler{flat, solver::tau_leaping{solver::several_jumps::add}},
                            classes);
    compare<x0_posterior<>>(diffx::sampler{flat, solver::euler_ctmc{}}, classes);
    compare<concrete_score<>>(diffx::sampler{flat, solver::euler_ctmc{}}, classes);
  }
}

TEST_CASE("teams mix the kernels that one thread mixes") {
  for (int const classes : {5, 256, 257, 700}) {
    diffx::process::uniform<> const flat(classes);
    diffx::process::absorbing<> const masks(classes);
    solver::ancestral const step;
    guidance::d_cfg const tempered{2.0};
    guidance::d_cbg const ratios{1.5};
    compare<x0_posterior<>>(diffx::sampler{masks, step, tempered}, classes);
    compare<x0_posterior<double>>(diffx::sampler{flat, step, tempered}, classes);
    compare<x0_cavity<>>(diffx::sampler{flat, step, tempered}, classes);
    compare<x0_posterior<>, table_of_ratios>(diffx::sampler{masks, step, ratios}, classes);
    compare<x0_cavity<>, table_of_ratios>(diffx::sampler{flat, step, ratios}, classes);
  }
  compare<x0_posterior<>>(
      diffx::sampler{diffx::process::uniform<>(5), solver::defog{.eta = 1.0}, guidance::d_cfg{2.0}},
      5);
}

namespace {

/// Counts the rows that teams were given.
struct counting_teams : test::by_teams {
  std::int64_t* rows;

  template <class Op>
  void for_each_row(std::int64_t n, Op const& op) const {
    *rows += n;
    by_teams::for_each_row(n, op);
  }
};

/// Teams share the rows of this composition, which are 18 a call.
template <class Prediction, class Sampler>
void compare_shared(Sampler const& s, int width, std::int64_t parts) {
  table<Prediction> network;
  network.width = width;
  CAPTURE(width);
  std::int64_t rows = 0;
  CHECK(sampled(counting_teams{{}, &rows}, s, network) == sampled(diffx::exec::host{}, s, network));
  CHECK(rows == 6 * batch * positions * (parts > 1 ? parts + 1 : 1));
}

}  // namespace

TEST_CASE("several teams share each of a few long rows") {
  diffx::process::absorbing<> const masks(9001);
  diffx::process::uniform<> const flat(9001);
  solver::ancestral const step;
  compare_shared<x0_posterior<>>(diffx::sampler{masks, step}, 9001, 3);
  compare_shared<x0_posterior<>>(diffx::sampler{flat, step, guidance::cfg{2.0}}, 9001, 3);
  compare_shared<x0_cavity<>>(diffx::sampler{flat, step}, 9001, 3);
  diffx::process::uniform<diffx::schedule::log_linear> const some_signal(
      9001, diffx::schedule::log_linear{1e-3});
  compare_shared<concrete_score<>>(diffx::sampler{some_signal, solver::tau_leaping{}}, 9001, 3);
  // Rounds of 16 tiles: twelve rows of them for 14 teams, 16 of two rounds each, and one alone.
  compare_shared<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(49000), step}, 49000,
                                 12);
  compare_shared<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(65000), step}, 65000,
                                 8);
  compare_shared<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(4096), step}, 4096, 1);

  solver::decode<decode::margin, decode::entropy_sum> sure;
  compare_shared<x0_posterior<>>(diffx::sampler{masks, sure}, 9001, 3);
  sure.propose = {.temperature = 0.8, .top_k = 300, .top_p = 0.9};
  sure.as_shaped = true;
  compare_shared<x0_posterior<>>(diffx::sampler{masks, sure, guidance::cfg{1.5}}, 9001, 3);
  solver::decode<decode::neg_entropy, decode::pace> edits;
  edits.commit.steps = 6;
  edits.propose.temperature = 0.0;
  compare_shared<x0_posterior<double>>(diffx::sampler{masks, edits}, 9001, 3);
}

TEST_CASE("a row that is no distribution is reported by one thread of a team") {
  diffx::process::absorbing<> const masks(700);
  table<x0_posterior<>> network;
  network.width = 700;
  network.broken = positions + 4;
  solver::decode<decode::probability, decode::threshold> const s;
  CHECK_THROWS_WITH_AS(sampled(test::by_teams{}, diffx::sampler{masks, s}, network),
                       doctest::Contains("no distribution (NaN, +inf, or -inf alone) at sample 1, "
                                         "position 4 in step 0"),
                       diffx::error);
}
