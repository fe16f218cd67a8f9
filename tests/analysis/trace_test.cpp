// Step maps, and the states in which a text was decoded.

#include <diffx/analysis/trace.hpp>

#include "support/decoding.hpp"
#include "support/message.hpp"
#include <algorithm>
#include <doctest/doctest.h>
#include <set>
#include <span>
#include <vector>

namespace {

using namespace diffx;
using analysis::slice;
using test::at;
using test::codes;

TEST_CASE("trace: a step map from the states") {
  codes const states{9, 9, 9, 1, 9,  //
                     9, 3, 9, 1, 9,  //
                     2, 3, 9, 1, 9,  //
                     2, 9, 5, 1, 9,  // position 1 is taken back
                     2, 4, 5, 1, 9};
  std::span<std::int32_t const> const all(states);
  CHECK(analysis::step_map(all, 5, 9) == codes{2, 4, 3, -1, -1});
  CHECK(analysis::step_map(all.first(20), 5, 9) == codes{2, -1, 3, -1, -1});
  CHECK(analysis::step_map(all, 5, 9, 0) == codes{2, 4, 3, 0, 0});
  CHECK(test::says(test::message_of([&] { analysis::step_map(all.first(7), 5, 9); }),
                   "diffx::analysis::step_map", "states.size()", "7", "a multiple"));
  CHECK(test::says(test::message_of([&] { analysis::step_map(all, 0, 9); }),
                   "diffx::analysis::step_map", "positions", "0", "at least 1"));
}

TEST_CASE("trace: steps taken together") {
  codes const map{-1, 0, 3, 7, 3, 9, 0};
  CHECK(analysis::shrink(map, 1) == map);
  CHECK(analysis::shrink(map, 2) == codes{-1, 3, 3, 9, 3, 9, 3});
  CHECK(analysis::shrink(map, 3) == codes{-1, 7, 7, 7, 7, 9, 7});
  CHECK(analysis::shrink(map, 9) == codes{-1, 9, 9, 9, 9, 9, 9});
  CHECK(analysis::shrink({}, 2).empty());
  CHECK(test::says(test::message_of([&] { analysis::shrink(map, 0); }), "diffx::analysis::shrink",
                   "together", "0", "at least 1"));
}

TEST_CASE("trace: slices score every decoded position once, in the state it was decoded in") {
  for (int trial = 0; trial < 200; ++trial) {
    codes map;
    int const length = 1 + trial % 17, block = 1 + trial % 5;
    for (int p = 0; p < length; ++p) map.push_back((trial * 7 + p * p * 5 + p) % 9 - 1);
    auto const out = analysis::slices(map, block);
    std::size_t most = 0;
    for (int first = 0; first < length; first += block) {
      std::set<int> steps;
      for (int p = first; p < std::min(first + block, length); ++p) {
        if (map[at(p)] >= 0) steps.insert(map[at(p)]);
      }
      most = std::max(most, steps.size());
      for (std::size_t r = 0; r < out.size(); ++r) {
        for (int p = first; p < std::min(first + block, length); ++p) {
          auto step = steps.begin();
          std::advance(step, static_cast<int>(std::min(r, steps.size())));
          int const m = map[at(p)];
          slice const want = step == steps.end() || m < *step ? slice::known
                             : m == *step                     ? slice::scored
                                                              : slice::masked;
          CHECK(out[r][at(p)] == want);
        }
      }
    }
    CHECK(out.size() == most);
  }
  CHECK(test::says(test::message_of([&] { analysis::slices({}, 0); }), "diffx::analysis::slices",
                   "block", "0", "at least 1"));
}

TEST_CASE("trace: what a run committed is the step map of its states") {
  constexpr int classes = 4, length = 9;
  test::fixed_network const net{{}, classes, test::mixed_logits(length, classes)};
  codes x(length, classes);
  x[0] = x[1] = 2;
  codes states = x, when;
  process::absorbing<> const process(classes);
  test::decode_run(process, test::decoder<decode::probability>(decode::evenly{2}, 3), cache::none{},
                   net, exec::host{}, x, 1, 8, options<>{noise::counted{1}, start::given},
                   [&](auto& run) {
                     states.insert(states.end(), x.begin(), x.end());
                     auto const c = run.block().committed();
                     when.assign(c.data, c.data + length);
                   });
  auto map = analysis::step_map(std::span<std::int32_t const>(states), length, classes);
  for (std::int32_t& s : map) s = s > 0 ? s - 1 : s;  // state i is what step i - 1 left
  CHECK(map == when);
}

}  // namespace
