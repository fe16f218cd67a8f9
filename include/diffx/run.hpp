#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/noise.hpp>
#include <diffx/detail/block_of.hpp>
#include <diffx/detail/checkpoint.hpp>
#include <diffx/detail/class_layout.hpp>
#include <diffx/detail/column_plans.hpp>
#include <diffx/detail/kv_memory.hpp>
#include <diffx/detail/parts.hpp>
#include <diffx/detail/reduction.hpp>
#include <diffx/detail/resample_row.hpp>
#include <diffx/detail/run_checks.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/rule/solver_and_exec.hpp>
#include <diffx/timetable.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx {

/// What a run finds in the caller's buffer when it starts.
enum class start {
  prior,   // anything: it is overwritten with the prior's noise
  given,   // a state at the first level, used as it is
  noised,  // clean data, which is first noised to the first level (image to image)
};

/// What stays in every step and is no part of the noise: of each block 1 where the class, point on
/// a sphere or number in the caller's buffer stays (a prompt, a text with holes, the padding of a
/// graph), [batch, positions]; of packed bits the bytes of a mask packed as they are; null where
/// all is free. A number that stays is shown to the network without noise at every level; to paint
/// the rest of an image use solver::repaint.
///
///     o.fixed = mask.data();              // of the first block
///     o.fixed = {nullptr, mask.data()};   // of the second
///
/// Errors    more than eight blocks throws; a run refuses a mask for a block that its state has
///           not, and one of numbers with a solver that chooses its steps by their error.
class fixed_positions {
 public:
  static constexpr std::size_t most_blocks = 8;

  constexpr fixed_positions(std::uint8_t const* of_first = nullptr) noexcept : of_{of_first} {}
  fixed_positions(std::initializer_list<std::uint8_t const*> of_blocks) {
    detail::require(of_blocks.size() <= most_blocks, "diffx::options", "blocks of fixed",
                    static_cast<long long>(of_blocks.size()), "at most 8");
    std::size_t b = 0;
    for (std::uint8_t const* mask : of_blocks) of_[b++] = mask;
  }

  constexpr std::uint8_t const* operator[](std::size_t block) const noexcept {
    return block < most_blocks ? of_[block] : nullptr;
  }

 private:
  std::array<std::uint8_t const*, most_blocks> of_{};
};

/// What a run is told besides its policies.
template <class Noise = noise::counted>
struct options {
  Noise noise{};  // noise::counted{seed} unless another source is given
  diffx::start start = diffx::start::prior;
  int first_step = 0;         // a run may begin and end anywhere on its timetable
  int last_step = -1;         // -1: the timetable's last
  bool check_finite = false;  // report NaN or inf from the network (one more read of it, and off
                              // the host a wait at every evaluation)
  fixed_positions fixed{};    // a mask of what stays, of any block
};

template <class Noise>
options(Noise) -> options<Noise>;
options()->options<>;

/// Where a run stands, for observers.
struct progress {
  int step = 0;         // steps done since the timetable's start
  int steps = 0;        // where the run ends
  int evaluations = 0;  // calls of the network per sample and branch group
  int nfe = 0;          // network evaluations per sample; a guided evaluation counts 2, and one of
                        // several networks all of them
  level at;             // the level reached
};

/// An observer answers whether to go on. Returning void or true goes on as well.
enum class flow { go_on, stop };

/// What a finished or stopped run reports.
struct result {
  int steps = 0;
  int evaluations = 0;
  int nfe = 0;
  bool stopped = false;
  // How often a position's probabilities of jumping added up to more than 1 and were cut, which
  // makes the law another one: the steps are too long (solver::euler_ctmc). -1: the counts are on a
  // device, in run.capped().
  std::int64_t capped = 0;
};

/// The observer of a run that nobody watches.
struct no_observer {
  void operator()(progress const&) const noexcept {}
};

namespace detail {

/// How many doubles a run keeps for its solver between steps (a controller's step length).
template <class S>
inline constexpr std::size_t solver_memory = 0;
template <class S>
requires requires { S::remembers; }
inline constexpr std::size_t solver_memory<S> = static_cast<std::size_t>(S::remembers);

/// False for a solver of numbers whose steps have no noise of their own.
template <class S>
inline constexpr bool draws_noise = true;
template <class S>
requires requires { S::noises; }
inline constexpr bool draws_noise<S> = S::noises > 0;

template <class T>
struct non_finite_op {
  static constexpr int sums = 1;

  T const* values;  // [batch, features]
  std::int64_t features;
  std::int64_t* count;  // [batch]

  struct row_type {
    T const* values;
    std::int64_t* count;

    template <int W>
    DIFFX_HD void add(std::int64_t first, int n, double (&sum)[1][W]) const noexcept {
      arithmetic_t<T> v[W];
      read(values + first, n, v);
      for (int i = 0; i < end_of<W>(n); ++i) {
        // x - x is 0 for every finite x and NaN otherwise, whatever the sign.
        sum[0][i] += i < n && !(v[i] - v[i] == 0) ? 1.0 : 0.0;
      }
    }
    DIFFX_HD void finish(double const (&sum)[1]) const noexcept {
      *count = static_cast<std::int64_t>(sum[0]);
    }
  };
  DIFFX_HD row_type row(std::int64_t sample) const noexcept {
    return {values + sample * features, count + sample};
  }
};

}  // namespace detail

