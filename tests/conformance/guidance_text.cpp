// Guidance of discrete reverse kernels, and importance weights of whole sequences.

#include <diffx/analysis/importance_weights.hpp>
#include <diffx/denoiser/classified.hpp>
#include <diffx/denoiser/residual_energy.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/detail/kernel_row.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/solver/ancestral.hpp>

#include "papers.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace conformance {
namespace {

using numbers = std::vector<double>;
using diffx::detail::kernel_row;

constexpr double infinity = std::numeric_limits<double>::infinity();

numbers logs(numbers p) {
  for (double& v : p) v = std::log(v);
  return p;
}

/// One step of the ancestral solver, for one position at a time.
class step_kernel {
 public:
  template <class Process>
  step_kernel(Process const& process, double move_t, double move_s)
      : law_(process.limit()), grid_({process.at(move_t), process.at(move_s)}) {
    diffx::categorical_plan plan;
    diffx::solver::ancestral{}.plan(diffx::plan_context<Process>{process, grid_, 0, 0, 0}, plan);
    for (std::size_t i = 0; i < 4; ++i) weight_[i] = plan.stages().at(0).weight[i];
  }

  diffx::step step() const { return grid_.step(0); }
  int states() const { return law_.classes + (law_.mask == law_.classes ? 1 : 0); }

  /// The kernel from class `now` that a guidance makes of its branches, over all states.
  template <bool Cavity, class Guidance>
  numbers guided(Guidance const& guidance, int now,
                 std::array<numbers, Guidance::branches> const& branches) const {
    std::array<double, Guidance::branches> weights;
    guidance.weights(step(), weights);
    return mixed<Cavity>(now, weights, branches, Guidance::kernels);
  }
  /// The kernel of one branch alone.
  template <bool Cavity>
  numbers plain(int now, numbers const& logits) const {
    return mixed<Cavity>(now, std::array{1.0}, std::array{logits}, 1);
  }
  diffx::detail::class_kernel from_mask() const {
    return diffx::solver::ancestral::kernel<false>(weight_, law_, law_.mask, 0.0);
  }

 private:
  template <bool Cavity, std::size_t N>
  numbers mixed(int now, std::array<double, N> const& weights,
                std::array<numbers, N> const& branches, int kernels) const {
    kernel_row<double, static_cast<int>(N)> row;
    for (std::size_t g = 0; g < N; ++g) {
      row.source[g] = branches[g].data();
      row.weight[g] = weights[g];
    }
    row.sources = static_cast<int>(N);
    row.kernels = kernels;
    row.law = law_;
    row.now = now;
    if (!diffx::solver::ancestral::mix_kernels<Cavity>(weight_, row)) {
      diffx::detail::fail("conformance: a row that is no distribution");
    }
    numbers q;
    for (int k = 0; k < states(); ++k) q.push_back(row.probability(k));
    return q;
  }

