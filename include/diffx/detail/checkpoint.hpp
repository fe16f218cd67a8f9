#pragma once

#include <diffx/error.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace diffx::detail {

/// FNV-1a over bytes: a fingerprint and a checksum against accidents, not against attackers.
class hash64 {
 public:
  void add_bytes(void const* data, std::size_t n) noexcept {
    auto const* const p = static_cast<unsigned char const*>(data);
    for (std::size_t i = 0; i < n; ++i) value_ = (value_ ^ p[i]) * 0x100000001B3ull;
  }
  void add(std::string_view s) noexcept { add_bytes(s.data(), s.size()); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void add(T x) noexcept { add_bytes(&x, sizeof x); }
  std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0xCBF29CE484222325ull;
};

inline constexpr std::uint64_t checkpoint_magic = 0x0031507846464944ull;  // "DIFFxP1"

/// Layout: magic, endianness tag, fingerprint, values and arrays, checksum of all before it.
class checkpoint_writer {
 public:
  explicit checkpoint_writer(std::uint64_t fingerprint) {
    put(checkpoint_magic);
    put(static_cast<int>(std::endian::native == std::endian::little));
    put(fingerprint);
  }
  template <class T>
  requires std::is_arithmetic_v<T>
  void put(T value) { append(&value, sizeof value); }
  template <class T>
  void put_array(T const* data, std::int64_t n) {
    put(n);
    append(data, static_cast<std::size_t>(n) * sizeof(T));
  }
  std::vector<std::byte> finish() {
    hash64 h;
    h.add_bytes(bytes_.data(), bytes_.size());
    put(h.value());
    return std::move(bytes_);
  }

 private:
  void append(void const* data, std::size_t n) {
    if (n == 0) return;
    auto const* const p = static_cast<std::byte const*>(data);
    bytes_.insert(bytes_.end(), p, p + n);
  }
  std::vector<std::byte> bytes_;
};

/// Checks everything before it is used, so that damaged bytes cannot do harm.
class checkpoint_reader {
 public:
  checkpoint_reader(std::span<std::byte const> bytes, std::uint64_t fingerprint) : bytes_(bytes) {
    constexpr std::size_t smallest =
        2 * sizeof(std::uint64_t) + sizeof(int) + sizeof(std::uint64_t);
    if (bytes.size() < smallest) {
      fail("diffx::run::resume: the checkpoint has " + text(static_cast<long long>(bytes.size())) +
           " bytes, fewer than its header; it is truncated");
    }
    bytes_ = bytes.first(bytes.size() - sizeof(std::uint64_t));
    std::uint64_t checksum;
    std::memcpy(&checksum, bytes.data() + bytes_.size(), sizeof checksum);
    if (get<std::uint64_t>() != checkpoint_magic) {
      fail("diffx::run::resume: this is not a checkpoint of this version");
    }
    if (get<int>() != static_cast<int>(std::endian::native == std::endian::little)) {
      fail("diffx::run::resume: the checkpoint was written with another byte order");
    }
    if (get<std::uint64_t>() != fingerprint) {
      fail(
          "diffx::run::resume: the checkpoint belongs to a run with other policies, timetable, "
          "seed or shape");
    }
    hash64 h;
    h.add_bytes(bytes_.data(), bytes_.size());
    if (h.value() != checksum)
      fail("diffx::run::resume: checksum mismatch; the checkpoint is damaged");
  }

  template <class T>
  T get() {
    T value;
    take(&value, sizeof value);
    return value;
  }
  template <class T>
  void get_array(T* data, std::int64_t n) {
    auto const stored = get<std::int64_t>();
    require(stored == n, "diffx::run::resume", "array length", static_cast<long long>(stored),
            text(static_cast<long long>(n)) + ", as in this run");
    take(data, static_cast<std::size_t>(n) * sizeof(T));
  }
  /// A list of any length: never longer than what is left of the bytes.
  template <class T>
  std::vector<T> get_list() {
    auto const n = get<std::int64_t>();
    require(n >= 0 && static_cast<std::uint64_t>(n) <= (bytes_.size() - at_) / sizeof(T),
            "diffx::run::resume", "list length", static_cast<long long>(n),
            "within the checkpoint");
    std::vector<T> values(static_cast<std::size_t>(n));
    if (n > 0) take(values.data(), values.size() * sizeof(T));
    return values;
  }
  void finish() const {
    if (at_ != bytes_.size()) fail("diffx::run::resume: the checkpoint has bytes to spare");
  }

 private:
  void take(void* out, std::size_t n) {
    if (n > bytes_.size() - at_) fail("diffx::run::resume: the checkpoint is truncated");
    if (n > 0) std::memcpy(out, bytes_.data() + at_, n);
    at_ += n;
  }
  std::span<std::byte const> bytes_;
  std::size_t at_ = 0;
};

}  // namespace diffx::detail