/// Everything of one sampling loop that changes: the state, history, cache and position.
///
/// A run advances step by step, can be forked, re-noised, checkpointed and resumed bit-exactly, and
/// stopped at any time. If a denoiser throws, the run stays where it was before that evaluation:
/// advance() tries it again. It refers to the sampler, denoiser, timetable and buffers it was
/// started with; they must outlive it.
template <class Sampler, class Exec, class Denoiser, class Noise, class... Ts>
class run {
 public:
  static constexpr std::size_t blocks = sizeof...(Ts);
  using denoiser_type = Denoiser;

 private:
  using process_type = typename Sampler::process_type;
  using solver_type = typename Sampler::solver_type;
  using guidance_type = typename Sampler::guidance_type;
  using cache_type = typename Sampler::cache_type;

  template <std::size_t B>
  using value_t = std::tuple_element_t<B, std::tuple<Ts...>>;
  template <std::size_t B>
  using prediction_t =
      detail::part_t<B, std::remove_cvref_t<decltype(std::declval<Denoiser const&>().prediction)>>;
  template <std::size_t B>
  using part_process = detail::part_t<B, process_type>;
  template <std::size_t B>
  using block_t = typename detail::block_of<
      detail::part_t<B, process_type>::values, value_t<B>, detail::part_t<B, process_type>,
      prediction_t<B>, detail::part_t<B, solver_type>, guidance_type, cache_type,
      learns_variance<Denoiser>, Noise, network_value_t<Denoiser, value_t<B>>>::type;

  template <class Indices>
  struct block_tuple;
  template <std::size_t... B>
  struct block_tuple<std::index_sequence<B...>> {
    using type = std::tuple<block_t<B>...>;
    using plans = std::tuple<typename block_t<B>::plan_type...>;
  };
  using plans_t = typename block_tuple<std::make_index_sequence<blocks>>::plans;
  using blocks_t = typename block_tuple<std::make_index_sequence<blocks>>::type;

 public:
  static constexpr bool dynamic = drives_run<detail::part_t<0, solver_type>>;
  static constexpr bool keeps_kv = detail::keeps_kv<cache_type>;

  run(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser, timetable const& grid,
      std::tuple<batch_view<Ts>...> x, options<Noise> const& opts, std::span<std::byte> workspace)
      : run(std::make_index_sequence<blocks>{}, sampler, exec, denoiser, grid, x, opts, workspace) {
  }

  /// Bytes of workspace for these shapes; the span given to a run must be aligned to 64.
  static std::int64_t workspace_size(process_type const& process,
                                     std::tuple<batch_view<Ts>...> const& x,
                                     options<Noise> const& opts) {
    return size_of(process, x, opts, std::make_index_sequence<blocks>{});
  }

  bool done() const noexcept { return step_ >= end_; }
  int step() const noexcept { return step_; }
  int stage_index() const noexcept { return stage_; }
  /// Of a block: all have the same times, and each its own levels there.
  template <std::size_t B = 0>
  timetable const& grid() const noexcept {
    return grid_of<B>();
  }

  progress status() const noexcept { return {step_, end_, evaluations_, nfe_, (*grid_)[step_]}; }

  template <std::size_t B = 0>
  auto state() const noexcept {
    return std::get<B>(blocks_).x();
  }

  /// The state that the next stage starts from. Between the stages of a step it may lie in the
  /// workspace; after a step it is `state().data`.
  template <std::size_t B = 0>
  auto const* current_state() const noexcept {
    return std::get<B>(blocks_).current();
  }

  /// Takes one step. Does nothing once done.
  void advance() {
    if (done()) return;
    if constexpr (dynamic) {
      advance_dynamic();
    } else {
      int const step = step_;
      while (step_ == step && !done()) advance_stage();
    }
  }

  /// Takes one stage: one evaluation and its pass.
  void advance_stage() {
    if (done()) return;
    auto const& plan = plan_of<0>();
    std::size_t const index = stage_position();
    auto const& s = plan.stages()[index];
    bool const ends_step =
        static_cast<int>(index) + 1 == offsets_[static_cast<std::size_t>(step_ - first_ + 1)];
    if (!s.evaluates || awake(std::make_index_sequence<blocks>{})) {
      mix_t const m = s.evaluates ? evaluate(s) : mix_t{};
      apply_all(index, m, ends_step, std::make_index_sequence<blocks>{});
    }
    ++stage_;
    if (ends_step) finish_step();
  }

  /// Runs to the end, or until the observer stops it after a step.
  template <class Observer>
  result finish(Observer&& observer) {
    bool stopped = false;
    while (!done() && !stopped) {
      advance();
      stopped = asks_to_stop(observer, status());
    }
    return {step_ - first_, evaluations_, nfe_, stopped && !done(),
            all_capped(std::make_index_sequence<blocks>{})};
  }
  result finish() { return finish(no_observer{}); }

  /// Asks the pass for the x0 estimate of every evaluation, as a preview; costs one more write.
  template <std::size_t B = 0>
  void preview_into(value_t<B>* buffer) noexcept {
    static_assert(detail::part_t<B, process_type>::values == value_kind::continuous,
                  "diffx: preview_into shows the x0 estimate of a block of numbers; a block of "
                  "classes has a law of x0 and no estimate. Show run.state(), or read the logits "
                  "in the denoiser.");
    std::get<B>(previews_) = buffer;
  }

