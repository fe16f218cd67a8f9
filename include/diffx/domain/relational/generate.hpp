#pragma once

#include <diffx/domain/relational/assemble.hpp>
#include <diffx/domain/relational/database.hpp>
#include <diffx/domain/relational/draws.hpp>
#include <diffx/domain/relational/features.hpp>
#include <diffx/domain/relational/group_labels.hpp>
#include <diffx/domain/relational/match.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// Rows that generation asks for.
struct row_request {
  std::string_view table;
  std::optional<std::size_t> relation{};  // given which parent; nothing: of a root table
  std::span<std::int64_t const> labels;   // of every row, its group's label in that relation;
                                          // -1: a row without a parent. In a root all 0.
  std::uint64_t seed = 0;                 // of this table and relation

  std::int64_t rows() const noexcept { return static_cast<std::int64_t>(labels.size()); }
};

/// The answer: as many rows as labels.
struct sampled_rows {
  table::typed_table features;  // the table's columns that are no keys, in their order
  // Of every relation in which the table is the parent, as schema::below lists them, the label of
  // every row; none at all: all are 0.
  std::vector<std::vector<std::int64_t>> labels{};
};

struct generation {
  std::vector<std::pair<std::string, std::int64_t>> root_rows;  // of every root table
  std::vector<std::optional<relation_model>> relations;  // nothing for those that are deferred
  matching match = matching::nearest_unique;             // of the copies of a child of several
  feature_form match_form = feature_form::scaled;        // raw: as the paper's code
  std::uint64_t seed = 0;
};

/// What became of a relation.
struct relation_report {
  std::int64_t rows = 0;            // child rows generated given this parent
  std::int64_t unknown_labels = 0;  // parents with a label that was never fitted: no children
  std::int64_t dropped = 0;         // child rows that no row of the smallest copy was matched to
  std::int64_t nulls = 0;           // child rows of the database without a parent
};

struct generated {
  database data;
  std::vector<row_links> links;  // of every relation
  std::vector<relation_report> report;
};

