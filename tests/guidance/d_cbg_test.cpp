// guidance::d_cbg: Bayes' rule where it is exact, the law of whole chains against chains propagated
// exactly, and what it costs.

#include <diffx/denoiser/classified.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/d_cbg.hpp>
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
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;
using test::weights;

constexpr int length = 2;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t samples = 400'000;  // sees a total variation of 0.8 % (power 0.99)

double hostile_logit(std::vector<int> const& x, int l, int v) {
  int const q = 4 * x[0] + x[1];
  return (7 * q + 11 * l + 5 * v + q * v) % 13 / 4.0;
}

/// log p(y | x) of no classifier in particular; it sees both positions and the level.
double hostile_score(std::vector<int> const& x, double alpha) {
  return -((5 * x[0] + 3 * x[1] + 7 * x[0] * x[1] + 2) % 11) / 4.0 * (0.5 + alpha);
}

/// Logits and scores of every sequence of two positions are few: a chain looks them up.
template <class Prediction>
struct hostile {
  Prediction prediction{};
  int width, mask;

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const&,
                  batch_view<T> out) const {
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      std::vector<int> const now{x.row(i)[0], x.row(i)[1]};
      for (int l = 0; l < length; ++l) {
        for (int v = 0; v < width; ++v) {
          out.row(i)[l * width + v] = static_cast<T>(v == mask ? 12.0 : hostile_logit(now, l, v));
        }
      }
    });
  }
};

/// A classifier that counts its rows.
struct scorer {
  std::int64_t* rows;

  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x, std::span<std::int64_t const>,
                  query const& q, std::span<double> out) const {
    *rows += x.batch;
    for (std::int64_t i = 0; i < x.batch; ++i) {
      out[static_cast<std::size_t>(i)] = hostile_score({x.row(i)[0], x.row(i)[1]}, q.to.alpha);
    }
  }
};

template <class Process>
weights guided_law(Process const& process, timetable const& grid, double gamma, bool cavity) {
  auto const law = process.limit();
  return test::propagate(process, grid, length,
                         [&](level const& from, level const& to, std::vector<int> const& x, int l) {
                           weights logits;
                           for (int v = 0; v < law.classes; ++v) {
                             logits.push_back(v == law.mask ? -infinity : hostile_logit(x, l, v));
                           }
                           auto q = test::reverse_kernel(process, from, to,
                                                         x[static_cast<std::size_t>(l)],
                                                         test::softmax(logits), cavity);
                           for (std::size_t k = 0; k < q.size(); ++k) {
                             auto changed = x;
                             changed[static_cast<std::size_t>(l)] = static_cast<int>(k);
                             q[k] *= std::exp(gamma * hostile_score(changed, to.alpha));
                           }
                           test::normalise(q);
                           return q;
                         });
}

std::vector<std::int64_t> count_pairs(codes const& x, std::size_t states) {
  std::vector<std::int64_t> count(states * states, 0);
  for (std::size_t i = 0; i < x.size(); i += 2) {
    ++count[static_cast<std::size_t>(x[i]) * states + static_cast<std::size_t>(x[i + 1])];
  }
  return count;
}

template <class Process, class Prediction>
void check_chain(Process const& process, Prediction prediction, std::string const& name) {
  for (auto const& run : {std::pair{1.0, 2}, {2.5, 3}, {-0.75, 2}}) {
    double const gamma = run.first;
    sampler const s{process, solver::ancestral{}, guidance::d_cbg{gamma}};
    std::int64_t rows = 0;
    denoiser::classified const d{
        hostile<Prediction>{prediction, process.limit().classes, process.limit().mask},
        denoiser::exact_ratios{s.process, scorer{&rows}, 1000}};
    auto const g = grid::uniform_t(s.process, run.second);
    constexpr std::int64_t n = samples / 2;
    codes x(n * length);
    auto const done =
        s.sample(exec::threads{2}, d, g, batch_view<std::int32_t>{x.data(), n, length},
                 options{noise::counted{201}});
    CHECK(done.nfe == 2 * run.second);  // the network and the table, each step
    CHECK(test::passes("d_cbg " + name + " " + std::to_string(gamma),
                       test::test_cells(count_pairs(x, test::states_of(process)),
                                        guided_law(s.process, g, gamma, Prediction::is_cavity))
                           .p));
    if (!Process::is_absorbing) CHECK(rows == n * run.second * (1 + length * 2));
  }
}

