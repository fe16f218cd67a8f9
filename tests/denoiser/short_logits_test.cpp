// A network of classes that writes its logits in 16 bits has the samples of the same network whose
// logits in float were rounded to them, bit by bit: whoever reads the rows, and in every solver.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/analysis/coding.hpp>
#include <diffx/analysis/masked_likelihood.hpp>
#include <diffx/cache/kv.hpp>
#include <diffx/cache/unchanged.hpp>
#include <diffx/denoiser/computes_in.hpp>
#include <diffx/denoiser/energy_resampled.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/shifted.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/log_linear.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/decode.hpp>
#include <diffx/solver/defog.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/remdm.hpp>
#include <diffx/solver/tau_leaping.hpp>
#include <diffx/solver/tweedie.hpp>

#include "support/short_float.hpp"
#include "support/thread_team.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <doctest/doctest.h>
#include <limits>
#include <memory>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using diffx::batch_view;
using diffx::sampler;
using diffx::denoiser::computes_in;
using diffx::prediction::concrete_score;
using diffx::prediction::x0_cavity;
using diffx::prediction::x0_posterior;
using test::short_float;
namespace decode = diffx::decode;
namespace guidance = diffx::guidance;
namespace process = diffx::process;
namespace solver = diffx::solver;

namespace {

/// Logits of no pattern, some of them -inf, from the class, the position and the branch.
float reply(std::int32_t now, std::int64_t position, std::int64_t v, int branch) {
  if (v > 1 && (v + position) % 11 == 3) return -std::numeric_limits<float>::infinity();
  std::int64_t const mixed = (now * 7 + v * 5 + v * v + position * 3) % 1009;
  return 0.00937f * static_cast<float>(mixed) + 0.1317f * static_cast<float>(branch * (v % 7));
}

/// In the type that it is asked in; Rounds: what it writes has 16 bits, whatever the type.
template <class Prediction, bool Rounds>
struct table {
  static constexpr int branches = 2;
  static constexpr bool time_free = true;
  Prediction prediction{};
  std::int64_t width = 0;  // of a position; 0: the sample's logits belong to position 0

  template <class T>
  static T written(float l) {
    return static_cast<T>(Rounds ? test::rounded(l) : l);
  }

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<std::int32_t const> x, diffx::query const& q,
                  batch_view<T> out) const {
    for (std::int64_t s = 0; s < x.batch; ++s) {
      for (std::int64_t i = 0; i < out.features; ++i) {
        std::int64_t const position = width > 0 ? i / width : 0;
        out.row(s)[i] =
            written<T>(reply(x.row(s)[position], position, i - position * width, q.branch));
      }
    }
  }

  /// With a store that holds nothing.
  struct store {};
  store make_store(std::int64_t, std::int64_t) const { return {}; }
  int block_length() const { return 3; }
  template <class Exec, class T>
  void operator()(Exec const&, batch_view<std::int32_t const> x, diffx::query const& q,
                  batch_view<diffx::kv::role const> roles, store&, batch_view<T> out) const {
    for (std::int64_t k = 0; k < x.size(); ++k) {
      if ((roles.data[k] & diffx::kv::logits) == 0) continue;
      for (std::int64_t v = 0; v < width; ++v) {
        out.data[k * width + v] = written<T>(reply(x.data[k], k % x.features, v, q.branch));
      }
    }
  }
};

/// The same numbers as log-ratios in the second branch.
template <class Prediction, bool Rounds>
struct table_of_ratios : table<Prediction, Rounds> {
  static constexpr bool log_ratios = true;
};

constexpr std::int64_t batch = 4, positions = 9;

template <class Sampler, class Network, class Exec = diffx::exec::host>
std::vector<std::int32_t> sampled(Sampler const& s, Network const& network, Exec const& exec = {},
                                  std::int64_t features = positions) {
  auto const grid = diffx::grid::uniform_t(s.process, 6);
  std::vector<std::int32_t> x(static_cast<std::size_t>(batch * features));
  batch_view<std::int32_t> const view{x.data(), batch, features, 0};
  diffx::options const o{diffx::noise::counted{7}};
  diffx::detail::workspace const memory(s.workspace_size(exec, network, view, o));
  auto run = s.start(exec, network, grid, view, memory.span(), o);
  run.finish();
  if constexpr (requires { run.capped(); }) {  // the counts lie behind the logits
    for (std::int64_t i = 0; i < run.capped().size(); ++i) {
      x.push_back(run.capped().data[i]);
    }
  }
  return x;
}

template <class Prediction, template <class, bool> class Network = table, bool Teams = true,
          class Sampler>
