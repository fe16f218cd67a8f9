#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/timetable.hpp>

#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

/// Chains of reverse kernels over all sequences of a few classes, propagated exactly.
namespace test {

using weights = std::vector<double>;

inline void normalise(weights& p) {
  double const total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& v : p) v /= total;
}

inline weights softmax(weights logits) {
  for (double& v : logits) v = std::exp(v);
  normalise(logits);
  return logits;
}

/// States of a position: the classes, and the mask where it is no class.
template <class Process>
std::size_t states_of(Process const& process) {
  auto const law = process.limit();
  return static_cast<std::size_t>(law.classes + (law.mask == law.classes ? 1 : 0));
}

/// The textbook kernel q(x_s | x_t = now) of a law p of the data class, as a sum over the data
/// classes: the mixture of bridges, or the plug-in form.
template <class Process>
weights reverse_kernel(Process const& process, diffx::level const& from, diffx::level const& to,
                       int now, weights const& p, bool cavity) {
  auto const law = process.limit();
  double const at = from.alpha, as = to.alpha, a = at / as;
  std::size_t const states = states_of(process);
  weights out(states, 0.0);
  if (law.mask >= 0 && now != law.mask) {  // carried over
    out[static_cast<std::size_t>(now)] = 1.0;
    return out;
  }
  double const pi_now = law.probability(now);
  for (std::size_t k = 0; k < states; ++k) {
    double const pi_k = law.probability(static_cast<int>(k));
    double const forward = (static_cast<int>(k) == now ? a : 0.0) + (1.0 - a) * pi_now;
    for (std::size_t i = 0; i < p.size(); ++i) {
      double const clean = (i == k ? as : 0.0) + (1.0 - as) * pi_k;
      double const evidence = (static_cast<int>(i) == now ? at : 0.0) + (1.0 - at) * pi_now;
      out[k] += p[i] * forward * clean / (cavity ? 1.0 : evidence);
    }
  }
  normalise(out);
  return out;
}

/// The law after all steps of a grid, over sequences of `length` positions, the last one running
/// fastest. kernel(from, to, sequence, position) gives the law of one position's next state.
template <class Process, class Kernel>
weights propagate(Process const& process, diffx::timetable const& grid, int length,
                  Kernel const& kernel) {
  auto const law = process.limit();
  std::size_t const states = states_of(process);
  std::size_t count = 1;
  for (int l = 0; l < length; ++l) count *= states;
  auto const sequence = [&](std::size_t index) {
    std::vector<int> x(static_cast<std::size_t>(length));
    for (std::size_t l = x.size(); l-- > 0; index /= states)
      x[l] = static_cast<int>(index % states);
    return x;
  };
  weights now(count, 1.0);
  for (std::size_t i = 0; i < count; ++i) {
    for (int const c : sequence(i)) now[i] *= law.probability(c);
  }
  for (int step = 0; step < grid.steps(); ++step) {
    weights next(count, 0.0);
    for (std::size_t i = 0; i < count; ++i) {
      if (now[i] == 0.0) continue;
      auto const x = sequence(i);
      weights joint{now[i]};
      for (int l = 0; l < length; ++l) {
        weights const q = kernel(grid[step], grid[step + 1], x, l);
        weights longer;
        for (double const w : joint) {
          for (double const v : q) longer.push_back(w * v);
        }
        joint = longer;
      }
      for (std::size_t k = 0; k < count; ++k) next[k] += joint[k];
    }
    now = next;
  }
  return now;
}

}  // namespace test
