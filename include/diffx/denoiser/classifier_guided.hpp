#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/prediction.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace diffx::denoiser {

/// A network of numbers, steered by the gradient of a classifier of noisy states: classifier
/// guidance. The score gets scale grad_x log p(y | x_t), so x0 gets
///
///     x0 += scale sigma^2 / alpha grad_x log p(y | x_t)
///
/// in whatever quantity the network predicts. At scale 1 and with the exact classifier it is the
/// network of the conditional law.
///
///     add_gradient(exec, batch_view<T const> x, query, double factor, batch_view<T> out)
///
/// adds factor times the gradient to `out`: no buffer of its own, one more pass over it.
///
/// Source    Dhariwal & Nichol 2021, arXiv:2105.05233; on rows of tables Pang et al. 2024
///           (ClavaDDPM), arXiv:2405.17724, which shifts the mean of a DDPM step by its variance
///           times the gradient: sqrt(1 - beta) times as far in a step of the large variance.
/// Shapes    x, out: [batch, features], those of the network.
/// Requires  a prediction that shows the network the state as it is.
/// Errors    a scale that is not finite: throws diffx::error; those of the two.
template <declared_denoiser Network, class Gradient>
class classifier_guided {
  using prediction_type = std::remove_cvref_t<decltype(std::declval<Network const&>().prediction)>;
  static_assert(prediction_policy<prediction_type>,
                "diffx::denoiser::classifier_guided: the gradient acts on numbers. For classes use "
                "denoiser::classified with guidance::d_cbg.");
  static_assert(!prediction_type::scales_input,
                "diffx::denoiser::classifier_guided: this network is shown a scaled state, and the "
                "classifier's gradient is one of the state itself.");

 public:
  static constexpr int branches = branches_of<Network>;
  prediction_type prediction;

  classifier_guided(Network network, Gradient add_gradient, double scale = 1.0)
      : prediction(network.prediction),
        network_(std::move(network)),
        add_gradient_(std::move(add_gradient)),
        scale_(scale) {
    detail::require(std::isfinite(scale), "diffx::denoiser::classifier_guided", "scale", scale,
                    "finite");
  }

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    network_(exec, x, q, out);
    double const per_output = prediction.to(frame::x0, q.at).output;
    double const factor = scale_ * q.at.sigma * q.at.sigma / (q.at.alpha * per_output);
    if (factor != 0.0) add_gradient_(exec, x, q, factor, out);
  }

 private:
  Network network_;
  Gradient add_gradient_;
  double scale_;
};

}  // namespace diffx::denoiser
