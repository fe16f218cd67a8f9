// solver::euler_ctmc, solver::tau_leaping and solver::tweedie: their kernels by enumeration over
// the uniforms, the law of K steps against the exact chain, and the order in the step.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/geometric_noise.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/tau_leaping.hpp>
#include <diffx/solver/tweedie.hpp>

#include "support/oracles.hpp"
#include "support/statistics.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;
using weights = std::vector<double>;
using diffx::detail::limit_law;
using solver::several_jumps;

constexpr double none = -std::numeric_limits<double>::infinity();
constexpr auto floor_eps = schedule::log_linear{1e-3};

double at(weights const& w, int k) { return w[static_cast<std::size_t>(k)]; }

// ---- the textbook's kernels, from scores ----

/// Scores of a position from a row of logits that means a posterior, a cavity or scores.
template <class Prediction>
weights scores_of(limit_law const& law, level const& t, int now, std::span<double const> logits) {
  int const states = law.mask == law.classes ? law.classes + 1 : law.classes;
  weights out(static_cast<std::size_t>(states), 0.0);
  auto const set = [&](int k, double v) { out[static_cast<std::size_t>(k)] = v; };
  if constexpr (scores_classes<Prediction>) {
    for (int k = 0; k < law.classes; ++k) set(k, std::exp(logits[static_cast<std::size_t>(k)]));
    set(now, 1.0);
    return out;
  }
  weights c(out.size(), 0.0);
  for (int i = 0; i < law.classes; ++i) {
    if (i == law.mask) continue;
    double const p = std::exp(logits[static_cast<std::size_t>(i)]);
    double const q = (i == now ? t.alpha : 0.0) + t.sigma * law.probability(now);
    c[static_cast<std::size_t>(i)] = Prediction::is_cavity ? p : q > 0.0 ? p / q : 0.0;
  }
  double const sum = std::accumulate(c.begin(), c.end(), 0.0);
  for (int k = 0; k < states; ++k) {
    set(k, t.alpha * at(c, k) / sum + t.sigma * law.probability(k));
  }
  double const here = at(out, now);
  for (double& v : out) v /= here;
  return out;
}

weights stay(std::size_t states, int now) {
  weights out(states, 0.0);
  out[static_cast<std::size_t>(now)] = 1.0;
  return out;
}

struct euler_kernel {
  weights operator()(limit_law const& law, level const& t, level const& s, int now,
                     weights p) const {
    double const h = std::log(s.alpha / t.alpha) * law.probability(now);
    double sum = 0.0;
    for (std::size_t k = 0; k < p.size(); ++k) {
      p[k] = static_cast<int>(k) == now ? 0.0 : h * p[k];
      sum += p[k];
    }
    for (double& v : p) v /= std::max(sum, 1.0);
    p[static_cast<std::size_t>(now)] = 1.0 - std::min(sum, 1.0);
    return p;
  }
};

struct tau_kernel {
  several_jumps several;
  weights operator()(limit_law const& law, level const& t, level const& s, int now,
                     weights p) const {
    p[static_cast<std::size_t>(now)] = 0.0;
    double const sum = std::accumulate(p.begin(), p.end(), 0.0);
    double const mean = std::log(s.alpha / t.alpha) * law.probability(now) * sum;
    if (mean == 0.0) return stay(p.size(), now);
    for (double& v : p) v /= sum;
    if (several == several_jumps::add) return added(mean, now, p);
    double const leave =
        several == several_jumps::choose ? 1.0 - std::exp(-mean) : mean * std::exp(-mean);
    for (double& v : p) v *= leave;
    p[static_cast<std::size_t>(now)] = 1.0 - leave;
    return p;
  }
  /// The law of `now` plus a Poisson number of sizes, clipped: power by power.
  static weights added(double mean, int now, weights const& p) {
    int const states = static_cast<int>(p.size()), most = 80, reach = most * states;
    weights sizes(static_cast<std::size_t>(2 * reach + 1), 0.0), out(p.size(), 0.0);
    sizes[static_cast<std::size_t>(reach)] = 1.0;
    double weight = std::exp(-mean);
    for (int n = 0; n < most; weight *= mean / ++n) {
      for (int d = -reach; d <= reach; ++d) {
        out[static_cast<std::size_t>(std::clamp(now + d, 0, states - 1))] +=
            weight * sizes[static_cast<std::size_t>(d + reach)];
      }
      weights next(sizes.size(), 0.0);
      for (int d = -reach + states; d <= reach - states; ++d) {
        double const mass = sizes[static_cast<std::size_t>(d + reach)];
        if (mass == 0.0) continue;
        for (int k = 0; k < states; ++k) {
          next[static_cast<std::size_t>(d + k - now + reach)] += mass * at(p, k);
        }
      }
      sizes = std::move(next);
    }
    return out;
  }
};

