#pragma once

#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace diffx::exec {

/// Several host threads that live as long as this object. Results are the same bits as on one.
///
/// Work is cut into equal pieces, one per thread, the caller's included. An exception thrown in a
/// piece arrives on the caller's thread after all pieces have ended. One object serves one run at a
/// time; copies share the threads.
///
/// Errors    fewer than 1 thread throws.
class threads {
 public:
  static constexpr bool on_host = true;

  explicit threads(int count = static_cast<int>(std::thread::hardware_concurrency()))
      : pool_(std::make_shared<pool>(count)) {}

  int count() const noexcept { return pool_->count(); }

  template <class Op>
  void for_each_tile(std::int64_t batch, std::int64_t features, Op const& op) const {
    std::int64_t const tiles_per_row = (features + tile - 1) / tile;
    std::int64_t const tiles = batch * tiles_per_row;
    // One fork and join costs about a microsecond: small passes stay on the calling thread.
    if (count() == 1 || batch * features < min_parallel) {
      host{}.for_each_tile(batch, features, op);
      return;
    }
    pool_->for_each_piece(tiles, [&](std::int64_t begin, std::int64_t end) {
      std::int64_t sample = begin / tiles_per_row, inner = begin % tiles_per_row;
      for (std::int64_t i = begin; i < end; ++i) {
        std::int64_t const first = inner * tile;
        auto const left = features - first;
        op(sample, first, static_cast<int>(left < tile ? left : tile));
        if (++inner == tiles_per_row) {
          inner = 0;
          ++sample;
        }
      }
    });
  }

  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    pool_->for_each_piece(batch, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t sample = begin; sample < end; ++sample) op(sample);
    });
  }

 private:
  static constexpr std::int64_t min_parallel = 1 << 14;

  class pool {
   public:
    explicit pool(int count) {
      diffx::detail::require(count >= 1, "diffx::exec::threads", "count", count, "at least 1");
      for (int i = 1; i < count; ++i) workers_.emplace_back([this, i] { serve(i); });
    }
    ~pool() {
      {
        std::lock_guard const lock(mutex_);
        closing_ = true;
      }
      go_.notify_all();
      for (std::thread& w : workers_) w.join();
    }
    pool(pool const&) = delete;
    pool& operator=(pool const&) = delete;

    int count() const noexcept { return static_cast<int>(workers_.size()) + 1; }

    /// Calls piece(begin, end) once per thread, over [0, n) cut into equal ranges.
    template <class Piece>
    void for_each_piece(std::int64_t n, Piece const& piece) {
      if (workers_.empty() || n < 2) {
        if (n > 0) piece(std::int64_t{0}, n);
        return;
      }
      {
        std::lock_guard const lock(mutex_);
        n_ = n;
        context_ = &piece;
        call_ = [](void const* context, std::int64_t begin, std::int64_t end) {
          (*static_cast<Piece const*>(context))(begin, end);
        };
        pending_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_release);
      }
      go_.notify_all();
      work(0);
      // The others are about to finish too: spinning is cheaper than sleeping, for a while.
      for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin) {
        if (spin > max_spin) std::this_thread::yield();
      }
      if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }

   private:
    static constexpr int max_spin = 4000;

    void work(int index) noexcept {
      std::int64_t const parts = count();
      std::int64_t const begin = n_ / parts * index + std::min<std::int64_t>(index, n_ % parts);
      std::int64_t const end = begin + n_ / parts + (index < n_ % parts ? 1 : 0);
#if DIFFX_HAS_EXCEPTIONS
      try {
        if (begin < end) call_(context_, begin, end);
      } catch (...) {
        std::lock_guard const lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
#else
      if (begin < end) call_(context_, begin, end);
#endif
    }

    void serve(int index) {
      std::uint64_t seen = 0;
      for (;;) {
        for (int spin = 0; spin < max_spin; ++spin) {
          if (generation_.load(std::memory_order_acquire) != seen) break;
        }
        {
          std::unique_lock lock(mutex_);
          go_.wait(lock,
                   [&] { return closing_ || generation_.load(std::memory_order_acquire) != seen; });
          if (closing_) return;
          seen = generation_.load(std::memory_order_acquire);
        }
        work(index);
        pending_.fetch_sub(1, std::memory_order_acq_rel);
      }
    }

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable go_;
    std::atomic<std::uint64_t> generation_{0};
    std::atomic<int> pending_{0};
    std::int64_t n_ = 0;
    void const* context_ = nullptr;
    void (*call_)(void const*, std::int64_t, std::int64_t) = nullptr;
    std::exception_ptr failure_;
    bool closing_ = false;
  };

  std::shared_ptr<pool> pool_;
};

}  // namespace diffx::exec
