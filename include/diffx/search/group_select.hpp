#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/noise.hpp>
#include <diffx/config.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diffx::search {

/// What the third moments of a group are summed over.
enum class skewness_axis : std::uint8_t {
  samples,     // the skewness of every column: 0 for a group that looks normal
  dimensions,  // over the columns of every sample, with the number of columns for that of samples:
               // what the published code computes
};

/// How far the moments of a group of n samples are from those of a normal law with independent
/// columns; lower is better:
///
///     |mean_g - mean| + |deviation_g - deviation| + skewness_weight |skewness_g|
///     skewness = n / ((n - 1) (n - 2)) sum ((x - mean_g) / deviation_g)^3
///
/// with Euclidean norms and deviations of divisor n - 1. Columns are taken tile by tile, so that a
/// group is read where it was made.
///
/// Source    Zhao et al. 2025 (D3HR), arXiv:2505.18399.
/// Errors    fewer than 3 samples (or columns, for skewness_axis::dimensions), skewness_weight < 0,
///           a column in which the group is constant, a variance of the law that is not positive:
///           throws diffx::error.
struct moments_score {
  double skewness_weight = 0.1;
  skewness_axis axis = skewness_axis::samples;

  /// The three norms.
  struct terms {
    double mean = 0.0, deviation = 0.0, skewness = 0.0;
  };

  static constexpr int tile = 64;  // columns at once

  /// What is known of a group from the columns so far.
  struct sums {
    double mean = 0.0, deviation = 0.0, skewness = 0.0;  // squares
    std::vector<double> cubes;                           // [samples], for skewness_axis::dimensions
  };

  double operator()(terms const& t) const noexcept {
    return t.mean + t.deviation + skewness_weight * t.skewness;
  }

  /// The norms of a group [n, width].
  terms of(batch_view<double const> group, std::span<double const> mean,
           std::span<double const> variance) const {
    check(group.batch, group.features);
    for (std::size_t const n : {mean.size(), variance.size()}) {
      detail::require(
          static_cast<std::int64_t>(n) == group.features, where, "moments of the law",
          static_cast<long long>(n),
          "those of the columns, " + detail::text(static_cast<long long>(group.features)));
    }
    for (double const v : variance) {
      detail::require(v > 0.0, where, "variance", v, "positive");
    }
    sums s;
    begin(s, group.batch);
    for (std::int64_t first = 0; first < group.features; first += tile) {
      auto const columns = static_cast<int>(std::min<std::int64_t>(tile, group.features - first));
      add(s, group.data + first, group.features, group.batch, columns, mean.data() + first,
          variance.data() + first);
    }
    return finish(s, group.features);
  }

  void check(std::int64_t samples, std::int64_t columns) const {
    detail::require(samples >= 3, where, "samples of a group", static_cast<long long>(samples),
                    "at least 3: fewer have no skewness");
    detail::require(columns >= (axis == skewness_axis::dimensions ? 3 : 1), where, "columns",
                    static_cast<long long>(columns),
                    axis == skewness_axis::dimensions ? "at least 3" : "at least 1");
    detail::require(skewness_weight >= 0.0 && std::isfinite(skewness_weight), where,
                    "skewness_weight", skewness_weight, "at least 0 and finite");
  }

  void begin(sums& s, std::int64_t samples) const {
    s.mean = s.deviation = s.skewness = 0.0;
    s.cubes.assign(axis == skewness_axis::dimensions ? static_cast<std::size_t>(samples) : 0, 0.0);
  }