/// A database table by table, parents before children.
///
/// A root has as many rows as it is given. A child has for every parent row, by the label that
/// this row was sampled with, a group whose size is drawn from the histogram of the label; all of
/// its rows are then sampled at once, each told its group's label. A child of several parents is
/// sampled once for each: the rows of the smallest copy take, one after another, the nearest free
/// row of every other copy and with it that row's parent; what is left of those is dropped and
/// counted. Deferred keys (see schema) are all missing. Keys are made by assemble().
///
/// The sampler is called sample(row_request const&) and answers sampled_rows.
///
/// Source    Pang et al. 2024 (ClavaDDPM), arXiv:2405.17724.
/// Time      rows of the smallest copy x rows of another, for every further parent (see match).
/// Errors    a root without a number of rows, or a number for another table; no model of a
///           relation, or one whose null_share is outside [0, 1) or not 0 for a key that is not
///           nullable; an answer of other rows, columns or labels: throws diffx::error.
template <class RowSampler>
generated generate(schema const& s, generation const& g, RowSampler&& sample) {
  constexpr auto where = "diffx::domain::relational::generate";
  std::size_t const n = s.tables().size();
  detail::require(g.relations.size() == s.relations().size(), where, "relations",
                  g.relations.size(), std::to_string(s.relations().size()));
  for (auto const& given : g.root_rows) {
    for (std::size_t const r : s.above(s.index(given.first))) {
      if (!s.relations()[r].deferred) {
        detail::fail(std::string(where) + ": root_rows names '" + given.first +
                     "', whose rows follow from " + s.text(r));
      }
    }
  }
  std::vector<table::typed_table> features(n);
  std::vector<std::int64_t> rows(n, 0);
  std::vector<std::vector<std::vector<std::int64_t>>> labels(n);  // [table][relation below][row]
  std::vector<row_links> links(s.relations().size());
  std::vector<relation_report> report(s.relations().size());

  auto const ask = [&](std::size_t i, row_request const& q) {
    sampled_rows out = sample(q);
    std::string const name = "'" + s.tables()[i].name + "'";
    if (out.features.schema() != s.features(i)) {
      detail::fail(std::string(where) + ": the sampler's " + name +
                   " has other columns than the schema's features, or in another order");
    }
    detail::require(
        s.features(i).empty() || static_cast<std::int64_t>(out.features.rows()) == q.rows(), where,
        "sampled rows of " + name, out.features.rows(),
        "as many as asked for, " + std::to_string(q.rows()));
    std::size_t const below = s.below(i).size();
    if (out.labels.empty()) {
      out.labels.assign(below, std::vector<std::int64_t>(static_cast<std::size_t>(q.rows()), 0));
    }
    detail::require(out.labels.size() == below, where, "lists of labels of " + name,
                    out.labels.size(), "one for each relation below, " + std::to_string(below));
    for (auto const& l : out.labels) {
      detail::require(static_cast<std::int64_t>(l.size()) == q.rows(), where, "labels of " + name,
                      l.size(), "one per row, " + std::to_string(q.rows()));
    }
    return out;
  };

  struct copy {
    std::size_t relation;
    sampled_rows rows;
    row_links parents;
  };
  for (std::size_t const i : s.order()) {
    std::vector<copy> copies;
    for (std::size_t const r : s.above(i)) {
      relation const& rel = s.relations()[r];
      if (rel.deferred) continue;
      if (!g.relations[r]) {
        detail::fail(std::string(where) + ": no model of " + s.text(r));
      }
      relation_model const& model = *g.relations[r];
      detail::require(model.null_share >= 0.0 && model.null_share < 1.0 &&
                          (s.key(r).nullable || model.null_share == 0.0),
                      where, "null_share of " + s.text(r), model.null_share,
                      "in [0, 1), and 0 if the key is not nullable");
      auto const below = s.below(rel.parent);
      auto const place =
          static_cast<std::size_t>(std::find(below.begin(), below.end(), r) - below.begin());
      auto const& of_parents = labels[rel.parent][place];
      auto const groups = model.sizes.draw(of_parents, draws(g.seed, purpose::sizes, r));
      report[r].unknown_labels = groups.unknown;
      std::vector<std::int64_t> wanted;
      copy c{r, {}, {}};
      for (std::size_t p = 0; p < of_parents.size(); ++p) {
        auto const size = static_cast<std::size_t>(groups.sizes[p]);
        wanted.insert(wanted.end(), size, of_parents[p]);
        c.parents.insert(c.parents.end(), size, static_cast<std::int64_t>(p));
      }
      auto const nulls = static_cast<std::size_t>(std::llround(
          static_cast<double>(groups.total) * model.null_share / (1.0 - model.null_share)));
      wanted.insert(wanted.end(), nulls, -1);
      c.parents.insert(c.parents.end(), nulls, -1);
      report[r].rows = static_cast<std::int64_t>(wanted.size());
      c.rows = ask(i, {s.tables()[i].name, r, wanted, draws(g.seed, purpose::rows, r).seed()});
      copies.push_back(std::move(c));
    }
    if (copies.empty()) {
      auto const given = std::find_if(g.root_rows.begin(), g.root_rows.end(),
                                      [&](auto const& x) { return x.first == s.tables()[i].name; });
      if (given == g.root_rows.end()) {
        detail::fail(std::string(where) + ": root_rows has no number for '" + s.tables()[i].name +
                     "', which has no parent");
      }
      detail::require(given->second >= 0, where, "rows of '" + given->first + "'",
                      static_cast<long long>(given->second), "at least 0");
      rows[i] = given->second;
      std::vector<std::int64_t> const none(static_cast<std::size_t>(rows[i]), 0);
      draws const random(g.seed, purpose::rows, s.relations().size() + i);
      auto out = ask(i, {s.tables()[i].name, std::nullopt, none, random.seed()});
      features[i] = std::move(out.features);
      labels[i] = std::move(out.labels);
    } else {
      std::size_t anchor = 0;
      for (std::size_t k = 1; k < copies.size(); ++k) {
        if (copies[k].parents.size() < copies[anchor].parents.size()) anchor = k;
      }
      rows[i] = static_cast<std::int64_t>(copies[anchor].parents.size());
      for (copy& c : copies) {
        if (&c == &copies[anchor]) continue;
        auto const m = static_cast<std::int64_t>(c.parents.size());
        table::typed_table const* const both[] = {&copies[anchor].rows.features, &c.rows.features};
        feature_map const map(both, g.match_form);
        auto const found =
            match(g.match, map.encode(*both[0], rows[i]).view(), map.encode(*both[1], m).view(),
                  draws(g.seed, purpose::matching, c.relation));
        for (std::int64_t const j : found) {
          links[c.relation].push_back(c.parents[static_cast<std::size_t>(j)]);
        }
        report[c.relation].dropped = m - rows[i];
      }
      links[copies[anchor].relation] = std::move(copies[anchor].parents);
      features[i] = std::move(copies[anchor].rows.features);
      labels[i] = std::move(copies[anchor].rows.labels);
    }
    for (std::size_t const r : s.above(i)) {
      if (s.relations()[r].deferred) links[r].assign(static_cast<std::size_t>(rows[i]), -1);
      report[r].nulls = std::count(links[r].begin(), links[r].end(), std::int64_t{-1});
    }
  }
  auto data = assemble(s, features, rows, links);
  return {std::move(data), std::move(links), std::move(report)};
}

}  // namespace diffx::domain::relational
