#pragma once

// A sheet of graphs as SVG.

#include <diffx/domain/graph/labelled_graph.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace example {

struct place {
  double x, y;
};

/// Places of nodes in the unit square: neighbours pull, all push, from a circle on, ever less.
///
/// Source    Fruchterman & Reingold 1991.
inline std::vector<place> places_of(diffx::domain::graph::labelled_graph const& g) {
  auto const n = g.nodes.size();
  std::vector<place> at(n);
  for (std::size_t i = 0; i < n; ++i) {
    double const turn = 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
    at[i] = {0.5 + 0.4 * std::cos(turn), 0.5 + 0.4 * std::sin(turn)};
  }
  double const rest = 0.6 / std::sqrt(static_cast<double>(n));
  for (int round = 0; round < 300; ++round) {
    std::vector<place> move(n, {0.0, 0.0});
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        double const dx = at[i].x - at[j].x, dy = at[i].y - at[j].y;
        double const d = std::max(std::hypot(dx, dy), 1e-3);
        bool const joined = g.joined(static_cast<std::int64_t>(i), static_cast<std::int64_t>(j));
        double const force = rest * rest / d - (joined ? d * d / rest : 0.0);
        move[i].x += force * dx / d;
        move[i].y += force * dy / d;
        move[j].x -= force * dx / d;
        move[j].y -= force * dy / d;
      }
    }
    double const most = 0.05 * (1.0 - round / 300.0);
    for (std::size_t i = 0; i < n; ++i) {
      double const length = std::max(std::hypot(move[i].x, move[i].y), 1e-9);
      at[i].x += move[i].x / length * std::min(length, most);
      at[i].y += move[i].y / length * std::min(length, most);
    }
  }
  double low_x = 1e9, low_y = 1e9, high_x = -1e9, high_y = -1e9;
  for (place const& p : at) {
    low_x = std::min(low_x, p.x), high_x = std::max(high_x, p.x);
    low_y = std::min(low_y, p.y), high_y = std::max(high_y, p.y);
  }
  double const size = std::max({high_x - low_x, high_y - low_y, 1e-9});
  for (place& p : at) {
    p.x = 0.5 + 0.8 * (p.x - 0.5 * (low_x + high_x)) / size;
    p.y = 0.5 + 0.8 * (p.y - 0.5 * (low_y + high_y)) / size;
  }
  return at;
}

/// Graphs row by row, a captioned cell each. Nodes are named by their classes if there are names,
/// and pairs of class k are k lines.
inline std::string sheet_of(std::span<diffx::domain::graph::labelled_graph const> graphs,
                            std::span<std::string const> captions, int columns,
                            std::span<std::string_view const> names = {}) {
  constexpr int cell = 110, text = 16;
  int const rows = (static_cast<int>(graphs.size()) + columns - 1) / columns;
  auto const number = [](double v) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.1f", v);
    return std::string(digits);
  };
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" +
                    std::to_string(columns * cell) + "\" height=\"" +
                    std::to_string(rows * (cell + text)) +
                    "\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  for (std::size_t k = 0; k < graphs.size(); ++k) {
    auto const& g = graphs[k];
    double const left = static_cast<double>(static_cast<int>(k) % columns * cell);
    double const top = static_cast<double>(static_cast<int>(k) / columns * (cell + text));
    auto at = places_of(g);
    for (place& p : at) p = {left + cell * p.x, top + cell * p.y};
    double const wide = g.size() > 20 ? 0.5 : 1.5;
    g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t order) {
      place const a = at[static_cast<std::size_t>(i)], b = at[static_cast<std::size_t>(j)];
      double const length = std::max(std::hypot(b.x - a.x, b.y - a.y), 1e-9);
      for (std::int32_t line = 0; line < order; ++line) {
        double const off = 3.0 * (line - 0.5 * (order - 1));
        double const x = -off * (b.y - a.y) / length, y = off * (b.x - a.x) / length;
        out += "<line x1=\"" + number(a.x + x) + "\" y1=\"" + number(a.y + y) + "\" x2=\"" +
               number(b.x + x) + "\" y2=\"" + number(b.y + y) +
               "\" stroke=\"#555\" stroke-width=\"" + number(wide) + "\"/>";
      }
    });
    for (std::size_t i = 0; i < at.size(); ++i) {
      std::string const where =
          "\" cx=\"" + number(at[i].x) + "\" cy=\"" + number(at[i].y) + "\"/>";
      if (names.empty()) {
        out += "<circle fill=\"#2a6fb0\" r=\"" + number(g.size() > 20 ? 2.5 : 5.0) + where;
        continue;
      }
      out += "<circle fill=\"white\" r=\"6" + where + "<text x=\"" + number(at[i].x) + "\" y=\"" +
             number(at[i].y + 3.5) +
             "\" font-size=\"10\" font-family=\"sans-serif\" text-anchor=\"middle\">" +
             std::string(names[static_cast<std::size_t>(g.nodes[i])]) + "</text>";
    }
    out += "<text x=\"" + number(left + 0.5 * cell) + "\" y=\"" + number(top + cell + 10) +
           "\" font-size=\"11\" font-family=\"sans-serif\" text-anchor=\"middle\">" +
           (k < captions.size() ? captions[k] : std::string()) + "</text>\n";
  }
  return out + "</svg>\n";
}

}  // namespace example
