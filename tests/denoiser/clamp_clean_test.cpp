#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/gaussian.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2s_ancestral.hpp>
#include <diffx/solver/heun.hpp>

#include "support/impulses.hpp"
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

using namespace diffx;

namespace {

/// Of variables (a, b, o), jointly normal, what is known of (a, b) when o is: m and C.
struct conditional {
  std::array<double, 2> mean;
  std::array<std::array<double, 2>, 2> covariance;
};

constexpr std::array<double, 3> joint_mean{0.3, -0.5, 0.2};
constexpr double joint_covariance[3][3] = {{1.0, 0.3, 0.8}, {0.3, 0.5, -0.2}, {0.8, -0.2, 1.2}};

conditional given(double o) {
  conditional c{};
  auto const& s = joint_covariance;
  for (std::size_t i = 0; i < 2; ++i) {
    c.mean[i] = joint_mean[i] + s[i][2] / s[2][2] * (o - joint_mean[2]);
    for (std::size_t j = 0; j < 2; ++j) c.covariance[i][j] = s[i][j] - s[i][2] * s[2][j] / s[2][2];
  }
  return c;
}

/// E[x0 of (a, b) | x_t of (a, b), clean o] = m + alpha C (alpha^2 C + sigma^2 I)^-1 (x - alpha m).
struct exact_conditional {
  prediction::x0 prediction{};

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q,
                  batch_view<std::uint8_t const> observed, batch_view<T> out) const {
    double const a = q.at.alpha, v = q.at.sigma * q.at.sigma;
    for (std::int64_t i = 0; i < x.batch; ++i) {
      if (observed.row(i)[2] != 1) throw std::runtime_error("exact_conditional: o is not given");
      auto const [m, c] = given(static_cast<double>(x.row(i)[2]));
      double const s00 = a * a * c[0][0] + v, s01 = a * a * c[0][1], s11 = a * a * c[1][1] + v;
      double const det = s00 * s11 - s01 * s01;
      double const d0 = x.row(i)[0] - a * m[0], d1 = x.row(i)[1] - a * m[1];
      double const w0 = (s11 * d0 - s01 * d1) / det, w1 = (s00 * d1 - s01 * d0) / det;
      out.row(i)[0] = static_cast<T>(m[0] + a * (c[0][0] * w0 + c[0][1] * w1));
      out.row(i)[1] = static_cast<T>(m[1] + a * (c[1][0] * w0 + c[1][1] * w1));
      out.row(i)[2] = std::numeric_limits<T>::quiet_NaN();  // nobody is to read it
    }
  }
};

/// Sample 0 sees no noise, samples 1 and 2 a start of their own, and 3 + 2 k + f sees noise 1 in
/// step k and feature f.
struct impulse_of_feature {
  using kind = noise_tag;
  [[maybe_unused]] static constexpr std::string_view name = "impulse_of_feature";

  template <class T>
  void fill(noise::key key, std::int64_t sample, std::int64_t first, int count, T* out) const {
    if (key.draw != 0) throw std::runtime_error("impulse_of_feature: a second draw in one step");
    for (int i = 0; i < count; ++i) out[i] = sample == 3 + 2 * key.step + first + i ? T(1) : T(0);
  }
  impulse_of_feature fork(std::uint64_t) const { return *this; }
};

/// The exact law of (a, b) at the end: a linear solver and an affine network.
template <class Sampler>
conditional law_of(Sampler const& s, timetable const& grid, double o) {
  auto const rows = static_cast<std::int64_t>(3 + 2 * grid.steps());
  std::vector<double> x(static_cast<std::size_t>(3 * rows), 0.0);
  std::vector<std::uint8_t> mask(x.size(), 0);
  for (std::size_t i = 2; i < x.size(); i += 3) {
    x[i] = o;
    mask[i] = 1;
  }
  x[3] = x[7] = 1.0;
  options<impulse_of_feature> opts;
  opts.start = start::given;
  denoiser::clamp_clean const network{exact_conditional{}, {mask.data(), rows, 3}};
  s.sample(exec::host{}, network, grid, batch_view<double>{x.data(), rows, 3}, opts);
  conditional law{{x[0], x[1]}, {}};
  for (std::size_t k = 3; k < x.size(); k += 3) {
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t j = 0; j < 2; ++j) {
        law.covariance[i][j] += (x[k + i] - x[i]) * (x[k + j] - x[j]);
      }
    }
  }
  return law;
}

