#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/guidance.hpp>
#include <diffx/concepts/noise.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/detail/class_layout.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/kernel_row.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/matrix_law.hpp>
#include <diffx/detail/position_words.hpp>
#include <diffx/detail/row_pass.hpp>
#include <diffx/detail/short_rows.hpp>
#include <diffx/detail/team_kernel_row.hpp>
#include <diffx/detail/team_row.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

namespace diffx::detail {

#if defined(__CUDA_ARCH__)
/// A kernel has no exceptions. The reason goes to stderr, with the block and the thread; the launch
/// fails with cudaErrorAssert. Numbers would need a stack.
__device__ inline void stop_kernel(char const* what) {
#if defined(__NVCC__)
  __assert_fail(what, "diffx::run", 0, "a step");
#endif
  __trap();
}
#endif

/// Reports a position that cannot be drawn.
DIFFX_HD inline void fail_at(char const* what, std::int64_t sample, std::int64_t position,
                             int step) {
#if defined(__CUDA_ARCH__)
  static_cast<void>(sample);
  static_cast<void>(position);
  static_cast<void>(step);
  stop_kernel(what);
#else
  fail("diffx::run: " + std::string(what) + " at sample " + text(static_cast<long long>(sample)) +
       ", position " + text(static_cast<long long>(position)) +
       (step >= 0 ? " in step " + text(step) : std::string()));
#endif
}

/// Reports a class that a process has not.
DIFFX_HD inline void fail_class(std::int64_t code, limit_law const& law, std::int64_t sample,
                                std::int64_t position) {
#if defined(__CUDA_ARCH__)
  static_cast<void>(code);
  static_cast<void>(law);
  static_cast<void>(sample);
  static_cast<void>(position);
  stop_kernel("a class of the state is no class of the process");
#else
  fail("diffx::run: a class of the state = " + text(static_cast<long long>(code)) +
       ", which is no class of the process at sample " + text(static_cast<long long>(sample)) +
       ", position " + text(static_cast<long long>(position)) + ", must be in [0, " +
       text(law.classes) + ")" +
       (law.mask >= 0 ? ", or the mask " + text(law.mask) : std::string()));
#endif
}

/// True for a solver whose steps may be too long: it counts where it holds a probability at 1.
template <class S>
inline constexpr bool counts_capped = false;
template <class S>
requires requires { S::counts_capped; }
inline constexpr bool counts_capped<S> = S::counts_capped;

/// The one pass that follows an evaluation of a block of classes: every position by itself.
template <class Code, class V, int G, class Layout, class Prediction, class Solver, class Noise>
struct class_pass {
  using T = arithmetic_t<V>;
  using tables_type = team_tables<T>;

  Code* state;
  std::int64_t positions, first_sample;
  V const* source[G];
  T weight[G];
  Layout layout;
  noise::key key;
  Noise noise;
  std::uint8_t const* fixed;  // null, or 1 where the class stays
  std::int32_t* capped;       // of every position, where the solver counts
  shared_sums<T> shared{};

  DIFFX_HD void operator()(std::int64_t index) const { alone<1024>(index); }

  /// By one thread; Tiles as in class_row.
  template <int Tiles>
  DIFFX_HD void alone(std::int64_t index) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    std::int64_t const sample = index / positions, position = index - sample * positions;
    class_row<V, G, Tiles> row;
    open(sample, position, row);
    std::int32_t count = counted(index);
    int const next = drawn(index, row, {&noise, key, first_sample + sample, position}, count);
    put(index, sample, position, next);
    note(index, count);
  }

