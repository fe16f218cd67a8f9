#pragma once

// Counts every allocation of the program it is part of: it replaces operator new, so it belongs in
// exactly one source file of a program.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace test {

inline std::atomic<std::int64_t> allocation_count{0};

/// Allocations of the program so far.
std::int64_t allocations_made() { return allocation_count.load(); }

inline void* counted_allocation(std::size_t n, std::size_t alignment) {
  ++allocation_count;
  void* const p = alignment <= alignof(std::max_align_t)
                      ? std::malloc(n == 0 ? 1 : n)
                      : std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

// Not inlined: g++ 12 would compare free with the operator new it does not know to be replaced.
[[gnu::noinline]] inline void release(void* p) noexcept { std::free(p); }

}  // namespace test

void* operator new(std::size_t n) { return test::counted_allocation(n, 1); }
void* operator new(std::size_t n, std::align_val_t a) {
  return test::counted_allocation(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, std::nothrow_t const&) noexcept {  // std::stable_sort's
  try {
    return test::counted_allocation(n, 1);
  } catch (...) {
    return nullptr;
  }
}
void operator delete(void* p) noexcept { test::release(p); }
void operator delete(void* p, std::size_t) noexcept { test::release(p); }
void operator delete(void* p, std::align_val_t) noexcept { test::release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { test::release(p); }
