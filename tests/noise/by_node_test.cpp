// noise::by_node: variates go with names, whatever the place, and no two names share them.

#include <diffx/noise/by_node.hpp>

#include <array>
#include <cstdint>
#include <doctest/doctest.h>
#include <set>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using domain::graph::pair_count;
using domain::graph::pair_index;

std::vector<float> filled(noise::by_node const& noise, int block, std::int64_t count,
                          std::int64_t first = 0) {
  std::vector<float> z(static_cast<std::size_t>(count));
  noise.fill({5, 2, block}, 0, first, static_cast<int>(count), z.data());
  return z;
}

TEST_CASE("by_node: normals of nodes of several features and of pairs go with the names") {
  std::array<std::int32_t, 5> const names{4, 9, 2, 700, 31}, other{31, 2, 700, 9, 4};
  std::array<std::size_t, 5> const place{4, 3, 1, 2, 0};  // of names[i] in `other`
  std::int64_t const graph = 12;
  for (std::int64_t const features : {1, 3, 4, 6}) {
    noise::by_node const a{{7}, names.data(), 5, &graph, features};
    noise::by_node const b{{7}, other.data(), 5, &graph, features};
    auto const x = filled(a, 0, 5 * features), y = filled(b, 0, 5 * features);
    std::set<float> all;
    for (std::size_t i = 0; i < 5; ++i) {
      for (std::size_t f = 0; f < static_cast<std::size_t>(features); ++f) {
        auto const d = static_cast<std::size_t>(features);
        CHECK(x[i * d + f] == y[place[i] * d + f]);
        all.insert(x[i * d + f]);
      }
    }
    CHECK(all.size() == x.size());
    // Any split into tiles.
    for (std::int64_t first = 0; first < 5 * features; first += 4) {
      auto const part = filled(a, 0, 5 * features - first, first);
      for (std::size_t k = 0; k < part.size(); ++k) {
        CHECK(part[k] == x[static_cast<std::size_t>(first) + k]);
      }
    }
  }
  noise::by_node const a{{7}, names.data(), 5, &graph}, b{{7}, other.data(), 5, &graph};
  auto const x = filled(a, 1, pair_count(5)), y = filled(b, 1, pair_count(5));
  for (std::int64_t j = 0; j < 5; ++j) {
    for (std::int64_t i = 0; i < j; ++i) {
      auto const at = [&](std::int64_t k) {
        return static_cast<std::int64_t>(place[static_cast<std::size_t>(k)]);
      };
      CHECK(x[static_cast<std::size_t>(pair_index(i, j))] ==
            y[static_cast<std::size_t>(pair_index(at(i), at(j)))]);
    }
  }
  CHECK(std::set<float>(x.begin(), x.end()).size() == x.size());
  // What is no node and no pair has the noise of its place.
  float want[6], got[6];
  noise::counted{7}.fill({5, 2, 2}, graph, 0, 6, want);
  a.fill({5, 2, 2}, 0, 0, 6, got);
  for (int i = 0; i < 6; ++i) CHECK(want[i] == got[i]);
  CHECK(a.words({5, 2, 2}, 0, 3).word[0] == noise::counted{7}.words({5, 2, 2}, graph, 3).word[0]);
}

TEST_CASE("by_node: classes of several a node") {
  std::array<std::int32_t, 2> const names{3, 8}, other{8, 3};
  noise::by_node const a{{7}, names.data(), 2, nullptr, 2}, b{{7}, other.data(), 2, nullptr, 2};
  CHECK(a.words({}, 0, 1).word[2] == b.words({}, 0, 3).word[2]);
  CHECK(a.words({}, 0, 0).word[2] != a.words({}, 0, 1).word[2]);
  CHECK(a.words({}, 0, 1).word[0] == noise::counted{7}.words({}, 0, 3 * 2 + 1).word[0]);
}

TEST_CASE("by_node: pairs of large names do not share noise") {
  // 2^32 + 2925: without its further bits it has the words of pair 2925.
  std::int64_t const far = pair_index(40000, 92682);
  CHECK(far / (std::int64_t{1} << 32) == 1);
  auto const near = domain::graph::pair_at(far & 0xFFFFFFFF);
  std::array<std::int32_t, 4> const names{40000, 92682, static_cast<std::int32_t>(near.low),
                                          static_cast<std::int32_t>(near.high)};
  noise::by_node const noise{{7}, names.data(), 4};
  auto const words = [&](std::int64_t i, std::int64_t j) {
    return noise.words({1, 0, 1}, 0, pair_index(i, j));
  };
  CHECK(words(0, 1).word[0] != words(2, 3).word[0]);
  CHECK(filled(noise, 1, 6)[static_cast<std::size_t>(pair_index(0, 1))] !=
        filled(noise, 1, 6)[static_cast<std::size_t>(pair_index(2, 3))]);
  // Up to there the word is that of the pair's number.
  CHECK(words(2, 3).word[0] ==
        noise::counted{7}.words({1, 0, 1}, 0, pair_index(names[2], names[3])).word[0]);
  std::array<std::int32_t, 2> const last{92680, 92681};
  noise::by_node const plain{{7}, last.data(), 2};
  CHECK(plain.words({1, 0, 1}, 0, 0).word[0] ==
        noise::counted{7}.words({1, 0, 1}, 0, pair_index(92680, 92681)).word[0]);
  // Forks are others, and know the names.
  CHECK(noise.fork(1).words({1, 0, 1}, 0, 0).word[0] != noise.words({1, 0, 1}, 0, 0).word[0]);
}

}  // namespace
