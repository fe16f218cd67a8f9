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
  std::vector<std::string> unmatched{};  // columns of too many categories to be matched by
};

struct generated {
  database data;
  std::vector<row_links> links;  // of every relation
  std::vector<relation_report> report;
};

}  // namespace diffx::domain::relational

namespace diffx::detail {

/// What domain::relational::generate does, table by table.
template <class RowSampler>
class table_by_table {
 public:
  table_by_table(domain::relational::schema const& s, domain::relational::generation const& g,
                 RowSampler& sample)
      : s_(s),
        g_(g),
        sample_(sample),
        features_(s.tables().size()),
        rows_(s.tables().size(), 0),
        labels_(s.tables().size()),
        links_(s.relations().size()),
        report_(s.relations().size()) {
    check_relations();
    check_root_rows();
  }

  domain::relational::generated run() {
    for (std::size_t const i : s_.order()) {
      std::vector<copy> copies;
      for (std::size_t const r : s_.above(i)) {
        if (!s_.relations()[r].deferred) copies.push_back(copy_of(r));
      }
      if (copies.empty()) {
        add_root(i);
      } else {
        add_child(i, copies);
      }
      for (std::size_t const r : s_.above(i)) {
        if (s_.relations()[r].deferred) links_[r].assign(static_cast<std::size_t>(rows_[i]), -1);
        report_[r].nulls = std::count(links_[r].begin(), links_[r].end(), std::int64_t{-1});
      }
    }
    auto data = domain::relational::assemble(s_, features_, rows_, links_);
    return {std::move(data), std::move(links_), std::move(report_)};
  }

 private:
  static constexpr auto where = "diffx::domain::relational::generate";
  using draws = domain::relational::draws;
  using purpose = domain::relational::purpose;
  using sampled_rows = domain::relational::sampled_rows;
  using ints = std::vector<std::int64_t>;

  /// The rows of a child given one of its parents.
  struct copy {
    std::size_t relation;
    sampled_rows rows;
    domain::relational::row_links parents;
  };

  [[noreturn]] static void fail(std::string const& what) {
    detail::fail(std::string(where) + ": " + what);
  }
  std::string const& name(std::size_t i) const { return s_.tables()[i].name; }

  void check_relations() const {
    require(g_.relations.size() == s_.relations().size(), where, "relations", g_.relations.size(),
            std::to_string(s_.relations().size()));
    for (std::size_t r = 0; r < g_.relations.size(); ++r) {
      if (s_.relations()[r].deferred) {
        if (g_.relations[r]) fail("a model of " + s_.text(r) + ", which is deferred");
        continue;
      }
      if (!g_.relations[r]) fail("no model of " + s_.text(r));
      double const share = g_.relations[r]->null_share;
      require(share >= 0.0 && share < 1.0 && (s_.key(r).nullable || share == 0.0), where,
              "null_share of " + s_.text(r), share, "in [0, 1), and 0 if the key is not nullable");
    }
  }
  void check_root_rows() const {
    for (auto const& given : g_.root_rows) {
      for (std::size_t const r : s_.above(s_.index(given.first))) {
        if (!s_.relations()[r].deferred) {
          fail("root_rows names '" + given.first + "', whose rows follow from " + s_.text(r));
        }
      }
      require(given.second >= 0, where, "rows of '" + given.first + "'",
              static_cast<long long>(given.second), "at least 0");
      auto const times = std::count_if(g_.root_rows.begin(), g_.root_rows.end(),
                                       [&](auto const& x) { return x.first == given.first; });
      if (times > 1) fail("root_rows names '" + given.first + "' twice");
    }
  }

  sampled_rows ask(std::size_t i, std::optional<std::size_t> r, ints const& labels) const {
    draws const random(g_.seed, purpose::rows, r ? *r : s_.relations().size() + i);
    domain::relational::row_request const q{name(i), r, labels, random.seed()};
    sampled_rows out = sample_(q);
    if (out.features.schema() != s_.features(i)) {
      fail("the sampler's '" + name(i) +
           "' has other columns than the schema's features, or in another order");
    }
    require(s_.features(i).empty() || out.features.rows() == labels.size(), where,
            "sampled rows of '" + name(i) + "'", out.features.rows(),
            "as many as asked for, " + std::to_string(labels.size()));
    std::size_t const below = s_.below(i).size();
    if (out.labels.empty()) out.labels.assign(below, ints(labels.size(), 0));
    require(out.labels.size() == below, where, "lists of labels of '" + name(i) + "'",
            out.labels.size(), "one for each relation below, " + std::to_string(below));
    for (ints const& l : out.labels) {
      require(l.size() == labels.size(), where, "labels of '" + name(i) + "'", l.size(),
              "one per row, " + std::to_string(labels.size()));
    }
    return out;
  }

