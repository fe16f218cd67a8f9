#pragma once

#include <diffx/concepts/cache.hpp>
#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/guidance.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/detail/reduction.hpp>
#include <diffx/error.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace diffx::detail {

/// A pass without a model call is compiled only for solvers that have one.
template <class S>
inline constexpr bool has_pure_passes = false;
template <class S>
requires requires { S::pure_passes; }
inline constexpr bool has_pure_passes<S> = S::pure_passes;

/// A solver that looks at its own state gets room for one double per sample.
template <class S>
inline constexpr bool measures_samples = drives_run<S> || moves_by_norm<S>;

/// A solver whose steps follow from its error would count what is fixed.
[[noreturn]] inline void refuse_fixed_numbers(std::string_view solver, int block) {
  fail("diffx::run: a mask (options.fixed, denoiser::clamp_clean) keeps numbers of block " +
       text(block) + ", and " + std::string(solver) +
       " measures its error over all of them; use a solver that plans its steps ahead "
       "(solver::heun, solver::ddim, ...)");
}

/// Standard deviation of the start: 1 on a variance-preserving path, sigma on any other.
inline double prior_std(level const& at) noexcept {
  double const variance = at.alpha * at.alpha + at.sigma * at.sigma;
  return std::fabs(variance - 1.0) < 1e-9 ? 1.0 : at.sigma;
}

/// Sets a tile to zero, except what is fixed.
template <class V>
struct zero_op {
  V* data;
  std::uint8_t const* fixed;
  std::int64_t features;

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
    std::int64_t const base = sample * features + first;
    for (int i = 0; i < n; ++i) {
      if (fixed == nullptr || fixed[base + i] == 0) data[base + i] = static_cast<V>(0.0f);
    }
  }
};

/// The noise of rows laid end to end, as one of a single long row.
template <class Noise>
struct end_to_end {
  Noise noise;
  std::int64_t features;

  template <class T>
  DIFFX_HD void fill(noise::key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
#if !defined(__CUDA_ARCH__)  // never called there: off the host no pass has this source
    noise.fill_rows(k, sample, features, first, n, out);
#endif
  }
};

/// input = scale x, for a network that reads the state at another scale or in another type.
template <class V, class P, bool InTile = false>
struct input_op {
  using T = arithmetic_t<V>;

  V const* x;
  P* input;
  T scale;

  DIFFX_HD void operator()(std::int64_t, std::int64_t first, int n) const {
#if defined(__CUDA_ARCH__)
    T v[4];
    read(x + first, n, v);
    for (T& e : v) e *= scale;
    if (n == 4 && reinterpret_cast<std::uintptr_t>(input + first) % alignof(quad<P>) == 0) {
      return store<true, InTile>(v, n, input + first);
    }
    store<false>(v, n, input + first);
#else
    for (int i = 0; i < n; ++i) {
      input[first + i] = narrowed<P>(scale * widened<T>(x[first + i]));
    }
#endif
  }
};

/// Per sample: mixes the deviation of the guided prediction with that of the conditional one.
template <class V, class P = V>
struct rescale_op {
  using T = arithmetic_t<V>;

  static constexpr int sums = 5;

  P const* conditional;
  P const* other;
  std::int64_t features, stride;
  T weight, other_weight, phi;
  T* factor;
  std::uint8_t const* fixed = nullptr;  // what stays as it is does not count

  /// Sums of differences from the first free element, so that a large mean does not swallow the
  /// deviation and a constant prediction has none.
  struct row_type {
    rescale_op const& op;
    std::int64_t sample;
    P const* conditional;
    P const* other;
    std::uint8_t const* fixed;
    double first_c = 0.0, first_g = 0.0;

