// Foreign keys that are drawn before the rows.

#include <diffx/domain/relational/assemble.hpp>
#include <diffx/domain/relational/block_structure.hpp>
#include <diffx/domain/relational/dealing.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::relational;
using doctest::Approx;
using doctest::Contains;
using ints = std::vector<std::int64_t>;

std::int64_t sum(ints const& x) { return std::accumulate(x.begin(), x.end(), std::int64_t{0}); }
ints sorted(ints x) {
  std::sort(x.begin(), x.end());
  return x;
}
std::int64_t repeats(std::vector<row_links> const& keys) {
  std::set<ints> seen;
  std::int64_t n = 0;
  for (std::size_t i = 0; i < keys[0].size(); ++i) {
    ints t;
    for (auto const& k : keys) t.push_back(k[i]);
    bool const missing = std::find(t.begin(), t.end(), -1) != t.end();
    n += !missing && !seen.insert(t).second ? 1 : 0;
  }
  return n;
}

TEST_CASE("largest_remainder: shares rounded down, the rest to the largest remainders") {
  CHECK(largest_remainder(ints{5, 3, 2}, 10) == ints{5, 3, 2});
  CHECK(largest_remainder(ints{1, 1, 1}, 10) == ints{4, 3, 3});
  CHECK(largest_remainder(ints{2, 5, 3}, 3) == ints{1, 1, 1});  // 0.6, 1.5, 0.9
  CHECK(largest_remainder(ints{7, 0, 1}, 3) == ints{3, 0, 0});  // 2.625, 0, 0.375
  CHECK(largest_remainder(ints{0, 0}, 0) == ints{0, 0});
  CHECK_THROWS_WITH_AS(largest_remainder(ints{0, 0}, 1), Contains("sum of the weights = 0"), error);
  CHECK_THROWS_WITH_AS(largest_remainder(ints{-1}, 1), Contains("weight = -1"), error);
  CHECK_THROWS_WITH_AS(largest_remainder(ints{1}, -1), Contains("total = -1"), error);
  CHECK_THROWS_WITH_AS(largest_remainder(ints{std::int64_t{1} << 40}, std::int64_t{1} << 40),
                       Contains("must be below 2^63"), error);
  CHECK_THROWS_WITH_AS(largest_remainder(ints{std::int64_t{1} << 62, std::int64_t{1} << 62}, 1),
                       Contains("a sum of 63 bits"), error);
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    draws const random(seed, purpose::degrees, 0);
    ints w;
    for (std::int64_t i = 0; i < 7; ++i) w.push_back(random.below(20, i));
    w[0] += 1;
    std::int64_t const total = random.below(200, 99);
    auto const got = largest_remainder(w, total);
    CHECK(sum(got) == total);
    for (std::size_t i = 0; i < w.size(); ++i) {
      double const share = static_cast<double>(w[i] * total) / static_cast<double>(sum(w));
      CHECK(std::fabs(static_cast<double>(got[i]) - share) < 1.0);
    }
  }
}

TEST_CASE("deal_degrees: every parent has its children, whatever is beyond is counted") {
  std::vector<ints> const degrees{{3, 0, 2, 5}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {6, 6}};
  auto const d = deal_degrees(degrees, false, 1);
  CHECK(d.rows == 10);
  CHECK(d.dropped == ints{0, 0, 2});
  CHECK(children_of(d.links[0], 4) == degrees[0]);
  CHECK(children_of(d.links[1], 10) == degrees[1]);
  auto const last = children_of(d.links[2], 2);
  CHECK(sum(last) == 10);
  CHECK(std::max(last[0], last[1]) <= 6);
  CHECK(deal_degrees(degrees, false, 1).links == d.links);
  CHECK(deal_degrees(degrees, false, 2).links != d.links);
  CHECK_THROWS_WITH_AS(deal_degrees({}, false, 1), Contains("keys = 0"), error);
  CHECK_THROWS_WITH_AS(deal_degrees({{-1}}, false, 1), Contains("degree = -1"), error);
}

