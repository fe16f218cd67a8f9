#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/domain/relational/draws.hpp>
#include <diffx/domain/relational/points.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diffx::domain::relational {

struct cluster_options {
  int clusters = 50;
  int max_iterations = 100;
  double tolerance = 1e-4;       // of the mean log-likelihood per row (Gaussian mixture)
  double least_variance = 1e-6;  // added to every variance
};

/// Points in clusters. There are fewer than asked for if there are fewer different points.
struct clustering {
  std::vector<std::int64_t> labels;  // of every point, in [0, clusters)
  std::int64_t clusters = 0;
  std::vector<double> means;      // [clusters, width]
  std::vector<double> variances;  // [clusters, width]; of a Gaussian mixture
  std::vector<double> weights;    // of a Gaussian mixture
  int iterations = 0;
  bool converged = false;
  double objective = 0.0;  // sum of squared distances; mean log-likelihood
};

}  // namespace diffx::domain::relational

namespace diffx::detail {

inline void check_clusters(std::string_view where, batch_view<double const> x,
                           domain::relational::cluster_options const& o) {
  require(x.batch >= 1, where, "rows", static_cast<long long>(x.batch), "at least 1");
  require(o.clusters >= 1, where, "clusters", o.clusters, "at least 1");
  require(o.max_iterations >= 1, where, "max_iterations", o.max_iterations, "at least 1");
  require(o.tolerance >= 0.0, where, "tolerance", o.tolerance, "at least 0");
  require(o.least_variance > 0.0, where, "least_variance", o.least_variance, "above 0");
  require_points(where, x);
}

/// k-means++: each centre is a point drawn with probability proportional to its squared distance
/// from the centres before.
inline std::vector<double> seed_centres(batch_view<double const> x, int clusters,
                                        domain::relational::draws const& random) {
  std::vector<double> out;
  std::vector<double> nearest(static_cast<std::size_t>(x.batch), INFINITY);
  std::int64_t next = random.below(x.batch, 0);
  for (int c = 0; c < clusters; ++c) {
    double const* const centre = x.row(next);
    out.insert(out.end(), centre, centre + x.features);
    double total = 0.0;
    for (std::int64_t i = 0; i < x.batch; ++i) {
      double& d = nearest[static_cast<std::size_t>(i)];
      d = std::min(d, squared_distance(x.row(i), centre, x.features));
      total += d;
    }
    if (total == 0.0) break;
    double rest = random.uniform(c + 1) * total;
    next = -1;
    for (std::int64_t i = 0; i < x.batch && (next < 0 || rest > 0.0); ++i) {
      double const d = nearest[static_cast<std::size_t>(i)];
      if (d > 0.0) next = i;  // the last one of them if rounding leaves a rest
      rest -= d;
    }
  }
  return out;
}

}  // namespace diffx::detail