double distance(conditional const& a, conditional const& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < 2; ++i) {
    worst = std::max(worst, std::fabs(a.mean[i] - b.mean[i]));
    for (std::size_t j = 0; j < 2; ++j) {
      worst = std::max(worst, std::fabs(a.covariance[i][j] - b.covariance[i][j]));
    }
  }
  return worst;
}

/// Six features with a mask of every second row's some.
struct setting {
  static constexpr std::int64_t rows = 5, features = 6;
  std::vector<float> x, clean;
  std::vector<std::uint8_t> mask;

  setting() : x(rows * features), mask(rows * features) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      mask[i] = i % 4 == 1 || i % 7 == 3 || i >= 24 ? 1 : 0;
      // What is not observed may hold anything, NaN too.
      x[i] = mask[i] != 0 ? 0.1f * static_cast<float>(i) - 1.7f
                          : std::numeric_limits<float>::quiet_NaN();
    }
    clean = x;
  }
  batch_view<float> view() { return {x.data(), rows, features}; }
  batch_view<std::uint8_t const> observed() const { return {mask.data(), rows, features}; }
  bool kept(float const* state) const {
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (mask[i] != 0 && std::memcmp(state + i, clean.data() + i, sizeof(float)) != 0) {
        return false;
      }
    }
    return true;
  }
};

/// Says x0 = 0.3 tanh(x) of everything, in the terms of its prediction type.
template <class Prediction>
struct some_network {
  static constexpr int branches = 2;
  Prediction prediction{};
  setting const* given = nullptr;
  int* calls = nullptr;

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q,
                  batch_view<std::uint8_t const> observed, batch_view<T> out) const {
    ++*calls;
    CHECK(given->kept(x.data));  // clean, in every evaluation
    CHECK(observed.data == given->mask.data());
    linear_form const f = prediction.to(frame::x0, q.at);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      double const v = static_cast<double>(x.data[i]);
      double const x0 = 0.3 * std::tanh(v) + 0.1 * q.branch;
      out.data[i] = static_cast<T>((x0 - f.state * v) / f.output);
    }
  }
};

template <class Prediction, class Process, class Solver, class Guidance = guidance::none>
void keeps(Process const& process, Solver const& solver, timetable const& grid,
           Guidance const& guidance = {}) {
  setting s;
  int calls = 0;
  denoiser::clamp_clean const network{some_network<Prediction>{{}, &s, &calls}, s.observed()};
  sampler<Process, Solver, Guidance> const sampler{process, solver, guidance, {}, {}};
  exec::host const exec;
  detail::workspace const memory(sampler.workspace_size(exec, network, s.view()));
  auto run =
      sampler.start(exec, network, grid, s.view(), memory.span(), options{noise::counted{3}});
  CHECK(s.kept(s.x.data()));
  std::vector<float> preview(s.x.size());
  while (!run.done()) {
    run.preview_into(run.step() % 2 == 0 ? preview.data() : nullptr);
    run.advance_stage();
    CHECK(s.kept(run.current_state()));
    if (run.step() % 2 == 1) CHECK(s.kept(preview.data()));
  }
  CHECK(s.kept(s.x.data()));
  CHECK(calls >= grid.steps());
  for (float const v : s.x) CHECK(std::isfinite(v));
  // The last row is observed as a whole.
  CHECK(std::memcmp(s.x.data() + 24, s.clean.data() + 24, 6 * sizeof(float)) == 0);
  // And so it stays when the run goes back.
  run.renoise(0, 1);
  CHECK(s.kept(s.x.data()));
  run.finish();
  CHECK(s.kept(s.x.data()));
}

}  // namespace

