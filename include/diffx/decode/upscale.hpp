#pragma once

#include <diffx/config.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

namespace diffx::decode {

/// Values as digits, the coarsest first: stage j generates one digit of base `branch`, of weight
/// branch^(stages - 1 - j), for every position, each stage in an order of its own. The network is
/// told the stage and sees `future` where a position is done in this stage and `past` elsewhere.
///
///     unit = branch^(stages - 1 - stage)
///     past = floor(x / (branch unit)) branch unit,   future = floor(x / unit) unit
///     digit = floor(x / unit) mod branch,            future = past + digit unit
///
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037, section 3.3 (upscale, direct).
/// Requires  x in [0, values()), stage in [0, stages), digit in [0, branch).
/// Errors    branch < 2, stages < 1, or branch^stages above 2^31: the constructor throws
///           diffx::error; digit_law as it says.
class upscale {
 public:
  static constexpr std::string_view name = "decode::upscale";
  static constexpr std::string_view source = "arXiv:2110.02037";

  upscale(int branch, int stages) : branch_(branch), stages_(stages) {
    constexpr auto where = "diffx::decode::upscale";
    detail::require(branch >= 2, where, "branch", branch, "at least 2");
    detail::require(stages >= 1, where, "stages", stages, "at least 1");
    for (int j = 0; j < stages; ++j) {
      values_ *= branch;
      detail::require(values_ <= std::int64_t{1} << 31, where, "stages", stages,
                      "so few that branch^stages is at most 2^31");
    }
  }

  DIFFX_HD int branch() const noexcept { return branch_; }
  DIFFX_HD int stages() const noexcept { return stages_; }
  DIFFX_HD std::int64_t values() const noexcept { return values_; }

  /// The weight of a stage's digit.
  DIFFX_HD std::int64_t unit(int stage) const noexcept {
    std::int64_t u = 1;
    for (int j = stage + 1; j < stages_; ++j) u *= branch_;
    return u;
  }

  /// What is known of x before the stage, as a value; and after it.
  DIFFX_HD std::int64_t past(std::int64_t x, int stage) const noexcept {
    return coarse(x, unit(stage) * branch_);
  }
  DIFFX_HD std::int64_t future(std::int64_t x, int stage) const noexcept {
    return coarse(x, unit(stage));
  }
  DIFFX_HD int digit(std::int64_t x, int stage) const noexcept {
    return static_cast<int>(x / unit(stage) % branch_);
  }
  /// The value after a stage that gave `digit`, from the one before it.
  DIFFX_HD std::int64_t next(std::int64_t past, int digit, int stage) const noexcept {
    return past + digit * unit(stage);
  }

  /// The law of a stage's digit from a network's law of x itself: the mass of every future that
  /// `past` allows, renormalised.
  ///
  /// Shapes    p [values], any non-negative weights; out [branch].
  /// Errors    sizes that differ from these, or no mass on the values that `past` allows.
  void digit_law(std::span<double const> p, std::int64_t past, int stage,
                 std::span<double> out) const {
    constexpr auto where = "diffx::decode::upscale::digit_law";
    detail::require(static_cast<std::int64_t>(p.size()) == values_, where, "p.size()",
                    static_cast<long long>(p.size()), "values(), " + detail::text(values_));
    detail::require(static_cast<int>(out.size()) == branch_, where, "out.size()",
                    static_cast<long long>(out.size()), "the branch, " + detail::text(branch_));
    detail::require(past >= 0 && past < values_ && past == this->past(past, stage), where, "past",
                    static_cast<long long>(past), "a value of the stage's past");
    std::int64_t const u = unit(stage);
    double total = 0.0;
    for (int d = 0; d < branch_; ++d) {
      double mass = 0.0;
      for (std::int64_t x = past + d * u; x < past + (d + 1) * u; ++x) {
        mass += p[static_cast<std::size_t>(x)];
      }
      total += out[static_cast<std::size_t>(d)] = mass;
    }
    detail::require(total > 0.0 && std::isfinite(total), where, "mass of the allowed values", total,
                    "positive and finite");
    for (double& v : out) v /= total;
  }

 private:
  DIFFX_HD static std::int64_t coarse(std::int64_t x, std::int64_t unit) noexcept {
    return x / unit * unit;
  }

  int branch_, stages_;
  std::int64_t values_ = 1;
};

}  // namespace diffx::decode
