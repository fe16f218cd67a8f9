// Numbers that stay, and a trunk with a stem, on the device.

#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/recipe/twigs.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddpm.hpp>

#include "../support/levels.hpp"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <tuple>
#include <vector>

namespace {

constexpr std::int64_t batch = 3, features = 70;

/// test::wave for every block of a state of two.
struct two_waves {
  diffx::prediction::product<diffx::prediction::eps, diffx::prediction::eps> prediction{};
  test::wave one{};

  template <class Exec>
  void operator()(
      Exec const& exec,
      std::tuple<diffx::batch_view<float const>, diffx::batch_view<float const>> const& x,
      diffx::query const& q,
      std::tuple<diffx::batch_view<float>, diffx::batch_view<float>> const& out) const {
    one(exec, std::get<0>(x), q, std::get<0>(out));
    one(exec, std::get<1>(x), q, std::get<1>(out));
  }
};

/// The network of clamp_clean, which is called with the mask and does not look at it.
struct masked_wave {
  diffx::prediction::eps prediction{};

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<float const> x, diffx::query const& q,
                  diffx::batch_view<std::uint8_t const>, diffx::batch_view<float> out) const {
    test::wave{}(exec, x, q, out);
  }
};

diffx::timetable grid() { return diffx::timetable(test::uniform_lambda(-3.0, 3.0, 11)); }

}  // namespace

TEST_CASE("host and device keep the same observed numbers") {
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddpm{}};
  std::vector<float> given(batch * features), host;
  std::vector<std::uint8_t> mask(given.size());
  for (std::size_t i = 0; i < given.size(); ++i) {
    given[i] = 0.01f * static_cast<float>(i);
    mask[i] = i % 3 == 0 ? 1 : 0;
  }
  host = given;
  diffx::denoiser::clamp_clean const here{masked_wave{}, {mask.data(), batch, features}};
  s.sample(diffx::exec::host{}, here, grid(),
           diffx::batch_view<float>{host.data(), batch, features, 0});

  test::stream const on;
  test::device_array<float> const x(given);
  test::device_array<std::uint8_t> const mask_there(mask);
  diffx::denoiser::clamp_clean const there{masked_wave{}, {mask_there.data(), batch, features}};
  diffx::batch_view<float> const view{x.data(), batch, features, 0};
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(s.workspace_size(on.exec(), there, view)));
  s.start(on.exec(), there, grid(), view, memory.span()).finish();
  on.exec().wait();
  auto const back = x.back();
  CHECK(test::largest_difference(host, back) <= 1e-4);
  for (std::size_t i = 0; i < given.size(); i += 3) CHECK(back[i] == given[i]);
}

TEST_CASE("host and device send the same stem round") {
  test::vp_process const p;
  auto const s = diffx::recipe::twigs(std::tuple{p}, std::tuple{diffx::solver::ddpm{}},
                                      std::tuple{p}, std::tuple{diffx::solver::ddpm{}}, 2);
  using views = std::tuple<diffx::batch_view<float>, diffx::batch_view<float>>;
  std::vector<float> trunk(batch * features), stem(batch);
  s.sample(diffx::exec::host{}, two_waves{}, grid(),
           views{{trunk.data(), batch, features, 0}, {stem.data(), batch, 1, 0}});

  test::stream const on;
  test::device_array<float> const x(trunk.size()), y(stem.size());
  views const there{{x.data(), batch, features, 0}, {y.data(), batch, 1, 0}};
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(s.workspace_size(on.exec(), two_waves{}, there)));
  s.start(on.exec(), two_waves{}, grid(), there, memory.span()).finish();
  on.exec().wait();
  CHECK(test::largest_difference(trunk, x.back()) <= 1e-4);
  CHECK(test::largest_difference(stem, y.back()) <= 1e-4);
}
