#pragma once

#include <diffx/denoiser/gaussian_mixture.hpp>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace test {

/// The folder tests/data beside this header's own folder.
inline std::string data_folder() {
#ifdef DIFFX_TEST_DATA
  return DIFFX_TEST_DATA;
#else
  std::string const here = __FILE__;  // .../tests/support/oracles.hpp
  return here.substr(0, here.rfind("support")) + "data";
#endif
}

/// The exact values that samplers are tested against; `folder` holds oracles.json.
inline nlohmann::json load_oracles(std::string const& folder = data_folder()) {
  std::ifstream file(folder + "/oracles.json");
  if (!file) throw std::runtime_error("cannot open " + folder + "/oracles.json");
  return nlohmann::json::parse(file);
}

/// A mixture of the section mixtures_1d.
inline diffx::denoiser::gaussian_mixture mixture_1d(nlohmann::json const& entry) {
  return {entry.at("w").get<std::vector<double>>(), entry.at("mean").get<std::vector<double>>(),
          entry.at("sd").get<std::vector<double>>()};
}

/// A mixture of the section mixtures_2d.
inline diffx::denoiser::gaussian_mixture mixture_2d(nlohmann::json const& entry) {
  std::vector<diffx::denoiser::gaussian_mixture::component> components;
  for (std::size_t k = 0; k < entry.at("w").size(); ++k) {
    std::vector<double> covariance;
    for (auto const& row : entry.at("cov")[k]) {
      for (auto const& value : row) covariance.push_back(value.get<double>());
    }
    components.push_back({entry.at("w")[k].get<double>(),
                          entry.at("mean")[k].get<std::vector<double>>(), covariance});
  }
  return diffx::denoiser::gaussian_mixture(components);
}

/// Mixture A of the oracle file, for tests that need no file.
inline diffx::denoiser::gaussian_mixture mixture_a() {
  return {std::vector{0.35, 0.65}, std::vector{-1.5, 1.0}, std::vector{0.4, 0.25}};
}

}  // namespace test
