#pragma once

#include <cstdint>

namespace diffx::exec {

/// Elements that one call of a pass works on: small enough for the first-level cache, large enough
/// to vectorise; a multiple of the four elements that share a block of random words.
inline constexpr int tile = 512;

/// The calling thread, vectorised by the compiler. `exec::threads` is the same over several.
///
/// An execution object offers
///
///     for_each_tile(batch, features, op)   op(sample, first, count) for tiles that cover
///                                          [batch, features], in no order
///     for_each_sample(batch, op)           op(sample) for every sample, in no order
///     E::on_host                           true if memory is the host's and a call returns when
///                                          its work is done
///
/// and off the host, for those who ask for it,
///
///     upload(to, from, bytes)     from host memory, which may change once it returns: processes
///                                 whose laws are tables, run::resume
///     copy(to, from, bytes)       within its own memory: run::fork
///     read_back(to, from, bytes)  to host memory, there when it returns: run::checkpoint, solvers
///                                 that choose their steps by the state
struct host {
  static constexpr bool on_host = true;

  template <class Op>
  void for_each_tile(std::int64_t batch, std::int64_t features, Op const& op) const {
    for (std::int64_t sample = 0; sample < batch; ++sample) {
      for (std::int64_t first = 0; first < features; first += tile) {
        auto const left = features - first;
        op(sample, first, static_cast<int>(left < tile ? left : tile));
      }
    }
  }

  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    for (std::int64_t sample = 0; sample < batch; ++sample) op(sample);
  }
};

}  // namespace diffx::exec