  /// Takes at most `tile` columns: x[i * stride + j] is column j of sample i.
  void add(sums& s, double const* x, std::int64_t stride, std::int64_t samples, int columns,
           double const* mean, double const* variance) const {
    double m[tile] = {}, m2[tile] = {}, m3[tile] = {};
    auto const n = static_cast<double>(samples);
    for (std::int64_t i = 0; i < samples; ++i) {
      for (int j = 0; j < columns; ++j) m[j] += x[i * stride + j];
    }
    for (int j = 0; j < columns; ++j) m[j] /= n;
    for (std::int64_t i = 0; i < samples; ++i) {
      for (int j = 0; j < columns; ++j) {
        double const d = x[i * stride + j] - m[j];
        m2[j] = detail::fma(d, d, m2[j]);
        m3[j] = detail::fma(d * d, d, m3[j]);
      }
    }
    for (int j = 0; j < columns; ++j) {
      double const of_group = m2[j] / (n - 1.0), deviation = std::sqrt(of_group);
      if (!(of_group > 0.0)) {
        detail::fail(
            "diffx::search::moments_score: the group is constant in a column, or no "
            "number: it has no skewness there");
      }
      double const off = m[j] - mean[j], wide = deviation - std::sqrt(variance[j]);
      double const skewness = n / ((n - 1.0) * (n - 2.0)) * m3[j] / (of_group * deviation);
      s.mean = detail::fma(off, off, s.mean);
      s.deviation = detail::fma(wide, wide, s.deviation);
      s.skewness = detail::fma(skewness, skewness, s.skewness);
      m3[j] = 1.0 / deviation;
    }
    for (std::size_t i = 0; i < s.cubes.size(); ++i) {
      for (int j = 0; j < columns; ++j) {
        double const z = (x[static_cast<std::int64_t>(i) * stride + j] - m[j]) * m3[j];
        s.cubes[i] = detail::fma(z * z, z, s.cubes[i]);
      }
    }
  }

  terms finish(sums const& s, std::int64_t width) const {
    if (axis == skewness_axis::samples) {
      return {std::sqrt(s.mean), std::sqrt(s.deviation), std::sqrt(s.skewness)};
    }
    auto const d = static_cast<double>(width);
    double squares = 0.0;
    for (double const c : s.cubes) squares += c * c;
    return {std::sqrt(s.mean), std::sqrt(s.deviation),
            d / ((d - 1.0) * (d - 2.0)) * std::sqrt(squares)};
  }

 private:
  static constexpr std::string_view where = "diffx::search::moments_score";
};

/// The best of many groups of samples, as a search over whole sets: each group is drawn from a
/// normal law with independent columns, scored and forgotten; only the number of the best is kept.
///
/// Group g draws its samples from the addresses g size ... g size + size - 1 of the noise, so it is
/// drawn again from its number, and which is best depends on neither `batch` nor threads. Of equal
/// scores the first stays. Searches over [0, m) and [m, n) are one over [0, n).
///
/// It has no sampler: its groups are starts for one, from a level at which the data look normal
/// (analysis::running_moments of states that solver::ddim_inverse took there).
///
/// Cost      no network evaluation; groups x size x width draws.
/// Source    Zhao et al. 2025 (D3HR), arXiv:2505.18399.
/// Shapes    mean, variance [width]; a group [size, width].
/// Errors    groups < 1, first < 0, batch < 1, too many samples for the noise, lists of different
///           lengths or of none, a variance that is not positive, and what the score refuses:
///           throws diffx::error.
template <class Score = moments_score>
struct group_select {
  static constexpr std::string_view name = "search::group_select";
  static constexpr std::string_view source = "arXiv:2505.18399";

  std::int64_t groups = 10000;
  int size = 10;
  Score score{};
  std::int64_t first = 0;     // the number of the first group
  std::int64_t batch = 1024;  // scores in memory at once

  struct choice {
    std::int64_t group = -1;
    double score = std::numeric_limits<double>::infinity();
  };

  template <class Exec = exec::host, noise_source Noise = noise::counted>
  choice run(std::span<double const> mean, std::span<double const> variance, Noise const& noise,
             Exec const& exec = {}) const {
    static_assert(Exec::on_host, "diffx: group_select scores groups in host memory.");
    check(mean, variance);
    auto const deviation = roots(variance);
    std::vector<double> scores(static_cast<std::size_t>(std::min(batch, groups)));
    choice best;
    for (std::int64_t begin = 0; begin < groups; begin += batch) {
      std::int64_t const n = std::min(batch, groups - begin);
      exec.for_each_sample(n, [&](std::int64_t i) {
        scores[static_cast<std::size_t>(i)] =
            score_of(first + begin + i, mean, variance, deviation, noise);
      });
      for (std::int64_t i = 0; i < n; ++i) {
        double const s = scores[static_cast<std::size_t>(i)];
        if (std::isnan(s)) {
          detail::fail("diffx::search::group_select: the score of group " +
                       detail::text(static_cast<long long>(first + begin + i)) + " is NaN");
        }
        if (s < best.score || best.group < 0) best = {first + begin + i, s};
      }
    }
    return best;
  }

