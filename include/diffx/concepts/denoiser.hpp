#pragma once

#include <diffx/concepts/prediction.hpp>
#include <diffx/config.hpp>
#include <diffx/step.hpp>

#include <concepts>
#include <cstdint>

namespace diffx {

/// Rows of a batch, contiguous and row-major: [batch, features].
template <class T>
struct batch_view {
  T* data = nullptr;
  std::int64_t batch = 0;
  std::int64_t features = 0;
  std::int64_t first_sample = 0;  // global index of row 0: labels and noise are addressed by it

  DIFFX_HD T* row(std::int64_t i) const noexcept { return data + i * features; }
  DIFFX_HD std::int64_t size() const noexcept { return batch * features; }
};

/// What one network call is told beside the state.
struct query {
  int step = 0;    // place in the loop, 0 the noisiest
  int stage = 0;   // evaluation within the step
  int branch = 0;  // 0: the condition; 1: null or negative condition; 2, ...: as guidance names
  level at;        // t, timestep, alpha, sigma, lambda: the network picks what it was trained on
  level to;        // where the step goes: what a flow map (x, s, t) is told besides
};

/// A step denoiser is a callable
///
///     d(exec, batch_view<T const> x, query q, batch_view<T> out)
///
/// that writes its prediction of every row and declares what it is:
///
/// | `d.prediction`          | what the output means: an object of a prediction type              |
/// | `D::branches`           | branches it answers: 1 (default), 2 with a null condition, ...     |
/// | `D::learned_variance`   | true: out is [batch, 2 features], the second half in [-1, 1]       |
/// | `D::networks`           | networks that a call asks: 1 (default), or more, which nfe counts |
/// | `D::log_ratios`         | true: branch 1 is no null condition but log-ratios of the classes  |
/// | `D::network_value`      | type of the numbers it reads and writes, if not that of the state  |
/// | `D::observes_clean`     | true: `d.observed` is a mask of what it is shown clean and stays   |
///
/// `denoiser::predicts<prediction::eps, 2>{callable}` declares them for a plain callable.
template <class D>
concept declared_denoiser = requires(D const& d) {
  d.prediction;
};

template <class D>
inline constexpr int branches_of = 1;
template <class D>
requires requires { D::branches; }
inline constexpr int branches_of<D> = D::branches;

template <class D>
inline constexpr int networks_of = 1;
template <class D>
requires requires { D::networks; }
inline constexpr int networks_of<D> = D::networks;

template <class D>
inline constexpr bool learns_variance = false;
template <class D>
requires requires { D::learned_variance; }
inline constexpr bool learns_variance<D> = D::learned_variance;

template <class D>
inline constexpr bool gives_log_ratios = false;
template <class D>
requires requires { D::log_ratios; }
inline constexpr bool gives_log_ratios<D> = D::log_ratios;

namespace detail {
template <class D, class T>
struct network_value {
  using type = T;
};
template <class D, class T>
requires requires { typename D::network_value; }
struct network_value<D, T> {
  using type = typename D::network_value;
};
}  // namespace detail

template <class D, class T>
using network_value_t = typename detail::network_value<D, T>::type;

template <class D>
inline constexpr bool observes_clean = false;
template <class D>
requires requires { D::observes_clean; }
inline constexpr bool observes_clean<D> = D::observes_clean;

}  // namespace diffx
