#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/detail/class_steps.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

// The laws that samplers of classes draw from, written down as rows of numbers: for likelihoods,
// for exact laws of whole chains, for comparisons. Host, double. Everything is about one position;
// states are the classes of the network and, if it has no logit, the mask after them.

namespace diffx::analysis {

using row = std::vector<double>;

inline int state_count(detail::limit_law const& law) noexcept {
  return law.mask == law.classes ? law.classes + 1 : law.classes;
}
template <class Process>
int state_count(Process const& process) {
  return state_count(process.limit());
}

/// q(x_t = j | x_s = i), row-major; s is the cleaner level, level{} the data.
template <categorical_process Process>
row transition(Process const& process, level const& s, level const& t) {
  auto const law = process.limit();
  auto const n = static_cast<std::size_t>(state_count(law));
  double const kept = t.alpha / s.alpha, lost = (t.sigma - s.sigma) / s.alpha;
  row out(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      out[i * n + j] = (i == j ? kept : 0.0) + lost * law.probability(static_cast<int>(j));
    }
  }
  return out;
}
template <matrix_process Process>
row transition(Process const& process, level const& s, level const& t) {
  return process.transition(s, t);
}

/// Divides by the sum; a row of sum 0 stays.
inline row normalised(row r) {
  double sum = 0.0;
  for (double const v : r) sum += v;
  if (sum > 0.0) {
    for (double& v : r) v /= sum;
  }
  return r;
}

/// The law of the data class that a row of logits says: without the mask, and under absorbing noise
/// a class that is seen is itself.
template <class T>
row law_of_logits(detail::limit_law const& law, int now, std::span<T const> logits) {
  row out(static_cast<std::size_t>(state_count(law)), 0.0);
  if (law.mask >= 0 && now != law.mask) {
    out[static_cast<std::size_t>(now)] = 1.0;
    return out;
  }
  detail::class_row<T, 1> r;
  r.source[0] = logits.data();
  r.weight[0] = 1;
  r.classes = law.classes;
  r.excluded = law.mask;
  detail::require(static_cast<int>(logits.size()) == law.classes, "diffx::analysis::law_of_logits",
                  "logits.size()", static_cast<long long>(logits.size()),
                  "the classes of the process");
  if (!r.scan()) detail::fail("diffx::analysis::law_of_logits: the logits are no distribution");
  for (int k = 0; k < law.classes; ++k) out[static_cast<std::size_t>(k)] = r.probability(k);
  return out;
}

/// q(x_s = k | x_t = now, x_0 = data), every k; zeros where data does not lead to `now`.
template <class Process>
row bridge(Process const& process, level const& t, level const& s, int now, int data) {
  auto const n = static_cast<std::size_t>(state_count(process));
  row const step = transition(process, s, t), before = transition(process, {}, s);
  row out(n);
  for (std::size_t k = 0; k < n; ++k) {
    out[k] = step[k * n + static_cast<std::size_t>(now)] *
             before[static_cast<std::size_t>(data) * n + k];
  }
  return normalised(std::move(out));
}

/// c_i, the law of the data class given the other positions, from p_i, that given all: p_i divided
/// by q(now | i).
template <class Process>
row cavity_of_posterior(Process const& process, level const& t, int now,
                        std::span<double const> posterior) {
  auto const n = static_cast<std::size_t>(state_count(process));
  row const seen = transition(process, {}, t);
  row out(n, 0.0);
  for (std::size_t i = 0; i < n && i < posterior.size(); ++i) {
    double const q = seen[i * n + static_cast<std::size_t>(now)];
    out[i] = q > 0.0 ? posterior[i] / q : 0.0;
  }
  return normalised(std::move(out));
}

/// The way back.
template <class Process>
row posterior_of_cavity(Process const& process, level const& t, int now,
                        std::span<double const> cavity) {
  auto const n = static_cast<std::size_t>(state_count(process));
  row const seen = transition(process, {}, t);
  row out(n, 0.0);
  for (std::size_t i = 0; i < n && i < cavity.size(); ++i) {
    out[i] = cavity[i] * seen[i * n + static_cast<std::size_t>(now)];
  }
  return normalised(std::move(out));
}

/// The law of the class at level t given the other positions: what a Gibbs sweep at t draws from.
template <class Process>
row noised_law(Process const& process, level const& t, std::span<double const> cavity) {
  auto const n = static_cast<std::size_t>(state_count(process));
  row const seen = transition(process, {}, t);
  row out(n, 0.0);
  for (std::size_t i = 0; i < n && i < cavity.size(); ++i) {
    for (std::size_t k = 0; k < n; ++k) out[k] += cavity[i] * seen[i * n + k];
  }
  return out;
}

