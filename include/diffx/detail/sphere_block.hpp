#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/noise.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/sphere_law.hpp>
#include <diffx/error.hpp>
#include <diffx/state/sphere.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace diffx::detail {

/// Calls f(k, xi_k) for n neighbouring elements of a variate, from element `first` on. Sources
/// answer from multiples of four on.
template <class T, class Noise, class F>
DIFFX_HD inline void for_each_normal(Noise const& noise, noise::key key, std::int64_t sample,
                                     std::int64_t first, int n, F const& f) {
  constexpr int chunk = 64;
  T z[chunk + 4];
  int const skip = static_cast<int>(first % 4);
  for (int k = 0; k < n; k += chunk) {
    int const count = n - k < chunk ? n - k : chunk;
    noise.fill(key, sample, first - skip + k, skip + count, z);
    for (int i = 0; i < count; ++i) f(k + i, z[skip + i]);
  }
}

/// The one pass that follows an evaluation: every position goes along a geodesic.
template <class T, class Logit, int G, class Noise>
struct geodesic_pass {
  T* state;
  T* tangent;  // scratch
  T* preview;
  std::int64_t positions, first_sample;
  sphere_law law;
  Logit const* source[G];
  Logit weight[G];
  double pull, spread;
  noise::key key;
  Noise noise;
  std::uint8_t const* fixed;  // null, or 1 where the point stays

  DIFFX_HD void operator()(std::int64_t index) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    std::int64_t const sample = index / positions, position = index - sample * positions;
    class_row<Logit, G> row;
    for (int g = 0; g < G; ++g) {
      row.source[g] = source[g] + index * law.tokens;
      row.weight[g] = weight[g];
    }
    row.classes = law.tokens;
    if (!row.scan()) {
      fail_at("the logits are no distribution (NaN, +inf, or -inf alone)", first_sample + sample,
              position, key.step);
      return;
    }
    T* const x = state + index * law.width;
    T* const v = tangent + index * law.width;
    double squared = 0.0;
    for (int k = 0; k < law.width; ++k) {
      double const xk = static_cast<double>(x[k]);
      squared += xk * xk;
    }
    T const inverse = static_cast<T>(1.0 / std::sqrt(squared));
    for (int k = 0; k < law.tokens; ++k) {
      double const p = row.probability(k);
      v[k] = static_cast<T>(pull * p) * sphere::log_factor(x[k] * inverse);
      if (preview != nullptr) preview[index * law.width + k] = static_cast<T>(std::sqrt(p));
    }
    for (int k = law.tokens; k < law.width; ++k) {
      v[k] = T(0);
      if (preview != nullptr) preview[index * law.width + k] = T(0);
    }
    if (spread != 0.0) {
      T const s = static_cast<T>(spread);
      for_each_normal<T>(noise, key, first_sample + sample, position * law.width, law.width,
                         [&](int k, T z) { v[k] = fma(s, z, v[k]); });
    }
    sphere::exp_map(law.width, x, v, x);
  }
};

/// Puts every position where its bridge starts. A coin of the sample chooses between two starts.
template <class T, class Noise>
struct start_op {
  T* state;
  std::int64_t positions, first_sample;
  sphere_law law;
  double other;  // probability of the other start
  noise::key key;
  Noise noise;
  std::uint8_t const* fixed;

  DIFFX_HD void operator()(std::int64_t index) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    std::int64_t const sample = index / positions;
    bool use_other = other >= 1.0;
    if (other > 0.0 && other < 1.0) {
      double z;
      noise.fill(key, first_sample + sample, 0, 1, &z);
      use_other = 0.5 * std::erfc(-z * 0.70710678118654752440) < other;
    }
    sphere_start const& s = use_other ? law.other : law.usual;
    T* const x = state + index * law.width;
    for (int k = 0; k < law.width; ++k) x[k] = static_cast<T>(k < law.tokens ? s.token : s.mask);
  }
};

/// One step of the walk to a given point.
template <class T, class Noise>
struct walk_op {
  T* state;
  T const* goal;
  T* tangent;
  std::int64_t positions, first_sample;
  int width;
  double pull, spread;
  std::int64_t first_element;  // of the step's normals
  noise::key key;
  Noise noise;
  std::uint8_t const* fixed;

