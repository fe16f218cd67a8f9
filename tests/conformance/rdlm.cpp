// Diffusion on the sphere of distributions: one step of the walk, the codec of digits, and the mean
// cosine of a normal law.

#include <diffx/analysis/sphere_radial.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/domain/text/base_n.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/solver/geodesic_random_walk.hpp>
#include <diffx/state/sphere.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conformance {
namespace {

using numbers = std::vector<double>;
namespace sphere = diffx::sphere;

/// What an entry holds must be known, or it would be passed over in silence.
bool knows(json const& entry, std::initializer_list<std::string_view> keys, report& r) {
  for (auto const& [key, value] : entry.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      r.fail("a key that no reader knows: " + key);
      return false;
    }
  }
  return true;
}

void same(report& r, numbers const& got, json const& want, std::string const& what) {
  auto const w = want.get<numbers>();
  if (got.size() != w.size()) return r.fail(what + " has another length");
  double allowance = 0.0;
  for (double const v : w) allowance = std::max(allowance, std::fabs(v));
  for (std::size_t i = 0; i < w.size(); ++i) {
    r.near(got[i], w[i], allowance, what + "[" + std::to_string(i) + "]");
  }
}

void step(json const& e, report& r) {
  if (!knows(e,
             {"op", "source", "id", "V", "t", "beta_0", "beta_f", "x", "p", "drift_coeff", "beta",
              "int_beta_t_to_1", "drift", "exp_of_v", "log_to_e1", "dt", "z", "x_next",
              "simplex_probs"},
             r)) {
    return;
  }
  // Closed forms in double; the file's time, 1 - t, costs the digits of one subtraction over dt.
  r.tolerance = 1e-11;
  auto const x = e.at("x").get<numbers>(), p = e.at("p").get<numbers>();
  auto const z = e.at("z").get<numbers>();
  int const n = e.at("V").get<int>();
  auto const width = static_cast<std::size_t>(n);
  if (x.size() != width || p.size() != width || z.size() != width) return r.fail("V is not V");
  diffx::schedule::bridge_geometric const schedule{e.at("beta_0").get<double>(),
                                                   e.at("beta_f").get<double>()};
  diffx::process::sphere_bridge const process(n, diffx::process::sphere_prior::barycentre{},
                                              schedule);
  double const file_time = e.at("t").get<double>(), t = 1.0 - file_time;
  auto const one = [&](double got, char const* key) {
    double const want = e.at(key).get<double>();
    r.near(got, want, std::fabs(want), key);
  };
  one(schedule.pull(t), "drift_coeff");
  one(schedule.beta(t), "beta");
  one(schedule.to_come(t), "int_beta_t_to_1");

  numbers drift(width);
  sphere::toward_vertices(n, n, x.data(), p.data(), drift.data());
  for (double& v : drift) v *= schedule.pull(t);
  same(r, drift, e.at("drift"), "drift");

  auto const& exp_of_v = e.at("exp_of_v");
  if (!knows(exp_of_v, {"v", "result"}, r)) return;
  auto const v = exp_of_v.at("v").get<numbers>();
  if (v.size() != width) return r.fail("v is not V");
  numbers moved(width);
  sphere::exp_map(n, x.data(), v.data(), moved.data());
  same(r, moved, exp_of_v.at("result"), "exp");

  numbers vertex(width, 0.0), way(width);
  vertex[1] = 1.0;
  sphere::log_map(n, x.data(), vertex.data(), way.data());
  same(r, way, e.at("log_to_e1"), "log");

  // The step as a run takes it.
  diffx::timetable const grid(
      {process.at(t), process.at(1.0 - (file_time + e.at("dt").get<double>()))});
  diffx::sampler const s{process, diffx::solver::geodesic_random_walk{}};
  using logits = diffx::prediction::x0_posterior<double>;
  auto const network =
      diffx::denoiser::predicts<logits>([&](auto const&, diffx::batch_view<double const>,
                                            diffx::query const&, diffx::batch_view<double> out) {
        for (std::size_t k = 0; k < p.size(); ++k) out.data[k] = std::log(p[k]);
      });
  auto next = x;
  diffx::noise::injected<double> const noise({{{0, 0, 0, 0.0, 0.0}, z.data()}}, 1, n);
  diffx::options<diffx::noise::injected<double>> options{noise};
  options.start = diffx::start::given;
  s.sample(diffx::exec::host{}, network, grid, diffx::batch_view<double>{next.data(), 1, n},
           options);
  same(r, next, e.at("x_next"), "x_next");

  numbers simplex(width);
  sphere::to_simplex(n, next.data(), simplex.data());
  same(r, simplex, e.at("simplex_probs"), "simplex_probs");
}

void codec(json const& e, report& r) {
  if (!knows(e, {"op", "source", "id", "base", "digits", "tokens", "encoded_little_endian"}, r)) {
    return;
  }
  diffx::domain::text::base_n const code(e.at("base").get<int>(), e.at("digits").get<int>());
  auto const tokens = e.at("tokens").get<std::vector<std::int64_t>>();
  auto const want = e.at("encoded_little_endian").get<std::vector<int>>();
  std::vector<int> digits(tokens.size() * static_cast<std::size_t>(code.digits()));
  code.encode(std::span(tokens), std::span(digits));
  r.list(numbers(digits.begin(), digits.end()), e.at("encoded_little_endian"), 0.0, "digits");
  std::vector<std::int64_t> back(tokens.size());
  if (want.size() != digits.size()) return;
  code.decode(std::span(want), std::span(back));
  r.list(numbers(back.begin(), back.end()), e.at("tokens"), 0.0, "tokens");
}

void mean_cosine(json const& e, report& r) {
  if (!knows(e, {"op", "source", "id", "d", "rho", "mean_cos", "reference_expression"}, r)) return;
  int const d = e.at("d").get<int>();
  double const rho = e.at("rho").get<double>();
  r.near(sphere::mean_cosine(d, rho), e.at("mean_cos").get<double>(), 1.0, "mean_cos");
  r.near(sphere::mean_cosine_as_published(d, rho), e.at("reference_expression").get<double>(), 1.0,
         "reference_expression");
}

}  // namespace

bool rdlm_entry(json const& entry, report& r) {
  auto const op = entry.at("op").get<std::string>();
  if (op == "rdlm_grw_step") {
    step(entry, r);
  } else if (op == "rdlm_base_n_codec") {
    codec(entry, r);
  } else if (op == "rdlm_mean_cos_radius") {
    mean_cosine(entry, r);
  } else {
    return false;
  }
  return true;
}

}  // namespace conformance
