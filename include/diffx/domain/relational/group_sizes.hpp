#pragma once

#include <diffx/domain/relational/draws.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// How often groups had each size, in the order in which the sizes were first seen.
///
///     size(u) = the first with (count_1 + ... + count_k) / total >= u
///
/// The sums are of probabilities, one after another, and the last size takes what they leave.
///
/// Source    Pang et al. 2024 (ClavaDDPM), arXiv:2405.17724.
/// Errors    no entry, a negative size, one that stands twice, a count below 1: throws
/// diffx::error.
class size_histogram {
 public:
  struct entry {
    std::int64_t size = 0;
    std::int64_t count = 0;

    friend bool operator==(entry const&, entry const&) = default;
  };

  explicit size_histogram(std::vector<entry> entries) : entries_(std::move(entries)) {
    detail::require(!entries_.empty(), where, "entries", 0, "at least 1");
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      detail::require(entries_[i].size >= 0, where, "size", entries_[i].size, "at least 0");
      detail::require(entries_[i].count >= 1, where, "count", entries_[i].count, "at least 1");
      for (std::size_t j = 0; j < i; ++j) {
        detail::require(entries_[j].size != entries_[i].size, where, "size", entries_[i].size,
                        "different from the others: it stands twice");
      }
      total_ += entries_[i].count;
    }
  }

  std::span<entry const> entries() const noexcept { return entries_; }
  double probability(std::size_t i) const noexcept {
    return static_cast<double>(entries_[i].count) / static_cast<double>(total_);
  }
  std::int64_t size_at(double u) const noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      sum += probability(i);
      if (sum >= u) return entries_[i].size;
    }
    return entries_.back().size;
  }

 private:
  static constexpr auto where = "diffx::domain::relational::size_histogram";
  std::vector<entry> entries_;
  std::int64_t total_ = 0;
};

/// Whether parents without children enter the histogram of their label.
enum class childless : std::uint8_t {
  left_out,  // as in the paper: a label of parents with children never gives size 0
  counted,   // the law of the data
};

/// How many children a parent row has, given its label: a histogram for every label.
///
/// A label whose groups were all empty has size 0 in either way of counting; one that was never
/// seen has size 0, too, and is counted.
///
/// Source    Pang et al. 2024 (ClavaDDPM), arXiv:2405.17724, where empty groups are left out.
/// Errors    lists of different lengths, no groups, negative sizes: throws diffx::error.
class group_sizes {
 public:
  static constexpr std::string_view name = "domain::relational::group_sizes";
  static constexpr std::string_view source = "arXiv:2405.17724";

  struct sizes_drawn {
    std::vector<std::int64_t> sizes;  // of every label
    std::int64_t total = 0;           // children
    std::int64_t unknown = 0;         // labels that were never seen
  };

  static group_sizes fit(std::span<std::int64_t const> labels, std::span<std::int64_t const> sizes,
                         childless empty = childless::left_out) {
    detail::require(labels.size() == sizes.size(), where, "labels", labels.size(),
                    "as many as sizes, " + std::to_string(sizes.size()));
    detail::require(!sizes.empty(), where, "groups", 0, "at least 1");
    struct counts {
      std::int64_t label;
      std::vector<size_histogram::entry> entries;
    };
    std::vector<counts> found;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      detail::require(sizes[i] >= 0, where, "size", sizes[i], "at least 0");
      auto at = std::lower_bound(found.begin(), found.end(), labels[i],
                                 [](counts const& c, std::int64_t l) { return c.label < l; });
      if (at == found.end() || at->label != labels[i]) at = found.insert(at, {labels[i], {}});
      if (sizes[i] == 0 && empty == childless::left_out) continue;
      auto& entries = at->entries;
      auto const e = std::find_if(entries.begin(), entries.end(),
                                  [&](auto const& x) { return x.size == sizes[i]; });
      if (e == entries.end()) {
        entries.push_back({sizes[i], 1});
      } else {
        ++e->count;
      }
    }
    group_sizes out;
    for (counts& c : found) {
      if (c.entries.empty()) c.entries.push_back({0, 1});
      out.of_.push_back({c.label, size_histogram(std::move(c.entries))});
    }
    return out;
  }

  /// Null if the label was never seen.
  size_histogram const* find(std::int64_t label) const noexcept {
    auto const at = std::lower_bound(of_.begin(), of_.end(), label,
                                     [](auto const& c, std::int64_t l) { return c.first < l; });
    return at == of_.end() || at->first != label ? nullptr : &at->second;
  }

  /// A size for every parent row, drawn at its own address.
  sizes_drawn draw(std::span<std::int64_t const> labels, draws const& random) const {
    sizes_drawn out;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      auto const* const h = find(labels[i]);
      if (h == nullptr) ++out.unknown;
      out.sizes.push_back(h == nullptr ? 0
                                       : h->size_at(random.uniform(static_cast<std::int64_t>(i))));
      out.total += out.sizes.back();
    }
    return out;
  }

 private:
  static constexpr auto where = "diffx::domain::relational::group_sizes";
  std::vector<std::pair<std::int64_t, size_histogram>> of_;  // by label
};

}  // namespace diffx::domain::relational
