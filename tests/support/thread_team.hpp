#pragma once

// The threads of a block of a device, stood for by std::thread.

#include <diffx/exec/host.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace test {

/// A barrier whose threads sleep: with more of them than processors, those of std::barrier spin
/// while the last one waits for its turn.
class sleepy_barrier {
 public:
  explicit sleepy_barrier(int threads) : size_(threads) {}

  void arrive_and_wait() {
    std::unique_lock hold(mutex_);
    int const mine = phase_;
    if (++arrived_ == size_) return open();
    opens_.wait(hold, [&] { return phase_ != mine; });
  }
  void arrive_and_drop() {
    std::unique_lock const hold(mutex_);
    --size_;
    if (size_ > 0 && arrived_ == size_) open();
  }

 private:
  void open() {
    arrived_ = 0;
    ++phase_;
    opens_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable opens_;
  int size_, arrived_ = 0, phase_ = 0;
};

/// What the threads of a team need to talk.
struct meeting {
  explicit meeting(int threads)
      : size(threads), all(threads), value(static_cast<std::size_t>(threads)) {}
  int size;
  sleepy_barrier all;
  std::vector<std::uint64_t> value;  // the bytes of a number
};

struct thread_team {
  static constexpr int lanes = 16;
  meeting* of;
  int place;

  int lane() const noexcept { return place % lanes; }
  int group() const noexcept { return place / lanes; }
  int groups() const noexcept { return of->size / lanes; }
  int rank() const noexcept { return place; }
  int size() const noexcept { return of->size; }
  bool leads() const noexcept { return place == 0; }
  void wait() const { of->all.arrive_and_wait(); }
  void count(std::uint32_t& bin) const noexcept { std::atomic_ref(bin).fetch_add(1); }
  template <class T>
  void gather(T mine, T (&all)[lanes]) const {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    std::memcpy(&of->value[static_cast<std::size_t>(place)], &mine, sizeof mine);
    wait();
    for (int j = 0; j < lanes; ++j) {
      std::memcpy(&all[j], &of->value[static_cast<std::size_t>(group() * lanes + j)], sizeof mine);
    }
    wait();
  }
  double halved(double mine) const {
    double all[lanes];
    gather(mine, all);
    for (int half = lanes / 2; half > 0; half /= 2) {
      for (int j = 0; j < half; ++j) all[j] += all[j + half];
    }
    return all[0];
  }
};

/// Calls f(team) on all threads of a team. One that throws leaves the team; its exception arrives
/// here when all have ended.
template <class F>
void by_team(int threads, F const& f) {
  meeting m(threads);
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> pool;
  for (int i = 0; i < threads; ++i) {
    pool.emplace_back([&, i] {
      try {
        f(thread_team{&m, i});
      } catch (...) {
        std::lock_guard const lock(mutex);
        if (!first) first = std::current_exception();
        m.all.arrive_and_drop();
      }
    });
  }
  for (auto& t : pool) t.join();
  if (first) std::rethrow_exception(first);
}

/// An execution object as a device's: rows go to teams, and what is measured must be read back.
struct by_teams : diffx::exec::host {
  static constexpr bool on_host = false;
  int threads = 32;

  template <class Op>
  void for_each_row(std::int64_t rows, Op const& op) const {
    auto const tables = std::make_unique<typename Op::tables_type>();
    by_team(threads, [&](thread_team const& team) {
      for (std::int64_t i = 0; i < rows; ++i) op(i, team, *tables);
    });
  }
  void read_back(void* to, void const* from, std::size_t bytes) const {
    std::memcpy(to, from, bytes);
  }
};

}  // namespace test
