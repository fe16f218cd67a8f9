// Predictions and states of 16 bits on the device, and particles that are resampled there.

#include <diffx/cache/every_n.hpp>
#include <diffx/denoiser/computes_in.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/sampler.hpp>
#include <diffx/search/resample.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "../support/levels.hpp"
#include "on_device.cuh"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace {

/// test::wave in the type that it is asked in.
struct any_wave {
  static constexpr int branches = 2;
  diffx::prediction::eps prediction{};

  template <class T>
  struct op {
    T const* x;
    T* out;
    std::int64_t features;
    float t, shift;
    DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
      for (int i = 0; i < n; ++i) {
        std::int64_t const e = sample * features + first + i;
        float const v = static_cast<float>(x[e]);
        out[e] = static_cast<T>(0.8f * v / (1.0f + 0.1f * v * v) + 0.05f * t + shift);
      }
    }
  };

  template <class Exec, class T>
  void operator()(Exec const& exec, diffx::batch_view<T const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    exec.for_each_tile(x.batch, x.features,
                       op<T>{x.data, out.data, x.features, static_cast<float>(q.at.t),
                             0.1f * static_cast<float>(q.branch)});
  }
};

constexpr std::int64_t batch = 5, features = 1004;

/// States T and a network in P. A rounding that falls the other way on one side costs half a digit
/// of 2^-digits of a prediction or state; sums of weights are below 4, steps 10.
template <class T, class P, class Sampler>
void compare(Sampler const& s, int digits) {
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 11));
  auto const network = diffx::denoiser::computes_in<P>(any_wave{});
  std::vector<T> host(batch * features);
  s.sample(diffx::exec::host{}, network, grid,
           diffx::batch_view<T>{host.data(), batch, features, 0});
  auto const back = test::sampled_on_device<T>(s, network, grid, batch, features);
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < host.size(); ++i) {
    double const a = static_cast<float>(host[i]), b = static_cast<float>(back[i]);
    worst = std::fmax(worst, std::fabs(a - b));
    largest = std::fmax(largest, std::fabs(a));
  }
  CHECK(worst <= 4 * 10 * std::ldexp(1.0, -digits) * largest);
}

template <class T, class P>
void compare_all(int digits) {
  using namespace diffx;
  test::vp_process const p;
  compare<T, P>(sampler{p, solver::ddim{.eta = 1.0}}, digits);
  compare<T, P>(sampler{p, solver::dpmpp_2m{}, guidance::cfg{2.0}}, digits);
  compare<T, P>(sampler{p, solver::ddim{}, guidance::none{}, cache::every_n<2>{}}, digits);
}

}  // namespace

TEST_CASE("a network in half precision beside a state in float") {
  compare_all<float, __half>(11);
  compare_all<float, __nv_bfloat16>(8);
  using namespace diffx;
  test::vp_process const p;
  compare<float, __half>(sampler{p, solver::ddim{}, guidance::rescale{guidance::cfg{2.0}, 0.7}},
                         11);
  compare<float, __half>(
      sampler{p, solver::ddim{}, guidance::dynamic_threshold{guidance::cfg{2.0}, 0.9, 3.0}}, 11);
}

TEST_CASE("a state in half precision") { compare_all<__half, __half>(11); }

TEST_CASE("particles resampled on the device have the ancestors of the host's") {
  using namespace diffx;
  constexpr std::int64_t groups = 3, particles = 1000;
  std::vector<double> logs(groups * particles);
  for (std::size_t i = 0; i < logs.size(); ++i) {
    noise::counted{5}.fill({}, static_cast<std::int64_t>(i), 0, 1, &logs[i]);
  }
  std::vector<std::int64_t> from(logs.size());
  std::vector<search::resampled> found(groups);
  search::resample(logs, particles, noise::counted{6}, {}, 0, from, found);
  test::stream const on;
  test::device_array<double> const weights(logs);
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(search::resample_workspace_size(groups, particles)));
  test::device_array<std::int64_t> const ancestors(logs.size());
  test::device_array<search::resampled> const facts(groups);
  search::resample_on(on.exec(), weights.data(), groups, particles, noise::counted{6}, {}, 0,
                      memory.span(), ancestors.data(), facts.data());
  on.exec().wait();
  CHECK(ancestors.back() == from);
  auto const back = facts.back();
  for (std::size_t g = 0; g < groups; ++g) {
    CHECK(back[g].effective == found[g].effective);
    CHECK(back[g].log_mean == found[g].log_mean);
  }
}

TEST_CASE("a run on the device goes on with the particles that are kept") {
  using namespace diffx;
  test::vp_process const p;
  sampler const s{p, solver::ddim{.eta = 1.0}};
  std::vector<std::int64_t> const from{0, 0, 2, 2, 4};
  timetable const grid(test::uniform_lambda(-3.0, 3.0, 11));
  auto const drive = [&](std::int64_t const* ancestors) {
    return [ancestors](auto& run) {
      run.advance();
      run.replace(batch, ancestors);
      run.finish();
    };
  };
  any_wave const network;
  std::vector<float> host(batch * features);
  batch_view<float> const view{host.data(), batch, features, 0};
  detail::workspace const memory(s.workspace_size(exec::host{}, network, view));
  auto run = s.start(exec::host{}, network, grid, view, memory.span());
  drive(from.data())(run);
  test::device_array<std::int64_t> const there(from);
  auto const back =
      test::sampled_on_device<float>(s, network, grid, batch, features, {}, drive(there.data()));
  double worst = 0.0;
  for (std::size_t i = 0; i < host.size(); ++i) {
    worst = std::fmax(worst, std::fabs(static_cast<double>(host[i] - back[i])));
  }
  CHECK(worst <= 4 * 10 * 6e-8 * 10);
}
