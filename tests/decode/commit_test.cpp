// The rules that choose what is committed, against plain definitions; the order; what is refused.

#include <diffx/decode/commit.hpp>
#include <diffx/decode/proposal.hpp>
#include <diffx/detail/decoding_block.hpp>

#include "support/message.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace {

namespace decode = diffx::decode;
using diffx::detail::sort_by_key;
using test::message_of;
using test::says;
using numbers = std::vector<double>;

struct case_of {
  std::vector<int> order;
  numbers values;
  decode::candidates c(int block, int step, int initial, double weight = 0.0) const {
    auto const n = static_cast<int>(order.size());
    return {n, initial, n, block, step, weight, order.data(), values.data()};
  }
};

/// Values in no order of their own, or sorted as a rule that reads its own confidence sees them.
case_of random_case(std::mt19937& random, bool sorted, bool negative) {
  case_of out;
  auto const n = 1 + random() % 9;
  for (unsigned i = 0; i < n; ++i) {
    out.order.push_back(static_cast<int>(i));
    double const u = static_cast<double>(random() % 100000) / 1e5;
    out.values.push_back(negative ? -3.0 * u : u);
  }
  std::shuffle(out.order.begin(), out.order.end(), random);
  if (sorted) std::sort(out.values.rbegin(), out.values.rend());
  if (sorted) std::iota(out.order.begin(), out.order.end(), 0);
  return out;
}

/// How many of the surest, if the rule names no value.
int surest(decode::choice const& chosen) {
  CHECK(chosen.from == decode::choice::never);
  return chosen.surest;
}

TEST_CASE("commit: rules that read values, against their definitions") {
  std::mt19937 random(4);
  for (int trial = 0; trial < 4000; ++trial) {
    bool const sorted = trial % 2 == 0;
    double const u = static_cast<double>(1 + random() % 1000) / 500.0;
    auto const p = random_case(random, sorted, false);
    auto const h = random_case(random, sorted, true);
    auto const n = static_cast<int>(p.order.size()), m = static_cast<int>(h.order.size());
    auto const v = [&](int i) {
      return p.values[static_cast<std::size_t>(p.order[static_cast<std::size_t>(i)])];
    };
    auto const entropy = [&](int i) {
      return -h.values[static_cast<std::size_t>(h.order[static_cast<std::size_t>(i)])];
    };

    auto const t = decode::threshold{u}.chosen(p.c(n, 0, n));
    CHECK(t.surest == 1);
    CHECK(t.from == u);

    int want = 1;  // the longest prefix all of whose members pass
    for (int k = 2; k <= n && (k + 1) * (1.0 - v(k - 1)) < u; ++k) want = k;
    CHECK(surest(decode::factor{u}.chosen(p.c(n, 0, n))) == want);

    want = 1;
    for (int k = 2; k <= m; ++k) {
      double sum = 0.0, most = 0.0;
      for (int i = 0; i < k; ++i) sum += entropy(i), most = std::max(most, entropy(i));
      if (sum - most > u) break;
      want = k;
    }
    CHECK(surest(decode::entropy_bound{u}.chosen(h.c(m, 0, m))) == want);

    want = 1;
    for (int k = 2; k <= m; ++k) {
      double sum = 0.0;
      for (int i = 0; i < k; ++i) sum += entropy(i);
      if (!(sum < u)) break;
      want = k;
    }
    CHECK(surest(decode::entropy_sum{u}.chosen(h.c(m, 0, m))) == want);

    // dynamic: all above tau if these are at least the share, else the share.
    int const block = n + static_cast<int>(random() % 4),
              steps = 1 + static_cast<int>(random() % 5);
    int const step = static_cast<int>(random() % static_cast<unsigned>(steps));
    int const share = block / steps + (step < block % steps ? 1 : 0);
    auto const above = static_cast<int>(
        std::count_if(p.values.begin(), p.values.end(), [&](double x) { return x > u / 2.0; }));
    auto const d = decode::dynamic{steps, u / 2.0}.chosen(p.c(block, step, n));
    if (above >= share) {
      CHECK(d.surest == 0);
      for (double const x : p.values) CHECK((x >= d.from) == (x > u / 2.0));
    } else {
      CHECK(surest(d) == share);
    }

    // pace: ceil(B (i + 1) / S) of B are there after call i.
    auto const due = static_cast<int>(std::ceil(static_cast<double>(block * (step + 1)) / steps));
    auto const q = decode::pace{steps, u / 2.0}.chosen(p.c(block, step, n));
    CHECK(q.surest == std::max(0, due - (block - n)));
    for (double const x : p.values) CHECK((x >= q.from) == (x > u / 2.0));

    // predict_then_noise: floor(B (S - 1 - i) / S) stay, less than there are.
    int const stay = std::min(block * (steps - 1 - step) / steps, n - 1);
    auto const e = decode::predict_then_noise{steps, u}.chosen(p.c(block, step, n));
    CHECK(n - e.surest == stay);
    CHECK(e.from == u);
  }
}

