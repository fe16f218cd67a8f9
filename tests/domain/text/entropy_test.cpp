#include <diffx/domain/text/entropy.hpp>

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace {

double entropy(std::vector<std::int32_t> classes) {
  return diffx::domain::text::sample_entropy(std::span(classes));
}

TEST_CASE("entropy of a text") {
  CHECK(entropy({}) == 0.0);
  CHECK(entropy({3, 3, 3, 3}) == 0.0);
  CHECK(entropy({7, -1}) == doctest::Approx(std::log(2.0)));
  CHECK(entropy({1, 2, 1, 3}) == doctest::Approx(0.5 * std::log(2.0) + 0.5 * std::log(4.0)));
  std::vector<std::int32_t> all;
  for (int k = 0; k < 256; ++k) all.push_back(k * 37 % 256);
  CHECK(entropy(all) == doctest::Approx(std::log(256.0)).epsilon(1e-12));
}

}  // namespace
