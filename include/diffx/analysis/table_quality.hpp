#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// How like a real table a synthetic one is: the shape of single columns, the trend of pairs, and
/// how near synthetic rows come to real ones. Every similarity is in [0, 1], 1 for equal tables;
/// the error that studies report is 1 - their mean.
///
/// Source    the measures of Zhang et al. 2024 (TabSyn), arXiv:2310.09656, and of Kotelnikov et al.
///           2023 (TabDDPM), arXiv:2209.15421.
/// Errors    no rows, columns of different lengths, numbers that are not finite, negative codes:
///           throws diffx::error.
namespace diffx::analysis {

namespace table_detail {

inline void require_numbers(std::string_view where, std::string_view name,
                            std::span<double const> x) {
  detail::require(!x.empty(), where, std::string(name) + ".size()", 0, "at least 1");
  for (std::size_t i = 0; i < x.size(); ++i) {
    detail::require(std::isfinite(x[i]), where, std::string(name) + "[" + std::to_string(i) + "]",
                    x[i], "finite");
  }
}

inline void require_codes(std::string_view where, std::string_view name,
                          std::span<std::int32_t const> x) {
  detail::require(!x.empty(), where, std::string(name) + ".size()", 0, "at least 1");
  for (std::size_t i = 0; i < x.size(); ++i) {
    detail::require(x[i] >= 0, where, std::string(name) + "[" + std::to_string(i) + "]", x[i],
                    "at least 0");
  }
}

inline void require_pair(std::string_view where, std::string_view name, std::size_t a,
                         std::size_t b) {
  detail::require(a == b, where, std::string(name) + ": rows of the second column",
                  static_cast<long long>(b), "those of the first, " + std::to_string(a));
}

/// 1 - sum |p - q| / 2 of the shares of equal keys.
template <class Key>
double overlap(std::vector<Key> real, std::vector<Key> synthetic) {
  std::sort(real.begin(), real.end());
  std::sort(synthetic.begin(), synthetic.end());
  double total = 0.0;
  auto r = real.begin();
  auto s = synthetic.begin();
  while (r != real.end() || s != synthetic.end()) {
    Key const key = s == synthetic.end() || (r != real.end() && *r < *s) ? *r : *s;
    auto const next_r = std::upper_bound(r, real.end(), key);
    auto const next_s = std::upper_bound(s, synthetic.end(), key);
    total += std::fabs(static_cast<double>(next_r - r) / static_cast<double>(real.size()) -
                       static_cast<double>(next_s - s) / static_cast<double>(synthetic.size()));
    r = next_r;
    s = next_s;
  }
  return 1.0 - 0.5 * total;
}

/// Pearson's correlation; 0 where a column is constant.
inline double correlation(std::span<double const> x, std::span<double const> y) noexcept {
  double mx = 0.0, my = 0.0;
  auto const n = static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    mx += x[i] / n;
    my += y[i] / n;
  }
  double xx = 0.0, xy = 0.0, yy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const a = x[i] - mx, b = y[i] - my;
    xx += a * a;
    xy += a * b;
    yy += b * b;
  }
  if (xx == 0.0 || yy == 0.0) return 0.0;
  return std::clamp(xy / std::sqrt(xx) / std::sqrt(yy), -1.0, 1.0);
}

}  // namespace table_detail

/// Shape of a numeric column: 1 - sup |F_real - F_synthetic|, the Kolmogorov-Smirnov distance.
inline double ks_complement(std::span<double const> real, std::span<double const> synthetic) {
  constexpr auto where = "diffx::analysis::ks_complement";
  table_detail::require_numbers(where, "real", real);
  table_detail::require_numbers(where, "synthetic", synthetic);
  std::vector<double> a(real.begin(), real.end()), b(synthetic.begin(), synthetic.end());
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  double largest = 0.0;
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    double const x = std::min(a[i], b[j]);
    while (i < a.size() && a[i] == x) ++i;
    while (j < b.size() && b[j] == x) ++j;
    largest = std::max(largest, std::fabs(static_cast<double>(i) / static_cast<double>(a.size()) -
                                          static_cast<double>(j) / static_cast<double>(b.size())));
  }
  return 1.0 - largest;
}

/// Shape of a categorical column: 1 - sum_k |p_k - q_k| / 2. Codes must mean the same in both.
inline double tv_complement(std::span<std::int32_t const> real,
                            std::span<std::int32_t const> synthetic) {
  constexpr auto where = "diffx::analysis::tv_complement";
  table_detail::require_codes(where, "real", real);
  table_detail::require_codes(where, "synthetic", synthetic);
  return table_detail::overlap(std::vector<std::int32_t>(real.begin(), real.end()),
                               std::vector<std::int32_t>(synthetic.begin(), synthetic.end()));
}

