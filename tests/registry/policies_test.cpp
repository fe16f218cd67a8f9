// What every guidance and cache of the registry promises, and what noise sources, forks,
// checkpoints and timetables do under them.

#include <diffx/grid/sigma.hpp>
#include <diffx/guidance/cfg.hpp>

#include "../support/policy_checks.hpp"
#include "groups.hpp"
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace diffx;

TEST_CASE("every guidance and cache of the registry: finite, reproducible, resumable") {
  process::vp<> const p;
  solver::ddim const ancestral{.eta = 1.0};
  int members = 0;
  for_each_type(registry::guidances{}, [&]<class G>() {
    if constexpr (G::branches <= test::oracle::branches &&
                  rule::guidance_fits_solver<solver::ddim, G>) {
      ++members;
      auto const s = test::composed(p, ancestral, G{});
      test::expect_nothing({test::finite(s), test::reproducible(s), test::checkpoints(s)},
                           std::string(G::name));
    }
  });
  CHECK(members >= 6);
  members = 0;
  for_each_type(registry::caches{}, [&]<class C>() {
    ++members;
    auto const s = test::composed(p, ancestral, guidance::cfg{2.0}, C{});
    test::expect_nothing({test::finite(s), test::reproducible(s), test::checkpoints(s)},
                         std::string(C::name));
  });
  CHECK(members == registry::caches::size);
}

TEST_CASE("forks") {
  auto const s = test::composed(process::vp<>{}, solver::ddim{.eta = 1.0});
  test::holds(test::forks(s, {4, nullptr}));
  test::holds(test::fork_addresses(s));
}

TEST_CASE("counted noise is normal and independent wherever it must be") {
  test::holds(test::noise_source({123, nullptr}));
}

TEST_CASE("timetables lie on their process") {
  auto const uneven = [](bool to_zero) {
    return [to_zero](auto const& p, int n) { return test::uneven_grid(p, n, to_zero); };
  };
  for (bool const to_zero : {false, true}) {
    test::holds(test::timetables(process::vp<>{}, uneven(to_zero), to_zero));
    test::holds(test::timetables(process::rectified_flow{}, uneven(to_zero), to_zero));
    test::holds(test::timetables(process::edm{}, uneven(to_zero), to_zero));
    auto const karras = [to_zero](auto const& p, int n) {
      return grid::karras(p, n, {0.05, 20.0}, 7.0,
                          to_zero ? grid::end_point::zero : grid::end_point::sigma_min);
    };
    test::holds(test::timetables(process::vp<>{}, karras, to_zero));
    test::holds(test::timetables(process::edm{}, karras, to_zero));
  }
}

TEST_CASE("diffx.hpp includes every header that needs only a compiler") {
  namespace fs = std::filesystem;
  fs::path const include = fs::path(DIFFX_TESTS_DIR) / "../include";
  std::ifstream file(include / "diffx/diffx.hpp");
  std::string const all{std::istreambuf_iterator<char>(file), {}};
  CHECK(all.size() > 1000);
  int headers = 0;
  for (auto const& entry : fs::recursive_directory_iterator(include / "diffx")) {
    if (entry.path().extension() != ".hpp") continue;
    auto const name = fs::relative(entry.path(), include).generic_string();
    bool const inner = name.find("/detail/") != std::string::npos || name == "diffx/diffx.hpp";
    std::ifstream header(entry.path());
    std::string const text{std::istreambuf_iterator<char>(header), {}};
    bool const adapter = text.find("#include <Eigen/") != std::string::npos ||
                         name.find("/eigen/") != std::string::npos ||
                         text.find("#include <thrust/") != std::string::npos ||
                         text.find("#include <torch/") != std::string::npos ||
                         text.find("#include <c10/") != std::string::npos ||
                         text.find("#include <nlohmann/") != std::string::npos;
    if (inner || adapter) continue;
    ++headers;
    INFO(name);
    CHECK(all.find("#include <" + name + ">") != std::string::npos);
  }
  CHECK(headers > 100);
}
