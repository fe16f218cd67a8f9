// What is measured of a sample: a thread and a team of threads give the same bits, sums are sums,
// and the quantile of dynamic thresholding is that of the sorted numbers.

#include <diffx/detail/quantile.hpp>
#include <diffx/detail/reduction.hpp>
#include <diffx/detail/sample_sums.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/adaptive_rk.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/langevin_corrector.hpp>

#include "support/levels.hpp"
#include "support/thread_team.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace {

using diffx::batch_view;

template <class T>
std::vector<T> numbers(std::int64_t n, std::uint64_t seed) {
  std::vector<T> v(static_cast<std::size_t>(n));
  for (std::int64_t first = 0; first < n; first += 256) {
    diffx::noise::counted{seed}.fill(
        {}, 0, first, static_cast<int>(std::min<std::int64_t>(256, n - first)), v.data() + first);
  }
  return v;
}

/// The value and the sum of absolute terms, of one number per element.
template <class T>
struct plain_sum_op {
  static constexpr int sums = 2;
  T const* values;
  std::int64_t features;
  double* out;

  struct row_type {
    plain_sum_op const& op;
    std::int64_t sample;
    template <int W>
    void add(std::int64_t first, int n, double (&sum)[2][W]) const {
      T v[W];
      diffx::detail::read(op.values + sample * op.features + first, n, v);
      for (int i = 0; i < n; ++i) {
        sum[0][i] += static_cast<double>(v[i]);
        sum[1][i] += std::fabs(static_cast<double>(v[i]));
      }
    }
    void finish(double const (&sum)[2]) const {
      op.out[2 * sample] = sum[0];
      op.out[2 * sample + 1] = sum[1];
    }
  };
  row_type row(std::int64_t sample) const { return {*this, sample}; }
};

/// What a run leaves, on the host and with teams.
template <class Sampler, class Denoiser>
void compare_runs(Sampler const& s, Denoiser const& network, std::uint8_t const* fixed = nullptr) {
  constexpr std::int64_t batch = 2, features = 301;
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 4));
  auto const run = [&](auto const& exec) {
    auto x = numbers<float>(batch * features, 5);
    diffx::options o{diffx::noise::counted{9}};
    o.start = diffx::start::given;
    if (fixed != nullptr) o.fixed = fixed;
    batch_view<float> const view{x.data(), batch, features};
    std::vector<std::byte> memory(
        static_cast<std::size_t>(s.workspace_size(exec, network, view, o)) + 64);
    void* at = memory.data();
    std::size_t room = memory.size();
    std::align(64, room - 64, at, room);
    auto r = s.start(exec, network, grid, view, std::span(static_cast<std::byte*>(at), room), o);
    r.finish();
    return x;
  };
  auto const expected = run(diffx::exec::host{}), found = run(test::by_teams{});
  CHECK(expected == found);
  CHECK(std::all_of(expected.begin(), expected.end(), [](float v) { return std::isfinite(v); }));
}

struct branched_network {
  diffx::prediction::eps prediction{};
  static constexpr int branches = 2;

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, diffx::query const& q,
                  batch_view<T> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      auto const v = static_cast<double>(x.data[i]);
      out.data[i] = static_cast<T>(std::sin(3.0 * v + q.branch) + 0.2 * v);
    }
  }
};

}  // namespace

TEST_CASE_TEMPLATE("the sums of a thread and of a team have equal bits", T, float, double) {
  for (std::int64_t const features : test::some_of<std::int64_t>(
           {0, 1, 2, 3, 4, 5, 63, 64, 65, 255, 783, 1024, 1025, 4099, 16384})) {
    CAPTURE(features);
    constexpr std::int64_t batch = 3;
    auto const values = numbers<T>(batch * features, 3);
    std::vector<double> one(2 * batch, -1.0), many(2 * batch, -1.0);
    diffx::detail::for_each_sum(diffx::exec::host{}, batch,
                                plain_sum_op<T>{values.data(), features, one.data()});
    for (int const threads : {16, 32, 48}) {
      test::by_teams exec;
      exec.threads = threads;
      diffx::detail::for_each_sum(exec, batch,
                                  plain_sum_op<T>{values.data(), features, many.data()});
      CHECK(one == many);
    }
    for (std::size_t s = 0; s < batch; ++s) {
      long double sum = 0.0L, size = 0.0L;
      for (std::size_t i = 0; i < static_cast<std::size_t>(features); ++i) {
        auto const v = static_cast<long double>(values[s * static_cast<std::size_t>(features) + i]);
        sum += v;
        size += std::fabs(v);
      }
      // No element goes through more than features / 1024 + 1 + 6 + 16 additions.
      double const bound =
          (static_cast<double>(features) / 1024 + 24) * 0x1p-53 * static_cast<double>(size);
      CHECK(std::fabs(one[2 * s] - static_cast<double>(sum)) <= bound);
      CHECK(std::fabs(one[2 * s + 1] - static_cast<double>(size)) <= bound);
    }
  }
}

