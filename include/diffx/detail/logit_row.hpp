#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/random.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

namespace diffx::detail {

/// What scan() finds besides the normaliser.
enum class row_measure { none, margin, entropy };

/// Sums over the logits so far, relative to the largest of them: what the entropy is made of.
template <class T>
struct entropy_sums {
  static constexpr T nothing = -std::numeric_limits<T>::infinity();

  T largest = nothing;
  double total = 0.0;     // of e^(l - largest)
  double weighted = 0.0;  // of e^(l - largest) (l - largest)

  /// Joins the sums of a tile, relative to its own largest.
  DIFFX_HD void join(T top, T sum, T product) noexcept {
    if (top == nothing) return;
    T const now = top > largest ? top : largest;
    auto const fall = static_cast<double>(top - now), mass = static_cast<double>(sum);
    auto const scale = static_cast<double>(exp(top - now));
    double const part = rounded_product(scale, fma(mass, fall, static_cast<double>(product)));
    double const added = rounded_product(scale, mass);
    if (largest == nothing) {
      weighted = part;
      total = added;
    } else {
      auto const old_fall = static_cast<double>(largest - now);
      auto const old_scale = static_cast<double>(exp(largest - now));
      weighted = fma(old_scale, fma(total, old_fall, weighted), part);
      total = fma(old_scale, total, added);
    }
    largest = now;
  }
};

/// What class_row and team_row have in common: the logits of one position, mixed from G branches,
/// and what is known of them after a scan.
///
///     l_v = sum_g weight_g l_{g,v},    p = softmax(l), without the excluded class
///
/// Weights of log-probabilities that sum to 1 are discrete classifier-free guidance in probability
/// space: the normalisation of each branch is a constant of the row and cancels; weights that sum
/// to 1 / T are that at temperature T. A class that any branch rules out (-inf) is ruled out,
/// whatever the sign of its weight.
///
/// Logits are stored as V and read into arithmetic_t<V>: those of 16 bits cost 2 bytes a read, and
/// no wider copy is written.
///
/// A filter is a least logit that a class must have; after one another scan() is needed. Classes
/// that tie with the last one kept are kept. A Row says
///
///     row.scan()                        the largest logit, and the sum relative to it
///     row.nth_top(n)                    a logit that at least n classes have or exceed
///     row.least_with(low, bound, weigh) the largest logit l such that the whole numbers weigh(l')
///                                       of the classes from l on sum to more than the bound; the
///                                       smallest from `low` on if all do not
template <class Row, class V, int G>
class logit_row {
 public:
  using T = arithmetic_t<V>;
  static constexpr T nothing = -std::numeric_limits<T>::infinity();
  static constexpr int tile = 256;

  V const* source[G];
  T weight[G];
  int classes;        // logits of the row
  int excluded = -1;  // a class that is no data: the mask
  T least = nothing;  // logits below it are ruled out

  /// What scan() was told to measure: the two largest probabilities' difference, or the entropy in
  /// nats.
  DIFFX_HD double measured() const noexcept { return measured_; }

  /// The probability of one class; after scan().
  DIFFX_HD double probability(int k) const noexcept {
    T const l = logit(k);
    return is_nothing(l) ? 0.0 : static_cast<double>(exp(l - largest_)) / total_;
  }

  /// The logit of one class, -inf if it is ruled out.
  DIFFX_HD double log_weight(int k) const noexcept { return static_cast<double>(logit(k)); }

  /// The logarithm of sum_v e^(l_v), -inf if every class is ruled out; after scan().
  DIFFX_HD double log_sum() const noexcept {
    return static_cast<double>(largest_) + (total_ > 0.0 ? std::log(total_) : total_);
  }

  /// The logarithm of a probability; after scan().
  DIFFX_HD double log_probability(int k) const noexcept {
    return static_cast<double>(logit(k) - largest_) - std::log(total_);
  }

