#pragma once

#include <diffx/config.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/step.hpp>

#include <string_view>

namespace diffx::decode {

/// The counts that the grid was planned with: of the masks the share 1 - m_s / m_t, where m is the
/// process's 1 - alpha, to the nearest whole number. On grid::ardm(process, policy) these are the
/// counts of the policy, at any number of positions.
///
///     sampler s{process::absorbing<>(...), solver::decode<decode::random_order,
///     decode::planned>{}} s.sample(exec, network, grid::ardm(s.process, grid::ardm_dp(losses,
///     budget).policy), x, ...)
///
/// is order-agnostic sampling: call i generates the positions of rank [begin(i), end(i)) of an
/// order of each sample. With one position a call and an exact network the law is the data's.
///
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037, Algorithm 1 and section 3.1.
struct planned {
  static constexpr std::string_view name = "decode::planned";
  static constexpr std::string_view source = "arXiv:2110.02037";
  static constexpr bool counts_steps = false;
  using value = random_order;

  void check(std::string_view) const noexcept {}
  double weight(level const& from, level const& to) const noexcept {
    return 1.0 - to.sigma / from.sigma;
  }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    return {static_cast<int>(c.open * c.weight + 0.5), choice::never};
  }
};

}  // namespace diffx::decode
