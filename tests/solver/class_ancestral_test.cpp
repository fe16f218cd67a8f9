// solver::ancestral: its kernel by enumeration over the uniforms, the law of K steps against the
// exact chain, what is between the steps, and what every run promises.

#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/product.hpp>

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
#include <string>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;
using weights = std::vector<double>;
using diffx::detail::limit_law;

// ---- the kernel of one position ----

/// A row with given probabilities, instead of logits.
struct known_row {
  weights p;
  bool scan() const { return true; }
  double probability(int k) const { return p[static_cast<std::size_t>(k)]; }
  int draw(double u) const {
    double sum = 0.0;
    for (std::size_t k = 0; k < p.size(); ++k) {
      if ((sum += p[k]) > u) return static_cast<int>(k);
    }
    return static_cast<int>(p.size()) - 1;
  }
};

/// The words whose unit_uniform is nearest to u.
std::array<std::uint32_t, 2> words_of(double u) {
  auto const bits = static_cast<std::uint64_t>(u * 0x1p52) << 12;
  return {static_cast<std::uint32_t>(bits >> 32), static_cast<std::uint32_t>(bits)};
}

template <class Process>
categorical_stage plan_of(Process const& process, double from, double to) {
  timetable const grid({process.at(from), process.at(to)});
  categorical_plan out;
  solver::ancestral{}.plan(plan_context<Process>{process, grid, 0, 0, 0}, out);
  REQUIRE(out.stages().size() == 1);
  return out.stages()[0];
}

constexpr int coins = 10009;

/// The kernel from class `now`, by going through a fine grid of coins and all cells of the class
/// draw (which has probabilities in tenths).
template <bool Cavity>
weights enumerated(categorical_stage const& s, limit_law const& law, int now, known_row row) {
  constexpr int cells = 10;
  double const weight[4] = {s.weight[0], s.weight[1], s.weight[2], s.weight[3]};
  weights count(static_cast<std::size_t>(law.classes) + 1, 0.0);
  for (int c = 0; c < coins; ++c) {
    for (int u = 0; u < cells; ++u) {
      auto const coin = words_of((c + 0.5) / coins), draw = words_of((u + 0.5) / cells);
      auto const words = [&](int) { return random::words4{{coin[0], coin[1], draw[0], draw[1]}}; };
      int const k = solver::ancestral::advance<Cavity>(weight, law, now, row, words);
      count[static_cast<std::size_t>(k)] += 1.0 / (coins * cells);
    }
  }
  return count;
}

/// The textbook kernel: the mixture of bridges, or the plug-in form.
weights kernel(double at, double as, limit_law const& law, int now, weights const& p, bool cavity) {
  double const a = at / as;
  auto const states = static_cast<std::size_t>(law.classes) + 1;
  auto const is = [](std::size_t i, int j) { return static_cast<int>(i) == j ? 1.0 : 0.0; };
  auto const pi = [&](std::size_t k) {
    int const code = static_cast<int>(k);
    return code < law.classes || code == law.mask ? law.probability(code) : 0.0;
  };
  weights out(states, 0.0);
  for (std::size_t k = 0; k < states; ++k) {
    double const forward = a * is(k, now) + (1.0 - a) * law.probability(now);
    for (std::size_t i = 0; i < p.size(); ++i) {
      double const clean = as * (i == k ? 1.0 : 0.0) + (1.0 - as) * pi(k);
      double const evidence = at * is(i, now) + (1.0 - at) * law.probability(now);
      if (cavity) {
        out[k] += p[i] * forward * clean;
      } else if (evidence > 0.0) {
        out[k] += p[i] * forward * clean / evidence;
      }
    }
  }
  double const total = std::accumulate(out.begin(), out.end(), 0.0);
  for (double& v : out) v /= total;
  return out;
}

