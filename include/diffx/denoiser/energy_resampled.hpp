#pragma once

#include <diffx/analysis/importance_weights.hpp>
#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// How energy_resampled draws.
struct resampling {
  int candidates = 2;
  double t_low = 0.0, t_high = 1.0;  // where it is active: t_low <= t <= t_high
  double temperature = 1.0;          // of the weights
  noise::counted noise{};            // of the candidates; the seed may be that of the run
};

/// The reporter of an energy_resampled that nobody listens to.
struct no_resampling_report {
  void operator()(query const&, std::int64_t, std::span<double const>) const noexcept {}
};

/// A denoiser that chooses whole sequences: the product of its factorised law and of an energy, by
/// self-normalised importance sampling within the step.
///
///     x0^(1), ..., x0^(k) ~ prod_l p_l(. | x_t),    j ~ softmax(-E(x0^(j), x_t, t) / T)
///
/// and its logits say x0^(j) with certainty, from which the solver goes on. Under absorbing noise
/// every candidate carries the tokens that x_t shows. As k grows the step draws from
/// p(x0 | x_t) exp(-E) exactly; k = 1 has the law of the inner denoiser. Outside of
/// [t_low, t_high] the inner logits go through.
///
///     energy(exec, batch_view<Code const> x0, batch_view<Code const> x_t, query,
///            span<double const> log_p, span<double> out)
///
/// is told the log-probability under p of each token of each candidate (0 where it is carried) and
/// writes one energy for each candidate: denoiser::residual_energy, or any other.
///
///     report(query, first_sample, span<double const> ess)
///
/// is told the effective number of candidates of each sample, 1 / sum w^2: near 1 the candidates
/// are wasted.
///
/// Candidates are addressed by sample, position, step and number, so they do not depend on how the
/// batch is split. A run does not tell a denoiser about its forks: give each fork, and each
/// repetition after a renoise(), a denoiser with a fork of the noise.
///
/// Cost      one evaluation of the inner denoiser and k energies per sample (none at k = 1).
/// Source    Xu et al. 2024, arXiv:2410.21357 (EDLM).
/// Shapes    x0, log_p: [batch x k, positions], the candidates of a sample one after another;
///           out: [batch x k].
/// Requires  host memory; process outlives the object. A posterior (prediction::x0_posterior), or
///           absorbing noise: a drawn sequence is no cavity.
/// Errors    candidates outside [1, 4096], t_low > t_high, a temperature that is not above 0, a row
///           of logits that is no distribution, or energies that give no weights: throws.
template <categorical_process Process, class Inner, class Energy,
          class Report = no_resampling_report>
class energy_resampled {
  static_assert(Process::is_absorbing || !decltype(Inner::prediction)::is_cavity,
                "diffx::denoiser::energy_resampled: a drawn sequence stands for the posterior of "
                "the data, not for a cavity. Use a network of prediction::x0_posterior with this "
                "process.");

 public:
  static constexpr int branches = 1;
  decltype(Inner::prediction) prediction;

  energy_resampled(Process const& process, Inner inner, Energy energy, resampling how = {},
                   Report report = {})
      : prediction(inner.prediction),
        process_(&process),
        inner_(std::move(inner)),
        energy_(std::move(energy)),
        report_(std::move(report)),
        how_(how),
        // Never the words of a run with the same seed.
        noise_(how.noise.fork(0x8A5CD789635D2DFFull)) {
    constexpr auto where = "diffx::denoiser::energy_resampled";
    detail::require(how.candidates >= 1 && how.candidates <= noise::max_draw + 1, where,
                    "candidates", how.candidates, "in [1, 4096]");
    detail::require(how.t_low <= how.t_high, where, "t_low", how.t_low, "at most t_high");
    detail::require(how.temperature > 0.0 && std::isfinite(how.temperature), where, "temperature",
                    how.temperature, "above 0 and finite");
  }

