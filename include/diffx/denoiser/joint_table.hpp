#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// The exact denoiser of a law over all V^L sequences, written down as a table: what a perfectly
/// trained network would say. An oracle for tests and examples.
///
///     p(x0 | x_t) proportional to p0(x0) prod_l q(x_t^l | x0^l)
///     posterior   p_i = p(x0^l = i | x_t);   cavity: the same without the factor of position l
///     concrete score: from the cavity, as prediction::concrete_score says
///
/// of a process of classes, by matrices or not. Logits are log-probabilities, -inf where the data
/// cannot be, or log-scores. The process says q; the time is q.at.alpha.
///
/// Shapes    weights: V^L entries, the last position running fastest, need not sum to 1;
///           x [batch, L], out [batch, L x width], width = process.limit().classes >= V.
/// Requires  host memory; process outlives the denoiser.
/// Errors    concrete scores of a process of matrices do not compile; V or L below 1, a table of
/// another size, an entry below 0, or a view of another width
///           throws; so does a state that no sequence of the table leads to.
template <class Process, class_prediction Prediction = prediction::x0_posterior<>>
requires(categorical_process<Process> || matrix_process<Process>)  //
    class joint_table {
 public:
  Prediction prediction{};

  joint_table(Process const& process, int classes, int positions, std::vector<double> weights,
              Prediction predicted = {})
      : prediction(predicted),
        process_(&process),
        classes_(classes),
        positions_(positions),
        weights_(std::move(weights)) {
    constexpr auto where = "diffx::denoiser::joint_table";
    detail::require(classes >= 1, where, "classes", classes, "at least 1");
    detail::require(positions >= 1, where, "positions", positions, "at least 1");
    detail::require(process.limit().classes >= classes, where, "classes of the process",
                    process.limit().classes, "at least those of the table");
    double const size = std::pow(static_cast<double>(classes), positions);
    detail::require(static_cast<double>(weights_.size()) == size, where, "weights.size()",
                    static_cast<long long>(weights_.size()), "classes to the power of positions");
    for (double w : weights_) detail::require(w >= 0.0, where, "a weight", w, "at least 0");
  }

  template <class Exec, class Code, class Logit>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<Logit> out) const {
    static_assert(
        Exec::on_host,
        "diffx::denoiser::joint_table works on host memory. Use exec::host or exec::threads.");
    constexpr auto where = "diffx::denoiser::joint_table";
    std::int64_t const width = process_->limit().classes;
    detail::require(x.features == positions_, where, "positions of the state",
                    static_cast<long long>(x.features), "those of the table");
    detail::require(out.features == positions_ * width, where, "logits of a sample",
                    static_cast<long long>(out.features), "positions x classes");
    auto const fill = [&](auto const& seen) {
      exec.for_each_sample(x.batch, [&](std::int64_t i) {
        row(x.row(i), seen, q.at.alpha, out.row(i), static_cast<std::size_t>(width));
      });
    };
    if constexpr (matrix_process<Process>) {
      auto const table = process_->transition({}, q.at);
      auto const states = static_cast<std::size_t>(process_->states());
      fill([&](std::size_t data, int code) {
        return table[data * states + static_cast<std::size_t>(code)];
      });
    } else {
      auto const law = process_->limit();
      fill([&](std::size_t data, int code) {
        return (code == static_cast<int>(data) ? q.at.alpha : 0.0) +
               (1.0 - q.at.alpha) * law.probability(code);
      });
    }
  }

 private:
  /// `seen(i, k)` is q(k | x0 = i).
  template <class Code, class Seen, class Logit>
  void row(Code const* x, Seen const& seen_law, double alpha, Logit* out, std::size_t width) const {
    auto const law = process_->limit();
    auto const length = static_cast<std::size_t>(positions_),
               v = static_cast<std::size_t>(classes_);
    std::vector<double> sums(length * v, 0.0), factor(length);
    std::vector<std::size_t> data(length, 0);
    for (double const weight : weights_) {
      for (std::size_t l = 0; l < length; ++l) {
        factor[l] = seen_law(data[l], static_cast<int>(x[l]));
      }
      for (std::size_t l = 0; l < length; ++l) {
        double product = weight;
        for (std::size_t m = 0; m < length; ++m) {
          if (m != l || !needs_cavity) product *= factor[m];
        }
        sums[l * v + data[l]] += product;
      }
      for (std::size_t l = length; l-- > 0 && ++data[l] == v;) data[l] = 0;
    }
    for (std::size_t l = 0; l < length; ++l) {
      double total = 0.0;
      for (std::size_t i = 0; i < v; ++i) total += sums[l * v + i];
      detail::require(total > 0.0, "diffx::denoiser::joint_table", "probability of the state",
                      total, "above 0: the table has no such data");
      if constexpr (scores_classes<Prediction>) {
        static_assert(
            !matrix_process<Process>,
            "diffx::denoiser::joint_table: concrete scores go with a process of alpha and "
            "pi (process::uniform, ...), not with one of matrices.");
        auto const seen = [&](std::size_t y) {
          return (y < v ? alpha * sums[l * v + y] / total : 0.0) +
                 (1.0 - alpha) * law.probability(static_cast<int>(y));
        };
        for (std::size_t i = 0; i < width; ++i) {
          out[l * width + i] =
              detail::narrowed<Logit>(std::log(seen(i) / seen(static_cast<std::size_t>(x[l]))));
        }
        continue;
      }
      for (std::size_t i = 0; i < width; ++i) {
        out[l * width + i] =
            detail::narrowed<Logit>(i < v ? std::log(sums[l * v + i] / total) : -HUGE_VAL);
      }
    }
  }

  static constexpr bool needs_cavity = Prediction::is_cavity || scores_classes<Prediction>;

  Process const* process_;
  int classes_, positions_;
  std::vector<double> weights_;
};

template <class P>
joint_table(P const&, int, int, std::vector<double>) -> joint_table<P>;
template <class P, class Q>
joint_table(P const&, int, int, std::vector<double>, Q) -> joint_table<P, Q>;

}  // namespace diffx::denoiser