  copy copy_of(std::size_t r) {
    domain::relational::relation const& rel = s_.relations()[r];
    domain::relational::relation_model const& model = *g_.relations[r];
    auto const below = s_.below(rel.parent);
    auto const place = std::find(below.begin(), below.end(), r) - below.begin();
    ints const& of_parents = labels_[rel.parent][static_cast<std::size_t>(place)];
    auto const groups = model.sizes.draw(of_parents, draws(g_.seed, purpose::sizes, r));
    copy out{r, {}, {}};
    ints labels;
    for (std::size_t p = 0; p < of_parents.size(); ++p) {
      auto const size = static_cast<std::size_t>(groups.sizes[p]);
      labels.insert(labels.end(), size, of_parents[p]);
      out.parents.insert(out.parents.end(), size, static_cast<std::int64_t>(p));
    }
    auto const nulls = static_cast<std::size_t>(std::llround(
        static_cast<double>(groups.total) * model.null_share / (1.0 - model.null_share)));
    labels.insert(labels.end(), nulls, -1);
    out.parents.insert(out.parents.end(), nulls, -1);
    report_[r].unknown_labels = groups.unknown;
    report_[r].rows = static_cast<std::int64_t>(labels.size());
    out.rows = ask(rel.child, r, labels);
    return out;
  }

  void add_root(std::size_t i) {
    auto const given = std::find_if(g_.root_rows.begin(), g_.root_rows.end(),
                                    [&](auto const& x) { return x.first == name(i); });
    if (given == g_.root_rows.end()) {
      fail("root_rows has no number for '" + name(i) + "', which has no parent");
    }
    take(i, ask(i, std::nullopt, ints(static_cast<std::size_t>(given->second), 0)), given->second);
  }

  void add_child(std::size_t i, std::vector<copy>& copies) {
    auto const anchor = std::min_element(copies.begin(), copies.end(), [](auto& a, auto& b) {
      return a.parents.size() < b.parents.size();
    });
    auto const rows = static_cast<std::int64_t>(anchor->parents.size());
    for (auto c = copies.begin(); c != copies.end(); ++c) {
      if (c == anchor) continue;
      auto const m = static_cast<std::int64_t>(c->parents.size());
      domain::table::typed_table const* const both[] = {&anchor->rows.features, &c->rows.features};
      domain::relational::feature_map const map(both, g_.match_form);
      auto const found = domain::relational::match(g_.match, map.encode(*both[0], rows).view(),
                                                   map.encode(*both[1], m).view(),
                                                   draws(g_.seed, purpose::matching, c->relation));
      for (std::int64_t const j : found) {
        links_[c->relation].push_back(c->parents[static_cast<std::size_t>(j)]);
      }
      report_[c->relation].dropped = m - rows;
      report_[c->relation].unmatched = map.skipped();
    }
    links_[anchor->relation] = std::move(anchor->parents);
    take(i, std::move(anchor->rows), rows);
  }

  void take(std::size_t i, sampled_rows&& sampled, std::int64_t rows) {
    features_[i] = std::move(sampled.features);
    labels_[i] = std::move(sampled.labels);
    rows_[i] = rows;
  }

  domain::relational::schema const& s_;
  domain::relational::generation const& g_;
  RowSampler& sample_;
  std::vector<domain::table::typed_table> features_;
  ints rows_;
  std::vector<std::vector<ints>> labels_;  // [table][relation below][row]
  std::vector<domain::relational::row_links> links_;
  std::vector<domain::relational::relation_report> report_;
};

}  // namespace diffx::detail

namespace diffx::domain::relational {

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
/// Errors    a root without a number of rows, or with two, or a number for another table; no model
///           of a relation, one of a deferred relation, or one whose null_share is outside [0, 1)
///           or not 0 for a key that is not nullable; an answer of other rows, columns or labels:
///           throws diffx::error.
template <class RowSampler>
generated generate(schema const& s, generation const& g, RowSampler&& sample) {
  return detail::table_by_table(s, g, sample).run();
}

}  // namespace diffx::domain::relational
