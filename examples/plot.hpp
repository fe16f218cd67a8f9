#pragma once

// Curves of quality against network evaluations, as a picture.

#include "canvas.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace example {

struct point {
  double x, y;
};

struct curve {
  std::string name;
  std::vector<point> points;
};

/// Draws curves on logarithmic axes, their names at the right.
inline void draw(std::vector<curve> const& all, std::string const& title, std::string const& path) {
  constexpr int width = 720, height = 420, left = 60, right = 190, top = 30, bottom = 40;
  canvas c(width, height, 255);
  double low = 1e300, high = 0.0, first = 1e300, last = 0.0;
  for (auto const& s : all) {
    for (auto const& p : s.points) {
      low = std::min(low, p.y);
      high = std::max(high, p.y);
      first = std::min(first, p.x);
      last = std::max(last, p.x);
    }
  }
  low *= 0.9;
  // One curve far off would flatten all others: what lies above is drawn at the upper edge.
  high = std::min(1.1 * high, 20.0 * low);
  auto const x_of = [&](double nfe) {
    return left + static_cast<int>(std::log(nfe / first) / std::log(last / first) *
                                   (width - left - right));
  };
  auto const y_of = [&](double d) {
    return height - bottom -
           static_cast<int>(std::log(std::min(d, high) / low) / std::log(high / low) *
                            (height - top - bottom));
  };
  auto const line = [&](int x0, int y0, int x1, int y1, std::uint8_t grey, int dash) {
    int const n = std::max({std::abs(x1 - x0), std::abs(y1 - y0), 1});
    for (int i = 0; i <= n; ++i) {
      if (dash > 0 && i / dash % 2 == 1) continue;
      for (int k = 0; k < 2; ++k) c.set(x0 + (x1 - x0) * i / n, y0 + (y1 - y0) * i / n + k, grey);
    }
  };
  line(left, top, left, height - bottom, 120, 0);
  line(left, height - bottom, width - right, height - bottom, 120, 0);
  c.text(left, 8, title, 2, 0);
  for (double x = std::pow(2.0, std::ceil(std::log2(first) - 1e-9)); x <= last; x *= 2.0) {
    c.text(x_of(x) - 8, height - bottom + 10, std::to_string(static_cast<int>(x + 0.5)), 2, 0);
  }
  for (double d = std::pow(10.0, std::floor(std::log10(low))); d <= high; d *= 10.0) {
    for (double m : {1.0, 2.0, 5.0}) {
      if (d * m < low || d * m > high) continue;
      char label[16];
      std::snprintf(label, sizeof label, "%g", d * m);
      c.text(4, y_of(d * m) - 4, label, 2, 0);
      line(left, y_of(d * m), width - right, y_of(d * m), 225, 0);
    }
  }
  // The names stand at the ends of their lines, moved apart where they would overlap.
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return all[a].points.back().y > all[b].points.back().y; });
  int lowest = std::min(y_of(all[order.front()].points.back().y) - 4,
                        height - bottom - 16 * static_cast<int>(all.size())) -
               16;
  for (std::size_t i : order) {
    auto const& s = all[i];
    auto const grey = static_cast<std::uint8_t>(i % 3 * 55);
    int const dash = static_cast<int>(i / 3) * 6;
    for (std::size_t k = 0; k < s.points.size(); ++k) {
      int const x = x_of(s.points[k].x), y = y_of(s.points[k].y);
      for (int d = -3; d <= 3; ++d) {
        line(x - 3, y + d, x + 3, y + d, grey, 0);
      }
      if (k > 0) line(x_of(s.points[k - 1].x), y_of(s.points[k - 1].y), x, y, grey, dash);
    }
    int const end = y_of(s.points.back().y);
    int const y = lowest + 16;
    lowest = y;
    line(width - right + 2, end, width - right + 22, y + 5, 180, 0);
    c.text(width - right + 26, y, s.name, 2, grey);
  }
  write_png(c, path);
}

}  // namespace example
