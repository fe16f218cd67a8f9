#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::structure {

/// Which variable attends to which, as padded lists: row v holds the neighbours of v in rising
/// order, itself among them, and then padding, where `valid` is 0 and `index` is v.
struct attention_lists {
  int variables = 0;
  int width = 0;                    // the most neighbours of one variable
  std::vector<std::int32_t> index;  // [variables, width]
  std::vector<std::uint8_t> valid;  // [variables, width]
};

/// The graph of a problem: variables that meet in a factor are joined. Edges have no direction, and
/// every variable is joined with itself. Host only.
///
/// Source    Weilbach, Harvey & Wood 2022 (GSDM), arXiv:2210.11633.
/// Errors    fewer than 1 variable, a variable outside the graph: throws diffx::error.
class factor_graph {
 public:
  static constexpr std::string_view name = "domain::structure::factor_graph";
  static constexpr std::string_view source = "arXiv:2210.11633";

  explicit factor_graph(int variables) {
    detail::require(variables >= 1, where, "variables", variables, "at least 1");
    for (int v = 0; v < variables; ++v) neighbours_.push_back({v});
  }

  void join(int a, int b) {
    check(a);
    check(b);
    insert(a, b);
    insert(b, a);
  }
  /// Joins all variables of a factor with each other.
  void factor(std::span<int const> members) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) join(members[i], members[j]);
    }
  }

  int size() const noexcept { return static_cast<int>(neighbours_.size()); }
  /// In rising order, the variable itself among them.
  std::span<int const> neighbours(int variable) const {
    check(variable);
    return neighbours_[static_cast<std::size_t>(variable)];
  }
  bool joined(int a, int b) const {
    check(b);
    auto const list = neighbours(a);
    return std::binary_search(list.begin(), list.end(), b);
  }
  /// Ordered pairs of two different variables that are joined.
  std::int64_t directed_pairs() const noexcept {
    std::int64_t sum = -size();
    for (auto const& list : neighbours_) sum += static_cast<std::int64_t>(list.size());
    return sum;
  }

  attention_lists lists() const {
    attention_lists out;
    out.variables = size();
    for (auto const& list : neighbours_)
      out.width = std::max(out.width, static_cast<int>(list.size()));
    for (int v = 0; v < size(); ++v) {
      auto const list = neighbours(v);
      for (int k = 0; k < out.width; ++k) {
        bool const valid = static_cast<std::size_t>(k) < list.size();
        out.index.push_back(valid ? list[static_cast<std::size_t>(k)] : v);
        out.valid.push_back(valid ? 1 : 0);
      }
    }
    return out;
  }

  /// [variables, variables], 1 where the row attends to the column: the same as a dense mask.
  std::vector<std::uint8_t> mask() const {
    auto const n = neighbours_.size();
    std::vector<std::uint8_t> out(n * n, 0);
    for (std::size_t v = 0; v < n; ++v) {
      for (int const w : neighbours_[v]) out[v * n + static_cast<std::size_t>(w)] = 1;
    }
    return out;
  }

 private:
  static constexpr std::string_view where = "diffx::domain::structure::factor_graph";

  void check(int variable) const {
    detail::require(variable >= 0 && variable < size(), where, "variable", variable,
                    "in [0, " + std::to_string(size()) + ")");
  }
  void insert(int a, int b) {
    auto& list = neighbours_[static_cast<std::size_t>(a)];
    auto const at = std::lower_bound(list.begin(), list.end(), b);
    if (at == list.end() || *at != b) list.insert(at, b);
  }

  std::vector<std::vector<int>> neighbours_;
};

}  // namespace diffx::domain::structure
