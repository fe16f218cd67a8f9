#pragma once

#include <diffx/analysis/chain_law.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/sampler.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace test::bits {

inline constexpr int length = 4, states = 16;

/// p_i of 16 states, bit 0 the first; the two ends stand out, so the bits depend on each other.
inline std::vector<double> correlated() {
  std::vector<double> p;
  double total = 0.0;
  for (int i = 0; i < states; ++i) {
    total += p.emplace_back((7 * i * i + 3 * i + 1) % 11 + (i == 0 || i == states - 1 ? 8 : 0));
  }
  for (double& v : p) v /= total;
  return p;
}

/// The law after n steps from fair bits with the exact network; kernel(process, t, s, now, law of
/// x0) is the law of one bit after the step.
template <class Kernel>
diffx::analysis::row law_after(int n, double first_flip, Kernel const& kernel) {
  using namespace diffx;
  process::xor_bernoulli const process(schedule::flip_quadratic(n, first_flip));
  denoiser::joint_table const network(process, 2, length, correlated());
  return analysis::normalised(analysis::chain_law(
      process, network, grid::uniform_t(process, n), length, analysis::row(states, 1.0 / states),
      [&](int now, auto logits, level const& t, level const& s) {
        return kernel(process, t, s, now, analysis::law_of_logits(process.limit(), now, logits));
      }));
}

inline double distance(diffx::analysis::row const& a, std::vector<double> const& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) sum += std::fabs(a[i] - b[i]);
  return 0.5 * sum;
}

/// How often each state was drawn in n steps from fair bits.
template <class Solver>
std::vector<std::int64_t> drawn(Solver const& solver, int n, double first_flip,
                                std::int64_t samples) {
  using namespace diffx;
  process::xor_bernoulli const process(schedule::flip_quadratic(n, first_flip));
  denoiser::joint_table const network(process, 2, length, correlated());
  sampler const s{process, solver};
  std::vector<std::int32_t> x(static_cast<std::size_t>(samples * length));
  s.sample(exec::threads{}, network, grid::uniform_t(process, n),
           batch_view<std::int32_t>{x.data(), samples, length}, options<>{noise::counted{3}});
  std::vector<std::int64_t> count(states, 0);
  for (std::size_t i = 0; i < x.size(); i += length) {
    std::size_t cell = 0;
    for (std::size_t l = 0; l < length; ++l) cell = 2 * cell + static_cast<std::size_t>(x[i + l]);
    ++count[cell];
  }
  return count;
}

}  // namespace test::bits
