#pragma once

#include <diffx/domain/relational/database.hpp>
#include <diffx/domain/relational/dealing.hpp>
#include <diffx/domain/relational/draws.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// Which parent every child row has: the foreign keys of a database by the numbers of rows.
struct structure {
  std::vector<std::int64_t> rows;  // of every table
  std::vector<row_links> links;    // of every relation
};

inline structure structure_of(database const& d) {
  structure out;
  for (auto const& t : d.tables()) out.rows.push_back(static_cast<std::int64_t>(t.rows()));
  for (std::size_t r = 0; r < d.schema().relations().size(); ++r) {
    out.links.push_back(links_of(d, r));
  }
  return out;
}

/// Labels of the rows of every table, in [0, blocks).
using row_blocks = std::vector<std::vector<std::int64_t>>;

/// Blocks of rows of like degree: for every relation in which the table is the parent, the bin of
/// a row's number of children, by quantiles; a block is a combination of bins. Equal degrees are in
/// one bin, so with `bins` of at least the number of rows every degree has one of its own.
inline row_blocks degree_blocks(schema const& s, structure const& from, int bins = 4) {
  detail::require(bins >= 1, "diffx::domain::relational::degree_blocks", "bins", bins,
                  "at least 1");
  row_blocks out;
  for (std::size_t i = 0; i < s.tables().size(); ++i) {
    auto const n = static_cast<std::size_t>(from.rows[i]);
    std::vector<std::vector<std::int64_t>> signature(n);
    for (std::size_t const r : s.below(i)) {
      auto const degrees = children_of(from.links[r], from.rows[i]);
      auto sorted = degrees;
      std::sort(sorted.begin(), sorted.end());
      for (std::size_t p = 0; p < n; ++p) {
        auto const below = std::lower_bound(sorted.begin(), sorted.end(), degrees[p]);
        auto const rank = static_cast<std::size_t>(below - sorted.begin());
        signature[p].push_back(
            static_cast<std::int64_t>(rank * static_cast<std::size_t>(bins) / n));
      }
    }
    std::map<std::vector<std::int64_t>, std::int64_t> number;
    for (auto const& v : signature) number.emplace(v, 0);
    std::int64_t next = 0;
    for (auto& [v, label] : number) label = next++;
    out.emplace_back();
    for (auto const& v : signature) out.back().push_back(number.at(v));
  }
  return out;
}

/// A block model of the foreign keys of a database that keeps degrees, the first order, and the
/// edges between every two blocks, the second ("2K"): with blocks that are degrees these are the
/// joint counts of degrees. What it fits:
///
///     e_rs   edges from block r of the child to block s of the parent, and missing keys of r
///     k_p    the children of every parent row, in every relation
///
/// and how a structure is drawn, all counts whole numbers:
///
///     sizes      of blocks, by largest remainder; each row is modelled on a real one of its block,
///                every one as often as the next, and takes all its degrees
///     edges      e_rs scaled to the rows of block r, by largest remainder
///     degrees    of block s scaled to its edges, by largest remainder
///     dealing    the stubs of block s, shuffled, to the rows of block r, e_rs of them, shuffled;
///                tuples that must be unique by repair_key_tuples
///
/// With as many rows as the real tables, or a multiple, degrees and edges are exactly those of the
/// real structure. This is a reading of the model that the paper names; partitions are given or
/// those of degree_blocks, none is inferred.
///
/// Source    Hudovernik et al. 2025 (RelDiff), arXiv:2506.00710, "2K+SBM".
/// Errors    tables, links or blocks of other numbers, links that are no rows: throws diffx::error.
class block_structure {
 public:
  static constexpr std::string_view name = "domain::relational::block_structure";
  static constexpr std::string_view source = "arXiv:2506.00710";

  struct drawn {
    structure result;
    row_blocks blocks;
    std::vector<std::vector<std::int64_t>> degrees;             // [relation][parent row]
    std::vector<std::vector<std::vector<std::int64_t>>> edges;  // [relation][r][s], last s: missing
    std::vector<std::int64_t> rerouted;    // edges of a relation whose block of parents has no row
    std::vector<std::int64_t> duplicates;  // of a table that must have none: rows left
  };