    DIFFX_HD double guided(T c, T u) const noexcept {
      return static_cast<double>(fma(op.other_weight, u, rounded_product(op.weight, c)));
    }
    template <int W>
    DIFFX_HD void add(std::int64_t first, int n, double (&sum)[5][W]) const noexcept {
      T c[W], u[W];
      read(conditional + first, n, c);
      read(other + first, n, u);
      for (int i = 0; i < end_of<W>(n); ++i) {
        double const free = i >= n || (fixed != nullptr && fixed[first + i] != 0) ? 0.0 : 1.0;
        double const a = free == 0.0 ? 0.0 : static_cast<double>(c[i]) - first_c;
        double const g = free == 0.0 ? 0.0 : guided(c[i], u[i]) - first_g;
        sum[0][i] += free;
        sum[1][i] += a;
        sum[2][i] = fma(a, a, sum[2][i]);
        sum[3][i] += g;
        sum[4][i] = fma(g, g, sum[4][i]);
      }
    }
    DIFFX_HD void finish(double const (&sum)[5]) const noexcept {
      double const n = sum[0];
      double const variance_c = sum[2] - sum[1] * sum[1] / n;
      double const variance_g = sum[4] - sum[3] * sum[3] / n;
      // A constant guided prediction, and none at all, has no deviation to correct.
      double const ratio = variance_g > 0.0 ? ::sqrt(variance_c / variance_g) : 1.0;
      double const mix = static_cast<double>(op.phi);
      op.factor[sample] = static_cast<T>(mix * ratio + (1.0 - mix));
    }
  };
  DIFFX_HD row_type row(std::int64_t sample) const noexcept {
    row_type r{*this, sample, conditional + sample * stride, other + sample * stride,
               fixed != nullptr ? fixed + sample * features : nullptr};
    std::int64_t begin = 0;
    while (r.fixed != nullptr && begin < features && r.fixed[begin] != 0) ++begin;
    if (begin < features) {
      T const c = widened<T>(r.conditional[begin]), u = widened<T>(r.other[begin]);
      r.first_c = static_cast<double>(c);
      r.first_g = r.guided(c, u);
    }
    return r;
  }
};

/// The types of function objects that something launches.
template <class... Ops>
struct op_list {};

/// How a prediction is made: branch weights of a fresh evaluation, or cache weights.
struct prediction_mix {
  std::array<double, pass_data<float>::max_sources> weight{};
  bool fresh = true;
};

/// Everything that one continuous block of a run owns, and the passes over it.
/// The state and its history are V, what the network reads and writes is P.
template <class V, class Prediction, class Solver, class Guidance, class Cache, bool Variance,
          class Noise, class P = V>
class continuous_block {
  using T = arithmetic_t<V>;

 public:
  using value_type = V;
  using plan_type = plan;
  static constexpr int branches = Guidance::branches;
  static constexpr bool takes_observed = true;  // of denoiser::clamp_clean
  static constexpr int history_size = Solver::history;
  static constexpr int state_slots = Solver::states;
  // With one branch the network writes straight into the cache's ring.
  static constexpr bool writes_into_ring = Cache::depth > 0 && branches == 1 && !Variance;
  static constexpr int prediction_buffers = writes_into_ring ? 0 : branches;
  static constexpr bool hooks_per_sample = Guidance::hook == x0_hook::dynamic;
  static constexpr bool copies_input = Prediction::scales_input || !std::is_same_v<V, P>;
  static constexpr bool rescales = Guidance::reduction == guidance_reduction::rescale;

 protected:
  static constexpr int most_sources = branches > Cache::depth ? branches : Cache::depth;
  template <int G, class From = Noise>
  using stage_pass =
      fused_pass<V, G, state_slots, history_size, Solver::noises,
                 (G > 0 ? Guidance::hook : x0_hook::none), (G > 0 && Variance), From, P>;
  template <class From = Noise>
  using noise_pass = fused_pass<V, 0, 1, 0, 1, x0_hook::none, false, From, P>;

 public:
  /// Everything that it launches but reductions.
  using ops = op_list<zero_op<V>, input_op<V, P>, noise_pass<>, stage_pass<most_sources>,
                      stage_pass<has_pure_passes<Solver> ? 0 : most_sources>>;

  static_assert(history_size <= stage::max_history && state_slots <= stage::max_states &&
                    Solver::noises <= stage::max_noise &&
                    branches <= pass_data<V, P>::max_sources &&
                    Cache::depth <= pass_data<V, P>::max_sources,
                "diffx: this policy asks for more buffers than a stage can name.");

