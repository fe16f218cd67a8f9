// A network in another type than the state's gives what the same network in the state's type gives
// when it rounds what it reads and writes; a state of 16 bits is rounded once a step.

#include <diffx/cache/every_n.hpp>
#include <diffx/denoiser/computes_in.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/langevin_corrector.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/short_float.hpp"
#include "support/thread_team.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

namespace {

using diffx::batch_view;
using diffx::sampler;
using test::short_float;
namespace guidance = diffx::guidance;
namespace solver = diffx::solver;

constexpr std::int64_t batch = 3, features = 37;

/// A stored number as a double; one of 16 bits converts by way of float.
template <class T>
double value(T v) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<double>(static_cast<float>(v));
  } else {
    return static_cast<double>(v);
  }
}
template <class T>
T stored(double v) {
  if constexpr (sizeof(T) == 2) {
    return T(static_cast<float>(v));
  } else {
    return static_cast<T>(v);
  }
}

double reply(double x, diffx::query const& q) {
  return std::sin(1.5 * x + 0.3 * q.branch) + 0.1 * q.at.t;
}

/// In whatever type it is asked.
template <class Prediction>
struct network {
  Prediction prediction{};
  static constexpr int branches = 2;
  double factor = 1.0;

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, diffx::query const& q,
                  batch_view<T> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      out.data[i] = stored<T>(factor * reply(value(x.data[i]), q));
    }
  }
};

/// In the state's type, with what it reads and writes rounded to V.
template <class V, class Prediction>
struct rounding_network {
  Prediction prediction{};
  static constexpr int branches = 2;

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, diffx::query const& q,
                  batch_view<T> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      double const answer = reply(value(stored<V>(value(x.data[i]))), q);
      out.data[i] = static_cast<T>(value(stored<V>(answer)));
    }
  }
};

diffx::timetable grid(int steps = 6) {
  return diffx::timetable(test::uniform_lambda(-3.0, 3.0, steps + 1));
}

template <class T, class Sampler, class Network, class Exec = diffx::exec::host>
std::vector<T> sample(Sampler const& s, Network const& net, Exec const& exec = {}) {
  std::vector<T> x(batch * features);
  auto const times = grid();
  s.sample(exec, net, times, batch_view<T>{x.data(), batch, features},
           diffx::options{diffx::noise::counted{3}});
  return x;
}

template <class V, class T, class Prediction, class Sampler>
void compare(Sampler const& s) {
  CAPTURE(Sampler::solver_type::name);
  CAPTURE(Sampler::guidance_type::name);
  auto const in_short = diffx::denoiser::computes_in<V>(network<Prediction>{});
  auto const expected = sample<T>(s, rounding_network<V, Prediction>{});
  CHECK(sample<T>(s, in_short) == expected);
  CHECK(sample<T>(s, in_short, diffx::exec::threads{2}) == expected);
  CHECK(expected != sample<T>(s, network<Prediction>{}));
}

template <class V, class T>
void compare_all() {
  using diffx::prediction::edm;
  using diffx::prediction::eps;
  test::vp_process const p;
  compare<V, T, eps>(sampler{p, solver::ddim{}});
  compare<V, T, eps>(sampler{p, solver::ddim{.eta = 1.0}, guidance::cfg{2.0}});
  compare<V, T, eps>(sampler{p, solver::dpmpp_2m{}, guidance::cfg{2.0}});
  compare<V, T, eps>(sampler{p, solver::heun{}});
  compare<V, T, eps>(sampler{p, solver::ddim{}, guidance::rescale{guidance::cfg{2.0}, 0.7}});
  compare<V, T, eps>(
      sampler{p, solver::ddim{}, guidance::dynamic_threshold{guidance::cfg{2.0}, 0.9, 3.0}});
  // One branch: the network writes into the cache.
  compare<V, T, eps>(sampler{p, solver::ddim{}, guidance::none{}, diffx::cache::every_n<2>{}});
  compare<V, T, eps>(
      sampler{p, solver::langevin_corrector<>{0.1, {}, diffx::langevin_norms::sample}});
}

}  // namespace

TEST_CASE("a network in 16 bits beside a state in float or double") {
  compare_all<short_float, float>();
  compare_all<short_float, double>();
}

TEST_CASE("a network in float beside a state in double") { compare_all<float, double>(); }

TEST_CASE("a network with a scaled input reads it in its own type") {
  diffx::process::edm const p{};
  compare<short_float, float, diffx::prediction::edm>(sampler{p, solver::heun{}});
}

TEST_CASE("a state of 16 bits is a step in float, rounded") {
  test::vp_process const p;
  auto const check = [&](auto const& s) {
    auto const times = grid();
    std::vector<short_float> x(batch * features);
    network<diffx::prediction::eps> const net;
    diffx::options const o{diffx::noise::counted{3}};
    s.sample(diffx::exec::host{}, net, times, batch_view<short_float>{x.data(), batch, features},
             o);
    std::vector<float> y(batch * features);
    rounding_network<short_float, diffx::prediction::eps> const rounds;
    batch_view<float> const view{y.data(), batch, features};
    diffx::detail::workspace const memory(s.workspace_size(diffx::exec::host{}, rounds, view, o));
    auto r = s.start(diffx::exec::host{}, rounds, times, view, memory.span(), o);
    auto const round = [&] {
      for (float& v : y) v = test::rounded(v);
    };
    round();
    for (; !r.done(); round()) r.advance();
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(static_cast<float>(x[i]) == y[i]);
  };
  check(sampler{p, solver::ddim{}});
  check(sampler{p, solver::ddim{.eta = 1.0}, guidance::cfg{2.0}});
}

TEST_CASE("predictions in 16 bits that are no numbers are reported with their step") {
  test::vp_process const p;
  auto const net = diffx::denoiser::computes_in<short_float>(
      network<diffx::prediction::eps>{.factor = std::nan("")});
  std::vector<float> x(batch * features);
  diffx::options o{diffx::noise::counted{3}};
  o.check_finite = true;
  auto const times = grid();
  auto const message = test::message_of([&] {
    sampler{p, solver::ddim{}}.sample(diffx::exec::host{}, net, times,
                                      batch_view<float>{x.data(), batch, features}, o);
  });
  CHECK(message.find("step 0") != std::string::npos);
}
