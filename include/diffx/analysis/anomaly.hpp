#pragma once

#include <diffx/analysis/nearest_rows.hpp>
#include <diffx/analysis/time_posterior.hpp>
#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// How anomalous rows are: how far up the noising of the training rows they look to be, higher
/// being more anomalous. Numbers should be of like size, with deviation near 1
/// (domain::table::standard): the noise of the usual schedules ends at a variance below 1.
///
/// Source    Livernoche et al. 2024, arXiv:2305.18593 (DTE).
/// Shapes    rows [rows, width] as domain::table::encoded::numbers_view gives them; a score a
///           row.
namespace diffx::analysis::anomaly {

/// What of the posterior of the step is the score.
enum class time_estimate : std::uint8_t {
  mean,  // real: few ties
  mode,  // the reference's: an integer
};

/// DTE-NP, without a network: the posterior of the step given the distance to the training rows,
/// squared and averaged over the k nearest.
///
///     scale = mean of the k smallest |x - x_i|^2 / 2
///
/// The ranking is that of the distance until the posterior saturates at the last step.
///
/// Cost      no network evaluation; rows x training rows x width.
/// Errors    k outside [1, training rows], width <= 2, numbers that are not finite, rows of another
///           width: throws diffx::error.
template <class T>
class dte_non_parametric {
 public:
  static constexpr std::string_view name = "analysis::anomaly::dte_non_parametric";
  static constexpr std::string_view source = "arXiv:2305.18593";

  dte_non_parametric(batch_view<T const> train, schedule::alpha_bar_table const& table, int k = 5)
      : dte_non_parametric(train, time_posterior(table, train.features), k) {}
  dte_non_parametric(batch_view<T const> train, time_posterior posterior, int k = 5)
      : posterior_(std::move(posterior)), train_(train), k_(k) {
    constexpr auto where = "diffx::analysis::anomaly::dte_non_parametric";
    detail::require(
        k >= 1 && k <= train_.rows(), where, "k", k,
        "in [1, " + detail::text(static_cast<long long>(train_.rows())) + "], the training rows");
    detail::require(inverse_gamma::shape_of(where, train.features) == posterior_.shape(), where,
                    "shape of the posterior", posterior_.shape(), "width / 2 - 1");
  }

  time_posterior const& posterior() const noexcept { return posterior_; }

  /// Of every row, the mean of the squared distances to its k nearest training rows.
  template <class Exec = exec::host>
  std::vector<double> squared_distances(batch_view<T const> rows, Exec const& exec = {}) const {
    auto const nearest = train_.squared(rows, k_, exec);
    std::vector<double> out(static_cast<std::size_t>(rows.batch));
    auto d = nearest.begin();
    for (double& mean : out) {
      double sum = 0.0;
      for (int i = 0; i < k_; ++i) sum += static_cast<double>(*d++);
      mean = sum / k_;
    }
    return out;
  }

  template <class Exec = exec::host>
  std::vector<double> scores(batch_view<T const> rows, time_estimate estimate = time_estimate::mean,
                             Exec const& exec = {}) const {
    auto out = squared_distances(rows, exec);
    exec.for_each_sample(rows.batch, [&](std::int64_t i) {
      double& x = out[static_cast<std::size_t>(i)];
      x = estimate == time_estimate::mean ? posterior_.mean(0.5 * x) : posterior_.mode(0.5 * x);
    });
    return out;
  }

