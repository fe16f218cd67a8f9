#pragma once

#include <diffx/concepts/prediction.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/step.hpp>
#include <diffx/timetable.hpp>

#include <array>
#include <concepts>
#include <string_view>
#include <type_traits>
#include <vector>

namespace diffx {

struct solver_tag {};

/// A standard normal with its weight. Equal keys are one variate.
struct noise_term {
  noise::key key;
  double weight = 0.0;
};

/// Whose norms the length of a Langevin step follows from: see solver::langevin_corrector.
enum class langevin_norms {
  batch,   // the means over the batch of |xi| and |S|: a sample depends on its batch
  sample,  // of the sample alone: |S|, and the root of its number of elements
  level,   // of the noise level alone: eps = -sigma S has the norm of xi
};

/// One model evaluation and the one pass over memory that follows it.
///
///     m  = the guided prediction, in the solver's frame
///     x' = sum_j state[j] x_j + output m + sum_j history[j] m_j + sum_j noise[j].weight xi_j
///
/// x_0 is the current state (what the model saw), x_1, ... the states retained in this step, newest
/// first; m_0, m_1, ... are outputs kept by earlier stages, newest first. Weights are computed on
/// the host in double and narrowed once.
struct stage {
  static constexpr int max_states = 3;
  static constexpr int max_history = 8;
  static constexpr int max_noise = 2;

  bool evaluates = true;  // false: a pass without a model call
  bool keeps = false;     // m becomes history[0] of the following stages
  bool retains = false;   // the current state stays as state[1] of the following stages
  bool holds = false;     // another block's: this one is shown and stays as it is
  level at;               // what the network is told
  level convert;          // where its output is converted; equal to `at` unless a solver says so
  level to;               // where the stage goes

  std::array<double, max_states> state{};
  double output = 0.0;
  std::array<double, max_history> history{};
  std::array<noise_term, max_noise> noise{};
  double hook = 0.0;  // weight of (x0 after the guidance's hook - x0 before it), beside m's own

  // Not 0: a Langevin step, x' = x + c S + sqrt(2 c) xi with c = langevin |xi|^2 / |S|^2, where S =
  // sum_j state[j] x_j + sum_j history[j] m_j and noise[0] names xi. For a solver that declares
  // moves_by_norm.
  double langevin = 0.0;
  langevin_norms norms = langevin_norms::sample;

  // With a learned variance v in [-1, 1], noise[0].weight is multiplied by
  // exp(log_std[0] + log_std[1] v), element by element.
  std::array<double, 2> log_std{};
};

/// The same for a block whose pass goes position by position, over classes or points on spheres:
/// one evaluation, then every position is drawn anew.
struct categorical_stage {
  static constexpr int max_weights = 4;

  bool evaluates = true;
  bool holds = false;  // another block's: this one is shown and stays as it is
  level at, convert, to;
  std::array<double, max_weights> weight{};  // what they mean is the solver's
  noise::key key;                            // the words of each position
  std::vector<double> tables{};              // of a process of matrices: detail::matrix_law
};

/// The same for a block of packed bits. A step flips a bit with a probability that is linear in
/// that of its not being clean:
///
///     p(x' != x) = same + (other - same) p(x0 != x)
///
/// or, if `hard`, x' = [p(x0 = 1) > 1/2] xor Bernoulli(same).
struct binary_stage {
  bool evaluates = true;
  bool holds = false;  // another block's: this one is shown and stays as it is
  level at, convert, to;
  double same = 0.0;   // p(x' != x) where the clean bit is x
  double other = 1.0;  // and where it is not
  bool hard = false;
  noise::key key;
};

/// The stages of one step, in order. Solvers write it, the run executes it.
template <class Stage>
class basic_plan {
 public:
  using stage_type = Stage;

  /// A stage that calls the model at `at` and goes to `to`. The reference is good until the next
  /// stage is added.
  Stage& evaluate(level const& at, level const& to) {
    Stage& s = stages_.emplace_back();
    s.at = s.convert = at;
    s.to = to;
    return s;
  }

