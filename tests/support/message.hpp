#pragma once

#include <diffx/error.hpp>

#include <string>

namespace test {

/// The message of the diffx::error that `f` throws; empty if it throws none.
template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (diffx::error const& e) {
    return e.what();
  }
  return {};
}

/// Whether the message names function, parameter, value and range, in this order.
inline bool says(std::string const& message, std::string const& where, std::string const& parameter,
                 std::string const& value, std::string const& range) {
  return message.rfind(where + ": " + parameter + " = " + value + ", must be " + range, 0) == 0;
}

}  // namespace test
