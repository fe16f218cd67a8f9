#pragma once

#include <diffx/concepts/process.hpp>

#include <string_view>
#include <tuple>

namespace diffx::process {

/// One process per block of the state, on one clock: time t is the same for all of them.
///
///     process::product{std::tuple{process::vp{}, process::rectified_flow{}}}
///
/// The timetable is built from the first part; the others are evaluated at its times.
///
/// Requires  a solver with one part per block, or one solver that fits every block.
template <process_policy... Parts>
struct product {
  using kind = process_tag;
  static constexpr std::string_view name = "process::product";
  static constexpr std::string_view source = "";
  static constexpr value_kind values = (Parts::values, ...);

  std::tuple<Parts...> parts;
};

template <class... Parts>
product(std::tuple<Parts...>) -> product<Parts...>;

}  // namespace diffx::process
