#pragma once

#include <diffx/random.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace diffx::denoiser::eigen {

/// A source of untrained weights with the interface of `safetensors`: the same values for the same
/// seed and tensor name on every machine.
///
///     matrices and kernels   uniform in +- gain sqrt(3 / fan_in)
///     vectors                1 if the name ends in ".weight" (norms), else 0
class random_weights {
 public:
  explicit random_weights(std::uint64_t seed, double gain = 1.0) : seed_(seed), gain_(gain) {}

  std::vector<float> tensor(std::string_view name,
                            std::initializer_list<std::int64_t> shape) const {
    std::size_t count = 1;
    for (std::int64_t const n : shape) count *= static_cast<std::size_t>(n);
    std::vector<float> values(count, name.ends_with(".weight") ? 1.0f : 0.0f);
    if (shape.size() < 2) return values;
    std::uint64_t label = 0xCBF29CE484222325u;  // FNV-1a
    for (char const c : name) label = (label ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    auto const key = random::key_from_seed(random::derive_seed(seed_, label));
    auto const fan_in = static_cast<double>(count) / static_cast<double>(*shape.begin());
    auto const bound = static_cast<float>(gain_ * std::sqrt(3.0 / fan_in));
    for (std::size_t i = 0; i < count; ++i) {
      auto const w = random::philox4x32({{static_cast<std::uint32_t>(i), 0, 0, 0}}, key);
      values[i] = bound * (2.0f * random::uniform<float>(w.word[0]) - 1.0f);
    }
    return values;
  }

 private:
  std::uint64_t seed_;
  double gain_;
};

}  // namespace diffx::denoiser::eigen
