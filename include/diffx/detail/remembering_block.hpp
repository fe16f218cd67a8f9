#pragma once

#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/run_checks.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace diffx::detail {

/// What a sample's visible classes add up to.
template <class Code, class Rule>
struct total_op {
  Code const* state;
  std::int64_t positions;
  int mask;
  double const* psi;
  typename Rule::total* total;

  DIFFX_HD void operator()(std::int64_t sample) const {
    std::int64_t const row = sample * positions;
    total[sample] = Rule::of(state + row, psi + row, positions, mask);
  }
};

/// The pass after an evaluation where every position remembers how probable its class was.
template <class Code, class V, int G, bool Cavity, class Solver, class Rule, class Noise>
struct remembering_pass {
  using T = arithmetic_t<V>;
  using tables_type = team_tables<T>;

  Code* state;
  std::int64_t positions, first_sample;
  class_mix<V, G> mix;
  double coefficients[categorical_stage::max_weights];
  limit_law law;
  noise::key key;
  Noise noise;
  std::uint8_t const* fixed;
  typename Rule::total const* total;
  double* psi;

  DIFFX_HD void operator()(std::int64_t index) const { alone<1024>(index); }

  /// By one thread; Tiles as in class_row.
  template <int Tiles>
  DIFFX_HD void alone(std::int64_t index) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    class_row<V, G, Tiles> row;
    double mine = psi[index];
    int const next = drawn(index, row, mine);
    put(index, next, mine);
  }

  /// One position by all threads of a team, which calls this with equal arguments.
  template <class Team>
  DIFFX_HD void operator()(std::int64_t index, Team const& team, team_tables<T>& tables) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    team_row<V, G, Team> row(team, tables);
    double mine = psi[index];
    int const next = drawn(index, row, mine);
    team.wait();  // all have read the class before one writes another
    if (team.leads()) put(index, next, mine);
  }

 private:
  /// The next class, or -1; `mine` is how probable it was when it was drawn.
  template <class Row>
  DIFFX_HD int drawn(std::int64_t index, Row& row, double& mine) const {
    std::int64_t const sample = index / positions, position = index - sample * positions;
    for (int g = 0; g < G; ++g) {
      row.source[g] = mix.source[g] + index * law.classes;
      row.weight[g] = mix.weight[g];
    }
    row.classes = law.classes;
    row.excluded = law.mask;
    return Solver::template advance<Cavity>(
        coefficients, law, static_cast<int>(state[index]), row,
        position_words<Noise>{&noise, key, first_sample + sample, position},
        total[sample].share(mine), mine);
  }

  DIFFX_HD void put(std::int64_t index, int next, double mine) const {
    if (next < 0) {
      std::int64_t const sample = index / positions;
      fail_at("the logits are no distribution (NaN, +inf, or -inf alone)", first_sample + sample,
              index - sample * positions, key.step);
      return;
    }
    state[index] = static_cast<Code>(next);
    psi[index] = mine;
  }
};

struct forget_draws {
  double* psi;
  static constexpr double given = std::numeric_limits<double>::infinity();

  DIFFX_HD void operator()(std::int64_t index) const { psi[index] = given; }
};

/// A block of classes whose solver asks how probable each class was when it was drawn: a number of
/// every position, infinite for classes that were given.
template <class Code, class Process, class Prediction, class Solver, class Guidance, class Cache,
          class Noise, class Logit>
class remembering_block
    : public categorical_block<Code, Process, Prediction, Solver, Guidance, Cache, Noise, Logit> {
  using base = categorical_block<Code, Process, Prediction, Solver, Guidance, Cache, Noise, Logit>;
  using rule = typename Solver::rule_type;

 public:
  static constexpr bool takes_pasted = false;
  using base::branches;
  using typename base::logit_type;

  static std::int64_t workspace_bytes(Process const& process, std::int64_t batch,
                                      std::int64_t positions) {
    return aligned_bytes(base::workspace_bytes(process, batch, positions)) +
           checked_product(batch, static_cast<std::int64_t>(sizeof(typename rule::total)),
                           "workspace of samples") +
           checked_product(batch * positions, static_cast<std::int64_t>(sizeof(double)),
                           "workspace of probabilities");
  }

  remembering_block(batch_view<Code> x, std::byte* workspace, Process const& process,
                    Prediction const& prediction, Guidance const& guidance, Solver const& solver,
                    Noise const& noise, int block)
      : base(x, workspace, process, prediction, guidance, solver, noise, block) {
    std::byte* const after =
        workspace + aligned_bytes(base::workspace_bytes(process, x.batch, x.features));
    total_ = reinterpret_cast<typename rule::total*>(after);
    psi_ = reinterpret_cast<double*>(total_ + x.batch);
  }

  /// The state is there: its classes were given.
  template <class Exec>
  void begin(Exec const& exec, int, int) {
    exec.for_each_sample(base::x().size(), forget_draws{psi_});
  }

  template <class Exec>
  void apply(Exec const& exec, categorical_stage const& s, prediction_mix const& m, bool,
             level const*, Code*) {
    auto const x = base::x();
    exec.for_each_sample(x.batch,
                         total_op<Code, rule>{x.data, x.features, base::law().mask, psi_, total_});
    remembering_pass<Code, logit_type, branches, Prediction::is_cavity, Solver, rule, Noise> pass{
        x.data, x.features,    x.first_sample, base::mix(m), {},  base::law(),
        s.key,  base::noise(), base::fixed(),  total_,       psi_};
    for (std::size_t k = 0; k < s.weight.size(); ++k) pass.coefficients[k] = s.weight[k];
    pass.key.block = base::block();
    for_each_row(exec, x.size(), base::law().classes, pass);
  }

  template <class F>
  void for_each_buffer(F const& f) const {
    base::for_each_buffer(f);
    f(psi_, base::x().size());
  }

 private:
  typename rule::total* total_;
  double* psi_;
};

}  // namespace diffx::detail
