// The golden entries of order-agnostic policies and of digit stages.

#include <diffx/decode/upscale.hpp>
#include <diffx/grid/ardm.hpp>

#include "papers.hpp"
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace conformance {
namespace {

using diffx::grid::ardm_losses;

/// A policy of integers, entry by entry.
void same_policy(std::vector<int> const& got, json const& want, std::string const& what,
                 report& r) {
  std::vector<double> values(got.begin(), got.end());
  r.list(values, want, 0.0, what);
}

/// Costs are sums of at most as many products as calls: 1e-12 of the cost leaves room for any order
/// of adding them. Where two policies cost the same, a search through all of them may name another
/// one than the library's rule does; it is then held to be of equal cost.
void policy_dp(json const& e, report& r) {
  refuse_unread(e, {"op", "source", "kl_per_step", "budgets"}, r);
  auto const losses = e.at("kl_per_step").get<std::vector<double>>();
  r.tolerance = 1e-12;
  for (auto const& [name, want] : e.at("budgets").items()) {
    refuse_unread(want, {"policy", "cost"}, r);
    int const budget = std::stoi(name);
    auto const got = diffx::grid::ardm_dp(losses, budget, ardm_losses::exact);
    double const cost = want.at("cost").get<double>();
    double const size = std::fmax(1e-300, std::fabs(cost));
    r.near(got.cost, cost, size, "cost of budget " + name);
    auto const costs = diffx::grid::ardm_costs(losses, budget, ardm_losses::exact);
    r.near(costs.back(), cost, size, "last cost of budget " + name);
    diffx::grid::ardm_policy const other(static_cast<int>(losses.size()),
                                         want.at("policy").get<std::vector<int>>());
    r.near(diffx::grid::ardm_cost(losses, other), cost, size, "cost of the policy of " + name);
    bool const is_tie = other.calls() == budget && diffx::grid::ardm_cost(losses, other) ==
                                                       diffx::grid::ardm_cost(losses, got.policy);
    same_policy(is_tie ? other.starts() : got.policy.starts(), want.at("policy"),
                "policy of budget " + name, r);
  }
}

void naive_policy(json const& e, report& r) {
  refuse_unread(e, {"op", "source", "steps", "budget", "policy"}, r);
  auto const got = diffx::grid::ardm_naive(e.at("steps").get<int>(), e.at("budget").get<int>());
  same_policy(got.starts(), e.at("policy"), "policy", r);
}

void upscale_stages(json const& e, report& r) {
  refuse_unread(e, {"op", "source", "x", "branch", "stages"}, r);
  json const& stages = e.at("stages");
  diffx::decode::upscale const u(e.at("branch").get<int>(), static_cast<int>(stages.size()));
  auto const x = e.at("x").get<std::vector<std::int64_t>>();
  for (json const& want : stages) {
    refuse_unread(want, {"stage", "past", "future", "digit"}, r);
    int const stage = want.at("stage").get<int>();
    std::vector<double> past, future, digit, next;
    for (std::int64_t const v : x) {
      past.push_back(static_cast<double>(u.past(v, stage)));
      future.push_back(static_cast<double>(u.future(v, stage)));
      digit.push_back(u.digit(v, stage));
      next.push_back(static_cast<double>(u.next(u.past(v, stage), u.digit(v, stage), stage)));
    }
    std::string const at = "stage " + std::to_string(stage) + " ";
    r.list(past, want.at("past"), 0.0, at + "past");
    r.list(future, want.at("future"), 0.0, at + "future");
    r.list(next, want.at("future"), 0.0, at + "next value");
    r.list(digit, want.at("digit"), 0.0, at + "digit");
  }
}

}  // namespace

bool ardm_entry(json const& entry, report& r) {
  if (!entry.contains("op")) return false;
  auto const op = entry["op"].get<std::string>();
  if (op == "ardm_policy_dp") return policy_dp(entry, r), true;
  if (op == "ardm_naive_policy") return naive_policy(entry, r), true;
  if (op == "ardm_upscale_stages") return upscale_stages(entry, r), true;
  return false;
}

}  // namespace conformance