  /// Bytes of workspace for [batch, features].
  template <class Process>
  static std::int64_t workspace_bytes(Process const&, std::int64_t batch,
                                      std::int64_t features) noexcept {
    std::int64_t const n = batch * features;
    std::int64_t bytes = (history_size + state_slots - 1) * room_for<V>(n) +
                         prediction_buffers * room_for<P>(n * (Variance ? 2 : 1)) +
                         (Cache::depth + (copies_input ? 1 : 0)) * room_for<P>(n);
    if (measures_samples<Solver>) bytes += room_for<double>(batch);
    if (hooks_per_sample) bytes += room_for<T>(n) + room_for<T>(batch);
    if (rescales) bytes += room_for<T>(batch);
    return bytes;
  }

  template <class Process>
  continuous_block(batch_view<V> x, std::byte* memory, Process const&, Prediction const& prediction,
                   Guidance const& guidance, Solver const&, Noise const& noise, int block)
      : x_(x), prediction_(prediction), guidance_(guidance), noise_(noise), block_(block) {
    std::int64_t const n = x.size();
    auto const take = [&]<class U>(U*& place, std::int64_t elements) {
      place = reinterpret_cast<U*>(memory);
      memory += room_for<U>(elements);
    };
    if constexpr (measures_samples<Solver>) take(measured_, x.batch);
    if constexpr (hooks_per_sample) {
      take(scratch_, n);
      take(limit_, x.batch);
    }
    if constexpr (rescales) take(factor_, x.batch);
    state_[0] = x.data;
    for (int j = 1; j < state_slots; ++j) take(spare_[static_cast<std::size_t>(j - 1)], n);
    for (auto& h : history_) take(h, n);
    for (auto& r : ring_) take(r, n);
    if constexpr (copies_input) take(input_, n);
    for (auto& p : predictions_) take(p, n * (Variance ? 2 : 1));
  }

  batch_view<V> x() const noexcept { return x_; }
  V const* current() const noexcept { return state_[0]; }
  Noise const& noise() const noexcept { return noise_; }
  void use_noise(Noise const& noise) { noise_ = noise; }
  int block() const noexcept { return block_; }
  /// Keeps the numbers where `fixed` is 1, in every step.
  void fix(std::uint8_t const* fixed) {
    if constexpr (drives_run<Solver>) refuse_fixed_numbers(Solver::name, block_);
    fixed_ = fixed;
  }
  std::uint8_t const* fixed() const noexcept { return fixed_; }

  // What a solver that looks at its own state may read: states and outputs as a stage names them,
  // and room for one number per sample.
  V const* state(int j) const noexcept { return state_[static_cast<std::size_t>(j)]; }
  V const* history(int j) const noexcept { return history_[static_cast<std::size_t>(j)]; }
  double* measured() const noexcept { return measured_; }
  /// Takes back the `n` outputs kept last: history[n] is history[0] again.
  void forget_outputs(int n) noexcept {
    for (int i = 0; i < n; ++i) {
      auto const first = history_.front();
      for (std::size_t j = 0; j + 1 < history_.size(); ++j) history_[j] = history_[j + 1];
      history_.back() = first;
    }
  }

  /// What the network reads at this stage.
  template <class Exec>
  batch_view<P const> input(Exec const& exec, level const& at) {
    if constexpr (copies_input) {
      if (!input_ready_ && x_.size() > 0) {
        exec.for_each_tile(1, x_.size(), input_op<V, P>{state_[0], input_, input_scale(at)});
      }
      return {input_, x_.batch, x_.features, x_.first_sample};
    } else {
      return {state_[0], x_.batch, x_.features, x_.first_sample};
    }
  }

  /// Where the network writes the prediction of a branch.
  batch_view<P> prediction(int branch) noexcept {
    P* data;
    if constexpr (writes_into_ring) {
      data = ring_[Cache::depth - 1];
      static_cast<void>(branch);
    } else {
      data = predictions_[static_cast<std::size_t>(branch)];
    }
    return {data, x_.batch, x_.features * (Variance ? 2 : 1), x_.first_sample};
  }

