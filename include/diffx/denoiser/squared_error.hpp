#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// The gradient by which a property of a sample is drawn to a value of its own, for
/// denoiser::gradient_ratios:
///
///     g = -d (y(x) - target)^2 / d onehot(x) = -2 (y(x) - target) dy / d onehot(x)
///     property(exec, x, query, std::span<double> y, g)
///
/// The property writes y of every row and dy / d onehot to `g`, a view or for a process::product a
/// tuple of them. guidance::d_cbg{lambda} then is the regressor guidance of DiGress.
///
/// Every sample has its own error. Published code averages it over the batch, so its lambda is this
/// one times the batch size. And a pair has one value here, whose gradient is that of both entries
/// of the adjacency matrix; published code takes their mean, which is half.
///
/// Source    Vignac et al. 2023, arXiv:2209.14734, Section 4.
/// Shapes    target: [samples], by the global index of the sample; not copied.
/// Requires  host memory.
/// Errors    a sample without a target: throws diffx::error.
template <class Property>
class squared_error {
 public:
  squared_error(Property property, std::span<double const> target)
      : property_(std::move(property)), target_(target) {}

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, query const& q, Out const& g) const {
    auto const batch = first(x).batch, begin = first(x).first_sample;
    detail::require(begin + batch <= static_cast<std::int64_t>(target_.size()),
                    "diffx::denoiser::squared_error", "target.size()",
                    static_cast<long long>(target_.size()), "at least the number of samples");
    std::vector<double> y(static_cast<std::size_t>(batch));
    property_(exec, x, q, std::span<double>(y), g);
    for (std::int64_t b = 0; b < batch; ++b) {
      double const factor =
          -2.0 * (y[static_cast<std::size_t>(b)] - target_[static_cast<std::size_t>(begin + b)]);
      scale(g, b, factor);
    }
  }

 private:
  template <class T>
  static batch_view<T> const& first(batch_view<T> const& x) {
    return x;
  }
  template <class... Xs>
  static auto const& first(std::tuple<Xs...> const& x) {
    return std::get<0>(x);
  }
  template <class T>
  static void scale(batch_view<T> const& g, std::int64_t b, double factor) {
    for (std::int64_t i = 0; i < g.features; ++i) {
      g.row(b)[i] = static_cast<T>(factor * static_cast<double>(g.row(b)[i]));
    }
  }
  template <class... Gs>
  static void scale(std::tuple<Gs...> const& g, std::int64_t b, double factor) {
    std::apply([&](auto const&... part) { (scale(part, b, factor), ...); }, g);
  }

  Property property_;
  std::span<double const> target_;
};

}  // namespace diffx::denoiser
