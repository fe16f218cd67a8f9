#pragma once

#include <diffx/decode/order.hpp>
#include <diffx/detail/masked_calls.hpp>
#include <diffx/grid/ardm.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

/// Likelihoods of sequences under a masked network, in nats. Divide by log 2 and by the positions
/// for bits a token.
namespace diffx::analysis {

/// -log p of every position when a batch is generated in an order with a policy, given the
/// positions that earlier calls made known. The sum over a sequence is its exact -log-likelihood
/// under that order and policy: with one position a call the chain rule, with one call the product
/// of the network's marginals.
///
/// Cost      policy.calls() evaluations.
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037, section 3.1.
/// Shapes    x [batch, positions]; out [batch x positions].
/// Requires  absorbing noise; host memory.
/// Errors    a token that is no data, an order or policy of other positions: throws diffx::error.
///           A class that the network rules out costs +inf, a row that is no distribution NaN.
template <class Exec, class Process, class Denoiser, class Code, class Order>
void order_loss(Exec const& exec, Process const& process, Denoiser const& denoiser,
                batch_view<Code> x, Order const& order, grid::ardm_policy const& policy,
                std::span<double> out) {
  constexpr auto where = "diffx::analysis::order_loss";
  using token = std::remove_const_t<Code>;
  detail::require(x.features == policy.positions(), where, "positions",
                  static_cast<long long>(x.features),
                  "those of the policy, " + detail::text(policy.positions()));
  detail::require(static_cast<std::int64_t>(out.size()) == x.size(), where, "out.size()",
                  static_cast<long long>(out.size()), "batch x positions");
  decode::require_positions(order, x.features, where);
  detail::require_tokens(
      process, batch_view<token const>{x.data, x.batch, x.features, x.first_sample}, where);
  int const mask = process.limit().mask;
  std::vector<token> canvas(out.size());
  detail::masked_calls(exec, process, denoiser,
                       batch_view<token>{canvas.data(), x.batch, x.features, x.first_sample},
                       detail::generation_orders(order, x.batch, x.features, x.first_sample),
                       policy, [&](std::int64_t sample, std::int64_t position, auto row) {
                         token const now = x.row(sample)[position];
                         out[static_cast<std::size_t>(sample * x.features + position)] =
                             detail::class_loss(row, mask, static_cast<int>(now));
                         return now;
                       });
}

/// The exact -log-likelihood of every sequence under an order and a policy: the sums of order_loss.
///
/// Cost, Requires, Errors as order_loss.
template <class Exec, class Process, class Denoiser, class Code, class Order>
std::vector<double> sequence_nll(Exec const& exec, Process const& process, Denoiser const& denoiser,
                                 batch_view<Code> x, Order const& order,
                                 grid::ardm_policy const& policy) {
  std::vector<double> loss(static_cast<std::size_t>(x.size()));
  order_loss(exec, process, denoiser, x, order, policy, std::span(loss));
  std::vector<double> out(static_cast<std::size_t>(x.batch), 0.0);
  for (std::size_t i = 0; i < loss.size(); ++i) {
    out[i / static_cast<std::size_t>(x.features)] += loss[i];
  }
  return out;
}

/// A mean over random draws with its standard error, and what it cost.
struct likelihood_estimate {
  std::vector<double> mean, standard_error;  // [batch], nats a sequence
  double batch_mean = 0.0, batch_error = 0.0;
  int calls = 0;
};

/// How a bound draws what is masked.
enum class masking {
  counted,  // l of the free positions, l stratified over 1 ... L, weight L / l
  coins     // each by itself with probability t, t stratified over (0, 1), weight 1 / t: the same
            // mean, a larger variance with heavy tails
};

struct nelbo_options {
  int draws = 64;          // network calls
  noise::counted noise{};  // of the draws
  masking how = masking::counted;
  bool antithetic = false;  // calls 2 i and 2 i + 1 are a pair: the second keeps what the first
                            // masks, but for one position that both mask
  bool common = false;      // all rows share their draws, to compare candidates
  std::span<std::uint8_t const> given{};  // [positions], not 0: a prompt, never masked or scored
};

/// A bound on the -log-likelihood of every sequence, unbiasedly estimated with `draws` calls:
///
///     E over l ~ U{1 ... L} and l random positions of (L / l) sum over them of -log p(x_i | rest)
///
/// With t = L - l known positions this is the order-agnostic form, weight L / (L - t). For a
/// network whose conditionals all belong to one law, the bound is that law's -log-likelihood on
/// average over the data. With `given` it is the bound on the rest given those; candidate answers
/// to one prompt are compared with `common`.
///
/// Every call masks equally many positions of each row, which the level that the network is told
/// says. Standard errors are of the draws alone, and a little too large, since strata are ignored.
///
/// Source    Nie et al. 2025, arXiv:2502.09992, eq. 6 (LLaDA); Hoogeboom et al. 2022,
///           arXiv:2110.02037, eq. 4; Sahoo et al. 2024, arXiv:2406.07524 (coins).
/// Shapes    x [batch, positions].
/// Requires  absorbing noise; host memory.
/// Errors    draws < 1, an odd number of antithetic ones, `given` of another size or without a free
///           position, a token that is no data: throws diffx::error.
template <class Exec, class Process, class Denoiser, class Code>
likelihood_estimate masked_nelbo(Exec const& exec, Process const& process, Denoiser const& denoiser,
                                 batch_view<Code> x, nelbo_options const& options = {}) {
  constexpr auto where = "diffx::analysis::masked_nelbo";
  using token = std::remove_const_t<Code>;
  using logit = typename detail::masked_network<Exec, Process, Denoiser>::logit;
  auto const n = static_cast<std::size_t>(x.features);
  detail::require(options.draws >= 1 && options.draws <= noise::max_step, where, "draws",
                  options.draws, "in [1, 2^20 - 2]");
  detail::require(options.given.empty() || options.given.size() == n, where, "given.size()",
                  static_cast<long long>(options.given.size()), "0, or the positions");
  int const group = options.antithetic ? 2 : 1;  // calls whose mean is one independent draw
  detail::require(options.draws % group == 0, where, "draws", options.draws,
                  "even, since antithetic draws are pairs");
  std::vector<std::int32_t> free_positions;
  for (std::size_t i = 0; i < n; ++i) {
    if (options.given.empty() || options.given[i] == 0) {
      free_positions.push_back(static_cast<std::int32_t>(i));
    }
  }
  auto const free_count = static_cast<int>(free_positions.size());
  detail::require(free_count >= 1, where, "positions to score", free_count, "at least 1");
  detail::require_tokens(
      process, batch_view<token const>{x.data, x.batch, x.features, x.first_sample}, where);
  auto const law = process.limit();
  auto const width = static_cast<std::size_t>(law.classes);
  level const start = process.at(1.0);
  auto const batch = static_cast<std::size_t>(x.batch);
  std::vector<token> canvas(batch * n);
  std::vector<logit> logits(canvas.size() * width);
  std::vector<double> sum(batch, 0.0), square(batch, 0.0), now(batch, 0.0);
  std::vector<std::pair<double, std::int32_t>> by;
  double all = 0.0, all_square = 0.0;
  int const groups = options.draws / group;
  for (int call = 0; call < options.draws; ++call) {
    int const draw = call / group;
    bool const mirrored = call % group == 1;
    noise::key const key{draw, noise::max_draw, 0, 0.0, 0.0};
    auto const uniform = [&](std::int64_t sample, std::int64_t place) {
      auto const w = options.noise.words(key, sample, place);
      double const v = detail::unit_uniform(w.word[0], w.word[1]);
      return mirrored ? 1.0 - v : v;
    };
    // The call's own draw lies at a place that no position has.
    int const stratum = mirrored ? groups - 1 - draw : draw;
    double const u = (stratum + uniform(0, x.features)) / groups;
    int const count = std::min(free_count, 1 + static_cast<int>(u * free_count));
    bool const counted = options.how == masking::counted;
    double const weight = counted ? static_cast<double>(free_count) / count : 1.0 / u;
    std::copy_n(x.data, canvas.size(), canvas.data());
    for (std::size_t s = 0; s < batch; ++s) {
      by.clear();
      for (std::int32_t const p : free_positions) {
        auto const address = options.common ? 0 : x.first_sample + static_cast<std::int64_t>(s);
        by.emplace_back(uniform(address, p), p);
      }
      if (counted) std::sort(by.begin(), by.end());
      for (std::size_t i = 0; i < by.size(); ++i) {
        if (counted ? static_cast<int>(i) < count : by[i].first < u) {
          canvas[s * n + static_cast<std::size_t>(by[i].second)] = static_cast<token>(law.mask);
        }
      }
    }
    query q;
    q.step = call;
    if (counted) {
      q.at = grid::known_level(process, static_cast<int>(n) - count, static_cast<int>(n));
    } else {
      bool const reached = 1.0 - u > start.alpha;
      q.at = reached ? process.at_lambda(std::log1p(-u) - std::log(u)) : start;
    }
    q.to = process.at(0.0);
    denoiser(exec, batch_view<token const>{canvas.data(), x.batch, x.features, x.first_sample}, q,
             batch_view<logit>{logits.data(), x.batch, static_cast<std::int64_t>(n * width),
                               x.first_sample});
    if (call % group == 0) std::fill(now.begin(), now.end(), 0.0);
    for (std::size_t s = 0; s < batch; ++s) {
      double loss = 0.0;
      for (std::int32_t const p : free_positions) {
        std::size_t const place = s * n + static_cast<std::size_t>(p);
        if (static_cast<int>(canvas[place]) != law.mask) continue;
        loss += detail::class_loss(std::span<logit const>(logits).subspan(place * width, width),
                                   law.mask, static_cast<int>(x.data[place]));
      }
      now[s] += weight * loss / group;
    }
    if (call % group != group - 1) continue;
    double of_batch = 0.0;
    for (std::size_t s = 0; s < batch; ++s) {
      sum[s] += now[s];
      square[s] += now[s] * now[s];
      of_batch += now[s] / static_cast<double>(batch);
    }
    all += of_batch;
    all_square += of_batch * of_batch;
  }
  double const number = groups;
  auto const error = [&](double total, double squares) {
    if (groups == 1) return HUGE_VAL;
    double const variance = (squares - total * total / number) / (number - 1.0);
    return std::sqrt(std::max(0.0, variance) / number);
  };
  likelihood_estimate out;
  for (std::size_t s = 0; s < batch; ++s) {
    out.mean.push_back(sum[s] / number);
    out.standard_error.push_back(error(sum[s], square[s]));
  }
  out.batch_mean = all / number;
  out.batch_error = error(all, all_square);
  out.calls = options.draws;
  return out;
}

/// What grid::ardm_dp plans with: L_t = the mean of -log p of a position that is not among the t
/// first of a random order, given those t; over the batch and its orders. Their sum is masked_nelbo
/// a sequence.
///
/// Cost      `positions` evaluations, in one order a sample: repeat with other orders, or a larger
///           batch, and average.
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037, section 3.1.
/// Shapes    x [batch, positions]; the result [positions].
/// Requires, Errors as order_loss; batch < 1 throws diffx::error.
template <class Exec, class Process, class Denoiser, class Code, class Order>
std::vector<double> step_losses(Exec const& exec, Process const& process, Denoiser const& denoiser,
                                batch_view<Code> x, Order const& order) {
  constexpr auto where = "diffx::analysis::step_losses";
  using token = std::remove_const_t<Code>;
  using logit = typename detail::masked_network<Exec, Process, Denoiser>::logit;
  detail::require(x.batch >= 1, where, "batch", static_cast<long long>(x.batch), "at least 1");
  detail::require(x.features >= 1, where, "positions", static_cast<long long>(x.features),
                  "at least 1");
  decode::require_positions(order, x.features, where);
  detail::require_tokens(
      process, batch_view<token const>{x.data, x.batch, x.features, x.first_sample}, where);
  auto const law = process.limit();
  auto const n = static_cast<std::size_t>(x.features),
             width = static_cast<std::size_t>(law.classes);
  auto const orders = detail::generation_orders(order, x.batch, x.features, x.first_sample);
  auto const size = static_cast<std::size_t>(x.size());
  std::vector<token> canvas(size, static_cast<token>(law.mask));
  std::vector<logit> logits(size * width);
  std::vector<double> out;
  for (std::size_t t = 0; t < n; ++t) {
    query q;
    q.step = static_cast<int>(t);
    q.at = grid::known_level(process, q.step, static_cast<int>(n));
    q.to = process.at(0.0);
    denoiser(exec, batch_view<token const>{canvas.data(), x.batch, x.features, x.first_sample}, q,
             batch_view<logit>{logits.data(), x.batch, static_cast<std::int64_t>(n * width),
                               x.first_sample});
    double sum = 0.0;
    for (std::size_t s = 0; s < size; s += n) {
      for (std::size_t r = t; r < n; ++r) {
        std::size_t const place = s + static_cast<std::size_t>(orders[s + r]);
        sum += detail::class_loss(std::span<logit const>(logits).subspan(place * width, width),
                                  law.mask, static_cast<int>(x.data[place]));
      }
      std::size_t const next = s + static_cast<std::size_t>(orders[s + t]);
      canvas[next] = x.data[next];
    }
    out.push_back(sum / static_cast<double>(size / n * (n - t)));
  }
  return out;
}

}  // namespace diffx::analysis