  /// Executes one stage. `ends_step` writes the result back to the caller's buffer.
  /// `next_at` is what the network is told next, for a network with a scaled input.
  template <class Exec>
  void apply(Exec const& exec, stage const& s, prediction_mix const& m, bool ends_step,
             level const* next_at, V* preview) {
    pass_data<V, P> d = base_data();
    int sources = 0;
    if (s.evaluates) {
      sources = gather(exec, m, d);
      convert(s, d);
      if constexpr (hooks_per_sample) {
        for_each_by_team(
            exec, x_.batch,
            typename Guidance::template limit_op<V, P>{d, sources, scratch_, guidance_.quantile(),
                                                       guidance_.largest(), limit_});
        d.sample_limit = limit_;
      }
      d.preview = preview;
    }
    bool const noisy = weigh(s, d);
    V* const target = place(s.keeps, s.retains, ends_step, d);
    if constexpr (copies_input) {
      input_ready_ = next_at != nullptr;
      if (next_at != nullptr) {
        d.next_input = input_;
        d.input_scale = input_scale(*next_at);
      }
    }
    if (s.evaluates) {
      run_pass<most_sources>(exec, d, noisy);
    } else if constexpr (has_pure_passes<Solver>) {
      run_pass<0>(exec, d, noisy);
    }
    settle(s.retains, ends_step, target);
  }

  /// Overwrites the state with the prior at this level.
  template <class Exec>
  void draw_prior(Exec const& exec, level const& at, noise::key key) {
    // A state that may hold anything, NaN included, is not multiplied by zero.
    launch(exec, zero_op<V>{x_.data, fixed_, x_.features}, true);
    renoise(exec, 0.0, prior_std(at), key);
  }

  /// Draws from q(x_then | x_now).
  template <class Exec>
  void add_noise(Exec const& exec, level const& now, level const& then, noise::key key) {
    double const keep = then.alpha / now.alpha;
    double const variance = then.sigma * then.sigma - keep * keep * now.sigma * now.sigma;
    renoise(exec, keep, variance > 0.0 ? std::sqrt(variance) : 0.0, key);
  }

  /// What a checkpoint must agree with beyond the shape.
  template <class Hash>
  void add_to(Hash&) const noexcept {}

  /// A state that the caller gives may hold any number.
  template <class Exec>
  void check(Exec const&) const noexcept {}

  /// Forgets everything but the state.
  void reset() noexcept {
    state_[0] = x_.data;
    retained_ = 0;
    input_ready_ = false;
  }

  /// Visits every buffer that a checkpoint or a fork must carry, in a fixed order.
  template <class F>
  void for_each_buffer(F const& f) const {
    f(x_.data, x_.size());
    for (int j = 0; j < state_slots - 1; ++j) f(spare_[static_cast<std::size_t>(j)], x_.size());
    for (V* h : history_) f(h, x_.size());
    for (P* r : ring_) f(r, x_.size());
    if constexpr (copies_input) f(input_, x_.size());
  }
  int retained() const noexcept { return retained_; }
  bool input_ready() const noexcept { return input_ready_; }
  /// Puts the pointers back as they stood after `retained` retaining stages of a step.
  void restore(int retained, bool input_ready) noexcept {
    reset();
    for (int j = 0; j < retained; ++j) {
      for (int k = j; k >= 0; --k)
        state_[static_cast<std::size_t>(k + 1)] = state_[static_cast<std::size_t>(k)];
      state_[0] = spare_[static_cast<std::size_t>(j)];
    }
    retained_ = retained;
    input_ready_ = input_ready;
  }