  /// One position by all threads of a team, which calls this with equal arguments.
  template <class Team>
  DIFFX_HD void operator()(std::int64_t index, Team const& team, team_tables<T>& tables) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    std::int64_t const sample = index / positions, position = index - sample * positions;
    team_row<V, G, Team> row(team, tables, shared, index);
    open(sample, position, row);
    std::int32_t count = counted(index);
    int const next = drawn(index, row, {&noise, key, first_sample + sample, position}, count);
    team.wait();  // all have read the class before one writes another
    if (!team.leads()) return;
    if (next != static_cast<int>(state[index])) put(index, sample, position, next);
    note(index, count);
  }

  template <class Team>
  DIFFX_HD void scan_part(std::int64_t index, int part, Team const& team,
                          team_tables<T>& tables) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    std::int64_t const sample = index / positions, position = index - sample * positions;
    team_row<V, G, Team, true> row(team, tables, shared, index, part);
    open(sample, position, row);
    std::int32_t count = 0;
    drawn(index, row, {&noise, key, first_sample + sample, position}, count);
  }

  /// The positions of a group at once; the same draws.
  void operator()(row_group const& rows) const {
    group_places const at(rows, positions);
    auto const& law = layout.law(at.position[0]);
    int const classes = layout.width(at.position[0]);
    int asked = 0;  // a position that is not masked does not ask for its row
    for (int i = 0; i < rows.count; ++i) {
      asked += law.mask < 0 || static_cast<int>(state[at.index[i]]) == law.mask ? 1 : 0;
    }
    if (classes > short_rows<V, G>::most_classes || 2 * asked < rows.count) {
      for (int i = 0; i < rows.count; ++i) (*this)(at.index[i]);
      return;
    }
    short_rows<V, G> read;
    read.scan(source, weight, rows, classes, law.mask);
    group_words<Noise> words(noise, key, at, first_sample);
    constexpr bool at_once = !Prediction::is_cavity && takes_groups<Solver>;
    if constexpr (at_once) {
      if (law.mask < 0) {
        int now[row_group::most], next[row_group::most];
        for (int i = 0; i < row_group::most; ++i) now[i] = static_cast<int>(state[at.index[i]]);
        Solver::advance_group(layout.weights(at.position[0]), law, now, read, words, next);
        for (int i = 0; i < rows.count; ++i) {
          if (fixed != nullptr && fixed[at.index[i]] != 0) continue;
          put(at.index[i], at.sample[i], at.position[i], next[i]);
        }
        return;
      }
    }
    for (int i = 0; i < rows.count; ++i) {
      std::int64_t const index = at.index[i], sample = at.sample[i], position = at.position[i];
      if (fixed != nullptr && fixed[index] != 0) continue;
      typename short_rows<V, G>::row row(read, i);
      put(index, sample, position,
          Solver::template advance<Prediction::is_cavity>(layout.weights(position), law,
                                                          static_cast<int>(state[index]), row,
                                                          place_words<Noise>{&words, i}));
    }
  }

 private:
  DIFFX_HD void put(std::int64_t index, std::int64_t sample, std::int64_t position,
                    int next) const {
    if (next < 0) {
      fail_at("the logits are no distribution (NaN, +inf, or -inf alone)", first_sample + sample,
              position, key.step);
      return;
    }
    state[index] = static_cast<Code>(next);
  }

  template <class Row>
  DIFFX_HD void open(std::int64_t sample, std::int64_t position, Row& row) const {
    std::int64_t const first = layout.first_logit(sample, positions, position);
    for (int g = 0; g < G; ++g) {
      row.source[g] = source[g] + first;
      row.weight[g] = weight[g];
    }
    row.classes = layout.width(position);
    row.excluded = layout.law(position).mask;
  }

  DIFFX_HD std::int32_t counted(std::int64_t index) const {
    if constexpr (counts_capped<Solver>) return capped[index];
    return 0;
  }
  DIFFX_HD void note(std::int64_t index, std::int32_t count) const {
    if constexpr (counts_capped<Solver>) capped[index] = count;
  }

  template <class Row>
  DIFFX_HD int drawn(std::int64_t index, Row& row, position_words<Noise> const& words,
                     std::int32_t& count) const {
    if constexpr (counts_capped<Solver>) {
      return drawn_by(index, row, words, count);
    } else {
      return drawn_by(index, row, words);
    }
  }

  template <class Row, class... Count>
  DIFFX_HD int drawn_by(std::int64_t index, Row& row, position_words<Noise> const& words,
                        Count&... count) const {
    int const now = static_cast<int>(state[index]);
    auto const& weights = layout.weights(words.position);
    auto const& law = layout.law(words.position);
    if constexpr (scores_classes<Prediction>) {
      return Solver::advance_score(weights, law, now, row, words, count...);
    } else {
      return Solver::template advance<Prediction::is_cavity>(weights, law, now, row, words,
                                                             count...);
    }
  }
};

