#pragma once

#include <diffx/concepts/denoiser.hpp>

#include <utility>

namespace diffx::denoiser {

/// A network that reads and writes numbers of another type than the state's, or logits of another
/// than the prediction's: half precision beside a state in float or of classes.
///
///     denoiser::computes_in<__half>(network)
///
/// The pass that follows a call reads the predictions as they are and writes the state a second
/// time in the network's type, so a network in half precision costs 2 bytes an element for its
/// input and saves 2 for every branch. Predictions in a cache stay in that type too. All sums are
/// in the arithmetic of the state: that of its type, and float for types of 16 bits.
///
/// Of classes the network writes its logits in that type. A row is read as it lies and widened in
/// registers, so that a logit of 16 bits costs 2 bytes a read; everything after is in float. The
/// samples are, bit by bit, those of the same logits in float. A logit that is too low for the type
/// is -inf and rules its class out; one that is too high is +inf, which the run refuses.
///
/// Value     any type that converts to and from float with static_cast: __half, __nv_bfloat16,
///           _Float16.
/// Shapes    those of the network.
/// Requires  blocks of classes, or of numbers with one schedule (process::columns of numbers has
///           none in other types). Packed bits and points on spheres do not compile. Other wrappers
///           go inside: they do not pass the type on.
template <class Value, declared_denoiser D>
struct computing_in : D {
  using network_value = Value;
};

template <class Value, declared_denoiser D>
computing_in<Value, D> computes_in(D network) {
  return {std::move(network)};
}

}  // namespace diffx::denoiser
