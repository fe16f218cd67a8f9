#pragma once

#include <diffx/config.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace diffx::exec::detail {

/// A piece of a table as the argument of a kernel, of which there are 4 KB.
struct table_bytes {
  static constexpr std::size_t most = 4000;

  unsigned char* to;
  unsigned char value[most];

  DIFFX_HD void operator()(std::int64_t i) const { to[i] = value[i]; }
};

/// launch(n, op) for the pieces of a table in host memory.
template <class Launch>
void for_each_piece(void* to, void const* from, std::size_t bytes, Launch const& launch) {
  table_bytes piece;
  for (std::size_t done = 0; done < bytes; done += table_bytes::most) {
    std::size_t const left = bytes - done, n = left < table_bytes::most ? left : table_bytes::most;
    piece.to = static_cast<unsigned char*>(to) + done;
    std::memcpy(piece.value, static_cast<unsigned char const*>(from) + done, n);
    launch(static_cast<std::int64_t>(n), piece);
  }
}

struct copy_bytes {
  unsigned char* to;
  unsigned char const* from;

  DIFFX_HD void operator()(std::int64_t i) const { to[i] = from[i]; }
};

}  // namespace diffx::exec::detail