  /// Puts noise back and stands again before step `index`, as q(x_index | x_now) says. `draw` names
  /// the variate and the noise of the steps after it, so each call of a run needs its own.
  void renoise(int index, int draw) {
    detail::require(draw >= 1 && draw < noise::max_draw, "diffx::run::renoise", "draw", draw,
                    "in [1, 2^12 - 2]: 0 is the prior's, 2^12 - 1 the decoding order's");
    detail::require(index >= first_ && index <= step_, "diffx::run::renoise", "index", index,
                    "between the run's first step and its position " + detail::text(step_));
    renoise_all(index, draw, std::make_index_sequence<blocks>{});
    // Steps that are taken again must not see the noise of the first time: from here on the source
    // is a fork of the one before.
    // The caller's own forks have small labels.
    lineage_.push_back(static_cast<std::uint64_t>(draw) ^ 0x72656e6f69736500ULL);
    follow_lineage();
    step_ = index;
    stage_ = 0;
    history_from_ = index;
    replan(std::make_index_sequence<blocks>{});
    stored_ = 0;
    memory_ = {};
    if constexpr (keeps_kv) kv_.forget();
  }

  /// Of each group of `particles` neighbouring samples number j goes on as number ancestors[j] of
  /// its group (search::resample); rows are copied in place, so an ancestor must be its own. The
  /// copies go apart with the next noise. `ancestors` [batch] lies where the state does.
  void replace(std::int64_t particles, std::int64_t const* ancestors) {
    static_assert(detail::draws_noise<detail::part_t<0, solver_type>>,
                  "diffx: copies of a sample stay copies under a solver that draws no noise. Take "
                  "one that does (solver::ddim with eta > 0, solver::dpmpp_2m_sde), or call "
                  "renoise() afterwards on a run of your own.");
    static_assert(!keeps_kv, "diffx: keys and values of replaced samples are not copied.");
    std::int64_t const batch = std::get<0>(blocks_).x().batch;
    detail::require(particles >= 1 && batch % particles == 0, "diffx::run::replace", "particles",
                    static_cast<long long>(particles),
                    "a divisor of the batch, " + detail::text(static_cast<long long>(batch)));
    auto const one = [&](auto const& block) {
      block.for_each_buffer([&]<class T>(T* rows, std::int64_t n) {
        if (n == 0) return;
        exec_->for_each_tile(batch, n / batch,
                             detail::replace_rows_op<T>{rows, n / batch, particles, ancestors});
      });
    };
    std::apply([&](auto const&... block) { (one(block), ...); }, blocks_);
  }

  /// A copy that goes on from here with noise of its own. `x` and `workspace` belong to the copy.
  run fork(std::uint64_t label, std::tuple<batch_view<Ts>...> x,
           std::span<std::byte> workspace) const {
    return fork_blocks(label, x, workspace, std::make_index_sequence<blocks>{});
  }

  /// Everything needed to go on in another process, bit by bit. Waits for a device.
  std::vector<std::byte> checkpoint() const {
    if constexpr (keeps_kv) {
      static_assert(cache_type::exact,
                    "diffx: a checkpoint holds no keys and values, and this cache is approximate: "
                    "a resumed run would give other text. Fork the run instead.");
    }
    detail::checkpoint_writer out(fingerprint());
    out.put(step_);
    out.put(stage_);
    out.put(evaluations_);
    out.put(nfe_);
    out.put(stored_);
    out.put(history_from_);
    for (double t : stored_times_) out.put(t);
    for (double v : memory_) out.put(v);
    out.put_array(lineage_.data(), static_cast<std::int64_t>(lineage_.size()));
    std::apply([&](auto const&... b) { (write_block(out, b), ...); }, blocks_);
    return out.finish();
  }

  /// Goes on from a checkpoint of a run with the same composition, timetable and shape.
  void resume(std::span<std::byte const> bytes) {
    detail::checkpoint_reader in(bytes, fingerprint());
    int const step = in.template get<int>(), stage = in.template get<int>();
    int const evaluations = in.template get<int>(), nfe = in.template get<int>();
    int const stored = in.template get<int>(), history_from = in.template get<int>();
    detail::require(step >= first_ && step <= end_, "diffx::run::resume", "step", step,
                    "within the run's steps");
    detail::require(history_from >= first_ && history_from <= step, "diffx::run::resume",
                    "history start", history_from, "within the run's steps");
    if constexpr (!dynamic) {
      int const stages = step < end_ ? offsets_[static_cast<std::size_t>(step - first_ + 1)] -
                                           offsets_[static_cast<std::size_t>(step - first_)]
                                     : 1;
      detail::require(stage >= 0 && stage < stages, "diffx::run::resume", "stage", stage,
                      "within the step");
    }
    for (double& t : stored_times_) t = in.template get<double>();
    for (double& v : memory_) v = in.template get<double>();
    lineage_ = in.template get_list<std::uint64_t>();
    follow_lineage();
    std::apply([&](auto&... b) { (read_block(in, b), ...); }, blocks_);
    in.finish();
    std::apply([&](auto const&... b) { (b.check(*exec_), ...); }, blocks_);
    if constexpr (keeps_kv) kv_.forget();
    step_ = step;
    stage_ = stage;
    evaluations_ = evaluations;
    nfe_ = nfe;
    stored_ = stored;
    if (history_from != history_from_) {
      history_from_ = history_from;
      replan(std::make_index_sequence<blocks>{});
    }
  }

