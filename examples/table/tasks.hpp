#pragma once

// What the networks of tables learn: the minibatches of noised rows and the losses.

#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/error.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/random.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/schedule/flip_table.hpp>

#include "network.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace example {

/// Random numbers of one row in one minibatch: the same whatever thread asks for them.
class row_random {
 public:
  row_random(std::uint64_t seed, std::uint64_t step, std::uint32_t row)
      : key_(diffx::random::key_from_seed(seed)),
        counter_{
            {0, row, static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)}} {}

  std::uint32_t word() {
    if (used_ == 4) {
      words_ = diffx::random::philox4x32(counter_, key_);
      ++counter_.word[0];
      used_ = 0;
    }
    return words_.word[used_++];
  }
  double uniform() { return diffx::random::uniform<double>(word()); }
  std::size_t below(std::size_t n) {
    return static_cast<std::size_t>(uniform() * static_cast<double>(n));
  }
  double normal() {
    if (normals_used_ == 4) {
      diffx::random::normals(diffx::random::philox4x32(counter_, key_), normals_);
      ++counter_.word[0];
      normals_used_ = 0;
    }
    return normals_[normals_used_++];
  }

 private:
  diffx::random::philox_key key_;
  diffx::random::words4 counter_;
  diffx::random::words4 words_{};
  double normals_[4] = {};
  unsigned used_ = 4, normals_used_ = 4;
};

/// Noised rows, one a column of x, and what the loss asks of the network.
template <class T>
struct minibatch {
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

  matrix x;       // [features, n]
  matrix time;    // [64, n]
  matrix target;  // [features, n]
  std::vector<int> labels;

  void resize(index features, index n) {
    x.resize(features, n);
    time.resize(diffx::denoiser::eigen::time_features, n);
    target.resize(features, n);
  }
};

/// embed_time of the T times k / T, k = 1 ... T, as columns.
inline Eigen::MatrixXf time_table(int steps) {
  Eigen::MatrixXf out(diffx::denoiser::eigen::time_features, steps);
  for (int k = 1; k <= steps; ++k) {
    diffx::denoiser::eigen::embed_time(static_cast<double>(k) / steps, out.col(k - 1).data());
  }
  return out;
}

/// Binary Diffusion: rows of bits, flipped; the network says the clean bits as logits.
///
///     x = x_0 xor Bernoulli(b_k), shown as -1 and 1;   loss = mean of the cross-entropies of x_0
///
/// Source    Kinakh & Voloshynovskiy 2024, arXiv:2409.13882.
class bit_task {
 public:
  bit_task(std::vector<std::uint8_t> bits, std::int64_t width,
           diffx::process::xor_bernoulli const& process, std::vector<std::int32_t> labels = {})
      : bits_(std::move(bits)),
        width_(static_cast<std::size_t>(width)),
        labels_(std::move(labels)) {
    for (int k = 1; k <= process.steps(); ++k) {
      flips_.push_back(0.5 * process.at_index(k - 1).sigma);
    }
  }

  int steps() const noexcept { return static_cast<int>(flips_.size()); }
  std::int64_t features() const noexcept { return static_cast<std::int64_t>(width_); }
  std::size_t rows() const noexcept { return bits_.size() / width_; }
  /// The class that the network is told, if it is told one.
  std::vector<std::int32_t> const& labels() const noexcept { return labels_; }

  template <class T>
  void noise(std::size_t row, int step, row_random& random, T* x, T* target) const {
    // A 32-bit word below b 2^32: flipped.
    auto const limit =
        static_cast<std::uint32_t>(flips_[static_cast<std::size_t>(step - 1)] * 0x1p32);
    for (std::size_t j = 0; j < width_; ++j) {
      std::uint8_t const bit = bits_[row * width_ + j];
      target[j] = bit;
      x[j] = (bit != 0) != (random.word() < limit) ? T(1) : T(-1);
    }
  }

  /// Adds the loss of a row, and writes its gradient.
  template <class T>
  double loss(T const* out, T const* target, T* gradient) const {
    double total = 0.0;
    T const share = T(1) / static_cast<T>(width_);
    for (std::size_t j = 0; j < width_; ++j) {
      T const l = out[j], e = exp_of(-std::fabs(l));
      T const p = l >= T(0) ? T(1) / (T(1) + e) : e / (T(1) + e);
      total += static_cast<double>(std::max(l, T(0)) - l * target[j] + std::log1p(e));
      gradient[j] = share * (p - target[j]);
    }
    return total / static_cast<double>(width_);
  }