void compare(Sampler const& s, std::int64_t width, std::int64_t features = positions) {
  CAPTURE(Sampler::solver_type::name);
  CAPTURE(Sampler::guidance_type::name);
  CAPTURE(width);
  Network<Prediction, true> rounds;
  Network<Prediction, false> writes;
  rounds.width = writes.width = width;
  auto const in_short = computes_in<short_float>(writes);
  diffx::exec::host const host;
  auto const expected = sampled(s, rounds, host, features);
  CHECK(sampled(s, in_short, host, features) == expected);
  CHECK(sampled(s, in_short, diffx::exec::threads{2}, features) == expected);
  if constexpr (Teams) {
    test::by_teams teams;
    teams.threads = 16;
    CHECK(sampled(s, in_short, teams, features) == expected);
  }
}

}  // namespace

TEST_CASE("steps from short and long rows of 16 bits") {
  solver::ancestral const step;
  for (int const classes : {2, 5, 64, 65, 256, 257, 700}) {
    process::absorbing<> const masks(classes), inside(classes, classes / 2);
    process::uniform<> const flat(classes);
    compare<x0_posterior<>>(sampler{masks, step}, classes);
    compare<x0_posterior<>>(sampler{inside, step}, classes);
    compare<x0_posterior<>>(sampler{flat, step}, classes);
    compare<x0_cavity<>>(sampler{flat, step}, classes);
    compare<x0_posterior<>>(sampler{masks, step, guidance::cfg{2.0}}, classes);
    compare<x0_posterior<>>(sampler{flat, step, guidance::cfg{1.3}}, classes);
  }
}

TEST_CASE("samples of 16-bit logits are not those of the float logits") {
  process::uniform<> const flat(700);
  table<x0_posterior<>, false> network;
  network.width = 700;
  sampler const s{flat, solver::ancestral{}};
  CHECK(sampled(s, computes_in<short_float>(network)) != sampled(s, network));
}

TEST_CASE("rows of 16 bits under laws that are tables, and of columns of their own") {
  solver::ancestral const step;
  for (int const classes : {4, 70}) {
    process::mask_and_replace const mixed(classes, {0.8, 0.6, 0.4, 0.25, 0.1, 0.01},
                                          {0.05, 0.15, 0.3, 0.45, 0.6, 0.8});
    compare<x0_posterior<>, table, false>(sampler{mixed, step}, classes);
  }
  std::vector<process::uniform<>> columns;
  for (int const classes : {3, 64, 90, 2, 5}) columns.emplace_back(classes);
  compare<x0_posterior<>, table, false>(sampler{process::columns{columns}, step}, 0, 5);
}

TEST_CASE("texts decoded from rows of 16 bits") {
  for (int const classes : {20, 1300}) {
    process::absorbing<> const masks(classes);
    solver::decode<decode::probability, decode::threshold> plain;
    plain.commit.tau = 0.2;
    compare<x0_posterior<>>(sampler{masks, plain}, classes);
    solver::decode<decode::neg_entropy, decode::entropy_bound> bound;
    bound.propose = {.temperature = 0.8, .top_k = 15, .top_p = 0.9, .min_p = 0.001};
    bound.block = 4;
    compare<x0_posterior<>>(sampler{masks, bound}, classes);
    compare<x0_posterior<>>(sampler{masks, bound, guidance::cfg{2.0}}, classes);
    solver::decode<decode::margin, decode::entropy_sum> shaped;
    shaped.propose = {.top_p = 0.8, .top_p_first = true, .keeps_crossing = false};
    shaped.as_shaped = true;
    compare<x0_posterior<>>(sampler{masks, shaped}, classes);
    solver::decode<decode::neg_entropy, decode::pace> edits;
    edits.commit.steps = 6;
    edits.edit_above = 0.01;
    edits.propose.top_k = 3;
    compare<x0_posterior<>>(sampler{process::uniform<>(classes), edits}, classes);
  }
}

TEST_CASE("masks and corrections from rows of 16 bits") {
  for (int const classes : {5, 300}) {
    process::absorbing<> const masks(classes);
    process::uniform<> const flat(classes);
    solver::ancestral const step;
    compare<x0_posterior<>>(sampler{masks, solver::remdm{solver::remask::confidence{}}}, classes);
    compare<x0_posterior<>>(
        sampler{masks, solver::remdm{solver::remask::cap{0.2}}, guidance::cfg{2.0}}, classes);
    compare<x0_posterior<>>(sampler{flat, solver::predictor_corrector{step, solver::gibbs<>{4}}},
                            classes);
    compare<x0_cavity<>>(
        sampler{flat,
                solver::predictor_corrector{step, solver::gibbs<solver::pick::lowest_margin>{3}}},
        classes);
  }
}

