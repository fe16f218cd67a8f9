#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/detail/run_checks.hpp>
#include <diffx/error.hpp>
#include <diffx/step.hpp>
#include <diffx/timetable.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::detail {

/// The level of the first column, which the network is told, and those of all columns, as runs of
/// neighbours that are alike: run k begins at column first[k]. Inside a step columns may be at
/// times of their own; the network is told the smallest.
struct column_level : level {
  std::vector<level> own;
  std::vector<std::int64_t> first;
};

/// A stage of numbers whose columns have coefficients of their own, one `stage` a run of columns.
struct column_stage {
  bool evaluates = true;
  column_level at;
  level to;  // of the first column
  std::vector<stage> own;
};
class column_plan : public basic_plan<column_stage> {};

/// The levels of a column at the times of a grid; the first column has the grid itself.
template <class Process>
timetable grid_of_column(Process const& process, int column, timetable const& grid) {
  if (column == 0) return grid;
  std::vector<level> levels;
  for (level const& l : grid.levels()) levels.push_back(process.column(column).at(l.t));
  return timetable(std::move(levels),
                   "diffx::run: column " + text(column) + " of process::columns");
}

inline void check_stages(std::span<column_stage const> stages, step const& now,
                         solver_facts const& has) {
  for (column_stage const& s : stages) {
    for (std::size_t k = 0; k < s.own.size(); ++k) {
      check_stages(std::span(&s.own[k], 1), now, has, s.at.first[k]);
    }
  }
}

/// The steps of a process of columns: every column is planned by itself; its weights stand in the
/// stage's tables.
template <class Solver, column_process Process>
class class_column_plans {
 public:
  class_column_plans(Solver const& solver, Process const& process, timetable const& grid)
      : solver_(&solver), process_(&process) {
    grids_.reserve(static_cast<std::size_t>(process.size()));
    for (int c = 0; c < process.size(); ++c) grids_.push_back(grid_of_column(process, c, grid));
  }

  void operator()(int index, int first, int last, categorical_plan& out) const {
    std::size_t const before = out.stages().size();
    for (int c = 0; c < process_->size(); ++c) {
      timetable const& grid = grids_[static_cast<std::size_t>(c)];
      plan_context<typename Process::column_type> const context{process_->column(c), grid, index,
                                                                first, last};
      categorical_plan own;
      solver_->plan(context, c == 0 ? out : own);
      auto& stages = out.stages();
      check_stages(std::span(std::as_const(own).stages()), grid.step(index), facts_of<Solver>, c);
      for (std::size_t k = before; k < stages.size(); ++k) {
        auto const& w = (c == 0 ? stages[k] : own.stages()[k - before]).weight;
        stages[k].tables.insert(stages[k].tables.end(), w.begin(), w.end());
      }
    }
  }

 private:
  Solver const* solver_;
  Process const* process_;
  std::vector<timetable> grids_;
};

/// The same of numbers. Neighbours whose levels are those of each other are planned once.
template <class Solver, gaussian_column_process Process>
class number_column_plans {
 public:
  number_column_plans(Solver const& solver, Process const& process, timetable const& grid)
      : solver_(&solver), process_(&process) {
    for (int c = 0; c < process.size(); ++c) {
      timetable own = grid_of_column(process, c, grid);
      if (c > 0 && alike(own, grids_.back())) continue;
      grids_.push_back(std::move(own));
      first_.push_back(c);
    }
  }

  void operator()(int index, int first, int last, column_plan& out) const {
    std::size_t const before = out.stages().size();
    for (std::size_t run = 0; run < first_.size(); ++run) {
      plan_context<typename Process::column_type> const context{
          process_->column(static_cast<int>(first_[run])), grids_[run], index, first, last};
      plan own;
      solver_->plan(context, own);
      if (run == 0) {
        for (stage const& s : own.stages()) {
          column_stage& made = out.stages().emplace_back();
          made.evaluates = s.evaluates;
          static_cast<level&>(made.at) = s.at;
          made.to = s.to;
          made.at.first = first_;
        }
      }
      bool same = own.stages().size() == out.stages().size() - before;
      for (std::size_t k = 0; same && k < own.stages().size(); ++k) {
        column_stage& all = out.stages()[before + k];
        stage const& s = own.stages()[k];
        stage const& leader = run == 0 ? s : all.own.front();
        same = s.evaluates == leader.evaluates && s.keeps == leader.keeps &&
               s.retains == leader.retains;
        all.own.push_back(s);
        all.at.own.push_back(s.at);
        if (s.at.t < all.at.t) all.at.t = s.at.t;
      }
      if (!same) refuse(index, first_[run]);
    }
  }

 private:
  static bool alike(timetable const& a, timetable const& b) {
    bool same = true;
    for (int i = 0; same && i <= a.steps(); ++i) {
      same = a[i].t == b[i].t && a[i].alpha == b[i].alpha && a[i].sigma == b[i].sigma &&
             a[i].lambda == b[i].lambda;
    }
    return same;
  }

  [[noreturn]] static void refuse(int index, std::int64_t column) {
    fail("diffx::run: " + std::string(Solver::name) + " plans other stages for column " +
         text(static_cast<long long>(column)) + " of process::columns than for column 0 at step " +
         text(index) +
         "; its step must not depend on the schedule: leave out what bounds it by sigma, or take "
         "another solver");
  }

  Solver const* solver_;
  Process const* process_;
  std::vector<timetable> grids_;
  std::vector<std::int64_t> first_;
};

/// What plans the steps of one block: plan(index, first, last, out).
template <class Solver, class Process>
auto planner_of(Solver const& solver, Process const& process, timetable const& grid) {
  if constexpr (column_process<Process>) {
    return class_column_plans<Solver, Process>(solver, process, grid);
  } else if constexpr (gaussian_column_process<Process>) {
    return number_column_plans<Solver, Process>(solver, process, grid);
  } else {
    return [&](int index, int first, int last, auto& out) {
      solver.plan(plan_context<Process>{process, grid, index, first, last}, out);
    };
  }
}

}  // namespace diffx::detail
