// The golden entries of distilled sets: the score of a group of samples, and a step of the
// inversion that takes data to the level where groups are drawn.

#include <diffx/exec/host.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/search/group_select.hpp>
#include <diffx/solver/ddim_inverse.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace conformance {
namespace {

namespace search = diffx::search;
using diffx::process::vp_discrete;
using numbers = std::vector<double>;

void group_score(json const& in, json const& want, report& r) {
  refuse_unread(in, {"groups", "mean", "std"}, r);
  refuse_unread(want, {"mean_term", "std_term", "reference_score", "per_dimension_skewness_norm"},
                r);
  json const& groups = in.at("groups");
  for (auto const& [key, value] : want.items()) {
    if (value.size() != groups.size()) return r.fail(key + ": number of groups");
  }
  auto const mean = in.at("mean").get<numbers>(), deviation = in.at("std").get<numbers>();
  numbers variance;
  for (double const s : deviation) variance.push_back(s * s);
  search::moments_score const exact, published{.axis = search::skewness_axis::dimensions};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    numbers group;
    for (json const& row : groups[i]) {
      if (row.size() != mean.size()) return r.fail("rows of another width");
      for (json const& v : row) group.push_back(v.get<double>());
    }
    diffx::batch_view<double const> const view{group.data(), std::ssize(groups[i]),
                                               std::ssize(mean)};
    auto const check = [&](std::string const& key, double got) {
      double const w = want.at(key)[i].get<double>();
      r.near(got, w, std::max(1.0, std::fabs(w)), key + "[" + std::to_string(i) + "]");
    };
    auto const terms = exact.of(view, mean, variance);
    check("mean_term", terms.mean);
    check("std_term", terms.deviation);
    check("per_dimension_skewness_norm", terms.skewness);
    check("reference_score", published(published.of(view, mean, variance)));
  }
}

/// "linear 1e-4..0.02, 1000": the ends of the betas, and how many there are.
vp_discrete process_of(std::string const& text) {
  double first = 0.0, last = 0.0;
  int steps = 0, read = 0;
  if (std::sscanf(text.c_str(), "linear %lf..%lf, %d%n", &first, &last, &steps, &read) != 3 ||
      static_cast<std::size_t>(read) != text.size()) {
    diffx::detail::fail("conformance: unknown betas " + text);
  }
  return vp_discrete(diffx::schedule::linear(steps, first, last));
}

/// A network that says these numbers if it is asked at the step that the file names.
struct said {
  static constexpr int branches = 1;
  diffx::prediction::eps prediction{};
  numbers const& eps;
  int at;

  template <class Exec>
  void operator()(Exec const&, diffx::batch_view<double const>, diffx::query const& q,
                  diffx::batch_view<double> out) const {
    if (q.at.timestep != at) diffx::detail::fail("conformance: eps is asked for at another step");
    std::copy(eps.begin(), eps.end(), out.data);
  }
};

void inversion_step(json const& in, json const& want, report& r) {
  refuse_unread(in, {"beta", "t_from", "t_to", "x", "eps"}, r);
  refuse_unread(want, {"x_next", "alpha_bar"}, r);
  auto const process = process_of(in.at("beta").get<std::string>());
  int const from = in.at("t_from").get<int>(), to = in.at("t_to").get<int>();
  auto x = in.at("x").get<numbers>();
  auto const eps = in.at("eps").get<numbers>(), next = want.at("x_next").get<numbers>(),
             bar = want.at("alpha_bar").get<numbers>();
  if (eps.size() != x.size() || next.size() != x.size() || bar.size() != 2) {
    return r.fail("number of values");
  }
  diffx::timetable const grid({process.at_index(from), process.at_index(to)});
  r.near(process.table().alpha_bar(from), bar[0], bar[0], "alpha_bar[0]");
  r.near(process.table().alpha_bar(to), bar[1], bar[1], "alpha_bar[1]");
  diffx::options<> options;
  options.start = diffx::start::given;
  diffx::sampler{process, diffx::solver::ddim_inverse{}}.sample(
      diffx::exec::host{}, said{{}, eps, to}, grid,
      diffx::batch_view<double>{x.data(), 1, std::ssize(x)}, options);
  for (std::size_t i = 0; i < x.size(); ++i) {
    r.near(x[i], next[i], std::max(1.0, std::fabs(next[i])), "x_next[" + std::to_string(i) + "]");
  }
}

}  // namespace

bool d3hr_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "group_score") return group_score(in, want, r), true;
  if (name == "ddim_inversion_step") return inversion_step(in, want, r), true;
  return false;
}

}  // namespace conformance
