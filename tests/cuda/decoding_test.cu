// Text decoded on the device: every measure of a row, every filter, rows of a team and short ones.

#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/solver/decode.hpp>

#include "class_tables.cuh"
#include <doctest/doctest.h>

using diffx::prediction::x0_posterior;
using test::compare;
namespace decode = diffx::decode;

TEST_CASE("host and device decode the same text") {
  diffx::process::absorbing<> const masks(300);
  diffx::solver::decode<decode::neg_entropy, decode::entropy_bound> bound;
  bound.propose.top_k = 20;
  bound.propose.top_p = 0.9;
  bound.propose.min_p = 0.01;
  bound.block = 8;
  bound.end_of_text = 3;
  compare<x0_posterior<>>(diffx::sampler{masks, bound}, 300);
  diffx::solver::decode<decode::margin, decode::dynamic> shares;
  shares.commit.steps = 6;
  shares.order_temperature = 0.5;
  compare<x0_posterior<>>(diffx::sampler{masks, shares}, 300);
  diffx::solver::decode<decode::probability, decode::pace> replaced;
  replaced.commit.steps = 6;
  compare<x0_posterior<>>(diffx::sampler{diffx::process::uniform<>(5), replaced}, 5);
}

TEST_CASE("host and device decode the same text of a large vocabulary") {
  // More classes than the table of a filter holds.
  diffx::process::absorbing<> const masks(3000);
  diffx::solver::decode<decode::neg_entropy, decode::threshold> sure;
  sure.propose.temperature = 0.7;
  sure.propose.top_p = 0.95;
  sure.propose.top_p_first = true;
  sure.propose.top_k = 2000;
  sure.as_shaped = true;
  compare<x0_posterior<>>(diffx::sampler{masks, sure}, 3000);
  compare<x0_posterior<>>(diffx::sampler{masks, sure, diffx::guidance::cfg{2.0}}, 3000);
  diffx::solver::decode<decode::log_probability, decode::transfer> greedy;
  greedy.propose.temperature = 0.0;
  greedy.order_temperature = 1.0;
  compare<x0_posterior<>>(diffx::sampler{masks, greedy}, 3000);
  // Rows that several blocks of threads share.
  compare<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(20000), sure}, 20000, 2);
  diffx::solver::decode<decode::random_order, decode::by_coin> coins;
  coins.commit.steps = 6;
  coins.propose.min_p = 0.1;
  compare<x0_posterior<double>>(diffx::sampler{masks, coins}, 3000);
  diffx::solver::decode<decode::margin, decode::entropy_bound> wide;
  compare<x0_posterior<double>>(diffx::sampler{masks, wide, diffx::guidance::cfg{2.0}}, 3000);
}
