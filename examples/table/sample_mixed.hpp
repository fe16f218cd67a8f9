#pragma once

// Rows of numbers and categories, sampled.

#include <diffx/denoiser/eigen/mlp.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/prediction/eps.hpp>

#include "tasks.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace example {

/// The network of mixed rows: numbers and classes in, eps and logits out.
///
/// Shapes    std::tuple{numbers [batch, n], codes [batch, columns]} to std::tuple{eps [batch, n],
///           logits [batch, sum of the columns' classes]}.
class mixed_network {
 public:
  mixed_network(diffx::denoiser::eigen::mlp<diffx::prediction::eps> net, std::int64_t width,
                std::vector<int> classes)
      : net_(std::move(net)), width_(width), classes_(std::move(classes)), shown_(classes_) {}

  std::int64_t width() const noexcept { return width_; }
  std::vector<int> const& classes() const noexcept { return classes_; }

  template <class Exec, class Code>
  void operator()(Exec const& exec,
                  std::tuple<diffx::batch_view<float const>, diffx::batch_view<Code const>> x,
                  diffx::query const& q,
                  std::tuple<diffx::batch_view<float>, diffx::batch_view<float>> out) const {
    auto const [numbers, codes] = x;
    auto const [eps, logits] = out;
    std::int64_t const features = width_ + shown_.width();
    std::vector<float> rows(static_cast<std::size_t>(numbers.batch * features));
    shown_.write(codes, logits);
    for (std::int64_t i = 0; i < numbers.batch; ++i) {
      float* const row = rows.data() + i * features;
      std::copy_n(numbers.row(i), width_, row);
      std::copy_n(logits.row(i), shown_.width(), row + width_);
    }
    diffx::batch_view<float> const all{rows.data(), numbers.batch, features, numbers.first_sample};
    net_(exec, diffx::batch_view<float const>{all.data, all.batch, features, all.first_sample}, q, all);
    for (std::int64_t i = 0; i < numbers.batch; ++i) {
      std::copy_n(all.row(i), width_, eps.row(i));
      std::copy_n(all.row(i) + width_, shown_.width(), logits.row(i));
    }
  }

 private:
  diffx::denoiser::eigen::mlp<diffx::prediction::eps> net_;
  std::int64_t width_;
  std::vector<int> classes_;
  diffx::domain::table::one_hot shown_;
};

/// TEMPORARY, until recipe::tabddpm is merged.
inline std::pair<std::vector<float>, std::vector<std::int32_t>> sample_mixed(
    mixed_network const& network, std::int64_t first, std::int64_t count, int steps,
    std::uint64_t seed, diffx::exec::threads const& exec) {
  using namespace diffx;
  process::vp_discrete const p(schedule::cosine(1000));
  auto const grid_idx = grid::index::strided(1000, steps);
  std::int64_t const n = network.width(), m = static_cast<std::int64_t>(network.classes().size());
  std::int64_t sum = 0;
  for (int k : network.classes()) sum += k;
  std::vector<float> z(static_cast<std::size_t>(count * n)), eps(z.size()), logits(static_cast<std::size_t>(count * sum));
  std::vector<std::int32_t> c(static_cast<std::size_t>(count * m));
  for (std::int64_t i = 0; i < count; ++i) {
    row_random r(seed, 1u << 20, static_cast<std::uint32_t>(first + i));
    for (std::int64_t j = 0; j < n; ++j) z[static_cast<std::size_t>(i * n + j)] = static_cast<float>(r.normal());
    for (std::int64_t j = 0; j < m; ++j) c[static_cast<std::size_t>(i * m + j)] = static_cast<std::int32_t>(r.below(static_cast<std::size_t>(network.classes()[static_cast<std::size_t>(j)])));
  }
  for (std::size_t g = 0; g < grid_idx.size(); ++g) {
    auto const t = p.at_index(grid_idx[g]);
    auto const s = g + 1 < grid_idx.size() ? p.at_index(grid_idx[g + 1]) : p.at(0.0);
    query q;
    q.at = t;
    network(exec, std::tuple{batch_view<float const>{z.data(), count, n}, batch_view<std::int32_t const>{c.data(), count, m}}, q,
            std::tuple{batch_view<float>{eps.data(), count, n}, batch_view<float>{logits.data(), count, sum}});
    double const as = s.alpha * s.alpha, at = t.alpha * t.alpha, ats = at / as;
    double const var = (1 - as) > 0 ? (1 - ats) : 0.0;  // large
    for (std::int64_t i = 0; i < count; ++i) {
      row_random r(seed, g, static_cast<std::uint32_t>(first + i));
      for (std::int64_t j = 0; j < n; ++j) {
        auto& x = z[static_cast<std::size_t>(i * n + j)];
        double const e = eps[static_cast<std::size_t>(i * n + j)];
        double const x0 = (x - t.sigma * e) / t.alpha;
        double const mean = s.alpha * (1 - ats) / (1 - at) * x0 + std::sqrt(ats) * (1 - as) / (1 - at) * x;
        x = static_cast<float>(mean + std::sqrt(var) * r.normal());
      }
      std::int64_t off = 0;
      for (std::int64_t j = 0; j < m; ++j) {
        int const K = network.classes()[static_cast<std::size_t>(j)];
        auto& x = c[static_cast<std::size_t>(i * m + j)];
        float const* l = logits.data() + i * sum + off;
        float top = *std::max_element(l, l + K);
        std::vector<double> w(static_cast<std::size_t>(K)), rr(static_cast<std::size_t>(K));
        double W = 0;
        for (int v = 0; v < K; ++v) { w[static_cast<std::size_t>(v)] = std::exp(l[v] - top) / ((v == x ? at : 0) + (1 - at) / K); W += w[static_cast<std::size_t>(v)]; }
        double tot = 0;
        for (int v = 0; v < K; ++v) { rr[static_cast<std::size_t>(v)] = (as * w[static_cast<std::size_t>(v)] + (1 - as) / K * W) * ((v == x ? ats : 0) + (1 - ats) / K); tot += rr[static_cast<std::size_t>(v)]; }
        double u = r.uniform() * tot;
        int pick = 0;
        while (pick < K - 1 && u >= rr[static_cast<std::size_t>(pick)]) u -= rr[static_cast<std::size_t>(pick++)];
        x = pick;
        off += K;
      }
    }
  }
  return {z, c};
}

}  // namespace example