  /// log(p_a / p_b), for an a that is not ruled out; no scan() is needed.
  DIFFX_HD double log_odds(int a, int b) const noexcept {
    return static_cast<double>(logit(a)) - static_cast<double>(logit(b));
  }

  /// Keeps the n likeliest classes.
  DIFFX_HD void keep_top_k(int n) noexcept {
    if (n >= classes || !self().scan()) return;
    raise(self().least_with(self().nth_top(n), n - 1, [](T) { return std::int64_t{1}; }));
  }

  /// Keeps the likeliest classes that together have at least the share p of the probability: the
  /// class that crosses p is kept, or if `inclusive` is false dropped, but for the likeliest.
  DIFFX_HD void keep_top_p(double p, bool inclusive = true) noexcept {
    if (!(p < 1.0) || !self().scan()) return;
    // What is below has less than 1 - p in all.
    double const depth = std::log(classes / (1.0 - p)) + 1.0;
    T const deep = static_cast<T>(static_cast<double>(largest_) - depth), top = largest_;
    double unit = 0x1p61;  // weights as whole numbers: their sums are the same in any order
    for (double n = 1.0; n < total_; n *= 2.0) unit *= 0.5;
    T const crossing = self().least_with(
        deep > lowest ? deep : lowest, static_cast<std::int64_t>(p * total_ * unit),
        [top, unit](T l) {
          return static_cast<std::int64_t>(static_cast<double>(exp_weight(l - top)) * unit);
        });
    T const above_it = from_ordered(to_ordered(crossing) + 1);
    raise(inclusive ? crossing : above_it < top ? above_it : top);
  }

  /// Keeps the classes at least `share` times as likely as the likeliest.
  DIFFX_HD void keep_min_p(double share) noexcept {
    if (!(share > 0.0) || !self().scan()) return;
    raise(static_cast<T>(static_cast<double>(largest_) + std::log(share)));
  }

  /// A class that the filters let through.
  DIFFX_HD bool keeps(int k) const noexcept { return !is_nothing(logit(k)); }

 protected:
  static constexpr int lanes = 16;
  static constexpr T lowest = -std::numeric_limits<T>::max();

  DIFFX_HD static bool is_nothing(T l) noexcept { return l == nothing; }

  DIFFX_HD T logit(int k) const noexcept {
    T const first = widened<T>(source[0][k]);
    if (k == excluded || is_nothing(first)) return nothing;
    T sum = rounded_product(weight[0], first);
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      T const other = widened<T>(source[g][k]);
      if (is_nothing(other)) return nothing;
      sum = fma(weight[g], other, sum);
    }
    return sum < least ? nothing : sum;
  }

  DIFFX_HD void measure_margin(T second) noexcept {
    measured_ =
        (1.0 - (is_nothing(second) ? 0.0 : static_cast<double>(exp(second - largest_)))) / total_;
  }
  DIFFX_HD void measure_entropy(double weighted) noexcept {
    measured_ = std::log(total_) - weighted / total_;
  }

  T largest_ = 0;
  double total_ = 0.0, measured_ = 0.0;

 private:
  static constexpr int bits = static_cast<int>(sizeof(T)) * 8;
  using word = typename random::detail::bits<T>::word;

  DIFFX_HD Row& self() noexcept { return static_cast<Row&>(*this); }
  DIFFX_HD void raise(T to) noexcept { least = to > least ? to : least; }

  /// Words that are ordered as the numbers are.
  DIFFX_HD static word to_ordered(T l) noexcept {
    // + 0: -0 is 0.
    word const w = random::detail::to_word(l + T(0)), sign = word{1} << (bits - 1);
    return (w & sign) != 0 ? ~w : w | sign;
  }
  DIFFX_HD static T from_ordered(word w) noexcept {
    word const sign = word{1} << (bits - 1);
    return random::detail::from_word<T>((w & sign) != 0 ? w ^ sign : ~w);
  }
};

}  // namespace diffx::detail
