// recipe::rdlm: the composition runs from its prior to tokens, whole and by digits.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/recipe/rdlm.hpp>

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace {

using namespace diffx;

/// A network that is sure of a text.
auto sure_of(std::vector<int> const& text, int tokens) {
  return denoiser::predicts<prediction::x0_posterior<>>(
      [=](auto const&, auto const&, query const&, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          auto const position = static_cast<std::size_t>(i / tokens) % text.size();
          out.data[i] = i % tokens == text[position] ? 20.0f : 0.0f;
        }
      });
}

std::vector<int> sampled(recipe::rdlm const& s, std::vector<int> const& text, int steps) {
  auto const& law = s.process.law();
  auto const positions = static_cast<std::int64_t>(text.size());
  std::vector<float> x(text.size() * static_cast<std::size_t>(law.width));
  batch_view<float> const v{x.data(), 1, positions * law.width};
  auto const grid = recipe::rdlm_grid(s.process, steps);
  CHECK(grid.back().t == 1e-5);
  s.sample(exec::host{}, sure_of(text, law.tokens), grid, v, options{noise::counted{3}});
  std::vector<int> codes(text.size());
  domain::text::to_tokens(batch_view<float const>{x.data(), 1, v.features},
                          batch_view<int>{codes.data(), 1, positions}, law.tokens, law.width);
  return codes;
}

TEST_CASE("rdlm: characters") {
  auto const s = recipe::rdlm_text8();
  CHECK(s.process.prior().other(1.0) == 1.0);  // sampling starts at the even point
  std::vector<int> const text{3, 0, 26, 13, 13, 1};
  CHECK(sampled(s, text, 256) == text);
}

TEST_CASE("rdlm: words as digits") {
  auto const digits = recipe::rdlm_lm1b_digits();
  CHECK(digits.digits() == 10);
  std::vector<std::int32_t> const words{101, 30521, 0, 7};
  std::vector<int> text(words.size() * 10);
  digits.encode(std::span(words), std::span(text));
  auto const out = sampled(recipe::rdlm_lm1b(), text, 1000);
  CHECK(digits.tokens_from(std::span(out), 101) == words);
}

}  // namespace
