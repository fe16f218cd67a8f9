// Tiles of rows that a team takes through a whole recorded loop: the samples of exec::host, bit for
// bit, whatever of a composition asks for memory, noise or the number of a row.

#include <diffx/cache/every_n.hpp>
#include <diffx/denoiser/computes_in.hpp>
#include <diffx/denoiser/row_local.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sample_by_rows.hpp>
#include <diffx/solver/churn.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/heun.hpp>

#include "support/levels.hpp"
#include "support/short_float.hpp"
#include "support/thread_team.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx;

/// A device with memory of its own: teams, and tables that travel.
struct device : test::by_teams {
  void upload(void* to, void const* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
};

/// Looks at its row and the row's number.
template <class Prediction, class P = float>
struct network {
  static constexpr int branches = 2;
  Prediction prediction{};

  struct op {
    batch_view<P const> x;
    batch_view<P> out;
    float t, shift;
    void operator()(std::int64_t sample, std::int64_t first, int n) const {
      auto const label = static_cast<float>((x.first_sample + sample) % 5);
      for (std::int64_t i = first; i < first + n; ++i) {
        auto const v = static_cast<float>(x.row(sample)[i]);
        out.row(sample)[i] =
            static_cast<P>(0.8f * v / (1.0f + 0.1f * v * v) + 0.05f * t + 0.01f * label + shift);
      }
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, batch_view<P const> x, query const& q,
                  batch_view<P> out) const {
    exec.for_each_tile(x.batch, x.features,
                       op{x, out, static_cast<float>(q.at.t), 0.1f * static_cast<float>(q.branch)});
  }
};

/// A whole row a call.
struct row_network {
  prediction::eps prediction{};

