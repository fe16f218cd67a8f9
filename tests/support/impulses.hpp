#pragma once

#include <diffx/denoiser/gaussian.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/sampler.hpp>
#include <diffx/timetable.hpp>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace test {

/// Sample 2 + k sees noise 1 in step k and 0 elsewhere; samples 0 and 1 see none. One draw a step.
struct impulse_noise {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "test::impulse_noise";

  double height = 1.0;

  template <class T>
  void fill(diffx::noise::key key, std::int64_t sample, std::int64_t, int count, T* out) const {
    if (key.draw != 0) {
      throw std::runtime_error(
          "test::impulse_noise: a second draw in one step; its impulse would "
          "fall on that of the first");
    }
    std::fill_n(out, count, sample == 2 + key.step ? static_cast<T>(height) : T(0));
  }
  impulse_noise fork(std::uint64_t) const { return *this; }
};

/// A sampler by deduction, which clang 14 does not do for aggregates.
template <class Process, class Solver, class Guidance = diffx::guidance::none>
diffx::sampler<Process, Solver, Guidance> compose(Process process, Solver solver,
                                                  Guidance guidance = {}) {
  return {process, solver, guidance, {}, {}};
}

struct gaussian_law {
  double mean = 0.0;
  double variance = 0.0;
};

/// The exact law of the result of a linear solver on Gaussian data, without sampling: the run is
/// affine in its start and its noise, so 2 + N impulses through the real loop are its coefficients.
template <class Sampler>
gaussian_law law_of_chain(Sampler const& sampler, diffx::denoiser::gaussian const& data,
                          diffx::timetable const& grid, gaussian_law const& start) {
  std::vector<double> x(2 + static_cast<std::size_t>(grid.steps()), 0.0);
  x[1] = 1.0;
  diffx::options<impulse_noise> options;
  options.start = diffx::start::given;
  auto const batch = static_cast<std::int64_t>(x.size());
  sampler.sample(diffx::exec::host{}, data, grid, diffx::batch_view<double>{x.data(), batch, 1},
                 options);
  double const slope = x[1] - x[0];
  gaussian_law law{x[0] + slope * start.mean, slope * slope * start.variance};
  for (std::size_t i = 2; i < x.size(); ++i) law.variance += (x[i] - x[0]) * (x[i] - x[0]);
  return law;
}

/// One step of a sampler from many states at once, with noise 0 or 1 for all of them.
struct flat_noise {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "test::flat_noise";

  double height = 0.0;

  template <class T>
  void fill(diffx::noise::key, std::int64_t, std::int64_t, int count, T* out) const {
    std::fill_n(out, count, static_cast<T>(height));
  }
  flat_noise fork(std::uint64_t) const { return *this; }
};

template <class Sampler, class Denoiser>
std::vector<double> one_step(Sampler const& sampler, Denoiser const& denoiser,
                             diffx::timetable const& grid, int index, std::vector<double> x,
                             double noise) {
  diffx::options<flat_noise> options;
  options.noise.height = noise;
  options.start = diffx::start::given;
  options.first_step = options.last_step = index;
  auto const batch = static_cast<std::int64_t>(x.size());
  sampler.sample(diffx::exec::host{}, denoiser, grid, diffx::batch_view<double>{x.data(), batch, 1},
                 options);
  return x;
}

}  // namespace test
