#pragma once

// Chains of classes on a space so small that every law is exact: 3 data classes, 3 positions.

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/sampler.hpp>

#include "statistics.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

namespace test::chains {

using codes = std::vector<std::int32_t>;
using weights = std::vector<double>;
inline constexpr int length = 3, classes = 3;

/// A law of the data in which every position depends on the others.
inline weights data_weights() {
  weights w;
  for (int i = 0; i < 27; ++i) w.push_back(1.0 + (i * i * 5 + 3 * i) % 11);
  return w;
}
inline weights normalised(weights p) {
  double const total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& v : p) v /= total;
  return p;
}

/// The number of states of a position: the mask is one more.
template <class Process>
int states_of(Process const& p) {
  auto const law = p.limit();
  return law.mask == law.classes ? law.classes + 1 : law.classes;
}
inline int power(int states) { return states * states * states; }
inline std::array<std::int32_t, length> codes_of(int index, int states) {
  return {index / (states * states), index / states % states, index % states};
}

/// No posterior of anything: classes that a visible position excludes have a great deal.
struct hostile {
  diffx::prediction::x0_posterior<double> prediction{};
  template <class Exec>
  void operator()(Exec const&, diffx::batch_view<std::int32_t const> x, diffx::query const&,
                  diffx::batch_view<double> out) const {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      int const q = (x.row(i)[0] * 4 + x.row(i)[1]) * 4 + x.row(i)[2];
      for (int l = 0; l < length; ++l) {
        for (int v = 0; v < classes; ++v) {
          out.row(i)[l * classes + v] = (7 * q + 11 * l + 5 * v + q * v) % 13 / 4.0;
        }
      }
    }
  }
};

/// The logits of one state; NaN where the data cannot lead to it, so that no run gets there.
template <class Network, class T = typename decltype(Network::prediction)::value_type>
std::vector<T> logits_of(Network const& d, int index, int states, diffx::level const& at) {
  auto const x = codes_of(index, states);
  std::vector<T> out(length * classes, std::numeric_limits<T>::quiet_NaN());
  diffx::query q;
  q.at = at;
  try {
    d(diffx::exec::host{}, diffx::batch_view<std::int32_t const>{x.data(), 1, length}, q,
      diffx::batch_view<T>{out.data(), 1, length * classes});
  } catch (diffx::error const&) {
  }
  return out;
}

/// Logits of every state, computed once for every evaluation.
template <class Inner>
struct memoised {
  decltype(Inner::prediction) prediction;
  Inner const* inner;
  int states;
  using logit = typename decltype(Inner::prediction)::value_type;
  mutable int asked = -1;
  mutable std::vector<std::vector<logit>> table{};

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<std::int32_t const> x, diffx::query const& q,
                  diffx::batch_view<logit> out) const {
    if (int const now = q.step * 1000 + q.stage; now != asked) {
      asked = now;
      table.clear();
      for (int i = 0; i < power(states); ++i) table.push_back(logits_of(*inner, i, states, q.at));
    }
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      auto const* const c = x.row(i);
      auto const& row = table[static_cast<std::size_t>((c[0] * states + c[1]) * states + c[2])];
      std::copy(row.begin(), row.end(), out.row(i));
    });
  }
};
template <class Inner>
memoised<Inner> memo(Inner const& inner, int states) {
  return {inner.prediction, &inner, states};
}

/// The softmax of one position, without the mask.
template <class T>
weights softmax(std::vector<T> const& logits, int position) {
  weights p;
  for (int v = 0; v < classes; ++v) {
    p.push_back(
        std::exp(static_cast<double>(logits[static_cast<std::size_t>(position * classes + v)])));
  }
  return normalised(p);
}

/// The law of the start: every position from the limit law.
template <class Process>
weights start_law(Process const& p) {
  int const states = states_of(p);
  weights law;
  for (int i = 0; i < power(states); ++i) {
    double q = 1.0;
    for (auto const c : codes_of(i, states)) q *= p.limit().probability(c);
    law.push_back(q);
  }
  return law;
}

/// One step of the exact chain: kernel(codes, probabilities of each position) gives the law of each
/// position after the step, given the state.
template <class Network, class Kernel>
weights propagated(weights const& law, Network const& d, int states, diffx::level const& at,
                   Kernel const& kernel) {
  weights out(law.size(), 0.0);
  for (std::size_t i = 0; i < law.size(); ++i) {
    if (law[i] == 0.0) continue;
    auto const logits = logits_of(d, static_cast<int>(i), states, at);
    std::array<weights, length> p;
    for (int l = 0; l < length; ++l) p[static_cast<std::size_t>(l)] = softmax(logits, l);
    std::array<weights, length> const k = kernel(codes_of(static_cast<int>(i), states), p);
    for (std::size_t j = 0; j < out.size(); ++j) {
      auto const to = codes_of(static_cast<int>(j), states);
      double q = law[i];
      for (std::size_t l = 0; l < length; ++l) q *= k[l][static_cast<std::size_t>(to[l])];
      out[j] += q;
    }
  }
  return out;
}

/// The same for positions that do not look at each other.
template <class Kernel>
auto each(Kernel const& kernel) {
  return [kernel](std::array<std::int32_t, length> const& x, std::array<weights, length> const& p) {
    std::array<weights, length> out;
    for (std::size_t l = 0; l < length; ++l) out[l] = kernel(x[l], p[l]);
    return out;
  };
}