 protected:
  /// The predictions that this stage combines, and their number.
  template <class Exec>
  int gather(Exec const& exec, prediction_mix const& m, pass_data<V, P>& d) {
    int sources = 0;
    if (m.fresh) {
      if constexpr (writes_into_ring) rotate(ring_);
      for (int b = 0; b < branches; ++b) {
        double const w = m.weight[static_cast<std::size_t>(b)];
        if (w == 0.0) continue;
        d.source[sources] = fresh_prediction(b);
        d.source_weight[sources++] = static_cast<T>(w);
      }
      if constexpr (rescales) {
        if (sources == 2) {
          double const phi = guidance_.rescale_mix();
          for_each_sum(exec, x_.batch,
                       rescale_op<V, P>{d.source[0], d.source[1], x_.features,
                                        d.prediction_features, d.source_weight[0],
                                        d.source_weight[1], static_cast<T>(phi), factor_, fixed_});
          d.sample_factor = factor_;
        }
      }
      if constexpr (Cache::depth > 0 && !writes_into_ring) {
        rotate(ring_);
        d.kept_prediction = ring_[0];
      }
    } else {
      for (int j = 0; j < Cache::depth; ++j) {
        double const w = m.weight[static_cast<std::size_t>(j)];
        if (w == 0.0) continue;
        d.source[sources] = ring_[static_cast<std::size_t>(j)];
        d.source_weight[sources++] = static_cast<T>(w);
      }
    }
    for (int g = sources; g < most_sources; ++g) d.source[g] = d.source[0];
    return sources;
  }

  /// The states, outputs and noise of a stage, and whether it has noise.
  bool weigh(stage const& s, pass_data<V, P>& d) const {
    // A tensor that this stage does not use stands for one that it reads in any case, with weight
    // 0: that costs no memory traffic, and a composition compiles one pass for all its stages.
    for (int j = 0; j < state_slots; ++j) {
      double const w = s.state[static_cast<std::size_t>(j)];
      d.state[j] = state_[static_cast<std::size_t>(j <= retained_ && w != 0.0 ? j : 0)];
      d.state_weight[j] = static_cast<T>(w);
    }
    for (int j = 0; j < history_size; ++j) {
      double const w = s.history[static_cast<std::size_t>(j)];
      d.history[j] = w != 0.0 ? history_[static_cast<std::size_t>(j)] : d.state[0];
      d.history_weight[j] = static_cast<T>(w);
    }
    bool noisy = false;
    for (int j = 0; j < Solver::noises; ++j) {
      noise_term const& term = s.noise[static_cast<std::size_t>(j)];
      d.noise_key[j] = term.key;
      d.noise_key[j].block = block_;
      d.noise_weight[j] = static_cast<T>(term.weight);
      noisy = noisy || term.weight != 0.0;
    }
    return noisy;
  }

  /// Where a stage writes its state, which is returned, and its output.
  V* place(bool keeps, bool retains, bool ends_step, pass_data<V, P>& d) {
    if constexpr (history_size > 0) {
      if (keeps) {
        rotate(history_);
        d.kept_output = history_[0];
      }
    }
    V* target = state_[0];
    if (ends_step) {
      target = x_.data;
    } else if (retains) {
      target = spare_[static_cast<std::size_t>(retained_)];
    }
    d.target = target;
    return target;
  }

  /// The state after a stage.
  void settle(bool retains, bool ends_step, V* target) noexcept {
    if (ends_step) {
      state_[0] = x_.data;
      retained_ = 0;
    } else if (retains) {
      for (int j = retained_; j >= 0; --j)
        state_[static_cast<std::size_t>(j + 1)] = state_[static_cast<std::size_t>(j)];
      state_[0] = target;
      ++retained_;
    }
  }

  /// keep x + spread xi.
  template <class Exec>
  void renoise(Exec const& exec, double keep, double spread, noise::key key) {
    pass_data<V, P> d = base_data();
    d.state_weight[0] = static_cast<T>(keep);
    d.noise_key[0] = key;
    d.noise_key[0].block = block_;
    d.noise_weight[0] = static_cast<T>(spread);
    d.target = x_.data;
    if constexpr (Exec::on_host && row_source<Noise>) {
      launch(exec, noise_pass<end_to_end<Noise>>{d, {noise_, x_.features}}, true);
    } else {
      launch(exec, noise_pass<>{d, noise_}, spread == 0.0);
    }
    reset();
  }

  // Every tensor begins where four elements are read at once.
  template <class U>
  static constexpr std::int64_t room_for(std::int64_t elements) noexcept {
    return (elements * static_cast<std::int64_t>(sizeof(U)) + 15) / 16 * 16;
  }

  T input_scale(level const& at) const {
    if constexpr (Prediction::scales_input) {
      return static_cast<T>(prediction_.input_scale(at));
    } else {
      static_cast<void>(at);
      return T(1);
    }
  }