template <class Process>
void check_kernels(Process const& process) {
  known_row const row{{0.1, 0.3, 0.6}};
  auto const law = process.limit();
  for (auto const& ends : {std::pair{1.0, 0.75}, {0.6, 0.35}, {0.3, 0.0}, {0.9, 0.899}}) {
    double const from = ends.first, to = ends.second;
    auto const s = plan_of(process, from, to);
    double const at = process.at(from).alpha, as = process.at(to).alpha;
    for (int now = 0; now < law.classes + (law.mask == law.classes ? 1 : 0); ++now) {
      if (at == 0.0 && law.probability(now) == 0.0) continue;  // cannot be there
      CAPTURE(from);
      CAPTURE(to);
      CAPTURE(now);
      // A class that only data can show stays, whatever the network says.
      weights posterior = row.p;
      if (law.probability(now) == 0.0) {
        posterior.assign(3, 0.0);
        posterior[static_cast<std::size_t>(now)] = 1.0;
      }
      auto const mixed = enumerated<false>(s, law, now, row);
      auto const plug_in = enumerated<true>(s, law, now, row);
      auto const want_mixed = kernel(at, as, law, now, posterior, false);
      auto const want_plug_in = kernel(at, as, law, now, posterior, true);
      for (std::size_t k = 0; k < mixed.size(); ++k) {
        CAPTURE(k);
        // A cell of coins at each end of every route, at most three routes to a class.
        CHECK(std::abs(mixed[k] - want_mixed[k]) < 3.0 / coins);
        CHECK(std::abs(plug_in[k] - want_plug_in[k]) < 3.0 / coins);
        if (want_mixed[k] == 0.0) CHECK(mixed[k] == 0.0);
        if (want_plug_in[k] == 0.0) CHECK(plug_in[k] == 0.0);
      }
    }
  }
}

TEST_CASE("ancestral: the kernel of a position, by enumeration") {
  check_kernels(process::absorbing<>(3));
  check_kernels(process::marginal<>({0.5, 0.3, 0.2}));
  check_kernels(process::marginal<>({0.1, 0.0, 0.9}));
}

// ---- the law of the chain ----

constexpr int length = 3, data_classes = 3;

/// Logits of every state of a small space, computed once a step.
template <class Inner>
struct memoised {
  decltype(Inner::prediction) prediction;
  Inner const* inner;
  int states_per_position, width;
  mutable int step = -1;
  mutable std::vector<typename decltype(Inner::prediction)::value_type> table{};

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<T> out) const {
    auto const row = static_cast<std::size_t>(length * width);
    if (q.step != step) {
      step = q.step;
      int const count = states_per_position * states_per_position * states_per_position;
      codes all;
      for (int s = 0; s < count; ++s) {
        all.push_back(s / (states_per_position * states_per_position));
        all.push_back(s / states_per_position % states_per_position);
        all.push_back(s % states_per_position);
      }
      // What the data cannot lead to at this time has no posterior; no run gets there.
      table.assign(static_cast<std::size_t>(count) * row, std::numeric_limits<T>::quiet_NaN());
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        try {
          (*inner)(exec::host{}, batch_view<std::int32_t const>{all.data() + i * length, 1, length},
                   q, batch_view<T>{table.data() + i * row, 1, static_cast<std::int64_t>(row)});
        } catch (error const&) {
        }
      }
    }
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      auto const* const c = x.row(i);
      auto const index = static_cast<std::size_t>(
          (c[0] * states_per_position + c[1]) * states_per_position + c[2]);
      std::copy_n(table.data() + index * row, row, out.row(i));
    });
  }
};
template <class Inner>
memoised<Inner> memo(Inner const& inner, int states, int width) {
  return {inner.prediction, &inner, states, width};
}

/// No posterior of anything: it gives logits to classes that a visible position excludes and, where
/// the mask is a logit, a great deal to the mask.
struct hostile {
  prediction::x0_posterior<double> prediction{};
  int width;  // 3, or 4 with a logit of the mask

  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x, query const&,
                  batch_view<double> out) const {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      int const q = (x.row(i)[0] * 4 + x.row(i)[1]) * 4 + x.row(i)[2];
      for (int l = 0; l < length; ++l) {
        for (int v = 0; v < width; ++v) {
          out.row(i)[l * width + v] = v < 3 ? (7 * q + 11 * l + 5 * v + q * v) % 13 / 4.0 : 12.0;
        }
      }
    }
  }
};

