#pragma once

#include <diffx/decode/align.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/proposal.hpp>
#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/workspace.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace diffx::detail {

/// Where the decoding of one sample stands. `first` to `last` is the block being decoded; a
/// position is open until a class is committed there.
struct decoding_cursor {
  std::int32_t first, last;
  std::int32_t since;    // the step at which the block became the current one
  std::int32_t origin;   // the first position that was open at the start
  std::int32_t initial;  // positions that were open at the start
  std::int32_t open;     // positions that are open now
  std::int32_t edits;    // calls that the block has had with nothing open
  std::int32_t active;   // 1: the next call is for this sample as well
};

/// What `committed` holds beside the step in which a position got its class.
inline constexpr std::int32_t given_position = -1;
inline constexpr std::int32_t open_position = std::numeric_limits<std::int32_t>::max();

/// What a rule is told of a sample: `n` open positions of its block in `order`.
DIFFX_HD inline decode::candidates candidates_of(decoding_cursor const& c, int n, int step,
                                                 double weight, std::int32_t const* order,
                                                 double const* values) noexcept {
  return {n, c.initial, c.open, c.last - c.first, step - c.since, weight, order, values};
}

/// Orders n positions by key, the largest first and the lower position first among equals.
DIFFX_HD inline void sort_by_key(std::int32_t* order, int n, double const* key) noexcept {
  auto const after = [key](std::int32_t a, std::int32_t b) {  // a belongs behind b
    return key[a] < key[b] || (key[a] == key[b] && a > b);
  };
  // A heap whose root belongs last.
  auto const sink = [&](int i, int size) {
    std::int32_t const moved = order[i];
    for (int child = 2 * i + 1; child < size; i = child, child = 2 * i + 1) {
      if (child + 1 < size && after(order[child + 1], order[child])) ++child;
      if (!after(order[child], moved)) break;
      order[i] = order[child];
      order[child] = moved;
    }
  };
  for (int i = n / 2; i-- > 0;) sink(i, n);
  for (int i = n; i-- > 1;) {
    std::int32_t const last = order[0];
    order[0] = order[i];
    order[i] = last;
    sink(0, i);
  }
}

/// Finds the current block of every sample: the one that holds its first open position.
struct cursor_op {
  std::int32_t const* committed;
  std::int64_t positions;
  int length, step, edit_calls;  // length: of a block, 0: one block
  bool from_origin, begins, all;
  decoding_cursor* cursor;

  DIFFX_HD void operator()(std::int64_t sample) const {
    std::int32_t const* const mine = committed + sample * positions;
    decoding_cursor& c = cursor[sample];
    auto const end = static_cast<std::int32_t>(positions);
    std::int32_t first = end, open = 0, beyond = 0;  // beyond: behind the last open position
    for (std::int32_t p = end; p-- > 0;) {
      if (mine[p] != open_position) continue;
      if (open == 0) beyond = p + 1;
      first = p;
      ++open;
    }
    if (begins) c = {-1, -1, step, first, open, open, 0, 0};
    c.open = open;
    bool const is_block = c.first >= 0 && c.first < end;
    if (is_block && !all && (first < c.first || first >= c.last) && c.edits < edit_calls) {
      c.active = 1;  // nothing is open here any more, but may be edited
      return;
    }
    std::int32_t from = 0, to = end;
    if (open == 0) {
      from = end;
    } else if (length > 0) {
      // Noise put back may have opened what is before the origin.
      std::int32_t const zero = from_origin ? c.origin : 0, shift = first - zero;
      from = zero + (shift < 0 ? shift - length + 1 : shift) / length * length;
      to = from + length < end ? from + length : end;
      from = from > 0 ? from : 0;
      if (all && beyond > to) to = end;
    }
    c.active = open > 0 ? 1 : 0;
    if (from == c.first && to == c.last) return;
    c.first = from;
    c.last = to;
    c.since = step;
    c.edits = 0;
  }
};

/// Lets the next block begin where the first open position is then.
struct restart_op {
  decoding_cursor* cursor;
  DIFFX_HD void operator()(std::int64_t sample) const {
    cursor[sample].first = cursor[sample].last = -1;
  }
};

/// Notes which positions are given and which are to be decoded: the masks, or without masks all
/// that are not fixed.
template <class Code>
struct given_op {
  Code const* state;
  int mask;
  std::uint8_t const* fixed;
  std::int32_t* committed;

  DIFFX_HD void operator()(std::int64_t index) const {
    bool const is_fixed = fixed != nullptr && fixed[index] != 0;
    bool const is_open = !is_fixed && (mask < 0 || static_cast<int>(state[index]) == mask);
    committed[index] = is_open ? open_position : given_position;
  }
};

