#pragma once

#include <diffx/grid/index.hpp>
#include <diffx/grid/options.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::grid {

/// How many positions each network call generates: call i those of rank [starts[i], starts[i + 1])
/// in the order of generation, the last call those up to the end. `positions` calls are one
/// position each; one call draws all positions independently.
///
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037, section 3.1.
/// Errors    positions < 1, no start, starts[0] != 0, starts that do not rise strictly or reach
///           `positions`: throws diffx::error with the index.
class ardm_policy {
 public:
  ardm_policy(int positions, std::vector<int> starts)
      : positions_(positions), starts_(std::move(starts)) {
    constexpr auto where = "diffx::grid::ardm_policy";
    detail::require(positions >= 1, where, "positions", positions, "at least 1");
    detail::require(!starts_.empty(), where, "starts.size()", 0, "at least 1: the first call");
    for (std::size_t i = 0; i < starts_.size(); ++i) {
      std::string const name = "starts[" + detail::text(i) + "]";
      if (i == 0) {
        detail::require(starts_[0] == 0, where, name, starts_[0], "0");
      } else {
        detail::require(starts_[i] > starts_[i - 1], where, name, starts_[i],
                        "above the start before it, " + detail::text(starts_[i - 1]));
      }
      detail::require(starts_[i] < positions, where, name, starts_[i],
                      "below the number of positions, " + detail::text(positions));
    }
  }

  int positions() const noexcept { return positions_; }
  int calls() const noexcept { return static_cast<int>(starts_.size()); }
  std::vector<int> const& starts() const noexcept { return starts_; }

  /// The ranks of call i are [begin(i), end(i)).
  int begin(int i) const noexcept { return starts_[static_cast<std::size_t>(i)]; }
  int end(int i) const noexcept { return i + 1 < calls() ? begin(i + 1) : positions_; }

  /// Positions of every call: all at least 1, together `positions`.
  std::vector<int> counts() const {
    std::vector<int> out;
    for (int i = 0; i < calls(); ++i) out.push_back(end(i) - begin(i));
    return out;
  }

  friend bool operator==(ardm_policy const&, ardm_policy const&) = default;

 private:
  int positions_;
  std::vector<int> starts_;
};

/// Equal shares: call i starts at round(i positions / budget), half to even.
///
/// Errors    positions < 1, or budget outside [1, positions]: throws diffx::error.
inline ardm_policy ardm_naive(int positions, int budget) {
  constexpr auto where = "diffx::grid::ardm_naive";
  detail::require(positions >= 1, where, "positions", positions, "at least 1");
  detail::require(budget >= 1 && budget <= positions, where, "budget", budget,
                  "in [1, " + detail::text(positions) + "]: calls that generate something");
  std::vector<int> starts;
  for (int i = 0; i < budget; ++i) {
    starts.push_back(static_cast<int>(
        index::detail::round_half_even(static_cast<std::int64_t>(i) * positions, budget)));
  }
  return {positions, std::move(starts)};
}

/// What the losses of a policy search are.
enum class ardm_losses {
  sampled,  // estimates: sorted from large to small first, since the search would exploit their
            // noise; exact losses fall with every known position on average
  exact     // as they are
};

namespace detail {

inline std::vector<double> ardm_prepared(std::string_view where, std::span<double const> losses,
                                         ardm_losses kind) {
  require(!losses.empty(), where, "losses.size()", 0, "at least 1: one for each known count");
  for (std::size_t t = 0; t < losses.size(); ++t) {
    require(std::isfinite(losses[t]) && losses[t] >= 0.0, where, "losses[" + text(t) + "]",
            losses[t], "finite and at least 0");
  }
  std::vector<double> out(losses.begin(), losses.end());
  if (kind == ardm_losses::sampled) std::stable_sort(out.rbegin(), out.rend());
  return out;
}

/// The row of best costs of k calls that generate ranks [0, t), from the row of k - 1; and the
/// start of the last of them. Every call generates something, so t >= k.
inline void ardm_row(std::vector<double> const& losses, int k, std::vector<double> const& before,
                     std::vector<double>& row, int* last_start) {
  int const positions = static_cast<int>(losses.size());
  for (int t = k; t <= positions; ++t) {
    double best = HUGE_VAL;
    int start = k - 1;
    for (int s = k - 1; s < t; ++s) {
      auto const i = static_cast<std::size_t>(s);
      double const cost = before[i] + (t - s) * losses[i];
      if (cost < best) {  // of equal costs the smaller start
        best = cost;
        start = s;
      }
    }
    row[static_cast<std::size_t>(t)] = best;
    if (last_start != nullptr) last_start[t] = start;
  }
}

}  // namespace detail

