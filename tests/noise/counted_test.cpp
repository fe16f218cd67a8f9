#include <diffx/noise/counted.hpp>

#include "../support/statistics.hpp"
#include <cmath>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace noise = diffx::noise;

template <class T>
bool same_bits(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// The normals of a row from the scalar code alone.
template <class T>
std::vector<T> scalar_row(std::uint64_t seed, noise::key k, std::int64_t sample, int n) {
  std::vector<T> row;
  for (int g = 0; 4 * g < n; ++g) {
    T z[4];
    diffx::random::normals(
        diffx::random::philox4x32(noise::counter(k, sample, g), diffx::random::key_from_seed(seed)),
        z);
    for (int e = 0; e < 4 && 4 * g + e < n; ++e) row.push_back(z[e]);
  }
  return row;
}

TEST_CASE_TEMPLATE("vector bodies, tails and scalar code give the same bits", T, float, double) {
  noise::counted const source{20};
  noise::key const k{3, 1, 2};
  auto const whole = scalar_row<T>(20, k, 77, 700);
  for (int n = 0; n <= 700; n += n < 140 ? 1 : 37) {
    std::vector<T> out(static_cast<std::size_t>(n) + 4, T(99));
    source.fill(k, 77, 0, n, out.data());
    for (int e = n; e < n + 4; ++e) REQUIRE(out[static_cast<std::size_t>(e)] == T(99));
    out.resize(static_cast<std::size_t>(n));
    REQUIRE(same_bits(out, std::vector<T>(whole.begin(), whole.begin() + n)));
  }
}

TEST_CASE_TEMPLATE("rows laid end to end are the rows one by one", T, float, double) {
  noise::counted const source{22};
  noise::key const k{7, 2, 1};
  std::int64_t const before = (std::int64_t{1} << 32) - 3;  // samples carry into the next word
  for (int const features : {1, 2, 3, 4, 5, 6, 8, 9, 31, 64, 100, 255, 256, 257, 300, 784}) {
    int const rows = 1200 / features + 3;
    std::vector<T> whole;
    for (int row = 0; row < rows; ++row) {
      std::vector<T> one(static_cast<std::size_t>(features));
      source.fill(k, before + row, 0, features, one.data());
      whole.insert(whole.end(), one.begin(), one.end());
    }
    auto const size = static_cast<int>(whole.size());
    for (int first = 0; first < size; first += first < 12 ? 1 : 101) {
      for (int n = 0; first + n <= size; n += n < 20 ? 1 : 173) {
        std::vector<T> out(static_cast<std::size_t>(n) + 1, T(99));
        source.fill_rows(k, before, features, first, n, out.data());
        REQUIRE(out.back() == T(99));
        out.pop_back();
        REQUIRE(same_bits(out, std::vector<T>(whole.begin() + first, whole.begin() + first + n)));
      }
    }
  }
}

TEST_CASE_TEMPLATE("a row filled in two pieces equals the row filled whole", T, float, double) {
  noise::counted const source{21};
  noise::key const k{1 << 19, 4095, 255};
  constexpr int n = 601;
  std::vector<T> whole(n), pieces(n);
  source.fill(k, noise::max_sample, 0, n, whole.data());
  for (int cut = 0; cut <= n; cut += 4) {
    std::fill(pieces.begin(), pieces.end(), T(99));
    source.fill(k, noise::max_sample, cut, n - cut, pieces.data() + cut);
    source.fill(k, noise::max_sample, 0, cut, pieces.data());
    REQUIRE(same_bits(whole, pieces));
  }
}

TEST_CASE("groups beyond 2^32 elements keep their addresses across the vector body") {
  noise::counted const source{22};
  std::int64_t const first = (std::int64_t{1} << 34) - 400;
  std::vector<float> whole(400), piece(4);
  source.fill({}, 5, first, 400, whole.data());
  for (int e = 0; e < 400; e += 4) {
    source.fill({}, 5, first + e, 4, piece.data());
    REQUIRE(same_bits(piece, std::vector<float>(whole.begin() + e, whole.begin() + e + 4)));
  }
}

TEST_CASE("threads do not change the bits") {
  noise::counted const source{23};
  constexpr int rows = 64, features = 333;
  std::vector<float> one(rows * features), many(rows * features);
  for (int r = 0; r < rows; ++r) source.fill({7}, r, 0, features, one.data() + r * features);
  for (int const threads : {2, 3, 16}) {
    std::fill(many.begin(), many.end(), 99.0f);
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t) {
      pool.emplace_back([&, t] {
        for (int r = t; r < rows; r += threads) {
          source.fill({7}, r, 0, features, many.data() + r * features);
        }
      });
    }
    for (auto& t : pool) t.join();
    CHECK(same_bits(one, many));
  }
}