  /// How often the solver cut a position's probabilities of jumping, since the run's start: steps
  /// that are too long for it. [batch, positions], where the workspace is.
  template <std::size_t B = 0>
  batch_view<std::int32_t const> capped() const noexcept requires requires(block_t<B> const& b) {
    b.capped();
  }
  { return std::get<B>(blocks_).capped(); }

  /// What the cache of keys and values has cost.
  kv_cost const& kv() const noexcept requires keeps_kv { return kv_.cost(); }
  /// The step in which the stored key and value of every position were computed; -1: there are
  /// none.
  std::span<std::int32_t const> kv_stored() const noexcept requires keeps_kv {
    return kv_.stored();
  }

  // What a dynamic solver drives: see concepts/solver.hpp.
  Exec const& exec() const noexcept { return *exec_; }
  template <std::size_t B = 0>
  auto& block() noexcept {
    return std::get<B>(blocks_);
  }
  process_type const& process() const noexcept { return sampler_->process; }
  diffx::step current_step() const noexcept { return grid_->step(step_); }
  int first_step() const noexcept { return first_; }
  int last_step() const noexcept { return end_ - 1; }
  /// `Solver::remembers` numbers of the solver's own, 0 at the start; they travel with forks and
  /// checkpoints.
  auto& memory() noexcept { return memory_; }

  /// Evaluates the model at `s.at` and executes the stage.
  void execute(stage const& s, bool ends_step) {
    mix_t const m = s.evaluates ? evaluate(s) : mix_t{};
    block().apply(*exec_, s, m, ends_step, nullptr, std::get<0>(previews_));
    ++stage_;
  }

 private:
  using mix_t = detail::prediction_mix;
  struct no_grid {};

  template <std::size_t... B>
  run(std::index_sequence<B...>, Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
      timetable const& grid, std::tuple<batch_view<Ts>...> const& x, options<Noise> const& opts,
      std::span<std::byte> workspace)
      : sampler_(&sampler),
        exec_(&exec),
        denoiser_(&denoiser),
        grid_(&grid),
        options_(opts),
        noise_(opts.noise),
        first_(opts.first_step),
        end_(opts.last_step < 0 ? grid.steps() : opts.last_step + 1),
        blocks_(make_blocks<B...>(sampler, denoiser, x, opts, workspace)),
        kv_(denoiser, std::get<0>(x).batch, std::get<0>(x).features) {
    detail::check_steps(first_, end_, grid.steps());
    noise::check_range(std::get<0>(x).first_sample, std::get<0>(x).batch, std::get<0>(x).features,
                       grid.steps());
    (noise::check_range(0, 0, std::get<B>(x).features, 0), ...);
    if constexpr (!Exec::on_host && !reads_back) {
      detail::check_finite_is_off(options_.check_finite);
    }
    static_assert(sizeof(rule::solver_and_exec_must_fit<detail::part_t<0, solver_type>, Exec>) > 0);
    static_assert(
        Exec::on_host || !(keeps_kv || detail::watches_state<cache_type>),
        "diffx: this cache (cache::kv_..., cache::dkv_..., cache::unchanged) looks at the "
        "state in host memory. Use cache::none with this execution object.");
    if constexpr (keeps_kv) {
      static_assert(blocks == 1, "diffx: a cache of keys and values holds one block of classes.");
      if constexpr (cache_type::exact) {
        detail::check_same_blocks(sampler.solver.block, denoiser.block_length(),
                                  sampler.solver.align == decode::align::from_zero);
      }
    }
    step_ = history_from_ = first_;
    if constexpr (blocks > 1) {
      (part_grids_.push_back(part_grid<B>()), ...);
    }
    if constexpr (!dynamic) replan(std::index_sequence<B...>{});
    if constexpr (!Exec::on_host) {
      std::byte* end = workspace.data();
      (place_tables<B>(end), ...);
      bad_there_ = reinterpret_cast<std::int64_t*>(end);
    }
    begin(std::index_sequence<B...>{});
    if (options_.check_finite) {
      // Not resize(): g++ 12 warns of a copy of 2^63 bytes that an empty vector never makes.
      bad_ = std::vector<std::int64_t>(static_cast<std::size_t>(std::get<0>(x).batch));
    }
  }

  static constexpr bool reads_back = requires(Exec const& exec, void* to) {
    exec.read_back(to, to, sizeof(double));
  };

  template <std::size_t... B>
  static std::int64_t size_of(process_type const& process, std::tuple<batch_view<Ts>...> const& x,
                              options<Noise> const& opts, std::index_sequence<B...>) {
    (detail::check_shape(std::get<B>(x).batch, std::get<B>(x).features), ...);
    std::int64_t const counts =
        !Exec::on_host && opts.check_finite
            ? std::get<0>(x).batch * static_cast<std::int64_t>(sizeof(std::int64_t))
            : 0;
    return (bytes_of<B>(process, std::get<B>(x)) + ...) + detail::aligned_bytes(counts);
  }

  template <std::size_t B>
  static std::int64_t bytes_of(process_type const& process, batch_view<value_t<B>> const& x) {
    return detail::aligned_bytes(
               block_t<B>::workspace_bytes(detail::part<B>(process), x.batch, x.features)) +
           table_bytes<B>(process, x);
  }

