#pragma once

#include <diffx/error.hpp>

#include "../support/probes.hpp"
#include <cstdio>
#include <doctest/doctest.h>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mutants {

using reports = std::vector<test::report>;

/// Runs the checks on mutants and keeps what found them.
class hunt {
 public:
  /// The policy as it is must pass what its mutants are to fail.
  void control(std::string const& name, std::function<reports()> const& checks) {
    for (auto const& r : checks()) {
      INFO(name);
      INFO(r.check());
      CHECK(r.looked() > 0);
      CHECK(r.found().empty());
      if (!r.found().empty()) MESSAGE(r.found().front());
    }
  }
  void mutant(std::string const& name, std::function<reports()> const& checks) {
    std::string by;
    try {
      for (auto const& r : checks()) {
        if (!r.found().empty()) by += (by.empty() ? "" : ", ") + r.check();
      }
    } catch (diffx::error const& e) {
      // A stage that the solver has not declared and a guidance that asks for no branch are refused
      // by the run; nothing else is expected to throw here.
      std::string_view const what = e.what();
      CHECK((what.find("plans a stage") != what.npos || what.find("weights of sum") != what.npos));
      by = "the run refuses it";
    }
    ++mutants_;
    killed_ += by.empty() ? 0 : 1;
    INFO(name);
    CHECK_FALSE(by.empty());
    std::printf("  %-52s %s\n", name.c_str(), by.empty() ? "SURVIVED" : by.c_str());
  }
  int mutants() const { return mutants_; }
  int killed() const { return killed_; }

 private:
  int mutants_ = 0, killed_ = 0;
};

}  // namespace mutants