/// Cells 0 .. 1023 of equal probability under the normal law.
int cell_of(double z) {
  int const c = static_cast<int>(test::normal_cdf(z) * 1024.0);
  return c < 0 ? 0 : c > 1023 ? 1023 : c;
}

/// p-value of the chi-square on 1024 cells, over n normals of one key.
template <class Source>
double bulk_p(Source const& source, int n) {
  std::vector<std::int64_t> cells(1024);
  std::vector<double> const p(1024, 1.0 / 1024.0);
  std::vector<float> z(4096);
  for (int s = 0; s < n / 4096; ++s) {
    source.fill({}, s, 0, 4096, z.data());
    for (float const v : z) ++cells[static_cast<std::size_t>(cell_of(v))];
  }
  return test::test_cells(cells, p).p;
}

/// A mutant: angles from the low bits of the radius word.
struct reused_bits {
  template <class T>
  void fill(noise::key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    for (int g = 0; g < n / 4; ++g) {
      auto w = diffx::random::philox4x32(noise::counter(k, sample, first / 4 + g), {{1, 0}});
      w.word[1] = w.word[0] << 16;
      w.word[3] = w.word[2] << 16;
      T z[4];
      diffx::random::normals(w, z);
      // The radius has 16 bits of its own left.
      for (int e = 0; e < 4; ++e) out[4 * g + e] = z[e] * T(1.02);
    }
  }
};

TEST_CASE("normals: chi-square on 1024 cells, n = 4e6, sees a total variation of 0.5 %") {
  auto& registry = test::p_value_registry::instance();
  CHECK(registry.add("noise::counted bulk", bulk_p(noise::counted{1}, 1 << 22)));
  CHECK(registry.rejects(bulk_p(reused_bits{}, 1 << 22)));
}

TEST_CASE("normals: moments and tails, n = 2^24, sees a mean off by 0.2 %, a variance by 0.3 %") {
  constexpr int rows = 4096, features = 4096;
  double const n = double{rows} * features;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, pair = 0;
  constexpr double limit[] = {3.0, 3.5, 4.0, 4.5, 5.0, 5.5};
  std::int64_t beyond[2][6] = {};
  std::vector<float> z(features);
  for (int r = 0; r < rows; ++r) {
    noise::counted{1}.fill({1}, r, 0, features, z.data());
    double s1 = 0, s2 = 0, s3 = 0, s4 = 0, sp = 0;
    for (std::size_t e = 0; e < z.size(); ++e) {
      double const v = z[e], v2 = v * v;
      s1 += v;
      s2 += v2;
      s3 += v2 * v;
      s4 += v2 * v2;
      if (e % 2 == 1) sp += v2 * z[e - 1] * z[e - 1];
      if (v2 >= 9.0) {
        for (int i = 0; i < 6; ++i) beyond[v < 0 ? 1 : 0][i] += std::abs(v) > limit[i];
      }
    }
    m1 += s1, m2 += s2, m3 += s3, m4 += s4, pair += sp;
  }
  auto& registry = test::p_value_registry::instance();
  auto const z_test = [&](char const* name, double sum, double count, double mean, double var) {
    CHECK(registry.add(name, test::p_of_z(test::z_of_mean(sum / count, mean, var, count))));
  };
  z_test("noise::counted mean", m1, n, 0.0, 1.0);
  z_test("noise::counted variance", m2, n, 1.0, 2.0);
  z_test("noise::counted third moment", m3, n, 0.0, 15.0);
  z_test("noise::counted fourth moment", m4, n, 3.0, 96.0);
  z_test("noise::counted E[z0^2 z1^2]", pair, n / 2, 1.0, 8.0);
  for (int side = 0; side < 2; ++side) {
    for (int i = 0; i < 6; ++i) {
      double const p = 0.5 * std::erfc(limit[i] / std::sqrt(2.0));
      double const expected = n * p;
      double const value =
          expected > 100.0 ? test::p_of_z((static_cast<double>(beyond[side][i]) - expected) /
                                          std::sqrt(expected))
                           : test::p_of_binomial(beyond[side][i], static_cast<std::int64_t>(n), p);
      CHECK(registry.add("noise::counted tail " + std::to_string(limit[i]), value));
    }
  }
}

