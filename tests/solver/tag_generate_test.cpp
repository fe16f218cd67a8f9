// solver::tag_generate: the way back with networks that know it, drawn tags, limits and errors.

#include <diffx/process/edit.hpp>
#include <diffx/recipe/diffuser_edit.hpp>
#include <diffx/solver/tag_generate.hpp>

#include "support/edit_networks.hpp"
#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
using domain::text::edit;
using test::edit_filling;
using test::edit_template;
using test::ragged;
using test::text;

auto const keeps_all = [](ragged const&, edit_query const&, std::span<double> p) {
  for (std::size_t i = 0; i < p.size(); i += domain::text::edit_kinds) p[i] = 1.0;
};
auto const never = [](std::span<edit_template const>, edit_query const&, int,
                      std::span<std::vector<edit_filling>>) { FAIL("no slot was open"); };

TEST_CASE("tag_generate: networks that know the way back restore the text, whatever the noise") {
  constexpr int steps = 8;
  auto const noise = recipe::diffuser_noise(5);
  test::oracle_of_edits oracle;
  ragged start, data;
  for (std::int64_t i = 0; i < 60; ++i) {
    text x;
    for (std::int64_t k = 0; k < i % 31; ++k)
      x.push_back(static_cast<std::int32_t>((i + k * k) % 5));
    data.add(x);
    std::vector<text> way{x};
    auto const scripts = noise.draw_chain(x, 77, i, steps);
    for (auto const& s : scripts) way.push_back(domain::text::apply(s, way.back()));
    auto& back = oracle.way_back.emplace_back();
    for (std::size_t k = scripts.size(); k-- > 0;) {
      back.push_back(domain::text::tags_of(domain::text::inverse(scripts[k], way[k])));
    }
    start.add(x);
  }
  solver::tag_generate s{solver::tag_generate::pick::likeliest, steps};
  s.until_kept = false;  // a step of the noise may have changed nothing
  auto const out = s.run(oracle.tagger(), oracle.generator(), start);
  CHECK(out.x == data);
  CHECK(out.tag_calls == steps);
  CHECK(out.fill_calls <= steps);
  std::int64_t spans = 0;
  for (auto const& sample : oracle.way_back) {
    for (auto const& t : sample) spans += static_cast<std::int64_t>(t.spans.tokens.size());
  }
  CHECK(out.generated == spans);
  for (double const p : out.log_p) CHECK(p == 0.0);  // all was certain
  // Drawn tags of certain rows are the same ones.
  s.tags = solver::tag_generate::pick::drawn;
  CHECK(s.run(oracle.tagger(), oracle.generator(), start, 5).x == data);
}

TEST_CASE("tag_generate: a text that is kept is done after one call") {
  ragged x;
  x.add(text{3, 1, 4});
  x.add(text{});
  auto const out = recipe::diffuser_greedy().run(keeps_all, never, x);
  CHECK(out.x == x);
  CHECK(out.tag_calls == 1);
  CHECK(out.fill_calls == 0);
  CHECK(out.steps == std::vector<int>{1, 1});
  auto const none = recipe::diffuser_greedy().run(keeps_all, never, ragged{});
  CHECK(none.tag_calls == 0);
}

TEST_CASE("tag_generate: a text's way does not depend on its neighbours") {
  std::vector<text> const texts{{0, 1}, {}, {1, 1, 0}, {0}};
  ragged all;
  for (auto const& t : texts) all.add(t);
  solver::tag_generate const s{solver::tag_generate::pick::drawn, 4};
  auto const together = s.run(test::small_network::tagger, test::small_network::generator, all, 9);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ragged one;
    one.add(texts[i]);
    auto const alone = s.run(test::small_network::tagger, test::small_network::generator, one, 9,
                             static_cast<std::int64_t>(i));
    CHECK(std::vector(alone.x.tokens) == text(together.x.row(i).begin(), together.x.row(i).end()));
    CHECK(alone.log_p[0] == together.log_p[i]);
    CHECK(alone.steps[0] == together.steps[i]);
  }
}

