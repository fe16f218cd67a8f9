#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/config.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/rule/repaint_and_denoiser.hpp>
#include <diffx/step.hpp>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::solver {

/// The part of a sample that is given: where mask is not 0. Without a mask, nothing is.
template <class T>
struct known_region {
  T const* image = nullptr;             // [batch, features]
  unsigned char const* mask = nullptr;  // [batch, features]
};

/// The same of packed bits: image and mask are packed as the state is, and 1 is known.
struct known_bits {
  std::uint32_t const* image = nullptr;  // [batch, words]
  std::uint32_t const* mask = nullptr;   // [batch, words]
};

/// Writes q(x_at | image) over the known part of a tile: alpha image + sigma xi.
template <class T, class Noise>
struct paste_known {
  known_region<T> known;
  batch_view<T> x;
  T alpha, sigma;
  Noise noise;
  noise::key key;
  std::uint8_t const* fixed = nullptr;  // 1 where the state stays

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
#if defined(__CUDA_ARCH__)
    constexpr int width = 4;
    n = n < width ? n : width;  // with this bound known, z stays in registers
#else
    constexpr int width = 512;
#endif
    T z[width] = {};
    if (sigma != T(0)) noise.fill(key, x.first_sample + sample, first, n, z);
    std::int64_t const base = sample * x.features + first;
    for (int i = 0; i < n; ++i) {
      if (known.mask[base + i] != 0 && (fixed == nullptr || fixed[base + i] == 0)) {
        x.data[base + i] = detail::fma(sigma, z[i], alpha * known.image[base + i]);
      }
    }
  }
};

/// RePaint: drives a run so that a given part of the sample is kept, going back `jump_length` steps
/// and down again so that both parts agree.
///
///     after a step to level s:   x <- q(x_s | image) where mask is set, x elsewhere
///     jump:                      x ~ q(x_{index - jump_length} | x_index),  the run's renoise
///
/// for numbers, classes and bits, by the process of each: missing cells of a table are filled in.
/// What options.fixed keeps, stays.
///
/// At every jump_length-th level from the end the run goes back samples - 1 times. N steps cost
/// N + (samples - 1) jump_length J evaluations, J = the number of multiples of jump_length, 0
/// included, below N - jump_length.
///
/// Source    Lugmayr et al. 2022, arXiv:2201.09865, Algorithm 1 and Appendix B.
/// Shapes    image and mask: [batch, features], in the executor's memory; of process::xor_packed
///           both are [batch, words] (known_bits).
/// Requires  solvers that draw every position by itself; a decoder takes options.fixed.
/// Errors    jump_length or samples below 1, more than 4094 jumps, or a class given that is none or
///           the mask, throws.
struct repaint {
  int jump_length = 10;
  int samples = 10;

  /// Evaluations of a one-evaluation solver over `steps` steps.
  int evaluations(int steps) const {
    check();
    return steps + (samples - 1) * jump_length * jump_levels(steps);
  }

  /// Runs to the end, from where the run stands. A state of several blocks has one region each.
  template <class Run, class... Regions>
  void finish(Run& run, std::tuple<Regions...> const& known) const {
    static_assert(
        sizeof(rule::repaint_and_denoiser_must_fit<repaint, typename Run::denoiser_type>) > 0);
    static_assert(sizeof...(Regions) == Run::blocks,
                  "diffx: solver::repaint needs one known_region (of packed bits: known_bits) per "
                  "block of the state.");
    check();
    for_each_block(run, known, [&](auto& block, auto const& region, level const&) {
      if (region.image == nullptr) {
        detail::fail("diffx::solver::repaint: a known_region has a mask and no image");
      }
      if constexpr (requires { block.check_given(run.exec(), region.image, region.mask); }) {
        block.check_given(run.exec(), region.image, region.mask);
      }
    });
    int const first = run.step(), end = first + remaining(run);
    long long const jumps_to_come = static_cast<long long>(samples - 1) * jump_levels(end - first);
    detail::require(jumps_to_come < noise::max_draw, "diffx::solver::repaint",
                    "samples - 1, at each level of a jump,", jumps_to_come,
                    "below 2^12 - 1 in all: take longer jumps, or fewer samples");
    std::vector<int> left(static_cast<std::size_t>(end - first) + 1, 0);
    for (int j = 0; j < end - first - jump_length; j += jump_length) {
      left[static_cast<std::size_t>(j)] = samples - 1;
    }
    int jumps = 0;
    for (;;) {
      run.advance();
      paste(run, known);
      int& again = left[static_cast<std::size_t>(end - run.step())];
      if (again-- > 0) {
        run.renoise(run.step() - jump_length, ++jumps);
      } else if (run.done()) {
        return;
      }
    }
  }
  template <class Run, class T>
  void finish(Run& run, known_region<T> known) const {
    finish(run, std::tuple{known});
  }
  template <class Run>
  void finish(Run& run, known_bits known) const {
    finish(run, std::tuple{known});
  }

