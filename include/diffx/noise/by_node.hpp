#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/random.hpp>

#include <cstdint>
#include <string_view>

namespace diffx::noise {

/// The words of noise::counted for graphs whose nodes have names: a node is addressed by its name,
/// a pair by the two names, a graph by its own. So nodes in another order give the same graph in
/// that order, and a graph is the same whatever else is in the batch.
///
/// Block 0 of the state holds nodes [batch, nodes], block 1 unordered pairs.
///
/// Shapes    node: [batch, nodes], names in [0, 92681], so that a pair has 32 bits, and distinct
///           within a graph; graph: [batch], or null for the place in the batch. The arrays are
///           not copied.
/// Errors    none; normals are addressed by place.
struct by_node {
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::by_node";

  counted source;
  std::int32_t const* node;
  std::int64_t nodes;
  std::int64_t const* graph = nullptr;

  template <class T>
  DIFFX_HD void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const noexcept {
    source.fill(k, named(sample), first, n, out);
  }

  DIFFX_HD random::words4 words(key k, std::int64_t sample, std::int64_t position) const noexcept {
    std::int32_t const* const names = node + sample * nodes;
    if (k.block == 0) return source.words(k, named(sample), names[position]);
    auto const p = domain::graph::pair_at(position);
    return source.words(k, named(sample), domain::graph::pair_index(names[p.low], names[p.high]));
  }

  by_node fork(std::uint64_t label) const noexcept {
    return {source.fork(label), node, nodes, graph};
  }

 private:
  DIFFX_HD std::int64_t named(std::int64_t sample) const noexcept {
    return graph != nullptr ? graph[sample] : sample;
  }
};

static_assert(word_source<by_node>);

}  // namespace diffx::noise
