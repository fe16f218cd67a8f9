#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// Statistics of the test suite. House rules: fixed seeds, alpha = 1e-6 for every single statistic
/// and at most 1000 of them in the suite, so that a change of the random streams raises a false
/// alarm with probability 1e-3 at most. n and the smallest defect it sees (power 0.99) stand in the
/// test's name or comment; at n = 1e6 that is a mean off by 0.72 % of a deviation, a variance off
/// by 1 % and a total variation of 0.45 % over 16 cells.
namespace test {

inline constexpr double significance = 1e-6;
inline constexpr int most_statistics = 1000;

/// Every p-value of the program. It prints the smallest five when the program ends.
class p_value_registry {
 public:
  static p_value_registry& instance() {
    static p_value_registry one;
    return one;
  }

  /// Records a p-value and says whether it passes. Throws beyond `most_statistics`.
  bool add(std::string name, double p) {
    if (static_cast<int>(entries_.size()) >= most_statistics) {
      throw std::runtime_error(
          "test::p_value_registry: more than 1000 p-values; the family-wise "
          "error bound of the suite no longer holds");
    }
    if (!(p >= 0.0 && p <= 1.0)) {
      throw std::runtime_error("test::p_value_registry: " + name + " has p = " + std::to_string(p));
    }
    entries_.emplace_back(p, std::move(name));
    return p >= significance;
  }

  /// The same for a p-value that is expected to be tiny: a mutant. It does not count.
  static bool rejects(double p) { return p < significance; }

  std::size_t size() const noexcept { return entries_.size(); }

  ~p_value_registry() {
    if (entries_.empty()) return;
    std::sort(entries_.begin(), entries_.end());
    std::printf("%zu p-values, level %g each; the smallest:\n", entries_.size(), significance);
    for (std::size_t i = 0; i < std::min<std::size_t>(5, entries_.size()); ++i) {
      std::printf("  %-12.4g %s\n", entries_[i].first, entries_[i].second.c_str());
    }
  }

 private:
  p_value_registry() = default;
  std::vector<std::pair<double, std::string>> entries_;
};

/// Q(a, x), the upper regularised incomplete gamma function: series below a + 1, Lentz's continued
/// fraction above. Relative error about 1e-13 for a up to 1e4.
inline double gamma_q(double a, double x) {
  if (!(x > 0.0)) return 1.0;
  double const front = std::exp(a * std::log(x) - x - std::lgamma(a));
  constexpr double tiny = 1e-300;
  if (x < a + 1.0) {
    double term = 1.0 / a;
    double sum = term;
    for (int n = 1; n < 100000 && term > sum * 1e-17; ++n) sum += term *= x / (a + n);
    return std::max(0.0, 1.0 - front * sum);
  }
  double b = x + 1.0 - a;
  double c = 1.0 / tiny;
  double d = 1.0 / b;
  double f = d;
  for (int n = 1; n < 100000; ++n) {
    double const an = -n * (n - a);
    b += 2.0;
    d = an * d + b;
    if (std::abs(d) < tiny) d = tiny;
    c = b + an / c;
    if (std::abs(c) < tiny) c = tiny;
    d = 1.0 / d;
    double const change = c * d;
    f *= change;
    if (std::abs(change - 1.0) < 1e-16) break;
  }
  return std::min(1.0, front * f);
}

inline double normal_cdf(double z) { return 0.5 * std::erfc(-z * 0.70710678118654752440); }

/// Two-sided.
inline double p_of_z(double z) { return std::erfc(std::abs(z) * 0.70710678118654752440); }

inline double p_of_chi_square(double statistic, double degrees) {
  return gamma_q(0.5 * degrees, 0.5 * statistic);
}

/// z of a sample mean against the known mean and variance.
inline double z_of_mean(double sample_mean, double mean, double variance, double n) {
  return (sample_mean - mean) / std::sqrt(variance / n);
}

/// z of the mean squared deviation from the *known* mean; kurtosis is 3 for a Gaussian.
inline double z_of_variance(double mean_square_deviation, double variance, double n,
                            double kurtosis = 3.0) {
  return (mean_square_deviation / variance - 1.0) * std::sqrt(n / (kurtosis - 1.0));
}

/// log C(n, k) p^k (1-p)^(n-k).
inline double log_binomial(double k, double n, double p) {
  if (p <= 0.0) return k == 0.0 ? 0.0 : -std::numeric_limits<double>::infinity();
  if (p >= 1.0) return k == n ? 0.0 : -std::numeric_limits<double>::infinity();
  return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) + k * std::log(p) +
         (n - k) * std::log1p(-p);
}