struct tweedie_kernel {
  weights operator()(limit_law const& law, level const& t, level const& s, int now,
                     weights p) const {
    double const a = t.alpha / s.alpha;
    double const total = std::accumulate(p.begin(), p.end(), 0.0);
    double sum = 0.0;
    for (std::size_t k = 0; k < p.size(); ++k) {
      int const code = static_cast<int>(k);
      // No mask is left at the data: what rounding leaves of it is not there.
      bool const gone = s.sigma == 0.0 && code == law.mask;
      double const cleaner = gone ? 0.0 : p[k] - (1.0 - a) * law.probability(code) * total;
      p[k] = std::max(0.0, cleaner) * ((code == now ? a : 0.0) + (1.0 - a) * law.probability(now));
      sum += p[k];
    }
    if (!(sum > 0.0)) return stay(p.size(), now);
    for (double& v : p) v /= sum;
    return p;
  }
};

// ---- the kernel of one position ----

std::array<std::uint32_t, 2> words_of(double u) {
  auto const bits = static_cast<std::uint64_t>(u * 0x1p52) << 12;
  return {static_cast<std::uint32_t>(bits >> 32), static_cast<std::uint32_t>(bits)};
}

template <class Process, class Solver>
categorical_stage plan_of(Process const& process, Solver const& s, double from, double to) {
  timetable const grid({process.at(from), process.at(to)});
  categorical_plan out;
  s.plan(plan_context<Process>{process, grid, 0, 0, 0}, out);
  REQUIRE(out.stages().size() == 1);
  return out.stages()[0];
}

template <class Prediction, class Solver>
int draw(double const (&w)[4], limit_law const& law, int now, std::span<double const> logits,
         double coin, double u) {
  detail::class_row<double, 1> row;
  row.source[0] = logits.data();
  row.weight[0] = 1.0;
  row.classes = law.classes;
  row.excluded = law.mask;
  auto const a = words_of(coin), b = words_of(u);
  auto const words = [&](int) { return random::words4{{a[0], a[1], b[0], b[1]}}; };
  auto const with = [&](auto&... count) {
    if constexpr (scores_classes<Prediction>) {
      return Solver::advance_score(w, law, now, row, words, count...);
    } else {
      return Solver::template advance<Prediction::is_cavity>(w, law, now, row, words, count...);
    }
  };
  if constexpr (detail::counts_capped<Solver>) {
    std::int32_t capped = 0;
    return with(capped);
  } else {
    return with();
  }
}

constexpr int coins = 1009, cells = 60;

template <class Prediction, class Process, class Solver, class Kernel>
void check_kernel(Process const& process, Solver const& solver, Kernel const& kernel,
                  weights const& logits) {
  auto const law = process.limit();
  int const states = law.mask == law.classes ? law.classes + 1 : law.classes;
  for (auto const& ends : {std::pair{0.999, 0.2}, {0.6, 0.35}, {0.3, 0.0}, {0.9, 0.88}}) {
    auto const s = plan_of(process, solver, ends.first, ends.second);
    double const w[4] = {s.weight[0], s.weight[1], s.weight[2], s.weight[3]};
    for (int now = 0; now < states; ++now) {
      CAPTURE(ends.first);
      CAPTURE(now);
      weights seen(static_cast<std::size_t>(states), 0.0);
      for (int c = 0; c < coins; ++c) {
        for (int u = 0; u < cells; ++u) {
          int const k =
              draw<Prediction, Solver>(w, law, now, logits, (c + 0.5) / coins, (u + 0.5) / cells);
          seen[static_cast<std::size_t>(k)] += 1.0 / (coins * cells);
        }
      }
      auto want = stay(seen.size(), now);
      if (law.probability(now) > 0.0) {
        want = kernel(law, process.at(ends.first), process.at(ends.second), now,
                      scores_of<Prediction>(law, process.at(ends.first), now, logits));
      }
      for (std::size_t k = 0; k < seen.size(); ++k) {
        CAPTURE(k);
        // A cell of coins at each end of two routes; one of draws at each end of a class, of what
        // leaves.
        CHECK(std::fabs(seen[k] - want[k]) < 4.0 / coins + 2.0 / cells * (1.0 - at(want, now)));
        if (want[k] == 0.0) CHECK(seen[k] == 0.0);
      }
    }
  }
}

