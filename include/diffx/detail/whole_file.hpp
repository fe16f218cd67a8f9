#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace diffx::detail {

struct file_closer {
  std::FILE* file;
  ~file_closer() {
    if (file != nullptr) std::fclose(file);
  }
};

/// All bytes of a file.
inline std::string read_whole_file(std::string_view where, std::string const& path) {
  file_closer const in{std::fopen(path.c_str(), "rb")};
  if (in.file == nullptr) fail(std::string(where) + ": '" + path + "' cannot be opened");
  std::string bytes;
  std::size_t used = 0;
  for (;;) {  // by what is really there, not by a size that was announced
    if (bytes.size() == used) bytes.resize(used + std::max<std::size_t>(used / 2, 1u << 16));
    std::size_t const got = std::fread(bytes.data() + used, 1, bytes.size() - used, in.file);
    used += got;
    if (got == 0) break;
  }
  if (std::ferror(in.file) != 0) fail(std::string(where) + ": '" + path + "' cannot be read");
  bytes.resize(used);
  return bytes;
}

/// Writes to a file beside the path that is renamed when it is complete: whoever opens the path
/// finds the old file or the new one, never a part.
inline void write_whole_file(std::string_view where, std::string const& path,
                             std::string_view bytes) {
  std::string part;
  file_closer out{nullptr};
  for (int i = 0; i < 100 && out.file == nullptr; ++i) {
    part = path + ".part" + std::to_string(i);
    out.file = std::fopen(part.c_str(), "wbx");  // x: never into the file of another writer
  }
  if (out.file == nullptr) fail(std::string(where) + ": '" + part + "' cannot be created");
  bool good = std::fwrite(bytes.data(), 1, bytes.size(), out.file) == bytes.size();
  good = std::fclose(out.file) == 0 && good;
  out.file = nullptr;
  if (!good) {
    std::remove(part.c_str());
    fail(std::string(where) + ": '" + path + "' cannot be written; is the disk full?");
  }
  if (std::rename(part.c_str(), path.c_str()) != 0) {
    std::remove(part.c_str());
    fail(std::string(where) + ": '" + part + "' cannot be renamed to '" + path + "'");
  }
}

}  // namespace diffx::detail