  template <class A>
  static void rotate(A& buffers) noexcept {
    auto const last = buffers.back();
    for (std::size_t j = buffers.size() - 1; j > 0; --j) buffers[j] = buffers[j - 1];
    buffers[0] = last;
  }

  P const* fresh_prediction(int b) const noexcept {
    if constexpr (writes_into_ring) {
      static_cast<void>(b);
      return ring_[0];
    } else {
      return predictions_[static_cast<std::size_t>(b)];
    }
  }

  pass_data<V, P> base_data() const noexcept {
    pass_data<V, P> d;
    d.features = x_.features;
    d.prediction_features = x_.features * (Variance ? 2 : 1);
    d.first_sample = x_.first_sample;
    d.fixed = fixed_;
    d.state[0] = state_[0];
    return d;
  }

  void convert(stage const& s, pass_data<V, P>& d) const {
    linear_form const output = prediction_.to(Solver::frame, s.convert);
    d.to_output_state = static_cast<T>(output.state);
    d.to_output = static_cast<T>(output.output);
    d.output_weight = static_cast<T>(s.output);
    linear_form const x0 = prediction_.to(frame::x0, s.convert);
    d.to_x0_state = static_cast<T>(x0.state);
    d.to_x0 = static_cast<T>(x0.output);
    if constexpr (Guidance::hook != x0_hook::none) {
      // Without noise eps cannot follow a changed x0: the solver's own hook weight says all.
      double const slope = s.convert.sigma > 0.0 ? s.convert.alpha / s.convert.sigma : 0.0;
      d.output_per_x0 = static_cast<T>(Solver::frame == frame::x0    ? 1.0
                                       : Solver::frame == frame::eps ? -slope
                                                                     : -slope - 1.0);
      d.hook_weight = static_cast<T>(s.hook);
    }
    if constexpr (Guidance::hook == x0_hook::clip) d.clip = static_cast<T>(guidance_.limit());
    d.log_std[0] = static_cast<T>(s.log_std[0]);
    d.log_std[1] = static_cast<T>(s.log_std[1]);
  }

  template <int G, class Exec>
  void run_pass(Exec const& exec, pass_data<V, P> const& d, bool noisy) const {
    constexpr bool by_sample = rescales || hooks_per_sample || (G > 0 && Variance);
    if constexpr (Exec::on_host && row_source<Noise> && Solver::noises > 0 && !by_sample) {
      launch(exec, stage_pass<G, end_to_end<Noise>>{d, {noise_, x_.features}}, true);
    } else {
      bool const flat =
          !noisy && d.sample_factor == nullptr && d.sample_limit == nullptr && !(G > 0 && Variance);
      launch(exec, stage_pass<G>{d, noise_}, flat);
    }
  }

  // Without anything per sample the rows are one long row, and short rows cost no more than one; on
  // the host that is so with noise, too, where its source fills rows laid end to end.
  template <class Exec, class Pass>
  void launch(Exec const& exec, Pass const& pass, bool flat) const {
    if (x_.size() == 0) return;
    if (flat) {
      exec.for_each_tile(1, x_.size(), pass);
    } else {
      exec.for_each_tile(x_.batch, x_.features, pass);
    }
  }

  batch_view<V> x_;
  Prediction prediction_;
  Guidance guidance_;
  Noise noise_;
  int block_;
  int retained_ = 0;
  bool input_ready_ = false;
  std::array<V*, static_cast<std::size_t>(state_slots)> state_{};
  std::array<V*, static_cast<std::size_t>(state_slots)> spare_{};
  std::array<V*, static_cast<std::size_t>(history_size)> history_{};
  std::array<P*, static_cast<std::size_t>(Cache::depth)> ring_{};
  std::array<P*, static_cast<std::size_t>(prediction_buffers)> predictions_{};
  std::uint8_t const* fixed_ = nullptr;
  P* input_ = nullptr;
  T* scratch_ = nullptr;
  T* limit_ = nullptr;
  T* factor_ = nullptr;
  double* measured_ = nullptr;
};

}  // namespace diffx::detail
