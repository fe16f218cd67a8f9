#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/cublas/ops.hpp>
#include <diffx/denoiser/cublas/rows.hpp>
#include <diffx/denoiser/eigen/scalars.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The layers of the small networks of this folder. The networks are those of denoiser::eigen, with
/// the same tensors, for memory that an execution object works on: matrix products go to a Backend,
/// everything else through the execution object.
///
/// A Backend, cublas::handle on a device, offers
///
///     Backend::memory<T>            memory of its own, of a count or a copy of a host's vector;
///                                   data(). Allocated when a network is made, never by a call
///     backend.begin(exec)           before the products of a call
///     backend.multiply(exec, p)     the product p
///
/// and is copied with every network.
namespace diffx::denoiser::cublas {

/// count products C = op(A) B + beta C of column-major matrices, op(A) [m, k], B [k, n], C [m, n],
/// in the terms of BLAS. Matrix i begins i times its step after the first.
struct product {
  bool transposed = false;  // A is stored as [k, m]
  std::int64_t m = 0, n = 0, k = 0;
  float const* a = nullptr;
  std::int64_t lda = 0, a_step = 0;
  float const* b = nullptr;
  std::int64_t ldb = 0, b_step = 0;
  float beta = 0.0f;
  float* c = nullptr;
  std::int64_t ldc = 0, c_step = 0;
  std::int64_t count = 1;
};

/// Places of arrays in one block of floats, each at a multiple of 256 bytes.
class layout {
 public:
  std::int64_t take(std::int64_t count) {
    constexpr std::int64_t unit = 64;
    std::int64_t const place = size_;
    size_ += (count + unit - 1) / unit * unit;
    return place;
  }
  std::int64_t size() const noexcept { return size_; }

 private:
  std::int64_t size_ = 0;
};

/// The weights of a network on the host, one array after the other, to be uploaded at once.
class weight_list {
 public:
  std::int64_t add(std::vector<float> const& values) {
    std::int64_t const place = layout_.take(static_cast<std::int64_t>(values.size()));
    values_.resize(static_cast<std::size_t>(layout_.size()));
    std::copy(values.begin(), values.end(), values_.begin() + place);
    return place;
  }
  /// Adds an array to one that is there: of biases that are always added together.
  void join(std::int64_t place, std::int64_t other, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      values_[static_cast<std::size_t>(place + i)] += values_[static_cast<std::size_t>(other + i)];
    }
  }
  std::vector<float> const& values() const noexcept { return values_; }

 private:
  layout layout_;
  std::vector<float> values_;
};

template <class Values>
std::vector<float> copy_of(Values const& values) {
  return std::vector<float>(values.begin(), values.end());
}

/// y = W x + b for every column. Weight [out, in], which is [in, out] by columns; bias [out].
struct linear {
  std::int64_t in, out, weight, bias;

  template <class Source>
  linear(weight_list& all, Source const& s, std::string const& name, std::int64_t inputs,
         std::int64_t outputs)
      : linear(all, inputs, outputs, s.tensor(name + ".weight", {outputs, inputs}),
               s.tensor(name + ".bias", {outputs})) {}

  template <class Source>
  static linear conv1x1(weight_list& all, Source const& s, std::string const& name,
                        std::int64_t inputs, std::int64_t outputs) {
    return {all, inputs, outputs, s.tensor(name + ".weight", {outputs, inputs, 1, 1}),
            s.tensor(name + ".bias", {outputs})};
  }

  /// A 3x3 convolution of windows as window_op makes them.
  template <class Source>
  static linear conv3x3(weight_list& all, Source const& s, std::string const& name,
                        std::int64_t inputs, std::int64_t outputs) {
    auto const& w = s.tensor(name + ".weight", {outputs, inputs, 3, 3});
    std::vector<float> ordered;
    ordered.reserve(w.size());
    for (std::int64_t o = 0; o < outputs; ++o) {
      for (std::int64_t k = 0; k < 9; ++k) {
        for (std::int64_t c = 0; c < inputs; ++c) {
          ordered.push_back(w[static_cast<std::size_t>((o * inputs + c) * 9 + k)]);
        }
      }
    }
    return {all, 9 * inputs, outputs, ordered, s.tensor(name + ".bias", {outputs})};
  }

 private:
  template <class Weight, class Bias>
  linear(weight_list& all, std::int64_t inputs, std::int64_t outputs, Weight const& w,
         Bias const& b)
      : in(inputs), out(outputs), weight(all.add(copy_of(w))), bias(all.add(copy_of(b))) {}
};

