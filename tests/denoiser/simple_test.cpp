#include <diffx/denoiser/branched.hpp>
#include <diffx/denoiser/constant.hpp>
#include <diffx/denoiser/polynomial.hpp>

#include "support/denoise.hpp"
#include "support/levels.hpp"
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx::denoiser;

TEST_CASE("constant: the same number everywhere") {
  CHECK(test::denoise(constant(2.5), std::vector{1.0, -3.0}, 2, test::vp(0.0)) ==
        std::vector{2.5, 2.5});
}

TEST_CASE("polynomial: Horner's value of lambda, whatever the state") {
  polynomial const p(std::vector{3.0, -2.0, 0.5});
  CHECK(test::denoise(p, std::vector{7.0, 9.0}, 1, test::vp(3.0)) ==
        std::vector{3.0 - 6.0 + 4.5, 3.0 - 6.0 + 4.5});
  // Degree 0 is finite where lambda is not.
  CHECK(test::denoise(polynomial(std::vector{1.5}), std::vector{7.0}, 1, test::clean())[0] == 1.5);
  CHECK(polynomial(std::vector<double>{})(2.0) == 0.0);
}

TEST_CASE("branched: every branch its own denoiser, the last one for the rest") {
  branched const b(constant(2.0), constant(3.0), polynomial(std::vector{5.0}));
  std::vector<double> const x{0.0};
  CHECK(test::denoise(b, x, 1, test::vp(0.0), 0)[0] == 2.0);
  CHECK(test::denoise(b, x, 1, test::vp(0.0), 1)[0] == 3.0);
  CHECK(test::denoise(b, x, 1, test::vp(0.0), 2)[0] == 5.0);
  CHECK(test::denoise(b, x, 1, test::vp(0.0), 9)[0] == 5.0);
  CHECK(decltype(b)::branches == 3);
}

}  // namespace
