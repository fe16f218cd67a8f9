// The programs of docs/coding.md.

#include <diffx/analysis/coding.hpp>
#include <diffx/analysis/masked_likelihood.hpp>
#include <diffx/decode/order.hpp>
#include <diffx/decode/planned.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/ardm.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

#include "support/class_networks.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

using namespace diffx;

TEST_CASE("the page of likelihoods, budgets and codes") {
  exec::threads const exec(2);
  test::scrambled_network<float> const network{{}, 128, 3.0, 7, nullptr, false};
  std::vector<std::uint8_t> characters(3 * 256);
  for (std::size_t i = 0; i < characters.size(); ++i) {
    characters[i] = static_cast<std::uint8_t>(1 + i * 31 % 127);
  }
  batch_view<std::uint8_t const> const text{characters.data(), 3, 256};
  std::vector<std::uint8_t> sampled(4 * 256);

  // text: batch_view<std::uint8_t const>, [batch, 256] ASCII; 0 is the mask
  process::absorbing<> const masked(128, 0);
  decode::order::random const order{noise::counted{2}};
  auto const losses = analysis::step_losses(exec, masked, network, text, order);
  auto const plan = grid::ardm_dp(losses, 32);  // 32 calls; plan.cost is in nats a sequence

  CHECK(plan.policy.calls() == 32);

  sampler const s{masked, solver::decode<decode::random_order, decode::planned>{}};
  s.sample(exec, network, grid::ardm(masked, plan.policy),
           batch_view<std::uint8_t>{sampled.data(), 4, 256}, options{noise::counted{2}});

  CHECK(
      std::all_of(sampled.begin(), sampled.end(), [](std::uint8_t c) { return c > 0 && c < 128; }));

  auto const nll = analysis::sequence_nll(exec, masked, network, text, order, plan.policy);
  auto const bound = analysis::masked_nelbo(exec, masked, network, text, {.draws = 16});
  double const bits = bound.batch_mean / (256 * std::log(2.0));  // per character

  CHECK(bound.calls == 16);
  CHECK(bits > 5.0);

  auto const code = analysis::encode_sequences(exec, masked, network, text, order, plan.policy);

  auto const header = analysis::read_code_header(code);
  std::vector<std::uint8_t> back(
      static_cast<std::size_t>(header.batch * header.policy.positions()));
  analysis::decode_sequences(exec, masked, network, code,
                             batch_view<std::uint8_t>{back.data(), header.batch, 256});

  CHECK(back == characters);
}
