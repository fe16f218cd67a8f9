#pragma once

#include <diffx/config.hpp>

#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#if !DIFFX_HAS_EXCEPTIONS
#include <cstdio>
#include <cstdlib>
#endif

namespace diffx {

/// Everything the library throws derives from this. The message starts with the function and
/// gives parameter, value and valid range.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

/// The only place that throws. Without exceptions it prints the message and aborts.
[[noreturn]] inline void fail(std::string const& message) {
#if DIFFX_HAS_EXCEPTIONS
  throw error(message);
#else
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
#endif
}

inline std::string text(double value) {
  char buffer[32];
  auto const end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}
inline std::string text(long long value) { return std::to_string(value); }
inline std::string text(long value) { return std::to_string(value); }
inline std::string text(int value) { return std::to_string(value); }
inline std::string text(unsigned long value) { return std::to_string(value); }
inline std::string text(unsigned value) { return std::to_string(value); }

/// Refuses a bad argument: "where: parameter = value, must be range".
template <class Value>
[[noreturn]] void reject(std::string_view where, std::string_view parameter, Value value,
                         std::string_view range) {
  fail(std::string(where) + ": " + std::string(parameter) + " = " + text(value) + ", must be " +
       std::string(range));
}

template <class Value>
void require(bool holds, std::string_view where, std::string_view parameter, Value value,
             std::string_view range) {
  if (!holds) reject(where, parameter, value, range);
}

/// A product of sizes, refused where it would wrap.
inline std::int64_t checked_product(std::int64_t a, std::int64_t b, std::string_view what) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    fail("diffx::run: " + std::string(what) + " = " + text(static_cast<long long>(a)) + " x " +
         text(static_cast<long long>(b)) + " does not fit 63 bits");
  }
  return product;
}

}  // namespace detail
}  // namespace diffx
