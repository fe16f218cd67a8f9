#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/detail/parts.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// A denoiser of classes with a classifier beside it, as guidance::d_cbg asks for:
///
///     branch 0  ->  inner's logits
///     branch 1  ->  R[l, v] = log p(y | x with x^l = v) - log p(y | x), 0 where nothing changes
///
/// `ratios` makes the table: exact_ratios, gradient_ratios, or a callable of the user's, called
/// like a denoiser.
///
/// Source    Schiff et al. 2024, arXiv:2412.10193.
/// Shapes    both branches: [batch, positions x classes]; of a process::product, a tuple of them.
/// Errors    those of the two.
template <class Inner, class Ratios>
struct classified {
  static constexpr int branches = 2;
  static constexpr bool log_ratios = true;
  Inner inner;
  Ratios ratios;
  decltype(Inner::prediction) prediction = inner.prediction;

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, query const& q, Out const& out) const {
    if (q.branch == 0) {
      inner(exec, x, q, out);
    } else {
      ratios(exec, x, q, out);
    }
  }
};
template <class Inner, class Ratios>
classified(Inner, Ratios) -> classified<Inner, Ratios>;

/// The table of a classifier by evaluating it: every neighbour of every sequence, one position
/// changed, and the sequence itself once. Under absorbing noise only masked positions are changed.
///
///     classifier(exec, batch_view<Code const> x, span<int64 const> samples, query,
///                span<double> out)
///
/// writes log p(y | x) of every row; row r is a neighbour of the sample with global index
/// samples[r], so that each may have a condition of its own. The rows are candidates for the end of
/// the step: a classifier of noisy states that is told q.to makes one position Bayes' rule exactly;
/// q.at is what published code tells it, an error of the order of the step. Under absorbing noise
/// the rows of the last step hold masks too, at a level that leaves none: such a classifier goes by
/// the masks.
///
/// Cost      1 + positions (classes - 1) classifier rows per sequence, masked positions under
///           absorbing noise; `rows` of them a call.
/// Requires  host memory; process outlives the object.
/// Errors    rows < 1; a log p of NaN or +inf, or of -inf for the sequence itself, throws with the
///           sample.
template <categorical_process Process, class Classifier>
class exact_ratios {
 public:
  exact_ratios(Process const& process, Classifier classifier, std::int64_t rows = 256)
      : process_(&process), classifier_(std::move(classifier)), rows_(rows) {
    detail::require(rows >= 1, "diffx::denoiser::exact_ratios", "rows",
                    static_cast<long long>(rows), "at least 1");
  }

  template <class Exec, class Code, class T>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<T> out) const {
    static_assert(
        Exec::on_host,
        "diffx::denoiser::exact_ratios works on host memory. Use exec::host or exec::threads.");
    auto const law = process_->limit();
    std::vector<Code> sequences;
    std::vector<std::int64_t> samples;
    std::vector<T*> targets;  // where a row's ratio goes; null: the sequence itself
    std::vector<double> log_p;
    double unchanged = 0.0;
    auto const flush = [&] {
      auto const n = static_cast<std::int64_t>(samples.size());
      if (n == 0) return;
      log_p.assign(samples.size(), std::numeric_limits<double>::quiet_NaN());
      classifier_(exec, batch_view<Code const>{sequences.data(), n, x.features},
                  std::span<std::int64_t const>(samples), q, std::span<double>(log_p));
      for (std::size_t r = 0; r < samples.size(); ++r) {
        bool const possible = log_p[r] > -std::numeric_limits<double>::infinity();
        if (!(log_p[r] < std::numeric_limits<double>::infinity()) ||
            (targets[r] == nullptr && !possible)) {
          detail::fail("diffx::denoiser::exact_ratios: log p(y | x) = " + detail::text(log_p[r]) +
                       " for sample " + detail::text(static_cast<long long>(samples[r])) +
                       "; must be below +inf, and above -inf for the sequence as it is");
        }
        if (targets[r] == nullptr) {
          unchanged = log_p[r];  // rows come in order: a sequence before its neighbours
        } else {
          *targets[r] = static_cast<T>(log_p[r] - unchanged);
        }
      }
      sequences.clear();
      samples.clear();
      targets.clear();
    };
    auto const add = [&](std::int64_t i, std::int64_t position, int code, T* target) {
      sequences.insert(sequences.end(), x.row(i), x.row(i) + x.features);
      if (target != nullptr) {
        sequences[sequences.size() - static_cast<std::size_t>(x.features - position)] =
            static_cast<Code>(code);
      }
      samples.push_back(x.first_sample + i);
      targets.push_back(target);
      if (static_cast<std::int64_t>(samples.size()) == rows_) flush();
    };
    std::fill_n(out.data, out.size(), T(0));
    for (std::int64_t i = 0; i < x.batch; ++i) {
      add(i, 0, 0, nullptr);
      for (std::int64_t l = 0; l < x.features; ++l) {
        int const now = static_cast<int>(x.row(i)[l]);
        if (law.mask >= 0 && now != law.mask) continue;
        for (int v = 0; v < law.classes; ++v) {
          if (v != now && v != law.mask) add(i, l, v, out.row(i) + l * law.classes + v);
        }
      }
    }
    flush();
  }

 private:
  Process const* process_;
  Classifier classifier_;
  std::int64_t rows_;
};
template <class P, class C>
exact_ratios(P const&, C) -> exact_ratios<P, C>;
template <class P, class C>
exact_ratios(P const&, C, std::int64_t) -> exact_ratios<P, C>;

