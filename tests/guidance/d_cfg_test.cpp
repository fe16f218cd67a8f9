// guidance::d_cfg: the law of whole chains against chains propagated exactly, what gamma = 0 and 1
// are, and what the branches rule out.

#include <diffx/denoiser/branched.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include "support/kernel_chains.hpp"
#include "support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;
using test::weights;

constexpr int length = 2;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// A logit of no law in particular: it depends on the branch, on the whole sequence, on the place,
/// the class and the step.
double hostile_logit(int branch, std::vector<int> const& x, int l, int v, int step) {
  int const q = 4 * x[0] + x[1];
  return ((7 + 4 * branch) * q + 11 * l + 5 * v + q * v + 3 * branch * v + 2 * step) % 13 / 4.0 -
         branch * v * 0.3;
}

template <class Prediction>
struct hostile {
  static constexpr int branches = 2;
  Prediction prediction{};
  int width, mask;  // a mask among the logits gets a great deal

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<T> out) const {
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      std::vector<int> const now{x.row(i)[0], x.row(i)[1]};
      for (int l = 0; l < length; ++l) {
        for (int v = 0; v < width; ++v) {
          out.row(i)[l * width + v] =
              static_cast<T>(v == mask ? 12.0 : hostile_logit(q.branch, now, l, v, q.step));
        }
      }
    });
  }
};

template <class Process>
weights data_law(Process const& process, int branch, std::vector<int> const& x, int l, int step) {
  auto const law = process.limit();
  weights logits;
  for (int v = 0; v < law.classes; ++v) {
    logits.push_back(v == law.mask ? -infinity : hostile_logit(branch, x, l, v, step));
  }
  return test::softmax(logits);
}

/// The guided kernel as its definition says: powers of both kernels, normalised over all states.
template <class Process>
weights guided_law(Process const& process, timetable const& grid, double gamma, bool cavity) {
  return test::propagate(
      process, grid, length,
      [&](level const& from, level const& to, std::vector<int> const& x, int l) {
        int step = 0;
        while (grid[step].t != from.t) ++step;
        int const now = x[static_cast<std::size_t>(l)];
        auto q =
            test::reverse_kernel(process, from, to, now, data_law(process, 0, x, l, step), cavity);
        auto const u =
            test::reverse_kernel(process, from, to, now, data_law(process, 1, x, l, step), cavity);
        for (std::size_t k = 0; k < q.size(); ++k) {
          q[k] =
              q[k] > 0.0 && u[k] > 0.0 ? std::pow(q[k], gamma) * std::pow(u[k], 1.0 - gamma) : 0.0;
        }
        test::normalise(q);
        return q;
      });
}

template <class Sampler, class Denoiser>
codes sampled(Sampler const& s, Denoiser const& d, int steps, std::int64_t n, std::uint64_t seed,
              int* nfe = nullptr, int positions = length) {
  codes x(static_cast<std::size_t>(n * positions));
  auto const done =
      s.sample(exec::threads{2}, d, grid::uniform_t(s.process, steps),
               batch_view<std::int32_t>{x.data(), n, positions}, options{noise::counted{seed}});
  if (nfe != nullptr) *nfe = done.nfe;
  return x;
}

std::vector<std::int64_t> count_pairs(codes const& x, std::size_t states) {
  std::vector<std::int64_t> count(states * states, 0);
  for (std::size_t i = 0; i < x.size(); i += 2) {
    ++count[static_cast<std::size_t>(x[i]) * states + static_cast<std::size_t>(x[i + 1])];
  }
  return count;
}

constexpr std::int64_t samples = 400'000;  // sees a total variation of 0.8 % (power 0.99)