TEST_CASE("clamp_clean: what is observed is clean in every evaluation and every state") {
  process::vp_discrete const chain{schedule::linear()};
  auto const steps = grid::trailing(chain, 9);
  keeps<prediction::x0>(chain, solver::ddpm{}, steps);
  keeps<prediction::x0>(chain, solver::ddpm_large{}, steps);
  keeps<prediction::x0>(chain, solver::ddim{}, steps);
  keeps<prediction::eps>(chain, solver::ddim{.eta = 0.5}, steps);
  keeps<prediction::v>(chain, solver::heun{}, steps);                 // two states
  keeps<prediction::x0>(chain, solver::dpmpp_2m{}, steps);            // history
  keeps<prediction::x0>(chain, solver::dpmpp_2s_ancestral{}, steps);  // both, and noise
  keeps<prediction::x0>(chain, solver::ddim{}, steps, guidance::cfg{2.0});
  keeps<prediction::x0>(chain, solver::ddim{}, steps, guidance::clip_x0<guidance::none>{{}, 0.2});
  process::columns<process::vp_discrete> const columns(
      {process::vp_discrete{schedule::linear()}, process::vp_discrete{schedule::linear()},
       process::vp_discrete{schedule::linear(1000, 1e-4, 1e-2)},
       process::vp_discrete{schedule::linear()}, process::vp_discrete{schedule::linear()},
       process::vp_discrete{schedule::linear()}});
  keeps<prediction::x0>(columns, solver::ddpm{}, steps);
}

TEST_CASE("clamp_clean: a start from noised data leaves the observed part alone") {
  setting s;
  for (float& v : s.x) v = std::isnan(v) ? 0.5f : v;
  int calls = 0;
  denoiser::clamp_clean const network{some_network<prediction::x0>{{}, &s, &calls}, s.observed()};
  process::vp_discrete const chain{schedule::linear()};
  sampler const sampler{chain, solver::ddpm{}};
  options opts{noise::counted{3}};
  opts.start = start::noised;
  sampler.sample(exec::host{}, network, grid::trailing(chain, 4), s.view(), opts);
  CHECK(s.kept(s.x.data()));
  CHECK(calls == 4);
}

TEST_CASE("clamp_clean: the answer of what is observed is the observation") {
  setting s;
  for (std::size_t i = 0; i < s.x.size(); ++i) s.x[i] = s.mask[i] != 0 ? s.x[i] : 0.25f;
  int calls = 0;
  process::vp_discrete const chain{schedule::linear()};
  query q;
  q.at = chain.at_index(400);
  auto const check = [&](auto prediction) {
    denoiser::clamp_clean const network{some_network<decltype(prediction)>{{}, &s, &calls},
                                        s.observed()};
    std::vector<float> out(s.x.size());
    network(exec::threads{}, batch_view<float const>{s.x.data(), s.rows, s.features}, q,
            batch_view<float>{out.data(), s.rows, s.features});
    linear_form const f = prediction.to(frame::x0, q.at);
    for (std::size_t i = 0; i < out.size(); ++i) {
      double const x0 =
          f.state * static_cast<double>(s.x[i]) + f.output * static_cast<double>(out[i]);
      double const wanted = s.mask[i] != 0 ? static_cast<double>(s.x[i]) : 0.3 * std::tanh(0.25);
      CHECK(x0 == doctest::Approx(wanted).epsilon(1e-5));
    }
    static_assert(decltype(network)::branches == 2);
  };
  check(prediction::x0{});
  check(prediction::eps{});
  check(prediction::v{});
}