template <class Sampler, class Denoiser>
std::vector<std::int64_t> counts(Sampler const& s, Denoiser const& d, int steps, std::int64_t n,
                                 std::uint64_t seed) {
  codes x(static_cast<std::size_t>(n * length));
  s.sample(exec::threads{2}, d, grid::uniform_t(s.process, steps),
           batch_view<std::int32_t>{x.data(), n, length}, options{noise::counted{seed}});
  REQUIRE(std::all_of(x.begin(), x.end(), [](int c) { return c >= 0 && c < 3; }));  // no mask left
  std::vector<std::int64_t> count(27, 0);
  for (std::size_t i = 0; i < x.size(); i += length) {
    ++count[static_cast<std::size_t>(x[i] * 9 + x[i + 1] * 3 + x[i + 2])];
  }
  return count;
}

double p_value(std::vector<std::int64_t> const& observed, nlohmann::json const& law) {
  return test::test_cells(observed, law.get<weights>()).p;
}

constexpr std::int64_t samples = 400'000;  // sees a total variation of 0.8 % (power 0.99)

TEST_CASE("ancestral, absorbing: the law of K steps is that of the exact chain") {
  auto const oracle = test::load_oracles().at("categorical");
  auto const w = oracle.at("weights").get<weights>();
  sampler const s{process::absorbing<>(3), solver::ancestral{}};
  denoiser::joint_table const table(s.process, data_classes, length, w);
  // The same with a mask among the logits and the data classes around it.
  sampler const inner{process::absorbing<>(4, 3), solver::ancestral{}};
  int laws = 0;
  for (auto const& entry : oracle.at("absorbing")) {
    int const steps = entry.at("K").get<int>();
    if (entry.contains("law_exact_denoiser")) {
      auto const seen = counts(s, memo(table, 4, 3), steps, samples, 11);
      CHECK(test::passes("ancestral absorbing exact", p_value(seen, entry["law_exact_denoiser"])));
      ++laws;
    }
    if (entry.contains("law_hostile_denoiser")) {
      hostile const three{{}, 3}, four{{}, 4};
      auto const seen = counts(s, memo(three, 4, 3), steps, samples, 12);
      CHECK(test::passes("ancestral absorbing hostile",
                         p_value(seen, entry["law_hostile_denoiser"])));
      auto const leak = counts(inner, memo(four, 4, 4), steps, samples, 13);
      CHECK(test::passes("ancestral absorbing mask logit",
                         p_value(leak, entry["law_hostile_denoiser"])));
      ++laws;
    }
  }
  CHECK(laws == 5);
}

TEST_CASE("ancestral, any limit law: posterior and cavity, each in its own form") {
  auto const oracle = test::load_oracles().at("categorical");
  auto const w = oracle.at("weights").get<weights>();
  int laws = 0;
  for (auto const& entry : oracle.at("stationary")) {
    if (!entry.contains("law")) continue;
    int const steps = entry.at("K").get<int>();
    auto const check = [&](auto const& process, std::string const& name) {
      sampler const s{process, solver::ancestral{}};
      denoiser::joint_table const posterior(s.process, 3, length, w);
      denoiser::joint_table const cavity(s.process, 3, length, w, prediction::x0_cavity<>{});
      auto const mixed = counts(s, memo(posterior, 3, 3), steps, samples, 21);
      CHECK(test::passes("ancestral posterior " + name, p_value(mixed, entry["law"])));
      auto const plug_in = counts(s, memo(cavity, 3, 3), steps, samples, 22);
      CHECK(test::passes("ancestral cavity " + name, p_value(plug_in, entry["law"])));
      // The commonest silent error: a posterior called a cavity. The test must see it.
      struct mislabelled : decltype(posterior) {
        prediction::x0_cavity<> prediction{};
      };
      mislabelled const wrong{posterior};
      CHECK(p_value(counts(s, memo(wrong, 3, 3), steps, samples, 23), entry["law"]) < 1e-6);
      ++laws;
    };
    auto const pi = entry.at("pi").get<weights>();
    check(process::marginal<>(pi), "marginal");
    if (pi[0] == pi[1]) check(process::uniform<>(3), "uniform");
  }
  CHECK(laws == 3);
}