/// Trend of two numeric columns: 1 - |rho_real - rho_synthetic| / 2. A constant column correlates
/// with nothing.
inline double correlation_similarity(std::span<double const> real_a, std::span<double const> real_b,
                                     std::span<double const> synthetic_a,
                                     std::span<double const> synthetic_b) {
  constexpr auto where = "diffx::analysis::correlation_similarity";
  for (auto const x : {real_a, real_b}) table_detail::require_numbers(where, "real", x);
  for (auto const x : {synthetic_a, synthetic_b}) {
    table_detail::require_numbers(where, "synthetic", x);
  }
  table_detail::require_pair(where, "real", real_a.size(), real_b.size());
  table_detail::require_pair(where, "synthetic", synthetic_a.size(), synthetic_b.size());
  return 1.0 - 0.5 * std::fabs(table_detail::correlation(real_a, real_b) -
                               table_detail::correlation(synthetic_a, synthetic_b));
}

/// Trend of two categorical columns: 1 - sum_jk |p_jk - q_jk| / 2.
inline double contingency_similarity(std::span<std::int32_t const> real_a,
                                     std::span<std::int32_t const> real_b,
                                     std::span<std::int32_t const> synthetic_a,
                                     std::span<std::int32_t const> synthetic_b) {
  constexpr auto where = "diffx::analysis::contingency_similarity";
  for (auto const x : {real_a, real_b}) table_detail::require_codes(where, "real", x);
  for (auto const x : {synthetic_a, synthetic_b}) {
    table_detail::require_codes(where, "synthetic", x);
  }
  table_detail::require_pair(where, "real", real_a.size(), real_b.size());
  table_detail::require_pair(where, "synthetic", synthetic_a.size(), synthetic_b.size());
  auto const keys = [](std::span<std::int32_t const> a, std::span<std::int32_t const> b) {
    std::vector<std::int64_t> out(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) out[i] = std::int64_t{a[i]} << 32 | b[i];
    return out;
  };
  return table_detail::overlap(keys(real_a, real_b), keys(synthetic_a, synthetic_b));
}

/// A numeric column as classes, for its trend with a categorical one: `bins` equal parts of the
/// real column's range, the last one with its upper end, and a class each for what lies below and
/// above it, which only synthetic numbers do.
inline std::vector<std::int32_t> bins_of(std::span<double const> real, std::span<double const> x,
                                         int bins = 10) {
  constexpr auto where = "diffx::analysis::bins_of";
  detail::require(bins >= 1, where, "bins", bins, "at least 1");
  table_detail::require_numbers(where, "real", real);
  table_detail::require_numbers(where, "x", x);
  auto const [least, most] = std::minmax_element(real.begin(), real.end());
  double const width = (*most - *least) / bins;
  detail::require(std::isfinite(width), where, "range of real", *most - *least, "finite");
  std::vector<std::int32_t> out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] < *least || x[i] > *most) {
      out[i] = x[i] < *least ? 0 : bins + 1;
    } else {
      out[i] =
          1 + (width > 0.0 ? std::min(bins - 1, static_cast<int>((x[i] - *least) / width)) : 0);
    }
  }
  return out;
}

/// Trend of a numeric column (a) and a categorical one (b).
inline double mixed_similarity(std::span<double const> real_a, std::span<std::int32_t const> real_b,
                               std::span<double const> synthetic_a,
                               std::span<std::int32_t const> synthetic_b, int bins = 10) {
  return contingency_similarity(bins_of(real_a, real_a, bins), real_b,
                                bins_of(real_a, synthetic_a, bins), synthetic_b);
}

/// Rows of numbers and codes, row after row.
struct mixed_rows {
  std::int64_t rows = 0;
  std::int64_t width = 0;    // numbers in a row
  std::int64_t columns = 0;  // codes in a row
  double const* numbers = nullptr;
  std::int32_t const* codes = nullptr;
};

enum class record_distance : std::uint8_t {
  l1,  // sum |x - y| / range, and 2 for every code that differs: TabSyn
  l2,  // root of the sum of ((x - y) / range)^2, and of 1 for every such code: TabDDPM
};

/// Distances from a row to the nearest two rows of another table.
struct closest {
  double first = 0.0;
  double second = 0.0;

  /// The nearest-neighbour distance ratio (NNDR), first / second; 1 where both are 0.
  double ratio() const noexcept { return second > 0.0 ? first / second : 1.0; }
};

