#pragma once

#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace diffx::domain::graph {

/// A graph without classes as a line of printable characters, the format of nauty and networkx: the
/// number of nodes, then a bit for every pair by pair_index, six to a character.
///
///     from_graph6("D?{")   // a star of five nodes
///
/// Source    https://users.cecs.anu.edu.au/~bdm/data/formats.txt
/// Errors    no node, more than 258 047 nodes, a character outside '?' to '~', a line that is too
///           short or too long, a bit after the last pair: throws diffx::error.
inline labelled_graph from_graph6(std::string_view line) {
  constexpr std::string_view where = "diffx::domain::graph::from_graph6";
  constexpr std::string_view header = ">>graph6<<";
  if (line.starts_with(header)) line.remove_prefix(header.size());
  std::size_t at = 0;
  auto const next = [&] {
    if (at == line.size()) {
      detail::fail(std::string(where) + ": the line ends after " + std::to_string(at) +
                   " characters, before its last pair");
    }
    int const code = static_cast<unsigned char>(line[at]) - 63;
    detail::require(code >= 0 && code < 64, where, "character " + std::to_string(at), code + 63,
                    "in [63, 126]");
    ++at;
    return code;
  };
  std::int64_t n = next();
  if (n == 63) {
    n = next();
    detail::require(n != 63, where, "the number of nodes", 258048, "at most 258047");
    n = n << 6 | next();
    n = n << 6 | next();
  }
  detail::require(n >= 1, where, "the number of nodes", static_cast<long long>(n), "at least 1");
  if (static_cast<std::int64_t>(line.size() - at) < (pair_count(n) + 5) / 6) {
    detail::fail(std::string(where) + ": the line ends after " + std::to_string(line.size()) +
                 " characters, before its last pair");
  }
  labelled_graph g(n);
  int code = 0, left = 0;
  for (auto& each : g.pairs) {
    if (left == 0) {
      code = next();
      left = 6;
    }
    each = code >> --left & 1;
  }
  if ((code & ((1 << left) - 1)) != 0 || at != line.size()) {
    detail::fail(std::string(where) + ": the line goes on after the last of the " +
                 std::to_string(g.pairs.size()) + " pairs of " + std::to_string(n) + " nodes");
  }
  return g;
}

/// The line of a graph; classes are lost.
///
/// Errors    no node, more than 258 047 nodes: throws diffx::error.
inline std::string to_graph6(labelled_graph const& g) {
  std::int64_t const n = g.size();
  detail::require(n >= 1 && n <= 258047, "diffx::domain::graph::to_graph6", "g.size()",
                  static_cast<long long>(n), "in [1, 258047]");
  std::string line;
  auto const put = [&](std::int64_t code) { line += static_cast<char>(63 + (code & 63)); };
  if (n > 62) {
    put(63);
    put(n >> 12);
    put(n >> 6);
  }
  put(n);
  int code = 0, held = 0;
  for (auto const c : g.pairs) {
    code = code << 1 | (c != 0 ? 1 : 0);
    if (++held == 6) {
      put(code);
      code = held = 0;
    }
  }
  if (held > 0) put(code << (6 - held));
  return line;
}

}  // namespace diffx::domain::graph
