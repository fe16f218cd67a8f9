#pragma once

#include <diffx/concepts/kv.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace test {

using codes = std::vector<std::int32_t>;
using numbers = std::vector<double>;

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A network that says the same of a position in every call. It has a store as well, and counts.
struct fixed_network {
  diffx::prediction::x0_posterior<double> prediction{};
  static constexpr bool time_free = true;
  int classes;
  numbers logits;  // [positions, classes]
  struct counter {
    int calls = 0;
    std::vector<std::vector<diffx::kv::role>> roles;  // of every call with a store
  };
  std::shared_ptr<counter> seen = std::make_shared<counter>();
  int blocks_of = 0;

  int block_length() const { return blocks_of; }
  struct store {};
  store make_store(std::int64_t, std::int64_t) const { return {}; }

  template <class Exec, class Code>
  void operator()(Exec const&, diffx::batch_view<Code const> x, diffx::query const&,
                  diffx::batch_view<double> out) const {
    ++seen->calls;
    for (std::int64_t b = 0; b < x.batch; ++b) {
      std::copy(logits.begin(), logits.end(), out.row(b));
    }
  }
  /// Writes the wanted logits only; the others stay what they were.
  template <class Exec, class Code>
  void operator()(Exec const&, diffx::batch_view<Code const> x, diffx::query const&,
                  diffx::batch_view<diffx::kv::role const> roles, store&,
                  diffx::batch_view<double> out) const {
    ++seen->calls;
    seen->roles.emplace_back(roles.data, roles.data + roles.size());
    for (std::int64_t b = 0; b < x.batch; ++b) {
      for (std::int64_t p = 0; p < x.features; ++p) {
        if ((roles.row(b)[p] & diffx::kv::logits) == 0) continue;
        std::copy_n(logits.begin() + p * classes, classes, out.row(b) + p * classes);
      }
    }
  }
};

/// Logits without a pattern.
inline numbers mixed_logits(int positions, int classes, double spread = 2.0) {
  numbers out;
  for (int i = 0; i < positions * classes; ++i) {
    out.push_back(spread * std::sin(1.0 + 2.7 * i + 0.013 * i * i));
  }
  return out;
}

/// One run over a batch; `after(run)` follows every step.
template <class Process, class Solver, class Cache, class Denoiser, class Exec, class Options,
          class F>
diffx::result decode_run(Process const& process, Solver const& solver, Cache cache,
                         Denoiser const& network, Exec const& exec, codes& x, std::int64_t batch,
                         int steps, Options const& opts, F const& after) {
  diffx::sampler const s{process, solver, diffx::guidance::none{}, cache};
  auto const grid = diffx::grid::uniform_t(process, steps);
  diffx::batch_view<std::int32_t> const view{x.data(), batch,
                                             static_cast<std::int64_t>(x.size()) / batch};
  diffx::detail::workspace const memory(s.workspace_size(exec, network, view, opts));
  auto run = s.start(exec, network, grid, view, memory.span(), opts);
  while (!run.done()) {
    run.advance();
    after(run);
  }
  return run.finish();
}

template <class Confidence, class Rule>
diffx::solver::decode<Confidence, Rule> decoder(Rule rule, int block = 0, double temperature = 1) {
  diffx::solver::decode<Confidence, Rule> out{};
  out.commit = rule;
  out.block = block;
  out.propose.temperature = temperature;
  return out;
}

}  // namespace test