  diffx::detail::limit_law law_;
  diffx::timetable grid_;
  double weight_[4];
};

void compare(numbers const& got, json const& want, std::string const& what, report& r) {
  if (got.size() != want.size()) {
    r.fail(what + ": " + std::to_string(got.size()) + " entries, want " +
           std::to_string(want.size()));
    return;
  }
  for (std::size_t k = 0; k < got.size(); ++k) {
    double const w = want[k].get<double>();
    r.near(got[k], w, std::max(1.0, std::fabs(w)), what + " " + std::to_string(k));
  }
}

void uniform_guidance(json const& e, report& r) {
  settings s(e);
  s.ignore({"op", "source"});
  int const classes = s.get("V", 0);
  double const gamma = s.number("gamma", 1.0);
  diffx::process::uniform<> const process(classes);
  step_kernel const kernel(process, 1.0 - s.number("alpha_t", 0.0), 1.0 - s.number("alpha_s", 0.0));
  auto const seen = s.get("x_t", std::vector<int>{});
  auto const rows = [&](char const* key) { return s.get(key, std::vector<numbers>{}); };
  auto const uncond = rows("p_uncond"), cond = rows("p_cond");
  auto const scores = rows("classifier_log_prob"), slopes = rows("classifier_grad");
  // log p(y | x_t) itself is the same for every class of a position: it cancels.
  s.ignore({"classifier_log_prob_at_xt", "posterior_uncond", "posterior_cond", "d_cfg", "d_cbg",
            "first_order_ratio", "d_cbg_first_order", "posterior_for_clean_onehot"});
  s.refuse_unread("uniform_posterior_and_guidance");

  auto const width = static_cast<std::int64_t>(seen.size()) * classes;
  diffx::denoiser::gradient_ratios const ratios(
      process, [&](auto const&, auto, auto const&, diffx::batch_view<double> g) {
        std::size_t i = 0;
        for (auto const& row : slopes) {
          for (double const v : row) g.data[i++] = v;
        }
      });
  numbers table(static_cast<std::size_t>(width));
  ratios(diffx::exec::host{},
         diffx::batch_view<int const>{seen.data(), 1, static_cast<std::int64_t>(seen.size())},
         diffx::query{}, diffx::batch_view<double>{table.data(), 1, width});

  for (std::size_t l = 0; l < seen.size(); ++l) {
    auto const at = [&](char const* key) {
      return std::pair<json const&, std::string>(e.at(key).at(l),
                                                 std::string(key) + " " + std::to_string(l));
    };
    auto const check = [&](numbers const& got, char const* key) {
      auto const [want, what] = at(key);
      compare(got, want, what, r);
    };
    int const now = seen[l];
    auto const u = logs(uncond.at(l)), c = logs(cond.at(l));
    check(kernel.plain<true>(now, u), "posterior_uncond");
    check(kernel.plain<true>(now, c), "posterior_cond");
    check(kernel.guided<true>(diffx::guidance::d_cfg{gamma}, now, {c, u}), "d_cfg");
    diffx::guidance::d_cbg const by_classifier{gamma};
    check(kernel.guided<true>(by_classifier, now, {u, scores.at(l)}), "d_cbg");
    numbers const ratio(table.begin() + static_cast<std::ptrdiff_t>(l) * classes,
                        table.begin() + static_cast<std::ptrdiff_t>(l + 1) * classes);
    check(ratio, "first_order_ratio");
    check(kernel.guided<true>(by_classifier, now, {u, ratio}), "d_cbg_first_order");
    for (int i = 0; i < classes; ++i) {
      numbers clean(static_cast<std::size_t>(classes), -infinity);
      clean[static_cast<std::size_t>(i)] = 0.0;
      json const& want = e.at("posterior_for_clean_onehot").at(static_cast<std::size_t>(i)).at(l);
      auto const what = "clean " + std::to_string(i) + ", position " + std::to_string(l);
      compare(kernel.plain<true>(now, clean), want, what, r);
      // A certain posterior is a certain cavity, where the state does not exclude it.
      compare(kernel.plain<false>(now, clean), want, "mixture, " + what, r);
    }
  }
  for (auto const& [key, value] : e.items()) {
    if (value.is_array() && key != "posterior_for_clean_onehot" && value.size() != seen.size()) {
      r.fail(key + " has " + std::to_string(value.size()) + " rows");
    }
  }
  if (e.at("posterior_for_clean_onehot").size() != static_cast<std::size_t>(classes)) {
    r.fail("posterior_for_clean_onehot has other classes");
  }
}

void absorbing_guidance(json const& e, report& r) {
  settings s(e);
  s.ignore({"op", "source", "q_x0_level", "q_posterior_level", "unmask_prob"});
  int const states = s.get("V_incl_mask", 0), mask = s.get("mask", 0);
  double const gamma = s.number("gamma", 1.0);
  diffx::process::absorbing<> const process(states, mask);
  step_kernel const kernel(process, s.number("move_t", 0.0), s.number("move_s", 0.0));
  auto const logits = [&](char const* key) {  // of the data classes; the mask's own is ignored
    auto row = s.get(key, numbers{});
    if (row.size() + 1 != static_cast<std::size_t>(states)) {
      diffx::detail::fail(std::string("conformance: ") + key + " has another length");
    }
    row.insert(row.begin() + mask, 7.0);
    return row;
  };
  auto const u = logits("log_p_uncond"), c = logits("log_p_cond");
  s.refuse_unread("absorbing_d_cfg");

  // Tempering of x0: the row that guidance::cfg mixes, and the kernel of it.
  std::array<double, 2> weights;
  diffx::guidance::cfg{gamma}.weights(kernel.step(), weights);
  diffx::detail::class_row<double, 2> row;
  row.source[0] = c.data();
  row.source[1] = u.data();
  row.weight[0] = weights[0];
  row.weight[1] = weights[1];
  row.classes = states;
  row.excluded = mask;
  if (!row.scan()) diffx::detail::fail("conformance: a row that is no distribution");
  numbers of_x0;
  for (int k = 0; k < states; ++k) {
    of_x0.push_back(kernel.from_mask().at(k == mask, row.probability(k), k == mask ? 1.0 : 0.0));
  }
  compare(of_x0, e.at("q_x0_level"), "q_x0_level", r);

  auto const of_kernels = kernel.guided<false>(diffx::guidance::d_cfg{gamma}, mask, {c, u});
  compare(of_kernels, e.at("q_posterior_level"), "q_posterior_level", r);
  auto const at = static_cast<std::size_t>(mask);
  compare({1.0 - of_x0[at], 1.0 - of_kernels[at]}, e.at("unmask_prob"), "unmask_prob", r);
}

}  // namespace

