// search::edit_beam: against all ways of a small network, and against the greedy solver.

#include <diffx/recipe/diffuser_edit.hpp>
#include <diffx/search/edit_beam.hpp>
#include <diffx/solver/tag_generate.hpp>

#include "support/edit_networks.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <vector>

namespace {

using namespace diffx;
using domain::text::edit;
using test::small_network;
using test::text;

constexpr int longest = 3;

/// The best score of every text that can be the end, by going all ways.
void go_on(text const& x, double log_p, int step, int steps, bool until_kept,
           std::map<text, double>& ends) {
  auto const end_here = [&](text const& y, double score) {
    auto const [at, fresh] = ends.emplace(y, score);
    if (!fresh && score > at->second) at->second = score;
  };
  if (step == steps) return end_here(x, log_p);
  auto const rows = small_network::tags(x, step);
  std::size_t combinations = 1;
  for (std::size_t i = 0; i <= x.size(); ++i) combinations *= 4;
  for (std::size_t c = 0; c < combinations; ++c) {
    domain::text::edit_tags tags;
    double score = log_p;
    bool kept = true;
    for (std::size_t i = 0, rest = c; i <= x.size(); ++i, rest /= 4) {
      tags.push_back(static_cast<edit>(rest % 4));
      score += std::log(rows[4 * i + rest % 4]);
      kept = kept && rest % 4 == 0;
    }
    if (!std::isfinite(score)) continue;
    if (kept && until_kept) {
      end_here(x, score);
      continue;
    }
    auto const form = domain::text::template_of(x, tags);
    for (auto const& f : small_network::fillings(form, step)) {
      auto const y = domain::text::fill(form, f.spans);
      if (y.size() <= longest) go_on(y, score + f.log_p, step + 1, steps, until_kept, ends);
    }
  }
}

TEST_CASE("edit_beam: as wide as there are choices, it finds the best of all ways") {
  for (bool const until_kept : {true, false}) {
    for (auto const& x : std::vector<text>{{}, {1}, {0, 1}, {1, 1, 0}}) {
      std::map<text, double> ends;
      go_on(x, 0.0, 0, 2, until_kept, ends);
      search::edit_beam s{1000, 256, 256, 2, longest};
      s.until_kept = until_kept;
      auto const beam = s.run(small_network::tagger, small_network::generator, x);
      double best = -HUGE_VAL;
      for (auto const& [y, p] : ends) best = std::max(best, p);
      REQUIRE(!beam.empty());
      CHECK(beam[0].log_p == doctest::Approx(best).epsilon(1e-12));
      CHECK(ends.at(beam[0].x) == doctest::Approx(best).epsilon(1e-12));
      // And the best way to every other end.
      std::map<text, double> found;
      for (auto const& h : beam) {
        auto const [at, fresh] = found.emplace(h.x, h.log_p);
        if (!fresh) CHECK(at->second >= h.log_p);  // best first
      }
      CHECK(found.size() == ends.size());
      for (auto const& [y, p] : ends) CHECK(found.at(y) == doctest::Approx(p).epsilon(1e-12));
    }
  }
}

TEST_CASE("edit_beam: a beam of one is the greedy solver, and wider ones are no worse here") {
  int better = 0;
  for (int i = 0; i < 15; ++i) {
    text x;
    for (int k = 0; k < i % 4; ++k) x.push_back((i >> k) & 1);
    domain::text::ragged rows;
    rows.add(x);
    auto const greedy = solver::tag_generate{solver::tag_generate::pick::likeliest, 3}.run(
        small_network::tagger, small_network::generator, rows);
    auto const one =
        search::edit_beam{1, 1, 1, 3}.run(small_network::tagger, small_network::generator, x);
    REQUIRE(one.size() == 1);
    CHECK(one[0].x == greedy.x.tokens);
    CHECK(one[0].log_p == doctest::Approx(greedy.log_p[0]).epsilon(1e-13));
    CHECK(one[0].steps == greedy.steps[0]);
    auto const five =
        recipe::diffuser_beam(3).run(small_network::tagger, small_network::generator, x);
    CHECK(five.size() <= 5);
    CHECK(five[0].log_p >= one[0].log_p);
    better += five[0].log_p > one[0].log_p + 1e-9;
  }
  CHECK(better > 0);
}

TEST_CASE("edit_beam: kept texts are done, limits and errors") {
  auto const keeps = [](domain::text::ragged const&, edit_query const&, std::span<double> p) {
    for (std::size_t i = 0; i < p.size(); i += 4) p[i] = 1.0;
  };
  text const x{1, 0, 1};
  auto const kept = recipe::diffuser_beam().run(keeps, small_network::generator, x);
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].x == x);
  CHECK(kept[0].done);
  CHECK(kept[0].steps == 1);
  auto const inserts = [](domain::text::ragged const&, edit_query const&, std::span<double> p) {
    for (std::size_t i = 2; i < p.size(); i += 4) p[i] = 1.0;
  };
  auto const nines = [](std::span<domain::text::edit_template const> forms, edit_query const&, int,
                        std::span<std::vector<edit_filling>> out) {
    for (std::size_t i = 0; i < forms.size(); ++i) {
      out[i].resize(1);
      for (std::size_t s = 0; s < forms[i].slots; ++s) out[i][0].spans.add(text{9});
    }
  };
  // 3 -> 7 -> 15: no way within 10 tokens after the first step.
  auto const cut = search::edit_beam{2, 2, 2, 5, 10}.run(inserts, nines, x);
  REQUIRE(cut.size() == 1);
  CHECK(cut[0].x.size() == 7);
  CHECK_THROWS_WITH_AS((search::edit_beam{0}.run(keeps, nines, x)), doctest::Contains("width = 0"),
                       error);
  CHECK_THROWS_WITH_AS((search::edit_beam{1, 0}.run(keeps, nines, x)),
                       doctest::Contains("tags = 0"), error);
  CHECK_THROWS_WITH_AS((search::edit_beam{1, 1, 0}.run(keeps, nines, x)),
                       doctest::Contains("fills = 0"), error);
}

}  // namespace
