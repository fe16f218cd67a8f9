// The time grid of every golden sampling case: timesteps, sigmas, first noise scale and order, from
// the case's settings alone.

#include "support/oracles.hpp"
#include "tables.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

namespace {

using nlohmann::json;

/// Calls check(case) for every golden sampling case; returns their number.
template <class Check>
int for_each_case(Check check) {
  auto const folder =
      std::filesystem::path(test::data_folder()) / "conformance/diffusers/continuous";
  int cases = 0;
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path());
    json const file = json::parse(in);
    for (json const& c : file.at("cases")) {
      INFO(c.at("id").get<std::string>());
      check(c);
      ++cases;
    }
  }
  return cases;
}

}  // namespace

TEST_CASE("the grid of every golden case follows from its settings") {
  int const cases = for_each_case([](json const& c) {
    auto const v = conformance::check_case_grid(c);
    INFO(v.where);
    CHECK(v.passes());
  });
  CHECK(cases >= 200);
}

TEST_CASE("the levels of every golden case are consistent") {
  for_each_case([](json const& c) {
    auto const g = conformance::make_grid(c.at("scheduler"), c.at("config"), c.at("num_steps"),
                                          c.at("set_timesteps"));
    CHECK(g.evals.size() == g.timesteps.size());
    CHECK(!g.steps.empty());
    for (auto const& at : g.evals) {
      CHECK(std::isfinite(at.alpha));
      CHECK(at.sigma >= 0.0);
      if (g.path == conformance::path::vp) {
        CHECK(std::abs(at.alpha * at.alpha + at.sigma * at.sigma - 1.0) < 1e-14);
      }
    }
    for (std::size_t i = 0; g.chains && i + 1 < g.steps.size(); ++i) {
      CHECK(g.steps[i].to.lambda == g.steps[i + 1].from.lambda);
      CHECK(g.steps[i].to.timestep == g.steps[i + 1].from.timestep);
    }
  });
}

TEST_CASE("unknown settings are refused by name") {
  auto const message = [](char const* scheduler, json const& config, json const& args) {
    try {
      conformance::make_grid(scheduler, config, 10, args);
    } catch (diffx::error const& e) {
      return std::string(e.what());
    }
    return std::string("nothing was thrown");
  };
  CHECK(message("DDIMScheduler", {{"beta_shape", 1}}, {}).find("beta_shape = 1") !=
        std::string::npos);
  CHECK(message("DDIMScheduler", {{"timestep_spacing", "odd"}}, {})
            .find("timestep_spacing = \"odd\", must be linspace or leading or trailing") !=
        std::string::npos);
  CHECK(message("DDIMScheduler", {}, {{"mu", 1.0}}).find("set_timesteps.mu") != std::string::npos);
  CHECK(message("NoScheduler", {}, {}).find("NoScheduler") != std::string::npos);
}