TEST_CASE("d_cbg: the law of K steps is that of the chain of reweighted kernels") {
  check_chain(process::absorbing<>(3), prediction::x0_posterior<>{}, "absorbing");
  check_chain(process::absorbing<>(4, 1), prediction::x0_posterior<double>{}, "mask inside");
  check_chain(process::uniform<>(3), prediction::x0_posterior<>{}, "uniform posterior");
  check_chain(process::uniform<>(3), prediction::x0_cavity<double>{}, "uniform cavity");
  check_chain(process::marginal<>({0.5, 0.2, 0.3}), prediction::x0_cavity<>{}, "marginal cavity");
}

// ---- Bayes' rule ----

weights const data{0.5, 0.2, 0.3}, likelihood{0.9, 0.3, 0.05};  // p(x0), p(y | x0)

/// p(y | x_t) of one position, exactly.
template <class Process>
double noisy_likelihood(Process const& process, int seen, double alpha) {
  auto const law = process.limit();
  // A mask tells nothing about the data at any level, the last one included.
  if (seen == law.mask) alpha = 0.0;
  double joint = 0.0, evidence = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    double const q =
        (static_cast<int>(i) == seen ? alpha : 0.0) + (1.0 - alpha) * law.probability(seen);
    joint += data[i] * q * likelihood[i];
    evidence += data[i] * q;
  }
  return joint / evidence;
}

template <class Process>
std::vector<std::int64_t> bayes_counts(Process const& process, int steps, bool at_the_end) {
  sampler const s{process, solver::ancestral{}, guidance::d_cbg{1.0}};
  auto const classifier = [&](auto const&, batch_view<std::int32_t const> x,
                              std::span<std::int64_t const>, query const& q,
                              std::span<double> out) {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      out[static_cast<std::size_t>(i)] =
          std::log(noisy_likelihood(s.process, x.data[i], at_the_end ? q.to.alpha : q.at.alpha));
    }
  };
  denoiser::classified const d{denoiser::joint_table(s.process, 3, 1, data),
                               denoiser::exact_ratios{s.process, classifier, 4096}};
  codes x(samples / 2);
  s.sample(exec::host{}, d, grid::uniform_t(s.process, steps),
           batch_view<std::int32_t>{x.data(), samples / 2, 1}, options{noise::counted{202}});
  std::vector<std::int64_t> count(3, 0);
  for (auto const c : x) ++count[static_cast<std::size_t>(c)];
  return count;
}

TEST_CASE("d_cbg: one position and the exact noisy classifier give p(x0 | y), for every K") {
  weights want(3);
  for (std::size_t i = 0; i < 3; ++i) want[i] = data[i] * likelihood[i];
  test::normalise(want);
  for (int const steps : {1, 4}) {
    process::absorbing<> const absorbing(3);
    process::uniform<> const uniform(3);
    process::marginal<> const marginal({0.6, 0.3, 0.1});
    CHECK(test::passes("d_cbg Bayes absorbing",
                       test::test_cells(bayes_counts(absorbing, steps, true), want).p));
    CHECK(test::passes("d_cbg Bayes uniform",
                       test::test_cells(bayes_counts(uniform, steps, true), want).p));
    CHECK(test::passes("d_cbg Bayes marginal",
                       test::test_cells(bayes_counts(marginal, steps, true), want).p));
  }
  // A classifier told the level before the step is off by the order of the step: the test sees it.
  process::uniform<> const uniform(3);
  CHECK(test::p_value_registry::rejects(test::test_cells(bayes_counts(uniform, 4, false), want).p));
}

