#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

namespace diffx::detail {

/// One aligned allocation, for callers who do not bring a workspace of their own.
class workspace {
 public:
  explicit workspace(std::int64_t bytes)
      : size_(static_cast<std::size_t>(bytes)),
        data_(size_ == 0 ? nullptr
                         : static_cast<std::byte*>(::operator new(size_, std::align_val_t{64}))) {}

  std::span<std::byte> span() const noexcept { return {data_.get(), size_}; }

 private:
  struct release {
    void operator()(std::byte* p) const noexcept { ::operator delete(p, std::align_val_t{64}); }
  };
  std::size_t size_;
  std::unique_ptr<std::byte, release> data_;
};

}  // namespace diffx::detail