template <class Prediction, class Solver, class Kernel>
void check_kernels(Solver const& s, Kernel const& k) {
  weights const flat{std::log(0.1), std::log(0.3), std::log(0.6)};
  weights const ruled_out{std::log(0.4), none, std::log(0.6)};
  for (auto const& logits : {flat, ruled_out}) {
    check_kernel<Prediction>(process::uniform<>(3, floor_eps), s, k, logits);
    check_kernel<Prediction>(process::marginal<>({0.5, 0.3, 0.2}, floor_eps), s, k, logits);
    check_kernel<Prediction>(process::marginal<>({0.1, 0.0, 0.9}, floor_eps), s, k, logits);
    check_kernel<Prediction>(process::absorbing<>(3, 3, floor_eps), s, k, logits);
  }
  check_kernel<Prediction>(process::absorbing<>(3, 1, floor_eps), s, k, flat);
}

using posterior = prediction::x0_posterior<double>;
using cavity = prediction::x0_cavity<double>;
using score = prediction::concrete_score<double>;

TEST_CASE("rates: the kernels of a position, by enumeration") {
  check_kernels<posterior>(solver::euler_ctmc{}, euler_kernel{});
  check_kernels<cavity>(solver::euler_ctmc{}, euler_kernel{});
  check_kernels<score>(solver::euler_ctmc{}, euler_kernel{});
  for (auto const several : {several_jumps::choose, several_jumps::refuse}) {
    check_kernels<posterior>(solver::tau_leaping{several}, tau_kernel{several});
    check_kernels<score>(solver::tau_leaping{several}, tau_kernel{several});
  }
  check_kernels<cavity>(solver::tau_leaping{}, tau_kernel{several_jumps::choose});
  check_kernels<score>(solver::tweedie{}, tweedie_kernel{});
}

TEST_CASE("rates: rows that leave nothing to choose, and rows that are no distribution") {
  process::uniform<> const three(3, floor_eps), one(1, floor_eps);
  auto const check = [&]<class Prediction>(auto const& solver, Prediction) {
    using solver_type = std::remove_cvref_t<decltype(solver)>;
    auto const s = plan_of(three, solver, 0.5, 0.2);
    double const w[4] = {s.weight[0], s.weight[1], s.weight[2], s.weight[3]};
    auto const from = [&](auto const& process, weights const& logits, int now, double coin) {
      return draw<Prediction, solver_type>(w, process.limit(), now, logits, coin, 0.5);
    };
    CHECK(from(one, {0.3}, 0, 1e-9) == 0);
    CHECK(from(three, {none, 0.0, none}, 1, 0.5) == 1);
    for (double const bad : {std::nan(""), HUGE_VAL}) {
      CHECK(from(three, {0.0, 0.0, bad}, 0, 0.5) == -1);
      // The score of the class that is there is 1, whatever the network says.
      CHECK((from(three, {bad, 0.0, 0.0}, 0, 0.5) == -1) == !scores_classes<Prediction>);
    }
    CHECK((from(three, {none, none, none}, 0, 0.5) == -1) == !scores_classes<Prediction>);
    // Logits of any size.
    for (double const size : {80.0, 1e4, -1e4}) {
      int const k = from(three, {size, 0.0, size}, 1, 1e-9);
      CHECK(k >= 0);
      CHECK(k < 3);
    }
  };
  check(solver::euler_ctmc{}, posterior{});
  check(solver::euler_ctmc{}, cavity{});
  check(solver::euler_ctmc{}, score{});
  check(solver::tau_leaping{}, posterior{});
  check(solver::tau_leaping{several_jumps::refuse}, score{});
  check(solver::tau_leaping{several_jumps::add}, cavity{});
  check(solver::tweedie{}, score{});
}

// ---- the law of the chain ----

constexpr int length = 3;

