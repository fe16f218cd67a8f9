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

/// True for an execution object off the host that takes tables from the host's memory.
template <class Exec>
inline constexpr bool uploads = requires(Exec const& exec, void* to, void const* from) {
  exec.upload(to, from, sizeof(double));
};

/// `count` values where the passes of this execution object read them: as they are, or in `room`.
template <class Exec, class V>
V const* reached(Exec const& exec, V const* values, std::size_t count, std::byte* room) {
  if constexpr (Exec::on_host) {
    return values;
  } else if constexpr (uploads<Exec>) {
    exec.upload(room, values, count * sizeof(V));
    return reinterpret_cast<V const*>(room);
  } else {
    fail(
        "diffx::run: the laws of this process are tables in host memory, which this execution "
        "object does not take from there; give it upload(to, from, bytes), as exec::cuda has it, "
        "or use process::uniform or process::absorbing");
  }
}

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

/// The laws of a block's positions, and the layouts that its passes are given. Off the host their
/// tables lie in the run's workspace: those of the process from the start on, and those of a step
/// for as long as its pass takes.
template <class Process>
class position_laws {
 public:
  position_laws(Process const& process, std::int64_t) : law_(process.limit()) {}

  static std::int64_t logits(Process const& process, std::int64_t positions) {
    return checked_product(positions, process.limit().classes, "logits of a sample");
  }
  /// Of workspace, off the host.
  static std::int64_t table_bytes(Process const& process) {
    auto const law = process.limit();
    std::int64_t numbers = law.cumulative != nullptr ? law.classes : 0;
    if constexpr (matrix_process<Process>) {
      std::int64_t const n = process.states();
      numbers += checked_product(3 * n, n, "tables of a step");
    }
    return checked_product(numbers, static_cast<std::int64_t>(sizeof(double)), "tables");
  }
  template <class Exec>
  void place(Exec const& exec, std::byte* room) {
    room_ = room;
    if (law_.cumulative == nullptr) return;
    auto const classes = static_cast<std::size_t>(law_.classes);
    law_.cumulative = reached(exec, law_.cumulative, classes, room);
    room_ += classes * sizeof(double);
  }

  int largest() const noexcept { return law_.mask == law_.classes ? law_.mask : law_.classes - 1; }
  int longest() const noexcept { return law_.classes; }  // row of logits
  bool has_short_rows() const noexcept { return law_.classes <= row_group::most_classes; }
  limit_law const& law() const noexcept { return law_; }

  template <class Hash>
  void add_to(Hash& h) const {
    h.add(law_.classes);
    h.add(law_.mask);
  }

  same_positions<limit_law> plain() const noexcept { return {law_, law_.classes, {}}; }
  /// Weight 0 is the probability that a class is kept.
  template <class Exec>
  same_positions<limit_law> forgetting(Exec const&) const noexcept {
    return plain();
  }
  template <class Exec>
  same_positions<limit_law> keeping(Exec const&, Process const&, level const& now,
                                    level const& then) const noexcept {
    return {law_, law_.classes, {then.alpha / now.alpha, 0.0, 0.0, 0.0}};
  }
  /// A table of the pass at hand.
  template <class Exec>
  double const* step_table(Exec const& exec, std::vector<double> const& table) const {
    return reached(exec, table.data(), table.size(), room_);
  }

  template <class Exec>
  auto layout(Exec const& exec, Process const& process, categorical_stage const& s) const {
    auto const filled = [&](auto const& law) {
      same_positions<std::remove_cvref_t<decltype(law)>> out{law, law_.classes, {}};
      for (std::size_t k = 0; k < s.weight.size(); ++k) out.weight[k] = s.weight[k];
      return out;
    };
    if constexpr (matrix_process<Process>) {
      return filled(matrix_law_of(step_table(exec, s.tables), process.states()));
    } else {
      static_cast<void>(exec);
      static_cast<void>(process);
      return filled(law_);
    }
  }

 private:
  limit_law law_;
  std::byte* room_ = nullptr;  // of a step's tables, off the host
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
  /// Of workspace, off the host: weights, laws and their running sums.
  static std::int64_t table_bytes(Process const& process) {
    auto const columns = static_cast<std::int64_t>(process.size());
    std::int64_t sums = 0;
    for (int c = 0; c < process.size(); ++c) {
      limit_law const law = process.column(c).limit();
      sums += law.cumulative != nullptr ? law.classes : 0;
    }
    return columns * static_cast<std::int64_t>(sizeof(own_positions::column_weights) +
                                               sizeof(column_law)) +
           sums * static_cast<std::int64_t>(sizeof(double));
  }
  template <class Exec>
  void place(Exec const& exec, std::byte* room) {
    room_ = room;
    std::byte* const laws = room + columns_.size() * sizeof(own_positions::column_weights);
    std::byte* sums = laws + columns_.size() * sizeof(column_law);
    std::vector<column_law> there = columns_;
    for (column_law& c : there) {
      if (c.law.cumulative == nullptr) continue;
      auto const classes = static_cast<std::size_t>(c.law.classes);
      c.law.cumulative = reached(exec, c.law.cumulative, classes, sums);
      sums += classes * sizeof(double);
    }
    there_ = reached(exec, there.data(), there.size(), laws);
  }

  int largest() const noexcept { return largest_; }
  int longest() const noexcept { return longest_; }  // row of logits
  bool has_short_rows() const noexcept { return has_short_rows_; }

  template <class Hash>
  void add_to(Hash& h) const {
    for (column_law const& c : columns_) {
      h.add(c.law.classes);
      h.add(c.law.mask);
    }
  }

  own_positions plain() const noexcept { return with(nullptr); }
  template <class Exec>
  own_positions forgetting(Exec const& exec) {
    kept_.assign(columns_.size() * categorical_stage::max_weights, 0.0);
    return with(reached(exec, kept_.data(), kept_.size(), room_));
  }
  template <class Exec>
  own_positions keeping(Exec const& exec, Process const& process, level const& now,
                        level const& then) {
    kept_.assign(columns_.size() * categorical_stage::max_weights, 0.0);
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      auto const& column = process.column(static_cast<int>(c));
      kept_[c * categorical_stage::max_weights] = column.at(then.t).alpha / column.at(now.t).alpha;
    }
    return with(reached(exec, kept_.data(), kept_.size(), room_));
  }
  template <class Exec>
  own_positions layout(Exec const& exec, Process const&, categorical_stage const& s) const {
    return with(reached(exec, s.tables.data(), s.tables.size(), room_));
  }

 private:
  own_positions with(double const* weights) const noexcept {
    return {there_ != nullptr ? there_ : columns_.data(),
            reinterpret_cast<own_positions::column_weights const*>(weights),
            columns_.back().first + columns_.back().law.classes};
  }

  std::vector<double> kept_;
  std::vector<column_law> columns_;
  column_law const* there_ = nullptr;  // off the host
  std::byte* room_ = nullptr;          // of a pass's weights, off the host
  int largest_ = 0, longest_ = 0;
  bool has_short_rows_ = false;
};

}  // namespace diffx::detail
