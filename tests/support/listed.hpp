#pragma once

#include <diffx/exec/host.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "compositions.hpp"
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

namespace test {

/// A network that predicts listed x0 values whatever the state, and notes what it is asked.
struct listed {
  static constexpr int branches = 3;
  diffx::prediction::x0 prediction{};
  std::vector<std::vector<double>> answers;  // one [batch, features] per branch
  std::vector<diffx::query>* asked = nullptr;

  template <class Exec, class T>
  void operator()(Exec const&, diffx::batch_view<T const>, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    if (asked != nullptr) asked->push_back(q);
    auto const& answer = answers.at(static_cast<std::size_t>(q.branch));
    for (std::size_t i = 0; i < answer.size(); ++i) out.data[i] = static_cast<T>(answer[i]);
  }
};

/// What a guidance makes of listed predictions on one step of a grid: the x0 that the solver sees.
template <class T = double, class Guidance>
std::vector<T> guided(Guidance const& guidance, listed const& network, std::int64_t rows = 1,
                      diffx::timetable const& grid = lambda_grid(1), int step = 0) {
  diffx::sampler<vp_process, diffx::solver::ddim, Guidance> const s{{}, {}, guidance, {}, {}};
  diffx::exec::host const host;
  std::vector<T> x(network.answers.front().size()), x0(x.size());
  diffx::batch_view<T> const view{x.data(), rows, static_cast<std::int64_t>(x.size()) / rows};
  diffx::options<> options;
  options.first_step = options.last_step = step;
  diffx::detail::workspace const memory(s.workspace_size(host, network, view, options));
  auto run = s.start(host, network, grid, view, memory.span(), options);
  run.preview_into(x0.data());
  run.finish();
  return x0;
}

/// Numbers without a pattern, in about [-scale, scale].
inline std::vector<double> irregular(std::size_t n, double scale, double phase) {
  std::vector<double> v(n);
  for (std::size_t i = 0; i < n; ++i) {
    double const k = static_cast<double>(i);
    v[i] = scale * std::sin(1.7 * k * k + 0.9 * k + phase);
  }
  return v;
}

}  // namespace test