namespace diffx::domain::relational {

/// Lloyd's k-means from k-means++ seeds. A point goes to the nearest centre, of equal ones to the
/// first; a centre that loses all its points stays where it is.
///
/// Source    Arthur & Vassilvitskii 2007 (k-means++).
/// Time      rows x clusters x width in each iteration.
/// Errors    no rows, features that are not finite, options out of range: throws diffx::error.
inline clustering k_means(batch_view<double const> x, cluster_options const& o,
                          draws const& random) {
  detail::check_clusters("diffx::domain::relational::k_means", x, o);
  clustering out;
  out.means = detail::seed_centres(x, o.clusters, random);
  std::int64_t const w = x.features;
  out.clusters = w == 0 ? 1 : static_cast<std::int64_t>(out.means.size()) / w;
  out.labels.assign(static_cast<std::size_t>(x.batch), -1);
  while (out.iterations < o.max_iterations && !out.converged) {
    ++out.iterations;
    out.converged = true;
    out.objective = 0.0;
    std::vector<double> sums(out.means.size(), 0.0);
    std::vector<std::int64_t> counts(static_cast<std::size_t>(out.clusters), 0);
    for (std::int64_t i = 0; i < x.batch; ++i) {
      std::int64_t best = 0;
      double least = INFINITY;
      for (std::int64_t c = 0; c < out.clusters; ++c) {
        double const d = detail::squared_distance(x.row(i), out.means.data() + c * w, w);
        if (d < least) {
          least = d;
          best = c;
        }
      }
      auto& label = out.labels[static_cast<std::size_t>(i)];
      out.converged = out.converged && label == best;
      label = best;
      out.objective += least;
      ++counts[static_cast<std::size_t>(best)];
      for (std::int64_t j = 0; j < w; ++j) {
        sums[static_cast<std::size_t>(best * w + j)] += x.row(i)[j];
      }
    }
    for (std::int64_t c = 0; c < out.clusters; ++c) {
      auto const n = counts[static_cast<std::size_t>(c)];
      for (std::int64_t j = c * w; n > 0 && j < (c + 1) * w; ++j) {
        auto const k = static_cast<std::size_t>(j);
        out.means[k] = sums[k] / static_cast<double>(n);
      }
    }
  }
  return out;
}

/// A mixture of Gaussians with diagonal covariances by EM, from the clusters of k_means. A point's
/// label is its most probable component, of equal ones the first.
///
/// Source    the clustering of Pang et al. 2024 (ClavaDDPM), arXiv:2405.17724.
/// Time      rows x clusters x width in each iteration; memory of rows x clusters numbers.
/// Errors    as of k_means.
inline clustering diagonal_gmm(batch_view<double const> x, cluster_options const& o,
                               draws const& random) {
  clustering out = k_means(x, o, random);
  auto const k = static_cast<std::size_t>(out.clusters);
  auto const w = static_cast<std::size_t>(x.features);
  auto const rows = static_cast<std::size_t>(x.batch);
  std::vector<double> share(rows * k, 0.0);  // responsibilities
  for (std::size_t i = 0; i < rows; ++i) {
    share[i * k + static_cast<std::size_t>(out.labels[i])] = 1.0;
  }
  out.variances.resize(k * w);
  out.weights.resize(k);
  auto const maximise = [&] {
    for (std::size_t c = 0; c < k; ++c) {
      double n = 0.0;
      for (std::size_t i = 0; i < rows; ++i) n += share[i * k + c];
      out.weights[c] = n / static_cast<double>(rows);
      for (std::size_t j = 0; j < w; ++j) {
        double mean = 0.0, square = 0.0;
        for (std::size_t i = 0; i < rows && n > 0.0; ++i) {
          mean += share[i * k + c] * x.data[i * w + j] / n;
        }
        for (std::size_t i = 0; i < rows && n > 0.0; ++i) {
          double const d = x.data[i * w + j] - mean;
          square += share[i * k + c] * d * d / n;
        }
        if (n > 0.0) out.means[c * w + j] = mean;
        out.variances[c * w + j] = square + o.least_variance;
      }
    }
  };
  auto const expect = [&] {
    double total = 0.0;
    for (std::size_t i = 0; i < rows; ++i) {
      double* const log_p = share.data() + i * k;
      for (std::size_t c = 0; c < k; ++c) {
        double s = std::log(out.weights[c]);
        for (std::size_t j = 0; j < w; ++j) {
          double const d = x.data[i * w + j] - out.means[c * w + j];
          double const v = out.variances[c * w + j];
          s -= 0.5 * (d * d / v + std::log(2.0 * 3.14159265358979323846 * v));
        }
        log_p[c] = s;
      }
      auto const most = std::max_element(log_p, log_p + k);
      out.labels[i] = most - log_p;
      double const top = *most;
      double sum = 0.0;
      for (std::size_t c = 0; c < k; ++c) sum += std::exp(log_p[c] - top);
      double const log_sum = top + std::log(sum);
      for (std::size_t c = 0; c < k; ++c) log_p[c] = std::exp(log_p[c] - log_sum);
      total += log_sum / static_cast<double>(rows);
    }
    return total;
  };
  out.converged = false;
  double before = -INFINITY;
  for (out.iterations = 0; out.iterations < o.max_iterations && !out.converged; ++out.iterations) {
    maximise();
    out.objective = expect();
    out.converged = std::fabs(out.objective - before) < o.tolerance;
    before = out.objective;
  }
  return out;
}

/// The label that most rows of each group have, of equally many the lowest. A group without rows
/// has the label after the largest of the others.
///
/// Source    Pang et al. 2024 (ClavaDDPM), arXiv:2405.17724.
/// Shapes    row_labels of one group after another; group_lengths adds up to them.
/// Errors    negative labels or lengths, lengths that add up to something else: throws
///           diffx::error.
inline std::vector<std::int64_t> vote(std::span<std::int64_t const> row_labels,
                                      std::span<std::int64_t const> group_lengths) {
  constexpr auto where = "diffx::domain::relational::vote";
  std::int64_t rows = 0, most = -1;
  for (std::int64_t const n : group_lengths) {
    detail::require(n >= 0, where, "length", static_cast<long long>(n), "at least 0");
    rows += n;
  }
  detail::require(rows == static_cast<std::int64_t>(row_labels.size()), where, "sum of the lengths",
                  static_cast<long long>(rows),
                  "the number of rows, " + std::to_string(row_labels.size()));
  std::vector<std::int64_t> out, group;
  auto first = row_labels.begin();
  for (std::int64_t const n : group_lengths) {
    group.assign(first, first + n);
    first += n;
    std::sort(group.begin(), group.end());
    std::int64_t best = -1, votes = 0;
    for (auto at = group.begin(); at != group.end();) {
      detail::require(*at >= 0, where, "label", static_cast<long long>(*at), "at least 0");
      auto const end = std::upper_bound(at, group.end(), *at);
      if (end - at > votes) {
        votes = end - at;
        best = *at;
      }
      at = end;
    }
    out.push_back(best);
    most = std::max(most, best);
  }
  for (std::int64_t& label : out) label = label < 0 ? most + 1 : label;
  return out;
}

}  // namespace diffx::domain::relational
