#pragma once

#include <diffx/config.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

/// Which proposals become classes. A rule says
///
/// | `R::value`        | what it reads of every candidate, a confidence                         |
/// | `R::counts_steps` | true: it divides a block's masks among `steps` calls                   |
/// | `r.weight(from, to)` | a number of the step, in double on the host                         |
/// | `r.chosen(c)`     | how many of the surest candidates are committed, and from which value  |
/// |                   | on any other one is, too                                               |
///
/// Candidates are the open positions of the current block: the masked ones, or under noise of other
/// classes the ones that are not committed. The last step of a run commits all.
namespace diffx::decode {

/// The candidates of one sample, surest first.
struct candidates {
  int count;             // open positions of the block
  int initial;           // open positions that the sample began with
  int open;              // open positions that it has now, in all blocks
  int block;             // positions of the block
  int step;              // calls of the block before this one
  double weight;         // of the rule, in this step
  int const* order;      // [count] positions
  double const* values;  // of a position
  DIFFX_HD double value(int i) const noexcept { return values[order[i]]; }
};

struct choice {
  static constexpr double never = std::numeric_limits<double>::infinity();
  int surest = 0;
  double from = never;
};

/// n at every call. n = 1 samples the data law exactly, in any order, if the network is exact.
struct per_call {
  static constexpr std::string_view name = "decode::per_call";
  static constexpr std::string_view source = "arXiv:2110.02037";
  static constexpr bool counts_steps = false;
  using value = random_order;
  int n = 1;

  void check(std::string_view where) const { detail::require(n >= 1, where, "n", n, "at least 1"); }
  double weight(level const&, level const&) const noexcept { return 0.0; }
  DIFFX_HD choice chosen(candidates const&) const noexcept { return {n, choice::never}; }
};

/// The masks of a block in equal shares over `steps` calls, the larger shares first.
struct evenly {
  static constexpr std::string_view name = "decode::evenly";
  static constexpr std::string_view source = "arXiv:2502.09992";
  static constexpr bool counts_steps = true;
  using value = random_order;
  int steps = 0;  // calls of a block

  void check(std::string_view where) const {
    detail::require(steps >= 1, where, "steps", steps, "at least 1: the calls of a block");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    int const left = steps - c.step > 1 ? steps - c.step : 1;
    return {(c.count + left - 1) / left, choice::never};
  }
};

/// Every one by a coin of its own, 1 / (calls left in the block): the ancestral step of absorbing
/// noise on a log-linear grid, block by block.
struct by_coin {
  static constexpr std::string_view name = "decode::by_coin";
  static constexpr std::string_view source = "arXiv:2406.07524";
  static constexpr bool counts_steps = true;
  using value = coin;
  int steps = 0;  // calls of a block

  void check(std::string_view where) const {
    detail::require(steps >= 1, where, "steps", steps, "at least 1: the calls of a block");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    int const left = steps - c.step > 1 ? steps - c.step : 1;
    return {0, 1.0 - 1.0 / left};
  }
};

/// The share 1 - m_s / m_t of the masks, rounded down, where m is the process's 1 - alpha.
struct transfer {
  static constexpr std::string_view name = "decode::transfer";
  static constexpr std::string_view source = "arXiv:2508.15487";
  static constexpr bool counts_steps = false;
  using value = random_order;

  void check(std::string_view) const noexcept {}
  double weight(level const& from, level const& to) const noexcept {
    return 1.0 - to.sigma / from.sigma;
  }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    // A share that is an integer up to rounding is that integer.
    return {static_cast<int>(c.open * c.weight * (1.0 + 1e-12)), choice::never};
  }
};

/// All but floor(L m_s) masks, where L is the number that the sample began with and m the process's
/// 1 - alpha; at least one, and all but one at most.
struct mask_ratio {
  static constexpr std::string_view name = "decode::mask_ratio";
  static constexpr std::string_view source = "arXiv:2202.04200";
  static constexpr bool counts_steps = false;
  using value = random_order;
  double begun = 0.0;  // masks that the schedule begins with; 0: those of the sample

  void check(std::string_view where) const {
    detail::require(begun >= 0.0 && std::isfinite(begun), where, "begun", begun,
                    "at least 0, a number of masks");
  }
  double weight(level const&, level const& to) const noexcept { return to.sigma; }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    double const all = begun > 0.0 ? begun : c.initial;
    int keep = static_cast<int>(all * c.weight * (1.0 + 1e-12));
    keep = keep > c.open - 1 ? c.open - 1 : keep;
    keep = keep < 1 ? 1 : keep;
    return {c.open - keep, choice::never};
  }
};

/// All with a probability of at least tau, and always the surest.
struct threshold {
  static constexpr std::string_view name = "decode::threshold";
  static constexpr std::string_view source = "arXiv:2505.22618";
  static constexpr bool counts_steps = false;
  using value = probability;
  double tau = 0.9;

  void check(std::string_view where) const {
    detail::require(tau > 0.0 && std::isfinite(tau), where, "tau", tau,
                    "above 0; above 1 commits one position a call");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }
  DIFFX_HD choice chosen(candidates const&) const noexcept { return {1, tau}; }
};

/// The positions of a block in equal shares over `steps` calls, the larger shares first, whether
/// they are open or not; but all with a probability above tau if these are at least as many.
/// tau = 1 leaves the shares alone.
struct dynamic {
  static constexpr std::string_view name = "decode::dynamic";
  static constexpr std::string_view source = "arXiv:2509.06949";
  static constexpr bool counts_steps = true;
  using value = probability;
  int steps = 0;  // calls of a block
  double tau = 0.9;

