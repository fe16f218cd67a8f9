#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

namespace diffx::detail {

inline constexpr std::int64_t workspace_alignment = 64;

inline std::int64_t aligned_bytes(std::int64_t bytes) noexcept {
  return (bytes + workspace_alignment - 1) / workspace_alignment * workspace_alignment;
}

/// One aligned allocation, for callers who do not bring a workspace of their own.
class workspace {
 public:
  explicit workspace(std::int64_t bytes)
      : size_(static_cast<std::size_t>(bytes)),
        data_(size_ == 0 ? nullptr
                         : static_cast<std::byte*>(::operator new (size_, std::align_val_t{64}))) {}

  // Not a unique_ptr: <memory> would double what the core costs to compile.
  ~workspace() { ::operator delete (data_, std::align_val_t{64}); }
  workspace(workspace const&) = delete;
  workspace& operator=(workspace const&) = delete;

  std::span<std::byte> span() const noexcept { return {data_, size_}; }

 private:
  std::size_t size_;
  std::byte* data_;
};

}  // namespace diffx::detail