 private:
  template <class Block>
  struct mask_value {
    using type = unsigned char;
  };
  template <class Block>
  requires requires { typename Block::mask_type; }
  struct mask_value<Block> {
    using type = typename Block::mask_type;
  };
  template <class Block>
  using mask_of = typename mask_value<Block>::type;

  static constexpr int own_draw = 16;  // beyond those of any solver's stage

  void check() const {
    detail::require(jump_length >= 1, "diffx::solver::repaint", "jump_length", jump_length,
                    "at least 1");
    detail::require(samples >= 1, "diffx::solver::repaint", "samples", samples, "at least 1");
  }
  int jump_levels(int steps) const noexcept {
    int const below = steps - jump_length;
    return below > 0 ? (below + jump_length - 1) / jump_length : 0;
  }
  template <class Run>
  static int remaining(Run const& run) {
    return run.status().steps - run.step();
  }

  /// Calls f(block, region, level that is reached) for the blocks of which a part is known.
  template <class Run, class Known, class F>
  static void for_each_block(Run& run, Known const& known, F const& f) {
    [&]<std::size_t... B>(std::index_sequence<B...>) {
      auto const one = [&](auto& block, auto const& region, level const& at) {
        if (region.mask != nullptr) f(block, region, at);
      };
      (one(run.template block<B>(), std::get<B>(known), run.template grid<B>()[run.step()]), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<Known>>{});
  }

  /// A step that is taken again has the noise of a fork: run::renoise sees to that.
  template <class Run, class Known>
  static void paste(Run& run, Known const& known) {
    for_each_block(run, known, [&](auto& block, auto const& region, level const& at) {
      using block_type = std::remove_cvref_t<decltype(block)>;
      static_assert(
          std::is_same_v<std::remove_cvref_t<decltype(*region.mask)>, mask_of<block_type>>,
          "diffx: solver::repaint takes solver::known_bits for a block of packed bits, whose mask "
          "is packed as the state is, and solver::known_region for any other.");
      noise::key const key{run.step() - 1, own_draw, block.block(), at.t, at.t};
      if constexpr (requires { block.takes_pasted; }) {
        static_assert(block_type::takes_pasted,
                      "diffx: solver::repaint gives values and takes them away. This block is of "
                      "points on spheres, which take options.fixed, or its solver "
                      "(solver::decode, solver::remdm, ...) remembers which ones it has set. Use "
                      "options.fixed, or solver::ancestral.");
        block.paste(run.exec(), region.image, region.mask, at, key);
      } else {
        paste_numbers(run.exec(), block, region, at, key);
        block.reset();  // an input prepared for the next evaluation is no longer that of x
      }
    });
  }

  template <class Exec, class Block, class T>
  static void paste_numbers(Exec const& exec, Block& block, known_region<T> const& region,
                            level const& at, noise::key key) {
    batch_view<T> const x = block.x();
    exec.for_each_tile(x.batch, x.features,
                       paste_known<T, std::remove_cvref_t<decltype(block.noise())>>{
                           region, x, static_cast<T>(at.alpha), static_cast<T>(at.sigma),
                           block.noise(), key, block.fixed()});
  }
};

}  // namespace diffx::solver