TEST_CASE("ancestral, absorbing: masks between the steps are binomial, for any denoiser") {
  constexpr std::int64_t n = 100'000;
  constexpr int steps = 5;
  sampler const s{process::absorbing<>(3), solver::ancestral{}};
  hostile const inner{{}, 3};
  auto const network = memo(inner, 4, 3);
  auto const g = grid::uniform_t(s.process, steps);
  codes x(n * length);
  batch_view<std::int32_t> const v{x.data(), n, length};
  exec::host const host;
  detail::workspace const memory(s.workspace_size(host, network, v));
  auto r = s.start(host, network, g, v, memory.span(), options{noise::counted{31}});
  for (int k = 0;; ++k) {
    std::vector<std::int64_t> masked(length + 1, 0);
    for (std::size_t i = 0; i < x.size(); i += length) {
      ++masked[static_cast<std::size_t>((x[i] == 3) + (x[i + 1] == 3) + (x[i + 2] == 3))];
    }
    double const p = g[k].sigma;
    weights const law{(1 - p) * (1 - p) * (1 - p), 3 * p * (1 - p) * (1 - p), 3 * p * p * (1 - p),
                      p * p * p};
    CHECK(test::passes("masks after " + std::to_string(k), test::test_cells(masked, law).p));
    if (r.done()) break;
    r.advance();
  }
  CHECK(r.status().nfe == steps);
}

// ---- what every run promises ----

TEST_CASE("ancestral: the same bits for any split, threads, forks apart, and after a checkpoint") {
  process::uniform<> const p(3);
  sampler const s{p, solver::ancestral{}};
  denoiser::joint_table const d(s.process, 3, length, weights(27, 1.0), prediction::x0_cavity<>{});
  auto const g = grid::uniform_t(p, 7);
  constexpr std::int64_t n = 50;
  options const opts{noise::counted{5}};
  exec::host const host;
  codes whole(n * length), split(n * length), many(n * length);
  s.sample(host, d, g, batch_view<std::int32_t>{whole.data(), n, length}, opts);
  s.sample(exec::threads{4}, d, g, batch_view<std::int32_t>{many.data(), n, length}, opts);
  for (std::int64_t first = 0; first < n; first += 7) {
    std::int64_t const count = std::min<std::int64_t>(7, n - first);
    s.sample(host, d, g,
             batch_view<std::int32_t>{split.data() + first * length, count, length, first}, opts);
  }
  CHECK(whole == many);
  CHECK(whole == split);

  {  // a checkpoint of more classes
    sampler const wide{process::uniform<>(5), solver::ancestral{}};
    denoiser::joint_table const five(wide.process, 5, length, weights(125, 1.0),
                                     prediction::x0_cavity<>{});
    codes x(n * length);
    batch_view<std::int32_t> const v{x.data(), n, length};
    detail::workspace const m1(wide.workspace_size(host, five, v)),
        m2(s.workspace_size(host, d, v));
    auto const bytes = wide.start(host, five, g, v, m1.span(), opts).checkpoint();
    auto r = s.start(host, d, g, v, m2.span(), opts);
    CHECK_THROWS_AS(r.resume(bytes), error);
  }
  for (int stop = 0; stop <= 7; ++stop) {
    codes x(n * length), y(n * length), z(n * length, -1);  // whatever a fork's buffer holds
    batch_view<std::int32_t> const vx{x.data(), n, length}, vy{y.data(), n, length},
        vz{z.data(), n, length};
    detail::workspace const mx(s.workspace_size(host, d, vx)), my(s.workspace_size(host, d, vx)),
        mz(s.workspace_size(host, d, vx));
    auto a = s.start(host, d, g, vx, mx.span(), opts);
    for (int i = 0; i < stop; ++i) a.advance();
    auto b = s.start(host, d, g, vy, my.span(), opts);
    b.resume(a.checkpoint());
    auto c = a.fork(1, std::tuple{vz}, mz.span());
    a.finish();
    b.finish();
    c.finish();
    CHECK(x == whole);
    CHECK(y == whole);
    CHECK((z == whole) == (stop == 7));
  }
}