  struct op {
    float const* x;
    float* out;
    std::int64_t features;
    void operator()(std::int64_t sample) const {
      float sum = 0.0f;
      for (std::int64_t j = 0; j < features; ++j) sum += x[sample * features + j];
      for (std::int64_t j = 0; j < features; ++j) {
        out[sample * features + j] = 0.5f * x[sample * features + j] + 0.01f * sum;
      }
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, batch_view<float const> x, query const&,
                  batch_view<float> out) const {
    exec.for_each_sample(x.batch, op{x.data, out.data, x.features});
  }
};

std::vector<float> given(std::size_t size) {
  std::vector<float> x(size);
  for (std::size_t i = 0; i < size; ++i) x[i] = 0.01f * static_cast<float>(i * 37 % 401) - 2.0f;
  return x;
}

template <class Sampler, class Network>
void same_samples(Sampler const& s, Network const& network, std::int64_t batch,
                  std::int64_t features, start from = start::prior, bool fixed = false) {
  timetable const grid = grid::uniform_t(s.process, 6);
  options o{noise::counted{5}};
  o.start = from;
  auto const size = static_cast<std::size_t>(batch * features);
  std::vector<std::uint8_t> mask(size);
  for (std::size_t i = 0; i < size; ++i) mask[i] = i % 7 == 3;
  if (fixed) o.fixed = mask.data();
  auto x = given(size), y = x;
  batch_view<float> const here{x.data(), batch, features, 40}, there{y.data(), batch, features, 40};
  auto const expected = s.sample(exec::host{}, network, grid, here, o);
  detail::workspace const memory(sample_by_rows_size(s, network, grid, there, o));
  auto const got = sample_by_rows(s, device{}, network, grid, there, memory.span(), o);
  CAPTURE(Sampler::solver_type::name);
  CAPTURE(features);
  CHECK(x == y);
  CHECK(got.nfe == expected.nfe);
  CHECK(got.steps == expected.steps);
}

template <class Solver, class Guidance = guidance::none, class Cache = cache::none>
auto on_vp(Solver solver, Guidance g = {}, Cache c = {}) {
  return sampler{process::vp{}, solver, g, c};
}

TEST_CASE("a team takes its rows through a whole loop") {
  network<prediction::eps> const plain;
  auto const net = denoiser::row_local<network<prediction::eps>::op>(plain);
  // One row a tile; six that do not fill a group, and a last tile that is not full; as many rows as
  // a team has room for.
  for (std::int64_t const features : {2049, 9, 64}) {
    std::int64_t const batch = features == 9 ? 1401 : features == 64 ? 16500 : 77;
    same_samples(on_vp(solver::dpmpp_2m{}), net, batch, features);
    same_samples(on_vp(solver::dpmpp_2m_sde{}, guidance::cfg{3.0}), net, batch, features);
  }
  same_samples(on_vp(solver::ddim{}, guidance::clip_x0{guidance::none{}, 0.7}), net, 77, 64);
  same_samples(on_vp(solver::ddim{.eta = 1.0}), net, 77, 9);
  same_samples(on_vp(solver::heun{}), net, 300, 33);
  same_samples(on_vp(solver::ddim{}), net, 5, 3);
  same_samples(on_vp(solver::dpmpp_2m{}, guidance::cfg{2.0}, cache::every_n<2>{}), net, 99, 32);
}

TEST_CASE("rows start from what the caller gives and keep what is fixed") {
  auto const net = denoiser::row_local<network<prediction::eps>::op>(network<prediction::eps>{});
  for (bool const fixed : {false, true}) {
    for (start const from : {start::prior, start::given, start::noised}) {
      same_samples(on_vp(solver::dpmpp_2m{}), net, 300, 40, from, fixed);
    }
  }
}

TEST_CASE("networks that read another scale or type, and whole rows") {
  using scaled = network<prediction::edm>;
  same_samples(sampler{process::edm{}, solver::churn{}}, denoiser::row_local<scaled::op>(scaled{}),
               200, 24);
  using narrow = network<prediction::eps, test::short_float>;
  auto const in_short = denoiser::computes_in<test::short_float>(narrow{});
  same_samples(on_vp(solver::dpmpp_2m{}), denoiser::row_local<narrow::op>(in_short), 200, 24);
  same_samples(on_vp(solver::dpmpp_2m_sde{}), denoiser::row_local<row_network::op>(row_network{}),
               200, 24);
}

/// Two halves of every row, as a network with two heads has them.
struct halves {
  prediction::eps prediction{};
  using op = network<prediction::eps>::op;
  template <class Exec>
  void operator()(Exec const& exec, batch_view<float const> x, query const&,
                  batch_view<float> out) const {
    exec.for_each_tile(2 * x.batch, x.features / 2, op{x, out, 0.0f, 0.0f});
  }
};

TEST_CASE("a network that launches over other rows than its own is refused") {
  auto const s = on_vp(solver::ddim{});
  std::vector<float> x(6000);
  CHECK_THROWS_WITH_AS(
      sample_by_rows_size(s, denoiser::row_local<halves::op>(halves{}),
                          grid::uniform_t(s.process, 3), batch_view<float>{x.data(), 600, 10}),
      doctest::Contains("launches a pass over [6, 5] for a tile of 3 rows"), error);
}

TEST_CASE("a row that no team has room for is refused") {
  auto const s = on_vp(solver::dpmpp_2m{});
  auto const net = denoiser::row_local<row_network::op>(row_network{});
  timetable const grid = grid::uniform_t(s.process, 3);
  std::vector<float> x(5000);
  batch_view<float> const view{x.data(), 1, 5000};
  CHECK_THROWS_WITH_AS(sample_by_rows_size(s, net, grid, view), doctest::Contains("at most 49152"),
                       error);
  CHECK_THROWS_AS(sample_by_rows_size(s, net, grid, batch_view<float>{x.data(), -5, 10}), error);
  CHECK_THROWS_AS(sample_by_rows_size(s, net, grid, batch_view<float>{nullptr, 5, 10}), error);
  CHECK_THROWS_AS(sample_by_rows_size(
                      s, net, grid, batch_view<float>{x.data(), 500, 10, noise::max_sample - 499}),
                  error);
  batch_view<float> const small{x.data(), 30, 100};
  detail::workspace const memory(64);
  CHECK_THROWS_WITH_AS(sample_by_rows(s, device{}, net, grid, small, memory.span()),
                       doctest::Contains("workspace has 64 bytes"), error);
}

}  // namespace