  block_structure(relational::schema const& s, structure from, row_blocks blocks)
      : schema_(s), from_(std::move(from)), blocks_(std::move(blocks)) {
    std::size_t const n = schema_.tables().size();
    detail::require(from_.rows.size() == n, where, "tables", from_.rows.size(), std::to_string(n));
    detail::require(blocks_.size() == n, where, "lists of blocks", blocks_.size(),
                    std::to_string(n));
    detail::require(from_.links.size() == schema_.relations().size(), where, "relations",
                    from_.links.size(), std::to_string(schema_.relations().size()));
    for (std::size_t i = 0; i < n; ++i) {
      detail::require(static_cast<std::int64_t>(blocks_[i].size()) == from_.rows[i], where,
                      "blocks of '" + schema_.tables()[i].name + "'", blocks_[i].size(),
                      "one per row, " + std::to_string(from_.rows[i]));
      members_.emplace_back();
      for (std::size_t row = 0; row < blocks_[i].size(); ++row) {
        std::int64_t const b = blocks_[i][row];
        detail::require(b >= 0 && b < from_.rows[i], where,
                        "a block of '" + schema_.tables()[i].name + "'", static_cast<long long>(b),
                        "at least 0 and below the number of rows");
        auto& m = members_.back();
        if (m.size() <= static_cast<std::size_t>(b)) m.resize(static_cast<std::size_t>(b) + 1);
        m[static_cast<std::size_t>(b)].push_back(static_cast<std::int64_t>(row));
      }
    }
    for (std::size_t r = 0; r < from_.links.size(); ++r) {
      relation const& rel = schema_.relations()[r];
      detail::require(from_.links[r].size() == blocks_[rel.child].size(), where,
                      "links of " + schema_.text(r), from_.links[r].size(),
                      std::to_string(blocks_[rel.child].size()));
      degrees_.push_back(children_of(from_.links[r], from_.rows[rel.parent]));
      edges_.push_back(count_edges(from_.links[r], blocks_[rel.child], blocks_[rel.parent],
                                   members_[rel.child].size(), members_[rel.parent].size()));
    }
  }

  /// The edges e_rs of a relation in the real structure.
  std::vector<std::vector<std::int64_t>> const& edges(std::size_t r) const { return edges_[r]; }

  /// A structure of these numbers of rows. `unique` names tables no two rows of which may have
  /// equal keys.
  drawn draw(std::vector<std::int64_t> const& rows, std::uint64_t seed,
             std::vector<std::string> const& unique = {}, int tries = 100) const {
    std::size_t const n = schema_.tables().size();
    detail::require(rows.size() == n, where, "numbers of rows", rows.size(), std::to_string(n));
    drawn out;
    out.result.rows = rows;
    std::vector<std::vector<std::int64_t>> model(n);  // the real row of every row
    for (std::size_t i = 0; i < n; ++i) {
      model[i] = models(i, rows[i], draws(seed, purpose::rows, i));
      out.blocks.emplace_back();
      for (std::int64_t const m : model[i]) {
        out.blocks.back().push_back(blocks_[i][static_cast<std::size_t>(m)]);
      }
    }
    for (std::size_t r = 0; r < degrees_.size(); ++r) {
      deal(r, model[schema_.relations()[r].parent], seed, out);
    }
    out.duplicates.assign(n, 0);
    for (std::string const& name_of_table : unique) {
      std::size_t const i = schema_.index(name_of_table);
      std::vector<row_links*> keys;
      for (std::size_t const r : schema_.above(i)) keys.push_back(&out.result.links[r]);
      detail::require(!keys.empty(), where, "keys of the unique table '" + name_of_table + "'", 0,
                      "at least 1");
      out.duplicates[i] =
          repair_key_tuples(keys, out.blocks[i], draws(seed, purpose::repair, i), tries);
    }
    return out;
  }

  /// Edges between blocks; behind those of every row r, its missing keys.
  static std::vector<std::vector<std::int64_t>> count_edges(row_links const& links,
                                                            std::vector<std::int64_t> const& child,
                                                            std::vector<std::int64_t> const& parent,
                                                            std::size_t child_blocks,
                                                            std::size_t parent_blocks) {
    std::vector<std::vector<std::int64_t>> out(child_blocks,
                                               std::vector<std::int64_t>(parent_blocks + 1, 0));
    for (std::size_t i = 0; i < links.size(); ++i) {
      auto const s = links[i] < 0
                         ? parent_blocks
                         : static_cast<std::size_t>(parent[static_cast<std::size_t>(links[i])]);
      ++out[static_cast<std::size_t>(child[i])][s];
    }
    return out;
  }

 private:
  static constexpr auto where = "diffx::domain::relational::block_structure";

  /// Real rows, as many as asked for, blocks in their real proportions, in a random order.
  std::vector<std::int64_t> models(std::size_t i, std::int64_t wanted, draws const& random) const {
    std::vector<std::int64_t> out, weights;
    for (auto const& m : members_[i]) weights.push_back(static_cast<std::int64_t>(m.size()));
    auto const sizes = largest_remainder(weights, wanted);
    for (std::size_t b = 0; b < sizes.size(); ++b) {
      auto members = members_[i][b];
      random.shuffle(members, static_cast<std::int64_t>(b) + 1);
      for (std::int64_t k = 0; k < sizes[b]; ++k) {
        out.push_back(members[static_cast<std::size_t>(k) % members.size()]);
      }
    }
    random.shuffle(out);
    return out;
  }

