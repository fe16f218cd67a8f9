#pragma once

// A sheet of small grey pictures with captions: what the image examples show.

#include "canvas.hpp"
#include <string>

namespace example {

inline constexpr char const* garments[10] = {"t-shirt", "trouser", "pullover", "dress", "coat",
                                             "sandal",  "shirt",   "sneaker",  "bag",   "boot"};

/// One column per class with its name above, `rows` pictures of 28 x 28 below each other.
/// `values` is [10 * rows, 784], class by class.
inline canvas garment_sheet(float const* values, int rows, std::string const& caption) {
  constexpr int side = 28, zoom = 2, gap = 6, header = 34;
  constexpr int cell = side * zoom + gap;
  canvas c(10 * cell + gap, rows * cell + gap + header, 24);
  c.text(gap, 5, caption, 2, 200);
  for (int label = 0; label < 10; ++label) {
    c.text(gap + label * cell, 22, garments[label], 1, 255);
    for (int row = 0; row < rows; ++row) {
      c.picture(gap + label * cell, header + row * cell,
                values + (label * rows + row) * side * side, side, zoom);
    }
  }
  return c;
}

}  // namespace example
