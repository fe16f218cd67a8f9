#include <diffx/decode/upscale.hpp>

#include "support/message.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <utility>
#include <vector>

namespace {

using namespace diffx;

TEST_CASE("upscale: digits put the value together again, stage by stage") {
  for (auto const& [branch, stages] : {std::pair{2, 8}, {16, 2}, {3, 5}, {256, 1}, {10, 3}}) {
    decode::upscale const u(branch, stages);
    CHECK(u.values() == std::llround(std::pow(branch, stages)));
    for (std::int64_t x = 0; x < u.values(); ++x) {
      std::int64_t known = 0;
      for (int j = 0; j < stages; ++j) {
        CHECK(u.past(x, j) == known);
        int const d = u.digit(x, j);
        CHECK((d >= 0 && d < branch));
        known = u.next(known, d, j);
        CHECK(u.future(x, j) == known);
        if (j + 1 < stages) CHECK(u.past(x, j + 1) == known);
      }
      CHECK(known == x);
    }
  }
  decode::upscale const widest(2, 31);
  std::int64_t const x = 0x7fffffff;
  CHECK(widest.future(x, 30) == x);
  CHECK(widest.past(x, 30) == x - 1);
}

TEST_CASE("upscale: the chain of digit laws is the law of the value") {
  for (auto const& [branch, stages] : {std::pair{2, 4}, {4, 2}, {3, 3}}) {
    decode::upscale const u(branch, stages);
    std::vector<double> p;
    double total = 0.0;
    for (std::int64_t x = 0; x < u.values(); ++x) {
      p.push_back(x % 5 == 3 ? 0.0 : 1.0 + std::sin(static_cast<double>(x)));
      total += p.back();
    }
    std::vector<double> law(static_cast<std::size_t>(branch));
    for (std::int64_t x = 0; x < u.values(); ++x) {
      double product = 1.0;
      for (int j = 0; j < stages && product > 0.0; ++j) {
        u.digit_law(p, u.past(x, j), j, law);
        double sum = 0.0;
        for (double const v : law) sum += v;
        CHECK(sum == doctest::Approx(1.0).epsilon(1e-14));
        product *= law[static_cast<std::size_t>(u.digit(x, j))];
      }
      double const want = p[static_cast<std::size_t>(x)] / total;
      CHECK(product == doctest::Approx(want).epsilon(1e-13));
    }
  }
}

TEST_CASE("upscale refuses bases and stages that are none, and laws that do not fit") {
  auto const make = [](int branch, int stages) {
    return test::message_of([&] { decode::upscale(branch, stages); });
  };
  std::string const where = "diffx::decode::upscale";
  CHECK(test::says(make(1, 3), where, "branch", "1", "at least 2"));
  CHECK(test::says(make(2, 0), where, "stages", "0", "at least 1"));
  CHECK(test::says(make(2, 32), where, "stages", "32", "so few"));
  CHECK(test::says(make(2147483647, 2), where, "stages", "2", "so few"));
  decode::upscale const u(2, 2);
  std::vector<double> out(2);
  auto const law = [&](std::vector<double> p, std::int64_t past, int stage) {
    return test::message_of([&] { u.digit_law(p, past, stage, out); });
  };
  std::string const at = "diffx::decode::upscale::digit_law";
  CHECK(test::says(law({1, 1, 1}, 0, 0), at, "p.size()", "3", "values(), 4"));
  CHECK(test::says(law({1, 1, 1, 1}, 1, 1), at, "past", "1", "a value of the stage's past"));
  CHECK(test::says(law({1, 1, 0, 0}, 2, 1), at, "mass of the allowed values", "0", "positive"));
}

}  // namespace
