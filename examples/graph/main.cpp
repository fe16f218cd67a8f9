// diffx_graph: connected planar graphs of a few nodes by diffusion, with the network that knows
// their law. So what is seen is the sampler alone: how many steps it takes until every graph is
// connected and planar, and every kind of graph comes as often as it should.

#include <diffx/analysis/graph_statistics.hpp>
#include <diffx/detail/whole_file.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/domain/graph/isomorphism.hpp>
#include <diffx/domain/graph/planarity.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/distorted.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/recipe/digress.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/solver/defog.hpp>

#include "drawing.hpp"
#include "option_value.hpp"
#include "output_path.hpp"
#include "planar.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using namespace example;

struct arguments {
  std::int64_t nodes = 5, samples = 2000;
  std::uint64_t seed = 1;
  std::string output = "graphs.svg";
};

arguments parse(int argc, char** argv) {
  arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--help") {
      std::fputs(
          "usage: diffx_graph [--nodes N (5, at most 6)] [--samples N (2000)] [--seed S (1)]\n"
          "                   [--output SHEET.svg (graphs.svg)]\n",
          stdout);
      std::exit(0);
    }
    if (i + 1 >= argc) detail::fail(option + " needs a value, or is no option; see --help");
    std::string const value = argv[++i];
    if (option == "--nodes") {
      a.nodes = number<std::int64_t>(option, value, 3, 6);
    } else if (option == "--samples") {
      a.samples = number<std::int64_t>(option, value, 10, 1'000'000);
    } else if (option == "--seed") {
      a.seed = number<std::uint64_t>(option, value, 0, UINT64_MAX);
    } else if (option == "--output") {
      a.output = value;
    } else {
      detail::fail("unknown option " + option + "; see --help");
    }
  }
  return a;
}

bool is_right(graph::labelled_graph const& g) {
  return graph::is_connected(g) && graph::is_planar(g);
}

/// Half the sum of differences between how often kinds of graphs come and how often they should.
double distance(graph::graph_set const& kinds, std::vector<graph::labelled_graph> const& made) {
  graph::graph_set seen;
  for (auto const& g : kinds.graphs()) seen.add(g);
  for (auto const& g : made) seen.add(g);
  double all = 0.0, off = 0.0;
  for (auto const n : kinds.counts()) all += static_cast<double>(n);
  for (std::size_t k = 0; k < seen.graphs().size(); ++k) {
    bool const known = k < kinds.counts().size();
    double const want = known ? static_cast<double>(kinds.counts()[k]) / all : 0.0;
    double const got =
        static_cast<double>(seen.counts()[k] - (known ? 1 : 0)) / static_cast<double>(made.size());
    off += 0.5 * std::fabs(want - got);
  }
  return off;
}

int compare_samplers(arguments const& a) {
  require_writable(a.output);
  auto const data = connected_planar_graphs(a.nodes);
  auto const law = graph::marginals_of(data, 1, 2);
  graph::graph_set kinds;
  for (auto const& g : data) kinds.add(g);
  std::printf(
      "%zu connected planar graphs of %lld nodes, %zu kinds; %.1f %% of the pairs are joined\n\n",
      data.size(), static_cast<long long>(a.nodes), kinds.graphs().size(), 100.0 * law.pairs[1]);

  exec::threads const exec;
  exact_network const network(data, law.pairs);
  graph::graph_batch batch(std::vector<std::int64_t>(static_cast<std::size_t>(a.samples), a.nodes));
  std::vector<graph::labelled_graph> made;
  std::printf(
      "| steps | sampler | connected and planar | distance of the kinds | degree | orbit |\n");
  std::printf("|---|---|---|---|---|---|\n");
  auto const held_out = [&] {
    std::vector<graph::labelled_graph> out;
    for (std::size_t k = 0; k < data.size(); k += std::max<std::size_t>(data.size() / 200, 1)) {
      out.push_back(data[k]);
    }
    return out;
  }();
  auto const report = [&](std::string const& steps, char const* name) {
    auto const right = std::count_if(made.begin(), made.end(), is_right);
    std::vector<graph::labelled_graph> const some(
        made.begin(), made.begin() + std::min<std::ptrdiff_t>(200, std::ssize(made)));
    auto const far = analysis::distances_of(held_out, some);
    std::printf("| %s | %s | %.1f %% | %.3f | %.4f | %.4f |\n", steps.c_str(), name,
                100.0 * static_cast<double>(right) / static_cast<double>(made.size()),
                distance(kinds, made), far.degree, far.orbit);
  };
  options<> const o{noise::counted{a.seed}};
  using process_type = process::marginal<schedule::mask_power>;
  process_type const nodes(law.nodes), pairs(law.pairs);
  sampler const flow{process::product{std::tuple{nodes, pairs}},
                     solver::product{std::tuple{solver::defog{}, solver::defog{}}}};
  for (int const steps : {5, 20, 100}) {
    auto const chain = recipe::digress(law.nodes, law.pairs, steps - 1);
    chain.sample(exec, network, grid::uniform_t(std::get<0>(chain.process.parts), steps),
                 batch.state(), o);
    made = batch.graphs();
    report(std::to_string(steps), "DiGress");
    flow.sample(exec, network, grid::distorted(nodes, steps, grid::distortion::polydec),
                batch.state(), o);
    made = batch.graphs();
    report(std::to_string(steps), "DeFoG");
  }
  std::vector<graph::labelled_graph> const drawn(
      made.begin(), made.begin() + std::min<std::ptrdiff_t>(24, std::ssize(made)));
  std::vector<std::string> captions;
  for (auto const& g : drawn) {
    captions.push_back(std::to_string(g.edges()) + " edges" + (is_right(g) ? "" : ", wrong"));
  }
  // As many graphs of the law itself: what chance leaves of the distances.
  made.clear();
  std::vector<std::int64_t> places(data.size());
  std::iota(places.begin(), places.end(), 0);
  for (auto const k : graph::draw_sizes(places, a.samples, noise::counted{a.seed}.fork(1))) {
    made.push_back(data[static_cast<std::size_t>(k)]);
  }
  report("", "drawn from the list");
  detail::write_whole_file("diffx_graph", a.output, sheet_of(drawn, captions, 8));
  std::printf("\n%s: the first %zu of the last run\n", a.output.c_str(), drawn.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return compare_samplers(parse(argc, argv));
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_graph: %s\n", e.what());
    return 1;
  }
}
