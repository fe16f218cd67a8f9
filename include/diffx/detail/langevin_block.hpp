#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/reduction.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace diffx::detail {

/// The length of a sample's Langevin step: scale (number of free elements) / |S|^2, 0 where S is 0.
template <class T>
struct langevin_length_op {
  static constexpr int sums = 2;  // |S|^2 and what is fixed

  squares_op<T> score;
  double scale;
  std::int64_t features = score.features;

  struct row_type {
    langevin_length_op const& op;
    std::int64_t sample;

    template <int W>
    DIFFX_HD void add(std::int64_t first, int n, double (&sum)[2][W]) const noexcept {
      std::int64_t const at = sample * op.features + first;
      double v[W];
      op.score.value.at(at, n, v);
      std::uint8_t const* const fixed = op.score.fixed != nullptr ? op.score.fixed + at : nullptr;
      add_squares(v, fixed, n, sum[0]);
      if (fixed == nullptr) return;
      for (int i = 0; i < end_of<W>(n); ++i) sum[1][i] += i < n && fixed[i] != 0 ? 1.0 : 0.0;
    }
    DIFFX_HD void finish(double const (&sum)[2]) const noexcept {
      double const free = static_cast<double>(op.features) - sum[1];
      op.score.out[sample] = sum[0] > 0.0 ? op.scale * free / sum[0] : 0.0;
    }
  };
  DIFFX_HD row_type row(std::int64_t sample) const noexcept { return {*this, sample}; }
};

/// x += c S + sqrt(2 c) xi, each sample with a c of its own.
template <class V, class Noise>
struct langevin_pass {
  using T = arithmetic_t<V>;

  V* x;
  std::int64_t features, first_sample;
  combination<V> score;
  double const* length;  // [batch]
  std::uint8_t const* fixed;
  noise::key key;
  Noise noise;

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
#if defined(__CUDA_ARCH__)
    constexpr int width = 4;
    n = n < width ? n : width;  // with this bound known, z stays in registers
#else
    constexpr int width = 512;
#endif
    T z[width];
    noise.fill(key, first_sample + sample, first, n, z);
    double const c = length[sample];
    T const spread = static_cast<T>(::sqrt(2.0 * c));
    for (int i = 0; i < n; ++i) {
      std::int64_t const at = sample * features + first + i;
      if (fixed != nullptr && fixed[at] != 0) continue;
      double const now = widened<double>(x[at]);
      x[at] = narrowed<V>(fma(spread, z[i], static_cast<T>(now + c * score.at(at))));
    }
  }
};

/// A block of numbers whose solver takes Langevin steps: their length follows from the norms of
/// score and noise. Of the batch they are means, for which the host waits; of a sample they stay
/// where the state is.
template <class T, class Prediction, class Solver, class Guidance, class Cache, bool Variance,
          class Noise, class Answer = T>
class langevin_block
    : public continuous_block<T, Prediction, Solver, Guidance, Cache, Variance, Noise, Answer> {
  using base = continuous_block<T, Prediction, Solver, Guidance, Cache, Variance, Noise, Answer>;

 public:
  using base::base;

  template <class Exec>
  void apply(Exec const& exec, stage const& s, prediction_mix const& m, bool ends_step,
             level const* next_at, T* preview) {
    if (s.langevin == 0.0) return base::apply(exec, s, m, ends_step, next_at, preview);
    auto const x = this->x_;
    if (x.size() == 0) return;
    combination<T> score;
    for (std::size_t j = 0; j < this->state_.size(); ++j) score.add(this->state_[j], s.state[j]);
    for (std::size_t j = 0; j < this->history_.size(); ++j) {
      score.add(this->history_[j], s.history[j]);
    }
    noise::key key = s.noise[0].key;
    key.block = this->block_;
    squares_op<T> const squares{score, x.features, this->measured_, this->fixed_};
    if (s.norms == langevin_norms::batch) {
      if constexpr (reads_back<Exec>) {
        return base::apply(exec, of_batch(exec, s, squares, key), m, ends_step, next_at, preview);
      } else {
        fail(
            "diffx::run: langevin_norms::batch waits for numbers from the device, which this "
            "execution object does not read back; use langevin_norms::sample or level");
      }
    }
    for_each_sum(exec, x.batch, langevin_length_op<T>{squares, s.langevin});
    exec.for_each_tile(x.batch, x.features,
                       langevin_pass<T, Noise>{this->state_[0], x.features, x.first_sample, score,
                                               this->measured_, this->fixed_, key, this->noise_});
    this->input_ready_ = false;
  }

 private:
  template <class Exec>
  static constexpr bool reads_back = Exec::on_host || requires(Exec const& exec, double* to) {
    exec.read_back(to, to, sizeof(double));
  };

  /// The affine stage with the length that the means over the batch give.
  template <class Exec>
  stage of_batch(Exec const& exec, stage s, squares_op<T> const& squares, noise::key key) const {
    auto const x = this->x_;
    double const score_norm = mean_norm(exec, x.batch, squares);
    double const noise_norm =
        mean_norm(exec, x.batch,
                  noise_squares_op<T, Noise>{this->noise_, key, x.first_sample, x.features,
                                             this->measured_, this->fixed_});
    double const ratio = score_norm > 0.0 ? noise_norm / score_norm : 0.0;
    double const c = s.langevin * ratio * ratio;
    for (double& w : s.state) w *= c;
    for (double& w : s.history) w *= c;
    s.langevin = 0.0;
    s.state[0] += 1.0;
    s.noise[0].weight = std::sqrt(2.0 * c);
    return s;
  }
};

}  // namespace diffx::detail
