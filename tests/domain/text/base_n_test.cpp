// The codec of digits: round trips, the order of digits, and finding a place in a text of digits.

#include <diffx/domain/text/base_n.hpp>
#include <diffx/domain/text/vertices.hpp>

#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace {

using namespace diffx;
using domain::text::base_n;

TEST_CASE("base_n: every word goes to digits and back, the lowest digit first") {
  for (int const base : {2, 3, 16}) {
    base_n const code(base, 3);
    std::vector<std::int32_t> words(static_cast<std::size_t>(code.size())), back(words.size());
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<std::int32_t>(i);
    std::vector<std::uint8_t> digits(words.size() * 3);
    code.encode(std::span<std::int32_t const>(words), std::span(digits));
    CHECK(static_cast<int>(digits[3]) == 1);  // word 1: 1 0 0
    CHECK(static_cast<int>(digits[4]) == 0);
    code.decode(std::span<std::uint8_t const>(digits), std::span(back));
    CHECK(back == words);
  }
}

TEST_CASE("base_n: digits of a vocabulary") {
  CHECK(base_n::of_vocabulary(30522, 3).digits() == 10);
  CHECK(base_n::of_vocabulary(27, 3).digits() == 3);
  CHECK(base_n::of_vocabulary(28, 3).digits() == 4);
  CHECK(base_n::of_vocabulary(1, 2).digits() == 1);
  CHECK(base_n(2, 31).size() == std::int64_t{1} << 31);
}

TEST_CASE("base_n: tokens from the first place where one is spelled out, at any offset") {
  base_n const code(3, 2);
  // 7 = 1 2. Two stray digits, token 7, token 4 (1 1), and half a token.
  std::vector<int> const digits{0, 2, 0, 1, 2, 1, 1, 2};
  CHECK(code.tokens_from(std::span(digits), 7) == std::vector<std::int32_t>{7, 4});
  std::vector<int> const whole{1, 2, 0, 1};
  CHECK(code.tokens_from(std::span(whole), 7) == std::vector<std::int32_t>{7, 3});
  CHECK(code.tokens_from(std::span(whole), 8) == std::vector<std::int32_t>{7, 3});  // nowhere
  // At a whole token's distance nothing is lost at the end.
  std::vector<int> const shifted{0, 0, 1, 2, 0, 1};
  CHECK(code.tokens_from(std::span(shifted), 7) == std::vector<std::int32_t>{7, 3});
}

TEST_CASE("base_n refuses what it cannot write, with name, value and range") {
  CHECK_THROWS_WITH_AS(base_n(1, 3), doctest::Contains("base = 1"), error);
  CHECK_THROWS_WITH_AS(base_n(2, 0), doctest::Contains("digits = 0"), error);
  CHECK_THROWS_WITH_AS(base_n(2, 32), doctest::Contains("base^digits"), error);
  CHECK_THROWS_AS(base_n::of_vocabulary(0, 3), error);
  base_n const code(3, 2);
  std::vector<int> digits(2);
  auto const encode = [&](int token) {
    code.encode(std::span<int const>(&token, 1), std::span(digits));
  };
  CHECK_THROWS_WITH_AS(encode(9), doctest::Contains("token = 9"), error);
  CHECK_THROWS_WITH_AS(encode(-1), doctest::Contains("token = -1"), error);
  std::vector<int> const bad{0, 3}, odd{0, 1, 2};
  int token = 0;
  CHECK_THROWS_WITH_AS(code.decode(std::span(bad), std::span(&token, 1)),
                       doctest::Contains("digit = 3"), error);
  CHECK_THROWS_AS(code.decode(std::span(odd), std::span(&token, 1)), error);
}

TEST_CASE("vertices: tokens to points and back") {
  std::vector<int> const codes{0, 2, 1, 3};
  std::vector<int> back(4);
  std::vector<float> x(16, 9.0f);
  batch_view<float> const view{x.data(), 2, 8};
  domain::text::to_vertices(batch_view<int const>{codes.data(), 2, 2}, view, 4);
  for (std::size_t k = 0; k < x.size(); ++k) {
    CHECK(x[k] == (static_cast<int>(k % 4) == codes[k / 4] ? 1.0f : 0.0f));
  }
  domain::text::to_tokens(batch_view<float const>{x.data(), 2, 8},
                          batch_view<int>{back.data(), 2, 2}, 4, 4);
  CHECK(back == codes);
  x[12] = 0.3f;  // the mask of the last position is no token
  domain::text::to_tokens(batch_view<float const>{x.data(), 2, 8},
                          batch_view<int>{back.data(), 2, 2}, 3, 4);
  CHECK(back[3] == 0);
  CHECK_THROWS_WITH_AS(domain::text::to_vertices(batch_view<int const>{codes.data(), 2, 2},
                                                 batch_view<float>{x.data(), 2, 6}, 3),
                       doctest::Contains("code = 3"), error);
  CHECK_THROWS_AS(domain::text::to_vertices(batch_view<int const>{codes.data(), 2, 2}, view, 3),
                  error);
}

}  // namespace
