// Blocks of classes on the device: the passes compile and link; where there is a device, its draws
// are compared with the host's.

#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/decode.hpp>

#include "class_tables.cuh"
#include <doctest/doctest.h>

using test::compare;
using test::table_of_ratios;

TEST_CASE("host and device draw the same classes") {
  using diffx::prediction::x0_cavity;
  using diffx::prediction::x0_posterior;
  diffx::solver::ancestral const ancestral;
  compare<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(300), ancestral}, 300);
  compare<x0_posterior<>>(diffx::sampler{diffx::process::uniform<>(5), ancestral}, 5);
  compare<x0_cavity<>>(diffx::sampler{diffx::process::uniform<>(5), ancestral}, 5);
  compare<x0_posterior<>>(
      diffx::sampler{diffx::process::absorbing<>(9), ancestral, diffx::guidance::cfg{2.0}}, 9);
  diffx::guidance::d_cfg const tempered{2.0};
  compare<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(300), ancestral, tempered},
                          300);
  compare<x0_posterior<>>(diffx::sampler{diffx::process::uniform<>(5), ancestral, tempered}, 5);
  compare<x0_cavity<>, table_of_ratios>(
      diffx::sampler{diffx::process::uniform<>(5), ancestral, diffx::guidance::d_cbg{1.5}}, 5);
}

TEST_CASE("host and device decode the same text") {
  namespace decode = diffx::decode;
  using diffx::prediction::x0_posterior;
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