  template <std::size_t B>
  static constexpr bool has_tables = !Exec::on_host && requires(part_process<B> const& process) {
    block_t<B>::table_bytes(process, 0, 0);
  };

  /// Off the host a block's tables follow its buffers.
  template <std::size_t B>
  static std::int64_t table_bytes(process_type const& process, batch_view<value_t<B>> const& x) {
    if constexpr (has_tables<B>) {
      return detail::aligned_bytes(
          block_t<B>::table_bytes(detail::part<B>(process), x.batch, x.features));
    } else {
      static_cast<void>(process);
      static_cast<void>(x);
      return 0;
    }
  }

  template <std::size_t B>
  void place_tables(std::byte*& end) {
    auto& block = std::get<B>(blocks_);
    end += bytes_of<B>(sampler_->process, block.x());
    if constexpr (has_tables<B>) {
      block.place_tables(*exec_, end - table_bytes<B>(sampler_->process, block.x()));
    }
  }

  template <std::size_t... B>
  static blocks_t make_blocks(Sampler const& sampler, Denoiser const& denoiser,
                              std::tuple<batch_view<Ts>...> const& x, options<Noise> const& opts,
                              std::span<std::byte> workspace) {
    detail::check_workspace(workspace,
                            size_of(sampler.process, x, opts, std::index_sequence<B...>{}));
    (detail::check_state(std::get<B>(x).data != nullptr || std::get<B>(x).size() == 0,
                         std::get<B>(x).batch == std::get<0>(x).batch),
     ...);
    std::byte* p = workspace.data();
    auto const take = [&](std::int64_t bytes) {
      std::byte* const here = p;
      p += bytes;
      return here;
    };
    return blocks_t{block_t<B>(
        std::get<B>(x), take(bytes_of<B>(sampler.process, std::get<B>(x))),
        detail::part<B>(sampler.process), detail::part<B>(denoiser.prediction), sampler.guidance,
        detail::part<B>(sampler.solver), opts.noise, static_cast<int>(B))...};
  }

  template <std::size_t B>
  timetable part_grid() const {
    std::vector<level> levels;
    for (level const& l : grid_->levels()) {
      levels.push_back(B == 0 ? l : detail::part<B>(sampler_->process).at(l.t));
    }
    return timetable(std::move(levels));
  }

  template <std::size_t B>
  timetable const& grid_of() const noexcept {
    if constexpr (blocks > 1) {
      return part_grids_[B];
    } else {
      return *grid_;
    }
  }

  template <std::size_t B>
  auto const& plan_of() const noexcept {
    return std::get<B>(plans_);
  }

  std::size_t stage_position() const noexcept {
    return static_cast<std::size_t>(offsets_[static_cast<std::size_t>(step_ - first_)] + stage_);
  }

  template <std::size_t... B>
  void replan(std::index_sequence<B...>) {
    if constexpr (!dynamic) (plan_block<B>(), ...);
  }

  template <std::size_t B>
  void plan_block() {
    auto const& process = detail::part<B>(sampler_->process);
    auto const& solver = detail::part<B>(sampler_->solver);
    auto& out = std::get<B>(plans_);
    out = {};
    std::vector<int> offsets{0};
    auto const plan = detail::planner_of(solver, process, grid_of<B>());
    for (int i = first_; i < end_; ++i) {
      int const from = i >= history_from_ ? history_from_ : i;
      plan(i, from, end_ - 1, out);
      auto const before = static_cast<std::size_t>(offsets.back());
      detail::check_stages(std::span(std::as_const(out).stages()).subspan(before), grid_->step(i),
                           detail::facts_of<std::remove_cvref_t<decltype(solver)>>);
      if constexpr (cache_type::depth > 0) {
        int asked = 0;
        for (auto k = before; k < out.stages().size(); ++k)
          asked += out.stages()[k].evaluates ? 1 : 0;
        detail::require(asked <= 1, "diffx::run", "evaluations of a step with this cache", asked,
                        "1: give solver::trunk and solver::stem one round");
      }
      offsets.push_back(static_cast<int>(out.stages().size()));
    }
    if constexpr (B > 0) {
      auto const& first = std::get<0>(plans_).stages();
      bool same = offsets == offsets_;
      for (std::size_t k = 0; same && k < first.size(); ++k) {
        same = out.stages()[k].evaluates == first[k].evaluates;
      }
      detail::check_same_stages(same, static_cast<int>(B));
    }
    offsets_ = std::move(offsets);
  }

  template <std::size_t... B>
  void begin(std::index_sequence<B...>) {
    auto const one = [&](auto& block, level const& at) {
      noise::key const key{noise::prior_step, 0, 0, 1.0, 1.0};
      if (options_.start == start::prior) {
        block.draw_prior(*exec_, at, key);
      } else if (options_.start == start::noised) {
        block.add_noise(*exec_, level{}, at, key);
      } else {
        block.check(*exec_);
      }
      if constexpr (requires { block.begin(*exec_, 0, 0); }) block.begin(*exec_, first_, end_);
    };
    (fix<B>(), ...);
    if constexpr (observes_clean<Denoiser>) hold_observed();
    for (std::size_t b = blocks; b < fixed_positions::most_blocks; ++b) {
      if (options_.fixed[b] != nullptr) detail::refuse_fixed_block(b, blocks);
    }
    (one(std::get<B>(blocks_), grid_of<B>()[first_]), ...);
  }