/// Opens what noise has reached again.
template <class Code>
struct reopen_op {
  Code const* state;
  int mask;
  std::int32_t* committed;

  DIFFX_HD void operator()(std::int64_t index) const {
    bool const is_open =
        mask < 0 ? committed[index] != given_position : static_cast<int>(state[index]) == mask;
    if (is_open) committed[index] = open_position;
  }
};

/// The uniform of a position that is one in all steps: its address is beside the prior's.
template <class Noise>
DIFFX_HD double order_uniform(Noise const& noise, int block, std::int64_t sample,
                              std::int64_t position) {
  auto const w =
      noise.words({noise::prior_step, noise::max_draw, block, 1.0, 1.0}, sample, position);
  return unit_uniform(w.word[0], w.word[1]);
}

/// Proposes a class for every open position of the current blocks, with how sure it is; for the
/// committed ones as well if they may be edited.
template <class Code, class V, int G, class Confidence, class Value, class Noise>
struct propose_pass {
  using T = arithmetic_t<V>;
  using tables_type = team_tables<T>;

  std::int64_t positions, first_sample;
  int width, mask;
  V const* source[G];
  T weight[G];
  decode::proposal shape;
  bool as_shaped;            // confidence is read from the shaped row
  bool edits;                // committed positions are read, too
  double order_temperature;  // of the Gumbel noise on the confidence
  decoding_cursor const* cursor;
  std::int32_t const* committed;
  noise::key key;
  Noise noise;
  Code* proposed;
  double* confidence;
  double* value;
  shared_sums<T> shared;

  DIFFX_HD void operator()(std::int64_t index) const {
    place const at = place_of(index);
    if (!asks(at)) return;
    class_row<V, G> row;
    put(at, answer(at, row));
  }

  /// One position by all threads of a team, which calls this with equal arguments.
  template <class Team>
  DIFFX_HD void operator()(std::int64_t index, Team const& team, team_tables<T>& tables) const {
    place const at = place_of(index);
    if (!asks(at)) return;
    team_row<V, G, Team> row(team, tables, shared, index);
    answers const found = answer(at, row);
    if (team.leads()) put(at, found);
  }

  template <class Team>
  DIFFX_HD void scan_part(std::int64_t index, int part, Team const& team,
                          team_tables<T>& tables) const {
    place const at = place_of(index);
    if (!asks(at)) return;
    team_row<V, G, Team, true> row(team, tables, shared, index, part);
    answer(at, row);
  }

 private:
  struct place {
    std::int64_t index, sample, position;
  };
  struct answers {
    int proposed;  // -1: the row is no distribution
    double confidence, value;
  };

  DIFFX_HD place place_of(std::int64_t index) const {
    std::int64_t const sample = index / positions;
    return {index, sample, index - sample * positions};
  }

  DIFFX_HD bool asks(place const& at) const {
    decoding_cursor const& c = cursor[at.sample];
    if (c.active == 0 || at.position < c.first || at.position >= c.last) return false;
    std::int32_t const when = committed[at.index];
    return when == open_position || (edits && when >= 0);
  }

  DIFFX_HD void put(place const& at, answers const& found) const {
    if (found.proposed < 0) {
      fail_at("the logits are no distribution (NaN, +inf, or -inf alone)", first_sample + at.sample,
              at.position, key.step);
      return;
    }
    proposed[at.index] = static_cast<Code>(found.proposed);
    confidence[at.index] = found.confidence;
    value[at.index] = found.value;
  }

  template <class Row>
  DIFFX_HD answers answer(place const& at, Row& row) const {
    for (int g = 0; g < G; ++g) {
      row.source[g] = source[g] + at.index * width;
      row.weight[g] = weight[g] * static_cast<T>(shape.scale());
    }
    row.classes = width;
    row.excluded = mask;
    if (shape.filters()) shape.filter(row);
    position_words<Noise> const words{&noise, key, first_sample + at.sample, at.position};
    if (!row.template scan<Confidence::reads>()) return {-1, 0.0, 0.0};
    auto const w = words(0);
    int const k =
        shape.temperature > 0.0 ? row.draw(unit_uniform(w.word[0], w.word[1])) : row.likeliest();
    if (!as_shaped && (shape.filters() || shape.scale() != 1.0)) {
      row.least = row.nothing;
      for (int g = 0; g < G; ++g) row.weight[g] = weight[g];
      row.template scan<Confidence::reads>();
    }
    double sure = Confidence::of(row, k, uniform_of<Confidence>(w, at), at.position);
    if (order_temperature > 0.0) {
      auto const more = words(1);
      sure += order_temperature * gumbel(unit_uniform(more.word[0], more.word[1]));
    }
    if constexpr (Value::reads != Confidence::reads) row.template scan<Value::reads>();
    return {k, sure, Value::of(row, k, uniform_of<Value>(w, at), at.position)};
  }

