#pragma once

// AdamW with an average of the weights, for the tasks of tables.

#include <diffx/error.hpp>
#include <diffx/exec/threads.hpp>

#include "network.hpp"
#include "tasks.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace example {

struct train_options {
  int batch = 512;
  double rate = 2e-3;         // at its highest; a cosine of the progress takes it to 0
  double warm_up = 0.02;      // share of the progress in which it rises
  double decay = 0.01;        // of matrices, as AdamW has it
  double largest_norm = 1.0;  // of the gradient
  double average = 0.999;     // of the weights that are kept
  std::uint64_t seed = 1;
};

/// Everything that training goes on from.
struct train_state {
  std::vector<float> weights, averaged, first, second, best;
  std::int64_t step = 0;
  double seconds = 0.0;
  double best_loss = std::numeric_limits<double>::infinity();
  std::int64_t best_step = 0;
};

/// Steps of one network on one task. Sums are taken in two halves of the minibatch whatever the
/// number of threads: the result is the same on one and on two.
///
/// Errors    sizes or options that make no sense, a loss that is not finite: throws diffx::error.
template <class Task>
class trainer {
 public:
  trainer(Task const& learn, Task const& held_out, mlp_size size, train_options options)
      : learn_(&learn),
        held_out_(&held_out),
        options_(options),
        layout_(checked(learn, held_out, size, options)),
        times_(time_table(learn.steps())) {
    for (half& h : halves_) h.network.emplace_back(size);
  }

  weight_layout const& layout() const noexcept { return layout_; }

  train_state start() const {
    train_state s;
    s.weights = layout_.read(diffx::denoiser::eigen::random_weights(options_.seed));
    s.averaged = s.weights;
    s.best = s.weights;
    s.first.assign(s.weights.size(), 0.0f);
    s.second.assign(s.weights.size(), 0.0f);
    return s;
  }

  /// One step at this progress, from 0 to 1; returns the loss of the minibatch.
  double step(train_state& s, double progress, diffx::exec::threads const& exec) {
    auto const batch = static_cast<std::size_t>(options_.batch);
    double const loss = run(
        *learn_, s.weights, exec,
        [&](std::size_t i, row_random& random) {
          double const place =
              (static_cast<double>(i) + random.uniform()) / static_cast<double>(batch);
          return std::pair{random.below(learn_->rows()), place};
        },
        batch, static_cast<std::uint64_t>(s.step), options_.seed, true);
    if (!std::isfinite(loss)) {
      diffx::detail::fail("training: the loss of step " + std::to_string(s.step) +
                          " is not finite; a lower --rate may help");
    }
    update(s, progress);
    ++s.step;
    return loss;
  }

  /// The loss of these weights on held-out rows, with the same noise in every call.
  double held_out_loss(std::vector<float> const& weights, diffx::exec::threads const& exec) {
    std::size_t const rows = std::min<std::size_t>(held_out_->rows(), 8192);
    auto const batch = static_cast<std::size_t>(options_.batch);
    double total = 0.0;
    for (std::size_t first = 0; first < rows; first += batch) {
      std::size_t const n = std::min(batch, rows - first);
      total += static_cast<double>(n) * run(
                                            *held_out_, weights, exec,
                                            [&](std::size_t i, row_random& random) {
                                              double const place =
                                                  (static_cast<double>(i) + random.uniform()) /
                                                  static_cast<double>(n);
                                              return std::pair{first + i, place};
                                            },
                                            n, first, options_.seed + 1, false);
    }
    return total / static_cast<double>(rows);
  }

  /// Gradient and loss of the first half of a minibatch; for tests.
  std::span<float const> gradient() const noexcept { return halves_[0].gradient; }

 private:
  struct half {
    std::vector<learning_mlp<float>> network;  // one
    minibatch<float> rows;
    Eigen::MatrixXf d_out;
    std::vector<float> gradient;
    double loss = 0.0;
  };

  static mlp_size checked(Task const& learn, Task const& held_out, mlp_size const& size,
                          train_options const& o) {
    constexpr auto where = "training";
    auto const require = diffx::detail::require<long long>;
    require(learn.rows() >= 1, where, "rows to learn from", static_cast<long long>(learn.rows()),
            "at least 1");
    require(held_out.rows() >= 1, where, "held-out rows", static_cast<long long>(held_out.rows()),
            "at least 1");
    require(size.features == learn.features(), where, "features of the network", size.features,
            std::to_string(learn.features()));
    require(size.classes == 0 || (learn.labels().size() == learn.rows() &&
                                  held_out.labels().size() == held_out.rows()),
            where, "classes of the network", size.classes, "0 for rows without labels");
    require(size.hidden >= 1, where, "hidden", size.hidden, "at least 1");
    require(size.layers >= 0, where, "layers", size.layers, "at least 0");
    require(o.batch >= 2, where, "batch", o.batch, "at least 2");
    diffx::detail::require(o.rate > 0.0 && std::isfinite(o.rate), where, "rate", o.rate, "above 0");
    diffx::detail::require(o.average >= 0.0 && o.average < 1.0, where, "average", o.average,
                           "in [0, 1)");
    return size;
  }

