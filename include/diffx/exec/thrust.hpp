#pragma once

#include <cstdint>

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>

#include <diffx/config.hpp>
#include <diffx/exec/host.hpp>

namespace diffx::exec {

namespace detail {

/// Index of a group of elements to (sample, first, count).
template <class Op>
struct tile_of_index {
  std::int64_t features;
  std::int64_t tiles_per_row;
  int width;
  Op op;

  DIFFX_HD void operator()(std::int64_t index) const {
    std::int64_t const sample = index / tiles_per_row;
    std::int64_t const first = index % tiles_per_row * width;
    std::int64_t const left = features - first;
    op(sample, first, static_cast<int>(left < width ? left : width));
  }
};

}  // namespace detail

/// Any Thrust system through its execution policy:
///
///     exec::thrust on_tbb{::thrust::tbb::par};        exec::thrust on_gpu{::thrust::cuda::par.on(s)};
///
/// Host systems (CPP, OMP, TBB) work on tiles as exec::host does and give the same bits. The CUDA
/// system works on groups of four elements; it waits after every pass unless the policy does not.
///
/// Requires  Thrust 1.17 or later. Include it from a file that uses Thrust: it is a heavy header.
template <class Policy, bool OnHost = true>
struct thrust {
  static constexpr bool on_host = OnHost;
  static constexpr int width = OnHost ? tile : 4;

  Policy policy;

  template <class Op>
  void for_each_tile(std::int64_t batch, std::int64_t features, Op const& op) const {
    std::int64_t const tiles_per_row = (features + width - 1) / width;
    ::thrust::for_each_n(policy, ::thrust::counting_iterator<std::int64_t>(0),
                         batch * tiles_per_row,
                         detail::tile_of_index<Op>{features, tiles_per_row, width, op});
  }

  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    ::thrust::for_each_n(policy, ::thrust::counting_iterator<std::int64_t>(0), batch, op);
  }
};

template <class Policy>
thrust(Policy) -> thrust<Policy>;

}  // namespace diffx::exec