TEST_CASE("independence: correlations of n = 1e6 pairs, sees 0.7 %") {
  constexpr int rows = 256, features = 4096;
  double const n = double{rows} * features;
  using row = std::vector<double>;
  auto const drawn = [](std::uint64_t seed, noise::key k, std::int64_t sample, std::int64_t first) {
    row z(features);
    noise::counted{seed}.fill(k, sample, first, features, z.data());
    return z;
  };
  auto& registry = test::p_value_registry::instance();
  // Values and squares: the squares see pairs that share a radius.
  auto const independent = [&](std::string const& name, auto first, auto second) {
    double sum = 0.0, squares = 0.0;
    for (int r = 0; r < rows; ++r) {
      row const a = first(r), b = second(r);
      for (std::size_t e = 0; e < a.size(); ++e) {
        sum += a[e] * b[e];
        squares += (a[e] * a[e] - 1.0) * (b[e] * b[e] - 1.0);
      }
    }
    CHECK(registry.add("noise::counted " + name, test::p_of_z(sum / std::sqrt(n))));
    CHECK(registry.add("noise::counted squares, " + name,
                       test::p_of_z(squares / (2.0 * std::sqrt(n)))));
  };
  auto const base = [&](std::uint64_t seed) {
    return [&, seed](int r) { return drawn(seed, {1}, 2 * r, 0); };
  };
  for (std::uint64_t const seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
    std::string const suffix = ", seed " + std::to_string(seed);
    independent("next seed" + suffix, base(seed),
                [&](int r) { return drawn(seed + 1, {1}, 2 * r, 0); });
    independent("next sample" + suffix, base(seed),
                [&](int r) { return drawn(seed, {1}, 2 * r + 1, 0); });
    independent("next step" + suffix, base(seed),
                [&](int r) { return drawn(seed, {2}, 2 * r, 0); });
    independent("next draw" + suffix, base(seed), [&](int r) {
      return drawn(seed, {1, 1}, 2 * r, 0);
    });
    independent("next block" + suffix, base(seed), [&](int r) {
      return drawn(seed, {1, 0, 1}, 2 * r, 0);
    });
    independent("start of the run" + suffix, base(seed),
                [&](int r) { return drawn(seed, {noise::prior_step}, 2 * r, 0); });
    independent("fork" + suffix, base(seed), [&](int r) {
      row z(features);
      noise::counted{seed}.fork(0).fill({1}, 2 * r, 0, features, z.data());
      return z;
    });
    for (int const lag : {1, 2, 3, 4, 32, 256}) {
      independent("lag " + std::to_string(lag) + suffix, base(seed), [&, lag](int r) {
        row z(features + 256);
        noise::counted{seed}.fill({1}, 2 * r, 0, features + 256, z.data());
        return row(z.begin() + lag, z.begin() + lag + features);
      });
    }
  }
}

}  // namespace
