#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/chain_time.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::process {

/// A class is kept, replaced by any of the V classes, or masked for good, in a chain of T steps:
///
///     after k steps:  kept_k 1[j = i] + (1 - kept_k - masked_k) / V,    masked with masked_k
///     one step:       a 1[j = i] + b,    masked with c
///     a = kept_k / kept_{k-1},   1 - c = (1 - masked_k) / (1 - masked_{k-1}),   a + V b + c = 1
///
/// The mask is class V, after the logits. A run starts from masks alone, which is what the chain
/// ends in up to kept_T.
///
/// Levels have t = k / T, timestep = k - 1, alpha = kept_k and sigma = 1 - kept_k.
///
/// Source    Gu et al. 2022, arXiv:2111.14822.
/// Shapes    states [batch, positions], integers in [0, classes]; logits of `classes` classes.
/// Errors    classes < 1; no steps, or lists of two lengths; kept that does not fall within (0, 1),
///           masked that falls or is not in [0, 1), or a step with b below 0; a t that is not k /
///           T: throws diffx::error.
class mask_and_replace {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::mask_and_replace";
  static constexpr std::string_view source = "arXiv:2111.14822";
  static constexpr value_kind values = value_kind::categorical;

  /// What happens to a class: it is kept as it is, goes to a given class, the same one included, or
  /// is masked.
  struct chances {
    double keep, replace, mask;
  };

  /// `kept` and `masked` after 1, ..., T steps.
  mask_and_replace(int classes, std::vector<double> kept, std::vector<double> masked)
      : time_(static_cast<int>(kept.size())),
        classes_(classes),
        kept_(std::move(kept)),
        masked_(std::move(masked)) {
    using diffx::detail::require;
    require(classes >= 1, where, "classes", classes, "at least 1");
    require(!kept_.empty() && kept_.size() == masked_.size(), where, "masked.size()",
            static_cast<long long>(masked_.size()), "that of kept, and at least 1");
    kept_.insert(kept_.begin(), 1.0);
    masked_.insert(masked_.begin(), 0.0);
    for (int k = 1; k <= time_.steps(); ++k) {
      auto const i = static_cast<std::size_t>(k);
      require(kept_[i] > 0.0 && kept_[i] < kept_[i - 1], where, "kept", kept_[i],
              "above 0 and below the one before, 1 at first");
      require(masked_[i] >= masked_[i - 1] && masked_[i] < 1.0, where, "masked", masked_[i],
              "at least the one before, 0 at first, and below 1");
      require(raw_replace(k - 1, k) >= -1e-12, where, "b", raw_replace(k - 1, k),
              "at least 0: a step keeps and masks more than it has");
    }
  }

  /// Both lists linear in the step, which leaves 1e-6 for replacing.
  static mask_and_replace linear(int classes, int steps, double kept_first = 0.99999,
                                 double kept_last = 9e-6, double masked_first = 9e-6,
                                 double masked_last = 0.99999) {
    diffx::detail::require(steps >= 2, where, "steps", steps, "at least 2");
    std::vector<double> kept, masked;
    for (int k = 0; k < steps; ++k) {
      double const share = static_cast<double>(k) / (steps - 1);
      kept.push_back(kept_first + share * (kept_last - kept_first));
      masked.push_back(masked_first + share * (masked_last - masked_first));
    }
    return {classes, std::move(kept), std::move(masked)};
  }

  int states() const noexcept { return classes_ + 1; }
  int steps() const noexcept { return time_.steps(); }
  diffx::detail::limit_law limit() const noexcept { return {classes_, classes_, nullptr}; }

  level at(double t) const { return after(time_.step(t, where)); }
  /// The level of training index i, from -1, the data, to T - 1.
  level at_index(int i) const {
    diffx::detail::require(i >= -1 && i < time_.steps(), where, "index", i, "in [-1, T - 1]");
    return after(i + 1);
  }
  /// The level whose lambda this is, but for the last digits.
  level at_lambda(double lambda) const {
    double const kept = 1.0 / (1.0 + std::exp(-lambda));
    for (int k = 0; k <= time_.steps(); ++k) {
      if (std::fabs(kept_[static_cast<std::size_t>(k)] - kept) <= 1e-12) return after(k);
    }
    diffx::detail::fail("diffx::process::mask_and_replace: lambda = " +
                        diffx::detail::text(lambda) + ", must be that of a step of the chain");
  }

  /// Between the levels of s and t, s the cleaner.
  chances between(level const& s, level const& t) const {
    int const first = time_.step(s.t, where), last = time_.step(t.t, where);
    diffx::detail::require(first <= last, where, "t of the cleaner level", s.t,
                           "at most that of the noisier one");
    double const b = raw_replace(first, last);
    return {keep(first, last), b > 0.0 ? b : 0.0, mask(first, last)};
  }

  /// q(x_t = j | x_s = i), for the levels of s and t.
  std::vector<double> transition(level const& s, level const& t) const {
    chances const c = between(s, t);
    auto const n = static_cast<std::size_t>(states());
    std::vector<double> out(n * n, c.replace);
    for (std::size_t i = 0; i < n; ++i) {
      out[i * n + i] += c.keep;
      out[i * n + n - 1] = c.mask;
      out[(n - 1) * n + i] = 0.0;
    }
    out[n * n - 1] = 1.0;
    return out;
  }

 private:
  static constexpr std::string_view where = "diffx::process::mask_and_replace";

  double keep(int first, int last) const {
    return kept_[static_cast<std::size_t>(last)] / kept_[static_cast<std::size_t>(first)];
  }
  double mask(int first, int last) const {
    double const before = masked_[static_cast<std::size_t>(first)];
    return (masked_[static_cast<std::size_t>(last)] - before) / (1.0 - before);
  }
  double raw_replace(int first, int last) const {
    return (1.0 - keep(first, last) - mask(first, last)) / classes_;
  }

  level after(int k) const {
    double const kept = kept_[static_cast<std::size_t>(k)];
    return {static_cast<double>(k) / time_.steps(), kept, 1.0 - kept,
            std::log(kept) - std::log1p(-kept), k - 1.0};
  }

  diffx::detail::chain_time time_;
  int classes_;
  std::vector<double> kept_, masked_;  // after k steps
};

static_assert(matrix_process<mask_and_replace>);

}  // namespace diffx::process