  /// The samples of one group, [size, width].
  template <noise_source Noise>
  std::vector<double> draw(std::int64_t group, std::span<double const> mean,
                           std::span<double const> variance, Noise const& noise) const {
    check(mean, variance);
    detail::require(group >= 0 && group <= noise::max_sample / size - 1, where, "group",
                    static_cast<long long>(group), "a group that the noise has samples for");
    auto const deviation = roots(variance);
    auto const width = static_cast<std::int64_t>(mean.size());
    std::vector<double> out(static_cast<std::size_t>(size * width));
    for (std::int64_t at = 0; at < width; at += tile) {
      auto const columns = static_cast<int>(std::min<std::int64_t>(tile, width - at));
      fill(group, mean, deviation, noise, at, columns, out.data() + at, width);
    }
    return out;
  }

 private:
  static constexpr std::string_view where = "diffx::search::group_select";
  static constexpr int tile = Score::tile;
  static_assert(tile % 4 == 0, "diffx: noise is addressed by groups of four columns.");

  void check(std::span<double const> mean, std::span<double const> variance) const {
    detail::require(groups >= 1, where, "groups", static_cast<long long>(groups), "at least 1");
    detail::require(batch >= 1, where, "batch", static_cast<long long>(batch), "at least 1");
    detail::require(size >= 1, where, "size", size, "at least 1");
    detail::require(first >= 0 && first <= noise::max_sample / size - groups, where, "first",
                    static_cast<long long>(first),
                    "at least 0, with at most 2^56 - 1 samples up to the last group's");
    score.check(size, static_cast<std::int64_t>(mean.size()));
    detail::require(variance.size() == mean.size(), where, "variance.size()",
                    static_cast<long long>(variance.size()),
                    "mean.size() = " + std::to_string(mean.size()));
    for (std::size_t j = 0; j < mean.size(); ++j) {
      detail::require(std::isfinite(mean[j]), where, "mean[" + std::to_string(j) + "]", mean[j],
                      "finite");
      detail::require(variance[j] > 0.0 && std::isfinite(variance[j]), where,
                      "variance[" + std::to_string(j) + "]", variance[j], "positive and finite");
    }
  }

  static std::vector<double> roots(std::span<double const> variance) {
    std::vector<double> out;
    for (double const v : variance) out.push_back(std::sqrt(v));
    return out;
  }

  template <class Noise>
  void fill(std::int64_t group, std::span<double const> mean, std::vector<double> const& deviation,
            Noise const& noise, std::int64_t at, int columns, double* out,
            std::int64_t stride) const {
    for (int i = 0; i < size; ++i) {
      double* const row = out + i * stride;
      noise.fill(noise::key{noise::prior_step, 0, 0, 1.0, 1.0}, group * size + i, at, columns, row);
      for (int j = 0; j < columns; ++j) {
        auto const k = static_cast<std::size_t>(at + j);
        row[j] = detail::fma(deviation[k], row[j], mean[k]);
      }
    }
  }

  template <class Noise>
  double score_of(std::int64_t group, std::span<double const> mean,
                  std::span<double const> variance, std::vector<double> const& deviation,
                  Noise const& noise) const {
    auto const width = static_cast<std::int64_t>(mean.size());
    std::vector<double> x(static_cast<std::size_t>(size) * tile);
    typename Score::sums sums;
    score.begin(sums, size);
    for (std::int64_t at = 0; at < width; at += tile) {
      auto const columns = static_cast<int>(std::min<std::int64_t>(tile, width - at));
      fill(group, mean, deviation, noise, at, columns, x.data(), tile);
      score.add(sums, x.data(), tile, size, columns, mean.data() + at, variance.data() + at);
    }
    return score(score.finish(sums, width));
  }
};

}  // namespace diffx::search
