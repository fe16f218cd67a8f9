// diffx_graph: graphs by discrete diffusion, drawn on a sheet and measured beside real ones that
// the network never saw. With --data exact the network is the one that knows the law of small
// planar graphs, so what is seen is the sampler alone: how many steps it takes until every graph
// is right, and every kind of graph comes as often as it should.

#include <diffx/analysis/graph_statistics.hpp>
#include <diffx/denoiser/eigen/graph_transformer.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
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

#include "datasets.hpp"
#include "drawing.hpp"
#include "option_value.hpp"
#include "output_path.hpp"
#include "planar.hpp"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using namespace example;

struct arguments {
  std::string data = "planar", sampler = "digress";
  std::string folder = std::string(DIFFX_EXAMPLES_DIR);
  std::int64_t nodes = 5, samples = 0, steps = 100;
  std::uint64_t seed = 1;
  std::string output = "graphs.svg";
};

arguments parse(int argc, char** argv) {
  arguments a;
  bool nodes = false, steps = false, sampler = false;
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--help") {
      std::fputs(
          "usage: diffx_graph [options]\n"
          "  --data planar        a trained network on connected planar graphs of 5 to 8 nodes,\n"
          "         molecules     on molecules of up to 12 heavy atoms,\n"
          "         communities   on graphs of two communities of 20 to 60 nodes in all,\n"
          "         exact         or the network that knows the law of small planar graphs\n"
          "  --samples N          graphs (300; communities 40; exact 2000)\n"
          "  --sampler digress    or defog\n"
          "  --steps N (100)      --seed S (1)      --output SHEET.svg (graphs.svg)\n"
          "  --nodes N (5)        of exact, 3 to 6; it takes no --steps and no --sampler\n"
          "  --folder FOLDER      of examples, with graph/data/ and models/\n",
          stdout);
      std::exit(0);
    }
    if (i + 1 >= argc) detail::fail(option + " needs a value, or is no option; see --help");
    std::string const value = argv[++i];
    if (option == "--data") {
      a.data = one_of(option, value, {"planar", "molecules", "communities", "exact"});
    } else if (option == "--sampler") {
      a.sampler = one_of(option, value, {"digress", "defog"});
      sampler = true;
    } else if (option == "--nodes") {
      a.nodes = number<std::int64_t>(option, value, 3, 6);
      nodes = true;
    } else if (option == "--samples") {
      a.samples = number<std::int64_t>(option, value, 10, 1'000'000);
    } else if (option == "--steps") {
      a.steps = number<std::int64_t>(option, value, 2, 10'000);
      steps = true;
    } else if (option == "--seed") {
      a.seed = number<std::uint64_t>(option, value, 0, UINT64_MAX);
    } else if (option == "--output") {
      a.output = value;
    } else if (option == "--folder") {
      a.folder = value;
    } else {
      detail::fail("unknown option " + option + "; see --help");
    }
  }
  bool const exact = a.data == "exact";
  if (nodes && !exact) detail::fail("--nodes is of --data exact; elsewhere sizes are of the data");
  if (exact && (steps || sampler)) {
    detail::fail("--data exact compares samplers and numbers of steps: no --steps, no --sampler");
  }
  if (a.samples == 0) a.samples = exact ? 2000 : a.data == "communities" ? 40 : 300;
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