 private:
  std::vector<std::uint8_t> bits_;
  std::size_t width_;
  std::vector<std::int32_t> labels_;
  std::vector<double> flips_;
};

/// TabDDPM: numbers with Gaussian noise, categories that are lost to uniform noise.
///
///     numbers     z = sqrt(a_k) z_0 + sqrt(1 - a_k) eps        loss: mean of (eps - out)^2
///     categories  kept with a_k, else uniform, as one-hot      loss: mean of the columns'
///                                                                    cross-entropies of c_0
///
/// TabDDPM trains its categories on the variational bound with the posterior of a point estimate;
/// cross-entropy makes the outputs logits of p(c_0 | x_t), which the exact posterior of
/// solver::ancestral asks for.
///
/// Source    Kotelnikov et al. 2023, arXiv:2209.15421.
class mixed_task {
 public:
  mixed_task(diffx::domain::table::encoded rows, std::vector<int> classes,
             diffx::process::vp_discrete const& process, std::vector<std::int32_t> labels = {})
      : rows_(std::move(rows)), classes_(std::move(classes)), labels_(std::move(labels)) {
    features_ = rows_.width;
    for (int const k : classes_) features_ += k;
    for (int k = 0; k < process.num_train_timesteps(); ++k) {
      auto const level = process.at_index(k);
      alphas_.push_back(level.alpha);
      sigmas_.push_back(level.sigma);
    }
  }

  int steps() const noexcept { return static_cast<int>(alphas_.size()); }
  std::int64_t features() const noexcept { return features_; }
  std::size_t rows() const noexcept { return static_cast<std::size_t>(rows_.rows); }
  /// The class that the network is told, if it is told one.
  std::vector<std::int32_t> const& labels() const noexcept { return labels_; }

  template <class T>
  void noise(std::size_t row, int step, row_random& random, T* x, T* target) const {
    double const alpha = alphas_[static_cast<std::size_t>(step - 1)];
    double const sigma = sigmas_[static_cast<std::size_t>(step - 1)];
    auto const i = static_cast<std::int64_t>(row);
    double const* const z = rows_.numbers.data() + i * rows_.width;
    for (std::int64_t j = 0; j < rows_.width; ++j) {
      double const eps = random.normal();
      x[j] = static_cast<T>(alpha * z[j] + sigma * eps);
      target[j] = static_cast<T>(eps);
    }
    std::fill(x + rows_.width, x + features_, T(0));
    std::fill(target + rows_.width, target + features_, T(0));
    std::int64_t at = rows_.width;
    for (std::size_t j = 0; j < classes_.size(); ++j) {
      std::int64_t const code = rows_.codes[static_cast<std::size_t>(i * rows_.columns) + j];
      double const u = random.uniform();
      bool const kept = u < alpha * alpha;
      auto const other =
          static_cast<std::int64_t>(random.below(static_cast<std::size_t>(classes_[j])));
      x[at + (kept ? code : other)] = T(1);
      target[at + code] = T(1);
      at += classes_[j];
    }
  }

  template <class T>
  double loss(T const* out, T const* target, T* gradient) const {
    double squares = 0.0, entropy = 0.0;
    for (std::int64_t j = 0; j < rows_.width; ++j) {
      T const d = out[j] - target[j];
      squares += static_cast<double>(d) * static_cast<double>(d);
      gradient[j] = T(2) * d / static_cast<T>(rows_.width);
    }
    std::int64_t at = rows_.width;
    T const share = classes_.empty() ? T(0) : T(1) / static_cast<T>(classes_.size());
    for (int const k : classes_) {
      T const top = *std::max_element(out + at, out + at + k);
      T sum = 0, right = 0;
      for (int c = 0; c < k; ++c) sum += exp_of(out[at + c] - top);
      for (int c = 0; c < k; ++c) {
        right += target[at + c] * (out[at + c] - top);
        gradient[at + c] = share * (exp_of(out[at + c] - top) / sum - target[at + c]);
      }
      entropy += static_cast<double>(std::log(sum) - right);
      at += k;
    }
    return (rows_.width > 0 ? squares / static_cast<double>(rows_.width) : 0.0) +
           (classes_.empty() ? 0.0 : entropy / static_cast<double>(classes_.size()));
  }

 private:
  diffx::domain::table::encoded rows_;
  std::vector<int> classes_;
  std::vector<std::int32_t> labels_;
  std::int64_t features_ = 0;
  std::vector<double> alphas_, sigmas_;
};

}  // namespace example
