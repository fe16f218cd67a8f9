#pragma once

#include <diffx/error.hpp>

#include <charconv>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>

namespace example {

/// The number that a command line gives an option; refused with the option's name and range.
template <class V>
V number(std::string_view option, std::string_view text, V low, V high) {
  V value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool const whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || !(value >= low && value <= high)) {
    diffx::detail::fail(std::string(option) + " = " + std::string(text) +
                        ", must be a number in [" + diffx::detail::text(low) + ", " +
                        diffx::detail::text(high) + "]");
  }
  return value;
}

/// The word that a command line gives an option; refused with the option's name and all words.
inline std::string one_of(std::string_view option, std::string_view text,
                          std::initializer_list<std::string_view> known) {
  std::string all;
  for (std::string_view const k : known) {
    if (k == text) return std::string(text);
    all += (all.empty() ? "" : ", ") + std::string(k);
  }
  diffx::detail::fail(std::string(option) + " = " + std::string(text) + ", must be one of " + all);
}

}  // namespace example