/// The same where a guidance acts on the reverse kernels of its branches.
template <class Code, class V, int G, bool Cavity, class Solver, class Noise>
struct kernel_pass {
  using tables_type = team_kernel_tables;

  Code* state;
  std::int64_t positions, first_sample;
  V const* source[G];  // those asked this time; logits first, then tables
  double weight[G];
  int sources, kernels;
  double coefficients[categorical_stage::max_weights];
  limit_law law;
  noise::key key;
  Noise noise;
  std::uint8_t const* fixed;

  DIFFX_HD void operator()(std::int64_t index) const { alone<256>(index); }

  /// By one thread; Tiles as in kernel_row.
  template <int Tiles>
  DIFFX_HD void alone(std::int64_t index) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    kernel_row<V, G, Tiles> row;
    put(index, drawn(index, row));
  }

  /// One position by all threads of a team, which calls this with equal arguments.
  template <class Team>
  DIFFX_HD void operator()(std::int64_t index, Team const& team, team_kernel_tables& tables) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    team_kernel_row<V, G, Team> row(team, tables);
    int const next = drawn(index, row);
    team.wait();  // all have read the class before one writes another
    if (team.leads()) put(index, next);
  }

 private:
  template <class Row>
  DIFFX_HD int drawn(std::int64_t index, Row& row) const {
    std::int64_t const sample = index / positions, position = index - sample * positions;
    DIFFX_UNROLLED
    for (int g = 0; g < G; ++g) {
      if (g >= sources) continue;
      row.source[g] = source[g] + index * law.classes;
      row.weight[g] = weight[g];
    }
    row.sources = sources;
    row.kernels = kernels;
    row.law = law;
    row.now = static_cast<int>(state[index]);
    return Solver::template advance_kernels<Cavity>(
        coefficients, law, row.now, row,
        position_words<Noise>{&noise, key, first_sample + sample, position});
  }

  DIFFX_HD void put(std::int64_t index, int next) const {
    if (next < 0) {
      std::int64_t const sample = index / positions;
      fail_at(
          "no state is left: the logits are no distribution, a table of log-ratios holds NaN or "
          "+inf, or each class is ruled out by one of them",
          first_sample + sample, index - sample * positions, key.step);
      return;
    }
    state[index] = static_cast<Code>(next);
  }
};

/// Keeps a class with a probability, and else draws it from the limit law.
template <class Code, class Layout, class Noise>
struct forget_op {
  Code* state;
  std::int64_t positions, first_sample;
  Layout layout;  // weight 0: the probability of keeping
  noise::key key;
  Noise noise;
  std::uint8_t const* fixed;

  DIFFX_HD void operator()(std::int64_t index) const {
    std::int64_t const sample = index / positions, position = index - sample * positions;
    forget(index, position, noise.words(key, first_sample + sample, position));
  }

  /// The positions of a group at once; the same draws.
  void operator()(row_group const& rows) const {
    group_places const at(rows, positions);
    group_words<Noise> words(noise, key, at, first_sample);
    for (int i = 0; i < rows.count; ++i) forget(at.index[i], at.position[i], words(i, 0));
  }

 private:
  DIFFX_HD void forget(std::int64_t index, std::int64_t position, random::words4 const& w) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    if (unit_uniform(w.word[0], w.word[1]) < layout.weights(position)[0]) return;
    state[index] = static_cast<Code>(layout.law(position).draw(unit_uniform(w.word[2], w.word[3])));
  }
};

/// Calls an operation for every position, or where it can take them for a group at a time.
template <class Exec, class Op>
void for_each_position(Exec const& exec, std::int64_t batch, std::int64_t positions, Op const& op) {
  if constexpr (Exec::on_host && requires(row_group rows) { op(rows); }) {
    exec.for_each_sample(op.layout.groups(batch, positions),
                         [&](std::int64_t group) { op(op.layout.group(group, batch, positions)); });
  } else {
    exec.for_each_sample(batch * positions, op);
  }
}

/// Draws from the row of a matrix that belongs to the class.
template <class Code, class Noise>
struct transit_op {
  Code* state;
  std::int64_t positions, first_sample;
  double const* table;
  int states;
  noise::key key;
  Noise noise;
  std::uint8_t const* fixed;

