// Checks every case of tables.json, and the grid of every case of continuous/*.json, against the
// library's schedules, grids and posteriors. Usage: tables <directory of the golden files>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tables.hpp"

namespace {

using nlohmann::json;

json load(std::filesystem::path const& file) {
  std::ifstream in(file);
  if (!in) diffx::detail::fail("tables: cannot read " + file.string());
  return json::parse(in);
}

template <class Check>
bool run(json const& file, Check check, int& passed, int& total) {
  bool good = true;
  for (json const& c : file.at("cases")) {
    ++total;
    std::string const id = c.at("id");
    try {
      auto const v = check(c);
      std::printf("%-4s %-16s max error %.2g%s%s\n", v.passes() ? "ok" : "FAIL", id.c_str(),
                  v.error, v.passes() ? "" : "  ", v.passes() ? "" : v.where.c_str());
      passed += v.passes() ? 1 : 0;
      good = good && v.passes();
    } catch (std::exception const& e) {
      std::printf("FAIL %-16s %s\n", id.c_str(), e.what());
      good = false;
    }
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: tables <directory with tables.json and continuous/>\n");
    return 2;
  }
  std::filesystem::path const root = argv[1];
  int passed = 0;
  int total = 0;
  try {
    bool good = run(load(root / "tables.json"), conformance::check_table, passed, total);
    std::vector<std::filesystem::path> files;
    for (auto const& f : std::filesystem::directory_iterator(root / "continuous")) {
      if (f.path().extension() == ".json") files.push_back(f.path());
    }
    std::sort(files.begin(), files.end());
    for (auto const& f : files) {
      good = run(load(f), conformance::check_case_grid, passed, total) && good;
    }
    std::printf("%d of %d cases pass\n", passed, total);
    return good && total > 0 ? 0 : 1;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