template <class Process, class Prediction>
void check_chain(Process const& process, Prediction prediction, std::string const& name) {
  for (auto const& run : {std::pair{2.5, 3}, {-0.5, 2}}) {
    double const gamma = run.first;
    int const steps = run.second;
    sampler const s{process, solver::ancestral{}, guidance::d_cfg{gamma}};
    hostile<Prediction> const d{prediction, process.limit().classes, process.limit().mask};
    int nfe = 0;
    auto const x = sampled(s, d, steps, samples, 101, &nfe);
    auto const want =
        guided_law(s.process, grid::uniform_t(s.process, steps), gamma, Prediction::is_cavity);
    CHECK(test::passes("d_cfg " + name + " " + std::to_string(gamma),
                       test::test_cells(count_pairs(x, test::states_of(process)), want).p));
    CHECK(nfe == 2 * steps);
  }
}

TEST_CASE("d_cfg: the law of K steps is that of the chain of tempered kernels") {
  check_chain(process::absorbing<>(3), prediction::x0_posterior<>{}, "absorbing");
  check_chain(process::absorbing<>(3), prediction::x0_cavity<double>{}, "absorbing cavity");
  check_chain(process::absorbing<>(4, 1), prediction::x0_posterior<double>{}, "mask inside");
  check_chain(process::uniform<>(3), prediction::x0_posterior<double>{}, "uniform posterior");
  check_chain(process::uniform<>(3), prediction::x0_cavity<>{}, "uniform cavity");
  check_chain(process::marginal<>({0.5, 0.2, 0.3}), prediction::x0_posterior<>{}, "marginal");
  check_chain(process::marginal<>({0.5, 0.2, 0.3}), prediction::x0_cavity<double>{},
              "marginal cavity");
}

TEST_CASE("d_cfg is not cfg: the mask competes with the classes") {
  process::absorbing<> const p(3);
  hostile<prediction::x0_posterior<>> const d{{}, 3, 3};
  auto const g = grid::uniform_t(p, 3);
  sampler const x0_form{p, solver::ancestral{}, guidance::cfg{2.5}};
  auto const x = sampled(x0_form, d, 3, samples, 102);
  CHECK(test::p_value_registry::rejects(
      test::test_cells(count_pairs(x, 4), guided_law(p, g, 2.5, false)).p));
}

/// Positions still masked after the first of two steps, of n.
template <class Guidance>
std::int64_t masked_after_one(Guidance const& guidance, std::int64_t n) {
  sampler const s{process::absorbing<>(3), solver::ancestral{}, guidance};
  hostile<prediction::x0_posterior<>> const d{{}, 3, 3};
  auto const g = grid::uniform_t(s.process, 2);
  codes x(static_cast<std::size_t>(n * length));
  options<> opts{noise::counted{103}};
  opts.last_step = 0;
  s.sample(exec::host{}, d, g, batch_view<std::int32_t>{x.data(), n, length}, opts);
  std::int64_t masked = 0;
  for (auto const c : x) masked += c == 3;
  return masked;
}

TEST_CASE("d_cfg, absorbing: the rate of unmasking is m / (m + (1 - m) Z)") {
  constexpr std::int64_t n = 200'000;
  double const gamma = 2.5;
  process::absorbing<> const p(3);
  double stays = 0.0;  // of the two positions, from (mask, mask)
  for (int l = 0; l < length; ++l) {
    auto const c = data_law(p, 0, {3, 3}, l, 0), u = data_law(p, 1, {3, 3}, l, 0);
    double z = 0.0;
    for (std::size_t k = 0; k < 3; ++k) z += std::pow(c[k], gamma) * std::pow(u[k], 1.0 - gamma);
    stays += 0.5 / (0.5 + 0.5 * z) / length;
  }
  CHECK(stays < 0.47);  // far from the unguided half
  // The two positions have rates of their own: the sum is no binomial, its variance is smaller.
  double const z_kernels = test::z_of_mean(
      static_cast<double>(masked_after_one(guidance::d_cfg{gamma}, n)) / (n * length), stays,
      stays * (1.0 - stays), n * length);
  CHECK(test::passes("d_cfg unmasking", test::p_of_z(z_kernels)));
  double const z_x0 =
      test::z_of_mean(static_cast<double>(masked_after_one(guidance::cfg{gamma}, n)) / (n * length),
                      0.5, 0.25, n * length);
  CHECK(test::passes("cfg unmasking", test::p_of_z(z_x0)));
}