  /// What the denoiser observes stays as it is in the caller's buffer.
  void hold_observed() {
    auto& block = std::get<0>(blocks_);
    constexpr bool takes = requires { std::remove_cvref_t<decltype(block)>::takes_observed; };
    static_assert(blocks == 1 && takes,
                  "diffx: denoiser::clamp_clean keeps a part of one block of numbers. Blocks of "
                  "classes and points on spheres take options.fixed.");
    auto const x = block.x();
    detail::check_observed(denoiser_->observed, x.batch, x.features);
    if (options_.fixed[0] != nullptr) {
      detail::fail(
          "diffx::run: options.fixed and the mask of denoiser::clamp_clean are of one block; put "
          "both into the mask of denoiser::clamp_clean");
    }
    block.fix(denoiser_->observed.data);
  }

  template <std::size_t B>
  void fix() {
    if (options_.fixed[B] != nullptr) std::get<B>(blocks_).fix(options_.fixed[B]);
  }

  /// False if every block is done already: then the step costs no evaluation.
  template <std::size_t... B>
  bool awake(std::index_sequence<B...>) {
    auto const one = [&](auto& block) {
      if constexpr (requires { block.prepare(*exec_, 0, false); }) {
        return block.prepare(*exec_, step_, step_ + 1 == end_);
      } else {
        return true;
      }
    };
    return (static_cast<int>(one(std::get<B>(blocks_))) + ...) > 0;
  }

  template <std::size_t... B>
  void renoise_all(int index, int draw, std::index_sequence<B...>) {
    auto const one = [&](auto& block, level const& now, level const& then) {
      block.add_noise(*exec_, now, then, {noise::prior_step, draw, 0, now.t, then.t});
    };
    (one(std::get<B>(blocks_), grid_of<B>()[step_], grid_of<B>()[index]), ...);
  }

  /// Calls the network where the cache says so; returns how the prediction is made.
  template <class Stage>
  mix_t evaluate(Stage const& s) {
    mix_t m;
    diffx::step const now = grid_->step(step_);
    if constexpr (cache_type::depth > 0) {
      m.fresh = sampler_->cache.refresh(now, history_from_) || stored_ == 0;
    }
    if (!m.fresh) {
      if constexpr (cache_type::depth > 0) {
        // The newest time is the skipped one, for extrapolation; stored times follow.
        std::array<double, static_cast<std::size_t>(cache_type::depth) + 1> times{};
        times[0] = s.at.t;
        for (int j = 0; j < stored_; ++j)
          times[static_cast<std::size_t>(j + 1)] = stored_times_[static_cast<std::size_t>(j)];
        sampler_->cache.weights(
            now, std::span<double const>(times.data(), static_cast<std::size_t>(stored_) + 1),
            std::span<double>(m.weight.data(), static_cast<std::size_t>(stored_)));
        detail::check_weights(std::span(m.weight).first(static_cast<std::size_t>(stored_)),
                              cache_type::name, step_);
      }
      return m;
    }
    sampler_->guidance.weights(
        now, std::span<double>(m.weight.data(), static_cast<std::size_t>(guidance_type::branches)));
    detail::check_weights(std::span(m.weight).first(guidance_type::branches), guidance_type::name,
                          step_);
    if constexpr (detail::watches_state<cache_type>) {
      if (answers_still(m)) return m;
    }
    if constexpr (keeps_kv) kv_.plan(sampler_->cache, std::get<0>(blocks_), s, step_);
    for (int b = 0; b < guidance_type::branches; ++b) {
      // Every branch has a store of its own, which must not miss a call.
      if (!keeps_kv && m.weight[static_cast<std::size_t>(b)] == 0.0) continue;
      query const q{step_, stage_, b, s.at, s.to};
      call(q, s.at, b, std::make_index_sequence<blocks>{});
      nfe_ += networks_of<Denoiser>;
    }
    if constexpr (keeps_kv) kv_.finish(step_);
    if constexpr (detail::watches_state<cache_type>) std::get<0>(blocks_).note_seen();
    answered_ = m;
    ++evaluations_;
    if constexpr (cache_type::depth > 0) {
      for (int j = cache_type::depth - 1; j > 0; --j)
        stored_times_[static_cast<std::size_t>(j)] = stored_times_[static_cast<std::size_t>(j - 1)];
      stored_times_[0] = s.at.t;
      if (stored_ < cache_type::depth) ++stored_;
    }
    return m;
  }

  /// Whether the buffers hold the answer to this very question.
  bool answers_still(mix_t const& m) const {
    bool same = std::get<0>(blocks_).unchanged();
    for (std::size_t b = 0; b < m.weight.size(); ++b) {
      same = same && (m.weight[b] == 0.0 || answered_.weight[b] != 0.0);
    }
    return same;
  }

  template <class Level, std::size_t... B>
  void call(query const& q, Level const& at, int branch, std::index_sequence<B...>) {
    if constexpr (blocks == 1) {
      auto const out = std::get<0>(blocks_).prediction(branch);
      if constexpr (keeps_kv) {
        (*denoiser_)(*exec_, std::get<0>(blocks_).input(*exec_, at), q, kv_.roles(), kv_.of(branch),
                     out);
        kv_.called();
      } else {
        (*denoiser_)(*exec_, std::get<0>(blocks_).input(*exec_, at), q, out);
      }
      if (options_.check_finite) check_finite<0>(out, branch);
    } else {
      auto const out = std::tuple{std::get<B>(blocks_).prediction(branch)...};
      std::size_t const index = stage_position();
      (*denoiser_)(
          *exec_,
          std::tuple{std::get<B>(blocks_).input(*exec_, plan_of<B>().stages()[index].at)...}, q,
          out);
      if (options_.check_finite) (check_finite<B>(std::get<B>(out), branch), ...);
    }
  }

