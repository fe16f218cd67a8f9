#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/denoiser/mixture_flow.hpp>
#include <diffx/timetable.hpp>

#include "levels.hpp"
#include "oracles.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace test {

/// The stages that a solver plans for one step.
template <class Solver>
std::vector<diffx::stage> plan_of(Solver const& solver, diffx::timetable const& grid, int index,
                                  int first = 0) {
  diffx::plan out;
  vp_process const process;
  solver.plan(diffx::plan_context<vp_process>{process, grid, index, first, grid.steps() - 1}, out);
  return out.stages();
}

/// Carries out plans on one number, by the words of concepts/solver.hpp and with no code of the
/// run.
class interpreter {
 public:
  explicit interpreter(double x) : states_{x} {}

  double x() const { return states_.front(); }
  void set(double x) { states_ = {x}; }

  /// Puts an output into the history that no stage has made.
  void remember(double m) { history_.insert(history_.begin(), m); }

  /// One step. m(x, level) is the prediction in the solver's frame, z(key) the variate.
  template <class Model, class Noise>
  void step(std::vector<diffx::stage> const& stages, Model const& m, Noise const& z) {
    for (diffx::stage const& s : stages) {
      double const output = s.evaluates ? m(states_.front(), s.convert) : 0.0;
      double next = s.evaluates ? s.output * output : 0.0;
      for (std::size_t j = 0; j < s.state.size(); ++j) {
        if (s.state[j] != 0.0) next += s.state[j] * states_.at(j);
      }
      for (std::size_t j = 0; j < s.history.size(); ++j) {
        if (s.history[j] != 0.0) next += s.history[j] * history_.at(j);
      }
      for (diffx::noise_term const& n : s.noise) {
        if (n.weight != 0.0) next += n.weight * z(n.key);
      }
      if (s.keeps) remember(output);
      if (s.retains) {
        states_.insert(states_.begin(), next);
      } else {
        states_.front() = next;
      }
    }
    states_.resize(1);
  }
  template <class Model>
  void step(std::vector<diffx::stage> const& stages, Model const& m) {
    step(stages, m, [](auto const&) { return 0.0; });
  }

 private:
  std::vector<double> states_;
  std::vector<double> history_;
};

/// The exact prediction of mixture A in a frame.
template <diffx::frame F>
struct mixture_model {
  diffx::denoiser::gaussian_mixture mixture = mixture_a();
  double operator()(double x, diffx::level const& at) const {
    return F == diffx::frame::x0 ? mixture.x0(x, at) : mixture.eps(x, at);
  }
};

/// Largest error at the end of N steps uniform in lambda from -2.5 to 2.5 on mixture A. The first
/// `exact` steps follow the exact flow, and the solver is given the outputs on it: a multistep
/// method that starts with lower orders would show those.
template <class Solver>
double mixture_error(Solver const& solver, int steps, int exact = 0) {
  mixture_model<Solver::frame> const model;
  diffx::timetable const grid(uniform_lambda(-2.5, 2.5, steps + 1));
  double worst = 0.0;
  for (double const start : {-2.1, -0.6, 0.05, 0.9, 1.8}) {
    interpreter run(start);
    for (int i = 0; i < steps; ++i) {
      if (i < exact) {
        run.remember(model(run.x(), grid[i]));
        run.set(diffx::denoiser::flow_map(model.mixture, start, grid[0], grid[i + 1]));
      } else {
        run.step(plan_of(solver, grid, i), model);
      }
    }
    double const end = diffx::denoiser::flow_map(model.mixture, start, grid.front(), grid.back());
    worst = std::max(worst, std::fabs(run.x() - end));
  }
  return worst;
}

}  // namespace test
