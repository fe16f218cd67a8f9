#pragma once

// The threads of a block of a device, stood for by fibres: one thread that goes from one to the
// next at barriers, where threads would sleep and wake. For the thread sanitizer they are threads.

#include <diffx/exec/host.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <memory>
#include <vector>

#if defined(__SANITIZE_THREAD__)
#include <condition_variable>
#include <mutex>
#include <thread>
#else
#include <functional>
#include <random>
#include <stdexcept>
#include <ucontext.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#endif

namespace test {

#if defined(__SANITIZE_THREAD__)

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

/// Those that do the work of a team.
class crew {
 public:
  explicit crew(int size) : size_(size), all_(size) {}

  void wait() { all_.arrive_and_wait(); }

  /// Calls f(place) in each of them. One that throws leaves; the first exception arrives here when
  /// all have ended.
  template <class F>
  void run(F const& f) {
    std::mutex mutex;
    std::exception_ptr first;
    std::vector<std::thread> pool;
    for (int i = 0; i < size_; ++i) {
      pool.emplace_back([&, i] {
        try {
          f(i);
        } catch (...) {
          std::lock_guard const lock(mutex);
          if (!first) first = std::current_exception();
          all_.arrive_and_drop();
        }
      });
    }
    for (auto& t : pool) t.join();
    if (first) std::rethrow_exception(first);
  }

 private:
  int size_;
  sleepy_barrier all_;
};

#else

/// Those that do the work of a team.
class crew {
 public:
  explicit crew(int size) : fibres_(static_cast<std::size_t>(size)) {}

  void wait() { leave(&fibres_[running_].annotation); }

  /// Calls f(place) in each of them. One that throws leaves; the first exception arrives here when
  /// all have ended.
  template <class F>
  void run(F const& f) {
    call_ = f;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < fibres_.size(); ++i) {
      order.push_back(i);
      prepare(fibres_[i]);
    }
    // Each runs to its next barrier, in an order that differs from one barrier to the next:
    // where a barrier is missing, some read too early.
    std::minstd_rand source;
    while (!order.empty()) {
      std::shuffle(order.begin(), order.end(), source);
      for (std::size_t const i : order) enter(i);
      auto const ended = std::erase_if(order, [&](std::size_t i) { return fibres_[i].ended; });
      if (ended > 0 && !order.empty() && !first_) {
        throw std::logic_error("threads of a team have waited more often than others");
      }
    }
    if (first_) std::rethrow_exception(first_);
  }

 private:
  static constexpr std::size_t stack_size = 128 << 10;

  struct fibre {
    ucontext_t at;
    std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(stack_size);
    void* annotation = nullptr;
    bool ended = false;
  };

  void prepare(fibre& f) {
    getcontext(&f.at);
    f.at.uc_stack.ss_sp = f.stack.get();
    f.at.uc_stack.ss_size = stack_size;
    makecontext(&f.at, &crew::main, 0);
  }

  void enter(std::size_t i) {
    running_ = i;
    active_ = this;
    void* annotation = nullptr;
    starts_switch(&annotation, fibres_[i].stack.get(), stack_size);
    swapcontext(&outside_, &fibres_[i].at);
    has_switched(annotation, nullptr, nullptr);
  }

  /// Without an annotation it is for ever.
  void leave(void** annotation) {
    fibre& mine = fibres_[running_];
    starts_switch(annotation, outer_stack_, outer_size_);
    swapcontext(&mine.at, &outside_);
    has_switched(mine.annotation, &outer_stack_, &outer_size_);
  }

  static void main() {
    crew& self = *active_;
    self.has_switched(nullptr, &self.outer_stack_, &self.outer_size_);
    self.work();
    self.leave(nullptr);
  }

  void work() {
    std::size_t const mine = running_;
    try {
      call_(static_cast<int>(mine));
    } catch (...) {
      if (!first_) first_ = std::current_exception();
    }
    fibres_[mine].ended = true;
  }

  // The address sanitizer is told of every change of stacks; it warns of them all the same.
#if defined(__SANITIZE_ADDRESS__)
  static void starts_switch(void** annotation, void const* stack, std::size_t size) {
    __sanitizer_start_switch_fiber(annotation, stack, size);
  }
  static void has_switched(void* annotation, void const** stack, std::size_t* size) {
    __sanitizer_finish_switch_fiber(annotation, stack, size);
  }
#else
  static void starts_switch(void**, void const*, std::size_t) {}
  static void has_switched(void*, void const**, std::size_t*) {}
#endif

  static inline thread_local crew* active_ = nullptr;
  std::vector<fibre> fibres_;
  std::function<void(int)> call_;
  std::exception_ptr first_;
  ucontext_t outside_;
  void const* outer_stack_ = nullptr;
  std::size_t outer_size_ = 0, running_ = 0;
};

#endif

/// The cases to try: all, or a third where a team is of threads, which wake each other at every
/// barrier and whose races do not depend on the numbers.
template <class T = int>
std::vector<T> some_of(std::initializer_list<T> all) {
#if defined(__SANITIZE_THREAD__)
  std::vector<T> some;
  for (std::size_t i = 1; i < all.size(); i += 3) some.push_back(all.begin()[i]);
  return some;
#else
  return all;
#endif
}

/// What the threads of a team need to talk.
struct meeting {
  explicit meeting(int threads)
      : size(threads), all(threads), value(static_cast<std::size_t>(threads)) {}
  int size;
  crew all;
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
  void wait() const { of->all.wait(); }
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
  m.all.run([&](int place) { f(thread_team{&m, place}); });
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
