#pragma once

#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/decoding_block.hpp>
#include <diffx/detail/workspace.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace diffx::detail {

/// The key of every position: a sweep draws those of the largest anew.
template <class Code, class V, int G, bool Cavity, class Corrector, class Noise>
struct pick_keys {
  using T = arithmetic_t<V>;
  using tables_type = team_tables<T>;

  Code const* state;
  std::int64_t positions, first_sample;
  class_mix<V, G> mix;
  double coefficients[categorical_stage::max_weights];
  limit_law law;
  noise::key key;
  Noise noise;
  double* keys;

  DIFFX_HD void operator()(std::int64_t index) const { alone<1024>(index); }

  /// By one thread; Tiles as in class_row.
  template <int Tiles>
  DIFFX_HD void alone(std::int64_t index) const {
    class_row<V, G, Tiles> row;
    bool valid = true;
    double const found = key_of(index, row, valid);
    put(index, found, valid);
  }

  /// One position by all threads of a team, which calls this with equal arguments.
  template <class Team>
  DIFFX_HD void operator()(std::int64_t index, Team const& team, team_tables<T>& tables) const {
    team_row<V, G, Team> row(team, tables);
    bool valid = true;
    double const found = key_of(index, row, valid);
    if (team.leads()) put(index, found, valid);
  }

  template <class Row>
  DIFFX_HD void open(std::int64_t index, Row& row) const noexcept {
    for (int g = 0; g < G; ++g) {
      row.source[g] = mix.source[g] + index * law.classes;
      row.weight[g] = mix.weight[g];
    }
    row.classes = law.classes;
  }

  DIFFX_HD position_words<Noise> words_of(std::int64_t index) const noexcept {
    std::int64_t const sample = index / positions;
    return {&noise, key, first_sample + sample, index - sample * positions};
  }

  DIFFX_HD void refuse(std::int64_t index) const {
    std::int64_t const sample = index / positions;
    fail_at("the logits are no distribution (NaN, +inf, or -inf alone)", first_sample + sample,
            index - sample * positions, key.step);
  }

 private:
  template <class Row>
  DIFFX_HD double key_of(std::int64_t index, Row& row, bool& valid) const {
    open(index, row);
    return Corrector::template key<Cavity>(coefficients, law, static_cast<int>(state[index]), row,
                                           words_of(index), valid);
  }

  DIFFX_HD void put(std::int64_t index, double found, bool valid) const {
    keys[index] = found;
    if (!valid) refuse(index);
  }
};

/// Orders the positions of a sample that are not fixed by their keys; -1 after the last.
struct order_picks {
  std::int64_t positions;
  std::uint8_t const* fixed;
  double const* keys;
  std::int32_t* order;

  DIFFX_HD void operator()(std::int64_t sample) const {
    std::int64_t const row = sample * positions;
    int n = 0;
    for (std::int32_t p = 0; p < static_cast<std::int32_t>(positions); ++p) {
      if (fixed == nullptr || fixed[row + p] == 0) order[row + n++] = p;
    }
    sort_by_key(order + row, n, keys + row);
    for (; n < static_cast<int>(positions); ++n) order[row + n] = -1;
  }
};

/// Draws the picked positions anew.
template <class Code, class V, int G, bool Cavity, class Corrector, class Noise>
struct redraw_picks {
  using T = arithmetic_t<V>;
  using tables_type = team_tables<T>;

  pick_keys<Code, V, G, Cavity, Corrector, Noise> of;
  Code* state;
  std::int32_t const* order;
  std::int64_t picks;

  DIFFX_HD void operator()(std::int64_t index) const { alone<1024>(index); }

  /// By one thread; Tiles as in class_row.
  template <int Tiles>
  DIFFX_HD void alone(std::int64_t index) const {
    std::int64_t const at = place(index);
    if (at < 0) return;
    class_row<V, G, Tiles> row;
    put(at, drawn(at, row));
  }

