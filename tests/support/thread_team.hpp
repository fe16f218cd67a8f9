#pragma once

// Threads of the host in the place of a block's on a device.

#include <barrier>
#include <cstddef>
#include <thread>
#include <vector>

namespace test {

/// What threads of a team need to talk.
struct meeting {
  explicit meeting(int threads)
      : size(threads), all(threads), value(static_cast<std::size_t>(threads)) {}
  int size;
  std::barrier<> all;
  std::vector<double> value;
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
  template <class T>
  void gather(T mine, T (&all)[lanes]) const {
    of->value[static_cast<std::size_t>(place)] = static_cast<double>(mine);
    wait();
    for (int j = 0; j < lanes; ++j) {
      all[j] = static_cast<T>(of->value[static_cast<std::size_t>(group() * lanes + j)]);
    }
    wait();
  }
};

/// Calls f(team) on all threads of a team.
template <class F>
void by_team(int threads, F const& f) {
  meeting m(threads);
  std::vector<std::thread> pool;
  for (int i = 0; i < threads; ++i) pool.emplace_back([&m, &f, i] { f(thread_team{&m, i}); });
  for (auto& t : pool) t.join();
}

}  // namespace test
