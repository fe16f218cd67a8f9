#pragma once

// What the golden files of token samplers share: the token model and the numbered requests for
// uniform numbers, as the files' description has them.

#include <diffx/concepts/noise.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include "harness.hpp"
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace conformance {

/// Uniform number i of request k.
inline double requested(int k, std::int64_t i) {
  return uniform(4000000u + static_cast<std::uint64_t>(k), static_cast<std::uint64_t>(i));
}

/// The token model's logits of [batch, positions, vocab], given the tokens that it sees.
template <class Code>
std::vector<double> token_logits(Code const* x, std::int64_t rows, std::int64_t positions,
                                 int vocab, int step, double scale = 1.0) {
  std::vector<double> out(static_cast<std::size_t>(rows * positions * vocab));
  std::size_t i = 0;
  for (std::int64_t b = 0; b < rows; ++b) {
    for (std::int64_t s = 0; s < positions; ++s) {
      auto const here = static_cast<int>(x[b * positions + s]);
      auto const next = static_cast<int>(x[b * positions + (s + 1) % positions]);
      int const chosen = (5 * here + 3 * next + step) % vocab;
      for (int v = 0; v < vocab; ++v, ++i) {
        double const noise = 6.0 * uniform(2000000u + static_cast<std::uint64_t>(step), i) - 3.0;
        out[i] = scale * (noise + (v == chosen ? 2.0 : 0.0));
      }
    }
  }
  return out;
}

/// The same as a denoiser; `told` says which step the model is told in a step of the run.
struct token_model {
  diffx::prediction::x0_posterior<double> prediction{};
  int vocab = 0;
  double scale = 1.0;
  std::function<int(int step)> told = [](int step) { return step; };

  template <class Exec, class Code>
  void operator()(Exec const&, diffx::batch_view<Code const> x, diffx::query const& q,
                  diffx::batch_view<double> out) const {
    auto const logits = token_logits(x.data, x.batch, x.features, vocab, told(q.step), scale);
    std::copy(logits.begin(), logits.end(), out.data);
  }
};

/// Random words whose uniforms are given: of(step, block of words, half, place in the batch).
struct given_words {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "conformance::given_words";

  std::int64_t positions = 1;
  std::function<double(int step, int block, int half, std::int64_t i)> of =
      [](int, int, int, std::int64_t) { return 0.5; };

  template <class T>
  void fill(diffx::noise::key, std::int64_t, std::int64_t, int n, T* out) const {
    std::fill_n(out, n, T(0));
  }
  diffx::random::words4 words(diffx::noise::key k, std::int64_t sample,
                              std::int64_t position) const {
    diffx::random::words4 w{};
    for (int half = 0; half < 2; ++half) {
      double const u = of(k.step, k.draw, half, sample * positions + position);
      auto const bits = static_cast<std::uint64_t>(u * 0x1p52) << 12;
      w.word[2 * half] = static_cast<std::uint32_t>(bits >> 32);
      w.word[2 * half + 1] = static_cast<std::uint32_t>(bits);
    }
    return w;
  }
  given_words fork(std::uint64_t) const { return *this; }
};
static_assert(diffx::word_source<given_words>);

}  // namespace conformance
