#pragma once

#include <diffx/error.hpp>

#include <cstdio>
#include <filesystem>
#include <string>

namespace example {

/// Refuses a path that nothing can be written to, before the work whose result is to stand there: a
/// file beside it is made and taken away, one that nobody has.
inline void require_writable(std::string const& path) {
  if (std::filesystem::is_directory(path)) {
    diffx::detail::fail("'" + path + "' cannot be written: it is a folder");
  }
  for (int i = 0; i < 100; ++i) {
    std::string const probe = path + ".probe" + std::to_string(i);
    if (std::FILE* const file = std::fopen(probe.c_str(), "wbx")) {
      std::fclose(file);
      std::remove(probe.c_str());
      return;
    }
  }
  diffx::detail::fail("'" + path + "' cannot be written: is there such a folder, and is it yours?");
}

}  // namespace example