  DIFFX_HD void operator()(std::int64_t index) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    std::int64_t const sample = index / positions, position = index - sample * positions;
    auto const w = noise.words(key, first_sample + sample, position);
    double const* const row = table + static_cast<std::int64_t>(state[index]) * states;
    double left = unit_uniform(w.word[0], w.word[1]);
    int last = 0;  // what rounding leaves goes to the last class of any probability
    for (int k = 0; k < states; ++k) {
      if (row[k] <= 0.0) continue;
      last = k;
      if ((left -= row[k]) < 0.0) break;
    }
    state[index] = static_cast<Code>(last);
  }
};

/// Refuses what is no class of the process.
template <class Code, class Layout>
struct check_classes_op {
  Code const* state;
  std::int64_t positions, first_sample;
  Layout layout;
  std::uint8_t const* fixed;

  DIFFX_HD void operator()(std::int64_t index) const {
    auto const code = static_cast<std::int64_t>(state[index]);
    std::int64_t const sample = index / positions, position = index - sample * positions;
    auto const& law = layout.law(position);
    bool const is_mask = law.mask >= 0 && code == law.mask;
    bool const is_kept = fixed != nullptr && fixed[index] != 0;
    if (is_mask && is_kept) {
      fail_at("a class that is given (options.fixed, solver::repaint) is the mask, no data,",
              first_sample + sample, position, -1);
    } else if (!is_mask && !(code >= 0 && code < law.classes)) {
      fail_class(code, law, first_sample + sample, position);
    }
  }
};

/// Where the mask is set, the given class at a level: Noising does to it what it does to a state.
template <class Code, class Noising>
struct paste_classes_op {
  Noising noising;
  Code const* given;
  std::uint8_t const* mask;

  DIFFX_HD void operator()(std::int64_t index) const {
    bool const stays = noising.fixed != nullptr && noising.fixed[index] != 0;
    if (mask[index] == 0 || stays) return;
    noising.state[index] = given[index];
    noising(index);
  }
};

/// Calls an operation where a mask is set.
template <class Op>
struct where_op {
  Op op;
  std::uint8_t const* mask;

  DIFFX_HD void operator()(std::int64_t index) const {
    if (mask[index] != 0) op(index);
  }
};

struct clear_op {
  std::int32_t* count;
  DIFFX_HD void operator()(std::int64_t index) const { count[index] = 0; }
};

/// True for a cache that asks whether the state has changed since the network last saw it.
template <class C>
inline constexpr bool watches_state = false;
template <class C>
requires requires { C::watches_state; }
inline constexpr bool watches_state<C> = C::watches_state;

/// The logits of the branches that count, with their weights.
template <class V, int G>
struct class_mix {
  V const* source[G];
  arithmetic_t<V> weight[G];
};

/// Everything that one block of classes of a run owns, and the passes over it. Logit is the type
/// that the network writes logits in.
template <class Code, class Process, class Prediction, class Solver, class Guidance, class Cache,
          class Noise, class Logit>
class categorical_block {
 public:
  static_assert(std::is_integral_v<Code>,
                "diffx: a block of classes holds integers: batch_view<std::int32_t>, or any other "
                "integer type that its classes fit.");
  static_assert(word_source<Noise>,
                "diffx: classes are drawn from random words, which this noise source does not "
                "give. Use noise::counted, or a source with words(key, sample, position).");

  using value_type = Code;
  using logit_type = Logit;
  using plan_type = categorical_plan;
  static constexpr int branches = Guidance::branches;
  static constexpr int state_slots = 1;
  static constexpr bool takes_pasted = true;  // positions that are given may come and go
  using laws = position_laws<Process>;

  /// Bytes of workspace for [batch, positions].
  static std::int64_t workspace_bytes(Process const& process, std::int64_t batch,
                                      std::int64_t positions) {
    std::int64_t const seen = watches_state<Cache> ? static_cast<std::int64_t>(sizeof(Code)) : 0;
    std::int64_t const capped =
        counts_capped<Solver> ? static_cast<std::int64_t>(sizeof(std::int32_t)) : 0;
    return logit_bytes(process, batch, positions) +
           checked_product(checked_product(batch, positions, "batch x positions"), seen + capped,
                           "workspace of positions");
  }

