#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/decode/order.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/error.hpp>
#include <diffx/grid/ardm.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::detail {

/// What the masked likelihoods need of a denoiser: logits of classes under absorbing noise, in
/// memory that the host reads.
template <class Exec, class Process, class Denoiser>
struct masked_network {
  static_assert(categorical_process<Process> && Process::is_absorbing,
                "diffx: likelihoods and codes of masked sequences need process::absorbing.");
  static_assert(declared_denoiser<Denoiser>,
                "diffx: the denoiser does not say what it predicts. Give it a member `prediction`, "
                "or wrap it: denoiser::predicts<prediction::x0_posterior<>>{callable}.");
  static_assert(Exec::on_host,
                "diffx: this analysis reads the logits on the host: use exec::host or "
                "exec::threads, and a denoiser that fills host memory.");
  using prediction = std::remove_cvref_t<decltype(std::declval<Denoiser const&>().prediction)>;
  using logit = network_value_t<Denoiser, typename prediction::value_type>;
};

/// -log softmax(row)_k without the excluded class, in nats; +inf for a class of probability 0; NaN
/// if the row is no distribution.
template <class T>
double class_loss(std::span<T const> row, int excluded, int k) noexcept {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t v = 0; v < row.size(); ++v) {
    if (static_cast<int>(v) != excluded) largest = std::max(largest, widened<double>(row[v]));
  }
  double sum = 0.0;
  for (std::size_t v = 0; v < row.size(); ++v) {
    if (static_cast<int>(v) == excluded) continue;
    sum += std::exp(widened<double>(row[v]) - largest);
  }
  return std::log(sum) - (widened<double>(row[static_cast<std::size_t>(k)]) - largest);
}

/// Refuses tokens that no network of the process predicts.
template <class Process, class Code>
void require_tokens(Process const& process, batch_view<Code const> x, std::string_view where) {
  auto const law = process.limit();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    auto const code = static_cast<long long>(x.data[i]);
    if (code >= 0 && code < law.classes && code != law.mask) continue;
    fail(std::string(where) + ": token " + text(code) + " at sample " +
         text(x.first_sample + i / x.features) + ", position " + text(i % x.features) +
         ", must be a class of the data: in [0, " + text(law.classes) + ") and not the mask, " +
         text(law.mask));
  }
}

/// Positions by place of every sample, one sample after another.
template <class Order>
std::vector<std::int32_t> generation_orders(Order const& order, std::int64_t batch,
                                            std::int64_t positions, std::int64_t first_sample) {
  auto const n = static_cast<std::size_t>(positions);
  std::vector<std::int32_t> out(static_cast<std::size_t>(batch) * n);
  for (std::int64_t i = 0; i < batch; ++i) {
    decode::positions_by_rank(order, first_sample + i,
                              std::span(out).subspan(static_cast<std::size_t>(i) * n, n));
  }
  return out;
}

/// Masks every position, then calls the network once for each call of the policy and makes its
/// positions known: visit(sample, position, row) is given the logits and returns the class. Samples
/// come one after another, the positions of each in their order. What a call sees is what the calls
/// before it made known.
template <class Exec, class Process, class Denoiser, class Code, class Visit>
void masked_calls(Exec const& exec, Process const& process, Denoiser const& denoiser,
                  batch_view<Code> canvas, std::span<std::int32_t const> orders,
                  grid::ardm_policy const& policy, Visit const& visit) {
  using logit = typename masked_network<Exec, Process, Denoiser>::logit;
  auto const law = process.limit();
  std::int64_t const width = law.classes;
  std::fill_n(canvas.data, canvas.size(), static_cast<Code>(law.mask));
  if (canvas.size() == 0) return;
  std::vector<logit> logits(
      static_cast<std::size_t>(checked_product(canvas.size(), width, "logits")));
  for (int i = 0; i < policy.calls(); ++i) {
    query q;
    q.step = i;
    q.at = grid::known_level(process, policy.begin(i), policy.positions());
    q.to = grid::known_level(process, policy.end(i), policy.positions());
    denoiser(
        exec,
        batch_view<Code const>{canvas.data, canvas.batch, canvas.features, canvas.first_sample}, q,
        batch_view<logit>{logits.data(), canvas.batch, canvas.features * width,
                          canvas.first_sample});
    for (std::int64_t s = 0; s < canvas.batch; ++s) {
      for (int r = policy.begin(i); r < policy.end(i); ++r) {
        std::int64_t const p = orders[static_cast<std::size_t>(s * canvas.features + r)];
        std::int64_t const place = s * canvas.features + p;
        canvas.data[place] = static_cast<Code>(
            visit(s, p,
                  std::span<logit const>(logits).subspan(static_cast<std::size_t>(place * width),
                                                         static_cast<std::size_t>(width))));
      }
    }
  }
}

}  // namespace diffx::detail