  DIFFX_HD static double gumbel(double u) noexcept { return -std::log(-std::log(u)); }

  template <class C>
  DIFFX_HD double uniform_of(random::words4 const& w, place const& at) const {
    if constexpr (C::draws_anew) {
      return unit_uniform(w.word[2], w.word[3]);
    } else if constexpr (C::reads_row) {
      return 0.0;
    } else {
      return order_uniform(noise, key.block, first_sample + at.sample, at.position);
    }
  }
};

/// Commits the proposals that the rule chooses, sample by sample.
template <class Code, class Commit, class Noise>
struct commit_pass {
  Code* state;
  std::int64_t positions, first_sample;
  limit_law law;
  int end_of_text;
  double weight, edit_above;
  bool last, revises;
  Commit rule;
  noise::key key;
  Noise noise;
  decoding_cursor* cursor;
  Code const* proposed;
  double const* confidence;
  double const* value;
  std::int32_t* order;
  std::int32_t* committed;

  DIFFX_HD void operator()(std::int64_t sample) const {
    decoding_cursor& c = cursor[sample];
    if (c.active == 0) return;
    std::int64_t const row = sample * positions;
    Code* const x = state + row;
    std::int32_t* const mine = order + row;
    std::int32_t* const when = committed + row;
    int n = 0;
    for (std::int32_t p = c.first; p < c.last; ++p) {
      if (when[p] == open_position) {
        mine[n++] = p;
      } else if (edit_above < 1.0 && when[p] >= 0 && value[row + p] > edit_above &&
                 proposed[row + p] != x[p]) {
        x[p] = proposed[row + p];
        when[p] = key.step;
      }
    }
    if (n == 0) ++c.edits;
    sort_by_key(mine, n, confidence + row);
    decode::choice const chosen =
        last ? decode::choice{n}
             : rule.chosen(candidates_of(c, n, key.step, weight, mine, value + row));
    for (int i = 0; i < n; ++i) {
      std::int32_t const p = mine[i];
      if (i < chosen.surest || value[row + p] >= chosen.from) {
        x[p] = proposed[row + p];
        if (last || !revises) when[p] = key.step;
      } else if (law.mask < 0) {
        // Noise of other classes: what is not committed is drawn from it anew.
        auto const w = position_words<Noise>{&noise, key, first_sample + sample, p}(1);
        x[p] = static_cast<Code>(law.draw(unit_uniform(w.word[2], w.word[3])));
      }
    }
    if (end_of_text >= 0) end_text(c, x, when);
  }

 private:
  /// Once nothing before an end of text is open, the text is complete: the rest ends as well.
  DIFFX_HD void end_text(decoding_cursor const& c, Code* x, std::int32_t* when) const {
    auto const end = static_cast<std::int32_t>(positions);
    std::int32_t p = 0;
    for (;; ++p) {
      if (p == end || when[p] == open_position) return;
      if (p >= c.origin && static_cast<int>(x[p]) == end_of_text) break;
    }
    for (++p; p < end; ++p) {
      if (when[p] != open_position) continue;
      x[p] = static_cast<Code>(end_of_text);
      when[p] = key.step;
    }
  }
};

/// A block of classes that a decoding solver fills in: companions of every position beside the
/// state, and three passes after an evaluation. A position's logits are read only if it may be
/// committed.
template <class Code, class Process, class Prediction, class Solver, class Guidance, class Cache,
          class Noise, class Logit>
