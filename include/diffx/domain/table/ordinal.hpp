#pragma once

#include <diffx/domain/table/place.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace diffx::domain::table {

/// The cell of a categorical column; nothing is a missing cell.
using label = std::optional<std::string>;

enum class category_order : std::uint8_t {
  sorted,            // by the bytes of the labels
  first_appearance,  // as the rows bring them
};

struct ordinal_options {
  category_order order = category_order::sorted;
  std::int64_t least = 1;              // categories of fewer rows are merged into one
  std::string merged_label = "other";  // what that one decodes to
  bool reserve_missing = false;        // room for missing cells though the rows have none
  bool reserve_unknown = false;        // room for labels that the rows do not have
};

/// The categories of a column, numbered:
///
///     [the categories | merged, if any is rare | missing, if any cell is | unknown, if reserved]
///
/// A code means one thing alone. A label that has no code is an error and never code 0; with
/// `reserve_unknown` it gets the last one, which decodes to no label.
///
/// Errors    no rows, a merged label that is a category of its own, labels given twice, more than
///           2^31 - 4 categories; encode: a label without a code, with row and column: throws
///           diffx::error.
class ordinal {
 public:
  static constexpr std::string_view name = "domain::table::ordinal";
  static constexpr std::string_view source = "";

  static ordinal fit(std::span<label const> x, ordinal_options const& o = {},
                     place const& at = {}) {
    if (x.empty()) detail::fail_in(where, at.column, "no rows to fit on");
    detail::require(o.least >= 1, where, "least", static_cast<long long>(o.least), "at least 1");
    std::unordered_map<std::string_view, std::int64_t> rows;  // of every label
    std::vector<std::string_view> seen;
    bool any_missing = false;
    for (label const& l : x) {
      if (!l) {
        any_missing = true;
      } else if (++rows[*l] == 1) {
        seen.push_back(*l);
      }
    }
    std::vector<std::string> kept;
    bool any_rare = false;
    for (std::string_view const l : seen) {
      if (rows[l] < o.least) {
        any_rare = true;
      } else {
        kept.emplace_back(l);
      }
    }
    if (o.order == category_order::sorted) std::sort(kept.begin(), kept.end());
    std::vector<std::string> rare;
    for (std::string_view const l : seen) {
      if (any_rare && rows[l] < o.least) rare.emplace_back(l);
    }
    return ordinal(std::move(kept), std::move(rare), o, any_missing || o.reserve_missing, at);
  }

  /// The categories in the order of their codes, and the rare ones that share the next code.
  ordinal(std::vector<std::string> labels, std::vector<std::string> rare, ordinal_options const& o,
          bool has_missing, place const& at = {})
      : labels_(std::move(labels)),
        rare_(std::move(rare)),
        merged_label_(o.merged_label),
        order_(o.order),
        has_missing_(has_missing),
        has_unknown_(o.reserve_unknown) {
    detail::require(labels_.size() + rare_.size() <= most, where, "categories",
                    static_cast<long long>(labels_.size() + rare_.size()), "at most 2^31 - 4");
    by_label_.resize(labels_.size() + rare_.size());
    std::iota(by_label_.begin(), by_label_.end(), std::size_t{0});
    std::sort(by_label_.begin(), by_label_.end(),
              [&](std::size_t a, std::size_t b) { return any_label(a) < any_label(b); });
    for (std::size_t i = 1; i < by_label_.size(); ++i) {
      if (any_label(by_label_[i - 1]) == any_label(by_label_[i])) {
        detail::fail_in(where, at.column, "category '" + any_label(by_label_[i]) + "' twice");
      }
    }
    if (!rare_.empty()) {
      auto const place_of = find(merged_label_);
      if (place_of && *place_of < labels_.size()) {
        detail::fail_in(where, at.column,
                        "the merged label '" + merged_label_ +
                            "' is a category of its own; choose another merged_label");
      }
    }
  }

  /// Codes in use: K.
  std::int32_t size() const noexcept {
    return known() + static_cast<std::int32_t>(has_missing_) +
           static_cast<std::int32_t>(has_unknown_);
  }
  std::span<std::string const> labels() const noexcept { return labels_; }
  std::span<std::string const> rare() const noexcept { return rare_; }
  std::string const& merged_label() const noexcept { return merged_label_; }
  category_order order() const noexcept { return order_; }

  /// The codes of their own, if there are such.
  std::optional<std::int32_t> merged() const noexcept {
    return rare_.empty() ? std::nullopt : std::optional(known() - 1);
  }
  std::optional<std::int32_t> missing_code() const noexcept {
    return has_missing_ ? std::optional(known()) : std::nullopt;
  }
  std::optional<std::int32_t> unknown() const noexcept {
    return has_unknown_ ? std::optional(size() - 1) : std::nullopt;
  }

  std::int32_t encode(label const& l, std::size_t row = 0, place const& at = {}) const {
    if (!l) {
      if (has_missing_) return known();
      if (has_unknown_) return size() - 1;
      detail::fail_at(where, at, row,
                      "the cell is missing, and none was in the rows fitted on; set "
                      "reserve_missing or reserve_unknown");
    }
    if (auto const i = find(*l)) {
      return static_cast<std::int32_t>(std::min(*i, labels_.size()));
    }
    // What is merged has a name that decode writes, so that it can be read again.
    if (!rare_.empty() && *l == merged_label_) return known() - 1;
    if (has_unknown_) return size() - 1;
    detail::fail_at(where, at, row,
                    "unknown category '" + *l + "'; set reserve_unknown to give such a code");
  }

  /// Whether a code stands for something that the rows had: not the reserved code, nor outside.
  bool is_valid(std::int64_t code) const noexcept {
    return code >= 0 && code < size() - static_cast<std::int32_t>(has_unknown_);
  }

  /// The label of a code; nothing for the missing category and for every invalid code.
  label decode(std::int64_t code) const {
    if (code < 0 || code >= known()) return std::nullopt;
    auto const i = static_cast<std::size_t>(code);
    return i < labels_.size() ? labels_[i] : merged_label_;
  }

 private:
  static constexpr auto where = "diffx::domain::table::ordinal";
  static constexpr std::size_t most = std::numeric_limits<std::int32_t>::max() - 3;

  std::int32_t known() const noexcept {  // codes of labels
    return static_cast<std::int32_t>(labels_.size()) + (rare_.empty() ? 0 : 1);
  }
  std::string const& any_label(std::size_t i) const noexcept {
    return i < labels_.size() ? labels_[i] : rare_[i - labels_.size()];
  }
  std::optional<std::size_t> find(std::string_view l) const noexcept {
    auto const i =
        std::lower_bound(by_label_.begin(), by_label_.end(), l,
                         [&](std::size_t a, std::string_view b) { return any_label(a) < b; });
    if (i == by_label_.end() || any_label(*i) != l) return std::nullopt;
    return *i;
  }

  std::vector<std::string> labels_, rare_;
  std::string merged_label_;
  category_order order_;
  bool has_missing_, has_unknown_;
  std::vector<std::size_t> by_label_;  // sorted by label, for look-ups in log time
};

}  // namespace diffx::domain::table
