#pragma once

// denoiser::eigen::mlp while it learns: the same network, with its activations kept and its
// gradient. What a sampler calls is the network of the library, made of the same tensors.

#include <diffx/denoiser/eigen/embedding.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/mlp.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace example {

using diffx::denoiser::eigen::index;
using diffx::denoiser::eigen::mlp_size;

/// Where the tensors of an mlp stand in one list of weights, matrices in C order.
class weight_layout {
 public:
  struct tensor {
    std::string name;
    std::int64_t rows = 0, cols = 0;  // cols = 0: a vector
    std::size_t first = 0;

    std::size_t count() const noexcept {
      return static_cast<std::size_t>(rows * (cols == 0 ? 1 : cols));
    }
  };

  explicit weight_layout(mlp_size const& s) {
    linear("time1", s.hidden, diffx::denoiser::eigen::time_features);
    linear("time2", s.hidden, s.hidden);
    linear("in", s.hidden, s.features);
    for (std::int64_t i = 0; i < s.layers; ++i) {
      for (char const* part : {".a", ".emb", ".b"}) {
        linear("layer." + std::to_string(i) + part, s.hidden, s.hidden);
      }
    }
    linear("out", s.features, s.hidden);
    if (s.classes > 0) add("classes.weight", s.classes + 1, s.hidden);
  }

  std::vector<tensor> const& tensors() const noexcept { return tensors_; }
  std::size_t count() const noexcept { return count_; }

  /// All weights from a source of tensors, as the library's networks take them.
  template <class Source>
  std::vector<float> read(Source const& source, std::string const& prefix = "") const {
    std::vector<float> out(count_);
    for (tensor const& t : tensors_) {
      auto const copy = [&](auto const& values) {
        for (std::size_t i = 0; i < t.count(); ++i) out[t.first + i] = values[i];
      };
      if (t.cols == 0) {
        copy(source.tensor(prefix + t.name, {t.rows}));
      } else {
        copy(source.tensor(prefix + t.name, {t.rows, t.cols}));
      }
    }
    return out;
  }

 private:
  void add(std::string name, std::int64_t rows, std::int64_t cols) {
    tensors_.push_back({std::move(name), rows, cols, count_});
    count_ += tensors_.back().count();
  }
  void linear(std::string const& name, std::int64_t out, std::int64_t in) {
    add(name + ".weight", out, in);
    add(name + ".bias", out, 0);
  }

  std::vector<tensor> tensors_;
  std::size_t count_ = 0;
};

inline float exp_of(float x) noexcept { return diffx::detail::exp(x); }
inline double exp_of(double x) noexcept { return std::exp(x); }

/// The network over the columns of a minibatch, forwards and backwards. T is double where a test
/// compares the gradient with differences.
///
///     z  = time2(silu(time1(sin, cos of 1000 t f_k))) + class_table[label],   e = silu(z)
///     h  = in(x);   h += b_i(silu(a_i(h) + emb_i(e)));   out = out(silu(h))
template <class T>
class learning_mlp {
 public:
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

  explicit learning_mlp(mlp_size size)
      : size_(size), layout_(size), layers_(static_cast<std::size_t>(size.layers)) {}

  weight_layout const& layout() const noexcept { return layout_; }
  mlp_size const& size() const noexcept { return size_; }

  /// x [features, n], time [64, n] as embed_time writes it, labels [n] or none; returns
  /// [features, n].
  matrix const& forward(T const* weights, matrix const& x, matrix const& time,
                        std::span<int const> labels) {
    at_ = 0;
    x_ = &x;
    time_ = &time;
    labels_ = labels;
    apply(weights, time, u_.value);
    activate(u_);
    apply(weights, u_.value, e_.value);
    if (size_.classes > 0) {
      auto const table = class_table(weights);
      for (index j = 0; j < x.cols(); ++j) e_.value.col(j) += table.row(class_of(j)).transpose();
    }
    activate(e_);
    apply(weights, x, h_);
    for (layer& l : layers_) {
      l.h = h_;
      apply(weights, h_, l.g.value);
      matrix& told = scratch_;
      apply(weights, e_.value, told);
      l.g.value += told;
      activate(l.g);
      apply(weights, l.g.value, told);
      h_ += told;
    }
    y_.value = h_;
    activate(y_);
    apply(weights, y_.value, out_);
    return out_;
  }