  /// A pass without a model call, such as the noise of a churn.
  Stage& pass(level const& at, level const& to) {
    Stage& s = evaluate(at, to);
    s.evaluates = false;
    return s;
  }

  std::vector<Stage> const& stages() const noexcept { return stages_; }
  std::vector<Stage>& stages() noexcept { return stages_; }

 private:
  std::vector<Stage> stages_;
};

class plan : public basic_plan<stage> {};
class categorical_plan : public basic_plan<categorical_stage> {};
class binary_plan : public basic_plan<binary_stage> {};

/// Where a solver stands when it plans step i: every level of the run, before and after.
template <class Process>
struct plan_context {
  Process const& process;  // for levels between grid points: process.at_lambda(...)
  timetable const& grid;
  int index = 0;  // the step to plan
  int first = 0;  // the run's first step: no history exists before it
  int last = 0;   // the run's last step

  diffx::step step() const noexcept { return grid.step(index); }
  level const& from() const noexcept { return grid[index]; }
  level const& to() const noexcept { return grid[index + 1]; }
  /// The level `j` steps back, whose output is history[j - 1].
  level const& back(int j) const noexcept { return grid[index - j]; }
  /// Outputs of earlier steps that exist.
  int past() const noexcept { return index - first; }
  int remaining() const noexcept { return last - index + 1; }
};

/// A solver turns model predictions into the next, less noisy state.
///
/// | `S::frame`         | the quantity it works in: outputs and history are in it               |
/// | `S::order`         | global order in the largest step (weak order if stochastic)           |
/// | `S::max_evals`     | most model evaluations one step asks for                              |
/// | `S::history`       | past outputs that a stage may read                                    |
/// | `S::states`        | states that a stage may read: 1, or more if it retains                |
/// | `S::noises`        | noise terms of a stage: 0 for a deterministic solver                  |
/// | `s.plan(context, plan&)` | writes the stages of one step; host, double, pure               |
///
/// Promise: plan depends on its arguments alone, so one object may serve many runs at once. N = 1,
/// 2 and 3 steps work, and so does a last step onto sigma = 0.
template <class S>
concept linear_solver =
    std::same_as<typename S::kind, solver_tag> && std::is_copy_constructible_v<S> && requires {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::source } -> std::convertible_to<std::string_view>;
  { S::frame } -> std::convertible_to<frame>;
  { S::order } -> std::convertible_to<int>;
  { S::max_evals } -> std::convertible_to<int>;
  { S::history } -> std::convertible_to<int>;
  { S::states } -> std::convertible_to<int>;
  { S::noises } -> std::convertible_to<int>;
};

/// A solver whose weights depend on the state (an adaptive step, a norm): it drives the run itself.
///
/// | `S::reads_device`    | true: the host waits for numbers from the state                      |
/// | `S::remembers`       | doubles that the run keeps for it: run.memory(), in checkpoints too   |
/// | `s.advance(run)`     | takes the grid step with the run's primitives; true once it is done   |
///
/// A linear solver may declare `pure_passes = true` as well: it plans passes without a call. With
/// `moves_by_norm = true` it plans Langevin steps, whose length follows from norms of the state.
template <class S>
concept dynamic_solver = linear_solver<S> && S::reads_device;