  // Logits may be -inf; a block of classes reports a row that is no distribution when it draws.
  template <std::size_t B, class T>
  void check_finite(batch_view<T> out, int branch) {
    if constexpr (!class_prediction<prediction_t<B>> && (Exec::on_host || reads_back)) {
      std::int64_t* const counts = Exec::on_host ? bad_.data() : bad_there_;
      detail::for_each_sum(*exec_, out.batch,
                           detail::non_finite_op<T>{out.data, out.features, counts});
      if constexpr (!Exec::on_host) {
        exec_->read_back(bad_.data(), counts, bad_.size() * sizeof(std::int64_t));
      }
      detail::report_non_finite(bad_, out.features, out.first_sample,
                                {step_, stage_, branch, (*grid_)[step_], (*grid_)[step_]});
    } else {
      static_cast<void>(out);
      static_cast<void>(branch);
    }
  }

  template <std::size_t... B>
  void apply_all(std::size_t index, mix_t const& m, bool ends_step, std::index_sequence<B...>) {
    auto const& stages = plan_of<0>().stages();
    bool const more = index + 1 < stages.size();
    auto const one = [&](auto& block, auto const& p, auto* preview) {
      if constexpr (requires { p.stages()[index].holds; }) {
        if (p.stages()[index].holds) return;
      }
      block.apply(*exec_, p.stages()[index], m, ends_step,
                  more && p.stages()[index + 1].evaluates ? &p.stages()[index + 1].at : nullptr,
                  preview);
    };
    (one(std::get<B>(blocks_), plan_of<B>(), std::get<B>(previews_)), ...);
  }

  template <std::size_t... B>
  std::int64_t all_capped(std::index_sequence<B...>) const noexcept {
    std::int64_t sum = 0;
    auto const one = [&](auto const& block) {
      if constexpr (requires { block.capped(); }) {
        auto const counts = block.capped();
        for (std::int64_t i = 0; Exec::on_host && i < counts.size(); ++i) sum += counts.data[i];
        if (!Exec::on_host) sum = -1;
      }
    };
    (one(std::get<B>(blocks_)), ...);
    return sum;
  }

  void follow_lineage() {
    noise_ = options_.noise;
    for (std::uint64_t label : lineage_) noise_ = noise_.fork(label);
    std::apply([&](auto&... b) { (b.use_noise(noise_), ...); }, blocks_);
  }

  void finish_step() noexcept {
    ++step_;
    stage_ = 0;
  }

  void advance_dynamic() {
    if (sampler_->solver.advance(*this)) finish_step();
  }

  template <class Observer>
  static bool asks_to_stop(Observer& observer, progress const& p) {
    using answer = decltype(observer(p));
    if constexpr (std::is_void_v<answer>) {
      observer(p);
      return false;
    } else if constexpr (std::is_same_v<answer, flow>) {
      return observer(p) == flow::stop;
    } else {
      return !static_cast<bool>(observer(p));
    }
  }

  template <std::size_t... B>
  run fork_blocks(std::uint64_t label, std::tuple<batch_view<Ts>...> x,
                  std::span<std::byte> workspace, std::index_sequence<B...>) const {
    options<Noise> opts = options_;
    opts.noise = noise_.fork(label);
    opts.start = start::given;
    // The state first: a given one is looked at when the copy starts.
    auto const fill = [&](auto const& from, auto const& to) {
      detail::check_same_shape(from.batch == to.batch && from.features == to.features);
      copy_values(to.data, from.data, from.size());
    };
    (fill(std::get<B>(blocks_).x(), std::get<B>(x)), ...);
    run copy(*sampler_, *exec_, *denoiser_, *grid_, x, opts, workspace);
    auto const one = [&](auto const& from, auto& to) {
      std::vector<void*> targets;
      to.for_each_buffer([&](auto* p, std::int64_t) { targets.push_back(p); });
      std::size_t k = 0;
      from.for_each_buffer([&](auto const* p, std::int64_t n) { copy_values(targets[k++], p, n); });
      to.restore(from.retained(), from.input_ready());
    };
    (one(std::get<B>(blocks_), std::get<B>(copy.blocks_)), ...);
    copy.step_ = step_;
    copy.stage_ = stage_;
    copy.evaluations_ = evaluations_;
    copy.nfe_ = nfe_;
    copy.stored_ = stored_;
    copy.stored_times_ = stored_times_;
    copy.memory_ = memory_;
    copy.kv_ = kv_;
    if (history_from_ != copy.history_from_) {
      copy.history_from_ = history_from_;
      copy.replan(std::index_sequence<B...>{});
    }
    return copy;
  }

  template <class V>
  void copy_values(void* to, V const* from, std::int64_t n) const {
    std::size_t const bytes = static_cast<std::size_t>(n) * sizeof(V);
    if constexpr (Exec::on_host) {
      if (n > 0) std::memcpy(to, from, bytes);
    } else if constexpr (requires { exec_->copy(to, from, bytes); }) {
      if (n > 0) exec_->copy(to, from, bytes);
    } else {
      static_assert(Exec::on_host,
                    "diffx: run::fork copies the state where it lies, which this execution object "
                    "does not do. Give it copy(to, from, bytes), as exec::cuda has it, or start "
                    "another run with noise.fork(label) and start::given.");
    }
  }

