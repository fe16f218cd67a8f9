#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace diffx::denoiser {

/// Which output of a network of bits tells the clean ones.
enum class bit_source : std::uint8_t {
  target,     // logits of the clean bits
  mask,       // logits of the bits that are flipped: x0 = x xor mask
  half_half,  // the mask where t < T / 2, the target before that
};

/// A network with one logit a bit as the posterior of two classes, which solvers of classes ask
/// for:
///
///     target: (0, l)    mask: (0, l) where x = 0, (l, 0) where x = 1
///
/// with l the logit less that of `threshold`, which so becomes 1/2: solver::xor_renoise then sets
/// the bits that the published sampler sets. A solver that draws wants the 1/2 that stands here.
///
/// The network is any callable d(exec, x, query, out) that writes one row of logits a sample,
/// `bits` wide with one output, [target | mask] with both. half_half needs a process whose levels
/// have timestep = 0 ... T - 1, as process::xor_bernoulli has.
///
/// Source    Kinakh & Voloshynovskiy 2024 (Binary Diffusion), arXiv:2409.13882.
/// Shapes    x [batch, bits], integers 0 and 1; out [batch, bits x 2].
/// Requires  host memory.
/// Cost      the logits are moved once; with one output by one thread.
/// Errors    a threshold outside (0, 1), other than 1 or 2 outputs, half_half with one, or without
/// T:
///           throws diffx::error; those of the network.
template <class Network, class T = float>
class bit_logits {
 public:
  prediction::x0_posterior<T> prediction{};

  bit_logits(Network network, bit_source from, int outputs = 1, int train_steps = 0,
             double threshold = 0.5)
      : network_(std::move(network)), from_(from), outputs_(outputs), train_steps_(train_steps) {
    constexpr auto where = "diffx::denoiser::bit_logits";
    detail::require(outputs == 1 || outputs == 2, where, "outputs", outputs,
                    "1, or 2: [target | mask]");
    detail::require(threshold > 0.0 && threshold < 1.0, where, "threshold", threshold, "in (0, 1)");
    if (from == bit_source::half_half) {
      detail::require(outputs == 2, where, "outputs", outputs, "2 for half_half");
      detail::require(train_steps >= 1, where, "train_steps", train_steps,
                      "at least 1 for half_half: T");
    }
    shift_ = static_cast<T>(std::log(threshold) - std::log1p(-threshold));
  }

  template <class Exec, class Code>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<T> out) const {
    static_assert(Exec::on_host,
                  "diffx::denoiser::bit_logits works on host memory. Use exec::host or "
                  "exec::threads.");
    std::int64_t const bits = x.features;
    network_(exec, x, q, batch_view<T>{out.data, x.batch, outputs_ * bits, x.first_sample});
    bool const masks = from_ == bit_source::mask ||
                       (from_ == bit_source::half_half && 2.0 * q.at.timestep < train_steps_);
    if (outputs_ == 1) {
      // In place: every pair is written where no logit to come stands.
      for (std::int64_t k = x.batch * bits; k-- > 0;) pair(x.data[k], out.data[k], masks, k, out);
      return;
    }
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      T const* const l = out.row(i) + (masks ? bits : 0);
      for (std::int64_t n = 0; n < bits; ++n) {
        std::int64_t const k = masks ? n : bits - 1 - n;
        pair(x.row(i)[k], l[k], masks, i * bits + k, out);
      }
    });
  }

 private:
  template <class Code>
  void pair(Code now, T logit, bool masks, std::int64_t k, batch_view<T> out) const noexcept {
    T const l = logit - shift_;
    bool const turned = masks && now != 0;
    out.data[2 * k] = turned ? l : T(0);
    out.data[2 * k + 1] = turned ? T(0) : l;
  }

  Network network_;
  bit_source from_;
  int outputs_, train_steps_;
  T shift_;
};

}  // namespace diffx::denoiser
