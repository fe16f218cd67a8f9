// Mask-and-replace chains: tables, posteriors and loops of a scheduler of token grids.

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/process/mask_and_replace.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace conformance {
namespace {

namespace analysis = diffx::analysis;
using diffx::level;
using diffx::process::mask_and_replace;
using numbers = std::vector<double>;
using tokens = std::vector<int>;

mask_and_replace process_of(json const& config) {
  settings c(config);
  int const states = c.get<int>("num_vec_classes", 0);
  auto out = mask_and_replace::linear(
      states - 1, c.get<int>("num_train_timesteps", 100), c.number("alpha_cum_start", 0.99999),
      c.number("alpha_cum_end", 9e-6), c.number("gamma_cum_start", 9e-6),
      c.number("gamma_cum_end", 0.99999));
  c.refuse_unread("mask and replace");
  return out;
}

/// Logits of the token model, of the data classes alone.
numbers token_model(tokens const& x, std::size_t batch, std::size_t length, int classes, int step) {
  numbers out;
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::size_t s = 0; s < length; ++s) {
      int const now = x[b * length + s], next = x[b * length + (s + 1) % length];
      for (int v = 0; v < classes; ++v) {
        double const u = uniform(2000000u + static_cast<std::uint64_t>(step), out.size());
        out.push_back(6.0 * u - 3.0 + (v == (5 * now + 3 * next + step) % classes ? 2.0 : 0.0));
      }
    }
  }
  return out;
}

/// The law of the class one step before, of every position, given the token model at index t.
std::vector<analysis::row> laws_before(mask_and_replace const& p, tokens const& x,
                                       std::size_t batch, std::size_t length, int t) {
  auto const classes = static_cast<std::size_t>(p.limit().classes);
  auto const logits = token_model(x, batch, length, p.limit().classes, t);
  std::vector<analysis::row> out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    // A posterior of classes: a mask that is there is no class that is seen.
    auto const law = analysis::law_of_logits<double>(
        p.limit(), p.limit().mask, std::span<double const>(logits).subspan(i * classes, classes));
    // The reference ends with the network's own law and not with its bridge to the data.
    out.push_back(
        t == 0 ? law : analysis::mixture_kernel(p, p.at_index(t), p.at_index(t - 1), x[i], law));
  }
  return out;
}

void check_tables(mask_and_replace const& p, settings& e, report& r) {
  int const classes = p.limit().classes;
  auto const at = e.get<tokens>("t", {});
  auto const values = [&](char const* name) {
    auto out = e.get<numbers>(name, {});
    if (out.size() != at.size()) r.fail(std::string(name) + ": another number of entries");
    out.resize(at.size());
    return out;
  };
  numbers const keep = values("log_at"), replace = values("log_bt"), mask = values("log_ct"),
                all_keep = values("log_cumprod_at"), all_replace = values("log_cumprod_bt"),
                all_mask = values("log_cumprod_ct");
  // Logarithms of 1 minus numbers that add up to nearly 1: a few eps over what is left.
  constexpr double eps = 0x1p-52;
  r.tolerance = 1e-12;
  auto const near = [&](double got, double want, double left, char const* what) {
    r.near(std::log(got), want, std::max(1.0, 8.0 * eps / (1e-12 * left)), what);
  };
  for (std::size_t i = 0; i < at.size(); ++i) {
    level const t = p.at_index(at[i]);
    auto const one = p.between(p.at_index(at[i] - 1), t), all = p.between({}, t);
    near(one.keep, keep[i], one.keep, "log_at");
    near(one.replace, replace[i], one.replace * classes, "log_bt");
    near(one.mask, mask[i], one.mask, "log_ct");
    near(all.keep, all_keep[i], all.keep, "log_cumprod_at");
    near(all.replace, all_replace[i], all.replace * classes, "log_cumprod_bt");
    near(all.mask, all_mask[i], all.mask, "log_cumprod_ct");
  }
}

