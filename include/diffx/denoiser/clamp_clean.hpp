#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/config.hpp>
#include <diffx/error.hpp>

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

namespace diffx::denoiser {

namespace clamp_detail {

/// The prediction of what is observed becomes the one that means x0 = x.
template <class T>
struct answer_observed_op {
  batch_view<std::uint8_t const> observed;
  batch_view<T const> x;
  batch_view<T> out;
  T per_x;

  DIFFX_HD void operator()(std::int64_t sample) const {
    std::uint8_t const* const mask = observed.row(sample);
    T const* const from = x.row(sample);
    T* const to = out.row(sample);
    for (std::int64_t i = 0; i < x.features; ++i) {
      if (mask[i] != 0) to[i] = per_x * from[i];
    }
  }
};

}  // namespace clamp_detail

/// Conditions a network on a part of the state that it is shown clean, at every step, as it was
/// trained; and keeps that part: bit for bit what stood in the caller's buffer.
///
///     x_t = x0 where observed, alpha x0 + sigma eps elsewhere
///     the answer where observed: x0 = x_t
///
/// The values stand in the caller's buffer when the run starts, also with start::prior. The network
/// is called as f(exec, x, query, observed, out) and may look at the mask or not: a planner, whose
/// start state is always the same places, has no need to.
///
///     denoiser::clamp_clean const given{network, {mask.data(), rows, features}};
///     s.sample(exec, given, grid, x);
///
/// This is the exact conditional law for a network that knows it, while solver::repaint makes one
/// of a network of whole noised states. The two do not compile together. Wrap a network last: what
/// is around this one hides the mask from the run.
///
/// Source    Weilbach, Harvey & Wood 2022 (GSDM), arXiv:2210.11633; the start state of a plan:
///           Janner et al. 2022 (Diffuser), arXiv:2205.09991.
/// Shapes    observed: [batch, features] of the state, 1 where it is given, in the executor's
///           memory, which must outlive the run.
/// Requires  one block of numbers, and a solver that plans its steps ahead.
/// Errors    a prediction whose input is scaled, a second block, search::zero_order and
///           solver::repaint do not compile; a mask of another shape throws when a run starts.
template <declared_denoiser F>
class clamp_clean {
 public:
  static constexpr std::string_view name = "denoiser::clamp_clean";
  static constexpr std::string_view source = "arXiv:2210.11633";
  static constexpr int branches = branches_of<F>;
  static constexpr bool learned_variance = learns_variance<F>;
  static constexpr bool observes_clean = true;

  using prediction_type = std::remove_cvref_t<decltype(std::declval<F const&>().prediction)>;
  static_assert(!prediction_type::scales_input,
                "diffx: denoiser::clamp_clean shows the network clean values, and this prediction "
                "scales what the network sees. Use a prediction of x0, eps or v.");

  prediction_type prediction;
  batch_view<std::uint8_t const> observed;

  clamp_clean(F network, batch_view<std::uint8_t const> mask)
      : prediction(network.prediction), observed(mask), network_(std::move(network)) {}

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    network_(exec, x, q, observed, out);
    linear_form const x0 = prediction.to(frame::x0, q.at);
    exec.for_each_sample(
        x.batch, clamp_detail::answer_observed_op<T>{observed, x, out,
                                                     static_cast<T>((1.0 - x0.state) / x0.output)});
  }

 private:
  F network_;
};

template <class F>
clamp_clean(F, batch_view<std::uint8_t const>) -> clamp_clean<F>;

}  // namespace diffx::denoiser
