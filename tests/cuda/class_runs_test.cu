// Runs on the device that are more than one block's steps: a part of the sample that is given,
// classes that go up with numbers, nodes and pairs that are addressed by name.

#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/noise/by_node.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/class_churn.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/repaint.hpp>
#include <diffx/solver/tweedie.hpp>
#include <diffx/solver/xor_renoise.hpp>

#include "../support/levels.hpp"
#include "class_tables.cuh"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <tuple>
#include <vector>

using diffx::prediction::x0_posterior;
namespace solver = diffx::solver;

namespace {

constexpr solver::repaint twice{.jump_length = 2, .samples = 2};

/// RePaint with this region.
template <class Known>
struct repaints {
  Known known;
  template <class Run>
  void operator()(Run& run) const {
    twice.finish(run, known);
  }
};

template <class T, class Sampler, class Network, class Known>
std::vector<T> repainted_on_host(Sampler const& s, Network const& network,
                                 diffx::timetable const& grid, std::int64_t batch,
                                 std::int64_t features, Known const& known) {
  diffx::exec::host const exec;
  std::vector<T> x(static_cast<std::size_t>(batch * features));
  diffx::batch_view<T> const view{x.data(), batch, features, 0};
  diffx::detail::workspace const memory(s.workspace_size(exec, network, view));
  auto run = s.start(exec, network, grid, view, memory.span());
  twice.finish(run, known);
  return x;
}

template <class Inner>
void compare_bits(Inner const& inner) {
  constexpr std::int64_t batch = 64, bits = 70, words = 3;
  diffx::process::xor_packed const process(diffx::schedule::flip_quadratic(6, 0.01), bits);
  diffx::sampler const s{process, inner};
  auto const grid = diffx::grid::uniform_t(process, 6);
  std::vector<std::uint32_t> image, mask;
  for (std::uint32_t i = 0; i < batch * words; ++i) {
    std::uint32_t const row = i % words == 2 ? 0x3Fu : ~0u;
    image.push_back(i * 0x9E3779B9u & row);
    mask.push_back(i * 0x85EBCA6Bu & row);
  }
  test::logits_of_bits const network;
  auto const host = repainted_on_host<std::uint32_t>(s, network, grid, batch, words,
                                                     solver::known_bits{image.data(), mask.data()});
  test::device_array<std::uint32_t> const image_there(image), mask_there(mask);
  auto const back = test::sampled_on_device<std::uint32_t>(
      s, network, grid, batch, words, diffx::options<>{},
      repaints<solver::known_bits>{{image_there.data(), mask_there.data()}});
  int differ = 0, lost = 0;
  for (std::size_t i = 0; i < back.size(); ++i) {
    differ += host[i] != back[i] ? 1 : 0;
    lost += ((back[i] ^ image[i]) & mask[i]) != 0 ? 1 : 0;
  }
  CHECK(differ <= 2);  // of 4480 bits; see test::compare
  CHECK(lost == 0);
}

}  // namespace

TEST_CASE("host and device fill in the same bits, classes and numbers") {
  compare_bits(solver::ancestral{});
  compare_bits(solver::xor_renoise{});

  constexpr std::int64_t batch = 64, positions = 33;
  std::vector<unsigned char> mask;
  std::vector<std::int32_t> classes;
  std::vector<float> numbers;
  for (std::int64_t i = 0; i < batch * positions; ++i) {
    mask.push_back(i % 3 == 0 ? 1 : 0);
    classes.push_back(static_cast<std::int32_t>(i % 5));
    numbers.push_back(0.1f * static_cast<float>(i % 7) - 0.3f);
  }
  test::device_array<unsigned char> const mask_there(mask);

  diffx::sampler const of_classes{diffx::process::absorbing<>(5), solver::ancestral{}};
  auto const times = diffx::grid::uniform_t(of_classes.process, 6);
  test::table<x0_posterior<>> network;
  network.width = 5;
  using known_classes = solver::known_region<std::int32_t>;
  auto const host = repainted_on_host<std::int32_t>(of_classes, network, times, batch, positions,
                                                    known_classes{classes.data(), mask.data()});
  test::device_array<std::int32_t> const classes_there(classes);
  auto const back = test::sampled_on_device<std::int32_t>(
      of_classes, network, times, batch, positions, diffx::options<>{},
      repaints<known_classes>{{classes_there.data(), mask_there.data()}});
  int differ = 0, lost = 0;
  for (std::size_t i = 0; i < back.size(); ++i) {
    differ += host[i] != back[i] ? 1 : 0;
    lost += mask[i] != 0 && back[i] != classes[i] ? 1 : 0;
  }
  CHECK(differ <= 4);  // of 2112; see test::compare
  CHECK(lost == 0);

  diffx::sampler const of_numbers{test::vp_process{}, solver::ddim{.eta = 1.0}};
  diffx::timetable const levels(test::uniform_lambda(-3.0, 3.0, 11));
  test::wave const wave;
  using known_numbers = solver::known_region<float>;
  auto const near = repainted_on_host<float>(of_numbers, wave, levels, batch, positions,
                                             known_numbers{numbers.data(), mask.data()});
  test::device_array<float> const numbers_there(numbers);
  auto const found = test::sampled_on_device<float>(
      of_numbers, wave, levels, batch, positions, diffx::options<>{},
      repaints<known_numbers>{{numbers_there.data(), mask_there.data()}});
  CHECK(test::largest_difference(near, found) <= 4 * twice.evaluations(10) * 6e-8);
}

