#pragma once

#include <diffx/error.hpp>

#include <cstdio>
#include <filesystem>
#include <string>

namespace example {

/// Refuses a path that nothing can be written to, before the work whose result is to stand there: a
/// file beside it is made and taken away.
inline void require_writable(std::string const& path) {
  if (std::filesystem::is_directory(path)) {
    diffx::detail::fail("'" + path + "' cannot be written: it is a folder");
  }
  std::string const probe = path + ".probe";
  std::FILE* const file = std::fopen(probe.c_str(), "wb");
  if (file == nullptr) {
    diffx::detail::fail("'" + path +
                        "' cannot be written: is there such a folder, and is it yours?");
  }
  std::fclose(file);
  std::remove(probe.c_str());
}

}  // namespace example