/// A solver of classes: a rule that draws one position from its row of logits.
///
/// | `S::values`         | value_kind::categorical                                                |
/// | `S::order`          | order in the largest step of the distance between laws                 |
/// | `S::max_evals`      | most model evaluations one step asks for                               |
/// | `s.plan(context, categorical_plan&)` | writes the stages of one step; host, double, pure     |
/// | `S::advance(weights, law, now, row, words)` | the class of a position after the stage: `now` |
/// |                     | is the one before, `row` a detail::class_row, words(k) its k-th block  |
/// |                     | of random words; pure                                                  |
/// | `S::takes_scores`   | true: it reads a row of log-scores as well, with the member            |
/// |                     | advance_score(weights, law, now, row, words)                           |
/// | `S::counts_capped`  | true: its steps may be too long for the rates; both members take one |
/// |                     | more argument, a std::int32_t& that they raise where one was           |
/// | `S::takes_matrices` | true: it plans `tables` for a process of matrices, and its advance     |
/// |                     | takes a detail::matrix_law as well                                     |
/// | `S::takes_bits`     | true: it plans a binary_plan as well, for packed bits                  |
/// | `S::takes_short_rows` | true: its advance asks a row for scan(), probability() and draw()    |
/// |                     | alone, so that rows of few classes are read many at a time             |
/// | `S::takes_groups`   | true: advance_group, the draws of advance for such rows all at once,   |
/// |                     | of laws without a mask and no cavity; false where advance is replaced  |
/// | `S::pure_passes`    | true: it plans stages without an evaluation, each of which noises from |
/// |                     | `at` to `to`                                                           |
/// | `S::takes_laws`     | false: it reads scores alone, and has no `advance`                     |
/// | `S::gives_kernels`  | true: it has the reverse kernel, for a guidance that acts on kernels   |
/// | `S::advance_kernels(weights, law, now, row, words)` | the same draw, where `row` is a        |
/// |                     | detail::kernel_row of several branches; pure                           |
template <class S>
concept categorical_solver =
    std::same_as<typename S::kind, solver_tag> && std::is_copy_constructible_v<S> && requires {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::source } -> std::convertible_to<std::string_view>;
  { S::order } -> std::convertible_to<int>;
  { S::max_evals } -> std::convertible_to<int>;
  requires S::values == value_kind::categorical;
};

/// A solver of points on spheres: it says how far a position goes,
///
///     x' = exp_x(weight[0] sum_k p_k log_x(e_k) + weight[1] xi),    p = softmax(logits)
///
/// with xi a standard normal, tangent at x.
///
/// | `S::on_sphere`      | true                                                                   |
/// | `S::order`          | weak order in the largest step                                         |
/// | `S::max_evals`      | most model evaluations one step asks for                               |
/// | `s.plan(context, categorical_plan&)` | writes the stages of one step; host, double, pure     |
template <class S>
concept sphere_solver =
    std::same_as<typename S::kind, solver_tag> && std::is_copy_constructible_v<S> && requires {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::source } -> std::convertible_to<std::string_view>;
  { S::order } -> std::convertible_to<int>;
  { S::max_evals } -> std::convertible_to<int>;
  requires S::on_sphere;
};

/// A dynamic_solver, which drives the run by what it reads of its state.
template <class S>
inline constexpr bool drives_run = false;
template <class S>
requires requires { S::reads_device; }
inline constexpr bool drives_run<S> = S::reads_device;

template <class S>
inline constexpr bool moves_by_norm = false;
template <class S>
requires requires { S::moves_by_norm; }
inline constexpr bool moves_by_norm<S> = S::moves_by_norm;

template <class S>
inline constexpr bool takes_scores = false;
template <class S>
requires requires { S::takes_scores; }
inline constexpr bool takes_scores<S> = S::takes_scores;

template <class S>
inline constexpr bool takes_matrices = false;
template <class S>
requires requires { S::takes_matrices; }
inline constexpr bool takes_matrices<S> = S::takes_matrices;

template <class S>
inline constexpr bool takes_bits = false;
template <class S>
requires requires { S::takes_bits; }
inline constexpr bool takes_bits<S> = S::takes_bits;

template <class S>
inline constexpr bool takes_short_rows = false;
template <class S>
requires requires { S::takes_short_rows; }
inline constexpr bool takes_short_rows<S> = S::takes_short_rows;
template <class S>
inline constexpr bool takes_groups = false;
template <class S>
requires requires { S::takes_groups; }
inline constexpr bool takes_groups<S> = S::takes_groups;

template <class S>
inline constexpr bool takes_laws = true;
template <class S>
requires requires { S::takes_laws; }
inline constexpr bool takes_laws<S> = S::takes_laws;

template <class S>
inline constexpr bool gives_kernels = false;
template <class S>
requires requires { S::gives_kernels; }
inline constexpr bool gives_kernels<S> = S::gives_kernels;

template <class S>
concept solver_policy = linear_solver<S> || categorical_solver<S> || sphere_solver<S>;

}  // namespace diffx
