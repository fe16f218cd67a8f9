#pragma once

#include <diffx/config.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/table_bytes.hpp>

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>

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

/// The first exception of a parallel loop: an exception that leaves an OpenMP region, or a Thrust
/// algorithm that was compiled for a device, ends the program. After one the rest is skipped.
class failure {
 public:
  bool happened() const noexcept { return taken_.load(std::memory_order_relaxed); }

  /// To be called from a handler.
  void keep() noexcept {
    if (!taken_.exchange(true, std::memory_order_relaxed)) first_ = std::current_exception();
  }

  /// To be called when the loop has ended, which orders it after every keep().
  void rethrow() {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::atomic<bool> taken_{false};
  std::exception_ptr first_;
};

/// op on a host system, with its exceptions kept.
template <class Op>
struct guarded {
  Op const* op;
  failure* failed;

  void operator()(std::int64_t index) const {
#if DIFFX_HAS_EXCEPTIONS
    if (failed->happened()) return;
    try {
      (*op)(index);
    } catch (...) {
      failed->keep();
    }
#else
    (*op)(index);
#endif
  }
};

}  // namespace detail

/// Any Thrust system through its execution policy:
///
///     exec::thrust on_tbb{::thrust::tbb::par};
///     auto on_gpu = exec::thrust_on_device(::thrust::cuda::par.on(stream));
///
/// Host systems (CPP, OMP, TBB) work on tiles as exec::host does and give the same bits; what an
/// element function throws arrives unchanged on the caller's thread. The CUDA system works on
/// groups of four elements in device memory; it waits after every pass unless the policy is
/// par_nosync.
///
/// Requires  Thrust 1.17 or later. Include it from a file that uses Thrust: it is a heavy header.
/// Errors    on a device, what Thrust throws: thrust::system_error.
template <class Policy, bool OnHost = true>
struct thrust {
  static constexpr bool on_host = OnHost;
  static constexpr int width = OnHost ? tile : 4;

  Policy policy;

  template <class Op>
  void for_each_tile(std::int64_t batch, std::int64_t features, Op const& op) const {
    std::int64_t const tiles_per_row = (features + width - 1) / width;
    for_each(batch * tiles_per_row, detail::tile_of_index<Op>{features, tiles_per_row, width, op});
  }

  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    for_each(batch, op);
  }

  /// As exec::cuda's.
  void upload(void* to, void const* from, std::size_t bytes) const requires(!OnHost) {
    detail::for_each_piece(to, from, bytes,
                           [&](std::int64_t n, auto const& piece) { for_each(n, piece); });
  }
  void copy(void* to, void const* from, std::size_t bytes) const requires(!OnHost) {
    for_each(static_cast<std::int64_t>(bytes),
             detail::copy_bytes{static_cast<unsigned char*>(to),
                                static_cast<unsigned char const*>(from)});
  }

 private:
  template <class Op>
  void for_each(std::int64_t count, Op const& op) const {
    ::thrust::counting_iterator<std::int64_t> const first(0);
    if constexpr (OnHost) {
      detail::failure failed;
      ::thrust::for_each_n(policy, first, count, detail::guarded<Op>{&op, &failed});
      failed.rethrow();
    } else {
      ::thrust::for_each_n(policy, first, count, op);
    }
  }
};

template <class Policy>
thrust(Policy) -> thrust<Policy>;

/// A Thrust system whose memory is a device's: thrust::cuda::par.on(stream).
template <class Policy>
thrust<Policy, false> thrust_on_device(Policy policy) {
  return {policy};
}

}  // namespace diffx::exec
