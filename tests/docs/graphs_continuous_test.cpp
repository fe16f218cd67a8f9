// The programs of docs/graphs_continuous.md.

#include <diffx/denoiser/classified.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/denoiser/squared_error.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/domain/graph/number_graphs.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/noise/by_node.hpp>
#include <diffx/noise/zero.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/score.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/ve.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/recipe/digress.hpp>
#include <diffx/recipe/gdss.hpp>
#include <diffx/recipe/twigs.hpp>
#include <diffx/schedule/alpha_bar_table.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/euler_maruyama.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <span>
#include <tuple>
#include <vector>

using namespace diffx;

namespace {

/// The score of a standard normal at the level of the data.
struct some_net {
  void run(batch_view<float const> const& x, batch_view<float const> const& a, double,
           batch_view<float> const& of_x, batch_view<float> const& of_a) const {
    for (std::int64_t i = 0; i < x.size(); ++i) of_x.data[i] = -x.data[i];
    for (std::int64_t i = 0; i < a.size(); ++i) of_a.data[i] = -a.data[i] / 2.0F;
  }
};

/// Says the same of every node and of every pair, and of a stem that it is 1.
struct same_of_all {
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, query const&, Out const& out) const {
    std::apply([](auto const&... part) { (std::fill_n(part.data, part.size(), 1.0F), ...); }, out);
  }
};

}  // namespace

TEST_CASE("docs: graphs_continuous") {
  some_net const net;
  namespace graph = domain::graph;
  auto const s = recipe::gdss(process::vp<>{}, process::ve{schedule::ve_geometric{0.1, 1.0}}, 0.2);
  graph::number_graphs batch({9, 12, 7}, 4);  // sizes, and numbers of a node
  options<> o{noise::counted{1}};
  o.fixed = {batch.fixed_nodes(), batch.fixed_pairs()};
  using said = prediction::product<prediction::score, prediction::score>;
  auto const network =
      denoiser::predicts<said>([&](auto const&, auto const& x, query const& q, auto const& answer) {
        net.run(std::get<0>(x), std::get<1>(x), q.at.t, std::get<0>(answer), std::get<1>(answer));
      });
  s.sample(exec::threads{}, network, grid::uniform_t(std::get<0>(s.process.parts), 200),
           batch.state(), o);
  graph::labelled_graph const first = batch.quantised(0, 4);  // pairs to the nearest of 0, 1, 2, 3
  CHECK(first.size() == 9);
  CHECK(batch.nodes().row(2)[7 * 4] == 0.0F);

  solver::euler_maruyama const em;
  sampler const plain{process::product{std::tuple{process::vp<>{}, process::ve{}}},
                      solver::product{std::tuple{em, em}}};
  plain.sample(exec::threads{}, network, grid::uniform_t(process::vp<>{}, 20), batch.state(), o);

  std::vector<std::int32_t> names(3 * 12);
  std::iota(names.begin(), names.end(), 0);
  noise::by_node const by_name{noise::counted{1}, names.data(), batch.most_nodes(), nullptr, 4};
  options<noise::by_node> named{by_name};
  named.fixed = o.fixed;
  s.sample(exec::threads{}, network, grid::uniform_t(process::vp<>{}, 20), batch.state(), named);

  using classes_said = prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>>;
  auto const network_of_classes = denoiser::predicts<classes_said>(same_of_all{});
  std::vector<double> const wanted{3.0, 5.0, 4.0};  // edges of each graph
  auto const edges = [](auto const&, auto const& x, query const&, std::span<double> y,
                        auto const& gradient) {
    auto const& pairs = std::get<1>(x);
    for (std::size_t b = 0; b < y.size(); ++b) {
      auto const row = static_cast<std::int64_t>(b);
      for (std::int64_t k = 0; k < pairs.features; ++k) {
        y[b] += pairs.row(row)[k] != 0 ? 1.0 : 0.0;
        std::get<1>(gradient).row(row)[2 * k + 1] = 1.0F;  // d y / d onehot
      }
    }
  };
  auto const classes = recipe::digress({0.5, 0.5}, {0.7, 0.3}, 50);
  sampler const guided{classes.process, classes.solver, guidance::d_cbg{0.4}};
  denoiser::classified const drawn{
      network_of_classes,
      denoiser::gradient_ratios(classes.process, denoiser::squared_error(edges, wanted))};
  graph::graph_batch of_classes({9, 12, 7});
  options<> c{noise::counted{1}};
  c.fixed = {of_classes.fixed_nodes(), of_classes.fixed_pairs()};
  guided.sample(exec::threads{}, drawn, grid::uniform_t(std::get<0>(classes.process.parts), 51),
                of_classes.state(), c);
  for (std::size_t b = 0; b < 3; ++b) {
    auto const g = of_classes[b];
    CHECK(std::fabs(std::accumulate(g.pairs.begin(), g.pairs.end(), 0) - wanted[b]) <=
          6.0);  // unguided: 18, 33, 10
  }

  auto const tree = recipe::twigs(classes.process.parts, classes.solver.parts,
                                  std::tuple{process::vp<>{}}, std::tuple{solver::ddpm{}});
  graph::graph_batch trunk({9, 12, 7});
  std::vector<float> stem(3);
  auto const state =
      std::tuple_cat(trunk.state(), std::tuple{batch_view<float>{stem.data(), 3, 1}});
  using all_said =
      prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>, prediction::x0>;
  tree.sample(exec::threads{}, denoiser::predicts<all_said>(same_of_all{}),
              grid::uniform_t(std::get<0>(classes.process.parts), 51), state, c);
  CHECK(stem[0] == doctest::Approx(1.0).epsilon(0.1));
}