// n = 100000: eight taggings to a total variation of 1.3 % (power 0.99).
TEST_CASE("tag_generate: drawn tags have the tagger's law") {
  constexpr std::size_t n = 100'000;
  ragged x;
  for (std::size_t i = 0; i < n; ++i) x.add(text{1});
  auto const rows = test::small_network::tags(text{1}, 0);
  // One step from one token, spans always {7}: every tagging has a text of its own but for the
  // removed token, whose gap tells.
  auto const sevens = [](std::span<edit_template const> forms, edit_query const&, int,
                         std::span<std::vector<edit_filling>> out) {
    for (std::size_t i = 0; i < forms.size(); ++i) {
      edit_filling f;
      for (std::size_t s = 0; s < forms[i].slots; ++s) f.spans.add(text{static_cast<int>(7 + s)});
      out[i].push_back(f);
    }
  };
  solver::tag_generate const s{solver::tag_generate::pick::drawn, 1};
  auto const out = s.run(test::small_network::tagger, sevens, x, 21);
  std::vector<text> const outcomes{{1}, {7}, {1, 7}, {}, {7, 1}, {7, 8}, {7, 1, 8}};
  std::vector<double> law{rows[0] * rows[4], rows[0] * rows[5] + rows[2] * rows[7],
                          rows[0] * rows[6], rows[0] * rows[7],
                          rows[2] * rows[4], rows[2] * rows[5],
                          rows[2] * rows[6]};
  std::vector<std::int64_t> count(outcomes.size(), 0);
  for (std::size_t i = 0; i < n; ++i) {
    auto const row = out.x.row(i);
    auto const which = std::find(outcomes.begin(), outcomes.end(), text(row.begin(), row.end()));
    REQUIRE(which != outcomes.end());
    ++count[static_cast<std::size_t>(which - outcomes.begin())];
  }
  CHECK(test::passes("drawn tags", test::test_cells(count, law).p));
}

TEST_CASE("tag_generate: limits and errors") {
  ragged x;
  x.add(text{1, 2});
  auto const inserts = [](ragged const&, edit_query const&, std::span<double> p) {
    for (std::size_t i = 2; i < p.size(); i += domain::text::edit_kinds) p[i] = 1.0;
  };
  auto const says = [](text const& span, std::size_t count) {
    return [=](std::span<edit_template const> forms, edit_query const&, int,
               std::span<std::vector<edit_filling>> out) {
      for (std::size_t i = 0; i < forms.size(); ++i) {
        edit_filling f;
        for (std::size_t s = 0; s < forms[i].slots + count; ++s) f.spans.add(span);
        out[i].push_back(f);
      }
    };
  };
  solver::tag_generate s{solver::tag_generate::pick::likeliest, 10, 20, 4};
  // 2 -> 5 -> 11 -> 23: the last is not taken.
  auto const out = s.run(inserts, says({3}, 0), x);
  CHECK(out.x.tokens.size() == 11);
  CHECK(static_cast<int>(out.whole[0]) == 0);
  CHECK(out.steps[0] == 3);
  CHECK_THROWS_WITH_AS(s.run(inserts, says({1, 2, 3, 4, 5}, 0), x),
                       doctest::Contains("length of a span = 5, must be at most max_span = 4"),
                       error);
  CHECK_THROWS_WITH_AS(s.run(inserts, says({-1}, 0), x), doctest::Contains("token of a span = -1"),
                       error);
  CHECK_THROWS_WITH_AS(s.run(inserts, says({1}, 1), x), doctest::Contains("spans = 4"), error);
  auto const silent = [](std::span<edit_template const>, edit_query const&, int,
                         std::span<std::vector<edit_filling>>) {};
  CHECK_THROWS_WITH_AS(s.run(inserts, silent, x), doctest::Contains("fillings of a template = 0"),
                       error);
  auto const half = [](ragged const&, edit_query const&, std::span<double> p) {
    for (double& v : p) v = 0.125;
  };
  CHECK_THROWS_WITH_AS(s.run(half, silent, x), doctest::Contains("sum of a row of tags = 0.5"),
                       error);
  s.max_steps = 0;
  CHECK_THROWS_WITH_AS(s.run(keeps_all, never, x), doctest::Contains("max_steps = 0"), error);
}

}  // namespace
