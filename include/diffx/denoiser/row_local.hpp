#pragma once

#include <diffx/concepts/denoiser.hpp>

#include <utility>

namespace diffx::denoiser {

/// The caller's word that a network answers every row from that row alone: closed forms,
/// perceptrons over the rows of a table. sample_by_rows asks for it.
template <declared_denoiser D>
struct looking_at_rows : D {
  static constexpr bool row_local = true;
};

template <declared_denoiser D>
looking_at_rows<D> row_local(D network) {
  return {std::move(network)};
}

}  // namespace diffx::denoiser
