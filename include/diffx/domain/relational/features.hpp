#pragma once

#include <diffx/domain/relational/points.hpp>
#include <diffx/domain/table/min_max.hpp>
#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/typed_table.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

namespace table = domain::table;

/// How columns become points between which distances are taken.
enum class feature_form : std::uint8_t {
  scaled,  // numbers to [-1, 1], categories one-hot
  raw,     // numbers as they are, categories by their place in sorted order: the largest unit rules
};

/// The columns of some tables as points, fitted on all of them at once. A missing number is the
/// mean, a missing category one more category. A column with more than `max_categories` of them is
/// skipped in one-hot form, and named in skipped().
///
/// Errors    tables with other columns than the first, infinite numbers: throws diffx::error.
class feature_map {
 public:
  feature_map(std::span<table::typed_table const* const> tables, feature_form form,
              std::int64_t max_categories = 1000) {
    if (tables.empty()) return;
    for (table::column const& c : tables[0]->columns()) {
      one p;
      p.type = c.type;
      p.form = form;
      std::vector<double> numbers;
      for (auto const* t : tables) {
        table::column const& from = t->at(c.type);
        for (table::label const& l : from.labels) p.codes.emplace(l, 0);
        numbers.insert(numbers.end(), from.numbers.begin(), from.numbers.end());
      }
      if (c.type.kind == table::column_kind::category) {
        std::int64_t next = 0;
        for (auto& code : p.codes) code.second = next++;
        if (form == feature_form::scaled && next > max_categories) {
          skipped_.push_back(c.type.name);
          continue;
        }
      } else {
        p.fit(numbers);
      }
      width_ += p.width();
      columns_.push_back(std::move(p));
    }
  }

  std::int64_t width() const noexcept { return width_; }
  std::vector<std::string> const& skipped() const noexcept { return skipped_; }

  /// `rows` is what the table has; one without columns has as many as it is said to.
  points encode(table::typed_table const& t, std::int64_t rows) const {
    points out{rows, width_, std::vector<double>(static_cast<std::size_t>(rows * width_), 0.0)};
    std::int64_t at = 0;
    for (one const& p : columns_) {
      table::column const& from = t.at(p.type);
      detail::require(static_cast<std::int64_t>(from.size()) == rows,
                      "diffx::domain::relational::feature_map", "rows", rows,
                      "those of the table, " + std::to_string(from.size()));
      for (std::int64_t i = 0; i < rows; ++i) {
        p.put(from, static_cast<std::size_t>(i), out.values.data() + i * width_ + at);
      }
      at += p.width();
    }
    return out;
  }

 private:
  struct one {
    table::column_type type;
    feature_form form{};
    std::map<table::label, std::int64_t> codes{};  // sorted, a missing one first
    table::min_max range{0.0, 0.0};
    double mean = 0.0;

    bool is_category() const noexcept { return type.kind == table::column_kind::category; }
    std::int64_t width() const noexcept {
      return is_category() && form == feature_form::scaled ? static_cast<std::int64_t>(codes.size())
                                                           : 1;
    }
    void fit(std::span<double const> numbers) {
      bool const none =
          std::all_of(numbers.begin(), numbers.end(), [](double x) { return std::isnan(x); });
      if (none) return;
      auto const there = table::observed(numbers, {type.name});
      mean = table::mean_of(there);
      range = table::min_max::fit(there, -1.0, 1.0, {type.name});
    }
    void put(table::column const& from, std::size_t row, double* out) const {
      if (is_category()) {
        auto const code = codes.find(from.labels[row]);
        if (code == codes.end()) {
          detail::fail_at("diffx::domain::relational::feature_map", {type.name}, row,
                          "a category of none of the fitted tables");
        }
        if (form == feature_form::scaled) {
          out[code->second] = 1.0;
        } else {
          *out = static_cast<double>(code->second);
        }
        return;
      }
      double const x = std::isnan(from.numbers[row]) ? mean : from.numbers[row];
      *out = form == feature_form::scaled ? range.encode(x) : x;
    }
  };

  std::vector<one> columns_;
  std::vector<std::string> skipped_;
  std::int64_t width_ = 0;
};

}  // namespace diffx::domain::relational