TEST_CASE("jumps and flows from rows of 16 bits") {
  constexpr diffx::schedule::log_linear some_signal{1e-3};
  // An odd number of logits: the counts of jumps that are too long are aligned nevertheless.
  for (int const classes : {5, 301}) {
    process::uniform<diffx::schedule::log_linear> const flat(classes, some_signal);
    process::absorbing<diffx::schedule::log_linear> const masks(classes, classes, some_signal);
    compare<concrete_score<>>(sampler{flat, solver::tweedie{}}, classes);
    compare<concrete_score<>>(sampler{masks, solver::tweedie{}}, classes);
    compare<x0_posterior<>>(sampler{flat, solver::tau_leaping{solver::several_jumps::add}},
                            classes);
    compare<x0_posterior<>>(sampler{flat, solver::euler_ctmc{}}, classes);
    compare<concrete_score<>>(sampler{flat, solver::euler_ctmc{}}, classes);
  }
  process::uniform<> const five(5);
  compare<x0_posterior<>>(sampler{five, solver::defog{.eta = 1.0}}, 5);
  compare<x0_posterior<>>(sampler{five, solver::discrete_flow_matching{}}, 5);
}

TEST_CASE("kernels mixed from rows of 16 bits, and log-ratios in 16 bits") {
  solver::ancestral const step;
  for (int const classes : {5, 257}) {
    process::absorbing<> const masks(classes);
    process::uniform<> const flat(classes);
    compare<x0_posterior<>>(sampler{masks, step, guidance::d_cfg{2.0}}, classes);
    compare<x0_cavity<>>(sampler{flat, step, guidance::d_cfg{2.0}}, classes);
    compare<x0_posterior<>, table_of_ratios>(sampler{masks, step, guidance::d_cbg{1.5}}, classes);
    compare<x0_cavity<>, table_of_ratios>(sampler{flat, step, guidance::d_cbg{1.5}}, classes);
  }
  process::uniform<> const five(5);
  compare<x0_posterior<>>(sampler{five, solver::defog{.eta = 1.0}, guidance::d_cfg{2.0}}, 5);
  compare<x0_posterior<>, table_of_ratios>(
      sampler{five, solver::defog{.eta = 1.0}, guidance::d_cbg{2.0}}, 5);
}

TEST_CASE("logits of 16 bits take half the memory, and a cache keeps them as they are") {
  constexpr int classes = 300;
  process::absorbing<> const masks(classes);
  table<x0_posterior<>, false> network;
  table<x0_posterior<>, true> rounds;
  network.width = rounds.width = classes;
  auto const in_short = computes_in<short_float>(network);
  sampler const s{masks, solver::ancestral{}, guidance::cfg{2.0}, diffx::cache::unchanged{}};
  std::vector<std::int32_t> x(batch * positions);
  batch_view<std::int32_t> const view{x.data(), batch, positions, 0};
  diffx::exec::host const host;
  auto const saved = s.workspace_size(host, network, view) - s.workspace_size(host, in_short, view);
  CHECK(std::abs(saved - 2 * batch * positions * classes * 2) < 64);  // sizes are aligned
  CHECK(sampled(s, in_short) == sampled(s, rounds));
}

TEST_CASE("a network with keys and values, moved by one position, writes 16 bits") {
  constexpr int classes = 70;
  process::absorbing<> const masks(classes);
  solver::decode<decode::probability, decode::threshold> plain;
  plain.block = 3;
  plain.align = decode::align::from_zero;
  sampler const s{masks, plain, guidance::none{}, diffx::cache::kv_prefix{}};
  table<x0_posterior<>, false> network;
  table<x0_posterior<>, true> rounds;
  network.width = rounds.width = classes;
  using diffx::denoiser::shifted;
  CHECK(sampled(s, computes_in<short_float>(network)) == sampled(s, rounds));
  sampler const moved{masks, plain};
  CHECK(sampled(moved, computes_in<short_float>(shifted(network))) ==
        sampled(moved, shifted(rounds)));
}

namespace {

/// Numbers and classes of one network.
template <bool Rounds>
struct mixed_network {
  diffx::prediction::product<diffx::prediction::eps, x0_posterior<>> prediction{};

  template <class T>
  static T written(float v) {
    return static_cast<T>(Rounds ? test::rounded(v) : v);
  }