/// Every right kind as often as it should, and how far samplers are from it.
int compare_samplers(arguments const& a) {
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

/// Sampled graphs beside those that the network never saw.
int sample(arguments const& a) {
  auto const data = read_dataset(a.folder + "/graph/data", a.data);
  denoiser::eigen::graph_transformer const net(
      denoiser::eigen::safetensors(a.folder + "/models/graph_" + a.data + ".safetensors"));
  auto const law = graph::marginals_of(data.training, data.node_classes, data.pair_classes);
  noise::counted const noise{a.seed};
  std::vector<std::int64_t> observed;
  for (auto const& g : data.training) observed.push_back(g.size());
  graph::graph_batch batch(graph::draw_sizes(observed, a.samples, noise.fork(1)));
  options<> o{noise};
  o.fixed = {batch.fixed_nodes(), batch.fixed_pairs()};
  exec::threads const exec;
  auto const network = net.of_sizes(batch.sizes());
  int const steps = static_cast<int>(a.steps);
  auto const begin = std::chrono::steady_clock::now();
  if (a.sampler == "digress") {
    auto const chain = recipe::digress(law.nodes, law.pairs, steps - 1);
    chain.sample(exec, network, grid::uniform_t(std::get<0>(chain.process.parts), steps),
                 batch.state(), o);
  } else {
    using process_type = process::marginal<schedule::mask_power>;
    process_type const nodes(law.nodes), pairs(law.pairs);
    sampler const flow{process::product{std::tuple{nodes, pairs}},
                       solver::product{std::tuple{solver::defog{}, solver::defog{}}}};
    flow.sample(exec, network, grid::distorted(nodes, steps, grid::distortion::polydec),
                batch.state(), o);
  }
  double const seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  auto const made = batch.graphs();

  std::printf("%s: %zu graphs for training, %zu held out; %lld sampled in %d steps, %.1f s\n\n",
              a.data.c_str(), data.training.size(), data.held_out.size(),
              static_cast<long long>(a.samples), steps, seconds);
  std::string header = "| graphs |", line = "|---|";
  auto const column = [&](std::string const& name) {
    header += " " + name + " |";
    line += "---|";
  };
  for (property const& p : data.properties) column(p.name);
  if (data.properties.size() > 1) column("right");
  for (char const* const name :
       {"unique", "novel", "edges", "degree", "clustering", "orbit", "spectrum"}) {
    column(name);
  }
  std::printf("%s\n%s\n", header.c_str(), line.c_str());
  auto const report = [&](char const* name, std::span<graph::labelled_graph const> graphs,
                          std::span<graph::labelled_graph const> known, bool to_held_out) {
    auto const n =
        graph::novelty_of(graphs, known, [&](auto const& g) { return data.is_right(g); });
    double edges = 0.0;
    for (auto const& g : graphs) edges += static_cast<double>(g.edges());
    std::printf("| %s | ", name);
    if (data.properties.size() > 1) {
      for (property const& p : data.properties) {
        auto const holds = std::count_if(graphs.begin(), graphs.end(), p.holds);
        std::printf("%.1f %% | ",
                    100.0 * static_cast<double>(holds) / static_cast<double>(graphs.size()));
      }
    }
    std::printf("%.1f %% | %.1f %% | ", 100.0 * n.valid, 100.0 * n.unique);
    if (known.empty()) {
      std::printf("| ");
    } else {
      std::printf("%.1f %% | ", 100.0 * n.novel);
    }
    std::printf("%.1f | ", edges / static_cast<double>(graphs.size()));
    if (!to_held_out) {
      std::printf("| | | |\n");
      return;
    }
    auto const far = analysis::distances_of(data.held_out, graphs);
    std::printf("%.4f | %.4f | %.4f | %.4f |\n", far.degree, far.clustering, far.orbit,
                far.spectrum);
  };
  report("sampled", made, data.training, true);
  report("held out", data.held_out, data.training, false);
  // As many of the training as were sampled: what distance real graphs have.
  std::vector<graph::labelled_graph> real;
  std::vector<std::int64_t> places(data.training.size());
  std::iota(places.begin(), places.end(), 0);
  for (auto const k : graph::draw_sizes(places, a.samples, noise.fork(2))) {
    real.push_back(data.training[static_cast<std::size_t>(k)]);
  }
  report("of the training", real, {}, true);

  std::vector<graph::labelled_graph> drawn;
  std::vector<std::string> captions;
  auto const draw = [&](std::vector<graph::labelled_graph> const& graphs, char const* name,
                        std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) {
      bool const there = k < graphs.size();
      drawn.push_back(there ? graphs[k] : graph::labelled_graph());
      captions.push_back(there ? name + std::string(data.is_right(graphs[k]) ? "" : ", wrong")
                               : "");
    }
  };
  draw(made, "sampled", 16);
  draw(data.held_out, "held out", 8);
  std::span<std::string_view const> names;
  if (a.data == "molecules") names = atoms;
  detail::write_whole_file("diffx_graph", a.output, sheet_of(drawn, captions, 8, names));
  std::printf("\n%s: the first 16 sampled, and 8 held out\n", a.output.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    arguments const a = parse(argc, argv);
    require_writable(a.output);
    return a.data == "exact" ? compare_samplers(a) : sample(a);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_graph: %s\n", e.what());
    return 1;
  }
}
