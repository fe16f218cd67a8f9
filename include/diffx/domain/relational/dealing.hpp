#pragma once

#include <diffx/domain/relational/database.hpp>
#include <diffx/domain/relational/draws.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// `total` split in proportion to the weights, in whole numbers: each has its share rounded down,
/// and those with the largest remainders one more, of equal remainders the first.
///
/// Errors    a negative number, no weight above 0, a product beyond 63 bits: throws diffx::error.
inline std::vector<std::int64_t> largest_remainder(std::span<std::int64_t const> weights,
                                                   std::int64_t total) {
  constexpr auto where = "diffx::domain::relational::largest_remainder";
  std::int64_t sum = 0;
  for (std::int64_t const w : weights) {
    detail::require(w >= 0, where, "weight", static_cast<long long>(w), "at least 0");
    if (__builtin_add_overflow(sum, w, &sum)) {
      detail::reject(where, "weight", static_cast<long long>(w), "one with a sum of 63 bits");
    }
  }
  detail::require(total >= 0, where, "total", static_cast<long long>(total), "at least 0");
  detail::require(sum > 0 || total == 0, where, "sum of the weights", static_cast<long long>(sum),
                  "above 0");
  std::vector<std::int64_t> out(weights.size(), 0), rest(weights.size(), 0);
  if (total == 0) return out;
  std::int64_t left = total;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(weights[i], total, &product)) {
      detail::reject(where, "weight", static_cast<long long>(weights[i]),
                     "below 2^63 / " + std::to_string(total));
    }
    out[i] = product / sum;
    rest[i] = product % sum;
    left -= out[i];
  }
  if (left == 0) return out;
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  for (std::size_t i = 0; static_cast<std::int64_t>(i) < left; ++i) ++out[order[i]];
  return out;
}

/// Every parent's row as often as it has children, in a random order.
inline std::vector<std::int64_t> shuffled_stubs(std::span<std::int64_t const> degrees,
                                                draws const& random, std::int64_t position = 0) {
  std::vector<std::int64_t> out;
  for (std::size_t p = 0; p < degrees.size(); ++p) {
    detail::require(degrees[p] >= 0, "diffx::domain::relational::shuffled_stubs", "degree",
                    static_cast<long long>(degrees[p]), "at least 0");
    out.insert(out.end(), static_cast<std::size_t>(degrees[p]), static_cast<std::int64_t>(p));
  }
  random.shuffle(out, position);
  return out;
}

}  // namespace diffx::domain::relational

namespace diffx::detail {

/// Tuples of the keys of a table's rows, counted.
class key_tuples {
 public:
  explicit key_tuples(std::vector<domain::relational::row_links*> keys) : keys_(std::move(keys)) {}

  std::vector<std::int64_t> at(std::size_t row) const {
    std::vector<std::int64_t> out;
    for (auto const* k : keys_) out.push_back((*k)[row]);
    return out;
  }
  /// A row with a missing key is equal to none.
  static bool counts(std::vector<std::int64_t> const& t) noexcept {
    return std::find(t.begin(), t.end(), -1) == t.end();
  }
  std::int64_t& count(std::vector<std::int64_t> const& t) { return count_[t]; }
  void swap(std::size_t key, std::size_t a, std::size_t b) noexcept {
    std::swap((*keys_[key])[a], (*keys_[key])[b]);
  }
  std::size_t keys() const noexcept { return keys_.size(); }

 private:
  struct hash {
    std::size_t operator()(std::vector<std::int64_t> const& t) const noexcept {
      std::uint64_t h = 0;
      for (std::int64_t const v : t) h = random::derive_seed(h, static_cast<std::uint64_t>(v));
      return static_cast<std::size_t>(h);
    }
  };
  std::vector<domain::relational::row_links*> keys_;
  std::unordered_map<std::vector<std::int64_t>, std::int64_t, hash> count_;
};

}  // namespace diffx::detail