TEST_CASE("clamp_clean: nothing observed is the unconditional sampler, bit for bit") {
  denoiser::gaussian const plain(0.4, 0.7);
  auto const network = denoiser::predicts<prediction::x0>(
      [&](auto const& exec, batch_view<float const> x, query const& q,
          batch_view<std::uint8_t const>, batch_view<float> out) { plain(exec, x, q, out); });
  process::vp_discrete const chain{schedule::linear()};
  auto const steps = grid::trailing(chain, 12);
  auto const compare = [&](auto const& solver) {
    std::vector<float> a(21), b(21);
    std::vector<std::uint8_t> const none(21, 0);
    sampler const s{chain, solver};
    options const opts{noise::counted{5}};
    s.sample(exec::host{}, plain, steps, batch_view<float>{a.data(), 3, 7}, opts);
    s.sample(exec::host{}, denoiser::clamp_clean{network, {none.data(), 3, 7}}, steps,
             batch_view<float>{b.data(), 3, 7}, opts);
    CHECK(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
  };
  compare(solver::ddpm_large{});
  compare(solver::ddim{});
  compare(solver::dpmpp_2m{});
}

TEST_CASE("clamp_clean: the conditional law of a linear Gaussian model is reached") {
  double const o = 1.5;
  conditional const exact = given(o);
  process::vp_discrete const chain{schedule::linear()};
  auto const errors = [&](auto const& solver) {
    std::vector<double> out;
    sampler const s{chain, solver};
    for (int const steps : {10, 40, 160, 640}) {
      out.push_back(distance(law_of(s, grid::trailing(chain, steps), o), exact));
    }
    return out;
  };
  auto const check = [](std::vector<double> const& e, double last) {
    MESSAGE(e[0] << " " << e[1] << " " << e[2] << " " << e[3]);
    CHECK(e[1] < 0.6 * e[0]);
    CHECK(e[2] < 0.6 * e[1]);
    CHECK(e[3] < 0.6 * e[2]);
    CHECK(e[3] < last);
  };
  check(errors(solver::ddpm{}), 0.01);
  check(errors(solver::ddpm_large{}), 0.01);
  check(errors(solver::ddim{}), 0.01);
}

TEST_CASE("clamp_clean: best of n keeps the observed part in every candidate") {
  setting s;
  int calls = 0;
  denoiser::clamp_clean const network{some_network<prediction::x0>{{}, &s, &calls}, s.observed()};
  process::vp_discrete const chain{schedule::linear()};
  sampler const sampler{chain, solver::ddpm_large{}, guidance::none{}, cache::none{},
                        search::best_of_n{3}};
  auto const found = sampler.sample_best(
      exec::host{}, network, grid::trailing(chain, 5), s.view(),
      [&](batch_view<float const> x, std::span<double> score) {
        CHECK(s.kept(x.data));
        for (std::int64_t i = 0; i < x.batch; ++i) {
          score[static_cast<std::size_t>(i)] = static_cast<double>(x.row(i)[0]);
        }
      },
      options{noise::counted{3}});
  CHECK(found.runs == 3);
  CHECK(s.kept(s.x.data()));
}

TEST_CASE("clamp_clean: refusals") {
  setting s;
  int calls = 0;
  process::vp_discrete const chain{schedule::linear()};
  sampler const sampler{chain, solver::ddpm{}};
  auto const run = [&](std::int64_t rows, std::int64_t features) {
    denoiser::clamp_clean const network{some_network<prediction::x0>{{}, &s, &calls},
                                        {s.mask.data(), rows, features}};
    sampler.sample(exec::host{}, network, grid::trailing(chain, 3), s.view());
  };
  CHECK_THROWS_WITH_AS(run(5, 5), doctest::Contains("[5, 5], must be that of the state, [5, 6]"),
                       error);
  CHECK_THROWS_WITH_AS(run(4, 6), doctest::Contains("[4, 6]"), error);
  denoiser::clamp_clean const nothing{some_network<prediction::x0>{{}, &s, &calls},
                                      {nullptr, 5, 6}};
  CHECK_THROWS_WITH_AS(sampler.sample(exec::host{}, nothing, grid::trailing(chain, 3), s.view()),
                       doctest::Contains("[5, 6] and null"), error);
  denoiser::clamp_clean const given{some_network<prediction::x0>{{}, &s, &calls}, s.observed()};
  options both{noise::counted{3}};
  both.fixed = s.mask.data();
  CHECK_THROWS_WITH_AS(
      sampler.sample(exec::host{}, given, grid::trailing(chain, 3), s.view(), both),
      doctest::Contains("put both into the mask"), error);
  CHECK(calls == 0);
}