void check_posterior(mask_and_replace const& p, settings& e, report& r) {
  auto const shape = e.get<std::vector<std::size_t>>("shape", {});
  auto const given = e.get<json>("x_t", {}), want = e.get<json>("log_posterior", {});
  e.ignore({"token_seed"});  // of x_t, which is given
  tokens x;
  for (json const& row : given) {
    for (json const& v : row) x.push_back(v.get<int>());
  }
  if (shape.size() != 2 || x.size() != shape[0] * shape[1]) return r.fail("shape of x_t");
  int const t = e.get<int>("t", 0);
  auto const laws = laws_before(p, x, shape[0], shape[1], t);
  // The chance of replacing is a difference of numbers near 1, in the reference's tables as here: a
  // few eps over what is left, and so in the logarithm.
  double const left = t > 0 ? p.between(p.at_index(t - 1), p.at_index(t)).replace *
                                  static_cast<double>(p.limit().classes)
                            : 1.0;
  r.tolerance = std::max(1e-10, 16.0 * 0x1p-52 / left);
  // What is 0 is 1e-30 in the reference, divided by the chance of the state that is seen: a
  // replaced one at the least.
  double const least = std::log(1e-30 / p.between({}, p.at_index(t)).replace);
  for (std::size_t b = 0; b < shape[0]; ++b) {
    if (want.at(b).size() != static_cast<std::size_t>(p.states())) return r.fail("classes");
    for (std::size_t k = 0; k < static_cast<std::size_t>(p.states()); ++k) {
      for (std::size_t s = 0; s < shape[1]; ++s) {
        double const got = laws[b * shape[1] + s][k], w = want[b][k].at(s).get<double>();
        auto const what = "class " + std::to_string(k) + " of position " + std::to_string(s);
        if (got > 0.0) {
          r.near(std::log(got), w, 1.0, what);
        } else if (++r.compared; !(w <= least)) {
          r.fail(what + ": got 0, want the logarithm " + std::to_string(w));
        }
      }
    }
  }
}

void check_loop(mask_and_replace const& p, settings& e, report& r) {
  auto const shape = e.get<std::vector<std::size_t>>("shape", {});
  auto const timesteps = e.get<tokens>("timesteps", {});
  auto const want = e.get<json>("tokens_after_step", {});
  int const steps = e.get<int>("num_steps", 0);
  if (shape.size() != 2 || want.size() != timesteps.size()) return r.fail("shape");
  r.tolerance = 0.5;  // tokens
  tokens x(shape[0] * shape[1], p.limit().mask);
  for (std::size_t k = 0; k < timesteps.size(); ++k) {
    int const t = timesteps[k];
    r.near(t, steps - 1.0 - static_cast<double>(k), 1.0, "timesteps");
    auto const laws = laws_before(p, x, shape[0], shape[1], t);
    // The network's own law, in the end, has no entry for the mask.
    auto const states = static_cast<std::size_t>(t == 0 ? p.limit().classes : p.states());
    for (std::size_t i = 0; i < x.size(); ++i) {
      // The reference's draw: the largest of log p + Gumbel noise, laid out class before position.
      double best = -INFINITY;
      for (std::size_t v = 0; v < states; ++v) {
        if (!(laws[i][v] > 0.0)) continue;
        auto const at = (i / shape[1] * states + v) * shape[1] + i % shape[1];
        double const u = uniform(4000000u + k, at);
        double const score = std::log(laws[i][v]) - std::log(-std::log(u + 1e-30) + 1e-30);
        if (score > best) {
          best = score;
          x[i] = static_cast<int>(v);
        }
      }
      r.near(x[i], want[k].at(i / shape[1]).at(i % shape[1]).get<int>(), 1.0,
             "token " + std::to_string(i) + " after step " + std::to_string(k));
    }
  }
}

}  // namespace

bool vq_entry(json const& entry, report& r) {
  settings e(entry);
  e.ignore({"id", "f32_tokens_agree"});
  if (e.get<std::string>("scheduler", "") != "VQDiffusionScheduler") return false;
  auto const kind = e.get<std::string>("kind", "");
  auto const p = process_of(e.get<json>("config", {}));
  if (kind == "tables") {
    check_tables(p, e, r);
  } else if (kind == "posterior") {
    check_posterior(p, e, r);
  } else if (kind == "loop") {
    check_loop(p, e, r);
  } else {
    return false;
  }
  e.refuse_unread("mask and replace");
  return true;
}

}  // namespace conformance