bool udlm_guidance(json const& entry, report& r) {
  // Both sides are sums of a few exponentials in double; gamma times a logarithm and the powers of
  // the rows leave some 1e-15.
  r.tolerance = 1e-12;
  auto const op = entry.at("op").get<std::string>();
  if (op == "uniform_posterior_and_guidance") {
    uniform_guidance(entry, r);
  } else if (op == "absorbing_d_cfg") {
    absorbing_guidance(entry, r);
  } else {
    return false;
  }
  return true;
}

bool edlm(json const& entry, report& r) {
  if (entry.at("op").get<std::string>() != "edlm_importance_weights") return false;
  r.tolerance = 1e-13;  // a softmax in double, of energies of some tens
  settings s(entry);
  s.ignore({"op", "source", "energy", "weights", "weights_released_code"});
  auto const ar = s.get("log_p_ar", numbers{}), diffusion = s.get("log_p_diffusion", numbers{});
  double const temperature = s.number("temperature", 1.0);
  s.refuse_unread("edlm");

  // Candidates of one token each, which has the log-probabilities of the whole sequence.
  auto const n = static_cast<std::int64_t>(ar.size());
  std::vector<int> const tokens(ar.size(), 0);
  numbers energies(ar.size()), weights(ar.size());
  diffx::denoiser::residual_energy const energy{
      [&](auto const&, auto, diffx::batch_view<double> out) {
        std::copy(ar.begin(), ar.end(), out.data);
      }};
  energy(diffx::exec::host{}, diffx::batch_view<int const>{tokens.data(), n, 1},
         diffx::batch_view<int const>{tokens.data(), 1, 1}, diffx::query{}, diffusion,
         std::span<double>(energies));
  compare(energies, entry.at("energy"), "energy", r);
  diffx::analysis::importance_weights(energies, temperature, weights);
  compare(weights, entry.at("weights"), "weights", r);
  // The released sampler has the sign of the energy reversed.
  for (double& v : energies) v = -v;
  diffx::analysis::importance_weights(energies, temperature, weights);
  compare(weights, entry.at("weights_released_code"), "weights_released_code", r);
  return true;
}

}  // namespace conformance