struct norm {
  std::int64_t channels, groups, scale, shift;

  template <class Source>
  norm(weight_list& all, Source const& s, std::string const& name, std::int64_t width,
       std::int64_t number)
      : channels(width),
        groups(number),
        scale(all.add(copy_of(s.tensor(name + ".weight", {width})))),
        shift(all.add(copy_of(s.tensor(name + ".bias", {width})))) {}
};

/// What a linear layer does after its product.
enum class after { bias, bias_silu, nothing };

/// A network's layers during one call: everything is enqueued, nothing allocated.
template <class Exec, class Backend>
class call {
 public:
  call(Exec const& exec, Backend const& backend, float const* weights)
      : exec_(exec), backend_(backend), weights_(weights) {
    backend_.begin(exec_);
  }

  Exec const& exec() const noexcept { return exec_; }
  float const* weight(std::int64_t place) const noexcept { return weights_ + place; }

  /// x [columns, in] -> y [columns, out]; Add: to what y holds.
  template <after After = after::bias, bool Add = false>
  void apply(linear const& l, float const* x, std::int64_t columns, float* y) const {
    product p;
    p.transposed = true;
    p.m = l.out;
    p.n = columns;
    p.k = p.lda = p.ldb = l.in;
    p.a = weight(l.weight);
    p.b = x;
    p.beta = Add ? 1.0f : 0.0f;
    p.c = y;
    p.ldc = l.out;
    backend_.multiply(exec_, p);
    if constexpr (After != after::nothing) {
      shift<After == after::bias_silu>(l, columns, y);
    }
  }

  /// What follows the product alone, and a residual.
  template <bool Silu = false>
  void shift(linear const& l, std::int64_t columns, float* y,
             float const* residual = nullptr) const {
    exec_.for_each_tile(columns, l.out, shift_op<Silu>{y, weight(l.bias), residual, l.out});
  }

  /// x, y [samples * columns, channels].
  template <bool Silu>
  void apply(norm const& n, float const* x, std::int64_t samples, std::int64_t columns,
             float* y) const {
    // Long rows need all threads of a block; of short ones a block takes several.
    if (n.channels / n.groups * columns > 256) {
      normalise<Silu, true>(n, x, samples, columns, y);
    } else {
      normalise<Silu, false>(n, x, samples, columns, y);
    }
  }

  /// x [images * size^2, channels] -> y [images * ceil(size / stride)^2, out].
  template <after After = after::bias>
  void convolve(linear const& conv, float const* x, std::int64_t images, std::int64_t size,
                std::int64_t stride, float* windows, float* y) const {
    std::int64_t const out = (size - 1) / stride + 1, columns = images * out * out;
    exec_.for_each_tile(columns, conv.in, window_op{x, windows, conv.in / 9, size, out, stride});
    apply<After>(conv, windows, columns, y);
  }

  /// Attention among the tokens of each sample:
  ///
  ///     out_i = sum_j softmax_j(q_i . k_j / sqrt(d)) v_j      per head, over what token i sees
  ///
  /// qkv [samples * tokens, 3 width] without the bias of `l`, which made it; parts [3 width,
  /// samples
  /// * tokens] and scores [samples heads tokens^2] are room; out [samples * tokens, width].
  void attend(linear const& l, float const* qkv, float const* turns, std::int64_t samples,
              std::int64_t tokens, std::int64_t heads, std::int64_t block_length, float* parts,
              float* scores, float* out) const {
    std::int64_t const width = l.out / 3, d = width / heads, columns = samples * tokens;
    exec_.for_each_tile(columns, 3 * width,
                        split_op{qkv, weight(l.bias), turns, parts, samples, tokens, width, heads});
    float* const q = parts;
    float const* const k = parts + columns * width;
    product p;
    p.count = samples * heads;
    p.transposed = true;
    p.m = p.n = p.ldc = tokens;
    p.k = p.lda = p.ldb = d;
    p.a = k;
    p.b = q;
    p.c = scores;
    p.a_step = p.b_step = tokens * d;
    p.c_step = tokens * tokens;
    backend_.multiply(exec_, p);
    for_each_row(exec_, p.count * tokens,
                 softmax_op{scores, 1.0f / std::sqrt(static_cast<float>(d)),
                            static_cast<int>(tokens), static_cast<int>(block_length)});
    p.transposed = false;
    p.m = p.lda = p.ldc = d;
    p.n = p.k = p.ldb = tokens;
    p.a = k + columns * width;
    p.b = scores;
    p.c = q;  // the queries have been read
    p.a_step = p.c_step = tokens * d;
    p.b_step = tokens * tokens;
    backend_.multiply(exec_, p);
    exec_.for_each_tile(columns, width, merge_op{q, out, tokens, width, heads});
  }

