#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// The state of a table's run as it stood before the stage in progress, a list for every block of
/// the state. Denoisers of other tables read it.
template <class... Ts>
class snapshot {
 public:
  template <std::size_t B = 0>
  auto view() const noexcept {
    using T = std::tuple_element_t<B, std::tuple<Ts...>>;
    auto v = std::get<B>(shapes_);
    return batch_view<T const>{std::get<B>(values_).data(), v.batch, v.features, v.first_sample};
  }

  template <class Run>
  void take(Run const& run) {
    take(run, std::index_sequence_for<Ts...>{});
  }

 private:
  template <class Run, std::size_t... B>
  void take(Run const& run, std::index_sequence<B...>) {
    auto const one = [](auto const& shape, auto const* now, auto& values, auto& to) {
      values.assign(now, now + shape.size());
      to = {nullptr, shape.batch, shape.features, shape.first_sample};
    };
    (one(run.template state<B>(), run.template current_state<B>(), std::get<B>(values_),
         std::get<B>(shapes_)),
     ...);
  }

  std::tuple<std::vector<Ts>...> values_;
  std::tuple<batch_view<Ts>...> shapes_;
};

/// A table that takes part: its run and where the others see its state.
template <class Run, class Snapshot>
struct swept {
  Run& run;
  Snapshot& seen;
};
template <class Run, class Snapshot>
swept(Run&, Snapshot&) -> swept<Run, Snapshot>;

/// Runs of all tables of a database in lockstep on one clock. Before a stage the states of all
/// tables are copied; then every run takes the stage, and its denoiser, which reads those copies,
/// sees all tables at the same time t, whichever of them have been advanced already.
///
///     snapshot<float> persons, visits;  // the denoisers refer to them
///     joint_sweep sweep{swept{run_of_persons, persons}, swept{run_of_visits, visits}};
///     sweep.finish();
///
/// If a denoiser throws, the runs that took the stage do not take it again when advance_stage() is
/// called once more. Runs and snapshots must outlive the sweep.
///
/// Source    Hudovernik et al. 2025 (RelDiff), arXiv:2506.00710.
/// Errors    runs whose timetables have other times, or that stand at other stages: throws
///           diffx::error. Solvers that choose their own steps do not compile, nor do runs on a
///           device.
template <class... Tables>
class joint_sweep {
 public:
  static constexpr std::string_view name = "domain::relational::joint_sweep";
  static constexpr std::string_view source = "arXiv:2506.00710";

  explicit joint_sweep(Tables const&... tables) : tables_(tables...) {
    static_assert(sizeof...(Tables) >= 1, "diffx: a joint sweep needs at least one table.");
    (check<Tables>(), ...);
    auto const& clock = std::get<0>(tables_).run.grid().levels();
    each([&](auto const& table) {
      auto const& levels = table.run.grid().levels();
      bool const same = std::equal(levels.begin(), levels.end(), clock.begin(), clock.end(),
                                   [](auto const& a, auto const& b) { return a.t == b.t; });
      if (!same) fail("the timetables of the runs have other times");
    });
  }

  bool done() const noexcept { return std::get<0>(tables_).run.done(); }

  /// One stage of every run.
  void advance_stage() {
    if (!open_) {
      auto const& first = std::get<0>(tables_).run;
      step_ = first.step();
      stage_ = first.stage_index();
      each([&](auto const& table) {
        if (table.run.done() != first.done() || !stands(table.run)) {
          fail(
              "the runs stand at other stages; give them one timetable, range of steps and "
              "solvers of equally many stages");
        }
      });
      if (done()) return;
      each([](auto const& table) { table.seen.take(table.run); });
      open_ = true;
    }
    each([&](auto const& table) {
      if (stands(table.run)) table.run.advance_stage();
    });
    open_ = false;
  }

  /// One step of every run.
  void advance() {
    if (done()) return;
    int const step = std::get<0>(tables_).run.step();
    do {
      advance_stage();
    } while (!done() && std::get<0>(tables_).run.step() == step);
  }

  void finish() {
    while (!done()) advance();
  }

 private:
  template <class Table>
  static void check() {
    using run_type = std::remove_cvref_t<decltype(std::declval<Table>().run)>;
    static_assert(!run_type::dynamic,
                  "diffx: this solver chooses its own steps, and the tables of a joint sweep share "
                  "one clock. Use a solver with a plan.");
    static_assert(std::remove_cvref_t<decltype(std::declval<run_type const&>().exec())>::on_host,
                  "diffx: a joint sweep copies states in host memory, which this execution object "
                  "does not reach. Use exec::host or exec::threads.");
  }
  [[noreturn]] static void fail(std::string const& what) {
    detail::fail("diffx::domain::relational::joint_sweep: " + what);
  }
  template <class Run>
  bool stands(Run const& run) const noexcept {
    return run.step() == step_ && run.stage_index() == stage_;
  }
  template <class F>
  void each(F const& f) const {
    std::apply([&](auto const&... table) { (f(table), ...); }, tables_);
  }

  std::tuple<Tables...> tables_;
  int step_ = 0, stage_ = 0;
  bool open_ = false;  // the copies are those of step_ and stage_, and some run has not taken it
};

}  // namespace diffx::domain::relational
