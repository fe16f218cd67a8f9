#pragma once

#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::detail {

inline void require_counts(std::string_view where, std::vector<std::int64_t> const& counts) {
  require(!counts.empty(), where, "number of classes", 0, "at least 1");
  for (std::int64_t const c : counts) {
    require(c >= 0, where, "a count", static_cast<long long>(c), "at least 0");
  }
}

}  // namespace diffx::detail

/// Which classes rows are sampled for, where a network is told the class: as many of each as there
/// were, or other numbers of them.
///
/// Source    Kotelnikov et al. 2023, arXiv:2209.15421.
/// Units     counts[k] is a number of rows of class k.
/// Errors    a label that is no class, no class, counts below 0 or of nothing: throws diffx::error.
namespace diffx::domain::table {

using class_counts = std::vector<std::int64_t>;

inline class_counts counts_of(std::span<std::int32_t const> labels, int classes) {
  constexpr auto where = "diffx::domain::table::counts_of";
  detail::require(classes >= 1, where, "classes", classes, "at least 1");
  class_counts out(static_cast<std::size_t>(classes), 0);
  for (std::int32_t const k : labels) {
    detail::require(k >= 0 && k < classes, where, "a label", k, "in [0, classes)");
    ++out[static_cast<std::size_t>(k)];
  }
  return out;
}

/// The rows that every class lacks to be as frequent as the most frequent one.
inline class_counts counts_to_fill(class_counts counts) {
  detail::require_counts("diffx::domain::table::counts_to_fill", counts);
  std::int64_t const most = *std::max_element(counts.begin(), counts.end());
  for (std::int64_t& c : counts) c = most - c;
  return counts;
}

/// Of two classes: each as often as the other was.
inline class_counts counts_swapped(class_counts counts) {
  constexpr auto where = "diffx::domain::table::counts_swapped";
  detail::require_counts(where, counts);
  detail::require(counts.size() == 2, where, "number of classes",
                  static_cast<long long>(counts.size()), "2");
  std::swap(counts[0], counts[1]);
  return counts;
}

/// The labels of given counts, class after class.
inline std::vector<std::int32_t> labels_of(class_counts const& counts) {
  detail::require_counts("diffx::domain::table::labels_of", counts);
  std::vector<std::int32_t> out;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    out.insert(out.end(), static_cast<std::size_t>(counts[k]), static_cast<std::int32_t>(k));
  }
  return out;
}

/// n labels drawn at the frequencies of the counts. Label i depends on the seed and i alone.
inline std::vector<std::int32_t> draw_labels(class_counts const& counts, std::int64_t n,
                                             noise::counted const& noise) {
  constexpr auto where = "diffx::domain::table::draw_labels";
  detail::require_counts(where, counts);
  std::vector<double> sums;
  double sum = 0.0;
  for (std::int64_t const c : counts) sums.push_back(sum += static_cast<double>(c));
  detail::require(sum > 0.0, where, "the sum of the counts", sum, "above 0");
  auto const source = noise.fork(0x6c6162656cULL);  // not the words of a run with the same seed
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < n; ++i) {
    auto const w = source.words({}, i, 0);
    double const u = detail::unit_uniform(w.word[0], w.word[1]) * sum;
    auto const at = std::upper_bound(sums.begin(), sums.end(), u);
    out.push_back(static_cast<std::int32_t>(at - sums.begin()));
  }
  return out;
}

}  // namespace diffx::domain::table
