#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/random.hpp>

#include <cstdint>
#include <string_view>

namespace diffx::noise {

/// The noise of noise::counted for graphs whose nodes have names: a node is addressed by its name,
/// a pair by the two names, a graph by its own. So nodes in another order give the same graph in
/// that order, and a graph is the same whatever else is in the batch.
///
/// Block 0 of the state holds nodes [batch, nodes x features], block 1 unordered pairs; what other
/// blocks hold is addressed by place. Normals of a pair take a block of words of their own.
///
/// Shapes    node: [batch, nodes], names at least 0 and distinct within a graph; graph: [batch], or
///           null for the place in the batch; features: numbers or classes of a node. The arrays
///           are not copied.
/// Bits      names up to 92681 have the pairs' words of the number of the pair; the further bits of
///           larger numbers go into the seed, so no two pairs share noise.
/// Requires  `features` as the state has them in block 0: with fewer, names past the array are
/// read. Errors    none.
struct by_node {
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::by_node";

  counted source;
  std::int32_t const* node;
  std::int64_t nodes;
  std::int64_t const* graph = nullptr;
  std::int64_t features = 1;

  template <class T>
  DIFFX_HD void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const noexcept {
    if (k.block > 1) return source.fill(k, named(sample), first, n, out);
    // Neighbouring features of a node share a block of words: four normals.
    std::int64_t const per_node = k.block == 0 ? features : 1;
    T z[4];
    for (int e = 0; e < n; ++e) {
      std::int64_t const place = (first + e) / per_node, feature = (first + e) - place * per_node;
      if (e == 0 || feature % 4 == 0) {
        random::normals(
            place_words(k, sample, place, feature / 4, k.block == 0 ? (features + 3) / 4 : 1), z);
      }
      out[e] = z[feature % 4];
    }
  }

  DIFFX_HD random::words4 words(key k, std::int64_t sample, std::int64_t position) const noexcept {
    if (k.block > 1) return source.words(k, named(sample), position);
    if (k.block == 1) return place_words(k, sample, position, 0, 1);
    std::int64_t const place = position / features;
    return place_words(k, sample, place, position - place * features, features);
  }

  by_node fork(std::uint64_t label) const noexcept {
    return {source.fork(label), node, nodes, graph, features};
  }

 private:
  DIFFX_HD std::int64_t named(std::int64_t sample) const noexcept {
    return graph != nullptr ? graph[sample] : sample;
  }

  /// Block `part` of the `parts` of a node or pair.
  DIFFX_HD random::words4 place_words(key k, std::int64_t sample, std::int64_t place,
                                      std::int64_t part, std::int64_t parts) const noexcept {
    std::int32_t const* const names = node + sample * nodes;
    std::int64_t at;
    if (k.block == 0) {
      at = names[place] * parts + part;
    } else {
      auto const p = domain::graph::pair_at(place);
      at = domain::graph::pair_index(names[p.low], names[p.high]);
    }
    auto const high = static_cast<std::uint64_t>(at) >> 32;
    if (high == 0) return source.words(k, named(sample), at);
    return counted{random::derive_seed(source.seed, far_names ^ high)}.words(k, named(sample), at);
  }

  static constexpr std::uint64_t far_names = 0x6661726e616d6573ULL;  // no label of a caller's fork
};

static_assert(word_source<by_node>);

}  // namespace diffx::noise
