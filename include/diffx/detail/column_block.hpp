#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/column_plans.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace diffx::detail {

/// A noise source whose `fill` may begin at any element: sources give whole groups of four.
template <class Noise>
struct noise_from_anywhere {
  Noise of;

  template <class T>
  void fill(noise::key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    int const skipped = static_cast<int>(first % 4);
    if (skipped == 0) {
      of.fill(k, sample, first, n, out);
      return;
    }
    T z[exec::tile + 4];
    of.fill(k, sample, first - skipped, n + skipped, z);
    for (int i = 0; i < n; ++i) out[i] = z[skipped + i];
  }
};

/// A tile over columns, cut where their coefficients change: part k, from column first[k] on, is
/// make(k)'s.
template <class Make>
struct column_tile {
  std::int64_t const* first;
  std::size_t parts;
  Make make;

  void operator()(std::int64_t sample, std::int64_t begin, int n) const {
    std::int64_t const end = begin + n;
    auto k = static_cast<std::size_t>(std::upper_bound(first, first + parts, begin) - first) - 1;
    for (std::int64_t c = begin; c < end; ++k) {
      std::int64_t const stop = k + 1 < parts ? std::min(end, first[k + 1]) : end;
      make(k)(sample, c, static_cast<int>(stop - c));
      c = stop;
    }
  }
};
template <class Make>
column_tile(std::int64_t const*, std::size_t, Make) -> column_tile<Make>;

/// A block of numbers whose columns have schedules of their own: the passes of continuous_block,
/// column by column.
template <class T, class Process, class Prediction, class Solver, class Guidance, class Cache,
          bool Variance, class Noise>