TEST_CASE("commit: rules that count, against integer arithmetic") {
  for (int masks = 1; masks <= 40; ++masks) {
    std::vector<int> order(static_cast<std::size_t>(masks));
    numbers const values(static_cast<std::size_t>(masks), 0.5);
    auto const c = [&](int open, int step, double weight) {
      return decode::candidates{open, masks,  open,         masks,
                                step, weight, order.data(), values.data()};
    };
    for (int steps = 1; steps <= 45; ++steps) {
      int left = masks;
      for (int i = 0; i < steps; ++i) {
        int const want = masks / steps + (i < masks % steps ? 1 : 0);
        if (left > 0) CHECK(surest(decode::evenly{steps}.chosen(c(left, i, 0.0))) == want);
        left -= want;
        CHECK(surest(decode::per_call{steps}.chosen(c(masks, i, 0.0))) == steps);
        // t = 1 - i / N: the share 1 - s / t is 1 / (N - i), of which a product may fall short.
        diffx::level const from{0, 0, 1.0 - static_cast<double>(i) / steps, 0, 0};
        diffx::level const to{0, 0, 1.0 - static_cast<double>(i + 1) / steps, 0, 0};
        double const share = decode::transfer{}.weight(from, to);
        if (i + 1 < steps) {
          CHECK(surest(decode::transfer{}.chosen(c(masks, i, share))) == masks / (steps - i));
          // floor(L (N - 1 - i) / N) stay, at least one and one less than there are.
          int const keep = std::max(1, std::min(masks * (steps - 1 - i) / steps, masks - 1));
          double const moved = decode::mask_ratio{}.weight(from, to);
          CHECK(masks - surest(decode::mask_ratio{}.chosen(c(masks, i, moved))) == keep);
        }
        auto const coin = decode::by_coin{steps}.chosen(c(masks, i, 0.0));
        CHECK(coin.surest == 0);
        CHECK(coin.from == doctest::Approx(1.0 - 1.0 / (steps - i)));
      }
    }
    // Calls beyond the last take what is left.
    CHECK(surest(decode::evenly{3}.chosen(c(masks, 7, 0.0))) == masks);
    CHECK(decode::by_coin{3}.chosen(c(masks, 7, 0.0)).from == 0.0);
    double const begun = decode::mask_ratio{10.0}.weight({}, {0, 0, 0.5, 0, 0});
    int const keep = std::max(1, std::min(5, masks - 1));
    CHECK(masks - surest(decode::mask_ratio{10.0}.chosen(c(masks, 0, begun))) == keep);
  }
}

TEST_CASE("commit: the order is that of a stable sort") {
  std::mt19937 random(5);
  for (int trial = 0; trial < 500; ++trial) {
    auto const n = random() % 60;
    numbers key(n + 3);
    for (double& v : key) v = static_cast<double>(random() % 7) - 3.0;
    if (n > 4) key[2] = -std::numeric_limits<double>::infinity();
    std::vector<std::int32_t> have(n), want;
    std::iota(have.begin(), have.end(), 3);
    want = have;
    if (n > 0) have[0] = want[0] = 2;
    std::shuffle(have.begin(), have.end(), random);
    auto const at = [&](std::int32_t p) { return key[static_cast<std::size_t>(p)]; };
    sort_by_key(have.data(), static_cast<int>(n), key.data());
    std::stable_sort(want.begin(), want.end(),
                     [&](std::int32_t a, std::int32_t b) { return at(a) > at(b); });
    CHECK(have == want);
  }
}

template <class Rule>
std::string refusal(Rule rule) {
  return message_of([&] { rule.check("where"); });
}

TEST_CASE("commit: what is refused") {
  double const nan = std::numeric_limits<double>::quiet_NaN(), inf = HUGE_VAL;
  CHECK(says(refusal(decode::per_call{0}), "where", "n", "0", "at least 1"));
  CHECK(says(refusal(decode::evenly{0}), "where", "steps", "0", "at least 1"));
  CHECK(says(refusal(decode::by_coin{-1}), "where", "steps", "-1", "at least 1"));
  CHECK(says(refusal(decode::mask_ratio{-1.0}), "where", "begun", "-1", "at least 0"));
  CHECK(says(refusal(decode::mask_ratio{inf}), "where", "begun", "inf", "at least 0"));
  CHECK(says(refusal(decode::threshold{0.0}), "where", "tau", "0", "above 0"));
  CHECK_FALSE(refusal(decode::threshold{nan}).empty());
  CHECK(says(refusal(decode::dynamic{0}), "where", "steps", "0", "at least 1"));
  CHECK(says(refusal(decode::dynamic{1, 0.0}), "where", "tau", "0", "above 0"));
  CHECK(says(refusal(decode::pace{0}), "where", "steps", "0", "at least 1"));
  CHECK(says(refusal(decode::pace{1, -1.0}), "where", "tau", "-1", "above 0"));
  CHECK(says(refusal(decode::predict_then_noise{0}), "where", "steps", "0", "at least 1"));
  CHECK(says(refusal(decode::predict_then_noise{1, 0.0}), "where", "tau", "0", "above 0"));
  CHECK(says(refusal(decode::factor{0.0}), "where", "f", "0", "above 0"));
  CHECK(says(refusal(decode::entropy_bound{-0.5}), "where", "gamma", "-0.5", "at least 0"));
  CHECK(says(refusal(decode::entropy_sum{-0.5}), "where", "gamma", "-0.5", "at least 0"));
  decode::proposal p{};
  p.temperature = -1.0;
  CHECK(says(refusal(p), "where", "temperature", "-1", "at least 0"));
  p = {};
  p.top_k = -1;
  CHECK(says(refusal(p), "where", "top_k", "-1", "at least 1"));
  p = {};
  p.top_p = 0.0;
  CHECK(says(refusal(p), "where", "top_p", "0", "in (0, 1]"));
  p = {};
  p.min_p = 1.5;
  CHECK(says(refusal(p), "where", "min_p", "1.5", "in [0, 1]"));
  CHECK(refusal(decode::transfer{}).empty());
  CHECK(refusal(decode::proposal{}).empty());
}

}  // namespace
