#pragma once

#include <diffx/prediction/eps.hpp>

#include "compositions.hpp"
#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace test {

/// A network with a cache of its own: the wavy one, called on every `period`-th step; in between it
/// answers what the last `order` + 1 answers of the branch extrapolate to in time, by Neville's
/// scheme. A run with a cache must be the run without one on this network.
struct remembering {
  static constexpr int branches = wavy::branches;
  using stored = std::pair<double, std::vector<double>>;  // time and answer

  diffx::prediction::eps prediction{};
  int period = 1, order = 0, first = 0;
  std::map<int, std::vector<stored>>* memory = nullptr;  // of each branch, newest first

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<double const> x, diffx::query const& q,
                  diffx::batch_view<double> out) const {
    auto& kept = (*memory)[q.branch];
    auto const size = static_cast<std::size_t>(x.size());
    if ((q.step - first) % period == 0) {
      wavy{}(exec, x, q, out);
      kept.insert(kept.begin(), {q.at.t, {out.data, out.data + size}});
      return;
    }
    std::size_t const points = std::min(kept.size(), static_cast<std::size_t>(order) + 1);
    for (std::size_t i = 0; i < size; ++i) {
      std::vector<double> p;
      for (std::size_t j = 0; j < points; ++j) p.push_back(kept[j].second[i]);
      for (std::size_t width = 1; width < points; ++width) {
        for (std::size_t j = 0; j + width < points; ++j) {
          double const a = kept[j].first, b = kept[j + width].first;
          p[j] = ((q.at.t - b) * p[j] + (a - q.at.t) * p[j + 1]) / (a - b);
        }
      }
      out.data[i] = p[0];
    }
  }
};

/// A double run of a sampler, 3 rows of 5, on this network.
template <class Sampler, class Network>
std::vector<double> run_of(Sampler const& s, Network const& network, int steps, int first = 0) {
  std::vector<double> x(15);
  diffx::options<> options;
  options.noise = diffx::noise::counted{5};
  options.first_step = first;
  s.sample(diffx::exec::host{}, network, lambda_grid(steps),
           diffx::batch_view<double>{x.data(), 3, 5}, options);
  return x;
}

template <class Sampler>
std::vector<double> remembered_run(Sampler const& s, int period, int order, int steps,
                                   int first = 0) {
  std::map<int, std::vector<remembering::stored>> memory;
  return run_of(s, remembering{{}, period, order, first, &memory}, steps, first);
}

}  // namespace test