  /// Bytes for the laws and for what teams share of a few long rows, off the host.
  static std::int64_t table_bytes(Process const& process, std::int64_t batch,
                                  std::int64_t positions) {
    std::int64_t const rows = batch * positions;
    return aligned_bytes(laws::table_bytes(process)) + shared_bytes(process, rows, rows);
  }
  /// Takes the laws there, before anything else.
  template <class Exec>
  void place_tables(Exec const& exec, std::byte* room) {
    static_assert(uploads<Exec> || !(matrix_process<Process> || column_process<Process>),
                  "diffx: the tables of this process (process::discretised_gaussian, "
                  "process::mask_and_replace, process::rate_matrix, process::columns) are in host "
                  "memory, and this execution object does not take them from there. Give it "
                  "upload(to, from, bytes), as exec::cuda has it, or use process::uniform or "
                  "process::absorbing.");
    laws_.place(exec, room);
    shared_ = reinterpret_cast<row_number*>(room + aligned_bytes(laws::table_bytes(*process_)));
  }

  categorical_block(batch_view<Code> x, std::byte* workspace, Process const& process,
                    Prediction const&, Guidance const&, Solver const&, Noise const& noise,
                    int block)
      : x_(x),
        process_(&process),
        laws_(process, x.features),
        logits_(laws::logits(process, x.features)),
        noise_(noise),
        block_(block) {
    constexpr auto where = "diffx::run";
    auto const largest = static_cast<long long>(laws_.largest());
    require(std::in_range<Code>(largest), where, "largest class", largest,
            "what the state's integer type holds");
    require(x.features <= std::int64_t{1} << 32, where, "positions",
            static_cast<long long>(x.features), "at most 2^32: their random words have addresses");
    auto* logits = reinterpret_cast<logit_type*>(workspace);
    for (auto& p : predictions_) {
      p = logits;
      logits += x.batch * logits_;
    }
    std::byte* after = workspace + logit_bytes(process, x.batch, x.features);
    if constexpr (counts_capped<Solver>) {
      capped_ = reinterpret_cast<std::int32_t*>(after);
      after += static_cast<std::size_t>(x.size()) * sizeof(std::int32_t);
    }
    if constexpr (watches_state<Cache>) seen_ = after;
  }

  /// A run starts: nothing is counted yet.
  template <class Exec>
  void begin(Exec const& exec, int, int) requires counts_capped<Solver> {
    exec.for_each_sample(x_.size(), clear_op{capped_});
  }

  /// How often the solver held a position's probability at 1; [batch, positions].
  batch_view<std::int32_t const> capped() const noexcept requires counts_capped<Solver> {
    return {capped_, x_.batch, x_.features, x_.first_sample};
  }

  /// Positions that keep the class they have: 1 in [batch, positions], or null.
  void fix(std::uint8_t const* fixed) noexcept { fixed_ = fixed; }

  /// Whether the network would see what it saw last.
  bool unchanged() const noexcept {
    return has_seen_ && std::memcmp(seen_, x_.data, state_bytes()) == 0;
  }
  /// The network has answered to this state.
  void note_seen() noexcept {
    std::memcpy(seen_, x_.data, state_bytes());
    has_seen_ = true;
  }

  batch_view<Code> x() const noexcept { return x_; }
  Code const* current() const noexcept { return x_.data; }
  Noise const& noise() const noexcept { return noise_; }
  void use_noise(Noise const& noise) { noise_ = noise; }
  int block() const noexcept { return block_; }

  template <class Exec>
  batch_view<Code const> input(Exec const&, level const&) const noexcept {
    return {x_.data, x_.batch, x_.features, x_.first_sample};
  }

  /// Where the network writes the logits of a branch: [batch, logits of all positions].
  batch_view<logit_type> prediction(int branch) noexcept {
    return {predictions_[static_cast<std::size_t>(branch)], x_.batch, logits_, x_.first_sample};
  }

  template <class Exec>
  void apply(Exec const& exec, categorical_stage const& s, prediction_mix const& m, bool,
             level const*, Code*) {
    if constexpr (kernels_of < Guidance >> 0) {
      if (mixes_kernels(m)) return apply_kernels(exec, s, m);
    }
    constexpr bool asks_little =
        takes_short_rows<Solver> && !matrix_process<Process> && !scores_classes<Prediction>;
    auto const pass = pass_of(exec, s, m);
    if constexpr (Exec::on_host && asks_little) {
      // Long rows one by one: a few of them are work for several threads.
      if (laws_.has_short_rows()) return for_each_position(exec, x_.batch, x_.features, pass);
    }
    for_each_row(exec, x_.size(), laws_.longest(), pass);
  }

