#pragma once

#include "probes.hpp"
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace test {

/// Fails with what the checks found, if they found anything or looked at nothing.
inline void expect_nothing(std::vector<report> const& reports, std::string const& subject) {
  for (auto const& r : reports) {
    INFO(subject);
    INFO(r.check());
    CHECK(r.looked() > 0);
    CHECK(r.found().empty());
    int shown = 0;
    for (auto const& f : r.found()) {
      if (shown++ < 3) MESSAGE(r.check(), ": ", f);
    }
  }
}

inline void holds(report const& r) { expect_nothing({r}, r.check()); }

}  // namespace test