/// Logits of the condition and of the null branch: table rows chosen by class only.
struct two_branches {
  static constexpr int branches = 2;
  prediction::x0_posterior<double> prediction{};
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const>, query const& q,
                  batch_view<double> out) const {
    double const c[3] = {0.2, -1.0, 0.7}, u[3] = {-0.3, 0.4, 0.1};
    for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = q.branch == 0 ? c[i % 3] : u[i % 3];
  }
};

TEST_CASE(
    "ancestral with cfg draws from the normalised product of powers; w = 1 costs one branch") {
  constexpr std::int64_t n = 200'000;
  auto const law_of = [&](double w, int& nfe) {
    sampler const s{process::absorbing<>(3), solver::ancestral{}, guidance::cfg{w}};
    codes x(n);
    nfe = s.sample(exec::host{}, two_branches{}, grid::uniform_t(s.process, 1),
                   batch_view<std::int32_t>{x.data(), n, 1}, options{noise::counted{41}})
              .nfe;
    std::vector<std::int64_t> count(3, 0);
    for (auto const c : x) ++count[static_cast<std::size_t>(c)];
    return count;
  };
  for (double const w : {0.0, 1.0, 2.5}) {
    weights p{0.2 * w - 0.3 * (1 - w), -1.0 * w + 0.4 * (1 - w), 0.7 * w + 0.1 * (1 - w)};
    double sum = 0.0;
    for (double& v : p) sum += v = std::exp(v);
    for (double& v : p) v /= sum;
    int nfe = 0;
    CHECK(test::passes("ancestral cfg", test::test_cells(law_of(w, nfe), p).p));
    CHECK(nfe == (w == 2.5 ? 2 : 1));
  }
}

TEST_CASE("ancestral: known data is noised with q, and a class that is none is refused") {
  process::marginal<> const p({0.5, 0.3, 0.2});
  sampler const s{p, solver::ancestral{}};
  denoiser::joint_table const d(s.process, 3, 1, weights{1, 1, 1});
  constexpr std::int64_t n = 200'000;
  codes x(n, 1);
  batch_view<std::int32_t> const v{x.data(), n, 1};
  auto const g = grid::uniform_t(p, 10);
  exec::host const host;
  detail::workspace const memory(s.workspace_size(host, d, v));
  options<> opts{noise::counted{51}};
  opts.start = start::noised;
  opts.first_step = 4;
  {
    auto const r = s.start(host, d, g, v, memory.span(), opts);
    std::vector<std::int64_t> count(3, 0);
    for (auto const c : x) ++count[static_cast<std::size_t>(c)];
    weights const law{0.6 * 0.5, 0.4 + 0.6 * 0.3, 0.6 * 0.2};  // alpha = 0.4
    CHECK(test::passes("noised classes", test::test_cells(count, law).p));
    CHECK(r.step() == 4);
  }
  opts.start = start::given;
  x[7] = 3;
  CHECK_THROWS_WITH_AS(static_cast<void>(s.start(host, d, g, v, memory.span(), opts)),
                       doctest::Contains("no class of the process at sample 7, position 0"), error);
  x[7] = -1;
  CHECK_THROWS_AS(static_cast<void>(s.start(host, d, g, v, memory.span(), opts)), error);
}

TEST_CASE("classes of one byte: all 256 of them, and no mask beyond") {
  auto const network = denoiser::predicts<prediction::x0_posterior<>>(
      [](auto const&, auto, query const&, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          out.data[i] = i % 256 == 255 ? 0.0f : -std::numeric_limits<float>::infinity();
        }
      });
  std::vector<std::uint8_t> x(5);
  auto const sample = [&](auto const& process) {
    sampler const s{process, solver::ancestral{}};
    s.sample(exec::host{}, network, grid::uniform_t(process, 3),
             batch_view<std::uint8_t>{x.data(), 1, 5});
  };
  sample(process::uniform<>(256));
  CHECK(x == std::vector<std::uint8_t>(5, 255));
  sample(process::absorbing<>(256, 0));
  CHECK(x == std::vector<std::uint8_t>(5, 255));
  CHECK_THROWS_WITH_AS(sample(process::absorbing<>(256)), doctest::Contains("largest class = 256"),
                       error);
}

