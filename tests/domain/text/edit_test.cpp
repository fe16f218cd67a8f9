// The algebra of edits: scripts, their inverses and fewest edits, tags, templates and fillings.

#include <diffx/domain/text/edit.hpp>
#include <diffx/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx::domain::text;
using text = std::vector<std::int32_t>;

text letters(std::string const& s) { return text(s.begin(), s.end()); }

/// A text of at most `longest` of `classes` tokens.
text random_text(std::uint32_t which, std::uint32_t longest, std::uint32_t classes) {
  auto const key = diffx::random::key_from_seed(5);
  text out(diffx::random::philox4x32({{0, which, 0, 0}}, key).word[0] % (longest + 1));
  for (std::uint32_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::int32_t>(
        diffx::random::philox4x32({{i + 1, which, 0, 0}}, key).word[1] % classes);
  }
  return out;
}

/// By the definition, without a table.
std::int64_t distance(std::span<std::int32_t const> x, std::span<std::int32_t const> y) {
  if (x.empty() || y.empty()) return static_cast<std::int64_t>(x.size() + y.size());
  auto const a = x.subspan(1), b = y.subspan(1);
  if (x[0] == y[0]) return distance(a, b);
  return 1 + std::min({distance(a, b), distance(a, y), distance(x, b)});
}

TEST_CASE("scripts: what is between two texts makes one of the other, in fewest edits") {
  for (std::uint32_t i = 0; i < 400; ++i) {
    auto const x = random_text(2 * i, 6, 3), y = random_text(2 * i + 1, 6, 3);
    auto const s = script_between(x, y);
    CHECK(apply(s, x) == y);
    CHECK(edited(s) == distance(x, y));
    auto const back = inverse(s, x);
    CHECK(apply(back, y) == x);
    CHECK(edited(back) == edited(s));
    CHECK(inverse(back, y) == s);
    auto const t = tags_of(s);
    REQUIRE(t.tags.size() == x.size() + 1);
    CHECK(fill(template_of(x, t.tags), t.spans) == y);
  }
  auto const s = script_between(letters("kitten"), letters("sitting"));
  CHECK(edited(s) == 3);
  CHECK(s.ops == std::vector<edit_op>{{edit::replace, 0, 1, 1},
                                      {edit::keep, 1, 3, 3},
                                      {edit::replace, 4, 1, 1},
                                      {edit::keep, 5, 1, 1},
                                      {edit::insert, 6, 0, 1}});
  CHECK(s.tokens == letters("sig"));
  CHECK(script_between({}, {}).ops.empty());
}

TEST_CASE("tags: neighbouring edits are one, and each kind says what it does") {
  edit_script
      s;  // abcdef: b goes, xy comes before c (that is: b is replaced), f goes, z at the front
  s.append(edit::insert, 0, 1);
  s.append(edit::keep, 1, 1);
  s.append(edit::remove, 1, 0);
  s.append(edit::insert, 0, 2);
  s.append(edit::keep, 2, 2);
  s.append(edit::insert, 0, 1);
  s.append(edit::keep, 1, 1);
  s.append(edit::remove, 1, 0);
  s.tokens = letters("zxyq");
  auto const x = letters("abcdef");
  CHECK(apply(s, x) == letters("zaxycdqe"));
  auto const t = tags_of(s);
  CHECK(t.tags == edit_tags{edit::insert, edit::keep, edit::replace, edit::keep, edit::insert,
                            edit::keep, edit::remove});
  auto const form = template_of(x, t.tags);
  CHECK(form.tokens == text{slot, 'a', slot, 'c', 'd', slot, 'e'});
  CHECK(form.slots == 3);
  CHECK(fill(form, t.spans) == letters("zaxycdqe"));
  // Neighbours to be replaced share a slot; two insertions do not.
  auto const two = template_of(letters("abc"),
                               edit_tags{edit::keep, edit::replace, edit::replace, edit::insert});
  CHECK(two.tokens == text{slot, 'c', slot});
  auto const each = template_of(letters("ab"), edit_tags{edit::keep, edit::insert, edit::insert});
  CHECK(each.tokens == text{'a', slot, 'b', slot});
  // A replaced token after an added or a removed one has a slot of its own.
  CHECK(template_of(letters("ab"), edit_tags{edit::keep, edit::insert, edit::replace}).tokens ==
        text{'a', slot, slot});
  CHECK(template_of(letters("ab"), edit_tags{edit::keep, edit::remove, edit::replace}).tokens ==
        text{slot});
  // The empty text has a gap too.
  CHECK(template_of({}, edit_tags{edit::insert}).tokens == text{slot});
  CHECK(template_of({}, edit_tags{edit::keep}).tokens.empty());
}

