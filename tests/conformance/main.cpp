// diffx_conformance DIR...: runs every golden case found in the folders (and their folders
// `continuous/` and `discrete/`, and file `tables.json`) and compares it with the library.

#include "canon.hpp"
#include "harness.hpp"
#include "papers.hpp"
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

using conformance::json;
using conformance::report;

struct totals {
  int passed = 0;
  int failed = 0;
};

void print(report const& r, std::string const& kind, totals& sum) {
  if (r.passed()) {
    ++sum.passed;
    std::printf("ok    %-7s %-28s %5d values, worst %.2g of the tolerance %.1e\n", kind.c_str(),
                r.id.c_str(), r.compared, r.worst, r.tolerance);
  } else {
    ++sum.failed;
    std::printf("FAIL  %-7s %-28s %s\n", kind.c_str(), r.id.c_str(),
                r.first_failure.empty() ? "nothing was compared" : r.first_failure.c_str());
  }
}

/// Runs one case with the first reader that knows it.
void run_case(json const& c, bool is_table, totals& sum) {
  for (bool const is_float : {false, true}) {
    if (is_table && is_float) continue;  // tables are host numbers, in double only
    report r;
    r.id = c.contains("id") ? c["id"].get<std::string>() : "(no id)";
    try {
      if (is_table) {
        if (!conformance::tables_case(c, r)) r.fail("unknown kind of table");
      } else {
        r = report::of(c, is_float);
        bool const known = conformance::one_step_case(c, r) ||
                           conformance::exponential_case(c, r) || conformance::few_step_case(c, r);
        if (!known) r.fail("unknown scheduler " + c.at("scheduler").get<std::string>());
      }
    } catch (std::exception const& e) {
      r.fail(e.what());
    }
    print(r, is_table ? "table" : (is_float ? "float" : "double"), sum);
  }
}

/// An entry that says no id is called by its operation and its place.
std::string name_of(json const& entry, std::size_t index) {
  for (char const* key : {"id", "op", "kind", "name"}) {
    if (entry.contains(key) && entry[key].is_string()) {
      auto const name = entry[key].get<std::string>();
      return std::string(key) == "id" ? name : name + " " + std::to_string(index);
    }
  }
  return "entry " + std::to_string(index);
}

void run_entries(json const& entries, conformance::entry_reader read, totals& sum) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    report r;
    r.id = name_of(entries[i], i);
    r.tolerance = 1e-11;
    try {
      if (!read(entries[i], r)) r.fail("an entry that no reader knows");
    } catch (std::exception const& e) {
      r.fail(e.what());
    }
    print(r, "entry", sum);
  }
}

void run_file(std::filesystem::path const& path, totals& sum) {
  json content;
  try {
    std::ifstream in(path);
    content = json::parse(in);
  } catch (std::exception const& e) {
    ++sum.failed;
    std::printf("FAIL  %s: %s\n", path.string().c_str(), e.what());
    return;
  }
  if (conformance::is_canon(content)) {
    for (report const& r : conformance::canon_reports(content)) print(r, "canon", sum);
    return;
  }
  if (!content.is_object() || !content.contains("cases")) {
    ++sum.failed;
    std::printf("FAIL  %s: no \"cases\" in this file\n", path.string().c_str());
    return;
  }
  for (auto const& f : conformance::entry_files()) {
    if (path.stem() == f.stem) return run_entries(content["cases"], f.read, sum);
  }
  bool const is_table = path.filename() == "tables.json";
  for (json const& c : content["cases"]) run_case(c, is_table, sum);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(
        stderr,
        "usage: diffx_conformance DIR...\n"
        "  runs tables.json and every continuous/*.json and discrete/*.json (or DIR/*.json\n"
        "  where DIR has none of them) and compares each case with the library\n");
    return 2;
  }
  totals sum;
  for (int i = 1; i < argc; ++i) {
    std::filesystem::path const folder = argv[i];
    std::vector<std::filesystem::path> files;
    std::error_code unreadable;
    auto const collect = [&](std::filesystem::path const& where) {
      for (auto const& e : std::filesystem::directory_iterator(where, unreadable)) {
        if (e.path().extension() == ".json") files.push_back(e.path());
      }
    };
    if (std::filesystem::is_regular_file(folder)) {
      files.push_back(folder);
    } else if (std::filesystem::is_directory(folder / "continuous") ||
               std::filesystem::exists(folder / "tables.json")) {
      collect(folder / "continuous");
      collect(folder / "discrete");
      if (std::filesystem::exists(folder / "tables.json")) files.push_back(folder / "tables.json");
    } else {
      collect(folder);
    }
    if (files.empty()) {
      std::fprintf(stderr, "diffx_conformance: no golden files in %s\n", folder.string().c_str());
      return 2;
    }
    std::sort(files.begin(), files.end());
    for (auto const& f : files) run_file(f, sum);
  }
  std::printf("%d passed, %d failed\n", sum.passed, sum.failed);
  return sum.failed == 0 && sum.passed > 0 ? 0 : 1;
}