/// Rows of every state of three positions, worked out once a step.
template <class Inner>
struct memoised {
  decltype(Inner::prediction) prediction;
  Inner const* inner;
  int states, width;
  mutable int step = -1;
  mutable weights table{};

  template <class Exec>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<double> out) const {
    auto const row = static_cast<std::size_t>(length * width);
    if (q.step != step) {
      step = q.step;
      table.assign(row * static_cast<std::size_t>(states * states * states),
                   std::numeric_limits<double>::quiet_NaN());
      for (int i = 0; i < states * states * states; ++i) {
        codes const c{i / (states * states), i / states % states, i % states};
        try {
          (*inner)(exec::host{}, batch_view<std::int32_t const>{c.data(), 1, length}, q,
                   batch_view<double>{table.data() + static_cast<std::size_t>(i) * row, 1,
                                      static_cast<std::int64_t>(row)});
        } catch (error const&) {  // a state that the data cannot lead to: no run gets there
        }
      }
    }
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      auto const* const c = x.row(i);
      auto const index = static_cast<std::size_t>((c[0] * states + c[1]) * states + c[2]);
      std::copy_n(table.data() + index * row, row, out.row(i));
    });
  }
};

/// No law of anything: logits by a formula of the state.
template <class Prediction>
struct hostile {
  Prediction prediction{};
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x, query const& q,
                  batch_view<double> out) const {
    auto const width = static_cast<int>(out.features / length);
    for (std::int64_t i = 0; i < x.batch; ++i) {
      int const s = (x.row(i)[0] * 4 + x.row(i)[1]) * 4 + x.row(i)[2];
      for (int l = 0; l < length; ++l) {
        for (int v = 0; v < width; ++v) {
          out.row(i)[l * width + v] = (7 * s + 11 * l + 5 * v + s * v + q.step) % 13 / 4.0 - 1.0;
        }
      }
    }
  }
};

constexpr std::int64_t samples = 300'000;  // sees a total variation of about 1 % (power 0.99)

template <class Process, class Solver, class Kernel, class Denoiser>
void check_chain(std::string const& name, Process const& process, Solver const& solver,
                 Kernel const& kernel, Denoiser const& network, int steps) {
  using prediction_type = decltype(Denoiser::prediction);
  sampler const s{process, solver};
  auto const grid = grid::uniform_t(s.process, steps);
  auto const law = s.process.limit();
  int const states = analysis::state_count(law);
  memoised<Denoiser> const d{network.prediction, &network, states, law.classes};
  codes x(samples * length);
  s.sample(exec::threads{2}, d, grid, batch_view<std::int32_t>{x.data(), samples, length},
           options{noise::counted{71}});
  auto const want = analysis::chain_law(
      s.process, network, grid, length,
      analysis::independent_law(analysis::limit_row(s.process), length),
      [&](int now, std::span<double const> logits, level const& from, level const& to) {
        if (law.probability(now) == 0.0) return stay(static_cast<std::size_t>(states), now);
        return kernel(law, from, to, now, scores_of<prediction_type>(law, from, now, logits));
      });
  std::vector<std::int64_t> count(want.size(), 0);
  for (std::size_t i = 0; i < x.size(); i += length) {
    ++count[static_cast<std::size_t>((x[i] * states + x[i + 1]) * states + x[i + 2])];
  }
  auto const cells_test = test::test_cells(count, want);
  INFO(name << ": " << cells_test.worst);
  CHECK(test::passes(name, cells_test.p));
}

weights data_law() { return test::load_oracles().at("categorical").at("weights").get<weights>(); }

