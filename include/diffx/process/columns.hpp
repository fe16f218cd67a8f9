#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::process {

/// The columns of a table: every position has noise on a schedule of its own, on one clock, and if
/// it holds classes, its own number of them.
///
///     process::columns{std::vector{process::uniform{2}, process::uniform{5}}}
///     process::columns{std::vector{edm{{.rho = 7.0}}, edm{{.rho = 5.3}}}}   // of numbers, with
///                                                    // edm =
///                                                    process::edm_of<schedule::sigma_power>
///
/// Column c at time t is column(c) at time t; a grid is made from the first, and the level of the
/// first is what a network, a guidance and a cache are told: one that knows the other schedules
/// needs the clock `query::at.t` alone. Where a solver takes columns to times of their own inside a
/// step (solver::churn), the clock shows the smallest. Of numbers every column is planned by itself
/// and moves by its own coefficients, so that a column has the samples that it would have alone;
/// its neighbours show it only to the network. A sample's logits lie side by side, column after
/// column, as a network's last layer gives them.
///
/// Source    Hoogeboom et al. 2021, arXiv:2102.05379; Kotelnikov et al. 2023 (TabDDPM),
///           arXiv:2209.15421; schedules of columns from Shi et al. 2025 (TabDiff),
///           arXiv:2410.20626.
/// Shapes    states [batch, columns]: numbers, or integers in [0, classes of the column), or its
///           mask; logits [batch, sum of the columns' classes].
/// Requires  of classes, a solver that draws every position by itself, such as solver::ancestral;
///           of numbers, one that plans its steps ahead, as all but solver::adaptive_rk,
///           solver::dpm_adaptive and solver::langevin_corrector do.
/// Errors    no column: throws diffx::error; a run throws where a column's levels at the grid's
///           times do not fall, or its solver plans other stages than for the first column.
template <class Column>
requires(categorical_process<Column> || gaussian_process<Column>)  //
    class columns {
 public:
  using kind = process_tag;
  using column_type = Column;
  static constexpr std::string_view name = "process::columns";
  static constexpr std::string_view source = "arXiv:2209.15421";
  static constexpr value_kind values = Column::values;
  static constexpr bool is_absorbing = [] {
    if constexpr (categorical_process<Column>) return Column::is_absorbing;
    return false;
  }();

  explicit columns(std::vector<Column> of) : columns_(std::move(of)) {
    diffx::detail::require(!columns_.empty(), "diffx::process::columns", "number of columns", 0,
                           "at least 1");
    if constexpr (categorical_process<Column>) {
      for (Column const& c : columns_) logits_ += c.limit().classes;
    }
  }

  int size() const noexcept { return static_cast<int>(columns_.size()); }
  Column const& column(int c) const noexcept { return columns_[static_cast<std::size_t>(c)]; }
  /// Of a sample.
  std::int64_t logits() const noexcept requires categorical_process<Column> { return logits_; }

  level at(double t) const { return columns_.front().at(t); }
  level at_lambda(double lambda) const { return columns_.front().at_lambda(lambda); }

 private:
  std::vector<Column> columns_;
  std::int64_t logits_ = 0;
};

template <class Column>
columns(std::vector<Column>) -> columns<Column>;

}  // namespace diffx::process
