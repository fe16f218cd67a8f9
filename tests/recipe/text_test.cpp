// The recipes of text: each runs to the end on a small network, leaves its prompt, makes no more
// calls than its grid, and leaves no mask.

#include <diffx/cache/kv.hpp>
#include <diffx/denoiser/drops_prompt.hpp>
#include <diffx/denoiser/eigen/transformer.hpp>
#include <diffx/denoiser/energy_resampled.hpp>
#include <diffx/denoiser/residual_energy.hpp>
#include <diffx/denoiser/shifted.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/ardm.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/recipe/ardm.hpp>
#include <diffx/recipe/bd3lm.hpp>
#include <diffx/recipe/cdlm.hpp>
#include <diffx/recipe/coda.hpp>
#include <diffx/recipe/dkv_cache.hpp>
#include <diffx/recipe/dream.hpp>
#include <diffx/recipe/e2d2.hpp>
#include <diffx/recipe/edlm.hpp>
#include <diffx/recipe/fast_dllm.hpp>
#include <diffx/recipe/llada.hpp>
#include <diffx/recipe/mdlm.hpp>
#include <diffx/recipe/sedd.hpp>
#include <diffx/recipe/seed_diffusion.hpp>
#include <diffx/recipe/sfdlm.hpp>
#include <diffx/recipe/trado.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
namespace eigen = denoiser::eigen;

constexpr int classes = 11, length = 24, prompt = 3, block = 4;
process::absorbing<> const masks(classes, 0);

struct written {
  std::vector<std::uint8_t> text;
  result run;
};

template <class Sampler, class Network>
written write(Sampler const& s, Network const& network, timetable const& grid, int batch = 2) {
  std::vector<std::uint8_t> x(static_cast<std::size_t>(batch * length), 5), given(x.size(), 0);
  for (int i = 0; i < batch; ++i) {
    for (int p = 0; p < prompt; ++p) {
      x[static_cast<std::size_t>(i * length + p)] = static_cast<std::uint8_t>(1 + (p + i) % 10);
      given[static_cast<std::size_t>(i * length + p)] = 1;
    }
  }
  auto const begun = x;
  options<> o{noise::counted{9}};
  o.fixed = given.data();
  auto const r =
      s.sample(exec::host{}, network, grid, batch_view<std::uint8_t>{x.data(), batch, length}, o);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (given[i] != 0) CHECK(x[i] == begun[i]);
    CHECK(x[i] < classes);
  }
  CHECK(r.evaluations >= 1);
  CHECK(r.evaluations <= grid.steps());
  return {x, r};
}

bool has_mask(written const& w) {
  return std::count(w.text.begin(), w.text.end(), std::uint8_t{0}) != 0;
}

eigen::transformer network_of(std::int64_t block_length) {
  return eigen::transformer(
      {.classes = classes, .width = 8, .heads = 2, .layers = 2, .block_length = block_length},
      eigen::random_weights(3));
}

}  // namespace

TEST_CASE("recipes of masked text fill it in") {
  auto const net = network_of(0);
  auto const grid = [](int steps) { return grid::uniform_t(masks, steps); };
  int const blocks = (length - prompt + block - 1) / block;
  CHECK_FALSE(has_mask(write(recipe::mdlm(masks), net, grid(40))));
  CHECK_FALSE(has_mask(write(recipe::llada(masks, block, 2), net, grid(2 * blocks))));
  CHECK_FALSE(has_mask(write(recipe::fast_dllm(masks, block), net, grid(length))));
  CHECK_FALSE(
      has_mask(write(recipe::fast_dllm(masks, block, 0.9, cache::kv_dual{}), net, grid(length))));
  CHECK_FALSE(has_mask(write(recipe::dkv_cache(masks, block, block), net, grid(block * blocks))));
  CHECK_FALSE(
      has_mask(write(recipe::dkv_cache_greedy(masks, block, block), net, grid(block * blocks))));
  CHECK_FALSE(has_mask(write(recipe::dream(masks), net, grid(8))));
  CHECK_FALSE(has_mask(write(recipe::coda(masks), denoiser::shifted(net), grid(8))));
  CHECK_FALSE(has_mask(write(recipe::seed_diffusion(masks, block), net, grid(2 * length))));
}

TEST_CASE("a budget of calls is kept to the call") {
  auto const net = network_of(0);
  grid::ardm_policy const policy = grid::ardm_naive(length - prompt, 5);
  auto const w = write(recipe::ardm(masks), net, grid::ardm(masks, policy), 1);
  CHECK(w.run.evaluations == 5);
  CHECK_FALSE(has_mask(w));
}

TEST_CASE("recipes of blocks fill them in, and their cache changes nothing") {
  auto const net = network_of(block);
  auto const grid = grid::uniform_t(masks, length);
  auto const both = [&](auto const& cached) {
    auto const w = write(cached, net, grid);
    CHECK_FALSE(has_mask(w));
    sampler const plain{cached.process, cached.solver};
    CHECK(write(plain, net, grid).text == w.text);
  };
  both(recipe::bd3lm(masks, block));
  both(recipe::cdlm(masks, block, 0.3));
  both(recipe::e2d2(masks, block, block));
  both(recipe::trado(masks, block, 2));
  both(recipe::trado(masks, block, 2, false));
}

