#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/class_layout.hpp>
#include <diffx/detail/column_plans.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>

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
  DIFFX_HD void fill(noise::key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    int const skipped = static_cast<int>(first % 4);
    if (skipped == 0) {
      of.fill(k, sample, first, n, out);
      return;
    }
#if defined(__CUDA_ARCH__)
    // No tile is longer than a group, nor crosses its end; with that bound z stays in registers.
    int const end = skipped + n < 4 ? skipped + n : 4;
    T z[4] = {};
    of.fill(k, sample, first - skipped, end, z);
    for (int i = 0; i < 4; ++i) {
      for (int j = i + 1; j < 4; ++j) {
        if (j == i + skipped) out[i] = z[j];
      }
    }
#else
    T z[exec::tile + 4];
    of.fill(k, sample, first - skipped, n + skipped, z);
    for (int i = 0; i < n; ++i) out[i] = z[skipped + i];
#endif
  }
};

/// Neighbours that are alike: what their passes are given, from column `first` on.
template <class T>
struct column_part {
  std::int64_t first;
  pass_data<T> data;
};

/// A tile over columns, cut where their coefficients change.
template <class T, class Pass>
struct column_tile {
  column_part<T> const* part;
  std::int64_t parts;
  Pass pass;  // (data, sample, first column, count)

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t begin, int n) const {
    std::int64_t k = 0, past = parts;
    while (past - k > 1) {
      std::int64_t const middle = k + (past - k) / 2;
      if (part[middle].first <= begin) {
        k = middle;
      } else {
        past = middle;
      }
    }
    std::int64_t const end = begin + n;
    for (std::int64_t c = begin; c < end; ++k) {
      std::int64_t const next = k + 1 < parts ? part[k + 1].first : end;
      std::int64_t const stop = next < end ? next : end;
      pass(part[k].data, sample, c, static_cast<int>(stop - c));
      c = stop;
    }
  }
};

/// The fused pass of a part.
template <class Pass, class Noise>
struct column_pass {
  Noise noise;

  template <class T>
  DIFFX_HD void operator()(pass_data<T> const& data, std::int64_t sample, std::int64_t first,
                           int n) const {
    Pass{data, noise}(sample, first, n);
  }
};

/// Where the mask is set, keep given + spread xi.
template <class T, class Noise>
struct column_paste {
  T* x;
  T const* given;
  std::uint8_t const* mask;
  noise::key key;
  Noise noise;

  DIFFX_HD void operator()(pass_data<T> const& d, std::int64_t sample, std::int64_t first,
                           int n) const {
#if defined(__CUDA_ARCH__)
    constexpr int width = 4;
    n = n < width ? n : width;
#else
    constexpr int width = exec::tile;
#endif
    T const keep = d.state_weight[0], spread = d.noise_weight[0];
    T z[width] = {};
    if (spread != T(0)) noise.fill(key, d.first_sample + sample, first, n, z);
    std::int64_t const row = sample * d.features + first;
    for (int i = 0; i < n; ++i) {
      bool const stays = d.fixed != nullptr && d.fixed[row + i] != 0;
      if (mask[row + i] == 0 || stays) continue;
      x[row + i] = fma(spread, z[i], keep * given[row + i]);
    }
  }
};