/// Exact two-sided binomial tail, 2 min(P(X <= k), P(X >= k)), at most 1. Terms are summed outwards
/// from k until they no longer count, so it is meant for rare cells: some thousands of terms.
inline double p_of_binomial(std::int64_t observed, std::int64_t n, double p) {
  double const size = static_cast<double>(n);
  auto tail = [&](int direction) {
    double sum = 0.0;
    for (std::int64_t k = observed; k >= 0 && k <= n; k += direction) {
      double const term = std::exp(log_binomial(static_cast<double>(k), size, p));
      sum += term;
      double const beyond = direction * (static_cast<double>(k) - size * p);
      if (beyond > 0.0 && term < 1e-18 * sum) break;
      if (beyond > 0.0 && term == 0.0) break;
    }
    return sum;
  };
  return std::min(1.0, 2.0 * std::min(tail(-1), tail(+1)));
}

/// Observed counts against expected probabilities.
struct cell_test {
  double p = 1.0;          // smallest of the chi-square p and the corrected exact tails
  double statistic = 0.0;  // Pearson
  int degrees = 0;
  std::string worst;  // the three worst cells, for the failure message
};

/// Pearson's chi-square over the cells whose expectation is at least 100. Rarer cells are tested
/// one by one with the exact binomial tail; all p-values are combined by Bonferroni. A count in a
/// cell of probability 0 gives p = 0. The cells must be fixed before sampling.
inline cell_test test_cells(std::span<std::int64_t const> observed,
                            std::span<double const> probability) {
  if (observed.size() != probability.size() || observed.empty()) {
    throw std::runtime_error("test::test_cells: counts and probabilities differ in length");
  }
  std::int64_t n = 0;
  double total = 0.0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    n += observed[i];
    total += probability[i];
  }
  if (std::abs(total - 1.0) > 1e-9) {
    throw std::runtime_error("test::test_cells: probabilities add up to " + std::to_string(total));
  }
  cell_test result;
  std::vector<double> tails;
  std::vector<std::pair<double, std::size_t>> pulls;
  int pearson_cells = 0;
  double rest_expected = 0.0;
  double rest_observed = 0.0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    double const expected = probability[i] * static_cast<double>(n);
    auto const count = static_cast<double>(observed[i]);
    if (probability[i] <= 0.0) {
      if (observed[i] != 0) tails.push_back(0.0);
      continue;
    }
    double const pull = (count - expected) * (count - expected) / expected;
    pulls.emplace_back(-pull, i);
    if (expected < 100.0) {
      tails.push_back(p_of_binomial(observed[i], n, probability[i]));
      rest_expected += expected;
      rest_observed += count;
      continue;
    }
    result.statistic += pull;
    ++pearson_cells;
  }
  // The rare cells together are one more cell of the chi-square, if they are not rare together.
  if (rest_expected >= 100.0) {
    double const gap = rest_observed - rest_expected;
    result.statistic += gap * gap / rest_expected;
    ++pearson_cells;
  }
  // With rare cells left out the total is free, which costs no degree of freedom; counting one too
  // few then only makes the test sharper by less than 1 / sqrt(2 cells).
  result.degrees = pearson_cells - 1;
  double const tests = static_cast<double>(tails.size()) + (result.degrees > 0 ? 1.0 : 0.0);
  if (result.degrees > 0) {
    result.p = std::min(1.0, tests * p_of_chi_square(result.statistic, result.degrees));
  }
  for (double const p : tails) result.p = std::min(result.p, std::min(1.0, tests * p));
  std::sort(pulls.begin(), pulls.end());
  for (std::size_t j = 0; j < std::min<std::size_t>(3, pulls.size()); ++j) {
    std::size_t const i = pulls[j].second;
    result.worst += "cell " + std::to_string(i) + ": observed " + std::to_string(observed[i]) +
                    ", expected " + std::to_string(probability[i] * static_cast<double>(n)) + "; ";
  }
  return result;
}

/// Kolmogorov's distribution, P(sqrt(n) D > value), with Stephens' correction for finite n. Blunt
/// for scale: a second opinion only.
inline double p_of_ks(double largest_gap, double n) {
  double const root = std::sqrt(n);
  double const value = (root + 0.12 + 0.11 / root) * largest_gap;
  if (value < 0.2) return 1.0;
  double sum = 0.0;
  double sign = 1.0;
  for (int k = 1; k <= 100; ++k, sign = -sign) {
    double const term = std::exp(-2.0 * k * k * value * value);
    sum += sign * term;
    if (term < 1e-18 * std::abs(sum) || term == 0.0) break;
  }
  return std::clamp(2.0 * sum, 0.0, 1.0);
}

/// Largest distance between the empirical distribution function and `cdf`; sorts the sample.
template <class Cdf>
double ks_distance(std::vector<double>& sample, Cdf cdf) {
  std::sort(sample.begin(), sample.end());
  auto const n = static_cast<double>(sample.size());
  double gap = 0.0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    double const f = cdf(sample[i]);
    gap = std::max({gap, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return gap;
}

/// z of the correlation of two lists with known mean 0 and variance 1.
inline double z_of_correlation(std::span<double const> a, std::span<double const> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum / std::sqrt(static_cast<double>(a.size()));
}

/// Records p under `name` and says whether it passes; `message` is for the failure report.
inline bool passes(std::string const& name, double p) {
  return p_value_registry::instance().add(name, p);
}

}  // namespace test