  /// Mean loss of n rows that `pick` chooses with their places in [0, 1) of the times; with
  /// `learning` also the gradient of each half.
  template <class Pick>
  double run(Task const& task, std::vector<float> const& weights, diffx::exec::threads const& exec,
             Pick const& pick, std::size_t n, std::uint64_t step, std::uint64_t seed,
             bool learning) {
    exec.for_each_sample(2, [&](std::int64_t which) {
      half& h = halves_[which];
      std::size_t const rows = n / 2 + (which == 0 ? n % 2 : 0);
      h.loss = 0.0;
      if (learning) h.gradient.assign(layout_.count(), 0.0f);
      if (rows == 0) return;
      h.rows.resize(task.features(), static_cast<index>(rows));
      h.rows.labels.clear();
      for (std::size_t j = 0; j < rows; ++j) {
        std::size_t const i = 2 * j + static_cast<std::size_t>(which);
        row_random random(seed, step, static_cast<std::uint32_t>(i));
        auto const [row, place] = pick(i, random);
        int const k = 1 + std::min(task.steps() - 1, static_cast<int>(place * task.steps()));
        auto const c = static_cast<index>(j);
        h.rows.time.col(c) = times_.col(k - 1);
        if (!task.labels().empty()) h.rows.labels.push_back(task.labels()[row]);
        task.noise(row, k, random, h.rows.x.col(c).data(), h.rows.target.col(c).data());
      }
      auto& network = h.network.front();
      auto const& out = network.forward(weights.data(), h.rows.x, h.rows.time, h.rows.labels);
      h.d_out.resize(out.rows(), out.cols());
      for (index c = 0; c < out.cols(); ++c) {
        h.loss += task.loss(out.col(c).data(), h.rows.target.col(c).data(), h.d_out.col(c).data());
      }
      if (!learning) return;
      h.d_out /= static_cast<float>(n);
      network.backward(weights.data(), h.d_out, h.gradient.data());
    });
    return (halves_[0].loss + halves_[1].loss) / static_cast<double>(n);
  }

  void update(train_state& s, double progress) {
    constexpr double beta1 = 0.9, beta2 = 0.99;
    double squares = 0.0;
    auto& g = halves_[0].gradient;
    for (std::size_t i = 0; i < g.size(); ++i) g[i] += halves_[1].gradient[i];
    for (float const v : g) squares += static_cast<double>(v) * static_cast<double>(v);
    double const norm = std::sqrt(squares);
    auto const clip =
        static_cast<float>(norm > options_.largest_norm ? options_.largest_norm / norm : 1.0);
    double const rise = options_.warm_up > 0.0 ? std::min(1.0, progress / options_.warm_up) : 1.0;
    double const rate = options_.rate * std::max(rise, 1e-2) *
                        (0.5 + 0.5 * std::cos(std::numbers::pi * std::clamp(progress, 0.0, 1.0)));
    auto const n = static_cast<double>(s.step + 1);
    auto const scale = static_cast<float>(rate / (1.0 - std::pow(beta1, n)));
    auto const unbias = static_cast<float>(1.0 / (1.0 - std::pow(beta2, n)));
    auto const keep = static_cast<float>(std::min(options_.average, (1.0 + n) / (10.0 + n)));
    constexpr auto b1 = static_cast<float>(beta1), b2 = static_cast<float>(beta2);
    for (auto const& t : layout_.tensors()) {
      auto const shrink = static_cast<float>(t.cols > 0 ? 1.0 - rate * options_.decay : 1.0);
      float* const w = s.weights.data() + t.first;
      float* const m = s.first.data() + t.first;
      float* const v = s.second.data() + t.first;
      float* const a = s.averaged.data() + t.first;
      float const* const d = g.data() + t.first;
      std::size_t const count = t.count();
      DIFFX_INDEPENDENT
      for (std::size_t i = 0; i < count; ++i) {
        float const slope = clip * d[i];
        m[i] = b1 * m[i] + (1.0f - b1) * slope;
        v[i] = b2 * v[i] + (1.0f - b2) * slope * slope;
        w[i] = shrink * w[i] - scale * m[i] / (std::sqrt(v[i] * unbias) + 1e-8f);
        a[i] = keep * a[i] + (1.0f - keep) * w[i];
      }
    }
  }

  Task const* learn_;
  Task const* held_out_;
  train_options options_;
  weight_layout layout_;
  Eigen::MatrixXf times_;
  half halves_[2];
};

}  // namespace example