TEST_CASE("likeliest_tags: the best of independent rows, in order, against all of them") {
  std::vector<double> rows{0.3, 0.0, 0.7, 0.0};
  for (std::size_t i = 0; i < 4; ++i) {
    double const u = 0.1 * static_cast<double>(i + 1);
    rows.insert(rows.end(), {u, 0.25 - u / 4, 0.45 - u / 2, 0.3 - u / 4});
  }
  check_tag_rows(rows);
  std::vector<double> all;
  for (int c = 0; c < 1024; ++c) {
    double log_p = 0.0;
    for (int i = 0, rest = c; i < 5; ++i, rest /= 4) {
      log_p += std::log(rows[static_cast<std::size_t>(4 * i + rest % 4)]);
    }
    if (std::isfinite(log_p)) all.push_back(log_p);
  }
  std::sort(all.begin(), all.end(), std::greater<>());
  CHECK(all.size() == 512);
  for (int const most : {1, 2, 7, 60, 5000}) {
    auto const best = likeliest_tags(rows, most);
    CHECK(best.size() == std::min<std::size_t>(static_cast<std::size_t>(most), all.size()));
    for (std::size_t i = 0; i < best.size(); ++i) {
      CHECK(best[i].log_p == doctest::Approx(all[i]).epsilon(1e-12));
      double log_p = 0.0;
      for (std::size_t j = 0; j < 5; ++j) {
        log_p += std::log(rows[4 * j + static_cast<std::size_t>(best[i].tags[j])]);
      }
      CHECK(log_p == doctest::Approx(best[i].log_p).epsilon(1e-12));
    }
  }
  // Equal ones: the earlier kind.
  std::vector<double> const even{0.5, 0.0, 0.5, 0.0, 0.25, 0.25, 0.25, 0.25};
  CHECK(likeliest_tags(even, 1)[0].tags == edit_tags{edit::keep, edit::keep});
}

TEST_CASE("edits refuse what makes no sense, with name, value and range") {
  auto const x = letters("abc");
  edit_script s;
  s.append(edit::keep, 2, 2);
  CHECK_THROWS_WITH_AS(apply(s, x), doctest::Contains("tokens that the edits cover = 2"),
                       diffx::error);
  s.append(edit::keep, 2, 2);
  CHECK_THROWS_WITH_AS(apply(s, x), doctest::Contains("position of an edit = 2"), diffx::error);
  edit_script more;
  more.append(edit::replace, 3, 1);
  CHECK_THROWS_WITH_AS(apply(more, x), doctest::Contains("tokens of the script = 0"), diffx::error);
  more.tokens = {1, 2};
  CHECK_THROWS_WITH_AS(apply(more, x), doctest::Contains("tokens of the script = 2"), diffx::error);
  edit_script gap;
  gap.ops = {{edit::keep, 1, 2, 2}};
  CHECK_THROWS_AS(apply(gap, x), diffx::error);
  gap.ops = {{edit::remove, 0, 3, 1}};
  CHECK_THROWS_AS(apply(gap, x), diffx::error);
  CHECK_THROWS_WITH_AS(template_of(x, edit_tags(3, edit::keep)), doctest::Contains("tags = 3"),
                       diffx::error);
  for (edit const bad : {edit::remove, edit::replace}) {
    CHECK_THROWS_WITH_AS(template_of({}, edit_tags{bad}), doctest::Contains("tag of the first gap"),
                         diffx::error);
  }
  auto const form = template_of({}, edit_tags{edit::insert});
  CHECK_THROWS_WITH_AS(fill(form, {}), doctest::Contains("spans = 0"), diffx::error);
  ragged spans;
  spans.add(text{3, slot});
  CHECK_THROWS_WITH_AS(fill(form, spans), doctest::Contains("token of a span = -1"), diffx::error);
  CHECK_THROWS_WITH_AS(check_tag_rows(std::vector<double>{0.5, 0.0, 0.4, 0.0}),
                       doctest::Contains("sum of a row of tags = 0.9"), diffx::error);
  CHECK_THROWS_AS(check_tag_rows(std::vector<double>{0.5, 0.5, 0.0, 0.0}), diffx::error);
  CHECK_THROWS_AS(check_tag_rows(std::vector<double>{1.5, 0.0, -0.5, 0.0}), diffx::error);
}

}  // namespace