  DIFFX_HD void operator()(std::int64_t index) const {
    if (fixed != nullptr && fixed[index] != 0) return;
    std::int64_t const sample = index / positions, position = index - sample * positions;
    T* const x = state + index * width;
    T* const v = tangent + index * width;
    sphere::log_map(width, x, goal + index * width, v);
    T const p = static_cast<T>(pull), s = static_cast<T>(spread);
    for_each_normal<T>(noise, key, first_sample + sample, first_element + position * width, width,
                       [&](int k, T z) { v[k] = fma(s, z, p * v[k]); });
    sphere::exp_map(width, x, v, x);
  }
};

template <class T>
struct copy_op {
  T const* from;
  T* to;
  std::int64_t features;

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
    for (int i = 0; i < n; ++i) {
      to[sample * features + first + i] = from[sample * features + first + i];
    }
  }
};

/// Refuses what lies on no sphere.
template <class T>
struct check_norm_op {
  T const* state;
  std::int64_t positions, first_sample;
  int width;

  DIFFX_HD void operator()(std::int64_t index) const {
    double squared = 0.0;
    for (int k = 0; k < width; ++k) {
      double const x = static_cast<double>(state[index * width + k]);
      squared += x * x;
    }
    if (squared > 1.0 - 2e-3 && squared < 1.0 + 2e-3) return;
    std::int64_t const sample = index / positions;
    fail_at("the state is no point of the sphere (a norm that is not 1 to 1e-3)",
            first_sample + sample, index - sample * positions, -1);
  }
};

/// Everything that one block of points on spheres of a run owns, and the passes over it.
template <class T, class Process, class Prediction, class Solver, class Guidance, class Noise>
class sphere_block {
 public:
  static constexpr bool takes_pasted = false;
  static_assert(std::is_floating_point_v<T>,
                "diffx: a block of points on spheres holds numbers: batch_view<float>, or double.");

  using value_type = T;
  using logit_type = typename Prediction::value_type;
  using plan_type = categorical_plan;
  static constexpr int branches = Guidance::branches;
  static constexpr int state_slots = 1;

  /// Bytes of workspace for [batch, features].
  static std::int64_t workspace_bytes(Process const& process, std::int64_t batch,
                                      std::int64_t features) {
    auto const& law = process.law();
    require(features % law.width == 0, "diffx::run", "features", static_cast<long long>(features),
            "a multiple of " + text(law.width) + ", the coordinates of a position");
    std::int64_t const rows = batch * (features / law.width);
    std::int64_t const row = 2 * static_cast<std::int64_t>(sizeof(T)) * law.width +
                             static_cast<std::int64_t>(sizeof(logit_type)) * branches * law.tokens;
    return checked_product(rows, row, "workspace of logits");
  }

  sphere_block(batch_view<T> x, std::byte* workspace, Process const& process, Prediction const&,
               Guidance const&, Solver const&, Noise const& noise, int block)
      : x_(x),
        process_(&process),
        law_(process.law()),
        positions_(x.features / law_.width),
        noise_(noise),
        block_(block) {
    tangent_ = reinterpret_cast<T*>(workspace);
    goal_ = tangent_ + x.size();
    auto* logits = reinterpret_cast<logit_type*>(goal_ + x.size());
    for (auto& p : predictions_) {
      p = logits;
      logits += rows() * law_.tokens;
    }
  }

  /// Positions that keep the point they have: 1 in [batch, positions], or null.
  void fix(std::uint8_t const* fixed) noexcept { fixed_ = fixed; }

  batch_view<T> x() const noexcept { return x_; }
  T const* current() const noexcept { return x_.data; }
  Noise const& noise() const noexcept { return noise_; }
  void use_noise(Noise const& noise) { noise_ = noise; }
  int block() const noexcept { return block_; }

  template <class Exec>
  batch_view<T const> input(Exec const&, level const&) const noexcept {
    return {x_.data, x_.batch, x_.features, x_.first_sample};
  }

