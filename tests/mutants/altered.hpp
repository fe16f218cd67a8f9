#pragma once

#include <diffx/cache/taylor.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/timetable.hpp>

#include "../support/levels.hpp"
#include "../support/probes.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// Policies of the library with one thing changed. One type has all mutants of a kind, so that they
// cost one compilation.

namespace mutants {

/// A solver whose stages are changed after it planned them. `first` is the step's first stage.
template <class Base>
struct altered : Base {
  using change = void (*)(diffx::timetable const& grid, int index, diffx::plan& plan,
                          std::size_t first);
  change apply = nullptr;

  template <class Process>
  void plan(diffx::plan_context<Process> const& c, diffx::plan& out) const {
    std::size_t const first = out.stages().size();
    Base::plan(c, out);
    if (apply != nullptr) apply(c.grid, c.index, out, first);
  }
};

/// Classifier-free guidance with other weights.
struct altered_guidance {
  using kind = diffx::guidance_tag;
  static constexpr std::string_view name = "mutants::guidance";
  static constexpr std::string_view source = "";
  static constexpr int branches = 2;
  static constexpr diffx::x0_hook hook = diffx::x0_hook::none;
  static constexpr diffx::guidance_reduction reduction = diffx::guidance_reduction::none;

  double w = 1.0;
  void (*apply)(double w, double& conditional, double& null) = nullptr;

  void weights(diffx::step const&, std::span<double> out) const {
    out[0] = w;
    out[1] = 1.0 - w;
    if (apply != nullptr) apply(w, out[0], out[1]);
  }
};

/// cache::linear<2> with another schedule or other weights.
struct altered_cache {
  using kind = diffx::cache_tag;
  static constexpr std::string_view name = "mutants::cache";
  static constexpr std::string_view source = "";
  static constexpr int depth = 2;

  bool (*refreshes)(int index, int first) = nullptr;
  void (*apply)(std::span<double const> times, std::span<double> w) = nullptr;

  bool refresh(diffx::step const& s, int first) const {
    return refreshes != nullptr ? refreshes(s.index, first) : (s.index - first) % 2 == 0;
  }
  void weights(diffx::step const& s, std::span<double const> times, std::span<double> w) const {
    diffx::cache::linear<2>{}.weights(s, times, w);
    if (apply != nullptr) apply(times, w);
  }
};

/// noise::counted through a change of address, then of value.
struct altered_noise {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "mutants::noise";
  std::uint64_t seed = 77;
  void (*address)(diffx::noise::key& k, std::int64_t& sample, std::int64_t& shift) = nullptr;
  double (*value)(diffx::noise::key k, std::int64_t sample, double z) = nullptr;
  std::uint64_t (*label)(std::uint64_t) = nullptr;  // of a fork; UINT64_MAX: no fork at all

  void fill(diffx::noise::key k, std::int64_t sample, std::int64_t first, int count,
            double* out) const {
    auto const asked = k;
    auto const row = sample;
    std::int64_t shift = 0;
    if (address != nullptr) address(k, sample, shift);
    std::vector<double> z(static_cast<std::size_t>(first + count + shift));
    diffx::noise::counted{seed}.fill(k, sample, 0, static_cast<int>(z.size()), z.data());
    for (int i = 0; i < count; ++i) {
      double const plain = z[static_cast<std::size_t>(first + i + shift)];
      out[i] = value != nullptr ? value(asked, row, plain) : plain;
    }
  }
  altered_noise fork(std::uint64_t l) const {
    std::uint64_t const used = label != nullptr ? label(l) : l;
    altered_noise copy = *this;
    if (used != UINT64_MAX) copy.seed = diffx::noise::counted{seed}.fork(used).seed;
    return copy;
  }
};

/// Numbers in the order of the calls, as a sequential generator gives them.
struct sequential_noise {
  std::shared_ptr<int> calls = std::make_shared<int>(0);

  void fill(diffx::noise::key k, std::int64_t, std::int64_t, int count, double* out) const {
    k.step = (*calls)++ % 1000;
    std::vector<double> z(static_cast<std::size_t>(count));
    diffx::noise::counted{7}.fill(k, 0, 0, count, z.data());
    for (int i = 0; i < count; ++i) out[i] = z[static_cast<std::size_t>(i)];
  }
  sequential_noise fork(std::uint64_t) const { return *this; }
};

/// The variance-preserving path with levels that are changed before they are returned.
struct altered_process : test::vp_process {
  void (*apply)(diffx::level&) = nullptr;
  double inverse_shift = 0.0;  // at_lambda answers for another lambda

  diffx::level at(double t) const { return changed(test::vp_process::at(t)); }
  diffx::level at_lambda(double lambda) const {
    auto l = test::vp_process::at_lambda(lambda + inverse_shift);
    l.lambda = lambda;
    return changed(l);
  }

 private:
  diffx::level changed(diffx::level l) const {
    if (apply != nullptr) apply(l);
    return l;
  }
};

}  // namespace mutants
