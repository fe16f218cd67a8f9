#pragma once

#include <diffx/error.hpp>
#include <diffx/random.hpp>

#include <cstdint>

namespace diffx::noise {

/// Which normal variates: `draw` number within `step` of `block`. Sample and element complete the
/// address, so a variate does not depend on batch split, thread, launch shape or backend.
///
/// Two terms with one key are one variate: a corrector that reuses its predictor's noise says so
/// by repeating the key.
struct key {
  int step = 0;
  int draw = 0;
  int block = 0;
  double from = 0.0;  // the interval of process time that the variate drives, for sources that
  double to = 0.0;    // hold a path; others ignore it
};

inline constexpr int max_step = (1 << 20) - 2;
inline constexpr int max_draw = (1 << 12) - 1;
inline constexpr int max_block = (1 << 8) - 1;
inline constexpr int prior_step = max_step + 1;  // the start of a run has an address of its own
inline constexpr std::int64_t max_sample = (std::int64_t{1} << 56) - 1;

/// The counter of a group of four elements. Bit fields: element / 4: 32, sample: 32 + 24,
/// step: 20, draw: 12, block: 8.
DIFFX_HD constexpr random::words4 counter(key k, std::int64_t sample, std::int64_t group) noexcept {
  auto const s = static_cast<std::uint64_t>(sample);
  return {{static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(s),
           static_cast<std::uint32_t>(k.step) << 12 | static_cast<std::uint32_t>(k.draw),
           static_cast<std::uint32_t>(k.block) << 24 | static_cast<std::uint32_t>(s >> 32)}};
}
static_assert(32 + 32 + 20 + 12 + 8 + 24 <= 128);

/// Refuses a run whose addresses would not fit the fields above.
inline void check_range(std::int64_t first_sample, std::int64_t batch, std::int64_t features,
                        int steps) {
  constexpr auto where = "diffx::noise";
  detail::require(batch >= 0 && batch <= max_sample, where, "batch", static_cast<long long>(batch),
                  "in [0, 2^56)");
  detail::require(first_sample >= 0 && first_sample <= max_sample - batch, where, "first_sample",
                  static_cast<long long>(first_sample), "in [0, 2^56 - batch)");
  detail::require(features >= 0 && features <= (std::int64_t{1} << 34), where, "features",
                  static_cast<long long>(features), "in [0, 2^34]");
  detail::require(steps >= 0 && steps <= max_step, where, "steps", steps, "in [0, 2^20 - 2]");
}

/// Refuses a key whose numbers would not fit their fields.
inline void check_key(key k) {
  constexpr auto where = "diffx::noise";
  detail::require(k.step >= 0 && k.step <= prior_step, where, "key.step", k.step,
                  "in [0, 2^20 - 1]");
  detail::require(k.draw >= 0 && k.draw <= max_draw, where, "key.draw", k.draw, "in [0, 2^12 - 1]");
  detail::require(k.block >= 0 && k.block <= max_block, where, "key.block", k.block,
                  "in [0, 2^8 - 1]");
}

}  // namespace diffx::noise
