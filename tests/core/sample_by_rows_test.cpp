// Rows sampled tile by tile are those sampled together.

#include <diffx/cache/every_n.hpp>
#include <diffx/denoiser/row_local.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sample_by_rows.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/langevin_corrector.hpp>

#include "support/class_networks.hpp"
#include "support/levels.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;

constexpr std::int64_t batch = 23, features = 6;

/// Looks at its row and the row's number.
struct network {
  prediction::eps prediction{};
  static constexpr int branches = 2;

  template <class Exec>
  void operator()(Exec const&, batch_view<float const> x, query const& q,
                  batch_view<float> out) const {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (std::int64_t j = 0; j < x.features; ++j) {
        auto const label = static_cast<float>((x.first_sample + i) % 5);
        out.row(i)[j] = std::sin(x.row(i)[j] + 0.2f * label + 0.1f * static_cast<float>(q.branch));
      }
    }
  }
};

template <class T, class Sampler, class Network>
void compare(Sampler const& s, Network const& net, std::uint8_t const* fixed = nullptr) {
  timetable const grid(test::uniform_lambda(-3.0, 3.0, 7));
  options o{noise::counted{5}};
  o.fixed = fixed;
  auto const start = [&] { return std::vector<T>(batch * features, T(3)); };
  auto want = start();
  batch_view<T> const all{want.data(), batch, features, 40};
  auto const expected = s.sample(exec::host{}, net, grid, all, o);
  auto const mine = denoiser::row_local(net);
  for (std::int64_t const rows : {0, 1, 4, 23, 100}) {
    auto x = start(), y = start();
    batch_view<T> const view{x.data(), batch, features, 40}, other{y.data(), batch, features, 40};
    auto const r = sample_by_rows(s, exec::host{}, mine, grid, view, o, rows);
    sample_by_rows(s, exec::threads{2}, mine, grid, other, o, rows);
    CHECK(x == want);
    CHECK(y == want);
    CHECK(r.nfe == expected.nfe);
    CHECK(r.steps == expected.steps);
  }
}

}  // namespace

TEST_CASE("rows sampled tile by tile are those sampled together") {
  test::vp_process const p;
  compare<float>(sampler{p, solver::ddim{.eta = 1.0}}, network{});
  compare<float>(sampler{p, solver::dpmpp_2m{}, guidance::cfg{2.0}, cache::every_n<2>{}},
                 network{});
  compare<float>(
      sampler{p, solver::ddim{}, guidance::dynamic_threshold{guidance::cfg{2.0}, 0.9, 3.0}},
      network{});
  compare<float>(sampler{p, solver::langevin_corrector<>{0.1, {}, langevin_norms::sample}},
                 network{});
  std::vector<std::uint8_t> fixed(batch * features);
  for (std::size_t i = 0; i < fixed.size(); i += 5) fixed[i] = 1;
  compare<float>(sampler{p, solver::ddim{.eta = 1.0}}, network{}, fixed.data());
}

TEST_CASE("rows of classes, with a prompt, and what cannot be split") {
  process::absorbing<> const masks(7);
  sampler const s{masks, solver::ancestral{}};
  auto const times = grid::uniform_t(masks, 6);
  std::vector<std::uint8_t> fixed(batch * features);
  for (std::size_t i = 0; i < fixed.size(); i += 5) fixed[i] = 1;
  options o{noise::counted{5}};
  o.fixed = fixed.data();
  std::vector<std::int32_t> x(batch * features, 3), y = x;
  s.sample(exec::host{}, test::scrambled_network<>{.classes = 7}, times,
           batch_view<std::int32_t>{x.data(), batch, features}, o);
  auto const mine = denoiser::row_local(test::scrambled_network<>{.classes = 7});
  sample_by_rows(s, exec::host{}, mine, times, batch_view<std::int32_t>{y.data(), batch, features},
                 o, 5);
  CHECK(x == y);
  CHECK_THROWS_AS(sample_by_rows(s, exec::host{}, mine, times,
                                 batch_view<std::int32_t>{y.data(), batch, features}, o, -1),
                  error);
  std::vector<float> z(batch * features);
  sampler const by_batch{test::vp_process{}, solver::langevin_corrector<>{0.1}};
  CHECK_THROWS_AS(sample_by_rows(by_batch, exec::host{}, denoiser::row_local(network{}),
                                 timetable(test::uniform_lambda(-3.0, 3.0, 7)),
                                 batch_view<float>{z.data(), batch, features}),
                  error);
}
