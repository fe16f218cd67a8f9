// Tiles of rows that a block of threads takes through a whole loop.

#include <diffx/denoiser/computes_in.hpp>
#include <diffx/denoiser/row_local.hpp>
#include <diffx/exec/cuda_graph.cuh>
#include <diffx/guidance/cfg.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sample_by_rows.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/heun.hpp>

#include <cuda_fp16.h>

#include "../support/levels.hpp"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

constexpr std::int64_t batch = 3000;

/// test::wave in half precision, with the number of the row.
struct half_wave {
  static constexpr int branches = 1;
  diffx::prediction::eps prediction{};

  struct op {
    diffx::batch_view<__half const> x;
    diffx::batch_view<__half> out;
    DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
      float const label = 0.01f * static_cast<float>((x.first_sample + sample) % 5);
      for (int i = 0; i < n; ++i) {
        float const v = static_cast<float>(x.row(sample)[first + i]);
        out.row(sample)[first + i] = static_cast<__half>(0.8f * v / (1.0f + 0.1f * v * v) + label);
      }
    }
  };
  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<__half const> x, diffx::query const&,
                  diffx::batch_view<__half> out) const {
    exec.for_each_tile(x.batch, x.features, op{x, out});
  }
};

/// Tiles and whole passes run the same code on the device: not a bit may differ.
template <class Sampler, class Network>
void same_samples(Sampler const& s, Network const& network, std::int64_t features,
                  diffx::options<> const& o = {diffx::noise::counted{11}}) {
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 9));
  test::stream const on;
  std::vector<float> given(static_cast<std::size_t>(batch * features));
  for (std::size_t i = 0; i < given.size(); ++i) {
    given[i] = 0.01f * static_cast<float>(i * 37 % 401) - 2.0f;
  }
  test::device_array<float> const x(given), y(given), z(given);
  auto const view = [&](test::device_array<float> const& of) {
    return diffx::batch_view<float>{of.data(), batch, features, 40};
  };
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(s.workspace_size(on.exec(), network, view(x), o)));
  s.start(on.exec(), network, grid, view(x), memory.span(), o).finish();
  test::device_array<std::byte> const passes(
      static_cast<std::size_t>(diffx::sample_by_rows_size(s, network, grid, view(y), o)));
  diffx::sample_by_rows(s, on.exec(), network, grid, view(y), passes.span(), o);
  on.exec().wait();
  auto const want = x.back();
  CHECK(y.back() == want);
  diffx::exec::cuda_graph const recorded(on.exec().stream, [&](auto const& exec) {
    diffx::sample_by_rows(s, exec, network, grid, view(z), passes.span(), o);
  });
  recorded.replay(on.exec().stream);
  on.exec().wait();
  CHECK(z.back() == want);
}

TEST_CASE("tiles of rows give the same samples on the device") {
  auto const net = diffx::denoiser::row_local<test::wave::op>(test::wave{});
  diffx::process::vp const path;
  diffx::solver::ddim const stochastic{.eta = 1.0};
  for (std::int64_t const features : {8, 33, 64}) {
    same_samples(diffx::sampler{path, diffx::solver::dpmpp_2m{}}, net, features);
    same_samples(diffx::sampler{path, stochastic, diffx::guidance::cfg{2.0}}, net, features);
    same_samples(diffx::sampler{path, diffx::solver::heun{}}, net, features);
    auto const halves = diffx::denoiser::computes_in<__half>(half_wave{});
    same_samples(diffx::sampler{path, diffx::solver::dpmpp_2m{}},
                 diffx::denoiser::row_local<half_wave::op>(halves), features);
  }
}

TEST_CASE("tiles of rows give the same samples from a given start, and keep what is fixed") {
  auto const net = diffx::denoiser::row_local<test::wave::op>(test::wave{});
  constexpr std::int64_t features = 33;
  std::vector<std::uint8_t> mask(batch * features);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 7 == 3;
  test::device_array<std::uint8_t> const fixed(mask);
  diffx::sampler const s{diffx::process::vp{}, diffx::solver::dpmpp_2m{}};
  for (auto const from : {diffx::start::prior, diffx::start::given, diffx::start::noised}) {
    diffx::options<> o{diffx::noise::counted{11}};
    o.start = from;
    same_samples(s, net, features, o);
    o.fixed = fixed.data();
    same_samples(s, net, features, o);
  }
}

}  // namespace
