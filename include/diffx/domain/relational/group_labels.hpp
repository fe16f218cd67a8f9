#pragma once

#include <diffx/domain/relational/clusters.hpp>
#include <diffx/domain/relational/database.hpp>
#include <diffx/domain/relational/draws.hpp>
#include <diffx/domain/relational/features.hpp>
#include <diffx/domain/relational/group_sizes.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// How many children there are: what generation needs of a relation.
struct relation_model {
  group_sizes sizes;
  double null_share = 0.0;  // of the child rows, those without a parent; below 1
};

enum class cluster_kind : std::uint8_t { diagonal_gmm, k_means };

struct label_options {
  cluster_kind kind = cluster_kind::diagonal_gmm;
  cluster_options clusters{};
  double parent_scale = 1.0;  // of the parent's features beside the child's
  double key_scale = 1.0;     // of the parent's row number, brought into [-1, 1]
  std::int64_t max_categories = 1000;
  childless empty = childless::left_out;
  std::uint64_t seed = 0;
};

/// The clusters of a relation's groups: a discrete latent that links parents and children.
struct group_labels {
  std::vector<std::int64_t> child;   // of every child row, its group's; -1: it has no parent
  std::vector<std::int64_t> parent;  // of every parent row
  std::int64_t labels = 0;  // of a network; the last is of the childless, also where there is none
  relation_model model;
  std::vector<std::string> skipped{};  // columns of too many categories
};

/// Clusters the rows of a relation's child, each beside its parent, and labels every group of
/// children by a vote of its rows. Parents without children have the label after the largest.
/// `below`: labels of the child's rows as parents in relations that are done already; they count
/// as categories of the child.
///
/// Source    Pang et al. 2024 (ClavaDDPM), arXiv:2405.17724. Row numbers stand for parents' keys.
/// Errors    what the features, clusters and histograms refuse; no child row with a parent: throws
///           diffx::error.
inline group_labels label_groups(database const& d, std::size_t r, label_options const& o = {},
                                 std::vector<std::vector<std::int64_t>> const& below = {}) {
  constexpr auto where = "diffx::domain::relational::label_groups";
  schema const& s = d.schema();
  auto const links = links_of(d, r);  // refuses a relation that is not there
  relation const& rel = s.relations()[r];
  auto const parents = static_cast<std::int64_t>(d.tables()[rel.parent].rows());
  auto const lengths = children_of(links, parents);
  auto const groups = group_by_parent(links, parents);
  if (groups.rows.empty()) {
    detail::fail(std::string(where) + ": " + s.text(r) + ": no row has a parent");
  }
  auto const features_of = [&](std::size_t i, std::vector<std::vector<std::int64_t>> const& more) {
    std::vector<table::column> columns;
    for (auto const& type : s.features(i)) columns.push_back(d.tables()[i].at(type));
    for (std::size_t k = 0; k < more.size(); ++k) {
      std::vector<table::label> labels;
      for (std::int64_t const l : more[k]) labels.emplace_back(std::to_string(l));
      columns.push_back(table::category_column("label " + std::to_string(k) + " below", labels));
    }
    return table::typed_table(std::move(columns));
  };
  auto const child_table = features_of(rel.child, below);
  auto const parent_table = features_of(rel.parent, {});
  table::typed_table const* const one_child[] = {&child_table};
  table::typed_table const* const one_parent[] = {&parent_table};
  feature_map const child_map(one_child, feature_form::scaled, o.max_categories);
  feature_map const parent_map(one_parent, feature_form::scaled, o.max_categories);
  auto const child = child_map.encode(child_table, static_cast<std::int64_t>(links.size()));
  auto const parent = parent_map.encode(parent_table, parents);

  points joined;
  joined.rows = static_cast<std::int64_t>(groups.rows.size());
  joined.width = child.width + parent.width + 1;
  for (std::int64_t const i : groups.rows) {
    std::int64_t const p = links[static_cast<std::size_t>(i)];
    joined.values.insert(joined.values.end(), child.row(i), child.row(i) + child.width);
    for (std::int64_t j = 0; j < parent.width; ++j) {
      joined.values.push_back(o.parent_scale * parent.row(p)[j]);
    }
    double const at = parents > 1 ? static_cast<double>(p) / static_cast<double>(parents - 1) : 0.5;
    joined.values.push_back(o.key_scale * (2.0 * at - 1.0));
  }
  draws const random(o.seed, purpose::clusters, r);
  auto const found = o.kind == cluster_kind::k_means
                         ? k_means(joined.view(), o.clusters, random)
                         : diagonal_gmm(joined.view(), o.clusters, random);
  auto voted = vote(found.labels, lengths);
  std::vector<std::int64_t> of_child(links.size(), -1);
  for (std::int64_t const i : groups.rows) {
    auto const row = static_cast<std::size_t>(i);
    of_child[row] = voted[static_cast<std::size_t>(links[row])];
  }
  std::int64_t most = 0;  // of the parents with children
  for (std::int64_t const l : of_child) most = std::max(most, l);
  auto sizes = group_sizes::fit(voted, lengths, o.empty);
  double const null_share =
      1.0 - static_cast<double>(groups.rows.size()) / static_cast<double>(links.size());
  auto skipped = child_map.skipped();
  skipped.insert(skipped.end(), parent_map.skipped().begin(), parent_map.skipped().end());
  return {std::move(of_child),
          std::move(voted),
          most + 2,
          {std::move(sizes), null_share},
          std::move(skipped)};
}

/// The labels of every relation, children before parents, so that those of a table's own children
/// are features where it is the child. Nothing for deferred relations.
inline std::vector<std::optional<group_labels>> label_groups(database const& d,
                                                             label_options const& o = {}) {
  schema const& s = d.schema();
  std::vector<std::optional<group_labels>> out(s.relations().size());
  for (std::size_t k = s.order().size(); k-- > 0;) {
    std::size_t const i = s.order()[k];
    std::vector<std::vector<std::int64_t>> below;
    for (std::size_t const r : s.below(i)) {
      if (out[r]) below.push_back(out[r]->parent);
    }
    for (std::size_t const r : s.above(i)) {
      if (!s.relations()[r].deferred) out[r] = label_groups(d, r, o, below);
    }
  }
  return out;
}

}  // namespace diffx::domain::relational
