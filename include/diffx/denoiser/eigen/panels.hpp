#pragma once

#include <diffx/denoiser/eigen/layers.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

/// Matrix products whose every output is one chain of multiply-adds in the order of the inputs,
/// whatever else is computed beside it: the bits of a column do not depend on the number of columns
/// or on its place among them, as they do in a general product that chooses its blocks by size.
///
/// A panel holds `height` rows of a matrix, one column after the other: [columns, height]. A
/// product multiplies a panel with up to six columns at once, which fills the registers.
namespace diffx::denoiser::eigen::panels {

using packet = Eigen::internal::packet_traits<float>::type;
inline constexpr index lanes = Eigen::internal::packet_traits<float>::size;
inline constexpr index height = 2 * lanes;
inline constexpr index group = 6;  // columns that go through a panel together

/// Columns begin at multiples of this many floats, whatever the machine: whole panels for all.
inline constexpr index unit = 32;
static_assert(unit % height == 0);
constexpr index room(index count) noexcept { return (count + unit - 1) / unit * unit; }
constexpr index rows_room(index count) noexcept { return (count + height - 1) / height * height; }

/// Columns of floats, `stride` apart.
template <class T>
struct columns {
  T* data = nullptr;
  index stride = 0;

  T* operator[](index c) const noexcept { return data + c * stride; }
  columns from(index c) const noexcept { return {data + c * stride, stride}; }
};
template <class T>
columns(T*, index) -> columns<T>;

namespace detail {

template <bool Add, int... C>
[[gnu::always_inline]] inline void multiply(float const* a, index stride, index depth,
                                            columns<float const> b, float const* bias,
                                            columns<float> out,
                                            std::integer_sequence<int, C...>) noexcept {
  using namespace Eigen::internal;
  constexpr int count = sizeof...(C);
  packet const low = bias == nullptr ? pset1<packet>(0.0f) : ploadu<packet>(bias);
  packet const high = bias == nullptr ? pset1<packet>(0.0f) : ploadu<packet>(bias + lanes);
  packet top[count] = {(static_cast<void>(C), low)...};
  packet bottom[count] = {(static_cast<void>(C), high)...};
  float const* const column[count] = {b[C]...};
  for (index k = 0; k < depth; ++k, a += stride) {
    packet const a0 = ploadu<packet>(a), a1 = ploadu<packet>(a + lanes);
    (
        [&] {
          packet const x = pset1<packet>(column[C][k]);
          top[C] = pmadd(a0, x, top[C]);
          bottom[C] = pmadd(a1, x, bottom[C]);
        }(),
        ...);
  }
  (
      [&] {
        float* const y = out[C];
        if constexpr (Add) {
          top[C] = padd(ploadu<packet>(y), top[C]);
          bottom[C] = padd(ploadu<packet>(y + lanes), bottom[C]);
        }
        pstoreu(y, top[C]);
        pstoreu(y + lanes, bottom[C]);
      }(),
      ...);
}

}  // namespace detail

/// op(first, integral_constant of the number of columns) for groups that cover `count` columns.
template <class Op>
inline void for_each_group(index count, Op const& op) {
  index i = 0;
  for (; i + group <= count; i += group) op(i, std::integral_constant<int, 6>{});
  static_assert(group == 6);
  switch (count - i) {
    case 5:
      return op(i, std::integral_constant<int, 5>{});
    case 4:
      return op(i, std::integral_constant<int, 4>{});
    case 3:
      return op(i, std::integral_constant<int, 3>{});
    case 2:
      return op(i, std::integral_constant<int, 2>{});
    case 1:
      return op(i, std::integral_constant<int, 1>{});
    default:
      return;
  }
}

/// out[c][r] = bias[r] + sum_k a[k stride + r] b[c][k] for r < height and `Count` columns c; with
/// Add that much is added to out. No bias is a null pointer.
template <int Count, bool Add = false>
inline void multiply(float const* a, index stride, index depth, columns<float const> b,
                     float const* bias, columns<float> out) noexcept {
  detail::multiply<Add>(a, stride, depth, b, bias, out, std::make_integer_sequence<int, Count>{});
}

/// y = W x + b for every column, as panels. Weight [out, in], bias [out].
///
/// Columns of y have rows_room(out) floats, of which those after `out` come to be 0.
class linear {
 public:
  template <class Source>
  linear(Source const& source, std::string const& name, index in, index out)
      : in_(in), out_(out), weight_(rows_room(out) * in), bias_(rows_room(out)) {
    auto const& w = source.tensor(name + ".weight", {out, in});
    auto const& b = source.tensor(name + ".bias", {out});
    weight_.setZero();
    bias_.setZero();
    for (index r = 0; r < out; ++r) {
      float* const panel = weight_.data() + r / height * height * in + r % height;
      for (index k = 0; k < in; ++k) panel[k * height] = w[static_cast<std::size_t>(r * in + k)];
      bias_[r] = b[static_cast<std::size_t>(r)];
    }
  }

  index in() const noexcept { return in_; }
  index out() const noexcept { return out_; }

  template <bool Add = false>
  void apply(columns<float const> x, index count, columns<float> y) const noexcept {
    for (index r = 0; r < bias_.size(); r += height) {
      float const* const panel = weight_.data() + r * in_;
      for_each_group(count, [&](index c, auto size) {
        multiply<decltype(size)::value, Add>(panel, height, in_, x.from(c), bias_.data() + r,
                                             {y[c] + r, y.stride});
      });
    }
  }

 private:
  index in_, out_;
  Eigen::VectorXf weight_;  // [panels, in, height]
  Eigen::VectorXf bias_;
};

}  // namespace diffx::denoiser::eigen::panels