/// A block of numbers whose columns have schedules of their own: the passes of continuous_block,
/// column by column. Off the host the coefficients of a pass lie in the workspace while it runs.
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

  /// Bytes for the coefficients of a pass, off the host.
  static std::int64_t table_bytes(Process const& process, std::int64_t, std::int64_t) {
    return process.size() * static_cast<std::int64_t>(sizeof(column_part<T>));
  }
  template <class Exec>
  void place_tables(Exec const&, std::byte* room) {
    static_assert(uploads<Exec>,
                  "diffx: the coefficients of process::columns are in host memory, and this "
                  "execution object does not take them from there. Give it upload(to, from, "
                  "bytes), as exec::cuda has it, or use one process for all columns.");
    room_ = room;
  }

  template <class Exec>
  batch_view<T const> input(Exec const& exec, column_level const& at) {
    T const* data = this->state_[0];
    if constexpr (Prediction::scales_input) {
      if (!this->input_ready_) {
        assign_parts(at.first, this->base_data());
        for (std::size_t k = 0; k < parts_.size(); ++k) {
          pass_data<T>& d = parts_[k].data;
          d.state_weight[0] = static_cast<T>(this->prediction_.input_scale(at.own[k]));
          d.target = this->input_;
          d.fixed = nullptr;
        }
        launch<fused_pass<T, 0, 1, 0, 0, x0_hook::none, false, noise_type>>(exec);
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
    assign_parts(s.at.first, shared);
    for (std::size_t k = 0; k < parts_.size(); ++k) {
      if (s.evaluates) this->convert(s.own[k], parts_[k].data);
      this->weigh(s.own[k], parts_[k].data);
    }
    stage const& any = s.own.front();
    T* const target = this->place(any.keeps, any.retains, ends_step, shared);
    for (auto& part : parts_) {
      part.data.target = target;
      part.data.kept_output = shared.kept_output;
    }
    if constexpr (Prediction::scales_input) {
      this->input_ready_ = next_at != nullptr;
      for (std::size_t k = 0; next_at != nullptr && k < parts_.size(); ++k) {
        parts_[k].data.next_input = this->input_;
        parts_[k].data.input_scale = static_cast<T>(this->prediction_.input_scale(next_at->own[k]));
      }
    }
    if (s.evaluates) {
      run_parts<base::most_sources>(exec);
    } else if constexpr (has_pure_passes<Solver>) {
      run_parts<0>(exec);
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
    tiles(exec, column_paste<T, noise_type>{this->x_.data, given, mask, key, {this->noise_}});
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

  void assign_parts(std::vector<std::int64_t> const& first, pass_data<T> const& shared) {
    parts_.assign(first.size(), {0, shared});
    for (std::size_t k = 0; k < first.size(); ++k) parts_[k].first = first[k];
  }

  /// keep x + spread xi of every column into parts_: neighbours that are alike are one.
  template <class F>
  void gather_weights(F const& of) {
    parts_.clear();
    weights last{};
    for (int c = 0; c < process_->size(); ++c) {
      weights const w = of(c);
      if (c > 0 && w.keep == last.keep && w.spread == last.spread) continue;
      last = w;
      parts_.push_back({c, this->base_data()});
      pass_data<T>& d = parts_.back().data;
      d.state_weight[0] = static_cast<T>(w.keep);
      d.noise_weight[0] = static_cast<T>(w.spread);
    }
  }

  template <class Exec, class F>
  void renoise(Exec const& exec, noise::key key, F const& of) {
    gather_weights(of);
    for (auto& part : parts_) {
      part.data.noise_key[0] = key;
      part.data.noise_key[0].block = this->block_;
      part.data.target = this->x_.data;
    }
    launch<fused_pass<T, 0, 1, 0, 1, x0_hook::none, false, noise_type>>(exec);
    this->reset();
  }

  template <int G, class Exec>
  void run_parts(Exec const& exec) const {
    constexpr x0_hook hook = G > 0 ? Guidance::hook : x0_hook::none;
    launch<fused_pass<T, G, base::state_slots, base::history_size, Solver::noises, hook,
                      (G > 0 && Variance), noise_type>>(exec);
  }

  template <class Pass, class Exec>
  void launch(Exec const& exec) const {
    tiles(exec, column_pass<Pass, noise_type>{{this->noise_}});
  }

  template <class Exec, class Pass>
  void tiles(Exec const& exec, Pass const& pass) const {
    auto const& x = this->x_;
    exec.for_each_tile(x.batch, x.features,
                       column_tile<T, Pass>{reached(exec, parts_.data(), parts_.size(), room_),
                                            static_cast<std::int64_t>(parts_.size()), pass});
  }

  Process const* process_;
  std::vector<column_part<T>> parts_;  // of the pass at hand
  std::byte* room_ = nullptr;          // of the parts, off the host
};

}  // namespace diffx::detail
