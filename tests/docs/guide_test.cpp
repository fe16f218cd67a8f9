// The programs of docs/guide.md; the one with a LibTorch model stands in
// tests/torch/torch_test.cpp.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

// The second program's.
#include <diffx/exec/threads.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/solver/ancestral.hpp>

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

using namespace diffx;

TEST_CASE("the guide's first sample") {
  int const label = 7, null_label = 10;
  std::vector<int> labels;
  auto const my_model = [&](float const* x, std::int64_t batch, double, int told, float* out) {
    labels.push_back(told);
    std::copy_n(x, batch * 784, out);
  };

  // Your network: reads x [batch, features], writes its prediction. q.branch is 0 for the condition
  // and 1 for the null condition; q.at says the time in every unit a network may want.
  auto const network = denoiser::predicts<prediction::eps, 2>(
      [&](auto const&, batch_view<float const> x, query const& q, batch_view<float> out) {
        my_model(x.data, x.batch, q.at.timestep, q.branch == 0 ? label : null_label, out.data);
      });

  sampler const s{process::vp{}, solver::dpmpp_2m{}, guidance::cfg{3.0}};
  auto const grid = grid::uniform_lambda(s.process, 20);  // 20 steps
  std::vector<float> images(16 * 784);
  auto const report =
      s.sample(exec::host{}, network, grid, batch_view<float>{images.data(), 16, 784},
               options{noise::counted{42}});
  // report.nfe == 40: a guided evaluation counts 2

  CHECK(report.nfe == 40);
  CHECK(std::count(labels.begin(), labels.end(), 7) == 20);
  CHECK(std::count(labels.begin(), labels.end(), 10) == 20);
  CHECK(std::all_of(images.begin(), images.end(), [](float v) { return std::isfinite(v); }));
}

TEST_CASE("the guide's sample of classes") {
  int calls = 0;
  auto const my_model = [&](std::int32_t const* x, std::int64_t batch, double, float* logits) {
    ++calls;
    for (std::int64_t i = 0; i < batch * 64; ++i) {
      for (std::int64_t k = 0; k < 27; ++k) logits[27 * i + k] = x[i] == k ? 1.0f : 0.0f;
    }
  };

  sampler const s{process::absorbing<>(27, 26), solver::ancestral{}};  // 26 letters, 26 is the mask
  auto const network = denoiser::predicts<prediction::x0_posterior<>>(
      [&](auto const&, batch_view<std::int32_t const> x, query const& q, batch_view<float> logits) {
        my_model(x.data, x.batch, q.at.t, logits.data);  // [batch, positions x 27]
      });
  std::vector<std::int32_t> text(8 * 64);
  s.sample(exec::threads{}, network, grid::uniform_t(s.process, 32),
           batch_view<std::int32_t>{text.data(), 8, 64}, options{noise::counted{1}});

  CHECK(calls == 32);
  CHECK(std::all_of(text.begin(), text.end(), [](std::int32_t c) { return c >= 0 && c < 26; }));
}