TEST_CASE("rates: the law of K steps is that of the exact chain") {
  auto const w = data_law();
  process::uniform<> const flat(3, floor_eps);
  process::marginal<schedule::geometric_noise> const tilted({0.5, 0.3, 0.2}, {1e-3, 5.0});
  process::absorbing<> const masks(3, 3, floor_eps);
  auto const table = [&]<class Prediction>(auto const& process, Prediction p) {
    return denoiser::joint_table(process, 3, length, w, p);
  };
  tau_kernel const choose{several_jumps::choose}, refuse{several_jumps::refuse},
      add{several_jumps::add};
  check_chain("euler uniform posterior", flat, solver::euler_ctmc{}, euler_kernel{},
              table(flat, posterior{}), 6);
  check_chain("euler marginal cavity", tilted, solver::euler_ctmc{}, euler_kernel{},
              table(tilted, cavity{}), 6);
  check_chain("euler uniform score", flat, solver::euler_ctmc{}, euler_kernel{},
              table(flat, score{}), 6);
  check_chain("euler absorbing score", masks, solver::euler_ctmc{}, euler_kernel{},
              table(masks, score{}), 5);
  check_chain("euler absorbing posterior", masks, solver::euler_ctmc{}, euler_kernel{},
              table(masks, posterior{}), 5);
  check_chain("tau choose marginal score", tilted, solver::tau_leaping{}, choose,
              table(tilted, score{}), 6);
  check_chain("tau refuse uniform posterior", flat, solver::tau_leaping{several_jumps::refuse},
              refuse, table(flat, posterior{}), 6);
  check_chain("tau add uniform cavity", flat, solver::tau_leaping{several_jumps::add}, add,
              table(flat, cavity{}), 6);
  check_chain("tweedie uniform", flat, solver::tweedie{}, tweedie_kernel{}, table(flat, score{}),
              4);
  check_chain("tweedie marginal", tilted, solver::tweedie{}, tweedie_kernel{},
              table(tilted, score{}), 4);
  check_chain("tweedie absorbing", masks, solver::tweedie{}, tweedie_kernel{},
              table(masks, score{}), 4);
}

TEST_CASE("rates: the same for a network that is no law of anything") {
  process::uniform<> const flat(3, floor_eps);
  process::marginal<> const tilted({0.1, 0.0, 0.9}, floor_eps);
  process::absorbing<> const inner(4, 1, floor_eps);
  check_chain("euler hostile posterior", flat, solver::euler_ctmc{}, euler_kernel{},
              hostile<posterior>{}, 4);
  check_chain("euler hostile score", tilted, solver::euler_ctmc{}, euler_kernel{}, hostile<score>{},
              4);
  check_chain("euler hostile cavity", inner, solver::euler_ctmc{}, euler_kernel{},
              hostile<cavity>{}, 4);
  check_chain("tau hostile cavity", flat, solver::tau_leaping{}, tau_kernel{several_jumps::choose},
              hostile<cavity>{}, 4);
  check_chain("tau add hostile score", flat, solver::tau_leaping{several_jumps::add},
              tau_kernel{several_jumps::add}, hostile<score>{}, 4);
  check_chain("tweedie hostile uniform", flat, solver::tweedie{}, tweedie_kernel{},
              hostile<score>{}, 4);
  check_chain("tweedie hostile absorbing", inner, solver::tweedie{}, tweedie_kernel{},
              hostile<score>{}, 4);
}

// ---- the order in the step ----

/// Total variation to the data law of N steps from the exact law at t = 0.8.
template <class Prediction, class Process, class Kernel>
double distance(Process const& p, Kernel const& kernel, int steps) {
  auto const w = data_law();
  double const sum = std::accumulate(w.begin(), w.end(), 0.0);
  denoiser::joint_table const table(p, 3, length, w, Prediction{});
  auto const law = p.limit();
  auto const states = static_cast<std::size_t>(analysis::state_count(law));
  level const first = p.at(0.8);
  auto const forward = analysis::transition(p, {}, first);
  weights start(states * states * states, 0.0), data(start.size(), 0.0);
  for (std::size_t i = 0; i < 27; ++i) {
    std::size_t const a = i / 9, b = i / 3 % 3, c = i % 3;
    data[(a * states + b) * states + c] = w[i] / sum;
    for (std::size_t k = 0; k < start.size(); ++k) {
      start[k] += w[i] / sum * forward[a * states + k / (states * states)] *
                  forward[b * states + k / states % states] * forward[c * states + k % states];
    }
  }
  auto const out = analysis::chain_law(
      p, table, grid::uniform_t(p, steps, {0.8, 0.0}), length, start,
      [&](int now, std::span<double const> logits, level const& from, level const& to) {
        if (law.probability(now) == 0.0) return stay(states, now);
        return kernel(law, from, to, now, scores_of<Prediction>(law, from, now, logits));
      });
  return analysis::total_variation(out, data);
}