/// Bits, or nats, that a policy spends on a sequence: sum over its calls of (end - begin) L_begin,
/// where L_t = losses[t] is the mean loss of a position that is generated when t are known.
///
/// Errors    as many losses as positions, finite and at least 0: else throws diffx::error.
inline double ardm_cost(std::span<double const> losses, ardm_policy const& policy) {
  constexpr auto where = "diffx::grid::ardm_cost";
  auto const l = detail::ardm_prepared(where, losses, ardm_losses::exact);
  detail::require(static_cast<int>(l.size()) == policy.positions(), where, "losses.size()",
                  static_cast<long long>(l.size()),
                  "the policy's positions, " + detail::text(policy.positions()));
  double sum = 0.0;
  for (int i = 0; i < policy.calls(); ++i) {
    sum += (policy.end(i) - policy.begin(i)) * l[static_cast<std::size_t>(policy.begin(i))];
  }
  return sum;
}

struct ardm_optimum {
  ardm_policy policy;
  double cost;
};

/// The policy of `budget` calls that costs least, by dynamic programming over (calls, positions):
///
///     C[0, 0] = 0,   C[k, t] = min over s < t of C[k - 1, s] + (t - s) L_s,   answer C[budget, D]
///
/// D = losses.size() positions take O(budget D^2) time. analysis::step_losses measures L.
///
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037, section 3.1; Watson et al. 2021,
///           arXiv:2106.03802. Equal costs: the smaller s, so the result is reproducible.
/// Errors    no losses, one that is not finite or below 0 (with its index), budget outside [1, D]:
///           throws diffx::error.
inline ardm_optimum ardm_dp(std::span<double const> losses, int budget,
                            ardm_losses kind = ardm_losses::sampled) {
  constexpr auto where = "diffx::grid::ardm_dp";
  auto const l = detail::ardm_prepared(where, losses, kind);
  auto const positions = static_cast<int>(l.size());
  detail::require(budget >= 1 && budget <= positions, where, "budget", budget,
                  "in [1, " + detail::text(positions) + "]: calls that generate something");
  std::size_t const width = l.size() + 1;
  std::vector<double> before(width, HUGE_VAL), row(width, HUGE_VAL);
  std::vector<int> last_start((static_cast<std::size_t>(budget) + 1) * width);
  before[0] = 0.0;
  for (int k = 1; k <= budget; ++k) {
    detail::ardm_row(l, k, before, row, &last_start[static_cast<std::size_t>(k) * width]);
    std::swap(before, row);
  }
  std::vector<int> starts(static_cast<std::size_t>(budget));
  int t = positions;
  for (int k = budget; k >= 1; --k) {
    t = last_start[static_cast<std::size_t>(k) * width + static_cast<std::size_t>(t)];
    starts[static_cast<std::size_t>(k) - 1] = t;
  }
  return {ardm_policy(positions, std::move(starts)), before.back()};
}

/// The least cost of 1, 2, ..., `budget` calls: what more calls would buy. Errors as ardm_dp.
inline std::vector<double> ardm_costs(std::span<double const> losses, int budget,
                                      ardm_losses kind = ardm_losses::sampled) {
  constexpr auto where = "diffx::grid::ardm_costs";
  auto const l = detail::ardm_prepared(where, losses, kind);
  auto const positions = static_cast<int>(l.size());
  detail::require(budget >= 1 && budget <= positions, where, "budget", budget,
                  "in [1, " + detail::text(positions) + "]: calls that generate something");
  std::vector<double> before(l.size() + 1, HUGE_VAL), row(before), out;
  before[0] = 0.0;
  for (int k = 1; k <= budget; ++k) {
    detail::ardm_row(l, k, before, row, nullptr);
    std::swap(before, row);
    out.push_back(before.back());
  }
  return out;
}

/// The level at which `known` of `positions` positions carry data: alpha = known / positions.
/// Levels that the process does not reach (its schedule keeps more at t = 1) are taken as t = 1.
template <categorical_process Process>
level known_level(Process const& process, int known, int positions) {
  level const start = process.at(1.0);
  if (known >= positions) return process.at(0.0);
  double const alpha = static_cast<double>(known) / positions;
  if (alpha <= start.alpha) return start;
  return process.at_lambda(std::log(static_cast<double>(known)) -
                           std::log(static_cast<double>(positions - known)));
}

/// One step for each call of the policy, at the level of what is known before it.
///
/// Errors    two calls that both stand at t = 1, because the schedule keeps more than their share
///           there: throws diffx::error.
template <categorical_process Process>
timetable ardm(Process const& process, ardm_policy const& policy) {
  std::vector<level> levels;
  for (int const s : policy.starts()) {
    levels.push_back(known_level(process, s, policy.positions()));
  }
  levels.push_back(process.at(0.0));
  return detail::finish("diffx::grid::ardm", std::move(levels), policy.calls());
}

}  // namespace diffx::grid
