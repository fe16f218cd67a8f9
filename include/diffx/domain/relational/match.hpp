#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/domain/relational/draws.hpp>
#include <diffx/domain/relational/points.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diffx::detail {

inline void check_matching(std::string_view where, batch_view<double const> queries,
                           batch_view<double const> candidates) {
  require(queries.features == candidates.features, where, "width of the candidates",
          static_cast<long long>(candidates.features),
          "that of the queries, " + std::to_string(queries.features));
  require(candidates.batch >= queries.batch, where, "candidates",
          static_cast<long long>(candidates.batch),
          "at least as many as queries, " + std::to_string(queries.batch));
  require_points(where, queries);
  require_points(where, candidates);
}

}  // namespace diffx::detail

namespace diffx::domain::relational {

/// For each query in turn, the nearest candidate (L2) that no query before has taken; of equal
/// distances the first. The total distance is at least that of the best assignment.
///
/// Source    Pang et al. 2024 (ClavaDDPM), arXiv:2405.17724; searched exactly here, where the
///           paper's code asks an approximate index.
/// Time      at most queries x candidates x width: sequential brute force. A query at distance 0
///           ends its search.
/// Errors    fewer candidates than queries, another width, features that are not finite: throws
///           diffx::error.
inline std::vector<std::int64_t> match_nearest_unique(batch_view<double const> queries,
                                                      batch_view<double const> candidates) {
  detail::check_matching("diffx::domain::relational::match_nearest_unique", queries, candidates);
  std::vector<std::int64_t> out;
  // next[i]: the first free candidate after i; next[0] is before all of them.
  std::vector<std::int64_t> next(static_cast<std::size_t>(candidates.batch) + 1);
  std::iota(next.begin(), next.end(), std::int64_t{1});
  auto const at = [&](std::int64_t i) -> std::int64_t& {
    return next[static_cast<std::size_t>(i)];
  };
  for (std::int64_t q = 0; q < queries.batch; ++q) {
    double least = INFINITY;
    std::int64_t before_best = -1;
    for (std::int64_t i = 0; at(i) <= candidates.batch && least > 0.0; i = at(i)) {
      double const d =
          detail::squared_distance(queries.row(q), candidates.row(at(i) - 1), queries.features);
      if (before_best < 0 || d < least) {
        least = d;
        before_best = i;
      }
    }
    std::int64_t const best = at(before_best);
    at(before_best) = at(best);
    out.push_back(best - 1);
  }
  return out;
}

/// For each query the nearest candidate, taken or not; of equal distances the first.
inline std::vector<std::int64_t> match_nearest(batch_view<double const> queries,
                                               batch_view<double const> candidates) {
  detail::check_matching("diffx::domain::relational::match_nearest", queries, candidates);
  std::vector<std::int64_t> out;
  for (std::int64_t q = 0; q < queries.batch; ++q) {
    double least = INFINITY;
    std::int64_t best = 0;
    for (std::int64_t i = 0; i < candidates.batch; ++i) {
      double const d =
          detail::squared_distance(queries.row(q), candidates.row(i), queries.features);
      if (d < least) {
        least = d;
        best = i;
      }
    }
    out.push_back(best);
  }
  return out;
}

/// Every index that stood before becomes the smallest that stands nowhere. All of them are below
/// max(number of indices, largest index + 1) then.
///
/// Errors    a negative index: throws diffx::error.
inline std::vector<std::int64_t> repair_duplicates(std::span<std::int64_t const> indices) {
  std::int64_t most = static_cast<std::int64_t>(indices.size());
  for (std::int64_t const i : indices) {
    detail::require(i >= 0, "diffx::domain::relational::repair_duplicates", "index",
                    static_cast<long long>(i), "at least 0");
    most = std::max(most, i + 1);
  }
  std::vector<std::uint8_t> stands(static_cast<std::size_t>(most), 0), taken = stands;
  for (std::int64_t const i : indices) stands[static_cast<std::size_t>(i)] = 1;
  std::vector<std::int64_t> out(indices.begin(), indices.end());
  std::size_t unused = 0;
  for (std::int64_t& i : out) {
    if (taken[static_cast<std::size_t>(i)] == 0) {
      taken[static_cast<std::size_t>(i)] = 1;
      continue;
    }
    while (stands[unused] != 0) ++unused;
    i = static_cast<std::int64_t>(unused);
    stands[unused] = 1;
  }
  return out;
}

/// How the rows of two copies of a table find each other.
enum class matching : std::uint8_t {
  nearest_unique,    // match_nearest_unique
  nearest_repaired,  // match_nearest, then repair_duplicates
  shuffled,          // at random
};

inline std::vector<std::int64_t> match(matching how, batch_view<double const> queries,
                                       batch_view<double const> candidates, draws const& random) {
  if (how == matching::nearest_unique) return match_nearest_unique(queries, candidates);
  if (how == matching::nearest_repaired) {
    return repair_duplicates(match_nearest(queries, candidates));
  }
  detail::check_matching("diffx::domain::relational::match", queries, candidates);
  std::vector<std::int64_t> out(static_cast<std::size_t>(candidates.batch));
  std::iota(out.begin(), out.end(), std::int64_t{0});
  random.shuffle(out);
  out.resize(static_cast<std::size_t>(queries.batch));
  return out;
}

}  // namespace diffx::domain::relational
