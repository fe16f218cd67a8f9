// diffx_graph_large: a network of thousands of nodes from the degrees of a real one, edge by edge,
// beside the real one, one that has its degrees and is else at random, and what the sampler makes
// with a network that knows nothing.

#include <diffx/analysis/sparse_graph_statistics.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/domain/graph/degree_guided.hpp>

#include "../edge_list.hpp"
#include "../edge_network.hpp"
#include "option_value.hpp"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using namespace example;

struct arguments {
  std::string graph = std::string(DIFFX_EXAMPLES_DIR) + "/graph/data/perl.txt";
  std::string weights = std::string(DIFFX_EXAMPLES_DIR) + "/models/perl_edges.safetensors";
  std::vector<int> steps;
  std::int64_t samples = 1;
  std::uint64_t seed = 1;
};

arguments parse(int argc, char** argv) {
  arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--help") {
      std::fputs(
          "usage: diffx_graph_large [--steps T (512), again for more rows] [--samples N (1)]\n"
          "                         [--seed S (1)] [--graph EDGES.txt] [--weights "
          "FILE.safetensors]\n",
          stdout);
      std::exit(0);
    }
    if (i + 1 >= argc) detail::fail(option + " needs a value, or is no option; see --help");
    std::string const value = argv[++i];
    if (option == "--steps") {
      a.steps.push_back(number<int>(option, value, 1, 1'000'000));
    } else if (option == "--samples") {
      a.samples = number<std::int64_t>(option, value, 1, 1000);
    } else if (option == "--seed") {
      a.seed = number<std::uint64_t>(option, value, 0, UINT64_MAX);
    } else if (option == "--graph") {
      a.graph = value;
    } else if (option == "--weights") {
      a.weights = value;
    } else {
      detail::fail("unknown option " + option + "; see --help");
    }
  }
  if (a.steps.empty()) a.steps = {512};
  return a;
}

void show(std::string const& name, graph::sparse_graph const& g, graph::sparse_graph const& real) {
  auto const s = analysis::summary_of(g);
  std::printf("| %s | %lld | %lld | %lld | %.4f | %.4f | %.3f | %.3f | %.2f | %.1f | %.1f %% |\n",
              name.c_str(), static_cast<long long>(s.edges),
              static_cast<long long>(s.largest_degree), static_cast<long long>(s.triangles),
              s.transitivity, s.clustering, s.assortativity, s.largest_part, s.path_length,
              s.spectral_radius,
              100.0 * static_cast<double>(edges_in_common(g, real)) /
                  static_cast<double>(real.edge_count()));
}

int compare(arguments const& a) {
  auto const real = read_edges(a.graph);
  auto const degrees = real.degrees();
  edge_network trained{denoiser::eigen::safetensors(a.weights)};
  // Any two active nodes alike: each has one edge to get, as a rule.
  auto const blind = [](graph::edge_query const& q, std::span<graph::edge const> pairs,
                        std::span<float> logits) {
    double const others = static_cast<double>(q.active.size()) - 2.0;
    std::fill_n(logits.begin(), pairs.size(),
                static_cast<float>(-std::log(std::max(others, 1e-3))));
  };

  std::printf("%lld nodes; steps at 16 pairs an edge: %d\n\n", static_cast<long long>(real.nodes()),
              graph::steps_for(degrees));
  std::printf(
      "| graph | edges | largest degree | triangles | transitivity | clustering | assortativity | "
      "largest part | path length | spectral radius | edges of the real one |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|\n");
  show("real", real, real);
  std::string costs;
  for (std::int64_t sample = 0; sample < a.samples; ++sample) {
    noise::counted const noise{a.seed + static_cast<std::uint64_t>(sample)};
    show("rewired", rewired(real, noise), real);
    for (int const steps : a.steps) {
      auto const process = graph::edge_removal::even(steps);
      auto const row = [&](std::string name, auto&& network, bool refuses = false) {
        name += ", " + std::to_string(steps) + " steps";
        graph::degree_guided const s{.over =
                                         refuses ? graph::surplus::refused : graph::surplus::kept};
        auto const start = std::chrono::steady_clock::now();
        auto const made = s.sample(process, network, degrees, noise);
        std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - start;
        show(name, made.graph, real);
        double const dense = static_cast<double>(graph::pair_count(real.nodes())) * steps;
        char line[256];
        std::snprintf(
            line, sizeof line, "| %s | %lld | %.4f %% | %lld | %.1f | %lld, %lld | %lld, %lld |\n",
            name.c_str(), static_cast<long long>(made.pairs_scored),
            100.0 * static_cast<double>(made.pairs_scored) / dense,
            static_cast<long long>(made.evaluations), seconds.count(),
            static_cast<long long>(made.nodes_short), static_cast<long long>(made.ends_short),
            static_cast<long long>(made.nodes_over), static_cast<long long>(made.ends_over));
        costs += line;
      };
      row("blind", blind);
      row("trained", trained);
      row("trained, no surplus", trained, true);
    }
  }
  std::printf(
      "\n| graph | pairs scored | of the dense | calls | seconds | nodes, edges short | nodes, "
      "edges over |\n|---|---|---|---|---|---|---|\n%s",
      costs.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return compare(parse(argc, argv));
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_graph_large: %s\n", e.what());
    return 1;
  }
}