TEST_CASE("deal_degrees: a stub goes to every row equally often") {
  std::vector<std::vector<int>> count(2, std::vector<int>(4, 0));  // parent 0 of [2, 2] by row
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    auto const d = deal_degrees({{2, 2}, {2, 2}}, false, seed);
    for (std::size_t k = 0; k < 2; ++k) {
      for (std::size_t i = 0; i < 4; ++i) count[k][i] += d.links[k][i] == 0 ? 1 : 0;
    }
  }
  // Each is binomial(4000, 1/2): beyond 4.5 deviations with probability below 1e-5.
  for (auto const& row : count) {
    for (int const n : row) CHECK(std::fabs(n - 2000.0) < 4.5 * std::sqrt(1000.0));
  }
}

TEST_CASE("deal_degrees: equal tuples are dealt again, and degrees stay") {
  // 30 x 30 pairs, 300 rows: about 50 repeat by chance.
  std::vector<ints> const degrees{ints(30, 10), ints(30, 10)};
  std::int64_t before = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    before += repeats(deal_degrees(degrees, false, seed).links);
    auto const d = deal_degrees(degrees, true, seed);
    CHECK(d.duplicates == 0);
    CHECK(repeats(d.links) == 0);
    for (auto const& l : d.links) CHECK(children_of(l, 30) == ints(30, 10));
  }
  CHECK(before > 400);
  // A key that is the same everywhere: the others must be swapped.
  CHECK(deal_degrees({{300}, ints(30, 10), ints(30, 10)}, true, 1).duplicates == 0);
  // Three tuples are possible for five rows: two are left, and said to be.
  auto const tight = deal_degrees({{5}, {2, 2, 1}}, true, 1);
  CHECK(tight.duplicates == 2);
  CHECK(repeats(tight.links) == 2);
  // Exactly full: every pair once. Random swaps need luck; what they leave is counted.
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto const full = deal_degrees({{2, 2}, {2, 2}}, true, seed);
    CHECK(repeats(full.links) == full.duplicates);
  }
  CHECK(deal_degrees({{2, 2}, {2, 2}}, true, 3, 0).duplicates ==
        repeats(deal_degrees({{2, 2}, {2, 2}}, false, 3).links));
}

TEST_CASE("repair_key_tuples: a missing key is equal to none, and blocks keep their edges") {
  row_links a{0, 0, 0, -1, -1, 1}, b{0, 0, 0, 0, 0, 1};
  ints const blocks{0, 0, 0, 0, 1, 1};
  std::int64_t const left = repair_key_tuples({&a, &b}, blocks, draws(1, purpose::repair, 0));
  CHECK(sorted(ints(a.begin(), a.begin() + 4)) == ints{-1, 0, 0, 0});
  CHECK(ints(a.begin() + 4, a.end()) == ints{-1, 1});
  CHECK(b == row_links{0, 0, 0, 0, 0, 1});
  CHECK(left == repeats({a, b}));
  CHECK(left == 2);  // of the block's four rows three have keys, all alike
  row_links p{0, 1, 2, 5, 5, 6}, q{0, 1, 2, 5, 5, 6};
  CHECK(repair_key_tuples({&p, &q}, ints{0, 0, 0, 1, 1, 1}, draws(1, purpose::repair, 0)) == 0);
  CHECK(repeats({p, q}) == 0);
  CHECK(ints(p.begin(), p.begin() + 3) == ints{0, 1, 2});
  CHECK(ints(q.begin(), q.begin() + 3) == ints{0, 1, 2});
  CHECK_THROWS_WITH_AS(repair_key_tuples({&a}, ints{0}, draws(1, purpose::repair, 0)),
                       Contains("links = 6"), error);
  CHECK_THROWS_WITH_AS(repair_key_tuples({&a}, blocks, draws(1, purpose::repair, 0), -1),
                       Contains("tries = -1"), error);
  // What is returned is what is there at the end, also where a row is new because its twin went.
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    draws const random(seed, purpose::dealing, 0);
    row_links u, v;
    for (std::int64_t i = 0; i < 6; ++i) {
      u.push_back(random.below(2, i));
      v.push_back(random.below(3, i + 6));
    }
    std::int64_t const equal =
        repair_key_tuples({&u, &v}, ints(6, 0), draws(seed, purpose::repair, 0), 2);
    CHECK(equal == repeats({u, v}));
  }
}