  /// A branch that was not asked this time stands for one that was, with weight 0. The first one
  /// is always one that was asked.
  class_mix<logit_type, branches> mix(prediction_mix const& m) const noexcept {
    class_mix<logit_type, branches> out;
    int used = 0;
    for (int b = 0; b < branches; ++b) {
      auto const at = static_cast<std::size_t>(b);
      if (m.weight[at] == 0.0) continue;
      out.source[used] = predictions_[at];
      out.weight[used++] = static_cast<arithmetic_t<logit_type>>(m.weight[at]);
    }
    for (; used < branches; ++used) {
      out.source[used] = out.source[0];
      out.weight[used] = 0;
    }
    return out;
  }

  template <class Exec>
  void draw_prior(Exec const& exec, level const&, noise::key key) {
    for_each_position(exec, x_.batch, x_.features, forgetting(laws_.forgetting(exec), key));
    if (fixed_ != nullptr) check(exec);
  }

  /// Draws from q(x_then | x_now).
  template <class Exec>
  void add_noise(Exec const& exec, level const& now, level const& then, noise::key key) {
    check(exec);
    noising(exec, now, then, key,
            [&](auto const& op) { for_each_position(exec, x_.batch, x_.features, op); });
  }

  /// Positions where the mask is set take q(x_at | given).
  template <class Exec>
  void paste(Exec const& exec, Code const* given, std::uint8_t const* mask, level const& at,
             noise::key key) {
    noising(exec, level{}, at, key, [&](auto const& op) {
      exec.for_each_sample(
          x_.size(), paste_classes_op<Code, std::remove_cvref_t<decltype(op)>>{op, given, mask});
    });
  }
  /// What is to be pasted.
  template <class Exec>
  void check_given(Exec const& exec, Code const* given, std::uint8_t const* mask) const {
    exec.for_each_sample(x_.size(), where_op<std::remove_cvref_t<decltype(checking(given, mask))>>{
                                        checking(given, mask), mask});
  }

  /// What a checkpoint must agree with beyond the shape.
  template <class Hash>
  void add_to(Hash& h) const {
    laws_.add_to(h);
  }

  /// What the caller gave as a state.
  template <class Exec>
  void check(Exec const& exec) const {
    exec.for_each_sample(x_.size(), checking(x_.data, fixed_));
  }

  template <class F>
  void for_each_buffer(F const& f) const {
    f(x_.data, x_.size());
    if constexpr (counts_capped<Solver>) f(capped_, x_.size());
  }
  int retained() const noexcept { return 0; }
  bool input_ready() const noexcept { return false; }
  void restore(int, bool) noexcept { has_seen_ = false; }
  limit_law const& law() const noexcept { return laws_.law(); }
  std::uint8_t const* fixed() const noexcept { return fixed_; }

 protected:
  using row_number = arithmetic_t<logit_type>;

  /// What teams share of `rows` long rows of which `asked` are read at once: nothing where these
  /// are work enough for a device.
  static std::int64_t shared_bytes(Process const& process, std::int64_t rows, std::int64_t asked) {
    if constexpr (column_process<Process>) {
      return 0;  // columns of tables have short rows
    } else {
      int const classes = process.limit().classes;
      return shared_sums<row_number>::parts_of(asked, classes) > 1
                 ? shared_sums<row_number>::bytes(rows, classes)
                 : 0;
    }
  }
  template <class Exec>
  shared_sums<row_number> shared(std::int64_t asked) const noexcept {
    if constexpr (Exec::on_host || column_process<Process>) {
      return {};
    } else {
      int const classes = laws_.longest();
      return {shared_, shared_sums<row_number>::tiles_of(classes),
              shared_sums<row_number>::parts_of(asked, classes)};
    }
  }

