// recipe::sedd and recipe::edlm: the law of a whole run against the exactly propagated chain.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/denoiser/energy_resampled.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/recipe/edlm.hpp>
#include <diffx/recipe/sedd.hpp>
#include <diffx/schedule/geometric_noise.hpp>
#include <diffx/schedule/log_linear.hpp>

#include "support/class_chains.hpp"
#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using test::chains::classes;
using test::chains::length;
using test::chains::weights;

constexpr std::int64_t samples = 200'000;  // sees a total variation of about 1.2 % (power 0.99)

/// With exact scores an analytic step is the exact reverse kernel of the posterior.
template <class Process>
void check_sedd(std::string const& name, Process const& process, int steps) {
  auto const s = recipe::sedd(process);
  auto const grid = grid::uniform_t(s.process, steps);
  denoiser::joint_table const scores(s.process, classes, length, test::chains::data_weights(),
                                     prediction::concrete_score<double>{});
  denoiser::joint_table const posterior(s.process, classes, length, test::chains::data_weights(),
                                        prediction::x0_posterior<double>{});
  auto const law = analysis::chain_law(
      s.process, posterior, grid, length,
      analysis::independent_law(analysis::limit_row(s.process), length),
      [&](int now, std::span<double const> logits, level const& from, level const& to) {
        return analysis::mixture_kernel(
            s.process, from, to, now,
            analysis::law_of_logits<double>(s.process.limit(), now, logits));
      });
  int const states = test::chains::states_of(s.process);
  auto const d = test::chains::memo(scores, states);
  CHECK(test::passes(name, test::test_cells(test::chains::counts(s, d, grid, samples, 17),
                                            test::chains::data_part(law, states))
                               .p));
}

TEST_CASE("sedd: the law of a run, under the noises of the paper") {
  check_sedd("sedd absorbing", process::absorbing<>(classes, classes, schedule::log_linear{1e-3}),
             4);
  check_sedd("sedd uniform",
             process::uniform<schedule::geometric_noise>(classes, schedule::geometric_noise{}), 6);
}

/// An energy of no law in particular, of what is proposed and what is seen.
struct some_energy {
  static double of(std::int32_t const* x0, std::int32_t const* x) {
    int const q = (x[0] * 4 + x[1]) * 4 + x[2];
    return (3 * x0[0] + 5 * x0[1] + 4 * x0[0] * x0[2] + 2 * x0[2] + q) % 7 / 2.0;
  }
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x0, batch_view<std::int32_t const> x,
                  query const&, std::span<double const>, std::span<double> out) const {
    std::int64_t const k = x0.batch / x.batch;
    for (std::int64_t r = 0; r < x0.batch; ++r) {
      out[static_cast<std::size_t>(r)] = of(x0.row(r), x.row(r / k));
    }
  }
};

/// The law of a run of `steps` equal steps that chooses one of two whole texts in each.
template <class Process, class Network>
weights edlm_law(Process const& process, Network const& network, timetable const& grid) {
  constexpr int states = classes + 1;
  auto law = test::chains::start_law(process);
  for (int step = 0; step < grid.steps(); ++step) {
    double const jump = (grid[step].sigma - grid[step + 1].sigma) / grid[step].sigma;
    weights next(law.size(), 0.0);
    for (std::size_t i = 0; i < law.size(); ++i) {
      if (law[i] == 0.0) continue;
      auto const x = test::chains::codes_of(static_cast<int>(i), states);
      auto const logits = test::chains::logits_of(network, static_cast<int>(i), states, grid[step]);
      weights proposed(27, 1.0), factor(27), chosen(27, 0.0);
      for (int c = 0; c < 27; ++c) {
        auto const x0 = test::chains::codes_of(c, classes);
        auto const at = static_cast<std::size_t>(c);
        for (int l = 0; l < length; ++l) {
          auto const p = static_cast<std::size_t>(l), v = static_cast<std::size_t>(x0[p]);
          proposed[at] *=
              x[p] != classes ? (x[p] == x0[p] ? 1.0 : 0.0) : test::chains::softmax(logits, l)[v];
        }
        factor[at] = std::exp(-some_energy::of(x0.data(), x.data()));
      }
      for (std::size_t a = 0; a < 27; ++a) {
        for (std::size_t b = 0; b < 27; ++b) {
          double const p = proposed[a] * proposed[b] / (factor[a] + factor[b]);
          chosen[a] += p * factor[a];
          chosen[b] += p * factor[b];
        }
      }
      for (int c = 0; c < 27; ++c) {
        auto const x0 = test::chains::codes_of(c, classes);
        for (int moves = 0; moves < 8; ++moves) {
          double p = law[i] * chosen[static_cast<std::size_t>(c)];
          int to = 0;
          for (std::size_t l = 0; l < length; ++l) {
            bool const moved = (moves >> l & 1) != 0;
            p *= moved ? jump : 1.0 - jump;
            to = to * states + (x[l] == classes && moved ? x0[l] : x[l]);
          }
          next[static_cast<std::size_t>(to)] += p;
        }
      }
    }
    law = next;
  }
  return test::chains::data_part(law, states);
}

TEST_CASE("edlm: the law of a run that chooses whole texts by their energy") {
  process::absorbing<> const masks(classes);
  auto const s = recipe::edlm(masks);
  auto const grid = grid::uniform_t(s.process, 3);
  denoiser::joint_table const table(masks, classes, length, test::chains::data_weights(),
                                    prediction::x0_posterior<double>{});
  auto const network = test::chains::memo(table, classes + 1);
  denoiser::energy_resampled const d(masks, network, some_energy{},
                                     denoiser::resampling{.candidates = 2, .noise = {18}});
  auto const law = edlm_law(masks, table, grid);
  // What the energy changes is seen.
  CHECK(test::chains::total_variation(law, test::chains::normalised(test::chains::data_weights())) >
        0.05);
  CHECK(
      test::passes("edlm", test::test_cells(test::chains::counts(s, d, grid, samples, 19), law).p));
}

}  // namespace
