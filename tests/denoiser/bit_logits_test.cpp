// Logits of bits as rows of two classes: from the clean bits, from what is flipped, and both.

#include <diffx/denoiser/bit_logits.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
using denoiser::bit_logits;
using denoiser::bit_source;

constexpr std::int64_t batch = 3, bits = 5;

/// Logits that name their place: 1, 2, 3, ..., the second output from 100 on; every other negative.
struct counting {
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const& x, query const&, Out const& out) const {
    REQUIRE(out.batch == x.batch);
    for (std::int64_t i = 0; i < out.batch; ++i) {
      for (std::int64_t k = 0; k < out.features; ++k) out.row(i)[k] = logit(i, k, x.features);
    }
  }
  static float logit(std::int64_t i, std::int64_t k, std::int64_t width) {
    auto const v = static_cast<float>(1 + i * 10 + k % width + (k >= width ? 100 : 0));
    return (i + k) % 2 == 0 ? v : -v;
  }
};

std::vector<std::uint8_t> noisy() {
  std::vector<std::uint8_t> x;
  for (int k = 0; k < batch * bits; ++k) x.push_back(k % 3 == 0 ? 1 : 0);
  return x;
}

/// p(x0 = 1) / p(x0 = 0) as the pair says it, in logarithms.
void check(bit_source from, int outputs, double timestep, bool reads_mask, float shift = 0.0f,
           double threshold = 0.5) {
  bit_logits const d(counting{}, from, outputs, 8, threshold);
  auto const x = noisy();
  std::vector<float> out(static_cast<std::size_t>(batch * bits * 2), NAN);
  query q;
  q.at.timestep = timestep;
  d(exec::threads(2), batch_view<std::uint8_t const>{x.data(), batch, bits}, q,
    batch_view<float>{out.data(), batch, bits * 2});
  for (std::int64_t i = 0; i < batch; ++i) {
    for (std::int64_t k = 0; k < bits; ++k) {
      auto const at = static_cast<std::size_t>(i * bits + k);
      float const l = counting::logit(i, reads_mask && outputs == 2 ? bits + k : k, bits) - shift;
      CAPTURE(at);
      CHECK(out[2 * at + 1] - out[2 * at] == (reads_mask && x[at] == 1 ? -l : l));
    }
  }
}

}  // namespace

TEST_CASE("bit_logits: pairs of either output, in place") {
  check(bit_source::target, 1, 3, false);
  check(bit_source::mask, 1, 3, true);
  check(bit_source::target, 2, 3, false);
  check(bit_source::mask, 2, 3, true);
  check(bit_source::half_half, 2, 3, true);  // 3 < 8 / 2
  check(bit_source::half_half, 2, 4, false);
  auto const shift = static_cast<float>(std::log(0.2 / 0.8));
  check(bit_source::target, 2, 3, false, shift, 0.2);
  check(bit_source::mask, 1, 3, true, shift, 0.2);
}

TEST_CASE("bit_logits: what is refused, and NaN of the network") {
  for (double const t : {0.0, 1.0, std::nan("")}) {
    CHECK_THROWS_WITH_AS(bit_logits(counting{}, bit_source::target, 1, 0, t),
                         doctest::Contains("threshold"), error);
  }
  CHECK_THROWS_WITH_AS(bit_logits(counting{}, bit_source::target, 3), doctest::Contains("outputs"),
                       error);
  CHECK_THROWS_WITH_AS(bit_logits(counting{}, bit_source::half_half, 1, 8),
                       doctest::Contains("outputs = 1, must be 2"), error);
  CHECK_THROWS_WITH_AS(bit_logits(counting{}, bit_source::half_half, 2),
                       doctest::Contains("train_steps"), error);
  bit_logits const broken(
      [](auto const&, auto const&, auto const&, auto const& out) { out.data[2] = NAN; },
      bit_source::target);
  process::xor_bernoulli const process(schedule::flip_linear(4, 0.1));
  std::vector<std::uint8_t> x(4);
  CHECK_THROWS_AS((sampler{process, solver::ancestral{}}.sample(
                      exec::host{}, broken, grid::uniform_t(process, 4),
                      batch_view<std::uint8_t>{x.data(), 1, 4})),
                  error);
}