  /// Where the network writes the logits of a branch: [batch, positions x tokens].
  batch_view<logit_type> prediction(int branch) noexcept {
    return {predictions_[static_cast<std::size_t>(branch)], x_.batch, positions_ * law_.tokens,
            x_.first_sample};
  }

  template <class Exec>
  void apply(Exec const& exec, categorical_stage const& s, prediction_mix const& m, bool,
             level const*, T* preview) {
    geodesic_pass<T, logit_type, branches, Noise> pass{
        x_.data, tangent_,    preview,     positions_, x_.first_sample, law_,  {},
        {},      s.weight[0], s.weight[1], s.key,      noise_,          fixed_};
    pass.key.block = block_;
    // As in a block of classes: a branch that was not asked stands for one that was, with weight 0.
    int used = 0;
    for (int b = 0; b < branches; ++b) {
      auto const at = static_cast<std::size_t>(b);
      if (m.weight[at] == 0.0) continue;
      pass.source[used] = predictions_[at];
      pass.weight[used++] = static_cast<logit_type>(m.weight[at]);
    }
    for (; used < branches; ++used) {
      pass.source[used] = pass.source[0];
      pass.weight[used] = logit_type(0);
    }
    exec.for_each_sample(rows(), pass);
  }

  template <class Exec>
  void draw_prior(Exec const& exec, level const& at, noise::key key) {
    put_at_start(exec, at, key);
    if (fixed_ != nullptr) check(exec);  // those points are the caller's
  }

  /// Draws from q(x_then | x_now): the bridge from the prior point that will be at x_now.
  template <class Exec>
  void add_noise(Exec const& exec, level const& now, level const& then, noise::key key) {
    check(exec);
    if (then.alpha >= now.alpha) return;
    int const steps = process_->noising_steps();
    // Every step takes fresh elements of the one variate; the first ones are the mixture's coin.
    noise::check_range(
        0, 0, checked_product(step_elements(), steps + 1, "normals of a noised sample"), 0);
    exec.for_each_tile(x_.batch, x_.features, copy_op<T>{x_.data, goal_, x_.features});
    put_at_start(exec, then, key);
    key.block = block_;
    double const total = process_->schedule().to_come(1.0);
    for (int j = 0; j < steps && then.alpha > 0.0; ++j) {
      double const from = then.alpha * j / steps, to = then.alpha * (j + 1) / steps;
      double const pull = (to - from) / (now.alpha - from);
      double const spread = std::sqrt(total * (now.alpha - to) * pull);
      exec.for_each_sample(
          rows(),
          walk_op<T, Noise>{x_.data, goal_, tangent_, positions_, x_.first_sample, law_.width, pull,
                            spread, (j + 1) * step_elements(), key, noise_, fixed_});
    }
  }

  /// What a checkpoint must agree with beyond the shape.
  template <class Hash>
  void add_to(Hash& h) const {
    h.add(law_.tokens);
    h.add(law_.width);
  }

  /// What the caller gave as a state.
  template <class Exec>
  void check(Exec const& exec) const {
    exec.for_each_sample(rows(),
                         check_norm_op<T>{x_.data, positions_, x_.first_sample, law_.width});
  }

  template <class F>
  void for_each_buffer(F const& f) const {
    f(x_.data, x_.size());
  }
  int retained() const noexcept { return 0; }
  bool input_ready() const noexcept { return false; }
  void restore(int, bool) noexcept {}

 private:
  std::int64_t rows() const noexcept { return x_.batch * positions_; }
  std::int64_t step_elements() const noexcept { return (x_.features + 3) / 4 * 4; }

  template <class Exec>
  void put_at_start(Exec const& exec, level const& at, noise::key key) {
    key.block = block_;
    exec.for_each_sample(rows(),
                         start_op<T, Noise>{x_.data, positions_, x_.first_sample, law_,
                                            process_->prior().other(at.t), key, noise_, fixed_});
  }

  batch_view<T> x_;
  Process const* process_;
  sphere_law law_;
  std::int64_t positions_;
  Noise noise_;
  int block_;
  T* tangent_;
  T* goal_;
  std::array<logit_type*, static_cast<std::size_t>(branches)> predictions_{};
  std::uint8_t const* fixed_ = nullptr;
};

}  // namespace diffx::detail