TEST_CASE("d_cfg: gamma 1 and 0 are the unguided runs of one branch, bit for bit and one call") {
  auto const check = [](auto const& process, auto prediction) {
    using P = decltype(prediction);
    hostile<P> const both{prediction, process.limit().classes, process.limit().mask};
    sampler const alone{process, solver::ancestral{}};
    for (int const branch : {0, 1}) {
      auto const one = denoiser::predicts<P>(
          [&](auto const& exec, auto x, query q, auto out) {
            q.branch = branch;
            both(exec, x, q, out);
          },
          prediction);
      int nfe = 0;
      auto const want = sampled(alone, one, 5, 2'000, 104, &nfe);
      CHECK(nfe == 5);
      sampler const s{process, solver::ancestral{}, guidance::d_cfg{branch == 0 ? 1.0 : 0.0}};
      CHECK(sampled(s, both, 5, 2'000, 104, &nfe) == want);
      CHECK(nfe == 5);
      // A hair beside it the kernel itself is drawn from: another route to the same law.
      sampler const near{process, solver::ancestral{},
                         guidance::d_cfg{branch == 0 ? 1.0 - 1e-9 : 1e-9}};
      auto const x = sampled(near, both, 3, samples / 4, 105, &nfe);
      CHECK(nfe == 6);
      auto const law =
          guided_law(process, grid::uniform_t(process, 3), branch == 0 ? 1.0 : 0.0, P::is_cavity);
      CHECK(test::passes("d_cfg near one branch",
                         test::test_cells(count_pairs(x, test::states_of(process)), law).p));
    }
  };
  check(process::absorbing<>(3), prediction::x0_posterior<>{});
  check(process::uniform<>(3), prediction::x0_posterior<>{});
  check(process::uniform<>(3), prediction::x0_cavity<double>{});
}

TEST_CASE("d_cfg: gamma 1 gives the conditional law and gamma 0 the other, for one position") {
  weights const given{0.6, 0.1, 0.3}, any{0.2, 0.5, 0.3};
  auto const check = [&](auto const& process) {
    denoiser::branched const d{denoiser::joint_table(process, 3, 1, given),
                               denoiser::joint_table(process, 3, 1, any)};
    for (double const gamma : {1.0, 0.0}) {
      sampler const s{process, solver::ancestral{}, guidance::d_cfg{gamma}};
      auto const x = sampled(s, d, 4, 200'000, 106, nullptr, 1);
      std::vector<std::int64_t> count(3, 0);
      for (auto const c : x) ++count[static_cast<std::size_t>(c)];
      CHECK(
          test::passes("d_cfg conditional", test::test_cells(count, gamma == 1.0 ? given : any).p));
    }
  };
  process::absorbing<> const absorbing(3);
  process::uniform<> const uniform(3);
  check(absorbing);
  check(uniform);
}

// ---- what is ruled out ----

struct fixed_rows {
  static constexpr int branches = 2;
  prediction::x0_posterior<> prediction{};
  weights given, any;

  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const>, query const& q,
                  batch_view<float> out) const {
    auto const& row = q.branch == 0 ? given : any;
    for (std::int64_t i = 0; i < out.size(); ++i) {
      out.data[i] = static_cast<float>(row[static_cast<std::size_t>(i) % row.size()]);
    }
  }
};

TEST_CASE("d_cfg: what either branch rules out never comes, whatever gamma") {
  process::absorbing<> const p(4);
  fixed_rows const d{{}, {0.0, -infinity, 0.5, 1.0}, {0.3, 0.2, -infinity, 0.1}};
  for (double const gamma : {3.0, 0.5, -1.0}) {
    sampler const s{p, solver::ancestral{}, guidance::d_cfg{gamma}};
    auto const x = sampled(s, d, 3, 20'000, 107);
    CHECK(std::all_of(x.begin(), x.end(), [](int c) { return c == 0 || c == 3; }));
  }
}

TEST_CASE("d_cfg: branches that share no class keep the mask, until no state is left") {
  process::absorbing<> const p(2);
  fixed_rows const d{{}, {0.0, -infinity}, {-infinity, 0.0}};
  sampler const s{p, solver::ancestral{}, guidance::d_cfg{2.0}};
  auto const g = grid::uniform_t(p, 2);
  codes x(20);
  batch_view<std::int32_t> const v{x.data(), 10, 2};
  options<> opts{noise::counted{108}};
  opts.last_step = 0;
  s.sample(exec::host{}, d, g, v, opts);
  for (int const c : x) CHECK(c == 2);
  CHECK_THROWS_WITH_AS(s.sample(exec::host{}, d, g, v, options{noise::counted{108}}),
                       doctest::Contains("no state is left"), error);
}

TEST_CASE("d_cfg: rows that are no distribution are reported with their place") {
  process::uniform<> const p(3);
  auto const nan = std::numeric_limits<double>::quiet_NaN();
  for (auto const& rows : {fixed_rows{{}, {0.0, nan, 0.0}, {0.0, 0.0, 0.0}},
                           fixed_rows{{}, {0.0, 0.0, 0.0}, {0.0, infinity, 0.0}},
                           fixed_rows{{}, {0.0, 0.0, 0.0}, {-infinity, -infinity, -infinity}}}) {
    sampler const s{p, solver::ancestral{}, guidance::d_cfg{2.0}};
    codes x(6);
    CHECK_THROWS_WITH_AS(s.sample(exec::host{}, rows, grid::uniform_t(p, 2),
                                  batch_view<std::int32_t>{x.data(), 3, 2}),
                         doctest::Contains("sample 0, position 0 in step 0"), error);
  }
  sampler const s{p, solver::ancestral{}, guidance::d_cfg{nan}};
  codes x(6);
  CHECK_THROWS_WITH_AS(s.sample(exec::host{}, fixed_rows{{}, {0, 0, 0}, {0, 0, 0}},
                                grid::uniform_t(p, 2), batch_view<std::int32_t>{x.data(), 3, 2}),
                       doctest::Contains("guidance_scale"), error);
}

TEST_CASE("d_cfg: a position that is fixed keeps its class") {
  process::uniform<> const p(3);
  hostile<prediction::x0_cavity<>> const d{{}, 3, -1};
  sampler const s{p, solver::ancestral{}, guidance::d_cfg{2.0}};
  constexpr std::int64_t n = 500;
  codes x(n * length, 1);
  std::vector<std::uint8_t> fixed(n * length, 0);
  for (std::size_t i = 0; i < fixed.size(); i += 3) fixed[i] = 1;
  options<> opts{noise::counted{110}};
  opts.start = start::given;
  opts.fixed = fixed.data();
  s.sample(exec::host{}, d, grid::uniform_t(p, 5), batch_view<std::int32_t>{x.data(), n, length},
           opts);
  std::size_t moved = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (fixed[i] != 0) CHECK(x[i] == 1);
    moved += x[i] != 1;
  }
  CHECK(moved > x.size() / 4);
}

TEST_CASE("d_cfg: a scale of the step, threads and batch splits") {
  process::uniform<> const p(3);
  hostile<prediction::x0_cavity<>> const d{{}, 3, -1};
  sampler const s{p, solver::ancestral{}, guidance::d_cfg{guidance::scale::linear{1.0, 3.0}}};
  auto const g = grid::uniform_t(p, 5);
  constexpr std::int64_t n = 50;
  codes whole(n * length), split(n * length);
  options const opts{noise::counted{109}};
  auto const done =
      s.sample(exec::threads{4}, d, g, batch_view<std::int32_t>{whole.data(), n, length}, opts);
  CHECK(done.nfe == 9);  // the first step has the scale 1
  for (std::int64_t first = 0; first < n; first += 7) {
    std::int64_t const count = std::min<std::int64_t>(7, n - first);
    s.sample(exec::host{}, d, g,
             batch_view<std::int32_t>{split.data() + first * length, count, length, first}, opts);
  }
  CHECK(whole == split);
}

}  // namespace
