#pragma once

#include <diffx/noise/counted.hpp>
#include <diffx/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// What random numbers of a relation are for; each purpose has numbers of its own.
enum class purpose : std::uint8_t { sizes, rows, matching, clusters, degrees, dealing, repair };

/// Random numbers of a relation, computed from their address (seed, purpose, relation, row,
/// position): they depend on no order and no number of threads.
///
/// Source    Philox4x32-10, see random.hpp.
class draws {
 public:
  draws(std::uint64_t seed, purpose what, std::size_t relation)
      : source_{random::derive_seed(
            seed, static_cast<std::uint64_t>(relation) << 8 | static_cast<std::uint64_t>(what))} {}

  /// A seed for whoever draws numbers of this relation elsewhere.
  std::uint64_t seed() const noexcept { return source_.seed; }

  std::uint64_t bits(std::int64_t row, std::int64_t position = 0) const noexcept {
    auto const w = source_.words({}, row, position);
    return std::uint64_t{w.word[0]} << 32 | w.word[1];
  }
  /// Strictly inside (0, 1): 2^52 numbers.
  double uniform(std::int64_t row, std::int64_t position = 0) const noexcept {
    return (static_cast<double>(bits(row, position) >> 12) + 0.5) * 0x1p-52;
  }
  /// In [0, n), n at least 1.
  std::int64_t below(std::int64_t n, std::int64_t row, std::int64_t position = 0) const noexcept {
    auto const k = static_cast<std::int64_t>(uniform(row, position) * static_cast<double>(n));
    return std::min(k, n - 1);
  }
  /// A random order (Fisher and Yates); `position` tells several of one relation apart.
  template <class T>
  void shuffle(std::vector<T>& x, std::int64_t position = 0) const noexcept {
    for (std::size_t i = x.size(); i > 1; --i) {
      auto const n = static_cast<std::int64_t>(i);
      std::swap(x[i - 1], x[static_cast<std::size_t>(below(n, n, position))]);
    }
  }

 private:
  noise::counted source_;
};

}  // namespace diffx::domain::relational