/// The probabilities of the states of data alone; the rest must be none.
inline weights data_part(weights const& law, int states) {
  weights out;
  double rest = 0.0;
  for (std::size_t i = 0; i < law.size(); ++i) {
    auto const x = codes_of(static_cast<int>(i), states);
    bool const data = std::all_of(x.begin(), x.end(), [](int c) { return c < classes; });
    if (data) {
      out.push_back(law[i]);
    } else {
      rest += law[i];
    }
  }
  CHECK(rest < 1e-14);
  return normalised(out);
}

inline double total_variation(weights const& a, weights const& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += 0.5 * std::abs(a[i] - b[i]);
  return sum;
}

/// How often a run ends in each state of data.
template <class Sampler, class Denoiser>
std::vector<std::int64_t> counts(Sampler const& s, Denoiser const& d, diffx::timetable const& g,
                                 std::int64_t n, std::uint64_t seed) {
  codes x(static_cast<std::size_t>(n * length));
  s.sample(diffx::exec::threads{2}, d, g, diffx::batch_view<std::int32_t>{x.data(), n, length},
           diffx::options{diffx::noise::counted{seed}});
  REQUIRE(std::all_of(x.begin(), x.end(), [](int c) { return c >= 0 && c < classes; }));
  std::vector<std::int64_t> count(27, 0);
  for (std::size_t i = 0; i < x.size(); i += length) {
    ++count[static_cast<std::size_t>(x[i] * 9 + x[i + 1] * 3 + x[i + 2])];
  }
  return count;
}

/// Same bits for any split of the batch, any number of threads, forks apart, and after a checkpoint
/// at every step and at every stage.
template <class Sampler, class Denoiser>
void keeps_its_promises(Sampler const& s, Denoiser const& d, int steps) {
  using view = diffx::batch_view<std::int32_t>;
  auto const g = diffx::grid::uniform_t(s.process, steps);
  constexpr std::int64_t n = 40;
  diffx::options const opts{diffx::noise::counted{5}};
  diffx::exec::host const host;
  codes whole(n * length), split(n * length), many(n * length);
  auto const report = s.sample(host, d, g, view{whole.data(), n, length}, opts);
  s.sample(diffx::exec::threads{4}, d, g, view{many.data(), n, length}, opts);
  for (std::int64_t first = 0; first < n; first += 7) {
    std::int64_t const count = std::min<std::int64_t>(7, n - first);
    s.sample(host, d, g, view{split.data() + first * length, count, length, first}, opts);
  }
  CHECK(whole == many);
  CHECK(whole == split);
  for (int stop = 0; stop <= report.evaluations; ++stop) {
    codes x(n * length), y(n * length, 9), z(n * length, -1);
    view const vx{x.data(), n, length}, vy{y.data(), n, length}, vz{z.data(), n, length};
    diffx::detail::workspace const mx(s.workspace_size(host, d, vx)),
        my(s.workspace_size(host, d, vx)), mz(s.workspace_size(host, d, vx));
    auto a = s.start(host, d, g, vx, mx.span(), opts);
    for (int i = 0; i < stop; ++i) a.advance_stage();
    auto b = s.start(host, d, g, vy, my.span(), opts);
    b.resume(a.checkpoint());
    auto c = a.fork(1, std::tuple{vz}, mz.span());
    a.finish();
    b.finish();
    c.finish();
    CHECK(x == whole);
    CHECK(y == whole);
    CHECK((z == whole) == (stop == report.evaluations));
  }
}

/// A row of given logits.
template <class T = double>
diffx::detail::class_row<T, 1> row_of(std::vector<T> const& logits, int excluded = -1) {
  diffx::detail::class_row<T, 1> row;
  row.source[0] = logits.data();
  row.weight[0] = T(1);
  row.classes = static_cast<int>(logits.size());
  row.excluded = excluded;
  return row;
}

/// The words whose unit_uniform is nearest to u.
inline std::array<std::uint32_t, 2> words_of(double u) {
  auto const bits = static_cast<std::uint64_t>(u * 0x1p52) << 12;
  return {static_cast<std::uint32_t>(bits >> 32), static_cast<std::uint32_t>(bits)};
}

/// Words that hold given uniforms, two a block.
struct given_words {
  std::vector<double> u;
  diffx::random::words4 operator()(int block) const {
    auto const at = static_cast<std::size_t>(2 * block);
    auto const a = words_of(u.at(at)), b = words_of(u.at(at + 1));
    return {{a[0], a[1], b[0], b[1]}};
  }
};

/// Extreme words: all bits 0 and all bits 1, in every combination of the first three blocks.
template <class F>
void for_extreme_words(F const& f) {
  for (int bits = 0; bits < 64; ++bits) {
    f([bits](int block) {
      std::uint32_t const a = (bits >> (2 * block) & 1) != 0 ? 0xffffffffu : 0u;
      std::uint32_t const b = (bits >> (2 * block + 1) & 1) != 0 ? 0xffffffffu : 0u;
      return diffx::random::words4{{a, a, b, b}};
    });
  }
}

}  // namespace test::chains