TEST_CASE("docs: graphs_continuous, a chain of posterior means") {
  // Variances v_i = 1e-5 linspace(1e-4, 1e-3), the first beta 1e-4, as published.
  std::vector<double> betas;
  double before = 1.0;
  for (int i = 0; i < 20; ++i) {
    double const kept = 1.0 - 1e-5 * (1e-4 + 9e-4 * i / 19.0);
    betas.push_back(i == 0 ? 1e-4 : std::min(1.0 - kept / before, 0.999));
    before = kept;
  }
  options<noise::zero> means;
  means.start = start::given;
  process::vp_discrete const levels(schedule::alpha_bar_table::from_betas(betas));
  sampler const translate{levels, solver::ddpm{}};

  std::vector<level> steps;
  for (int i = 19; i >= -1; --i) steps.push_back(levels.at_index(i));
  timetable const grid(steps);
  auto const ends_at = [&](auto const& f) {
    double x = 0.6;
    auto const network =
        denoiser::predicts<prediction::x0>([&](auto const&, auto const& now, query const&,
                                               auto const& out) { out.data[0] = f(now.data[0]); });
    translate.sample(exec::host{}, network, grid, batch_view<double>{&x, 1, 1}, means);
    return x;
  };
  CHECK(ends_at([](double) { return 0.3; }) == doctest::Approx(0.3).epsilon(1e-12));
  // x0 = x: the product of the posterior's two weights, of the betas as they are.
  double kept = 1.0, product = 0.6;
  std::vector<double> bars;
  for (double const beta : betas) bars.push_back(kept *= 1.0 - beta);
  for (int i = 19; i >= 0; --i) {
    auto const k = static_cast<std::size_t>(i);
    double const past = i > 0 ? bars[k - 1] : 1.0;
    product *=
        (std::sqrt(past) * betas[k] + std::sqrt(1.0 - betas[k]) * (1.0 - past)) / (1.0 - bars[k]);
  }
  CHECK(ends_at([](double x) { return x; }) == doctest::Approx(product).epsilon(1e-9));
}
