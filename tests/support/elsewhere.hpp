#pragma once

#include <diffx/exec/host.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace test {

/// An execution object that says that the host does not reach its memory.
struct elsewhere : diffx::exec::host {
  static constexpr bool on_host = false;
};

/// The same with ways there and back, as exec::cuda has them.
struct apart : elsewhere {
  std::int64_t* uploaded = nullptr;  // bytes

  void upload(void* to, void const* from, std::size_t bytes) const {
    std::memcpy(to, from, bytes);
    if (uploaded != nullptr) *uploaded += static_cast<std::int64_t>(bytes);
  }
  void copy(void* to, void const* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
  void read_back(void* to, void const* from, std::size_t bytes) const {
    std::memcpy(to, from, bytes);
  }
};

}  // namespace test