  template <class V>
  void save(detail::checkpoint_writer& out, V const* from, std::int64_t n) const {
    if constexpr (Exec::on_host) {
      out.put_array(from, n);
    } else if constexpr (requires(V * here) { exec_->read_back(here, from, sizeof(V)); }) {
      std::vector<V> here(static_cast<std::size_t>(n));
      if (n > 0) exec_->read_back(here.data(), from, here.size() * sizeof(V));
      out.put_array(here.data(), n);
    } else {
      static_assert(Exec::on_host,
                    "diffx: run::checkpoint reads the state back, which this execution object does "
                    "not do. Use one with read_back(to, from, bytes), as exec::cuda has it.");
    }
  }

  template <class V>
  void load(detail::checkpoint_reader& in, V* to, std::int64_t n) const {
    if constexpr (Exec::on_host) {
      in.get_array(to, n);
    } else if constexpr (detail::uploads<Exec>) {
      std::vector<V> here(static_cast<std::size_t>(n));
      in.get_array(here.data(), n);
      if (n > 0) exec_->upload(to, here.data(), here.size() * sizeof(V));
    } else {
      static_assert(Exec::on_host,
                    "diffx: run::resume takes the state from host memory, which this execution "
                    "object does not do. Give it upload(to, from, bytes), as exec::cuda has it.");
    }
  }

  template <class Block>
  void write_block(detail::checkpoint_writer& out, Block const& b) const {
    out.put(b.retained());
    out.put(static_cast<int>(b.input_ready()));
    b.for_each_buffer([&](auto const* p, std::int64_t n) { save(out, p, n); });
  }

  template <class Block>
  void read_block(detail::checkpoint_reader& in, Block& b) const {
    int const retained = in.template get<int>();
    int const ready = in.template get<int>();
    detail::require(retained >= 0 && retained < Block::state_slots, "diffx::run::resume",
                    "retained states", retained, "below the solver's number of states");
    b.for_each_buffer([&](auto* p, std::int64_t n) { load(in, p, n); });
    b.restore(retained, ready != 0);
  }

  /// The schedules of columns, which have levels of their own at the times of the grid.
  template <std::size_t... B>
  void add_columns(detail::hash64& h, std::index_sequence<B...>) const {
    auto const one = [&](auto const& process) {
      using process_t = std::remove_cvref_t<decltype(process)>;
      if constexpr (column_process<process_t> || gaussian_column_process<process_t>) {
        for (int c = 0; c < process.size(); ++c) {
          for (level const& l : grid_->levels()) h.add(process.column(c).at(l.t).lambda);
        }
      }
    };
    (one(detail::part<B>(sampler_->process)), ...);
  }

  /// A hash of the composition, the timetable and the shape: what a checkpoint must agree with.
  std::uint64_t fingerprint() const {
    detail::hash64 h;
    h.add(detail::part_t<0, process_type>::name);
    h.add(detail::part_t<0, solver_type>::name);
    h.add(guidance_type::name);
    h.add(cache_type::name);
    h.add(Noise::name);
    for (level const& l : grid_->levels()) {
      h.add(l.t);
      h.add(l.lambda);
    }
    for (timetable const& part : part_grids_) {
      for (level const& l : part.levels()) h.add(l.lambda);
    }
    add_columns(h, std::make_index_sequence<blocks>{});
    h.add(first_);
    h.add(end_);
    if constexpr (requires { options_.noise.seed; }) h.add(options_.noise.seed);
    std::apply(
        [&](auto const&... b) {
          ((h.add(b.x().batch), h.add(b.x().features), h.add(b.x().first_sample),
            h.add(static_cast<int>(sizeof(typename std::remove_cvref_t<decltype(b)>::value_type)))),
           ...);
          (b.add_to(h), ...);
        },
        blocks_);
    return h.value();
  }

  Sampler const* sampler_;
  Exec const* exec_;
  Denoiser const* denoiser_;
  timetable const* grid_;
  options<Noise> options_;
  Noise noise_;                         // the source in use: that of the options, or a fork of it
  std::vector<std::uint64_t> lineage_;  // labels of the forks since the start
  int first_, end_;
  int step_ = 0, stage_ = 0, history_from_ = 0;
  int evaluations_ = 0, nfe_ = 0;
  int stored_ = 0;  // predictions in the cache
  std::array<double, detail::solver_memory<detail::part_t<0, solver_type>>> memory_{};
  std::array<double, static_cast<std::size_t>(cache_type::depth > 0 ? cache_type::depth : 1)>
      stored_times_{};
  std::vector<timetable> part_grids_;
  plans_t plans_;
  std::vector<int> offsets_;
  std::vector<std::int64_t> bad_;
  std::int64_t* bad_there_ = nullptr;  // the same where the executor counts, off the host
  std::tuple<Ts*...> previews_{};
  blocks_t blocks_;
  typename detail::kv_memory_of<keeps_kv, Denoiser, guidance_type::branches>::type kv_;
  detail::prediction_mix answered_;  // the weights of the answer that the buffers hold
};

}  // namespace diffx
