#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/random.hpp>

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::noise {

/// The place of four random numbers among all that a run and its forks draw.
struct address {
  std::uint64_t stream = 0;  // 0 for the recorded source, a label-dependent value for each fork
  std::array<std::uint32_t, 4> counter{};
  auto operator<=>(address const&) const = default;
};

/// One call of fill.
struct record {
  std::uint64_t stream = 0;
  key at;
  std::int64_t sample = 0, first = 0;
  int count = 0;
  std::vector<double> values;  // [count], or empty; float values are kept exactly
};

constexpr std::uint64_t fork_stream(std::uint64_t stream, std::uint64_t label) noexcept {
  return random::derive_seed(stream, label);
}

/// Hands out the inner source's noise and keeps a record of it. Copies and forks share one record,
/// and any number of threads may fill at once; the order of the record is then that of the calls.
///
/// Errors    what the inner source throws, and std::bad_alloc.
template <noise_source Inner>
class recording {
 public:
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::recording";

  explicit recording(Inner inner, bool keep_values = true)
      : inner_(std::move(inner)), shared_(std::make_shared<shared>()), keep_values_(keep_values) {}

  template <class T>
  void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    inner_.fill(k, sample, first, n, out);
    record r{stream_, k, sample, first, n, {}};
    if (keep_values_) r.values.assign(out, out + n);
    std::lock_guard const lock(shared_->mutex);
    shared_->records.push_back(std::move(r));
  }

  recording fork(std::uint64_t label) const {
    recording r(*this);
    r.inner_ = inner_.fork(label);
    r.stream_ = fork_stream(stream_, label);
    return r;
  }

  std::vector<record> records() const {
    std::lock_guard const lock(shared_->mutex);
    return shared_->records;
  }

  /// Every address handed out, in the order of the record: one per group of four elements.
  std::vector<address> addresses() const {
    std::vector<address> all;
    for (record const& r : records()) {
      for (std::int64_t g = r.first / 4; 4 * g < r.first + r.count; ++g) {
        auto const c = counter(r.at, r.sample, g);
        all.push_back({r.stream, {c.word[0], c.word[1], c.word[2], c.word[3]}});
      }
    }
    return all;
  }

 private:
  struct shared {
    std::mutex mutex;
    std::vector<record> records;
  };

  Inner inner_;
  std::shared_ptr<shared> shared_;
  std::uint64_t stream_ = 0;
  bool keep_values_;
};

}  // namespace diffx::noise