TEST_CASE("a text is guided towards its prompt by a branch without it") {
  auto const net = network_of(0);
  std::vector<std::uint8_t> given(2 * length, 0);
  for (int i = 0; i < 2; ++i) std::fill_n(given.begin() + i * length, prompt, std::uint8_t{1});
  denoiser::drops_prompt const guided(
      net, batch_view<std::uint8_t const>{given.data(), 2, length, 0}, std::uint8_t{0});
  auto const grid = grid::uniform_t(masks, 12);
  auto const plain = write(recipe::llada(masks, 0, 12), net, grid);
  // At scale 1 the branch is not asked; at any other it costs a second evaluation.
  auto const one = write(recipe::llada(masks, 0, 12, guidance::cfg{1.0}), guided, grid);
  CHECK(one.text == plain.text);
  CHECK(one.run.nfe == plain.run.nfe);
  auto const three = write(recipe::llada(masks, 0, 12, guidance::cfg{3.0}), guided, grid);
  CHECK(three.run.nfe == 2 * three.run.evaluations);
  CHECK_FALSE(has_mask(three));
}

TEST_CASE("a shifted network's logits are those of the position before, with a store as well") {
  auto const net = network_of(0);
  denoiser::shifted const late(net);
  std::vector<std::uint8_t> const x{3, 0, 0, 7, 0, 1};
  auto const n = static_cast<std::int64_t>(x.size());
  batch_view<std::uint8_t const> const view{x.data(), 1, n};
  std::vector<float> plain(x.size() * classes), moved(plain.size()), stored(plain.size(), -1.0f);
  exec::host const exec;
  net(exec, view, query{}, batch_view<float>{plain.data(), 1, n * classes});
  late(exec, view, query{}, batch_view<float>{moved.data(), 1, n * classes});
  auto store = late.make_store(1, n);
  std::vector<kv::role> roles(x.size(), kv::query | kv::keep);
  for (std::size_t p : {0u, 2u, 5u}) roles[p] |= kv::logits;
  late(exec, view, query{}, batch_view<kv::role const>{roles.data(), 1, n, 0}, store,
       batch_view<float>{stored.data(), 1, n * classes});
  for (std::size_t p = 0; p < x.size(); ++p) {
    std::size_t const from = p == 0 ? 0 : p - 1;
    for (std::size_t k = 0; k < classes; ++k) {
      CHECK(moved[p * classes + k] == plain[from * classes + k]);
      if ((roles[p] & kv::logits) != 0) {
        CHECK(stored[p * classes + k] == plain[from * classes + k]);
      }
    }
  }
}

TEST_CASE("text of replaced tokens keeps what is given") {
  eigen::timed_transformer const net({.classes = classes, .width = 8, .heads = 2, .layers = 1},
                                     eigen::random_weights(4));
  process::uniform<> const letters(classes);
  write(recipe::sfdlm(letters), net, grid::uniform_t(letters, 6));
}

namespace {

/// A table of pairs in the place of an autoregressive model: log p(token | the one before).
struct pair_model {
  template <class Exec>
  void operator()(Exec const&, batch_view<std::uint8_t const> x0, batch_view<double> out) const {
    for (std::int64_t r = 0; r < x0.batch; ++r) {
      for (std::int64_t l = 1; l < x0.features; ++l) {
        out.row(r)[l] =
            x0.row(r)[l] == (x0.row(r)[l - 1] + 1) % classes ? std::log(0.9) : std::log(0.1 / 10);
      }
    }
  }
};

}  // namespace

TEST_CASE("a text of whole candidates keeps its prompt and follows its energy") {
  auto const net = network_of(0);
  denoiser::energy_resampled const d(masks, net, denoiser::residual_energy{pair_model{}},
                                     denoiser::resampling{.candidates = 64, .noise = {5}});
  auto const grid = grid::uniform_t(masks, 6);
  auto const s = recipe::edlm(masks);
  auto const pairs = [](written const& w) {
    int n = 0;
    for (std::size_t i = 1; i < w.text.size(); ++i) {
      n += i % length >= prompt && w.text[i] == (w.text[i - 1] + 1) % classes ? 1 : 0;
    }
    return n;
  };
  auto const plain = write(s, net, grid, 8), chosen = write(s, d, grid, 8);
  CHECK_FALSE(has_mask(plain));
  CHECK_FALSE(has_mask(chosen));
  CHECK(chosen.run.evaluations == 6);
  CHECK(pairs(chosen) > pairs(plain));
}

TEST_CASE("texts of a network of scores, under masks and replaced tokens") {
  eigen::transformer_of<prediction::concrete_score<float>, false> const net(
      {.classes = classes, .width = 8, .heads = 2, .layers = 1}, eigen::random_weights(6));
  process::absorbing<> const some_left(classes, 0, schedule::log_linear{1e-3});
  CHECK_FALSE(has_mask(write(recipe::sedd(some_left), net, grid::uniform_t(some_left, 8))));
  process::uniform<> const letters(classes, schedule::log_linear{1e-3});
  write(recipe::sedd(letters), net, grid::uniform_t(letters, 8));
}