/// Ranges of the numeric columns, max - min.
///
/// Errors    no rows, a number that is not finite: throws diffx::error.
inline std::vector<double> ranges_of(mixed_rows const& real) {
  constexpr auto where = "diffx::analysis::ranges_of";
  detail::require(real.rows >= 1, where, "real.rows", static_cast<long long>(real.rows),
                  "at least 1");
  std::vector<double> out;
  for (std::int64_t j = 0; j < real.width; ++j) {
    double least = INFINITY, most = -INFINITY;
    for (std::int64_t i = 0; i < real.rows; ++i) {
      double const x = real.numbers[i * real.width + j];
      detail::require(std::isfinite(x), where, "a real number", x, "finite");
      least = std::min(least, x);
      most = std::max(most, x);
    }
    out.push_back(most - least);
  }
  return out;
}

/// Distance to the closest record (DCR) of every synthetic row. Without `ranges` they are those of
/// these real rows; distances to two tables, such as training and held-out rows, compare only under
/// the same ones. A constant column counts in its own units.
///
/// Time      rows of the one times rows of the other.
/// Errors    fewer than 2 real rows, tables of different columns, no finite numbers, other than one
///           range a numeric column, or a negative one: throws diffx::error.
inline std::vector<closest> closest_records(mixed_rows const& real, mixed_rows const& synthetic,
                                            record_distance kind = record_distance::l1,
                                            std::vector<double> ranges = {}) {
  constexpr auto where = "diffx::analysis::closest_records";
  detail::require(real.rows >= 2, where, "real.rows", static_cast<long long>(real.rows),
                  "at least 2");
  detail::require(synthetic.rows >= 0, where, "synthetic.rows",
                  static_cast<long long>(synthetic.rows), "at least 0");
  detail::require(synthetic.width == real.width, where, "synthetic.width",
                  static_cast<long long>(synthetic.width), "that of the real rows");
  detail::require(synthetic.columns == real.columns, where, "synthetic.columns",
                  static_cast<long long>(synthetic.columns), "those of the real rows");
  auto own = ranges_of(real);
  if (ranges.empty()) ranges = std::move(own);
  detail::require(ranges.size() == static_cast<std::size_t>(real.width), where, "ranges.size()",
                  static_cast<long long>(ranges.size()), "one a numeric column");
  std::vector<double> scale;
  for (double const r : ranges) {
    detail::require(r >= 0.0 && std::isfinite(r), where, "a range", r, "at least 0 and finite");
    scale.push_back(r > 0.0 ? 1.0 / r : 1.0);
  }
  std::vector<closest> out;
  for (std::int64_t i = 0; i < synthetic.rows; ++i) {
    closest c{INFINITY, INFINITY};
    double const* const x = synthetic.numbers + i * synthetic.width;
    std::int32_t const* const k = synthetic.codes + i * synthetic.columns;
    for (std::int64_t j = 0; j < real.width; ++j) {
      detail::require(std::isfinite(x[j]), where, "a synthetic number", x[j], "finite");
    }
    for (std::int64_t r = 0; r < real.rows; ++r) {
      double d = 0.0;
      for (std::int64_t j = 0; j < real.width; ++j) {
        double const part =
            std::fabs(x[j] - real.numbers[r * real.width + j]) * scale[static_cast<std::size_t>(j)];
        d += kind == record_distance::l1 ? part : part * part;
      }
      for (std::int64_t j = 0; j < real.columns; ++j) {
        if (k[j] != real.codes[r * real.columns + j]) d += kind == record_distance::l1 ? 2.0 : 1.0;
      }
      if (d < c.first) {
        c = {d, c.first};
      } else if (d < c.second) {
        c.second = d;
      }
    }
    if (kind == record_distance::l2) c = {std::sqrt(c.first), std::sqrt(c.second)};
    out.push_back(c);
  }
  return out;
}

/// Share of synthetic rows that are closer to the training rows than to held-out ones; a tie counts
/// one half. 1/2 is what fresh data gives, 1 what a copier does.
///
/// Errors    no rows, or lists of different lengths: throws diffx::error.
inline double closer_to_training(std::span<closest const> training,
                                 std::span<closest const> held_out) {
  constexpr auto where = "diffx::analysis::closer_to_training";
  detail::require(!training.empty(), where, "rows", 0, "at least 1");
  table_detail::require_pair(where, "distances", training.size(), held_out.size());
  double total = 0.0;
  for (std::size_t i = 0; i < training.size(); ++i) {
    double const a = training[i].first, b = held_out[i].first;
    total += a < b ? 1.0 : a == b ? 0.5 : 0.0;
  }
  return total / static_cast<double>(training.size());
}

}  // namespace diffx::analysis