class decoding_block
    : public categorical_block<Code, Process, Prediction, Solver, Guidance, Cache, Noise, Logit> {
  using base = categorical_block<Code, Process, Prediction, Solver, Guidance, Cache, Noise, Logit>;
  using commit_type = typename Solver::commit_type;
  using confidence_type = typename Solver::confidence_type;

 public:
  static constexpr bool takes_pasted = false;
  using base::branches;
  using typename base::logit_type;

  static std::int64_t workspace_bytes(Process const& process, std::int64_t batch,
                                      std::int64_t positions) {
    std::int64_t const position =
        static_cast<std::int64_t>(2 * sizeof(double) + 2 * sizeof(std::int32_t) + sizeof(Code));
    return aligned_bytes(base::workspace_bytes(process, batch, positions)) +
           checked_product(batch, static_cast<std::int64_t>(sizeof(decoding_cursor)), "cursors") +
           checked_product(batch * positions, position, "workspace of a decoder") +
           workspace_alignment;
  }

  /// The solver says how long a block is, and the workspace must do for all.
  static std::int64_t table_bytes(Process const& process, std::int64_t batch,
                                  std::int64_t positions) {
    std::int64_t const own = base::table_bytes(process, 0, 0);
    return own + base::shared_bytes(process, batch * positions, batch);
  }

  decoding_block(batch_view<Code> x, std::byte* workspace, Process const& process,
                 Prediction const& prediction, Guidance const& guidance, Solver const& solver,
                 Noise const& noise, int block)
      : base(x, workspace, process, prediction, guidance, solver, noise, block), solver_(solver) {
    solver_.check();
    auto const law = base::law();
    require(solver_.end_of_text == -1 ||
                (solver_.end_of_text >= 0 && solver_.end_of_text < law.classes &&
                 solver_.end_of_text != law.mask),
            "diffx::solver::decode", "end_of_text", solver_.end_of_text,
            "a class that is not the mask, in [0, " + text(law.classes) + "), or -1 for none");
    require(x.features < std::numeric_limits<std::int32_t>::max(), Solver::name, "positions",
            static_cast<long long>(x.features), "below 2^31 - 1");
    std::byte* p = workspace + aligned_bytes(base::workspace_bytes(process, x.batch, x.features));
    auto const take = [&]<class V>(V*& out, std::int64_t n) {
      auto const at = reinterpret_cast<std::uintptr_t>(p);
      p += (alignof(V) - at % alignof(V)) % alignof(V);
      out = reinterpret_cast<V*>(p);
      p += n * static_cast<std::int64_t>(sizeof(V));
    };
    take(confidence_, x.size());
    take(value_, x.size());
    take(cursor_, x.batch);
    take(order_, x.size());
    take(committed_, x.size());
    take(proposed_, x.size());
  }

  /// Before an evaluation: finds the current blocks. False if no sample has one.
  template <class Exec>
  bool prepare(Exec const& exec, int step, bool last) {
    return find_blocks(exec, step, last, false);
  }

  template <class Exec>
  void apply(Exec const& exec, categorical_stage const& s, prediction_mix const& m, bool,
             level const*, Code*) {
    auto const x = base::x();
    auto const law = base::law();
    auto const mixed = base::mix(m);
    propose_pass<Code, logit_type, branches, confidence_type, typename commit_type::value, Noise>
        propose{};
    propose.positions = x.features;
    propose.first_sample = x.first_sample;
    propose.width = law.classes;
    propose.mask = law.mask;
    for (int g = 0; g < branches; ++g) {
      propose.source[g] = mixed.source[g];
      propose.weight[g] = mixed.weight[g];
    }
    propose.shape = solver_.propose;
    propose.shape.temperature = s.weight[3];
    propose.as_shaped = solver_.as_shaped;
    propose.edits = solver_.edits();
    propose.order_temperature = s.weight[1];
    propose.cursor = cursor_;
    propose.committed = committed_;
    propose.key = s.key;
    propose.key.block = base::block();
    propose.noise = base::noise();
    propose.proposed = proposed_;
    propose.confidence = confidence_;
    propose.value = value_;
    propose.shared = base::template shared<Exec>(asked());
    for_each_row(exec, x.size(), law.classes, propose);

    commit_pass<Code, commit_type, Noise> commit{};
    commit.state = x.data;
    commit.positions = x.features;
    commit.first_sample = x.first_sample;
    commit.law = law;
    commit.end_of_text = solver_.end_of_text;
    commit.weight = s.weight[0];
    commit.edit_above = solver_.edit_above;
    commit.last = s.weight[2] != 0.0;
    commit.revises = solver_.revises;
    commit.rule = solver_.commit;
    commit.key = propose.key;
    commit.noise = base::noise();
    commit.cursor = cursor_;
    commit.proposed = proposed_;
    commit.confidence = confidence_;
    commit.value = value_;
    commit.order = order_;
    commit.committed = committed_;
    exec.for_each_sample(x.batch, commit);
  }

  /// The state is there: from now on it is known what is given and what is to be decoded.
  template <class Exec>
  void begin(Exec const& exec, int first, int end) {
    auto const x = base::x();
    exec.for_each_sample(x.size(),
                         given_op<Code>{x.data, base::law().mask, base::fixed(), committed_});
    find_blocks(exec, first, false, true);
    has_begun_ = true;
    if constexpr (Exec::on_host && commit_type::counts_steps) {
      for (std::int64_t i = 0; i < x.batch; ++i) {
        std::int64_t const origin = cursor_[i].origin, zero = from_origin() ? origin : 0;
        std::int64_t const blocks = solver_.block > 0
                                        ? (x.features - zero + solver_.block - 1) / solver_.block -
                                              (origin - zero) / solver_.block
                                        : 1;
        std::int64_t const steps = blocks * (solver_.commit.steps + solver_.edit_calls);
        require(cursor_[i].open == 0 || steps <= end - first, Solver::name, "steps of the grid",
                end - first,
                "at least " + text(static_cast<long long>(steps)) + ": " +
                    text(static_cast<long long>(blocks)) + " blocks of " +
                    text(solver_.commit.steps + solver_.edit_calls) + " calls");
      }
    }
  }

  /// Masks come back: what was committed there is open again.
  template <class Exec>
  void add_noise(Exec const& exec, level const& now, level const& then, noise::key key) {
    base::add_noise(exec, now, then, key);
    if (!has_begun_) return;
    auto const x = base::x();
    exec.for_each_sample(x.batch, restart_op{cursor_});
    exec.for_each_sample(x.size(), reopen_op<Code>{x.data, base::law().mask, committed_});
  }

  /// The positions that the next evaluation will commit in a sample, if that is known before it.
  std::span<std::int32_t const> next(std::int64_t sample, categorical_stage const& s) {
    static_assert(!confidence_type::reads_row && !commit_type::value::reads_row,
                  "diffx: this cache asks which positions come next, which a confidence read from "
                  "the logits does not know. Use solver::decode<decode::random_order, ...>.");
    static_assert(!confidence_type::draws_anew && !commit_type::value::draws_anew,
                  "diffx: this cache asks which positions come next, which coins of every step do "
                  "not say before it. Use decode::evenly or decode::per_call.");
    if (s.weight[1] != 0.0) {
      fail(
          "diffx::solver::decode: this cache asks which positions come next, which an order with "
          "noise of every step does not say; set order_temperature = 0");
    }
    auto const x = base::x();
    std::int64_t const row = sample * x.features;
    decoding_cursor const& c = cursor_[sample];
    std::int32_t* const mine = order_ + row;
    int n = 0;
    for (std::int32_t p = c.first; p < c.last; ++p) {
      if (committed_[row + p] != open_position) continue;
      mine[n++] = p;
      confidence_[row + p] = confidence_type::of(
          0, 0, order_uniform(base::noise(), base::block(), x.first_sample + sample, p), p);
    }
    sort_by_key(mine, n, confidence_ + row);
    decode::choice const chosen = s.weight[2] != 0.0
                                      ? decode::choice{n}
                                      : solver_.commit.chosen(candidates_of(
                                            c, n, s.key.step, s.weight[0], mine, value_ + row));
    return {mine, static_cast<std::size_t>(chosen.surest < n ? chosen.surest : n)};
  }

  /// The step in which every position got its class; given_position or open_position.
  batch_view<std::int32_t const> committed() const noexcept {
    auto const x = base::x();
    return {committed_, x.batch, x.features, x.first_sample};
  }
  bool edits() const noexcept { return solver_.edits(); }
  std::span<decoding_cursor const> cursors() const noexcept {
    return {cursor_, static_cast<std::size_t>(base::x().batch)};
  }

  template <class F>
  void for_each_buffer(F const& f) const {
    base::for_each_buffer(f);
    f(committed_, base::x().size());
    f(cursor_, base::x().batch);
  }

 private:
  /// Positions that are read at once.
  std::int64_t asked() const noexcept {
    auto const x = base::x();
    bool const blocks = solver_.block > 0 && solver_.block < x.features;
    return x.batch * (blocks ? solver_.block : x.features);
  }
  bool from_origin() const noexcept { return solver_.align == decode::align::after_prompt; }

  template <class Exec>
  bool find_blocks(Exec const& exec, int step, bool last, bool begins) {
    auto const x = base::x();
    exec.for_each_sample(x.batch,
                         cursor_op{committed_, x.features, solver_.block, step, solver_.edit_calls,
                                   from_origin(), begins, last, cursor_});
    if constexpr (Exec::on_host) {
      for (std::int64_t i = 0; i < x.batch; ++i) {
        if (cursor_[i].active != 0) return true;
      }
      return false;
    } else {
      return true;
    }
  }

  Solver solver_;
  double* confidence_;
  double* value_;
  decoding_cursor* cursor_;
  std::int32_t* order_;
  std::int32_t* committed_;
  Code* proposed_;
  bool has_begun_ = false;
};

}  // namespace diffx::detail