/// The concrete scores of a position in class `now` (prediction::concrete_score).
template <class Process>
row score_of_cavity(Process const& process, level const& t, int now,
                    std::span<double const> cavity) {
  row out = noised_law(process, t, cavity);
  double const here = out[static_cast<std::size_t>(now)];
  for (double& v : out) v /= here;
  return out;
}

/// The way back: a class that scores leave less than nothing gets 0.
template <categorical_process Process>
row cavity_of_score(Process const& process, level const& t, std::span<double const> scores) {
  auto const law = process.limit();
  row out = normalised(row(scores.begin(), scores.end()));
  for (std::size_t k = 0; k < out.size(); ++k) {
    double const clean = out[k] - t.sigma * law.probability(static_cast<int>(k));
    out[k] = clean > 0.0 && static_cast<int>(k) != law.mask ? clean : 0.0;
  }
  return normalised(std::move(out));
}

/// The reverse step t -> s from a posterior: the mixture of bridges. The law that solver::ancestral
/// draws from. A class that could not be there by chance, such as a given one among masks that
/// stand for all the rest at alpha = 0, stays.
template <class Process>
row mixture_kernel(Process const& process, level const& t, level const& s, int now,
                   std::span<double const> posterior) {
  auto const n = static_cast<std::size_t>(state_count(process));
  auto const here = static_cast<std::size_t>(now);
  row const step = transition(process, s, t), before = transition(process, {}, s);
  row out(n, 0.0);
  for (std::size_t i = 0; i < n && i < posterior.size(); ++i) {
    if (posterior[i] == 0.0) continue;
    row b(n);
    double sum = 0.0;
    for (std::size_t k = 0; k < n; ++k) sum += b[k] = step[k * n + here] * before[i * n + k];
    if (sum > 0.0) {
      for (std::size_t k = 0; k < n; ++k) out[k] += posterior[i] * (b[k] / sum);
    } else if (i == here) {
      out[here] += posterior[i];
    }
  }
  return out;
}

/// The same from a cavity: the plug-in form.
template <class Process>
row plug_in_kernel(Process const& process, level const& t, level const& s, int now,
                   std::span<double const> cavity) {
  auto const n = static_cast<std::size_t>(state_count(process));
  row const step = transition(process, s, t);
  row out = noised_law(process, s, cavity);
  for (std::size_t k = 0; k < n; ++k) out[k] *= step[k * n + static_cast<std::size_t>(now)];
  return normalised(std::move(out));
}

/// The scores of the level that has `noise` less total noise, up to a factor; some may be negative
/// where the given ones are no scores.
///
///     s_y / a - (1 - a) / a pi_y sum_z s_z,    a = exp(-noise)
inline row staggered_scores(detail::limit_law const& law, double noise,
                            std::span<double const> scores) {
  double const grown = std::exp(noise), gained = std::expm1(noise);
  double sum = 0.0;
  for (double const s : scores) sum += s;
  row out(scores.begin(), scores.end());
  for (std::size_t k = 0; k < out.size(); ++k) {
    out[k] = out[k] * grown - gained * law.probability(static_cast<int>(k)) * sum;
  }
  return out;
}

/// q(now | y) over `noise` of total noise, every y.
inline row transition_into(detail::limit_law const& law, double noise, int now) {
  row out(static_cast<std::size_t>(state_count(law)), -std::expm1(-noise) * law.probability(now));
  out[static_cast<std::size_t>(now)] += std::exp(-noise);
  return out;
}

/// The law that solver::tweedie draws from, before it is cut at 0 and normalised.
inline row tweedie_weights(detail::limit_law const& law, double noise, int now,
                           std::span<double const> scores) {
  row out = staggered_scores(law, noise, scores);
  row const into = transition_into(law, noise, now);
  for (std::size_t k = 0; k < out.size(); ++k) out[k] *= into[k];
  return out;
}

/// The rates of leaving `now` in reverse, per unit of total noise, and on the diagonal minus their
/// sum.
inline row reverse_rate_row(detail::limit_law const& law, int now, std::span<double const> scores) {
  row out(scores.begin(), scores.end());
  double const pi = law.probability(now);
  double sum = 0.0;
  for (std::size_t k = 0; k < out.size(); ++k) {
    out[k] = static_cast<int>(k) == now ? 0.0 : pi * out[k];
    sum += out[k];
  }
  out[static_cast<std::size_t>(now)] = -sum;
  return out;
}

/// Half the sum of absolute differences.
inline double total_variation(std::span<double const> a, std::span<double const> b) {
  double sum = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += std::fabs(a[k] - b[k]);
  return 0.5 * sum;
}

}  // namespace diffx::analysis