TEST_CASE("host and device take classes up with numbers") {
  solver::churn_amount const usual{.churn = 2.0, .to = 50.0};
  diffx::process::edm const numbers;
  test::compare<x0_posterior<>>(
      diffx::sampler{diffx::process::absorbing<>(9), solver::class_churn(numbers, usual)}, 9);
  test::compare<x0_posterior<>>(
      diffx::sampler{diffx::process::uniform<>(5),
                     solver::class_churn(numbers, usual, solver::ancestral{})},
      5);
}

namespace {

/// Nodes and pairs, each with the logits of test::table.
struct graph_table {
  static constexpr int nodes = 3, pairs = 2;
  diffx::prediction::product<x0_posterior<>, x0_posterior<>> prediction{};

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, diffx::query const&, Out const& out) const {
    using op = test::table<x0_posterior<>>::op;
    exec.for_each_sample(std::get<0>(out).size(),
                         op{std::get<0>(x).data, std::get<0>(out).data, nodes, 0.0f});
    exec.for_each_sample(std::get<1>(out).size(),
                         op{std::get<1>(x).data, std::get<1>(out).data, pairs, 0.0f});
  }
};

}  // namespace

TEST_CASE("host and device address nodes and pairs by the same names") {
  namespace process = diffx::process;
  constexpr std::int64_t batch = 64, nodes = 6, pairs = 15;
  diffx::sampler const s{process::product{std::tuple{process::uniform<>(graph_table::nodes),
                                                     process::uniform<>(graph_table::pairs)}},
                         solver::product{std::tuple{solver::ancestral{}, solver::ancestral{}}}};
  auto const grid = diffx::grid::uniform_t(std::get<0>(s.process.parts), 6);
  graph_table const network;
  std::vector<std::int32_t> names;
  std::vector<std::int64_t> graphs;
  for (std::int64_t g = 0; g < batch; ++g) {
    graphs.push_back(1000 + (g * 5) % batch);
    for (std::int64_t n = 0; n < nodes; ++n) {
      names.push_back(static_cast<std::int32_t>((n * 5 + g) % nodes));
    }
  }
  using classes = std::vector<std::int32_t>;
  using views = std::tuple<diffx::batch_view<std::int32_t>, diffx::batch_view<std::int32_t>>;
  classes node_classes(batch * nodes), pair_classes(batch * pairs);
  diffx::noise::by_node const here{{17}, names.data(), nodes, graphs.data()};
  s.sample(diffx::exec::host{}, network, grid,
           views{{node_classes.data(), batch, nodes, 0}, {pair_classes.data(), batch, pairs, 0}},
           diffx::options<diffx::noise::by_node>{here});

  test::stream const on;
  test::device_array<std::int32_t> const names_there(names), x(node_classes.size()),
      y(pair_classes.size());
  test::device_array<std::int64_t> const graphs_there(graphs);
  diffx::options<diffx::noise::by_node> const o{
      {{17}, names_there.data(), nodes, graphs_there.data()}};
  views const there{{x.data(), batch, nodes, 0}, {y.data(), batch, pairs, 0}};
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(s.workspace_size(on.exec(), network, there, o)));
  auto run = s.start(on.exec(), network, grid, there, memory.span(), o);
  run.finish();
  on.exec().wait();
  auto const differing = [](classes const& a, classes const& b) {
    int differ = 0;
    for (std::size_t i = 0; i < a.size(); ++i) differ += a[i] != b[i] ? 1 : 0;
    return differ;
  };
  CHECK(differing(node_classes, x.back()) <= 2);  // see test::compare
  CHECK(differing(pair_classes, y.back()) <= 4);
}