 private:
  time_posterior posterior_;
  nearest_rows<T> train_;
  int k_;
};

template <class T>
dte_non_parametric(batch_view<T const>, schedule::alpha_bar_table const&, int = 5)
    -> dte_non_parametric<T>;
template <class T>
dte_non_parametric(batch_view<T const>, time_posterior, int = 5) -> dte_non_parametric<T>;

/// The class of step t for DTE-C, of `bins` equal parts of T steps: floor(t bins / T).
///
/// Errors    bins < 2, T < 1, t outside [0, T): throws diffx::error.
inline int time_bin(int t, int steps, int bins) {
  constexpr auto where = "diffx::analysis::anomaly::time_bin";
  detail::require(bins >= 2, where, "bins", bins, "at least 2");
  detail::require(steps >= 1, where, "steps", steps, "at least 1");
  detail::require(t >= 0 && t < steps, where, "t", t, "in [0, steps)");
  return static_cast<int>(std::int64_t{t} * bins / steps);
}

/// DTE-C: the expected bin of a classifier of steps, sum_b b p_b with p the softmax of its logits.
/// A network that ends in a softmax itself gives the logarithm of its output.
///
/// Cost      1 network evaluation a row, which the caller makes: x -> logits, without a time.
/// Shapes    logits [rows, bins].
/// Errors    fewer than 2 bins, or logits that are no distribution (NaN, +inf, all -inf): throws
///           diffx::error.
template <class T>
std::vector<double> dte_categorical(batch_view<T const> logits) {
  constexpr auto where = "diffx::analysis::anomaly::dte_categorical";
  detail::require(logits.features >= 2, where, "bins", static_cast<long long>(logits.features),
                  "at least 2");
  std::vector<double> out;
  for (std::int64_t i = 0; i < logits.batch; ++i) {
    T const* const z = logits.row(i);
    double const most = static_cast<double>(*std::max_element(z, z + logits.features));
    double total = 0.0, sum = 0.0;
    for (std::int64_t b = 0; b < logits.features; ++b) {
      double const p = std::exp(static_cast<double>(z[b]) - most);
      total += p;
      sum += static_cast<double>(b) * p;
    }
    if (!std::isfinite(sum / total)) {
      detail::fail(std::string(where) + ": the logits of row " +
                   detail::text(static_cast<long long>(i)) + " are no distribution");
    }
    out.push_back(sum / total);
  }
  return out;
}

/// What DTE-IG makes a score of.
enum class scale_estimate : std::uint8_t {
  scale,   // s^2: a network may have learned either root
  output,  // s itself, the reference's: reverses the ranking if the root is the negative one
};

/// DTE-IG: a network gives s, the root of the scale of the inverse gamma law of the variance.
///
///     scale = s^2,    shape = width/2 - 1
///     log-likelihood of the variance v of the step, but for what does not depend on s:
///         shape log(scale + floor) - scale / v,    largest at scale = shape v - floor
///
/// Cost      1 network evaluation a row, which the caller makes: x -> s, without a time.
/// Shapes    outputs [rows].
/// Errors    width <= 2, floor < 0, v <= 0, an output that is not finite: throws diffx::error.
struct dte_inverse_gamma {
  static constexpr std::string_view name = "analysis::anomaly::dte_inverse_gamma";
  static constexpr std::string_view source = "arXiv:2305.18593";

  std::int64_t width = 0;
  double floor = 1e-5;  // keeps the logarithm finite at s = 0

  /// The law of the variance that an output says.
  inverse_gamma law(double output) const { return {checked_shape(), scale_of(output)}; }

  double log_likelihood(double output, double variance) const {
    detail::require(variance > 0.0, where, "variance", variance, "positive");
    double const scale = scale_of(output);
    return checked_shape() * std::log(scale + floor) - scale / variance;
  }

  template <class T>
  std::vector<double> scores(std::span<T const> outputs,
                             scale_estimate estimate = scale_estimate::scale) const {
    checked_shape();
    std::vector<double> out;
    for (T const s : outputs) {
      double const scale = scale_of(static_cast<double>(s));
      out.push_back(estimate == scale_estimate::scale ? scale : static_cast<double>(s));
    }
    return out;
  }
  /// As a step of the noising, for comparison with the other forms.
  template <class T>
  std::vector<double> scores(std::span<T const> outputs, time_posterior const& posterior,
                             time_estimate estimate) const {
    detail::require(checked_shape() == posterior.shape(), where, "shape of the posterior",
                    posterior.shape(), "width / 2 - 1");
    std::vector<double> out;
    for (T const s : outputs) {
      double const scale = scale_of(static_cast<double>(s));
      out.push_back(estimate == time_estimate::mean ? posterior.mean(scale)
                                                    : posterior.mode(scale));
    }
    return out;
  }

 private:
  static constexpr std::string_view where = "diffx::analysis::anomaly::dte_inverse_gamma";

  double checked_shape() const {
    detail::require(floor >= 0.0 && std::isfinite(floor), where, "floor", floor,
                    "at least 0 and finite");
    return inverse_gamma::shape_of(where, width);
  }
  static double scale_of(double output) {
    detail::require(std::isfinite(output * output), where, "output", output,
                    "finite, and its square");
    return output * output;
  }
};

}  // namespace diffx::analysis::anomaly