// ---- block structures ----

table_schema plain(std::string name, std::vector<std::pair<std::string, bool>> const& parents) {
  table_schema t{std::move(name), {{"id"}}, "id", {}};
  for (auto const& [p, nullable] : parents) {
    t.columns.push_back({"of_" + p});
    t.foreign_keys.push_back({"of_" + p, p, nullable});
  }
  return t;
}

/// Users and items with skewed degrees, ratings of both, and notes of ratings; users of many
/// ratings write the notes, so degrees of the second order matter.
schema const web({plain("user", {}), plain("item", {}),
                  plain("rating", {{"user", false}, {"item", true}}),
                  plain("note", {{"rating", false}})});

structure real_web() {
  structure s;
  s.rows = {40, 25, 0, 0};
  s.links.resize(3);
  draws const random(1, purpose::degrees, 0);
  for (std::int64_t u = 0; u < 40; ++u) {
    std::int64_t const n = u % 4 == 0 ? 0 : u < 10 ? 8 : 1 + u % 3;
    for (std::int64_t k = 0; k < n; ++k) {
      s.links[0].push_back(u);
      bool const missing = random.below(6, u, k) == 0;
      s.links[1].push_back(missing ? -1 : random.below(1 + random.below(25, u, k), u, 100 + k));
      std::int64_t const notes = u < 10 ? 3 : k % 2;
      for (std::int64_t m = 0; m < notes; ++m) s.links[2].push_back(s.rows[2]);
      s.rows[3] += notes;
      ++s.rows[2];
    }
  }
  return s;
}

/// Joint counts of (children of the child row, children of its parent): the second order.
std::map<std::pair<std::int64_t, std::int64_t>, int> joint_degrees(structure const& s) {
  auto const parents = children_of(s.links[0], s.rows[0]), own = children_of(s.links[2], s.rows[2]);
  std::map<std::pair<std::int64_t, std::int64_t>, int> out;
  for (std::size_t i = 0; i < own.size(); ++i) {
    ++out[{own[i], parents[static_cast<std::size_t>(s.links[0][i])]}];
  }
  return out;
}

void check_drawn(block_structure::drawn const& d, std::vector<std::int64_t> const& rows) {
  CHECK(d.result.rows == rows);
  for (std::size_t r = 0; r < 3; ++r) {
    auto const& rel = web.relations()[r];
    CHECK(static_cast<std::int64_t>(d.result.links[r].size()) == rows[rel.child]);
    CHECK(children_of(d.result.links[r], rows[rel.parent]) == d.degrees[r]);
    std::size_t const a = d.edges[r].size(), b = d.edges[r].empty() ? 0 : d.edges[r][0].size() - 1;
    CHECK(block_structure::count_edges(d.result.links[r], d.blocks[rel.child], d.blocks[rel.parent],
                                       a, b) == d.edges[r]);
  }
  std::vector<table::typed_table> const none(4);
  CHECK(check_integrity(assemble(web, none, rows, d.result.links)).empty());
}

TEST_CASE("degree_blocks: bins of quantiles, equal degrees together") {
  schema const s({plain("p", {}), plain("c", {{"p", false}})});
  structure x{{6, 12}, {{0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4}}};  // degrees 1 2 2 3 4 0
  CHECK(degree_blocks(s, x, 100)[0] == ints{1, 2, 2, 3, 4, 0});
  CHECK(degree_blocks(s, x, 2)[0] == ints{0, 0, 0, 1, 1, 0});
  CHECK(degree_blocks(s, x, 1)[0] == ints(6, 0));
  CHECK(degree_blocks(s, x)[1] == ints(12, 0));
  CHECK_THROWS_WITH_AS(degree_blocks(s, x, 0), Contains("bins = 0"), error);
  // Two relations: a block is a pair of bins.
  schema const two({plain("p", {}), plain("c", {{"p", false}}), plain("d", {{"p", false}})});
  structure y{{4, 2, 2}, {{0, 1}, {1, 3}}};
  CHECK(degree_blocks(two, y, 10)[0] == ints{2, 3, 0, 1});
}

