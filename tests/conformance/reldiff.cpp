// The golden entries of rows of numbers and classes on one clock, masked classes: the schedules,
// those of single columns, and a masked column's step.

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/schedule/bounded_mask_power.hpp>
#include <diffx/schedule/class_rates.hpp>
#include <diffx/schedule/learned_exponent.hpp>
#include <diffx/schedule/sigma_power.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/timetable.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace conformance {
namespace {

namespace analysis = diffx::analysis;
namespace solver = diffx::solver;
using diffx::level;
using diffx::schedule::bounded_mask_power;
using diffx::schedule::sigma_power;
using numbers = std::vector<double>;
using numeric = diffx::process::edm_of<sigma_power>;
using masked = diffx::process::absorbing<bounded_mask_power>;

/// Time 0 itself is the data here; the reference's is the smallest level above it.
double above_data(double t) { return std::max(t, std::numeric_limits<double>::min()); }

/// |got - want| as a share of want, with what else float costs there.
void check(report& r, double got, double want, double rounding, std::string const& what) {
  r.near(got, want, std::fabs(want) * std::max(1.0, rounding / r.tolerance), what);
}

/// A number to the power rho loses rho times its last places, a few from its sum and roots.
double of_a_power(double rho) { return 4.0 * rho * 0x1p-24; }

/// What depends on 1 - m, which the reference takes of a float m, half of whose place is 2^-25.
double of_what_is_kept(masked const& process, double t) { return 0x1p-24 / process.at(t).alpha; }

void schedules(json const& in, json const& want, report& r) {
  refuse_unread(in, {"t", "sigma_min", "sigma_max", "rho", "eps_min", "eps_max"}, r);
  refuse_unread(want, {"sigma_num", "sigma_cat", "mask_probability", "rate_cat"}, r);
  auto const times = in.at("t").get<numbers>();
  double const rho = in.at("rho").get<double>();
  numeric const n(
      sigma_power{in.at("sigma_min").get<double>(), in.at("sigma_max").get<double>(), rho});
  bounded_mask_power const schedule{1.0, in.at("eps_min").get<double>(),
                                    in.at("eps_max").get<double>()};
  masked const m(1, 1, schedule);
  for (auto const* key : {"sigma_num", "sigma_cat", "mask_probability", "rate_cat"}) {
    if (want.at(key).size() != times.size()) return r.fail(std::string(key) + ": number of times");
  }
  for (std::size_t i = 0; i < times.size(); ++i) {
    double const t = above_data(times[i]), kept = of_what_is_kept(m, t);
    auto const compare = [&](std::string const& key, double got, double rounding) {
      check(r, got, want.at(key)[i].get<double>(), rounding, key + "[" + std::to_string(i) + "]");
    };
    compare("sigma_num", n.at(t).sigma, of_a_power(rho));
    compare("mask_probability", m.at(t).sigma, 0.0);
    // -log(1 - m) is m where m is small, rounded as it is.
    double const total = diffx::schedule::total_noise(schedule, t);
    compare("sigma_cat", total, kept / total);
    compare("rate_cat", diffx::schedule::noise_rate(schedule, t), kept);
  }
}

void per_column(json const& in, json const& want, report& r) {
  refuse_unread(in, {"t", "rho_raw", "rho_offset", "k_raw", "k_offset"}, r);
  refuse_unread(want, {"rho", "sigma_num", "k", "sigma_cat"}, r);
  auto const times = in.at("t").get<numbers>();
  for (auto const* key : {"sigma_num", "sigma_cat"}) {
    if (want.at(key).size() != times.size()) return r.fail(std::string(key) + ": number of times");
  }
  /// One column: its exponent, and at every time f(exponent, t) and how float rounds it.
  auto const columns = [&](std::string const& name, std::string const& series, auto const& f) {
    auto const raw = in.at(name + "_raw").get<numbers>();
    double const offset = in.at(name + "_offset").get<double>();
    if (want.at(name).size() != raw.size()) return r.fail(name + ": number of columns");
    for (std::size_t j = 0; j < raw.size(); ++j) {
      double const exponent = diffx::schedule::learned_exponent(raw[j], offset);
      auto const at = "[" + std::to_string(j) + "]";
      check(r, exponent, want.at(name)[j].get<double>(), 0.0, name + at);
      for (std::size_t i = 0; i < times.size(); ++i) {
        json const& row = want.at(series)[i];
        if (row.size() != raw.size()) return r.fail(series + ": number of columns");
        double rounding = 0.0;
        double const got = f(exponent, above_data(times[i]), rounding);
        check(r, got, row[j].get<double>(), rounding, series + "[" + std::to_string(i) + "]" + at);
      }
    }
  };
  columns("rho", "sigma_num", [](double rho, double t, double& rounding) {
    sigma_power schedule;
    schedule.rho = rho;
    rounding = of_a_power(rho);
    return numeric(schedule).at(t).sigma;
  });
  columns("k", "sigma_cat", [](double k, double t, double& rounding) {
    bounded_mask_power schedule;
    schedule.power = k;
    double const total = diffx::schedule::total_noise(schedule, t);
    rounding = of_what_is_kept(masked(1, 1, schedule), t) / total + of_a_power(k);
    return total;
  });
}

/// What solver::ancestral draws from, of a law of the data class.
numbers ancestral_law(masked const& process, level const& t, level const& s, int now,
                      numbers const& p) {
  auto const law = process.limit();
  numbers out(static_cast<std::size_t>(analysis::state_count(law)), 0.0);
  if (now != law.mask) {
    out[static_cast<std::size_t>(now)] = 1.0;
    return out;
  }
  diffx::timetable const grid({t, s});
  diffx::categorical_plan plan;
  solver::ancestral{}.plan(diffx::plan_context<masked>{process, grid, 0, 0, 0}, plan);
  double weight[4];
  for (std::size_t i = 0; i < 4; ++i) weight[i] = plan.stages().at(0).weight[i];
  auto const kernel = solver::ancestral::kernel<false>(weight, law, now, 0.0);
  for (std::size_t k = 0; k < out.size(); ++k) {
    bool const here = static_cast<int>(k) == now;
    out[k] = kernel.at(here, p[k], law.probability(static_cast<int>(k)));
  }
  return out;
}

void masked_step(json const& in, json const& want, report& r) {
  refuse_unread(in, {"classes", "t", "s", "x_t", "mask_index", "logits"}, r);
  refuse_unread(want, {"alpha_t", "alpha_s", "probabilities"}, r);
  auto const classes = in.at("classes").get<std::vector<int>>();
  auto const now = in.at("x_t").get<std::vector<int>>(),
             mask = in.at("mask_index").get<std::vector<int>>();
  double const time = above_data(in.at("t").get<double>()),
               to = above_data(in.at("s").get<double>());
  json const &logits = in.at("logits"), &laws = want.at("probabilities");
  for (std::size_t const n : {now.size(), mask.size(), logits.size(), laws.size()}) {
    if (n != classes.size()) return r.fail("number of columns");
  }
  for (std::size_t j = 0; j < classes.size(); ++j) {
    masked const process(classes[j], mask[j], {});
    level const t = process.at(time), s = process.at(to);
    auto const size = static_cast<std::size_t>(analysis::state_count(process));
    auto const column = " of column " + std::to_string(j);
    auto const z = logits[j].get<numbers>();
    if (z.size() != static_cast<std::size_t>(classes[j]) || laws[j].size() != size || now[j] < 0 ||
        now[j] >= static_cast<int>(size)) {
      return r.fail("sizes" + column);
    }
    // A float alpha is 1 less a float below 1.
    check(r, t.alpha, want.at("alpha_t").get<double>(), of_what_is_kept(process, time), "alpha_t");
    check(r, s.alpha, want.at("alpha_s").get<double>(), of_what_is_kept(process, to), "alpha_s");
    numbers const p = analysis::law_of_logits(process.limit(), now[j], std::span<double const>(z));
    numbers const mixture = analysis::mixture_kernel(process, t, s, now[j], p),
                  ancestral = ancestral_law(process, t, s, now[j], p);
    for (std::size_t k = 0; k < size; ++k) {
      double const w = laws[j][k].get<double>();
      auto const at = "[" + std::to_string(k) + "]" + column;
      r.near(mixture[k], w, 1.0, "probabilities" + at);
      r.near(ancestral[k], w, 1.0, "solver::ancestral" + at);
    }
  }
}

}  // namespace

bool reldiff_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "schedules") return schedules(in, want, r), true;
  if (name == "per_column_schedules") return per_column(in, want, r), true;
  if (name == "masked_column_step") return masked_step(in, want, r), true;
  return false;
}

}  // namespace conformance
