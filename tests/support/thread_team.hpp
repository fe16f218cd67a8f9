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
#include <deque>
#include <mutex>
#include <thread>
#else
#include <functional>
#include <random>
#include <span>
#include <stdexcept>
#include <ucontext.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#endif

namespace test {

/// Threads that hold neighbouring elements.
inline constexpr int group_size = 16;

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
  explicit crew(int size) : size_(size), all_(size) {
    for (int i = 0; i < size; i += group_size) groups_.emplace_back(group_size);
  }

  void wait(int) { all_.arrive_and_wait(); }
  void wait_for_group(int place) { group(place).arrive_and_wait(); }

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
          group(i).arrive_and_drop();
          all_.arrive_and_drop();
        }
      });
    }
    for (auto& t : pool) t.join();
    if (first) std::rethrow_exception(first);
  }

 private:
  sleepy_barrier& group(int place) { return groups_[static_cast<std::size_t>(place / group_size)]; }

  int size_;
  sleepy_barrier all_;
  std::deque<sleepy_barrier> groups_;
};

#else

/// Those that do the work of a team. Between two barriers of all, one group goes after the other;
/// the orders differ from barrier to barrier, so that where one is missing some read too early.
class crew {
 public:
  explicit crew(int size) : fibres_(static_cast<std::size_t>(size)) {}

  void wait(int place) { leave(of(place), state::waits_for_all); }
  void wait_for_group(int place) { leave(of(place), state::waits_for_group); }

  /// Calls f(place) in each of them. One that throws leaves; the first exception arrives here when
  /// all have ended.
  template <class F>
  void run(F const& f) {
    call_ = f;
    std::vector<std::span<fibre>> groups;
    for (std::size_t i = 0; i < fibres_.size(); i += group_size) {
      groups.push_back(std::span(fibres_).subspan(i, group_size));
    }
    for (fibre& one : fibres_) prepare(one);
    for (auto left = fibres_.size(); left > 0;) {
      std::shuffle(groups.begin(), groups.end(), order_);
      for (auto const& group : groups) run_group(group);
      left = in(fibres_, state::waits_for_all);
      open(fibres_, state::waits_for_all);
    }
    if (first_) std::rethrow_exception(first_);
  }

 private:
  static constexpr std::size_t stack_size = 128 << 10;

  enum class state { ready, waits_for_group, waits_for_all, ended, threw };
  struct fibre {
    ucontext_t at;
    std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(stack_size);
    state now = state::ready;
  };

  fibre& of(int place) { return fibres_[static_cast<std::size_t>(place)]; }

  /// Until all of the group wait for the others or have ended.
  void run_group(std::span<fibre> group) {
    std::vector<fibre*> turns;
    for (fibre& f : group) turns.push_back(&f);
    do {
      std::shuffle(turns.begin(), turns.end(), order_);
      for (fibre* const f : turns) {
        if (f->now == state::ready) enter(*f);
      }
    } while (open(group, state::waits_for_group));
  }

  static std::size_t in(std::span<fibre const> some, state s) {
    return static_cast<std::size_t>(
        std::count_if(some.begin(), some.end(), [=](fibre const& f) { return f.now == s; }));
  }
  /// Lets those go on that wait at a barrier; false if there are none.
  static bool open(std::span<fibre> some, state barrier) {
    std::size_t const waiting = in(some, barrier);
    if (waiting == 0) return false;
    if (waiting + in(some, state::threw) != some.size()) {
      throw std::logic_error("not all threads of a team have come to a barrier");
    }
    for (fibre& f : some) {
      if (f.now == barrier) f.now = state::ready;
    }
    return true;
  }

  void prepare(fibre& f) {
    getcontext(&f.at);
    f.at.uc_stack.ss_sp = f.stack.get();
    f.at.uc_stack.ss_size = stack_size;
    makecontext(&f.at, &crew::begin, 0);
  }

  void enter(fibre& f) {
    active_ = this;
    running_ = &f;
    void* kept = nullptr;
    starts_switch(&kept, f.stack.get(), stack_size);
    swapcontext(&outside_, &f.at);
    has_switched(kept, nullptr, nullptr);
  }

  void leave(fibre& mine, state s) {
    mine.now = s;
    bool const returns = s == state::waits_for_group || s == state::waits_for_all;
    void* kept = nullptr;
    starts_switch(returns ? &kept : nullptr, outer_stack_, outer_size_);
    swapcontext(&mine.at, &outside_);
    has_switched(kept, &outer_stack_, &outer_size_);
  }

  static void begin() {
    crew& self = *active_;
    has_switched(nullptr, &self.outer_stack_, &self.outer_size_);
    fibre& mine = *self.running_;
    self.leave(mine, self.work(static_cast<int>(&mine - self.fibres_.data())));
  }

  state work(int place) {
    try {
      call_(place);
    } catch (...) {
      if (!first_) first_ = std::current_exception();
      return state::threw;
    }
    return state::ended;
  }

  // The address sanitizer is told of every change of stacks; it warns of them all the same.
#if defined(__SANITIZE_ADDRESS__)
  static void starts_switch(void** kept, void const* stack, std::size_t size) {
    __sanitizer_start_switch_fiber(kept, stack, size);
  }
  static void has_switched(void* kept, void const** stack, std::size_t* size) {
    __sanitizer_finish_switch_fiber(kept, stack, size);
  }
#else
  static void starts_switch(void**, void const*, std::size_t) {}
  static void has_switched(void*, void const**, std::size_t*) {}
#endif

  static inline thread_local crew* active_ = nullptr;
  std::vector<fibre> fibres_;
  std::function<void(int)> call_;
  std::minstd_rand order_;
  std::exception_ptr first_;
  ucontext_t outside_;
  fibre* running_ = nullptr;
  void const* outer_stack_ = nullptr;
  std::size_t outer_size_ = 0;
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
  static constexpr int lanes = group_size;
  meeting* of;
  int place;

  int lane() const noexcept { return place % lanes; }
  int group() const noexcept { return place / lanes; }
  int groups() const noexcept { return of->size / lanes; }
  int rank() const noexcept { return place; }
  int size() const noexcept { return of->size; }
  bool leads() const noexcept { return place == 0; }
  void wait() const { of->all.wait(place); }
  void count(std::uint32_t& bin) const noexcept { std::atomic_ref(bin).fetch_add(1); }
  /// As on a device only the group waits, before the numbers are read and after.
  template <class T>
  void gather(T mine, T (&all)[lanes]) const {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    std::memcpy(&of->value[static_cast<std::size_t>(place)], &mine, sizeof mine);
    of->all.wait_for_group(place);
    for (int j = 0; j < lanes; ++j) {
      std::memcpy(&all[j], &of->value[static_cast<std::size_t>(group() * lanes + j)], sizeof mine);
    }
    of->all.wait_for_group(place);
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
