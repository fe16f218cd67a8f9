#pragma once

// Grey pixels with captions, written as PNG.

#include <diffx/detail/whole_file.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBIW_ASSERT(x)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace example {

/// Grey pixels, row-major, 0 black.
struct canvas {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;

  canvas(int w, int h, std::uint8_t background)
      : width(w),
        height(h),
        pixels(static_cast<std::size_t>(w) * static_cast<std::size_t>(h), background) {}

  void set(int x, int y, std::uint8_t value) {
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
           static_cast<std::size_t>(x)] = value;
  }

  /// A letter of a 3 x 5 font, every dot drawn as a square of `dot` pixels.
  void text(int x, int y, std::string const& s, int dot, std::uint8_t value) {
    for (char c : s) {
      std::uint16_t const bits = glyph(c);
      for (int row = 0; row < 5; ++row) {
        for (int column = 0; column < 3; ++column) {
          if ((bits >> (14 - 3 * row - column) & 1) == 0) continue;
          for (int i = 0; i < dot * dot; ++i) {
            set(x + column * dot + i % dot, y + row * dot + i / dot, value);
          }
        }
      }
      x += 4 * dot;
    }
  }

  /// Values in [-1, 1], -1 black, enlarged by `zoom`.
  void picture(int x, int y, float const* values, int side, int zoom) {
    for (int row = 0; row < side * zoom; ++row) {
      for (int column = 0; column < side * zoom; ++column) {
        float const v = values[row / zoom * side + column / zoom];
        float const grey = std::clamp(127.5f * (v + 1.0f) + 0.5f, 0.0f, 255.0f);
        set(x + column, y + row, static_cast<std::uint8_t>(grey));
      }
    }
  }

 private:
  // Five rows of three dots, most significant bit first.
  static std::uint16_t glyph(char c) {
    static constexpr std::uint16_t letters[26] = {
        0b010101111101101, 0b110101110101110, 0b011100100100011, 0b110101101101110,
        0b111100110100111, 0b111100110100100, 0b011100101101011, 0b101101111101101,
        0b111010010010111, 0b001001001101010, 0b101101110101101, 0b100100100100111,
        0b101111111101101, 0b110101101101101, 0b010101101101010, 0b110101110100100,
        0b010101101110011, 0b110101110101101, 0b011100010001110, 0b111010010010010,
        0b101101101101111, 0b101101101101010, 0b101101111111101, 0b101101010101101,
        0b101101010010010, 0b111001010100111};
    static constexpr std::uint16_t digits[10] = {
        0b111101101101111, 0b010110010010111, 0b111001111100111, 0b111001111001111,
        0b101101111001001, 0b111100111001111, 0b111100111101111, 0b111001010010010,
        0b111101111101111, 0b111101111001111};
    if (c >= 'a' && c <= 'z') return letters[c - 'a'];
    if (c >= 'A' && c <= 'Z') return letters[c - 'A'];
    if (c >= '0' && c <= '9') return digits[c - '0'];
    switch (c) {
      case '-':
        return 0b000000111000000;
      case '.':
        return 0b000000000000010;
      case ':':
        return 0b000010000010000;
      case '=':
        return 0b000111000111000;
      case '/':
        return 0b001001010100100;
      case '+':
        return 0b000010111010000;
      case '_':
        return 0b000000000000111;
      default:
        return 0;
    }
  }
};

/// Writes the whole file or nothing.
inline void write_png(canvas const& c, std::string const& path) {
  int size = 0;
  unsigned char* const data =
      stbi_write_png_to_mem(c.pixels.data(), c.width, c.width, c.height, 1, &size);
  if (data == nullptr) diffx::detail::fail("cannot encode the picture: out of memory");
  std::string const bytes(reinterpret_cast<char const*>(data), static_cast<std::size_t>(size));
  std::free(data);
  diffx::detail::write_whole_file("picture", path, bytes);
}

}  // namespace example
