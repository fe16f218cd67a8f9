// The golden entries of scores of anomaly by the posterior of the noising time.

#include <diffx/analysis/anomaly.hpp>
#include <diffx/schedule/linear.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace conformance {
namespace {

namespace anomaly = diffx::analysis::anomaly;
using numbers = std::vector<double>;

/// Rows of numbers one after another; all must be of the same width.
struct table {
  numbers values;
  std::int64_t rows = 0, width = 0;

  explicit table(json const& in) : rows(std::ssize(in)) {
    for (json const& row : in) {
      if (width != 0 && std::ssize(row) != width) diffx::detail::fail("rows of another width");
      width = std::ssize(row);
      for (json const& v : row) values.push_back(v.get<double>());
    }
  }
  diffx::batch_view<double const> view() const { return {values.data(), rows, width}; }
};

void non_parametric(json const& in, json const& want, report& r) {
  refuse_unread(in, {"train", "test", "K", "T", "beta"}, r);
  refuse_unread(
      want, {"mean_knn_sq_distance", "mode_timestep", "posterior_at", "inv_gamma_mode_variance"},
      r);
  table const train(in.at("train")), test(in.at("test"));
  auto const beta = in.at("beta").get<numbers>();
  if (beta.size() != 2) return r.fail("beta: two numbers");
  int const steps = in.at("T").get<int>();
  anomaly::dte_non_parametric const np(
      train.view(), diffx::schedule::linear(steps, beta[0], beta[1]), in.at("K").get<int>());
  auto const& posterior = np.posterior();
  numbers const d = np.squared_distances(test.view());
  numbers const modes = np.scores(test.view(), anomaly::time_estimate::mode);
  for (auto const* key : {"mean_knn_sq_distance", "mode_timestep", "inv_gamma_mode_variance"}) {
    if (want.at(key).size() != d.size()) return r.fail(std::string(key) + ": number of rows");
  }
  // The reference sums the squares in float, and its densities are float logarithms of their own
  // size; less than the smallest float is 0. Rows are written with six decimals.
  double const last_place = 0x1p-24, least = 0x1p-149, decimals = 1e-6;
  for (std::size_t i = 0; i < d.size(); ++i) {
    auto const at = [&](std::string const& what) { return what + "[" + std::to_string(i) + "]"; };
    auto const law = diffx::analysis::inverse_gamma::of(train.width, d[i]);
    numbers const w = posterior.weights(law.scale());
    double const distance = want.at("mean_knn_sq_distance")[i].get<double>();
    double const width = static_cast<double>(train.width);
    double const off = (width + 2.0) * last_place * distance +
                       2.0 * decimals * std::sqrt(width * distance) + width * decimals * decimals;
    r.near(d[i], distance, off / r.tolerance, at("mean_knn_sq_distance"));
    double const mode = want.at("inv_gamma_mode_variance")[i].get<double>();
    r.near(law.mode(), mode, off / width / r.tolerance, at("inv_gamma_mode_variance"));

    auto const rounding = [&](std::size_t t) {
      double const v = posterior.variances()[t];
      return 4.0 * last_place * std::fabs(law.log_density(v)) + 0.5 * off / v;
    };
    double const step = want.at("mode_timestep")[i].get<double>();
    if (!(step >= 0.0 && step < steps && step == std::floor(step))) return r.fail(at("a mode"));
    // Of two steps that are alike in float, either may be the reference's.
    auto const theirs = static_cast<std::size_t>(step), ours = static_cast<std::size_t>(modes[i]);
    bool const alike = w[theirs] >= w[ours] * (1.0 - rounding(ours) - rounding(theirs));
    r.near(alike ? step : modes[i], step, 1.0, at("mode_timestep"));
    for (auto const& [key, row] : want.at("posterior_at").items()) {
      if (row.size() != d.size()) return r.fail("posterior_at: number of rows");
      int const t = std::stoi(key);
      if (t < 0 || t >= steps) return r.fail("posterior_at: step " + key);
      auto const place = static_cast<std::size_t>(t);
      double const p = row[i].get<double>();
      // What a logarithm is off by, its exponential is off by as a factor.
      double const off_by = w[place] * std::expm1(std::max(r.tolerance, rounding(place)));
      r.near(w[place], p, std::max(off_by, least) / r.tolerance, at("posterior_at " + key));
    }
  }
}

void binning(json const& in, json const& want, report& r) {
  refuse_unread(in, {"t", "T", "num_bins"}, r);
  refuse_unread(want, {"bin"}, r);
  auto const t = in.at("t").get<std::vector<int>>(), bin = want.at("bin").get<std::vector<int>>();
  if (t.size() != bin.size()) return r.fail("number of bins");
  r.tolerance = 0.5;  // whole numbers are exact
  for (std::size_t i = 0; i < t.size(); ++i) {
    r.near(anomaly::time_bin(t[i], in.at("T").get<int>(), in.at("num_bins").get<int>()), bin[i],
           1.0, "bin[" + std::to_string(i) + "]");
  }
}

}  // namespace

bool dte_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "non_parametric") return non_parametric(in, want, r), true;
  if (name == "binning") return binning(in, want, r), true;
  return false;
}

}  // namespace conformance
