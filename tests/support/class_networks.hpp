#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/random.hpp>

#include <cstdint>
#include <limits>
#include <vector>

namespace test {

/// A network of no law: the logits of a position are random numbers that depend on the whole row,
/// the position and the class, and so change with everything that becomes known. A few are -inf.
template <class T = float>
struct scrambled_network {
  diffx::prediction::x0_posterior<T> prediction{};
  int classes = 2;
  double spread = 8.0;  // nats from the least to the largest logit
  std::uint64_t seed = 0;
  std::vector<diffx::query>* seen = nullptr;
  bool rules_out = true;

  template <class Exec, class Code>
  void operator()(Exec const& exec, diffx::batch_view<Code const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    if (seen != nullptr) seen->push_back(q);
    exec.for_each_sample(x.batch, [&](std::int64_t s) {
      std::uint64_t key = seed;
      for (std::int64_t i = 0; i < x.features; ++i) {
        key = (key ^ static_cast<std::uint64_t>(x.row(s)[i] + 1)) * 0x100000001B3ull + 1;
      }
      for (std::int64_t i = 0; i < x.features * classes; ++i) {
        auto const w = diffx::random::philox4x32({{static_cast<std::uint32_t>(i), 0, 0, 0}},
                                                 diffx::random::key_from_seed(key));
        out.row(s)[i] = rules_out && w.word[0] % 17 == 0
                            ? -std::numeric_limits<T>::infinity()
                            : static_cast<T>(w.word[1] * 0x1p-32 * spread);
      }
    });
  }
};

}  // namespace test