  void deal(std::size_t r, std::vector<std::int64_t> const& parents, std::uint64_t seed,
            drawn& out) const {
    relation const& rel = schema_.relations()[r];
    auto const& child_block = out.blocks[rel.child];
    auto const& parent_block = out.blocks[rel.parent];
    std::size_t const blocks = members_[rel.parent].size();
    std::vector<std::vector<std::int64_t>> child_rows(members_[rel.child].size());
    std::vector<std::vector<std::int64_t>> parent_rows(blocks);
    for (std::size_t i = 0; i < child_block.size(); ++i) {
      child_rows[static_cast<std::size_t>(child_block[i])].push_back(static_cast<std::int64_t>(i));
    }
    for (std::size_t p = 0; p < parent_block.size(); ++p) {
      parent_rows[static_cast<std::size_t>(parent_block[p])].push_back(
          static_cast<std::int64_t>(p));
    }
    // Edges, row by row.
    std::vector<std::vector<std::int64_t>> edges;
    std::vector<std::int64_t> of_parents(blocks, 0);
    out.rerouted.push_back(0);
    for (std::size_t a = 0; a < child_rows.size(); ++a) {
      auto weights = edges_[r][a];
      auto const size = static_cast<std::int64_t>(child_rows[a].size());
      auto const plain = largest_remainder(weights, size);
      // Edges to parents that are not there go to those that are; missing keys stay as many.
      std::int64_t usable = 0, lost = 0;
      std::vector<std::int64_t> sizes;
      for (std::size_t b = 0; b < blocks; ++b) {
        sizes.push_back(static_cast<std::int64_t>(parent_rows[b].size()));
        if (parent_rows[b].empty()) {
          out.rerouted.back() += plain[b];
          lost += weights[b];
          weights[b] = 0;
        }
        usable += weights[b];
      }
      if (usable == 0 && lost > 0 && !parent_block.empty()) {
        auto const spread = largest_remainder(sizes, lost);
        std::copy(spread.begin(), spread.end(), weights.begin());
      }
      if (size > 0 && usable == 0 && weights[blocks] == 0 && parent_block.empty()) {
        detail::fail(std::string(where) + ": " + schema_.text(r) +
                     ": there are child rows, but no parents");
      }
      edges.push_back(largest_remainder(weights, size));
      for (std::size_t b = 0; b < blocks; ++b) of_parents[b] += edges.back()[b];
    }
    // Degrees, block by block, and their stubs.
    std::vector<std::int64_t> degrees(parent_block.size(), 0);
    std::vector<std::vector<std::int64_t>> stubs(blocks);
    draws const random(seed, purpose::dealing, r);
    for (std::size_t b = 0; b < blocks; ++b) {
      std::vector<std::int64_t> real;
      std::int64_t sum = 0;
      for (std::int64_t const p : parent_rows[b]) {
        auto const m = static_cast<std::size_t>(parents[static_cast<std::size_t>(p)]);
        real.push_back(degrees_[r][m]);
        sum += real.back();
      }
      if (sum == 0) std::fill(real.begin(), real.end(), 1);
      auto const k = largest_remainder(real, of_parents[b]);
      auto const dealt_rows = shuffled_stubs(k, random, static_cast<std::int64_t>(2 * b));
      for (std::int64_t const at : dealt_rows) {
        stubs[b].push_back(parent_rows[b][static_cast<std::size_t>(at)]);
      }
      for (std::size_t j = 0; j < k.size(); ++j) {
        degrees[static_cast<std::size_t>(parent_rows[b][j])] = k[j];
      }
    }
    // The deal.
    row_links links(child_block.size(), -1);
    std::vector<std::size_t> next(blocks, 0);
    for (std::size_t a = 0; a < child_rows.size(); ++a) {
      random.shuffle(child_rows[a], static_cast<std::int64_t>(2 * a + 1));
      std::size_t row = 0;
      for (std::size_t b = 0; b < blocks; ++b) {
        for (std::int64_t k = 0; k < edges[a][b]; ++k) {
          links[static_cast<std::size_t>(child_rows[a][row++])] = stubs[b][next[b]++];
        }
      }
    }
    out.result.links.push_back(std::move(links));
    out.degrees.push_back(std::move(degrees));
    out.edges.push_back(std::move(edges));
  }

  relational::schema schema_;
  structure from_;
  row_blocks blocks_;
  std::vector<std::vector<std::vector<std::int64_t>>> members_;  // [table][block]: rows
  std::vector<std::vector<std::int64_t>> degrees_;               // [relation][parent row]
  std::vector<std::vector<std::vector<std::int64_t>>> edges_;    // [relation][r][s]
};

}  // namespace diffx::domain::relational
