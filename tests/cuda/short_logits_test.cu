// Logits of 16 bits on the device: rows of a team and short ones, steps, texts, corrections and
// kernels mixed by guidance.

#include <diffx/denoiser/adapt/dlpack.hpp>
#include <diffx/denoiser/computes_in.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/schedule/log_linear.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/decode.hpp>
#include <diffx/solver/defog.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/remdm.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "class_tables.cuh"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

using diffx::denoiser::computing_in;
using diffx::prediction::x0_cavity;
using diffx::prediction::x0_posterior;
using test::compare;
namespace decode = diffx::decode;
namespace guidance = diffx::guidance;
namespace process = diffx::process;
namespace solver = diffx::solver;

namespace {

/// test::table in the type that it is asked in, by way of float rounded to Rounds.
template <class Prediction, class Rounds>
struct any_table {
  static constexpr int branches = 2;
  Prediction prediction{};
  int width;

  template <class T>
  struct op {
    std::int32_t const* x;
    T* out;
    int width;
    float shift;
    DIFFX_HD void operator()(std::int64_t i) const {
      std::int64_t const position = i / width, v = i - position * width;
      std::int64_t const mixed = (x[position] * 7 + v * 5 + position * 3) % 13;
      float const l = 0.3f * static_cast<float>(mixed) + shift * static_cast<float>(v);
      out[i] = static_cast<T>(static_cast<float>(static_cast<Rounds>(l)));
    }
  };

  template <class Exec, class T>
  void operator()(Exec const& exec, diffx::batch_view<std::int32_t const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    exec.for_each_sample(out.size(),
                         op<T>{x.data, out.data, width, 0.01f * static_cast<float>(q.branch)});
  }
};

template <class Prediction, class Rounds>
struct any_table_of_ratios : any_table<Prediction, Rounds> {
  static constexpr bool log_ratios = true;
};

template <class Prediction>
using in_half = computing_in<__half, any_table<Prediction, __half>>;
template <class Prediction>
using in_bfloat = computing_in<__nv_bfloat16, any_table<Prediction, __nv_bfloat16>>;
template <class Prediction>
using ratios_in_bfloat =
    computing_in<__nv_bfloat16, any_table_of_ratios<Prediction, __nv_bfloat16>>;

template <template <class> class Network>
void compare_steps() {
  for (int const classes : {5, 300}) {
    process::absorbing<> const masks(classes);
    process::uniform<> const flat(classes);
    solver::ancestral const step;
    compare<x0_posterior<>, Network>(diffx::sampler{masks, step}, classes);
    compare<x0_posterior<>, Network>(diffx::sampler{flat, step, guidance::cfg{2.0}}, classes);
    compare<x0_cavity<>, Network>(diffx::sampler{flat, step}, classes);
    compare<x0_posterior<>, Network>(diffx::sampler{masks, step, guidance::d_cfg{2.0}}, classes);
  }
}

template <template <class> class Network>
void compare_texts() {
  for (int const classes : {20, 3000}) {
    process::absorbing<> const masks(classes);
    solver::decode<decode::probability, decode::threshold> plain;
    compare<x0_posterior<>, Network>(diffx::sampler{masks, plain}, classes);
    solver::decode<decode::neg_entropy, decode::entropy_bound> bound;
    bound.propose = {.temperature = 0.7, .top_k = 2000, .top_p = 0.95, .min_p = 1e-4};
    bound.block = 8;
    compare<x0_posterior<>, Network>(diffx::sampler{masks, bound}, classes);
    compare<x0_posterior<>, Network>(diffx::sampler{masks, bound, guidance::cfg{2.0}}, classes);
    solver::decode<decode::margin, decode::dynamic> shares;
    shares.commit.steps = 6;
    compare<x0_posterior<>, Network>(diffx::sampler{masks, shares}, classes);
  }
}

/// On the host, with and without the type.
template <class V, class Sampler>
void compare_rounded(Sampler const& s, int width) {
  constexpr std::int64_t batch = 4, positions = 7;
  auto const grid = diffx::grid::uniform_t(s.process, 6);
  auto const draw = [&](auto network) {
    network.width = width;
    std::vector<std::int32_t> x(batch * positions);
    s.sample(diffx::exec::host{}, network, grid,
             diffx::batch_view<std::int32_t>{x.data(), batch, positions, 0});
    return x;
  };
  using rounds = any_table<x0_posterior<>, V>;
  CHECK(draw(computing_in<V, rounds>{}) == draw(rounds{}));
}

}  // namespace

TEST_CASE("half precision has the samples of rounded floats on the host") {
  for (int const classes : {5, 300}) {
    process::uniform<> const flat(classes);
    diffx::sampler const s{flat, solver::ancestral{}, guidance::cfg{2.0}};
    compare_rounded<__half>(s, classes);
    compare_rounded<__nv_bfloat16>(s, classes);
  }
  // As tensors of other frameworks they are what they are.
  CHECK(diffx::dlpack::detail::code_of<__half>() == 2);
  CHECK(diffx::dlpack::detail::code_of<__nv_bfloat16>() == 4);
}

TEST_CASE("host and device take the same steps from logits of 16 bits") {
  compare_steps<in_half>();
  compare_steps<in_bfloat>();
}

TEST_CASE("host and device draw the same classes from logits of 16 bits that blocks share") {
  compare<x0_posterior<>, in_bfloat>(
      diffx::sampler{process::absorbing<>(20000), solver::ancestral{}}, 20000, 2);
}

TEST_CASE("host and device decode the same text from logits of 16 bits") {
  compare_texts<in_half>();
  compare_texts<in_bfloat>();
}

TEST_CASE("host and device correct, jump and mix kernels alike from logits of 16 bits") {
  for (int const classes : {5, 300}) {
    process::absorbing<> const masks(classes);
    process::uniform<> const flat(classes);
    process::uniform<diffx::schedule::log_linear> const some(classes,
                                                             diffx::schedule::log_linear{1e-3});
    solver::ancestral const step;
    compare<x0_posterior<>, in_bfloat>(
        diffx::sampler{masks, solver::remdm{solver::remask::confidence{}}}, classes);
    compare<x0_posterior<>, in_bfloat>(
        diffx::sampler{flat, solver::predictor_corrector{step, solver::gibbs<>{2}}}, classes);
    compare<x0_posterior<>, in_bfloat>(diffx::sampler{some, solver::euler_ctmc{}}, classes);
    compare<x0_cavity<>, ratios_in_bfloat>(diffx::sampler{flat, step, guidance::d_cbg{1.5}},
                                           classes);
  }
  compare<x0_posterior<>, in_half>(
      diffx::sampler{process::uniform<>(5), solver::defog{.eta = 1.0}, guidance::d_cfg{2.0}}, 5);
}
