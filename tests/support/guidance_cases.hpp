#pragma once

#include <diffx/guidance/scale.hpp>

#include "listed.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace test {

using json = nlohmann::json;

/// The golden cases of one kind in tests/data/guidance.json.
inline std::vector<json> guidance_cases(std::string const& kind) {
  std::ifstream in(DIFFX_TEST_DATA "/guidance.json");
  json const file = json::parse(in);
  std::vector<json> found;
  for (auto const& c : file.at("cases")) {
    if (c.at("kind") == kind) found.push_back(c);
  }
  return found;
}

/// Every number of a nested list, in order.
inline std::vector<double> numbers(json const& list) {
  if (!list.is_array()) return {list.get<double>()};
  std::vector<double> all;
  for (auto const& item : list) {
    auto const part = numbers(item);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

inline double largest(std::vector<double> const& v) {
  double most = 0.0;
  for (double const x : v) most = std::max(most, std::fabs(x));
  return most;
}

/// The largest difference between two lists; infinite if they are not equally long.
inline double distance(std::vector<double> const& a, std::vector<double> const& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}

/// Scale, rescale and window of steps of a golden case of classifier-free guidance; what it gives
/// and what it costs on each of its steps is compared by `check(step, predictions, calls)`.
template <class Make, class Check>
void for_each_guided_step(json const& c, Make const& make, Check const& check) {
  json const& p = c.at("params");
  int const n = c.at("num_steps").get<int>();
  std::vector<double> scales(static_cast<std::size_t>(n), 1.0);
  for (int i = static_cast<int>(p.value("start", 0.0) * n);
       i < static_cast<int>(p.value("stop", 1.0) * n); ++i) {
    scales[static_cast<std::size_t>(i)] = p.at("guidance_scale").get<double>();
  }
  auto const guidance = make(diffx::guidance::scale::list{scales});
  for (std::size_t k = 0; k < c.at("steps").size(); ++k) {
    std::vector<diffx::query> asked;
    listed network;
    network.answers = {numbers(c.at("pred_cond")[k]), numbers(c.at("pred_uncond")[k])};
    network.asked = &asked;
    auto const got = guided(guidance, network, c.at("shape")[0].get<int>(), lambda_grid(n),
                            c.at("steps")[k].get<int>());
    check(got, numbers(c.at("pred")[k]), static_cast<int>(asked.size()),
          c.at("branches")[k].get<int>());
  }
}

}  // namespace test
