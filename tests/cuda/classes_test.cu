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

#include "class_tables.cuh"
#include <doctest/doctest.h>

using test::compare;
using test::table_of_ratios;

TEST_CASE("host and device draw the same classes") {
  using diffx::prediction::x0_cavity;
  using diffx::prediction::x0_posterior;
  diffx::solver::ancestral const ancestral;
  compare<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(300), ancestral}, 300);
  // Rows that several blocks of threads share.
  compare<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(20000), ancestral}, 20000, 2);
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
  compare<x0_cavity<>, table_of_ratios>(
      diffx::sampler{diffx::process::uniform<>(700), ancestral, diffx::guidance::d_cbg{1.5}}, 700);
}
