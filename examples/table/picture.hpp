#pragma once

// The distributions of a table's columns as a picture.

#include <diffx/domain/table/typed_table.hpp>

#include "../canvas.hpp"
#include "report.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace example {

/// Every column's distribution, real in grey and synthetic as a line, as a picture.
inline void draw(table::typed_table const& real, table::typed_table const& synthetic,
                 std::string const& path) {
  constexpr int across = 4, width = 220, height = 150, left = 12, top = 24, bottom = 14;
  int const panels = static_cast<int>(real.columns().size());
  int const down = (panels + across - 1) / across;
  canvas c(across * width + 12, down * height + 40, 255);
  c.text(12, 12, "columns: real grey / synthetic line", 2, 0);
  for (int k = 0; k < panels; ++k) {
    auto const& type = real.columns()[static_cast<std::size_t>(k)].type;
    auto const &x = real.at(type), &y = synthetic.at(type);
    std::vector<double> share[2];
    if (type.kind == table::column_kind::category) {
      std::map<table::label, std::size_t> seen;
      for (auto const* of : {&x, &y}) {
        for (auto const& l : of->labels) seen.emplace(l, 0);
      }
      std::size_t number = 0;
      for (auto& entry : seen) entry.second = number++;
      int which = 0;
      for (auto const* of : {&x, &y}) {
        share[which].assign(seen.size(), 0.0);
        for (auto const& l : of->labels)
          share[which][seen.at(l)] += 1.0 / static_cast<double>(of->labels.size());
        ++which;
      }
    } else {
      std::vector<double> there;
      for (double const v : x.numbers) {
        if (!std::isnan(v)) there.push_back(v);
      }
      double const low = report_detail::quantile(there, 0.002),
                   high = report_detail::quantile(there, 0.998);
      constexpr int bins = 40;
      int which = 0;
      for (auto const* of : {&x, &y}) {
        share[which].assign(bins, 0.0);
        for (double const v : of->numbers) {
          if (!(v >= low && v <= high)) continue;
          auto const b = high > low
                             ? std::min(bins - 1, static_cast<int>((v - low) / (high - low) * bins))
                             : 0;
          share[which][static_cast<std::size_t>(b)] +=
              1.0 / static_cast<double>(of->numbers.size());
        }
        ++which;
      }
    }
    double most = 1e-9;
    for (auto const& s : share) {
      for (double const v : s) most = std::max(most, v);
    }
    int const x0 = 12 + k % across * width, y0 = 40 + k / across * height;
    int const wide = width - 2 * left, tall = height - top - bottom;
    auto const n = static_cast<int>(share[0].size());
    std::string name = type.name.substr(0, 24);
    std::replace(name.begin(), name.end(), ' ', '-');
    c.text(x0, y0, name, 2, 0);
    auto const y_of = [&](double v) {
      return y0 + top - 8 + tall - static_cast<int>(v / most * tall);
    };
    int last = y_of(0.0);
    for (int i = 0; i < wide; ++i) {
      auto const b = static_cast<std::size_t>(i * n / wide);
      for (int j = y_of(share[0][b]); j <= y_of(0.0); ++j) c.set(x0 + i, j, 195);
      int const now = y_of(share[1][b]);
      for (int j = std::min(last, now); j <= std::max(last, now); ++j) {
        c.set(x0 + i, j, 0);
        c.set(x0 + i, j + 1, 0);
      }
      last = now;
    }
  }
  write_png(c, path);
}

}  // namespace example