namespace diffx::domain::relational {

/// Makes the tuples of several keys different: a row whose tuple stood before swaps one key with a
/// random row of its block, if that makes both tuples new, with up to `tries` partners. Swaps keep
/// the children of every parent, and the number of edges between every two blocks. A row with a
/// missing key is equal to none.
///
/// Returns   the rows that are still equal to one before.
/// Errors    keys or blocks of different lengths, tries below 0: throws diffx::error.
inline std::int64_t repair_key_tuples(std::vector<row_links*> const& keys,
                                      std::span<std::int64_t const> blocks, draws const& random,
                                      int tries = 100) {
  constexpr auto where = "diffx::domain::relational::repair_key_tuples";
  detail::require(tries >= 0, where, "tries", tries, "at least 0");
  for (auto const* k : keys) {
    detail::require(k->size() == blocks.size(), where, "links", k->size(),
                    "as many as blocks, " + std::to_string(blocks.size()));
  }
  detail::key_tuples tuples(keys);
  std::unordered_map<std::int64_t, std::vector<std::size_t>> of_block;
  std::vector<std::size_t> again;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    of_block[blocks[i]].push_back(i);
    auto const t = tuples.at(i);
    if (detail::key_tuples::counts(t) && tuples.count(t)++ > 0) again.push_back(i);
  }
  for (std::size_t const i : again) {
    auto const& partners = of_block[blocks[i]];
    bool good = tuples.count(tuples.at(i)) == 1;  // another row may have moved away
    for (int attempt = 0; attempt < tries && !good; ++attempt) {
      auto const n = static_cast<std::int64_t>(partners.size());
      std::size_t const j = partners[static_cast<std::size_t>(
          random.below(n, static_cast<std::int64_t>(i), attempt))];
      std::size_t const key = static_cast<std::size_t>(attempt) % tuples.keys();
      auto const a = tuples.at(i), b = tuples.at(j);
      tuples.swap(key, i, j);
      auto const c = tuples.at(i), d = tuples.at(j);
      auto const is_new = [&](auto const& t) {
        return !detail::key_tuples::counts(t) || tuples.count(t) == 0;
      };
      good = is_new(c) && is_new(d);  // the two are equal only if neither is new
      if (!good) {
        tuples.swap(key, i, j);
        continue;
      }
      --tuples.count(a);
      if (detail::key_tuples::counts(b)) --tuples.count(b);
      for (auto const& t : {c, d}) {
        if (detail::key_tuples::counts(t)) ++tuples.count(t);
      }
    }
  }
  // Counted at the end: a row may have become new because another one moved away.
  std::int64_t left = 0;
  detail::key_tuples now(keys);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    auto const t = now.at(i);
    left += detail::key_tuples::counts(t) && now.count(t)++ > 0 ? 1 : 0;
  }
  return left;
}

/// Keys of a child's rows that keep the number of children of every parent.
struct dealt {
  std::int64_t rows = 0;
  std::vector<row_links> links;       // of every key
  std::vector<std::int64_t> dropped;  // stubs of every key beyond the shortest list
  std::int64_t duplicates = 0;        // rows whose tuple of keys stood before
};

/// Deals the stubs of each key, in a random order, to the rows of a child. Keys whose degrees add
/// up to more than those of another lose what is beyond, which is counted.
///
/// Source    the degree-preserving structures that Hudovernik et al. 2025 (RelDiff),
///           arXiv:2506.00710, compare with.
/// Errors    no keys, a negative degree: throws diffx::error.
inline dealt deal_degrees(std::vector<std::vector<std::int64_t>> const& degrees, bool unique,
                          std::uint64_t seed, int tries = 100) {
  detail::require(!degrees.empty(), "diffx::domain::relational::deal_degrees", "keys", 0,
                  "at least 1");
  dealt out;
  for (std::size_t k = 0; k < degrees.size(); ++k) {
    out.links.push_back(shuffled_stubs(degrees[k], draws(seed, purpose::dealing, k)));
    auto const n = static_cast<std::int64_t>(out.links.back().size());
    out.rows = k == 0 ? n : std::min(out.rows, n);
  }
  std::vector<row_links*> keys;
  for (row_links& l : out.links) {
    out.dropped.push_back(static_cast<std::int64_t>(l.size()) - out.rows);
    l.resize(static_cast<std::size_t>(out.rows));
    keys.push_back(&l);
  }
  std::vector<std::int64_t> const one_block(static_cast<std::size_t>(out.rows), 0);
  if (unique) {
    out.duplicates = repair_key_tuples(keys, one_block, draws(seed, purpose::repair, 0), tries);
  }
  return out;
}

}  // namespace diffx::domain::relational
