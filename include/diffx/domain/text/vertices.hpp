#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>
#include <diffx/state/sphere.hpp>

#include <cstdint>

namespace diffx::domain::text {

/// Between tokens and points on spheres, for process::sphere_bridge: `width` coordinates a
/// position, of which the first `tokens` are tokens.
///
/// Shapes    codes [batch, positions], x [batch, positions x width]; host memory.
/// Errors    shapes that do not fit or a code that is no coordinate: throws diffx::error.
namespace vertices_detail {
template <class Code, class T>
void require_shapes(char const* where, batch_view<Code> codes, batch_view<T> x, int width) {
  detail::require(width >= 1, where, "width", width, "at least 1");
  detail::require(codes.batch == x.batch, where, "batch", static_cast<long long>(x.batch),
                  "that of the codes");
  detail::require(x.features == codes.features * width, where, "features",
                  static_cast<long long>(x.features), "positions x width");
}
}  // namespace vertices_detail

/// Puts every position at the vertex of its code; the mask, if there is one, is code `width` - 1.
template <class Code, class T>
void to_vertices(batch_view<Code const> codes, batch_view<T> x, int width) {
  constexpr auto where = "diffx::domain::text::to_vertices";
  vertices_detail::require_shapes(where, codes, x, width);
  for (std::int64_t i = 0; i < codes.size(); ++i) {
    auto const code = static_cast<std::int64_t>(codes.data[i]);
    detail::require(code >= 0 && code < width, where, "code", static_cast<long long>(code),
                    "in [0, width)");
    for (int k = 0; k < width; ++k) x.data[i * width + k] = k == code ? T(1) : T(0);
  }
}

/// The likeliest token of every position; the mask is none.
template <class T, class Code>
void to_tokens(batch_view<T const> x, batch_view<Code> codes, int tokens, int width) {
  constexpr auto where = "diffx::domain::text::to_tokens";
  vertices_detail::require_shapes(where, codes, x, width);
  detail::require(tokens >= 1 && tokens <= width, where, "tokens", tokens, "in [1, width]");
  for (std::int64_t i = 0; i < codes.size(); ++i) {
    codes.data[i] = static_cast<Code>(sphere::token_at(tokens, x.data + i * width));
  }
}

}  // namespace diffx::domain::text