TEST_CASE("block_structure: with the real numbers of rows, degrees and edges are the real ones") {
  auto const real = real_web();
  for (int const bins : {1, 3, 1000}) {
    block_structure const model(web, real, degree_blocks(web, real, bins));
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      auto const d = model.draw(real.rows, seed);
      check_drawn(d, real.rows);
      CHECK(d.rerouted == ints{0, 0, 0});
      for (std::size_t r = 0; r < 3; ++r) {
        auto const parent = web.relations()[r].parent;
        CHECK(sorted(d.degrees[r]) == sorted(children_of(real.links[r], real.rows[parent])));
        CHECK(d.edges[r] == model.edges(r));
        CHECK(d.result.links[r] != real.links[r]);
      }
      CHECK(std::count(d.result.links[1].begin(), d.result.links[1].end(), -1) ==
            std::count(real.links[1].begin(), real.links[1].end(), -1));
      // Blocks that are degrees keep the joint counts of degrees; one block does not.
      CHECK((joint_degrees(d.result) == joint_degrees(real)) == (bins == 1000));
    }
    // Twice the rows: twice of everything.
    auto twice = real.rows;
    for (auto& n : twice) n *= 2;
    auto const d = model.draw(twice, 1);
    check_drawn(d, twice);
    for (std::size_t r = 0; r < 3; ++r) {
      auto edges = model.edges(r);
      for (auto& row : edges) {
        for (auto& e : row) e *= 2;
      }
      CHECK(d.edges[r] == edges);
    }
  }
}

TEST_CASE("block_structure: any number of rows, every invariant exact") {
  auto const real = real_web();
  block_structure const model(web, real, degree_blocks(web, real, 3));
  std::int64_t rerouted = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    draws const random(seed, purpose::sizes, 9);
    ints all{1 + random.below(90, 0), 1 + random.below(60, 1), random.below(300, 2), 0};
    if (all[2] > 0) all[3] = random.below(500, 3);
    auto const d = model.draw(all, seed);
    check_drawn(d, all);
    rerouted += d.rerouted[0];
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::int64_t const k : d.degrees[r]) CHECK(k >= 0);
    }
  }
  CHECK(rerouted > 0);
  CHECK_THROWS_WITH_AS(model.draw({0, 5, 5, 0}, 1),
                       Contains("rating.of_user -> user: there are child rows, but no parents"),
                       error);
  CHECK(model.draw({0, 0, 0, 0}, 1).result.links == std::vector<row_links>(3));
}

TEST_CASE("block_structure: given labels, and their edges") {
  // Two camps that never mix.
  schema const s({plain("p", {}), plain("c", {{"p", false}})});
  structure x{{20, 60}, {{}}};
  row_blocks camps(2);
  for (std::int64_t p = 0; p < 20; ++p) camps[0].push_back(p % 2);
  for (std::int64_t c = 0; c < 60; ++c) {
    x.links[0].push_back(c % 20);
    camps[1].push_back(c % 2);
  }
  auto const d = block_structure(s, x, camps).draw({31, 77}, 3);
  for (std::size_t i = 0; i < 77; ++i) {
    CHECK(d.blocks[1][i] == d.blocks[0][static_cast<std::size_t>(d.result.links[0][i])]);
  }
  CHECK(d.edges[0][0][1] == 0);
  auto const ones = std::count(d.blocks[1].begin(), d.blocks[1].end(), 1);
  CHECK(std::abs(ones - 38) <= 1);

  camps[0][3] = 20;
  CHECK_THROWS_WITH_AS(block_structure(s, x, camps), Contains("a block of 'p' = 20"), error);
  camps[0].pop_back();
  CHECK_THROWS_WITH_AS(block_structure(s, x, camps), Contains("blocks of 'p' = 19"), error);
  CHECK_THROWS_WITH_AS(block_structure(s, x, {}), Contains("lists of blocks = 0"), error);
  CHECK_THROWS_WITH_AS(block_structure(s, {{1}, {{}}}, {}), Contains("tables = 1"), error);
  CHECK_THROWS_WITH_AS(block_structure(s, {{1, 1}, {}}, {{0}, {0}}), Contains("relations = 0"),
                       error);
  CHECK_THROWS_WITH_AS(block_structure(s, {{1, 1}, {{}}}, {{0}, {0}}), Contains("links of c.of_p"),
                       error);
  CHECK_THROWS_WITH_AS(block_structure(s, {{1, 1}, {{5}}}, {{0}, {0}}), Contains("link = 5"),
                       error);
}

