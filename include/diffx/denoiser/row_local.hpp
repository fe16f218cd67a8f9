#pragma once

#include <diffx/concepts/denoiser.hpp>

#include <utility>

namespace diffx::denoiser {

/// The caller's word that a network answers every row from that row alone: closed forms,
/// perceptrons over the rows of a table. sample_by_rows asks for it.
///
///     denoiser::row_local(network)                   // on the host
///     denoiser::row_local<network::op>(network)      // and on a device
///
/// On a device the network's calls are recorded for one tile of rows and repeated for every other,
/// so Ops are the types of all function objects that it gives to exec.for_each_tile or
/// for_each_sample, each with public members x and out: pointers, or batch_views where it asks for
/// the number of a row. The sample that they are called with counts from the tile's first row, and
/// x and out lie in the memory of a block of threads: plain loads and stores reach it, __ldg and
/// other instructions of global memory do not. What else has an entry a row (labels) is found by
/// x.first_sample + sample.
template <declared_denoiser D, class... Ops>
struct looking_at_rows : D {
  static constexpr bool row_local = true;

  template <template <class...> class List, class... More>
  using with_ops = List<More..., Ops...>;
};

template <class... Ops, declared_denoiser D>
looking_at_rows<D, Ops...> row_local(D network) {
  return {std::move(network)};
}

}  // namespace diffx::denoiser