TEST_CASE("ancestral: a row that is no distribution is reported with step, sample and position") {
  sampler const s{process::absorbing<>(3), solver::ancestral{}};
  for (double const bad : {std::nan(""), HUGE_VAL}) {
    auto const network = denoiser::predicts<prediction::x0_posterior<double>>(
        [&](auto const&, auto x, query const& q, batch_view<double> out) {
          for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.25;
          if (q.step == 2) out.data[(2 * x.features + 1) * 3 + 1] = bad;
        });
    codes x(4 * 2, 3);
    options<> opts;
    opts.start = start::given;
    opts.first_step = 2;
    opts.last_step = 2;
    timetable const g({s.process.at(1.0), s.process.at(0.9), s.process.at(0.8), s.process.at(0.0)});
    CHECK_THROWS_WITH_AS(
        s.sample(exec::host{}, network, g, batch_view<std::int32_t>{x.data(), 4, 2, 10}, opts),
        doctest::Contains("at sample 12, position 1 in step 2"), error);
  }
  // Visible positions are not read: what the network says there does no harm.
  auto const silent = denoiser::predicts<prediction::x0_posterior<double>>(
      [](auto const&, auto, query const&, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = std::nan("");
      });
  codes x{0, 1, 2};
  options<> opts;
  opts.start = start::given;
  s.sample(exec::host{}, silent, grid::uniform_t(s.process, 3),
           batch_view<std::int32_t>{x.data(), 1, 3}, opts);
  CHECK(x == codes{0, 1, 2});
  timetable const up({s.process.at(0.0), s.process.at(0.5)});
  CHECK_THROWS_WITH_AS(
      s.sample(exec::host{}, silent, up, batch_view<std::int32_t>{x.data(), 1, 3}, opts),
      doctest::Contains("cannot go from data to noise"), error);
}

/// Logits for one block, numbers for the other.
struct two_blocks {
  prediction::product<prediction::x0_posterior<double>, prediction::eps> prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const& x, query const& q, Out const& out) const {
    auto const& classes = std::get<0>(out);
    for (std::int64_t i = 0; i < classes.size(); ++i) {
      classes.data[i] = 0.3 * static_cast<double>(i % 5) - q.at.t;
    }
    auto const& numbers = std::get<1>(out);
    for (std::int64_t i = 0; i < numbers.size(); ++i) {
      numbers.data[i] = 0.5f * std::get<1>(x).data[i];
    }
  }
};

TEST_CASE("a state of classes and numbers: the classes as if they were alone") {
  sampler const s{process::product{std::tuple{process::uniform<>(4), process::vp<>{}}},
                  solver::product{std::tuple{solver::ancestral{}, solver::ddim{.eta = 1.0}}}};
  process::uniform<> const alone(4);
  sampler const one{alone, solver::ancestral{}};
  auto const network = denoiser::predicts<prediction::x0_posterior<double>>(
      [](auto const&, auto, query const& q, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          out.data[i] = 0.3 * static_cast<double>(i % 5) - q.at.t;
        }
      });
  timetable const g({alone.at(0.99), alone.at(0.6), alone.at(0.3), alone.at(0.01)});
  codes x(6 * 5), y(6 * 5);
  std::vector<float> z(6 * 2);
  auto const report = s.sample(
      exec::host{}, two_blocks{}, g,
      std::tuple{batch_view<std::int32_t>{x.data(), 6, 5}, batch_view<float>{z.data(), 6, 2}});
  one.sample(exec::host{}, network, g, batch_view<std::int32_t>{y.data(), 6, 5});
  CHECK(x == y);
  CHECK(report.nfe == 3);
  for (float const v : z) CHECK(std::isfinite(v));
}

}  // namespace