TEST_CASE("block_structure: edges to blocks without rows go to parents, missing keys stay few") {
  schema const s({plain("p", {}), plain("c", {{"p", true}})});
  structure x{{10, 100}, {row_links(100, 0)}};
  x.links[0][99] = -1;
  row_blocks blocks(2);
  blocks[0].assign(10, 1);
  blocks[0][0] = 0;  // of its kind there is one, which four parents may not hold
  blocks[1].assign(100, 0);
  block_structure const model(s, x, blocks);
  bool rerouted = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto const d = model.draw({4, 100}, seed);
    auto const& links = d.result.links[0];
    CHECK(std::count(links.begin(), links.end(), -1) == 1);
    rerouted = rerouted || d.rerouted[0] == 99;
  }
  CHECK(rerouted);
}

TEST_CASE("block_structure: tuples that must be unique, degrees and edges unchanged") {
  auto const real = real_web();
  block_structure const model(web, real, degree_blocks(web, real, 4));
  std::int64_t before = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    auto const plain_draw = model.draw(real.rows, seed);
    auto const d = model.draw(real.rows, seed, {"rating"});
    check_drawn(d, real.rows);
    before += repeats({plain_draw.result.links[0], plain_draw.result.links[1]});
    CHECK(repeats({d.result.links[0], d.result.links[1]}) == d.duplicates[2]);
    CHECK(d.duplicates[2] <= 3);
    CHECK(d.degrees == plain_draw.degrees);
  }
  CHECK(before > 40);
  CHECK_THROWS_WITH_AS(model.draw(real.rows, 1, {"user"}), Contains("unique table 'user'"), error);
}

TEST_CASE("block_structure: dealing is even within blocks") {
  // One block, parents of one child each: a child row has every parent equally often.
  schema const s({plain("p", {}), plain("c", {{"p", false}})});
  structure const x{{4, 4}, {{0, 1, 2, 3}}};
  block_structure const model(s, x, degree_blocks(s, x));
  std::vector<int> count(16, 0);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    auto const d = model.draw({4, 4}, seed);
    for (std::size_t i = 0; i < 4; ++i) {
      ++count[4 * i + static_cast<std::size_t>(d.result.links[0][i])];
    }
  }
  for (int const n : count) CHECK(std::fabs(n - 1000.0) < 4.5 * std::sqrt(750.0));
}

TEST_CASE("block_structure: the keys of one row are independent given its block") {
  schema const s({plain("p", {}), plain("q", {}), plain("c", {{"p", false}, {"q", false}})});
  structure x{{20, 20, 400}, {{}, {}}};
  row_blocks blocks(3);
  for (std::int64_t i = 0; i < 400; ++i) {
    if (i < 20) blocks[0].push_back(i % 2);
    x.links[0].push_back(i % 20);
    x.links[1].push_back(i % 20);
    blocks[2].push_back(0);
  }
  blocks[1] = blocks[0];
  auto const d = block_structure(s, x, blocks).draw(x.rows, 5);
  int both = 0;
  for (std::size_t i = 0; i < 400; ++i) {
    auto const of = [&](std::size_t r) {
      return d.blocks[r][static_cast<std::size_t>(d.result.links[r][i])];
    };
    both += of(0) == 0 && of(1) == 0 ? 1 : 0;
  }
  // Hypergeometric of mean 100 and deviation 5.
  CHECK(std::abs(both - 100) < 25);
}

TEST_CASE("structure_of: the links of a database") {
  auto const real = real_web();
  auto const d = assemble(web, std::vector<table::typed_table>(4), real.rows, real.links);
  auto const back = structure_of(d);
  CHECK(back.rows == real.rows);
  CHECK(back.links == real.links);
}

}  // namespace
