#pragma once

#include <diffx/analysis/table_quality.hpp>
#include <diffx/domain/relational/database.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// How like a real database a synthetic one is: children per parent, and the trend of columns of
/// tables that are k foreign keys apart.
///
/// Source    the measures of Pang et al. 2024 (ClavaDDPM), arXiv:2405.17724.
namespace diffx::analysis {

/// Shape of a relation: 1 - the Kolmogorov-Smirnov distance of the numbers of children.
///
/// Errors    another schema's relation, no parents: throws diffx::error.
inline double cardinality_shape(domain::relational::database const& real,
                                domain::relational::database const& synthetic, std::size_t r) {
  auto const counts = [r](domain::relational::database const& d) {
    domain::relational::require_relation("diffx::analysis::cardinality_shape", d.schema(), r);
    auto const parent = d.schema().relations()[r].parent;
    auto const n = domain::relational::children_of(
        domain::relational::links_of(d, r), static_cast<std::int64_t>(d.tables()[parent].rows()));
    return std::vector<double>(n.begin(), n.end());
  };
  return ks_complement(counts(real), counts(synthetic));
}

/// For every row of the child of path[0], the row of the parent of path.back(), over relations
/// each of which begins where the one before ends; -1 where a key on the way is missing.
inline domain::relational::row_links ancestors(domain::relational::database const& d,
                                               std::span<std::size_t const> path) {
  constexpr auto where = "diffx::analysis::ancestors";
  detail::require(!path.empty(), where, "relations", 0, "at least 1");
  for (std::size_t const r : path) domain::relational::require_relation(where, d.schema(), r);
  auto out = domain::relational::links_of(d, path[0]);
  for (std::size_t k = 1; k < path.size(); ++k) {
    auto const relations = d.schema().relations();
    if (relations[path[k]].child != relations[path[k - 1]].parent) {
      detail::fail(std::string(where) + ": " + d.schema().text(path[k]) + " does not begin where " +
                   d.schema().text(path[k - 1]) + " ends");
    }
    auto const next = domain::relational::links_of(d, path[k]);
    for (auto& row : out) row = row < 0 ? -1 : next[static_cast<std::size_t>(row)];
  }
  return out;
}

/// Trend of a column of the ancestor and one of the descendant, over all rows of the descendant
/// that have that ancestor and no missing number; a missing category is one more.
///
/// Errors    a path that is none, a column that is not there, no such rows: throws diffx::error.
inline double k_hop_similarity(domain::relational::database const& real,
                               domain::relational::database const& synthetic,
                               std::span<std::size_t const> path, std::string_view ancestor_column,
                               std::string_view descendant_column) {
  namespace table = domain::table;
  struct pair {
    std::vector<double> a, b;
    std::vector<std::int32_t> a_codes, b_codes;
  };
  std::map<table::label, std::int32_t> codes_a, codes_b;
  auto const joined = [&](domain::relational::database const& d) {
    auto const& relations = d.schema().relations();
    auto const up = ancestors(d, path);
    auto const& a = d.tables()[relations[path.back()].parent].at(ancestor_column);
    auto const& b = d.tables()[relations[path[0]].child].at(descendant_column);
    auto const is_missing = [](table::column const& c, std::size_t row) {
      return c.type.kind != table::column_kind::category && std::isnan(c.numbers[row]);
    };
    auto const put = [](table::column const& c, std::size_t row, auto& codes, auto& to_numbers,
                        auto& to_codes) {
      if (c.type.kind == table::column_kind::category) {
        auto const next = static_cast<std::int32_t>(codes.size());
        to_codes.push_back(codes.emplace(c.labels[row], next).first->second);
      } else {
        to_numbers.push_back(c.numbers[row]);
      }
    };
    pair out;
    for (std::size_t i = 0; i < up.size(); ++i) {
      if (up[i] < 0 || is_missing(b, i) || is_missing(a, static_cast<std::size_t>(up[i]))) continue;
      put(a, static_cast<std::size_t>(up[i]), codes_a, out.a, out.a_codes);
      put(b, i, codes_b, out.b, out.b_codes);
    }
    return out;
  };
  pair const r = joined(real), s = joined(synthetic);
  if (!r.a.empty() && !r.b.empty()) return correlation_similarity(r.a, r.b, s.a, s.b);
  if (!r.a.empty()) return mixed_similarity(r.a, r.b_codes, s.a, s.b_codes);
  if (!r.b.empty()) return mixed_similarity(r.b, r.a_codes, s.b, s.a_codes);
  return contingency_similarity(r.a_codes, r.b_codes, s.a_codes, s.b_codes);
}

/// The mean of k_hop_similarity over all paths of `hops` relations and all pairs of features.
///
/// Errors    hops below 1, no such pair of columns: throws diffx::error.
inline double k_hop_trend(domain::relational::database const& real,
                          domain::relational::database const& synthetic, int hops) {
  constexpr auto where = "diffx::analysis::k_hop_trend";
  detail::require(hops >= 1, where, "hops", hops, "at least 1");
  auto const& s = real.schema();
  double total = 0.0;
  int pairs = 0;
  std::vector<std::vector<std::size_t>> paths{{}};
  for (int k = 0; k < hops; ++k) {
    std::vector<std::vector<std::size_t>> longer;
    for (auto const& p : paths) {
      for (std::size_t r = 0; r < s.relations().size(); ++r) {
        if (!p.empty() && s.relations()[r].child != s.relations()[p.back()].parent) continue;
        longer.push_back(p);
        longer.back().push_back(r);
      }
    }
    paths = std::move(longer);
  }
  for (auto const& p : paths) {
    for (auto const& a : s.features(s.relations()[p.back()].parent)) {
      for (auto const& b : s.features(s.relations()[p[0]].child)) {
        total += k_hop_similarity(real, synthetic, p, a.name, b.name);
        ++pairs;
      }
    }
  }
  detail::require(pairs > 0, where, "pairs of columns", pairs, "at least 1");
  return total / pairs;
}

}  // namespace diffx::analysis
