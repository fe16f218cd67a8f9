#include <diffx/noise/address.hpp>

#include <array>
#include <cstdint>
#include <doctest/doctest.h>
#include <set>
#include <string>

namespace {

namespace noise = diffx::noise;

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (diffx::error const& e) {
    return e.what();
  }
  return {};
}

TEST_CASE("every bit of an address reaches one bit of the counter and no two the same") {
  using words = std::array<std::uint32_t, 4>;
  auto const of = [](noise::key k, std::int64_t sample, std::int64_t group) {
    auto const c = noise::counter(k, sample, group);
    return words{c.word[0], c.word[1], c.word[2], c.word[3]};
  };
  CHECK(of({}, 0, 0) == words{});
  std::set<words> bits;
  int fields = 0;
  auto const single = [&](words w) {
    int set = 0;
    for (auto const word : w) set += __builtin_popcount(word);
    CHECK(set == 1);
    bits.insert(w);
    ++fields;
  };
  for (int i = 0; i < 20; ++i) single(of({1 << i, 0, 0}, 0, 0));
  for (int i = 0; i < 12; ++i) single(of({0, 1 << i, 0}, 0, 0));
  for (int i = 0; i < 8; ++i) single(of({0, 0, 1 << i}, 0, 0));
  for (int i = 0; i < 56; ++i) single(of({}, std::int64_t{1} << i, 0));
  for (int i = 0; i < 32; ++i) single(of({}, 0, std::int64_t{1} << i));
  CHECK(fields == 128);
  CHECK(bits.size() == 128);
  // Each field is a union of its bits, so the map is injective: the corner values once more.
  std::set<words> corners;
  int count = 0;
  for (int const step : {0, 1, noise::max_step, noise::prior_step}) {
    for (int const draw : {0, 1, noise::max_draw}) {
      for (int const block : {0, 1, noise::max_block}) {
        for (std::int64_t const sample : {std::int64_t{0}, std::int64_t{1}, noise::max_sample}) {
          for (std::int64_t const group : {std::int64_t{0}, std::int64_t{0xFFFFFFFF}}) {
            corners.insert(of({step, draw, block}, sample, group));
            ++count;
          }
        }
      }
    }
  }
  CHECK(corners.size() == static_cast<std::size_t>(count));
}

TEST_CASE("values beyond a field are refused by name and never wrap") {
  CHECK_NOTHROW(noise::check_range(0, 1, 1, 1));
  CHECK_NOTHROW(
      noise::check_range(noise::max_sample - 8, 8, std::int64_t{1} << 34, noise::max_step));
  auto const refuses = [](char const* name, auto... values) {
    auto const text = message_of([&] { noise::check_range(values...); });
    INFO(text);
    CHECK(text.find(name) != std::string::npos);
    CHECK(text.find("must be") != std::string::npos);
  };
  refuses("first_sample = -1", -1, 1, 1, 1);
  refuses("first_sample", noise::max_sample, 1, 1, 1);
  refuses("batch = -1", 0, -1, 1, 1);
  refuses("features = 17179869185", 0, 1, (std::int64_t{1} << 34) + 1, 1);
  refuses("steps = 1048575", 0, 1, 1, noise::max_step + 1);

  CHECK_NOTHROW(noise::check_key({noise::prior_step, noise::max_draw, noise::max_block}));
  auto const refuses_key = [](char const* name, noise::key k) {
    CHECK(message_of([&] { noise::check_key(k); }).find(name) != std::string::npos);
  };
  refuses_key("key.step", {noise::prior_step + 1, 0, 0});
  refuses_key("key.step", {-1, 0, 0});
  refuses_key("key.draw", {0, noise::max_draw + 1, 0});
  refuses_key("key.block", {0, 0, noise::max_block + 1});
}

}  // namespace
