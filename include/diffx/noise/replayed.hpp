#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/noise/recording.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace diffx::noise {

/// Plays back what a recording kept, bit for bit, however the calls are now cut: exact inversion,
/// encoding and reruns. A fork plays back the recorded fork of the same label.
///
/// Errors    records without values, or two that disagree, throw on construction; an element that
///           was not recorded throws and names step, draw and block.
class replayed {
 public:
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::replayed";

  explicit replayed(std::vector<record> const& records) {
    auto rows = std::make_shared<table>();
    for (record const& r : records) {
      if (r.values.size() != static_cast<std::size_t>(r.count)) {
        detail::fail("diffx::noise::replayed: the recording kept no values");
      }
      for (int g = 0; g < r.count; g += 4) {
        int const n = std::min(4, r.count - g);
        group& held = (*rows)[place(r.stream, r.at, r.sample, (r.first + g) / 4)];
        for (int e = 0; e < std::min(n, held.count); ++e) {
          if (held.value[e] != r.values[static_cast<std::size_t>(g + e)]) {
            detail::fail("diffx::noise::replayed: two records of one element disagree");
          }
        }
        for (int e = held.count; e < n; ++e) {
          held.value[e] = r.values[static_cast<std::size_t>(g + e)];
        }
        held.count = std::max(held.count, n);
      }
    }
    rows_ = std::move(rows);
  }

  template <class T>
  void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    for (int g = 0; g < n; g += 4) {
      int const wanted = std::min(4, n - g);
      auto const found = rows_->find(place(stream_, k, sample, (first + g) / 4));
      if (found == rows_->end() || found->second.count < wanted) {
        detail::missing_noise("diffx::noise::replayed", k,
                              ": sample " + std::to_string(sample) + ", element " +
                                  std::to_string(first + g) + " was not recorded");
      }
      for (int e = 0; e < wanted; ++e) out[g + e] = static_cast<T>(found->second.value[e]);
    }
  }

  replayed fork(std::uint64_t label) const {
    replayed r(*this);
    r.stream_ = fork_stream(stream_, label);
    return r;
  }

 private:
  struct group {
    double value[4] = {};
    int count = 0;
  };
  // The interval belongs to the place: a source that holds a path gives each interval its own
  // value.
  using place_type =
      std::tuple<std::uint64_t, int, int, int, double, double, std::int64_t, std::int64_t>;
  using table = std::map<place_type, group>;

  static place_type place(std::uint64_t stream, key k, std::int64_t sample, std::int64_t g) {
    return {stream, k.step, k.draw, k.block, k.from, k.to, sample, g};
  }

  std::shared_ptr<table const> rows_;
  std::uint64_t stream_ = 0;
};

static_assert(noise_source<replayed>);

}  // namespace diffx::noise