TEST_CASE("rates: first order in the step, to the data law") {
  process::uniform<> const flat(3);
  process::marginal<> const tilted({0.5, 0.3, 0.2});
  auto const check = [&]<class Prediction>(std::string const& name, auto const& p,
                                           auto const& kernel, Prediction) {
    CAPTURE(name);
    double const d[3] = {distance<Prediction>(p, kernel, 32), distance<Prediction>(p, kernel, 64),
                         distance<Prediction>(p, kernel, 128)};
    double const coarse = d[0] / d[1], fine = d[1] / d[2];
    CAPTURE(coarse);
    CAPTURE(fine);
    CHECK(d[1] < 0.05);
    CHECK(d[2] > 1e-5);
    // Halving the step halves the distance, up to a term of second order, which is halved itself:
    // 2 + c / N, so that what is off at 64 is half of what is off at 32, and less than a tenth.
    CHECK(std::fabs(fine - 2.0) < 0.1);
    CHECK(std::fabs(fine - 2.0) < 0.7 * std::fabs(coarse - 2.0) + 2e-3);
  };
  check("euler", flat, euler_kernel{}, score{});
  check("euler marginal", tilted, euler_kernel{}, posterior{});
  check("tau choose", flat, tau_kernel{several_jumps::choose}, score{});
  check("tau refuse", flat, tau_kernel{several_jumps::refuse}, cavity{});
  check("tweedie", flat, tweedie_kernel{}, score{});
  check("tweedie marginal", tilted, tweedie_kernel{}, score{});
}

TEST_CASE("tweedie: with exact scores its kernel is that of the ancestral step") {
  auto const w = data_law();
  auto const check = [&](auto const& p) {
    denoiser::joint_table const scores(p, 3, length, w, score{});
    denoiser::joint_table const laws(p, 3, length, w, posterior{});
    auto const width = static_cast<std::size_t>(p.limit().classes);
    int const states = analysis::state_count(p);
    weights a(length * width), b(length * width);
    level const t = p.at(0.6), s = p.at(0.45);
    query q;
    q.at = t;
    for (int i = 0; i < states * states * states; ++i) {
      codes const x{i / (states * states), i / states % states, i % states};
      auto const ask = [&](auto const& d, weights& out) {
        d(exec::host{}, batch_view<std::int32_t const>{x.data(), 1, length}, q,
          batch_view<double>{out.data(), 1, static_cast<std::int64_t>(out.size())});
      };
      ask(scores, a);
      ask(laws, b);
      for (std::size_t l = 0; l < length; ++l) {
        auto const part = [&](weights const& v) {
          return std::span<double const>(v).subspan(l * width, width);
        };
        auto const exact = analysis::mixture_kernel(
            p, t, s, x[l], analysis::law_of_logits<double>(p.limit(), x[l], part(b)));
        auto tweedie = stay(exact.size(), x[l]);
        if (p.limit().probability(x[l]) > 0.0) {
          tweedie = tweedie_kernel{}(p.limit(), t, s, x[l],
                                     scores_of<score>(p.limit(), t, x[l], part(a)));
        }
        for (std::size_t k = 0; k < exact.size(); ++k) {
          CHECK(std::fabs(exact[k] - tweedie[k]) < 1e-13);
        }
      }
    }
  };
  check(process::uniform<>(3));
  check(process::marginal<>({0.5, 0.3, 0.2}));
  check(process::absorbing<>(3));
}

// ---- what every run promises ----

TEST_CASE("rates: what the solvers refuse") {
  auto const network =
      denoiser::predicts<score>([](auto const&, auto, query const&, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.1;
      });
  codes x(6);
  batch_view<std::int32_t> const v{x.data(), 2, 3};
  auto const check = [&](auto const& solver) {
    sampler const s{process::uniform<>(3), solver};  // alpha = 0 at t = 1
    CHECK_THROWS_WITH_AS(s.sample(exec::host{}, network, grid::uniform_t(s.process, 3), v),
                         doctest::Contains("alpha = 0"), error);
    timetable const up({s.process.at(0.1), s.process.at(0.5)});
    CHECK_THROWS_WITH_AS(s.sample(exec::host{}, network, up, v),
                         doctest::Contains("cannot go from data to noise"), error);
  };
  check(solver::euler_ctmc{});
  check(solver::tau_leaping{});
  check(solver::tweedie{});
  sampler const s{process::absorbing<>(3, 3, floor_eps), solver::tau_leaping{several_jumps::add}};
  CHECK_THROWS_WITH_AS(s.sample(exec::host{}, network, grid::uniform_t(s.process, 3), v),
                       doctest::Contains("a mask is no number"), error);
}