TEST_CASE_TEMPLATE("the quantile is that of the sorted numbers", T, float, double) {
  auto const check = [](std::vector<T> x, double quantile, std::vector<std::uint8_t> const& fixed) {
    auto const features = static_cast<std::int64_t>(x.size());
    std::vector<T> scratch(x.size());
    T limit[2] = {};
    diffx::detail::pass_data<T> d;
    d.features = d.prediction_features = features;
    d.state[0] = d.source[0] = x.data();
    d.source_weight[0] = T(1);
    d.to_x0 = T(1);
    d.fixed = fixed.empty() ? nullptr : fixed.data();
    diffx::detail::quantile_op<T> op{d, 1, scratch.data(), quantile, 1e30, &limit[0]};
    diffx::detail::for_each_by_team(diffx::exec::host{}, 1, op);
    op.limit = &limit[1];
    diffx::detail::for_each_by_team(test::by_teams{}, 1, op);
    std::vector<double> sorted;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (fixed.empty() || fixed[i] == 0) sorted.push_back(std::fabs(static_cast<double>(x[i])));
    }
    std::sort(sorted.begin(), sorted.end());
    double expected = 1.0;
    if (!sorted.empty()) {
      double const place = quantile * static_cast<double>(sorted.size() - 1);
      auto const low = static_cast<std::size_t>(place);
      expected = sorted[low];
      if (low + 1 < sorted.size()) {
        expected += (place - static_cast<double>(low)) * (sorted[low + 1] - sorted[low]);
      }
    }
    CHECK(limit[0] == static_cast<T>(std::max(1.0, expected)));
    CHECK(limit[1] == limit[0]);
  };
  for (std::int64_t const features : test::some_of<std::int64_t>({1, 2, 3, 17, 256, 1000})) {
    CAPTURE(features);
    auto x = numbers<T>(features, 4);
    for (auto& v : x) v *= T(20);
    std::vector<std::uint8_t> some(x.size(), 0), all(x.size(), 1);
    for (std::size_t i = 0; i < x.size(); i += 3) some[i] = 1;
    for (double const q : {1e-9, 0.25, 0.5, 0.9, 0.995, 1.0}) {
      check(x, q, {});
      check(x, q, some);
      check(x, q, all);
      std::vector<T> few = x, equal(x.size(), T(-3));
      for (auto& v : few) v = std::round(v / T(8));  // ties, and both zeros
      check(few, q, {});
      check(equal, q, {});
    }
  }
  check({T(-0.0), T(0), T(5), std::numeric_limits<T>::denorm_min(), T(1e20)}, 0.8, {});
}

TEST_CASE("runs that measure their samples do not depend on who adds up") {
  using diffx::sampler;
  namespace guidance = diffx::guidance;
  test::vp_process const process{};
  compare_runs(sampler{process, diffx::solver::ddim{}, guidance::rescale{guidance::cfg{3.0}, 0.7}},
               branched_network{});
  compare_runs(
      sampler{process, diffx::solver::ddim{}, guidance::dynamic_threshold{guidance::cfg{3.0}}},
      branched_network{});
  std::vector<std::uint8_t> fixed(2 * 301, 0);
  for (std::size_t i = 0; i < fixed.size(); ++i) fixed[i] = i < 40 || i % 7 == 0 ? 1 : 0;
  compare_runs(sampler{process, diffx::solver::ddim{}, guidance::rescale{guidance::cfg{3.0}, 0.7}},
               branched_network{}, fixed.data());
  compare_runs(
      sampler{process, diffx::solver::ddim{},
              guidance::dynamic_threshold{guidance::rescale{guidance::cfg{3.0}, 0.5}, 0.9, 3.0}},
      branched_network{}, fixed.data());
  using diffx::langevin_norms;
  for (auto const norms : {langevin_norms::batch, langevin_norms::sample}) {
    diffx::solver::langevin_corrector<> const corrector{0.1, {}, norms};
    compare_runs(sampler{process, corrector}, branched_network{});
    compare_runs(sampler{process, corrector}, branched_network{}, fixed.data());
  }
  compare_runs(sampler{process, diffx::solver::adaptive_rk<diffx::solver::tableau::bs32>{}},
               branched_network{});
}