  /// Adds d loss / d weights of the last forward() to `gradient`, from d loss / d out.
  void backward(T const* weights, matrix const& d_out, T* gradient) {
    matrix d, d_e = matrix::Zero(size_.hidden, d_out.cols());
    at_ = linear_count() - 1;
    back(weights, y_.value, d_out, gradient, &d);
    differentiate(y_, d);
    for (std::size_t i = layers_.size(); i-- > 0;) {
      layer& l = layers_[i];
      matrix d_g, part;
      back(weights, l.g.value, d, gradient, &d_g);
      differentiate(l.g, d_g);
      back(weights, e_.value, d_g, gradient, &part);
      d_e += part;
      back(weights, l.h, d_g, gradient, &part);
      d += part;
    }
    back(weights, *x_, d, gradient, nullptr);
    differentiate(e_, d_e);
    if (size_.classes > 0) {
      auto table = class_table(gradient);
      for (index j = 0; j < d_e.cols(); ++j) table.row(class_of(j)) += d_e.col(j).transpose();
    }
    matrix d_u;
    back(weights, u_.value, d_e, gradient, &d_u);
    differentiate(u_, d_u);
    back(weights, *time_, d_u, gradient, nullptr);
  }

 private:
  using row_major = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  struct activation {
    matrix value;  // silu of what it was given
    matrix gate;   // its sigmoid
  };
  struct layer {
    matrix h;
    activation g;
  };

  // Linear layers are visited in the order of the layout, and backwards.
  std::size_t linear_count() const noexcept { return 4 + 3 * layers_.size(); }

  template <class Weight>
  auto class_table(Weight* weights) const {
    using table = std::conditional_t<std::is_const_v<Weight>, row_major const, row_major>;
    return Eigen::Map<table>(weights + layout_.tensors().back().first, size_.classes + 1,
                             size_.hidden);
  }
  index class_of(index j) const {
    int const label = labels_.empty() ? -1 : labels_[static_cast<std::size_t>(j)];
    return label < 0 ? size_.classes : label;
  }

  void apply(T const* weights, matrix const& x, matrix& y) {
    auto const& w = layout_.tensors()[2 * at_];
    auto const& b = layout_.tensors()[2 * at_ + 1];
    ++at_;
    y.noalias() = Eigen::Map<row_major const>(weights + w.first, w.rows, w.cols) * x;
    y.colwise() += Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1> const>(weights + b.first, b.rows);
  }

  void back(T const* weights, matrix const& x, matrix const& d_y, T* gradient, matrix* d_x) {
    auto const& w = layout_.tensors()[2 * at_];
    auto const& b = layout_.tensors()[2 * at_ + 1];
    --at_;
    Eigen::Map<row_major>(gradient + w.first, w.rows, w.cols).noalias() += d_y * x.transpose();
    // Summed in memory of its own: Eigen's order of a sum depends on where its result begins.
    Eigen::Matrix<T, Eigen::Dynamic, 1> const sums = d_y.rowwise().sum();
    Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>>(gradient + b.first, b.rows) += sums;
    if (d_x == nullptr) return;
    d_x->noalias() =
        Eigen::Map<row_major const>(weights + w.first, w.rows, w.cols).transpose() * d_y;
  }

  static void activate(activation& a) {
    a.gate.resize(a.value.rows(), a.value.cols());
    T* const x = a.value.data();
    T* const s = a.gate.data();
    index const count = a.value.size();
    DIFFX_INDEPENDENT
    for (index i = 0; i < count; ++i) {
      s[i] = T(1) / (T(1) + exp_of(-x[i]));
      x[i] *= s[i];
    }
  }
  /// d silu(z) / d z = s + silu(z) (1 - s)
  static void differentiate(activation const& a, matrix& d) {
    d.array() *= a.gate.array() + a.value.array() * (T(1) - a.gate.array());
  }

  mlp_size size_;
  weight_layout layout_;
  std::size_t at_ = 0;
  matrix const* x_ = nullptr;
  matrix const* time_ = nullptr;
  std::span<int const> labels_;
  activation u_, e_, y_;
  std::vector<layer> layers_;
  matrix h_, out_, scratch_;
};

}  // namespace example
