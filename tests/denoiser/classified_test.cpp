// denoiser::classified: the two tables, and that first order is exact for a linear classifier.

#include <diffx/denoiser/classified.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <span>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;

constexpr std::int64_t positions = 3;

/// log p(y | x), linear in the one-hot x; each sample has slopes of its own.
double slope(std::int64_t sample, std::int64_t l, int v) {
  return static_cast<double>((3 * sample + 5 * l + 7 * v + l * v) % 11) / 4.0;
}

struct linear_score {
  std::vector<std::int64_t>* calls;

  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x,
                  std::span<std::int64_t const> samples, query const&,
                  std::span<double> out) const {
    calls->push_back(x.batch);
    for (std::int64_t r = 0; r < x.batch; ++r) {
      double sum = -3.0;
      for (std::int64_t l = 0; l < positions; ++l) {
        sum += slope(samples[static_cast<std::size_t>(r)], l, x.row(r)[l]);
      }
      out[static_cast<std::size_t>(r)] = sum;
    }
  }
};

struct linear_gradient {
  std::int64_t states;
  template <class Exec, class T>
  void operator()(Exec const&, batch_view<std::int32_t const> x, query const&,
                  batch_view<T> g) const {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (std::int64_t l = 0; l < positions; ++l) {
        for (int v = 0; v < states; ++v) {
          g.row(i)[l * states + v] = static_cast<T>(slope(x.first_sample + i, l, v));
        }
      }
    }
  }
};

template <class Process>
void check(Process const& process, std::int64_t states, codes const& x, std::int64_t neighbours) {
  auto const law = process.limit();
  auto const batch = static_cast<std::int64_t>(x.size()) / positions;
  std::vector<double> exact(x.size() * static_cast<std::size_t>(law.classes)),
      first_order(exact.size());
  batch_view<std::int32_t const> const view{x.data(), batch, positions, 40};
  for (std::int64_t const rows : {1, 4, 1000}) {
    std::vector<std::int64_t> calls;
    exact.assign(exact.size(), 99.0);  // whatever the buffer holds
    denoiser::exact_ratios const table{process, linear_score{&calls}, rows};
    table(exec::host{}, view, query{},
          batch_view<double>{exact.data(), batch, positions * law.classes, 40});
    std::int64_t total = 0;
    for (auto const n : calls) {
      CHECK(n <= rows);
      total += n;
    }
    CHECK(total == batch + neighbours);
    CHECK(static_cast<std::int64_t>(calls.size()) == (total + rows - 1) / rows);
  }
  denoiser::gradient_ratios const table{process, linear_gradient{states}};
  table(exec::host{}, view, query{},
        batch_view<double>{first_order.data(), batch, positions * law.classes, 40});
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto const sample = 40 + static_cast<std::int64_t>(i) / positions;
    auto const l = static_cast<std::int64_t>(i) % positions;
    for (int v = 0; v < law.classes; ++v) {
      CAPTURE(i);
      CAPTURE(v);
      auto const at = i * static_cast<std::size_t>(law.classes) + static_cast<std::size_t>(v);
      double const want = slope(sample, l, v) - slope(sample, l, x[i]);
      CHECK(first_order[at] == doctest::Approx(want).epsilon(1e-14));
      bool const guided = law.mask < 0 || x[i] == law.mask;
      CHECK(exact[at] == doctest::Approx(guided ? want : 0.0).epsilon(1e-14));
    }
  }
}

TEST_CASE("exact_ratios and gradient_ratios: one table for a linear classifier") {
  check(process::uniform<>(4), 4, {0, 1, 2, 3, 3, 0}, 6 * 3);
  check(process::absorbing<>(4), 5, {4, 1, 4, 2, 4, 0}, 3 * 4);
  check(process::absorbing<>(4, 1), 4, {1, 2, 3, 1, 1, 1}, 4 * 3);
}

TEST_CASE("classified: branch 0 is the network and branch 1 the table") {
  process::uniform<> const p(4);
  denoiser::joint_table const network(p, 4, 1, {0.1, 0.2, 0.3, 0.4});
  auto const table = [](auto const&, auto, query const& q, batch_view<float> out) {
    for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = static_cast<float>(q.branch);
  };
  denoiser::classified const d{network, table};
  static_assert(branches_of<decltype(d)> == 2 && gives_log_ratios<std::decay_t<decltype(d)>>);
  codes const x{0, 1};
  std::vector<float> a(8), b(8), want(8);
  batch_view<std::int32_t const> const view{x.data(), 2, 1};
  query q;
  q.at = p.at(0.5);
  network(exec::host{}, view, q, batch_view<float>{want.data(), 2, 4});
  d(exec::host{}, view, q, batch_view<float>{a.data(), 2, 4});
  q.branch = 1;
  d(exec::host{}, view, q, batch_view<float>{b.data(), 2, 4});
  CHECK(a == want);
  CHECK(b == std::vector<float>(8, 1.0f));
}

TEST_CASE("exact_ratios refuses no rows a call, and what is no log-probability") {
  process::uniform<> const p(2);
  codes const x{0, 1};
  std::vector<double> out(4);
  for (double const bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    denoiser::exact_ratios const table{
        p, [&](auto const&, auto, std::span<std::int64_t const> samples, query const&,
               std::span<double> log_p) {
          for (std::size_t r = 0; r < log_p.size(); ++r) log_p[r] = samples[r] == 8 ? bad : -1.0;
        }};
    CHECK_THROWS_WITH_AS(table(exec::host{}, batch_view<std::int32_t const>{x.data(), 2, 1, 7},
                               query{}, batch_view<double>{out.data(), 2, 2, 7}),
                         doctest::Contains("sample 8"), error);
  }
  auto const no_rows = [&] { denoiser::exact_ratios const t{p, linear_gradient{2}, 0}; };
  CHECK_THROWS_WITH_AS(no_rows(), doctest::Contains("rows = 0"), error);
}

}  // namespace