TEST_CASE("euler: steps that are too long are counted, position by position") {
  // Every score of position p is size[p]: the probabilities of leaving add up to h 2 / 3 size.
  constexpr std::int64_t n = 5;
  std::vector<double> const size{0.1, 2.0, 30.0};
  auto const network =
      denoiser::predicts<score>([&](auto const&, auto x, query const&, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          out.data[i] = std::log(size[static_cast<std::size_t>(i / 3 % x.features)]);
        }
      });
  sampler const s{process::uniform<>(3, floor_eps), solver::euler_ctmc{}};
  auto const g = grid::uniform_t(s.process, 6);
  weights steps(3, 0.0);  // how many are too long
  for (int i = 0; i < g.steps(); ++i) {
    double const h = std::log(g[i + 1].alpha / g[i].alpha);
    for (std::size_t p = 0; p < 3; ++p) steps[p] += h * 2.0 / 3.0 * size[p] > 1.0 ? 1.0 : 0.0;
  }
  CHECK(steps[0] < steps[1]);
  CHECK(steps[1] < steps[2]);
  std::vector<std::uint8_t> fixed(n * length, 0);
  fixed[2] = 1;
  options<> o{noise::counted{6}, start::given};
  o.fixed = fixed.data();
  codes x(n * length, 1), y(x.size(), 2), z(x.size(), 0);
  batch_view<std::int32_t> const v{x.data(), n, length}, w{y.data(), n, length},
      u{z.data(), n, length};
  exec::threads const pool{2};
  detail::workspace const a(s.workspace_size(pool, network, v)),
      b(s.workspace_size(pool, network, w)), c(s.workspace_size(pool, network, u));
  auto run = s.start(pool, network, g, v, a.span(), o);
  run.advance();
  run.advance();
  auto resumed = s.start(pool, network, g, w, b.span(), o);
  resumed.resume(run.checkpoint());
  auto fork = run.fork(1, std::tuple{u}, c.span());
  auto const check = [&](auto& r) {
    auto const end = r.finish();
    double sum = 0.0;
    for (std::int64_t i = 0; i < n * length; ++i) {
      double const want = i == 2 ? 0.0 : steps[static_cast<std::size_t>(i % length)];
      CHECK(r.capped().data[i] == want);
      sum += want;
    }
    CHECK(static_cast<double>(end.capped) == sum);
  };
  check(run);
  check(resumed);
  check(fork);
  CHECK(x == y);
  CHECK(x != z);
  // A finer grid has none, and neither has a solver without such steps.
  options<> plain{noise::counted{6}};
  plain.first_step = 100;
  CHECK(s.sample(pool, network, grid::uniform_t(s.process, 400), v, plain).capped == 0);
  CHECK(sampler{s.process, solver::tau_leaping{}}.sample(pool, network, g, v).capped == 0);
}

TEST_CASE("rates: the same bits for any split and any number of threads") {
  process::uniform<> const p(3, floor_eps);
  auto const check = [&]<class Prediction>(auto const& solver, Prediction prediction) {
    sampler const s{p, solver};
    denoiser::joint_table const d(s.process, 3, length, weights(27, 1.0), prediction);
    auto const g = grid::uniform_t(p, 7);
    constexpr std::int64_t n = 40;
    codes whole(n * length), split(n * length), many(n * length);
    options const opts{noise::counted{5}};
    s.sample(exec::host{}, d, g, batch_view<std::int32_t>{whole.data(), n, length}, opts);
    s.sample(exec::threads{4}, d, g, batch_view<std::int32_t>{many.data(), n, length}, opts);
    for (std::int64_t first = 0; first < n; first += 7) {
      std::int64_t const count = std::min<std::int64_t>(7, n - first);
      s.sample(exec::host{}, d, g,
               batch_view<std::int32_t>{split.data() + first * length, count, length, first}, opts);
    }
    CHECK(whole == many);
    CHECK(whole == split);
  };
  check(solver::euler_ctmc{}, posterior{});
  check(solver::tau_leaping{several_jumps::add}, cavity{});
  check(solver::tweedie{}, score{});
}

}  // namespace
