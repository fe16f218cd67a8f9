#pragma once

#include <diffx/exec/host.hpp>

namespace test {

/// An execution object that says that the host does not reach its memory.
struct elsewhere : diffx::exec::host {
  static constexpr bool on_host = false;
};

}  // namespace test
