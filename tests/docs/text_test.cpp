// The programs of docs/text.md.

#include <diffx/cache/kv.hpp>
#include <diffx/denoiser/eigen/transformer.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace diffx;

TEST_CASE("the text page's decoder") {
  process::absorbing<> const masks(128, 0);  // ASCII; 0 is the mask
  solver::decode<decode::probability, decode::threshold> solver;
  solver.commit.tau = 0.9;           // all that are at least so probable, and always the surest
  solver.propose.temperature = 0.0;  // propose the likeliest
  solver.block = 32;                 // block after block, each sample at its own pace
  sampler const s{masks, solver, guidance::none{}, cache::kv_prefix{}};

  denoiser::eigen::transformer const network(
      {.classes = 128, .width = 16, .heads = 2, .layers = 1, .block_length = 0},
      denoiser::eigen::random_weights(1));

  std::vector<std::uint8_t> text(96, 0), given(96, 0);
  std::string const prompt = "And it came to pass";
  std::copy(prompt.begin(), prompt.end(), text.begin());
  std::fill_n(given.begin(), prompt.size(), 1);
  options<> o{noise::counted{7}};
  o.fixed = given.data();  // 1 where the class stays
  auto const r = s.sample(exec::threads{}, network, grid::uniform_t(masks, 96),
                          batch_view<std::uint8_t>{text.data(), 1, 96}, o);

  CHECK(r.nfe >= 3);
  CHECK(r.nfe <= 77);
  CHECK(std::string(text.begin(), text.begin() + 19) == prompt);
  CHECK(std::count(text.begin(), text.end(), std::uint8_t{0}) == 0);
}