// ---- what it costs, and the edges ----

TEST_CASE("d_cbg: gamma 0 is the unguided run bit for bit, and asks for no table") {
  auto const check = [](auto const& process, auto prediction) {
    using P = decltype(prediction);
    hostile<P> const network{prediction, process.limit().classes, process.limit().mask};
    constexpr std::int64_t n = 1000;
    codes want(n * length), x(n * length);
    auto const g = grid::uniform_t(process, 5);
    sampler const alone{process, solver::ancestral{}};
    alone.sample(exec::host{}, network, g, batch_view<std::int32_t>{want.data(), n, length},
                 options{noise::counted{203}});
    std::int64_t rows = 0;
    sampler const s{process, solver::ancestral{}, guidance::d_cbg{0.0}};
    denoiser::classified const d{network, denoiser::exact_ratios{s.process, scorer{&rows}}};
    auto const done = s.sample(exec::host{}, d, g, batch_view<std::int32_t>{x.data(), n, length},
                               options{noise::counted{203}});
    CHECK(x == want);
    CHECK(rows == 0);
    CHECK(done.nfe == 5);
  };
  check(process::absorbing<>(3), prediction::x0_posterior<>{});
  check(process::uniform<>(3), prediction::x0_cavity<double>{});
}

TEST_CASE("d_cbg, absorbing: rows of the classifier are those of the masked positions") {
  std::int64_t rows = 0;
  process::absorbing<> const p(3);
  sampler const s{p, solver::ancestral{}, guidance::d_cbg{2.0}};
  denoiser::classified const d{hostile<prediction::x0_posterior<>>{{}, 3, 3},
                               denoiser::exact_ratios{s.process, scorer{&rows}, 7}};
  auto const g = grid::uniform_t(p, 4);
  constexpr std::int64_t n = 100;
  codes x(n * length);
  batch_view<std::int32_t> const v{x.data(), n, length};
  exec::host const host;
  detail::workspace const memory(s.workspace_size(host, d, v));
  auto r = s.start(host, d, g, v, memory.span(), options{noise::counted{204}});
  std::int64_t want = 0;
  while (!r.done()) {
    want += n;  // each sequence as it is
    for (auto const c : x) want += c == 3 ? 3 : 0;
    r.advance();
    CHECK(rows == want);
  }
}

TEST_CASE("d_cbg: a class that the classifier rules out never comes, whatever gamma") {
  process::uniform<> const p(3);
  auto const classifier = [](auto const&, batch_view<std::int32_t const> x,
                             std::span<std::int64_t const>, query const&, std::span<double> out) {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      out[static_cast<std::size_t>(i)] = x.data[i] == 2 ? -infinity : -0.1 * x.data[i];
    }
  };
  denoiser::joint_table const table(p, 3, 1, weights{1, 1, 1});
  denoiser::classified const d{table, denoiser::exact_ratios{p, classifier}};
  auto const g = grid::uniform_t(p, 3);
  for (double const gamma : {1.0, -1.0}) {
    sampler const s{p, solver::ancestral{}, guidance::d_cbg{gamma}};
    codes x(3000);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int>(i % 2);
    options<> opts{noise::counted{205}};
    opts.start = start::given;
    s.sample(exec::host{}, d, g, batch_view<std::int32_t>{x.data(), 3000, 1}, opts);
    CHECK(std::count(x.begin(), x.end(), 2) == 0);
    // From a sequence that is itself impossible there is no ratio.
    x[17] = 2;
    CHECK_THROWS_WITH_AS(
        s.sample(exec::host{}, d, g, batch_view<std::int32_t>{x.data(), 3000, 1}, opts),
        doctest::Contains("sample 17"), error);
  }
  sampler const s{p, solver::ancestral{}, guidance::d_cbg{infinity}};
  codes x(3);
  CHECK_THROWS_WITH_AS(s.sample(exec::host{}, d, g, batch_view<std::int32_t>{x.data(), 3, 1}),
                       doctest::Contains("gamma"), error);
}

}  // namespace