  template <class Exec, class Code, class Logit>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<Logit> out) const {
    static_assert(
        Exec::on_host,
        "diffx::denoiser::energy_resampled works on host memory. Use exec::host or exec::threads.");
    inner_(exec, x, q, out);
    if (!(q.at.t >= how_.t_low && q.at.t <= how_.t_high)) return;
    auto const k = static_cast<std::int64_t>(how_.candidates);
    auto const n = static_cast<std::size_t>(x.size() * k);
    std::vector<Code> x0(n);
    std::vector<double> log_p(n), energies(static_cast<std::size_t>(x.batch * k), 0.0),
        ess(static_cast<std::size_t>(x.batch));
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      propose(x, i, q, out.row(i), x0.data() + i * k * x.features,
              log_p.data() + i * k * x.features);
    });
    if (k > 1) {
      energy_(exec, batch_view<Code const>{x0.data(), x.batch * k, x.features, x.first_sample * k},
              x, q, std::span<double const>(log_p), std::span<double>(energies));
    }
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      auto const first = static_cast<std::size_t>(i * k), count = static_cast<std::size_t>(k);
      std::vector<double> weights(count);
      analysis::importance_weights(std::span<double const>(energies).subspan(first, count),
                                   how_.temperature, weights);
      ess[static_cast<std::size_t>(i)] = analysis::effective_sample_size(weights);
      std::int64_t const j = choose(weights, q, x.first_sample + i);
      choose_row(x.features, out.row(i), x0.data() + (i * k + j) * x.features);
    });
    report_(q, x.first_sample, std::span<double const>(ess));
  }

 private:
  // Each evaluation of a step has two blocks of addresses: its candidates and its choice.
  noise::key key_of(query const& q, int draw, int block) const {
    noise::key const key{q.step, draw, 2 * q.stage + block, q.at.t, q.to.t};
    noise::check_key(key);
    return key;
  }

  template <class Code, class Logit>
  void propose(batch_view<Code const> x, std::int64_t sample, query const& q, Logit const* logits,
               Code* x0, double* log_p) const {
    auto const law = process_->limit();
    detail::class_row<Logit, 1> row;
    row.weight[0] = 1;
    row.classes = law.classes;
    row.excluded = law.mask;
    for (std::int64_t l = 0; l < x.features; ++l) {
      Code const seen = x.row(sample)[l];
      bool const carried = law.mask >= 0 && static_cast<int>(seen) != law.mask;
      row.source[0] = logits + l * law.classes;
      if (!carried && !row.scan()) {
        detail::fail(
            "diffx::denoiser::energy_resampled: the logits are no distribution (NaN, +inf, or -inf "
            "alone) at sample " +
            detail::text(static_cast<long long>(x.first_sample + sample)) + ", position " +
            detail::text(static_cast<long long>(l)) + " in step " + detail::text(q.step));
      }
      for (int j = 0; j < how_.candidates; ++j) {
        int drawn = static_cast<int>(seen);
        if (!carried) {
          auto const w = noise_.words(key_of(q, j, 0), x.first_sample + sample, l);
          drawn = row.draw(detail::unit_uniform(w.word[0], w.word[1]));
        }
        x0[j * x.features + l] = static_cast<Code>(drawn);
        log_p[j * x.features + l] = carried ? 0.0 : std::log(row.probability(drawn));
      }
    }
  }

  std::int64_t choose(std::vector<double> const& weights, query const& q,
                      std::int64_t sample) const {
    auto const w = noise_.words(key_of(q, 0, 1), sample, 0);
    double left = detail::unit_uniform(w.word[0], w.word[1]);
    std::size_t chosen = 0;
    for (std::size_t j = 0; j < weights.size(); ++j) {
      if (weights[j] > 0.0) chosen = j;
      if (left < weights[j]) break;
      left -= weights[j];
    }
    return static_cast<std::int64_t>(chosen);
  }

  template <class Code, class Logit>
  void choose_row(std::int64_t positions, Logit* logits, Code const* x0) const {
    int const classes = process_->limit().classes;
    for (std::int64_t l = 0; l < positions; ++l) {
      for (int v = 0; v < classes; ++v) {
        logits[l * classes + v] =
            detail::narrowed<Logit>(v == static_cast<int>(x0[l]) ? 0.0 : -HUGE_VAL);
      }
    }
  }

  Process const* process_;
  Inner inner_;
  Energy energy_;
  Report report_;
  resampling how_;
  noise::counted noise_;
};
template <class P, class I, class E>
energy_resampled(P const&, I, E) -> energy_resampled<P, I, E>;
template <class P, class I, class E>
energy_resampled(P const&, I, E, resampling) -> energy_resampled<P, I, E>;
template <class P, class I, class E, class R>
energy_resampled(P const&, I, E, resampling, R) -> energy_resampled<P, I, E, R>;

}  // namespace diffx::denoiser
