// The golden entries of cluster-guided databases: group sizes, votes and repaired matches.

#include <diffx/domain/relational/clusters.hpp>
#include <diffx/domain/relational/group_sizes.hpp>
#include <diffx/domain/relational/match.hpp>

#include "papers.hpp"
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace conformance {
namespace {

namespace relational = diffx::domain::relational;
using ints = std::vector<std::int64_t>;

/// Whole numbers, which have no tolerance.
void compare(report& r, ints const& got, json const& want, std::string const& what) {
  r.list(std::vector<double>(got.begin(), got.end()), want, 0.0, what);
}

void group_size(json const& in, json const& want, report& r) {
  refuse_unread(in, {"size_frequency_in_insertion_order", "uniform"}, r);
  refuse_unread(want, {"probability", "size"}, r);
  std::vector<relational::size_histogram::entry> entries;
  for (json const& e : in.at("size_frequency_in_insertion_order")) {
    auto const pair = e.get<std::pair<std::int64_t, std::int64_t>>();
    entries.push_back({pair.first, pair.second});
  }
  relational::size_histogram const h(entries);
  json const& p = want.at("probability");
  if (p.size() != entries.size()) return r.fail("probability: number of values");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    r.near(h.probability(i), p[i].get<double>(), 1.0, "probability[" + std::to_string(i) + "]");
  }
  ints sizes;
  for (json const& u : in.at("uniform")) sizes.push_back(h.size_at(u.get<double>()));
  compare(r, sizes, want.at("size"), "size");
}

void repair(json const& in, json const& want, report& r) {
  refuse_unread(in, {"indices"}, r);
  refuse_unread(want, {"repaired"}, r);
  compare(r, relational::repair_duplicates(in.at("indices").get<ints>()), want.at("repaired"),
          "repaired");
}

void vote(json const& in, json const& want, report& r) {
  refuse_unread(in, {"row_clusters", "group_lengths"}, r);
  refuse_unread(want, {"group_cluster"}, r);
  auto const rows = in.at("row_clusters").get<ints>(), lengths = in.at("group_lengths").get<ints>();
  compare(r, relational::vote(rows, lengths), want.at("group_cluster"), "group_cluster");
}

}  // namespace

bool clavaddpm_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "group_size_inverse_cdf") return group_size(in, want, r), true;
  if (name == "unique_match_repair") return repair(in, want, r), true;
  if (name == "group_vote") return vote(in, want, r), true;
  return false;
}

}  // namespace conformance