/// The table to first order, from one gradient: exact where log p(y | x) is linear in onehot(x).
///
///     R[l, v] = g[l, v] - g[l, x^l],    g = d log p(y | x) / d onehot(x)
///     gradient(exec, batch_view<Code const> x, query, batch_view<T> g)
///
/// writes g: [batch, positions x states], where states counts the mask too, after the last class or
/// among them as in the process. Of a process::product x and g are tuples, one view a block.
///
/// Cost      one gradient of the classifier per evaluation.
/// Requires  host memory; process outlives the object.
/// Errors    none here; NaN is reported by the run.
template <class Process, class Gradient>
class gradient_ratios {
 public:
  gradient_ratios(Process const& process, Gradient gradient)
      : process_(&process), gradient_(std::move(gradient)) {}

  template <class Exec, class Code, class T>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<T> out) const {
    static_assert(
        Exec::on_host,
        "diffx::denoiser::gradient_ratios works on host memory. Use exec::host or exec::threads.");
    table<0, Code, T> g(*process_, x);
    gradient_(exec, x, q, g.view);
    g.write(x, out);
  }

  template <class Exec, class... Codes, class... Ts>
  void operator()(Exec const& exec, std::tuple<batch_view<Codes const>...> const& x, query const& q,
                  std::tuple<batch_view<Ts>...> const& out) const {
    static_assert(
        Exec::on_host,
        "diffx::denoiser::gradient_ratios works on host memory. Use exec::host or exec::threads.");
    each_block(exec, x, q, out, std::index_sequence_for<Codes...>{});
  }

 private:
  /// The gradient of one block.
  template <std::size_t B, class Code, class T>
  struct table {
    std::int64_t classes, states;
    std::vector<T> values;
    batch_view<T> view;

    table(Process const& process, batch_view<Code const> x) {
      auto const law = detail::part<B>(process).limit();
      classes = law.classes;
      states = classes + (law.mask == classes ? 1 : 0);
      values.assign(static_cast<std::size_t>(x.size() * states), T(0));
      view = {values.data(), x.batch, x.features * states, x.first_sample};
    }
    void write(batch_view<Code const> x, batch_view<T> out) const {
      for (std::int64_t i = 0; i < x.size(); ++i) {
        T const* const row = values.data() + i * states;
        for (std::int64_t v = 0; v < classes; ++v) {
          out.data[i * classes + v] = row[v] - row[static_cast<std::int64_t>(x.data[i])];
        }
      }
    }
  };

  template <class Exec, class... Codes, class... Ts, std::size_t... B>
  void each_block(Exec const& exec, std::tuple<batch_view<Codes const>...> const& x, query const& q,
                  std::tuple<batch_view<Ts>...> const& out, std::index_sequence<B...>) const {
    std::tuple<table<B, Codes, Ts>...> const g{table<B, Codes, Ts>{*process_, std::get<B>(x)}...};
    gradient_(exec, x, q, std::tuple{std::get<B>(g).view...});
    (std::get<B>(g).write(std::get<B>(x), std::get<B>(out)), ...);
  }

  Process const* process_;
  Gradient gradient_;
};
template <class P, class G>
gradient_ratios(P const&, G) -> gradient_ratios<P, G>;

}  // namespace diffx::denoiser
