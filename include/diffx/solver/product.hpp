#pragma once

#include <diffx/concepts/solver.hpp>

#include <string_view>
#include <tuple>

namespace diffx::solver {

/// One solver per block of the state. All must ask for the same number of evaluations in every
/// step, since one network call serves all blocks; a run that finds otherwise throws.
template <solver_policy... Parts>
struct product {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::product";
  static constexpr std::string_view source = "";
  static constexpr int max_evals = ((Parts::max_evals) + ...) / static_cast<int>(sizeof...(Parts));

  std::tuple<Parts...> parts;
};

template <class... Parts>
product(std::tuple<Parts...>) -> product<Parts...>;

}  // namespace diffx::solver