 private:
  /// Of all branches, up to where a number of 4 bytes may stand.
  static std::int64_t logit_bytes(Process const& process, std::int64_t batch,
                                  std::int64_t positions) {
    std::int64_t const sample = checked_product(
        laws::logits(process, positions), static_cast<std::int64_t>(sizeof(logit_type)) * branches,
        "workspace of logits");
    return (checked_product(batch, sample, "workspace of logits") + 3) / 4 * 4;
  }

  template <class Exec>
  auto pass_of(Exec const& exec, categorical_stage const& s, prediction_mix const& m) {
    auto const layout = laws_.layout(exec, *process_, s);
    using layout_type = std::remove_const_t<decltype(layout)>;
    class_pass<Code, logit_type, branches, layout_type, Prediction, Solver, Noise> pass{
        x_.data, x_.features, x_.first_sample, {}, {}, layout, s.key, noise_, fixed_, capped_};
    pass.shared = shared<Exec>(x_.size());
    pass.key.block = block_;
    auto const mixed = mix(m);
    for (int b = 0; b < branches; ++b) {
      pass.source[b] = mixed.source[b];
      pass.weight[b] = mixed.weight[b];
    }
    return pass;
  }

  /// False where one kernel stands alone as it is: then the unguided pass draws from it.
  static bool mixes_kernels(prediction_mix const& m) {
    bool alone = true;
    int used = 0;
    for (int b = 0; b < branches; ++b) {
      double const w = m.weight[static_cast<std::size_t>(b)];
      if (w == 0.0) continue;
      ++used;
      alone = alone && w == 1.0 && b < kernels_of<Guidance>;
    }
    return !(alone && used == 1);
  }

  template <class Exec>
  void apply_kernels(Exec const& exec, categorical_stage const& s, prediction_mix const& m) {
    kernel_pass<Code, logit_type, branches, Prediction::is_cavity, Solver, Noise> pass{
        x_.data, x_.features, x_.first_sample, {},    {},     0,
        0,       {},          laws_.law(),     s.key, noise_, fixed_};
    for (std::size_t k = 0; k < s.weight.size(); ++k) pass.coefficients[k] = s.weight[k];
    pass.key.block = block_;
    for (int b = 0; b < branches; ++b) {
      auto const at = static_cast<std::size_t>(b);
      if (m.weight[at] == 0.0) continue;
      pass.source[pass.sources] = predictions_[at];
      pass.weight[pass.sources++] = m.weight[at];
      if (b < kernels_of<Guidance>) ++pass.kernels;
    }
    for_each_row(exec, x_.size(), laws_.longest(), pass);
  }

  auto checking(Code const* classes, std::uint8_t const* fixed) const {
    auto const layout = laws_.plain();
    return check_classes_op<Code, std::remove_const_t<decltype(layout)>>{
        classes, x_.features, x_.first_sample, layout, fixed};
  }

  template <class Layout>
  auto forgetting(Layout const& layout, noise::key key) const {
    key.block = block_;
    return forget_op<Code, Layout, Noise>{x_.data, x_.features, x_.first_sample, layout,
                                          key,     noise_,      fixed_};
  }

  /// Calls use(op) with what takes a position from one level to a noisier one.
  template <class Exec, class Use>
  void noising(Exec const& exec, level const& now, level const& then, noise::key key,
               Use const& use) {
    if constexpr (matrix_process<Process>) {
      key.block = block_;
      auto const table = process_->transition(now, then);
      use(transit_op<Code, Noise>{x_.data, x_.features, x_.first_sample,
                                  laws_.step_table(exec, table), process_->states(), key, noise_,
                                  fixed_});
    } else {
      use(forgetting(laws_.keeping(exec, *process_, now, then), key));
    }
  }

  std::size_t state_bytes() const noexcept {
    return static_cast<std::size_t>(x_.size()) * sizeof(Code);
  }

  batch_view<Code> x_;
  Process const* process_;
  laws laws_;
  std::int64_t logits_;  // of a sample
  Noise noise_;
  int block_;
  std::array<logit_type*, static_cast<std::size_t>(branches)> predictions_{};
  std::uint8_t const* fixed_ = nullptr;
  std::int32_t* capped_ = nullptr;
  row_number* shared_ = nullptr;  // [rows, 3, tiles], off the host
  std::byte* seen_ = nullptr;
  bool has_seen_ = false;
};

}  // namespace diffx::detail
