#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/matrix_law.hpp>
#include <diffx/detail/row_group.hpp>
#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace diffx::detail {

/// What a pass over classes asks of a position, where all positions are alike.
template <class Law>
struct same_positions {
  Law of;
  int classes;  // logits of a position
  double weight[categorical_stage::max_weights];

  DIFFX_HD Law const& law(std::int64_t) const noexcept { return of; }
  DIFFX_HD int width(std::int64_t) const noexcept { return classes; }
  DIFFX_HD auto const& weights(std::int64_t) const noexcept { return weight; }
  DIFFX_HD std::int64_t first_logit(std::int64_t sample, std::int64_t positions,
                                    std::int64_t position) const noexcept {
    return (sample * positions + position) * classes;
  }

  std::int64_t groups(std::int64_t batch, std::int64_t positions) const noexcept {
    return (batch * positions + row_group::most - 1) / row_group::most;
  }
  row_group group(std::int64_t at, std::int64_t batch, std::int64_t positions) const noexcept {
    std::int64_t const first = at * row_group::most, left = batch * positions - first;
    return {first, 1, first * classes, classes, row_group::of(left)};
  }
};

/// A column's law, and where its logits begin among those of a sample.
struct column_law {
  limit_law law;
  std::int64_t first = 0;
};

/// The same where every position is a column with a law of its own.
struct own_positions {
  using column_weights = double[categorical_stage::max_weights];

  column_law const* column;
  column_weights const* weight;
  std::int64_t logits;  // of a sample

  DIFFX_HD limit_law const& law(std::int64_t position) const noexcept {
    return column[position].law;
  }
  DIFFX_HD int width(std::int64_t position) const noexcept { return column[position].law.classes; }
  DIFFX_HD column_weights const& weights(std::int64_t position) const noexcept {
    return weight[position];
  }
  DIFFX_HD std::int64_t first_logit(std::int64_t sample, std::int64_t,
                                    std::int64_t position) const noexcept {
    return sample * logits + column[position].first;
  }

  /// A column of several samples; all columns of these samples follow each other.
  std::int64_t groups(std::int64_t batch, std::int64_t positions) const noexcept {
    return (batch + row_group::most - 1) / row_group::most * positions;
  }
  row_group group(std::int64_t at, std::int64_t batch, std::int64_t positions) const noexcept {
    std::int64_t const c = at % positions, sample = at / positions * row_group::most;
    return {sample * positions + c, positions, sample * logits + column[c].first, logits,
            row_group::of(batch - sample)};
  }
};

/// The laws of a block's positions, and the layouts that its passes are given.
template <class Process>
class position_laws {
 public:
  position_laws(Process const& process, std::int64_t) : law_(process.limit()) {}

  static std::int64_t logits(Process const& process, std::int64_t positions) {
    return checked_product(positions, process.limit().classes, "logits of a sample");
  }
  int largest() const noexcept { return law_.mask == law_.classes ? law_.mask : law_.classes - 1; }
  int longest() const noexcept { return law_.classes; }  // row of logits
  bool has_table() const noexcept { return law_.cumulative != nullptr; }
  bool has_short_rows() const noexcept { return law_.classes <= row_group::most_classes; }
  limit_law const& law() const noexcept { return law_; }

  template <class Hash>
  void add_to(Hash& h) const {
    h.add(law_.classes);
    h.add(law_.mask);
  }

  same_positions<limit_law> plain() const noexcept { return {law_, law_.classes, {}}; }
  /// Weight 0 is the probability that a class is kept.
  same_positions<limit_law> forgetting() const noexcept { return plain(); }
  same_positions<limit_law> keeping(Process const&, level const& now,
                                    level const& then) const noexcept {
    return {law_, law_.classes, {then.alpha / now.alpha, 0.0, 0.0, 0.0}};
  }

  auto layout(Process const& process, categorical_stage const& s) const noexcept {
    auto const filled = [&](auto const& law) {
      same_positions<std::remove_cvref_t<decltype(law)>> out{law, law_.classes, {}};
      for (std::size_t k = 0; k < s.weight.size(); ++k) out.weight[k] = s.weight[k];
      return out;
    };
    if constexpr (matrix_process<Process>) {
      return filled(matrix_law_of(s.tables, process.states()));
    } else {
      static_cast<void>(process);
      return filled(law_);
    }
  }

 private:
  limit_law law_;
};

template <column_process Process>
class position_laws<Process> {
 public:
  position_laws(Process const& process, std::int64_t positions) {
    constexpr auto where = "diffx::run";
    require(positions == process.size(), where, "positions of the state",
            static_cast<long long>(positions),
            "the columns of the process, " + text(process.size()));
    std::int64_t first = 0;
    for (int c = 0; c < process.size(); ++c) {
      limit_law const law = process.column(c).limit();
      columns_.push_back({law, first});
      first += law.classes;
      longest_ = law.classes > longest_ ? law.classes : longest_;
      int const top = law.mask == law.classes ? law.mask : law.classes - 1;
      largest_ = top > largest_ ? top : largest_;
      has_short_rows_ = has_short_rows_ || law.classes <= row_group::most_classes;
    }
  }

  static std::int64_t logits(Process const& process, std::int64_t) { return process.logits(); }
  int largest() const noexcept { return largest_; }
  int longest() const noexcept { return longest_; }  // row of logits
  bool has_table() const noexcept { return true; }   // this one: in host memory
  bool has_short_rows() const noexcept { return has_short_rows_; }

  template <class Hash>
  void add_to(Hash& h) const {
    for (column_law const& c : columns_) {
      h.add(c.law.classes);
      h.add(c.law.mask);
    }
  }

  own_positions plain() const noexcept { return with(nullptr); }
  own_positions forgetting() {
    kept_.assign(columns_.size() * categorical_stage::max_weights, 0.0);
    return with(kept_.data());
  }
  own_positions keeping(Process const& process, level const& now, level const& then) {
    auto const out = forgetting();
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      auto const& column = process.column(static_cast<int>(c));
      kept_[c * categorical_stage::max_weights] = column.at(then.t).alpha / column.at(now.t).alpha;
    }
    return out;
  }
  own_positions layout(Process const&, categorical_stage const& s) const noexcept {
    return with(s.tables.data());
  }

 private:
  own_positions with(double const* weights) const noexcept {
    return {columns_.data(), reinterpret_cast<own_positions::column_weights const*>(weights),
            columns_.back().first + columns_.back().law.classes};
  }

  std::vector<double> kept_;
  std::vector<column_law> columns_;
  int largest_ = 0, longest_ = 0;
  bool has_short_rows_ = false;
};

}  // namespace diffx::detail