  /// One pick by all threads of a team, which calls this with equal arguments.
  template <class Team>
  DIFFX_HD void operator()(std::int64_t index, Team const& team, team_tables<T>& tables) const {
    std::int64_t const at = place(index);
    if (at < 0) return;
    team_row<V, G, Team> row(team, tables);
    int const next = drawn(at, row);
    team.wait();  // all have read the class before one writes another
    if (team.leads()) put(at, next);
  }

 private:
  /// The index of the position; -1: there is none of this rank.
  DIFFX_HD std::int64_t place(std::int64_t index) const {
    std::int64_t const sample = index / picks, rank = index - sample * picks;
    std::int32_t const position = order[sample * of.positions + rank];
    return position < 0 ? -1 : sample * of.positions + position;
  }

  template <class Row>
  DIFFX_HD int drawn(std::int64_t at, Row& row) const {
    of.open(at, row);
    return Corrector::template advance<Cavity>(of.coefficients, of.law, static_cast<int>(state[at]),
                                               row, of.words_of(at));
  }

  DIFFX_HD void put(std::int64_t at, int next) const {
    if (next < 0) return of.refuse(at);
    state[at] = static_cast<Code>(next);
  }
};

/// A block of classes whose solver has a corrector: the predictor's block, a key and a place in the
/// order for every position, and three passes after the evaluation of a sweep.
template <class Base, class Code, class Process, class Prediction, class Solver, class Guidance,
          class Noise>
class correcting_block : public Base {
  using corrector_type = typename Solver::corrector_type;

 public:
  static constexpr bool takes_pasted = false;
  using Base::branches;
  using typename Base::logit_type;

  static std::int64_t workspace_bytes(Process const& process, std::int64_t batch,
                                      std::int64_t positions) {
    std::int64_t const position = sizeof(double) + sizeof(std::int32_t);
    return aligned_bytes(Base::workspace_bytes(process, batch, positions)) +
           checked_product(batch * positions, position, "workspace of a corrector");
  }

  correcting_block(batch_view<Code> x, std::byte* workspace, Process const& process,
                   Prediction const& prediction, Guidance const& guidance, Solver const& solver,
                   Noise const& noise, int block)
      : Base(x, workspace, process, prediction, guidance, solver.predictor, noise, block) {
    require(x.features < std::numeric_limits<std::int32_t>::max(), Solver::name, "positions",
            static_cast<long long>(x.features), "below 2^31");
    std::byte* const after =
        workspace + aligned_bytes(Base::workspace_bytes(process, x.batch, x.features));
    keys_ = reinterpret_cast<double*>(after);
    order_ = reinterpret_cast<std::int32_t*>(keys_ + x.size());
  }

  template <class Exec>
  void apply(Exec const& exec, categorical_stage const& s, prediction_mix const& m, bool ends_step,
             level const* next, Code* preview) {
    if (!Solver::corrects(s)) return Base::apply(exec, s, m, ends_step, next, preview);
    auto const x = Base::x();
    pick_keys<Code, logit_type, branches, Prediction::is_cavity, corrector_type, Noise> keys{
        x.data,      x.features, x.first_sample, Base::mix(m), {},
        Base::law(), s.key,      Base::noise(),  keys_};
    for (std::size_t k = 0; k < s.weight.size(); ++k) keys.coefficients[k] = s.weight[k];
    keys.key.block = Base::block();
    if constexpr (corrector_type::pick_type::reads_row) {
      for_each_row(exec, x.size(), keys.law.classes, keys);
    } else {
      exec.for_each_sample(x.size(), keys);
    }
    exec.for_each_sample(x.batch, order_picks{x.features, Base::fixed(), keys_, order_});
    auto const wanted = static_cast<std::int64_t>(s.weight[2]);
    std::int64_t const picks = wanted < x.features ? wanted : x.features;
    for_each_row(
        exec, x.batch * picks, keys.law.classes,
        redraw_picks<Code, logit_type, branches, Prediction::is_cavity, corrector_type, Noise>{
            keys, x.data, order_, picks});
  }

 private:
  double* keys_;
  std::int32_t* order_;
};

}  // namespace diffx::detail
