#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::detail {

inline bool same_variate(noise::key a, noise::key b) noexcept {
  return a.step == b.step && a.draw == b.draw && a.block == b.block;
}

[[noreturn]] inline void missing_noise(std::string_view where, noise::key k,
                                       std::string const& what) {
  fail(std::string(where) + ": no noise for step " + std::to_string(k.step) + ", draw " +
       std::to_string(k.draw) + ", block " + std::to_string(k.block) + what);
}

}  // namespace diffx::detail

namespace diffx::noise {

/// Noise the caller already has, one array per key. The arrays are not copied and must outlive the
/// source; intervals in keys are ignored.
///
/// Shapes    each array is [batch, features], row-major, for samples first_sample .. + batch.
/// Errors    a key, sample or element that was not given throws and names step, draw and block.
///           A fork plays the same arrays: give it its own source if it must differ.
template <class Value>
class injected {
 public:
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::injected";

  struct entry {
    key at;
    Value const* values;  // [batch, features]
  };

  injected(std::vector<entry> entries, std::int64_t batch, std::int64_t features,
           std::int64_t first_sample = 0)
      : entries_(std::move(entries)),
        batch_(batch),
        features_(features),
        first_sample_(first_sample) {}

  template <class T>
  void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    for (entry const& e : entries_) {
      if (!detail::same_variate(e.at, k)) continue;
      std::int64_t const row = sample - first_sample_;
      if (row < 0 || row >= batch_ || first < 0 || first + n > features_) {
        detail::missing_noise("diffx::noise::injected", k,
                              ": sample " + std::to_string(sample) + ", elements " +
                                  std::to_string(first) + " to " + std::to_string(first + n) +
                                  " lie outside the array");
      }
      Value const* const values = e.values + row * features_ + first;
      for (int i = 0; i < n; ++i) out[i] = static_cast<T>(values[i]);
      return;
    }
    detail::missing_noise("diffx::noise::injected", k, ": the key was not given");
  }

  injected fork(std::uint64_t) const { return *this; }

 private:
  std::vector<entry> entries_;
  std::int64_t batch_, features_, first_sample_;
};

/// Noise from a function object: value(key, sample, element), a pure function.
///
/// Errors    what the function throws. A fork calls the same function.
template <class Function>
struct injected_by {
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::injected_by";

  Function value;

  template <class T>
  void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    for (int e = 0; e < n; ++e) out[e] = static_cast<T>(value(k, sample, first + e));
  }

  injected_by fork(std::uint64_t) const { return *this; }
};

template <class Function>
injected_by(Function) -> injected_by<Function>;

static_assert(noise_source<injected<float>> && noise_source<injected<double>>);

}  // namespace diffx::noise