 private:
  template <bool Silu, bool Whole>
  void normalise(norm const& n, float const* x, std::int64_t samples, std::int64_t columns,
                 float* y) const {
    for_each_row(
        exec_, samples * n.groups,
        norm_op<Silu, Whole>{x, y, weight(n.scale), weight(n.shift), static_cast<int>(n.channels),
                             static_cast<int>(n.groups), static_cast<int>(columns)});
  }

  Exec const& exec_;
  Backend const& backend_;
  float const* weights_;
};

/// The labels of a network's samples, as rows of its table of classes.
///
/// Errors    a label that is no class: throws diffx::error when the network is made; a sample
///           without one: in the call.
template <class Backend>
class label_list {
 public:
  label_list(denoiser::labels wanted, std::int64_t classes, std::string_view where)
      : labels_(std::move(wanted)),
        classes_(classes),
        device_(classes > 0 ? checked(where) : labels_.list()) {}

  label_view of(std::int64_t first, std::int64_t batch, int branch) const {
    label_view view;
    view.none = static_cast<int>(classes_);
    auto const count = static_cast<std::int64_t>(labels_.list().size());
    if (classes_ == 0 || branch != 0 || count == 0 || batch == 0) return view;
    static_cast<void>(labels_.at(first, branch));  // throws where there is none
    static_cast<void>(labels_.at(first + batch - 1, branch));
    view.of = device_.data();
    view.count = count;
    view.first = first;
    return view;
  }

 private:
  std::vector<int> const& checked(std::string_view where) const {
    for (int const label : labels_.list()) {
      diffx::detail::require(label >= every_class && label < classes_, where, "class of a sample",
                             label, "every_class or from 0 to " + std::to_string(classes_ - 1));
    }
    return labels_.list();
  }

  denoiser::labels labels_;
  std::int64_t classes_;
  typename Backend::template memory<int> device_;
};

/// What the samples are told besides the state: see eigen::embedding, whose tensors these are. The
/// features of the time are found on the host, in double, and travel as arguments of a kernel.
struct embedding {
  linear time1, time2;
  std::int64_t classes, table = 0;

  template <class Source>
  embedding(weight_list& all, Source const& s, std::int64_t width, std::int64_t number)
      : time1(all, s, "time1", eigen::time_features, width),
        time2(all, s, "time2", width, width),
        classes(number) {
    if (classes > 0) table = all.add(copy_of(s.tensor("classes.weight", {classes + 1, width})));
  }

  /// Room for the call: what one sample's time passes through.
  std::int64_t room() const noexcept { return eigen::time_features + 2 * time2.out; }

  /// e [samples, width].
  template <class Exec, class Backend>
  void operator()(call<Exec, Backend> const& c, double t, label_view const& labels,
                  std::int64_t samples, float* room, float* e) const {
    float* const hidden = room + eigen::time_features;
    float* const told = hidden + time2.out;
    features_op features;
    eigen::embed_time(t, features.value);
    features.to = room;
    c.exec().for_each_sample(eigen::time_features, features);
    c.template apply<after::bias_silu>(time1, room, 1, hidden);
    c.apply(time2, hidden, 1, told);
    c.exec().for_each_tile(
        samples, time2.out,
        label_op{told, classes > 0 ? c.weight(table) : nullptr, labels, e, time2.out});
  }
};

/// Throws unless the views of a call fit each other, the network and its memory.
template <class X, class Out>
void require_views(X const& x, std::int64_t features, Out const& out, std::int64_t out_features,
                   std::int64_t max_batch, std::string_view where) {
  using diffx::detail::reject;  // messages are built only when needed: calls do not allocate
  if (x.features != features) reject(where, "features", x.features, std::to_string(features));
  if (out.features != out_features) {
    reject(where, "features of the output", out.features, std::to_string(out_features));
  }
  if (out.batch != x.batch) {
    reject(where, "batch of the output", out.batch, std::to_string(x.batch) + " as the input's");
  }
  if (x.batch > max_batch) {
    reject(where, "batch", x.batch,
           "at most " + std::to_string(max_batch) + ", for which the network has memory");
  }
}

/// Throws unless a network can be made for such a batch.
inline std::int64_t checked_batch(std::int64_t max_batch, std::string_view where) {
  diffx::detail::require(max_batch >= 1, where, "max_batch", max_batch, "at least 1");
  return max_batch;
}

}  // namespace diffx::denoiser::cublas