  void check(std::string_view where) const {
    detail::require(steps >= 1, where, "steps", steps, "at least 1: the calls of a block");
    detail::require(tau > 0.0 && std::isfinite(tau), where, "tau", tau, "above 0; 1 or more: off");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }

  /// The share of call i of a block of `length` positions.
  DIFFX_HD static int share(int length, int steps, int i) noexcept {
    return length / steps + (i < length % steps ? 1 : 0);
  }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    int const call = c.step < steps ? c.step : steps - 1;
    int const least = share(c.block, steps, call);
    int sure = 0;
    for (int i = 0; i < c.count; ++i) sure += c.value(i) > tau ? 1 : 0;
    if (sure < least) return {least, choice::never};
    return {0, above(tau)};
  }
  /// The least number above x.
  DIFFX_HD static double above(double x) noexcept { return ::nextafter(x, 2.0 * x + 1.0); }
};

/// As many as it takes for ceil(B (i + 1) / S) of the B positions of a block to be committed after
/// call i of S, and all with a probability above tau.
struct pace {
  static constexpr std::string_view name = "decode::pace";
  static constexpr std::string_view source = "arXiv:2202.04200";
  static constexpr bool counts_steps = true;
  using value = probability;
  int steps = 0;  // calls of a block
  double tau = 0.95;

  void check(std::string_view where) const {
    detail::require(steps >= 1, where, "steps", steps, "at least 1: the calls of a block");
    detail::require(tau > 0.0 && std::isfinite(tau), where, "tau", tau, "above 0; 1 or more: off");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    std::int64_t const due = (static_cast<std::int64_t>(c.step + 1) * c.block + steps - 1) / steps;
    std::int64_t const needed = due - (c.block - c.count);
    return {needed > 0 ? static_cast<int>(needed) : 0, dynamic::above(tau)};
  }
};

/// Predict, then noise again: of a block of B positions floor(B (S - 1 - i) / S) stay masked after
/// call i of S, one less than there are at most; and all with a probability of at least tau are
/// committed anyway.
struct predict_then_noise {
  static constexpr std::string_view name = "decode::predict_then_noise";
  static constexpr std::string_view source = "arXiv:2510.22852";
  static constexpr bool counts_steps = true;
  using value = probability;
  int steps = 0;  // calls of a block
  double tau = 2.0;

  void check(std::string_view where) const {
    detail::require(steps >= 1, where, "steps", steps, "at least 1: the calls of a block");
    detail::require(tau > 0.0 && std::isfinite(tau), where, "tau", tau, "above 0; above 1: off");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }

  /// How many of `masked` positions stay masked at a level 1 - alpha_s = moved.
  DIFFX_HD static int remasked(int block, int masked, double moved) noexcept {
    int const keep = static_cast<int>(block * moved * (1.0 + 1e-12));
    return keep < masked - 1 ? keep : masked - 1;
  }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    int const left = steps - 1 - c.step > 0 ? steps - 1 - c.step : 0;
    return {c.count - remasked(c.block, c.count, static_cast<double>(left) / steps), tau};
  }
};

/// The largest n with (n + 1) (1 - c_n) < f, where c_n is the n-th largest probability; at least
/// one. For f = 1 the joint law's likeliest sequence is the one of the marginals.
struct factor {
  static constexpr std::string_view name = "decode::factor";
  static constexpr std::string_view source = "arXiv:2505.22618";
  static constexpr bool counts_steps = false;
  using value = probability;
  double f = 1.0;

  void check(std::string_view where) const {
    detail::require(f > 0.0 && std::isfinite(f), where, "f", f, "above 0");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    int n = 1;
    while (n < c.count && (n + 2) * (1.0 - c.value(n)) < f) ++n;
    return {n, choice::never};
  }
};

/// The longest prefix of the order with sum H - max H <= gamma, at least one: a bound on what
/// drawing positions together that depend on each other costs, in nats.
struct entropy_bound {
  static constexpr std::string_view name = "decode::entropy_bound";
  static constexpr std::string_view source = "arXiv:2505.24857";
  static constexpr bool counts_steps = false;
  using value = neg_entropy;
  double gamma = 0.1;

  void check(std::string_view where) const {
    detail::require(gamma >= 0.0 && std::isfinite(gamma), where, "gamma", gamma,
                    "at least 0, in nats");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    double sum = 0.0, largest = 0.0;
    int n = 0;
    for (; n < c.count; ++n) {
      double const h = -c.value(n);
      sum += h;
      largest = h > largest ? h : largest;
      if (n > 0 && sum - largest > gamma) break;
    }
    return {n, choice::never};
  }
};

/// The longest prefix of the order with sum H < gamma, at least one.
struct entropy_sum {
  static constexpr std::string_view name = "decode::entropy_sum";
  static constexpr std::string_view source = "arXiv:2509.06949";
  static constexpr bool counts_steps = false;
  using value = neg_entropy;
  double gamma = 0.1;

  void check(std::string_view where) const {
    detail::require(gamma >= 0.0 && std::isfinite(gamma), where, "gamma", gamma,
                    "at least 0, in nats");
  }
  double weight(level const&, level const&) const noexcept { return 0.0; }
  DIFFX_HD choice chosen(candidates const& c) const noexcept {
    double sum = 0.0;
    int n = 0;
    for (; n < c.count; ++n) {
      sum += -c.value(n);
      if (n > 0 && !(sum < gamma)) break;
    }
    return {n, choice::never};
  }
};

}  // namespace diffx::decode