  template <class Exec, class T>
  void operator()(Exec const&,
                  std::tuple<batch_view<T const>, batch_view<std::int32_t const>> const& x,
                  diffx::query const&, std::tuple<batch_view<T>, batch_view<T>> const& out) const {
    auto const numbers = std::get<0>(x);
    auto const classes = std::get<1>(x);
    for (std::int64_t i = 0; i < numbers.size(); ++i) {
      float const v = written<float>(static_cast<float>(numbers.data[i]));
      std::get<0>(out).data[i] =
          written<T>(std::sin(v) + 0.01f * static_cast<float>(classes.data[i % classes.size()]));
    }
    auto const logits = std::get<1>(out);
    std::int64_t const width = logits.features / classes.features;
    for (std::int64_t i = 0; i < logits.size(); ++i) {
      logits.data[i] = written<T>(reply(classes.data[i / width], i / width, i % width, 0));
    }
  }
};

}  // namespace

TEST_CASE("numbers and logits of one network in 16 bits") {
  constexpr std::int64_t columns = 3, classes = 40;
  sampler const s{process::product{std::tuple{process::vp{}, process::uniform<>(classes)}},
                  solver::product{std::tuple{solver::ddim{.eta = 1.0}, solver::ancestral{}}}};
  auto const grid = diffx::grid::uniform_t(process::vp{}, 6);
  auto const draw = [&](auto const& network) {
    std::vector<float> z(batch * columns);
    std::vector<std::int32_t> c(batch * positions);
    s.sample(diffx::exec::host{}, network, grid,
             std::tuple{batch_view<float>{z.data(), batch, columns},
                        batch_view<std::int32_t>{c.data(), batch, positions}});
    return std::pair{z, c};
  };
  CHECK(draw(computes_in<short_float>(mixed_network<false>{})) == draw(mixed_network<true>{}));
}

TEST_CASE("likelihoods, codes and laws of chains from rows of 16 bits") {
  constexpr int classes = 30;
  process::absorbing<> const masks(classes);
  table<x0_posterior<>, false> network;
  table<x0_posterior<>, true> rounds;
  network.width = rounds.width = classes;
  auto const in_short = computes_in<short_float>(network);
  diffx::exec::host const host;
  std::vector<std::int32_t> x;
  for (std::int32_t i = 0; i < batch * positions; ++i) x.push_back(i % 3);
  batch_view<std::int32_t const> const view{x.data(), batch, positions, 0};
  CHECK(diffx::analysis::masked_nelbo(host, masks, in_short, view, {.draws = 4}).mean ==
        diffx::analysis::masked_nelbo(host, masks, rounds, view, {.draws = 4}).mean);
  decode::order::random const order{};
  diffx::grid::ardm_policy const policy(positions, {0, 3, 5});
  auto const code = diffx::analysis::encode_sequences(host, masks, in_short, view, order, policy);
  CHECK(code == diffx::analysis::encode_sequences(host, masks, rounds, view, order, policy));
  std::vector<std::int32_t> back(x.size());
  diffx::analysis::decode_sequences(host, masks, in_short, code,
                                    batch_view<std::int32_t>{back.data(), batch, positions, 0});
  CHECK(back == x);

  process::uniform<> const flat(3);
  diffx::denoiser::joint_table const exact(flat, 3, 1, {0.2, 0.3, 0.5});
  auto const grid = diffx::grid::uniform_t(flat, 4);
  auto const law = [&](auto const& denoiser) {
    return diffx::analysis::chain_law(
        flat, denoiser, grid, 1, diffx::analysis::independent_law({1. / 3, 1. / 3, 1. / 3}, 1),
        [&](int now, auto logits, diffx::level const&, diffx::level const&) {
          return diffx::analysis::law_of_logits(flat.limit(), now, logits);
        });
  };
  auto const of_short = law(computes_in<short_float>(exact)), of_float = law(exact);
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(of_short[k] != of_float[k]);
    CHECK(of_short[k] == doctest::Approx(of_float[k]).epsilon(0.01));
  }
}

TEST_CASE("candidates that an energy weighs are drawn from rows of 16 bits") {
  constexpr int classes = 30;
  process::absorbing<> const masks(classes);
  auto const energy = [](auto const&, auto const& x0, auto const&, auto const&, auto,
                         std::span<double> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = 0.01 * static_cast<double>(x0.row(static_cast<std::int64_t>(i))[0]);
    }
  };
  auto const wrapped = [&](auto network) {
    network.width = classes;
    return diffx::denoiser::energy_resampled(masks, network, energy);
  };
  sampler const s{masks, solver::ancestral{}};
  CHECK(sampled(s, computes_in<short_float>(wrapped(table<x0_posterior<>, false>{}))) ==
        sampled(s, wrapped(table<x0_posterior<>, true>{})));
}