class column_block
    : public continuous_block<T, Prediction, Solver, Guidance, Cache, Variance, Noise> {
  using base = continuous_block<T, Prediction, Solver, Guidance, Cache, Variance, Noise>;
  using noise_type = noise_from_anywhere<Noise>;

 public:
  using plan_type = column_plan;
  static constexpr bool takes_pasted = true;

  column_block(batch_view<T> x, std::byte* memory, Process const& process,
               Prediction const& prediction, Guidance const& guidance, Solver const& solver,
               Noise const& noise, int block)
      : base(x, memory, process, prediction, guidance, solver, noise, block), process_(&process) {
    require(x.features == process.size(), "diffx::run", "features of the state",
            static_cast<long long>(x.features),
            "the columns of the process, " + text(process.size()));
  }

  template <class Exec>
  batch_view<T const> input(Exec const& exec, column_level const& at) {
    T const* data = this->state_[0];
    if constexpr (Prediction::scales_input) {
      if (!this->input_ready_) {
        parts_.assign(at.own.size(), this->base_data());
        for (std::size_t k = 0; k < parts_.size(); ++k) {
          parts_[k].state_weight[0] = static_cast<T>(this->prediction_.input_scale(at.own[k]));
          parts_[k].target = this->input_;
          parts_[k].fixed = nullptr;
        }
        launch<fused_pass<T, 0, 1, 0, 0, x0_hook::none, false, noise_type>>(exec, at.first);
      }
      data = this->input_;
    }
    auto const& x = this->x_;
    return {data, x.batch, x.features, x.first_sample};
  }

  template <class Exec>
  void apply(Exec const& exec, column_stage const& s, prediction_mix const& m, bool ends_step,
             column_level const* next_at, T* preview) {
    pass_data<T> shared = this->base_data();
    if (s.evaluates) {
      this->gather(exec, m, shared);
      shared.preview = preview;
    }
    parts_.assign(s.own.size(), shared);
    for (std::size_t k = 0; k < parts_.size(); ++k) {
      if (s.evaluates) this->convert(s.own[k], parts_[k]);
      this->weigh(s.own[k], parts_[k]);
    }
    stage const& any = s.own.front();
    T* const target = this->place(any.keeps, any.retains, ends_step, shared);
    for (auto& d : parts_) {
      d.target = target;
      d.kept_output = shared.kept_output;
    }
    if constexpr (Prediction::scales_input) {
      this->input_ready_ = next_at != nullptr;
      for (std::size_t k = 0; next_at != nullptr && k < parts_.size(); ++k) {
        parts_[k].next_input = this->input_;
        parts_[k].input_scale = static_cast<T>(this->prediction_.input_scale(next_at->own[k]));
      }
    }
    if (s.evaluates) {
      run_parts<base::most_sources>(exec, s.at.first);
    } else if constexpr (has_pure_passes<Solver>) {
      run_parts<0>(exec, s.at.first);
    }
    this->settle(any.retains, ends_step, target);
  }

  template <class Exec>
  void draw_prior(Exec const& exec, level const& at, noise::key key) {
    auto const& x = this->x_;
    exec.for_each_tile(x.batch, x.features, zero_op<T>{x.data, this->fixed_, x.features});
    renoise(exec, key, [&](int c) { return weights{0.0, prior_std(level_of(c, at))}; });
  }

  /// Draws from q(x_then | x_now).
  template <class Exec>
  void add_noise(Exec const& exec, level const& now, level const& then, noise::key key) {
    renoise(exec, key, [&](int c) {
      level const from = level_of(c, now), to = level_of(c, then);
      double const keep = to.alpha / from.alpha;
      double const variance = to.sigma * to.sigma - keep * keep * from.sigma * from.sigma;
      return weights{keep, variance > 0.0 ? std::sqrt(variance) : 0.0};
    });
  }

  /// Elements where the mask is set take alpha given + sigma xi of their columns.
  template <class Exec>
  void paste(Exec const& exec, T const* given, std::uint8_t const* mask, level const& at,
             noise::key key) {
    key.block = this->block_;
    gather_weights([&](int c) {
      level const l = level_of(c, at);
      return weights{l.alpha, l.sigma};
    });
    tiles(exec, first_, [&](std::size_t k) {
      T const keep = parts_[k].state_weight[0], spread = parts_[k].noise_weight[0];
      return
          [this, keep, spread, given, mask, key](std::int64_t sample, std::int64_t first, int n) {
            auto const& x = this->x_;
            T z[exec::tile] = {};
            if (spread != T(0)) {
              noise_type{this->noise_}.fill(key, x.first_sample + sample, first, n, z);
            }
            std::int64_t const row = sample * x.features + first;
            for (int i = 0; i < n; ++i) {
              bool const stays = this->fixed_ != nullptr && this->fixed_[row + i] != 0;
              if (mask[row + i] == 0 || stays) continue;
              x.data[row + i] = fma(spread, z[i], keep * given[row + i]);
            }
          };
    });
    this->reset();
  }

 private:
  struct weights {
    double keep, spread;
  };

  /// Data is data in every column.
  level level_of(int c, level const& at) const {
    return c == 0 || at.sigma == 0.0 ? at : process_->column(c).at(at.t);
  }

  /// keep x + spread xi of every column into parts_ and first_: neighbours that are alike are one.
  template <class F>
  void gather_weights(F const& of) {
    parts_.clear();
    first_.clear();
    weights last{};
    for (int c = 0; c < process_->size(); ++c) {
      weights const w = of(c);
      if (c > 0 && w.keep == last.keep && w.spread == last.spread) continue;
      last = w;
      first_.push_back(c);
      pass_data<T>& d = parts_.emplace_back(this->base_data());
      d.state_weight[0] = static_cast<T>(w.keep);
      d.noise_weight[0] = static_cast<T>(w.spread);
    }
  }

  template <class Exec, class F>
  void renoise(Exec const& exec, noise::key key, F const& of) {
    gather_weights(of);
    for (auto& d : parts_) {
      d.noise_key[0] = key;
      d.noise_key[0].block = this->block_;
      d.target = this->x_.data;
    }
    launch<fused_pass<T, 0, 1, 0, 1, x0_hook::none, false, noise_type>>(exec, first_);
    this->reset();
  }

  template <int G, class Exec>
  void run_parts(Exec const& exec, std::vector<std::int64_t> const& first) const {
    constexpr x0_hook hook = G > 0 ? Guidance::hook : x0_hook::none;
    launch<fused_pass<T, G, base::state_slots, base::history_size, Solver::noises, hook,
                      (G > 0 && Variance), noise_type>>(exec, first);
  }

  template <class Pass, class Exec>
  void launch(Exec const& exec, std::vector<std::int64_t> const& first) const {
    tiles(exec, first, [this](std::size_t k) { return Pass{parts_[k], noise_type{this->noise_}}; });
  }

  template <class Exec, class Make>
  void tiles(Exec const& exec, std::vector<std::int64_t> const& first, Make const& make) const {
    static_assert(Exec::on_host,
                  "diffx: the coefficients of process::columns are in host memory. Use exec::host "
                  "or exec::threads with it, or one process for all columns on a device.");
    auto const& x = this->x_;
    exec.for_each_tile(x.batch, x.features, column_tile{first.data(), first.size(), make});
  }

  Process const* process_;
  std::vector<pass_data<T>> parts_;  // of the pass at hand
  std::vector<std::int64_t> first_;
};

}  // namespace diffx::detail
