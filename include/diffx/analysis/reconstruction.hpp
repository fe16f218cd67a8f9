#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/noise.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/run.hpp>
#include <diffx/timetable.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace diffx::analysis::anomaly {

/// How a row stands at the first level of the timetable.
enum class denoise_start : std::uint8_t {
  clean,   // as it is, the reference's: what of it a network calls noise is taken away
  noised,  // alpha x + sigma eps
};

/// What is squared, averaged over the columns and added up.
enum class reconstruction_error : std::uint8_t {
  end,   // x - its reconstruction
  path,  // every step of the way
};

struct reconstruction_scores {
  std::vector<double> scores;  // [rows]
  int nfe = 0;                 // network evaluations a row
};

/// How far the reverse chain takes a row: higher is more anomalous, as what the network does not
/// know is not put back.
///
///     score = mean_j (x_j - x^_j)^2,    x^ the end of a run of the sampler from x
///
/// The paper's is process::vp_discrete with 1000 steps of linear(1000, 1e-4, 0.01), solver::ddpm
/// and a timetable of the indices 249 ... 0. Noise: noise::zero takes the mean of every step.
///
/// Cost      repeats x the evaluations of the timetable; repeat r > 0 draws from noise.fork(r).
/// Source    Livernoche et al. 2024, arXiv:2305.18593 (its DDPM baseline).
/// Requires  host memory; a sampler of one block of numbers.
/// Errors    repeats < 1, a timetable from data to noise, a score of NaN: throws diffx::error.
struct reconstruction {
  static constexpr std::string_view name = "analysis::anomaly::reconstruction";
  static constexpr std::string_view source = "arXiv:2305.18593";

  denoise_start from = denoise_start::clean;
  reconstruction_error error = reconstruction_error::end;
  int repeats = 1;

  template <class Sampler, class Exec, class Denoiser, class T, class Noise = noise::counted>
  reconstruction_scores run(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
                            timetable const& grid, batch_view<T const> x,
                            Noise const& noise = {}) const {
    static_assert(Exec::on_host, "diffx: reconstruction compares rows in host memory.");
    constexpr auto where = "diffx::analysis::anomaly::reconstruction";
    detail::require(repeats >= 1, where, "repeats", repeats, "at least 1");
    if (grid.inverts()) {
      detail::fail(
          "diffx::analysis::anomaly::reconstruction: the timetable goes from data to "
          "noise; a reconstruction goes from noise to data");
    }
    std::vector<T> state(static_cast<std::size_t>(x.size())), before;
    batch_view<T> const view{state.data(), x.batch, x.features, x.first_sample};
    options<Noise> opts{noise};
    opts.start = from == denoise_start::clean ? start::given : start::noised;
    detail::workspace const memory(sampler.workspace_size(exec, denoiser, view, opts));
    reconstruction_scores out;
    out.scores.assign(static_cast<std::size_t>(x.batch), 0.0);
    for (int r = 0; r < repeats; ++r) {
      if (r > 0) opts.noise = noise.fork(static_cast<std::uint64_t>(r));
      std::copy_n(x.data, x.size(), state.data());
      auto run = sampler.start(exec, denoiser, grid, view, memory.span(), opts);
      if (error == reconstruction_error::path) {
        before.assign(run.current_state(), run.current_state() + x.size());
        while (!run.done()) {
          run.advance();
          add(state.data(), before.data(), x, out.scores);
          before = state;
        }
        out.nfe += run.status().nfe;
      } else {
        out.nfe += run.finish().nfe;
        add(state.data(), x.data, x, out.scores);
      }
    }
    for (std::size_t i = 0; i < out.scores.size(); ++i) {
      if (std::isnan(out.scores[i])) {
        detail::fail("diffx::analysis::anomaly::reconstruction: the score of row " +
                     detail::text(static_cast<unsigned long>(i)) + " is NaN");
      }
      out.scores[i] /= repeats;
    }
    return out;
  }

 private:
  template <class T>
  static void add(T const* a, T const* b, batch_view<T const> shape, std::vector<double>& scores) {
    for (std::int64_t i = 0; i < shape.batch; ++i) {
      double sum = 0.0;
      for (std::int64_t j = i * shape.features; j < (i + 1) * shape.features; ++j) {
        double const d = static_cast<double>(a[j]) - static_cast<double>(b[j]);
        sum += d * d;
      }
      scores[static_cast<std::size_t>(i)] += sum / static_cast<double>(shape.features);
    }
  }
};

}  // namespace diffx::analysis::anomaly
