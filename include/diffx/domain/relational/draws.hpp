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
    return unit(bits(row, position));
  }
  /// In [0, n), n at least 1.
  std::int64_t below(std::int64_t n, std::int64_t row, std::int64_t position = 0) const noexcept {
    auto const k = static_cast<std::int64_t>(uniform(row, position) * static_cast<double>(n));
    return std::min(k, n - 1);
  }
  /// A random order (Fisher and Yates); `position` tells several of one relation apart. One block
  /// of words serves two swaps.
  template <class T>
  void shuffle(std::vector<T>& x, std::int64_t position = 0) const noexcept {
    random::words4 w{};
    for (std::size_t i = x.size(); i > 1; --i) {
      if (i % 2 == 1 || i == x.size())
        w = source_.words({}, static_cast<std::int64_t>(i / 2), position);
      std::size_t const half = i % 2 == 1 ? 0 : 2;
      double const u = unit(std::uint64_t{w.word[half]} << 32 | w.word[half + 1]);
      auto const k = static_cast<std::size_t>(u * static_cast<double>(i));
      std::swap(x[i - 1], x[std::min(k, i - 1)]);
    }
  }

 private:
  static double unit(std::uint64_t bits) noexcept {
    return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
  }

  noise::counted source_;
};

}  // namespace diffx::domain::relational
