// Code shown in the documentation is code that is compiled: every ```cpp block of README.md and of
// docs/*.md stands in a test.

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

fs::path const tests = DIFFX_TESTS_DIR;

/// The lines of a file without their indentation.
std::vector<std::string> lines_of(fs::path const& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    auto const first = line.find_first_not_of(' ');
    lines.push_back(first == std::string::npos ? "" : line.substr(first));
  }
  return lines;
}

/// A block's paragraphs, the parts between blank lines: what stands between two may be left out.
using block = std::vector<std::string>;

std::vector<block> blocks_of(fs::path const& page) {
  std::vector<block> blocks;
  bool inside = false, begins = false;
  for (std::string const& line : lines_of(page)) {
    if (line == "```cpp") {
      blocks.emplace_back();
      inside = begins = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside && line.empty()) {
      begins = true;
    } else if (inside) {
      if (begins) blocks.back().push_back("\n");
      blocks.back().back() += line + "\n";
      begins = false;
    }
  }
  return blocks;
}

/// A whole file as one string in which every line follows a newline.
std::string text_of(fs::path const& file) {
  std::string text = "\n";
  for (std::string const& line : lines_of(file)) text += line + "\n";
  return text;
}

/// Whether a source has every paragraph, in order.
bool stands_in(std::string const& source, block const& b) {
  std::size_t at = 0;
  for (std::string const& paragraph : b) {
    at = source.find(paragraph, at);
    if (at == std::string::npos) return false;
    at += paragraph.size() - 1;  // the newline between two lines belongs to both
  }
  return !b.empty();
}

}  // namespace

TEST_CASE("a block stands in a source with its paragraphs in order, whatever lies between") {
  std::string const source = "\na;\nb;\nother\nc;\n";
  CHECK(stands_in(source, {"\na;\nb;\n", "\nc;\n"}));
  CHECK(stands_in(source, {"\nother\n", "\nc;\n"}));
  CHECK_FALSE(stands_in(source, {"\nc;\n", "\na;\nb;\n"}));
  CHECK_FALSE(stands_in(source, {"\na;\nc;\n"}));
  CHECK_FALSE(stands_in(source, {"\n;\n"}));
  CHECK_FALSE(stands_in(source, {}));
}

TEST_CASE("every block of code in the documentation is compiled") {
  std::vector<std::string> sources;
  for (auto const& entry : fs::recursive_directory_iterator(tests)) {
    auto const name = entry.path().filename().string();
    if (name.ends_with("_test.cpp") || name.ends_with("_test.cu")) {
      sources.push_back(text_of(entry.path()));
    }
  }
  std::vector<fs::path> pages{tests / "../README.md"};
  for (auto const& entry : fs::directory_iterator(tests / "../docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  int blocks = 0;
  for (auto const& page : pages) {
    for (block const& b : blocks_of(page)) {
      ++blocks;
      bool found = false;
      for (std::string const& source : sources) found = found || stands_in(source, b);
      INFO(page.filename().string(), ": no test has this code: ", b.empty() ? "" : b.front());
      CHECK(found);
    }
  }
  CHECK(blocks >= 4);
}
