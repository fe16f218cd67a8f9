// Databases that are generated table by table.

#include <diffx/analysis/relational_quality.hpp>
#include <diffx/analysis/table_quality.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/domain/relational/generate.hpp>
#include <diffx/domain/relational/group_labels.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <optional>
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
using numbers = std::vector<double>;
using table::column_kind;

double normal(std::uint64_t seed, std::int64_t row) {
  double z[4];
  noise::counted{seed}.fill({}, row, 0, 4, z);
  return z[0];
}

/// Numbers for every feature and labels in [0, labels) for every relation below.
sampled_rows any_rows(schema const& s, row_request const& q, std::int64_t labels) {
  sampled_rows out;
  std::vector<table::column> columns;
  draws const random(q.seed, purpose::rows, 0);
  std::size_t const i = s.index(q.table);
  std::int64_t feature = 0;
  for (auto const& type : s.features(i)) {
    numbers x;
    ++feature;
    for (std::int64_t row = 0; row < q.rows(); ++row) x.push_back(random.uniform(row, feature));
    columns.push_back(table::numeric_column(type.name, x));
  }
  out.features = table::typed_table(std::move(columns));
  for (std::size_t k = 0; k < s.below(i).size(); ++k) {
    out.labels.emplace_back();
    for (std::int64_t row = 0; row < q.rows(); ++row) {
      out.labels.back().push_back(random.below(labels, row, 100 + static_cast<std::int64_t>(k)));
    }
  }
  return out;
}

group_sizes sizes_of(std::vector<ints> const& per_label) {
  ints labels, sizes;
  for (std::size_t l = 0; l < per_label.size(); ++l) {
    for (std::int64_t const n : per_label[l]) {
      labels.push_back(static_cast<std::int64_t>(l));
      sizes.push_back(n);
    }
  }
  return group_sizes::fit(labels, sizes, childless::counted);
}

table_schema child_of(std::string name, std::vector<std::string> const& parents,
                      bool nullable = false) {
  table_schema t{std::move(name), {{"id"}, {"x"}}, "id", {}};
  for (auto const& p : parents) {
    t.columns.push_back({"of_" + p});
    t.foreign_keys.push_back({"of_" + p, p, nullable});
  }
  return t;
}

TEST_CASE("generate: no violation for random schemas, and every row accounted for") {
  int deferred = 0, several = 0, nulls = 0, dropped = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    draws const random(seed, purpose::degrees, 0);
    std::vector<table_schema> tables;
    std::int64_t const n = 1 + random.below(6, 0);
    for (std::int64_t i = 0; i < n; ++i) {
      bool const labelled = random.below(2, i, 1) == 0;
      auto const kind = column_kind::numeric;
      table_schema t{"t" + std::to_string(i), {{"x", kind}}, "id", {}};
      t.columns.push_back({"id", labelled ? column_kind::category : kind});
      if (random.below(4, i, 2) == 0) t.columns.erase(t.columns.begin());  // keys alone
      tables.push_back(t);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t p = 0; p < n; ++p) {
        bool const back = p <= i;  // itself, or declared before: may close a cycle
        if (random.below(back ? 5 : 3, i, 10 + p) != 0) continue;
        auto& t = tables[static_cast<std::size_t>(i)];
        auto const& parent = tables[static_cast<std::size_t>(p)];
        std::string const column = "of_" + parent.name;
        for (auto const& c : parent.columns) {
          if (c.name == "id") t.columns.insert(t.columns.begin(), {column, c.kind});
        }
        t.foreign_keys.push_back({column, parent.name, back || random.below(2, i, 50 + p) == 0});
      }
    }
    schema const s(tables);
    generation g;
    g.seed = seed;
    g.match = static_cast<matching>(seed % 3);
    for (std::size_t i = 0; i < tables.size(); ++i) {
      auto const above = s.above(i);
      bool const root = std::all_of(above.begin(), above.end(),
                                    [&](std::size_t r) { return s.relations()[r].deferred; });
      if (root) g.root_rows.emplace_back(s.tables()[i].name, random.below(30, 7, 90));
    }
    for (std::size_t r = 0; r < s.relations().size(); ++r) {
      if (s.relations()[r].deferred) {
        g.relations.emplace_back();
      } else {
        double const share = s.key(r).nullable ? 0.25 : 0.0;
        g.relations.push_back(relation_model{sizes_of({{0, 1, 2, 3}, {1}}), share});
      }
    }
    auto const made = generate(s, g, [&](row_request const& q) { return any_rows(s, q, 3); });
    CHECK(check_integrity(made.data).empty());
    for (std::size_t r = 0; r < s.relations().size(); ++r) {
      auto const rows =
          static_cast<std::int64_t>(made.data.tables()[s.relations()[r].child].rows());
      auto const& report = made.report[r];
      CHECK(links_of(made.data, r) == made.links[r]);
      CHECK(std::count(made.links[r].begin(), made.links[r].end(), -1) == report.nulls);
      if (s.relations()[r].deferred) {
        CHECK(report.nulls == rows);
        ++deferred;
        continue;
      }
      CHECK(report.rows - report.dropped == rows);
      several += s.above(s.relations()[r].child).size() > 1 ? 1 : 0;
      nulls += report.nulls > 0 ? 1 : 0;
      dropped += report.dropped > 0 ? 1 : 0;
    }
    auto const again = generate(s, g, [&](row_request const& q) { return any_rows(s, q, 3); });
    CHECK(again.links == made.links);
  }
  CHECK(deferred > 10);
  CHECK(several > 10);
  CHECK(nulls > 10);
  CHECK(dropped > 10);
}

TEST_CASE("generate: a hundred thousand rows, group after group") {
  schema const s({child_of("c", {"p"}), child_of("p", {"r"}), child_of("r", {})});
  generation g;
  g.seed = 5;
  g.root_rows = {{"r", 11000}};
  g.relations = {relation_model{sizes_of({{4}, {0, 9}, {1, 2, 3}}), 0.0},
                 relation_model{sizes_of({{5}, {6}}), 0.0}};
  std::map<std::string, int> calls;
  auto const sample = [&](row_request const& q) {
    ++calls[std::string(q.table)];
    return any_rows(s, q, 3);
  };
  auto const made = generate(s, g, sample);
  CHECK(calls == std::map<std::string, int>{{"c", 1}, {"p", 1}, {"r", 1}});
  CHECK(made.data.tables()[0].rows() > 100000);
  CHECK(check_integrity(made.data).empty());
  for (std::size_t r = 0; r < 2; ++r) {
    auto const& rel = s.relations()[r];
    auto const parents = static_cast<std::int64_t>(made.data.tables()[rel.parent].rows());
    auto const sizes = children_of(made.links[r], parents);
    std::int64_t sum = 0;
    for (std::int64_t const n : sizes) sum += n;
    CHECK(sum == static_cast<std::int64_t>(made.data.tables()[rel.child].rows()));
    CHECK(std::is_sorted(made.links[r].begin(), made.links[r].end()));
  }
  auto const& ids = made.data.at("c").at("id").numbers;
  CHECK(std::set<double>(ids.begin(), ids.end()).size() == ids.size());
  // A third of the roots has label 2, which no group had: they have no children.
  CHECK(made.report[1].unknown_labels == Approx(11000.0 / 3.0).epsilon(0.08));

  // Fewer roots are the same roots: sizes are addressed by row.
  g.root_rows = {{"r", 2000}};
  auto const part = generate(s, g, sample);
  CHECK(children_of(part.links[1], 2000) == [&] {
    auto all = children_of(made.links[1], 11000);
    all.resize(2000);
    return all;
  }());
  g.seed = 6;
  CHECK(generate(s, g, sample).links != part.links);
}

TEST_CASE("generate: children of several parents are matched row by row") {
  schema const s({child_of("a", {}), child_of("b", {}), child_of("c", {"a", "b"})});
  generation g;
  g.root_rows = {{"a", 4}, {"b", 3}};
  g.relations = {relation_model{sizes_of({{1}}), 0.0}, relation_model{sizes_of({{2}}), 0.0}};
  auto const sample = [&](row_request const& q) {
    auto out = any_rows(s, q, 1);
    if (q.table != "c") return out;
    numbers const x = *q.relation == 0 ? numbers{4, 1, 3, 2} : numbers{0, 1, 2, 3, 4, 5};
    out.features = table::typed_table({table::numeric_column("x", x)});
    return out;
  };
  auto const made = generate(s, g, sample);
  CHECK(made.data.at("c").at("x").numbers == numbers{4, 1, 3, 2});
  CHECK(made.links[0] == row_links{0, 1, 2, 3});
  CHECK(made.links[1] == row_links{2, 0, 1, 1});  // rows 4, 1, 3, 2 of two per parent
  CHECK(made.report[0].dropped == 0);
  CHECK(made.report[1].dropped == 2);
  CHECK(made.data.at("c").at("of_b").numbers == numbers{2, 0, 1, 1});
}

TEST_CASE("generate: what does not fit is refused") {
  schema const s({child_of("a", {}), child_of("c", {"a"})});
  auto const ok = [&](row_request const& q) { return any_rows(s, q, 1); };
  generation const good{{{"a", 2}}, {relation_model{sizes_of({{1}}), 0.0}}};
  CHECK_NOTHROW(generate(s, good, ok));
  auto const bad = [&](generation const& g, auto const& sample, char const* message) {
    CHECK_THROWS_WITH_AS(generate(s, g, sample), Contains(message), error);
  };
  generation g = good;
  g.root_rows = {};
  bad(g, ok, "root_rows has no number for 'a'");
  g.root_rows = {{"a", 2}, {"c", 2}};
  bad(g, ok, "root_rows names 'c', whose rows follow from c.of_a -> a");
  g.root_rows = {{"a", 2}, {"a", 3}};
  bad(g, ok, "root_rows names 'a' twice");
  g.root_rows = {{"a", -1}};
  bad(g, ok, "rows of 'a' = -1");
  g.root_rows = {{"z", 1}};
  bad(g, ok, "no table 'z'");
  g = good;
  g.relations = {std::nullopt};
  bad(g, ok, "no model of c.of_a -> a");
  g.relations = {};
  bad(g, ok, "relations = 0");
  g.relations = {relation_model{sizes_of({{1}}), 0.5}};
  bad(g, ok, "null_share of c.of_a -> a = 0.5");
  bad(
      good, [&](row_request const&) { return sampled_rows{}; }, "'a' has other columns");
  bad(
      good,
      [&](row_request const& q) {
        auto out = ok(q);
        out.features = table::typed_table({table::numeric_column("x", {1})});
        return out;
      },
      "sampled rows of 'a' = 1, must be as many as asked for, 2");
  bad(
      good,
      [&](row_request const& q) {
        auto out = ok(q);
        out.labels.emplace_back();
        return out;
      },
      "lists of labels of 'a' = 2");
  bad(
      good,
      [&](row_request const& q) {
        auto out = ok(q);
        if (!out.labels.empty()) out.labels[0].pop_back();
        return out;
      },
      "labels of 'a' = 1");

  schema const self({child_of("a", {"a"}, true)});
  CHECK_THROWS_WITH_AS(generate(self, good, ok),
                       Contains("a model of a.of_a -> a, which is deferred"), error);

  // assemble, for rows that come from elsewhere
  table::typed_table const two({table::numeric_column("x", {1, 2})});
  CHECK(check_integrity(assemble(s, {two, two}, {2, 2}, {{1, 1}})).empty());
  CHECK_THROWS_WITH_AS(assemble(s, {two, two}, {2, 2}, {{1, 2}}),
                       Contains("= 2, must be in [0, 2)"), error);
  CHECK_THROWS_WITH_AS(assemble(s, {two, two}, {2, 2}, {{1, -1}}), Contains("a link of c.of_a"),
                       error);
  CHECK_THROWS_WITH_AS(assemble(s, {two, two}, {2, 2}, {{1}}), Contains("links of c.of_a"), error);
  CHECK_THROWS_WITH_AS(assemble(s, {two, two}, {2, 3}, {{1, 0, 0}}), Contains("rows of 'c'"),
                       error);
  CHECK_THROWS_WITH_AS(assemble(s, {two}, {2, 3}, {{}}), Contains("tables of features = 1"), error);
  CHECK_THROWS_WITH_AS(assemble(s, {two, two}, {2}, {{}}), Contains("numbers of rows = 1"), error);
  CHECK_THROWS_WITH_AS(assemble(s, {two, two}, {2, 2}, {}), Contains("lists of links = 0"), error);
  CHECK_THROWS_WITH_AS(assemble(s, {two, table::typed_table()}, {2, 2}, {{0, 0}}),
                       Contains("table 'c': other features"), error);
}

// ---- a database whose laws are known ----

constexpr double mean_of_label[] = {-1.0, 2.0}, deviation = 0.5;
constexpr double children_of_label[] = {1.5, 3.0};  // on average

/// Children x given the label c of their parent, N(mean_c, deviation^2): the noise of the mixture
/// over all children, less the gradient of the exact classifier p(c | x_t), times its scale.
numbers guided_children(row_request const& q, double scale) {
  process::vp const process;
  double const weight[] = {children_of_label[0] / 4.5, children_of_label[1] / 4.5};
  auto const eps = denoiser::predicts<prediction::eps>(
      [&](auto const&, batch_view<double const> x, query const& at, batch_view<double> out) {
        double const alpha = at.at.alpha, sigma = at.at.sigma;
        double const v = alpha * alpha * deviation * deviation + sigma * sigma;
        for (std::int64_t i = 0; i < x.batch; ++i) {
          double const y = x.row(i)[0];
          double p[2], slope[2], sum = 0.0;
          for (int c = 0; c < 2; ++c) {
            double const d = y - alpha * mean_of_label[c];
            p[c] = weight[c] * std::exp(-0.5 * d * d / v) + 1e-300;
            slope[c] = -d / v;
            sum += p[c];
          }
          double const score = (p[0] * slope[0] + p[1] * slope[1]) / sum;
          auto const own = static_cast<std::size_t>(q.labels[static_cast<std::size_t>(i)]);
          double const classifier = slope[own] - score;  // d/dx log p(c | x_t)
          out.row(i)[0] = -sigma * (score + scale * classifier);
        }
      });
  numbers out(q.labels.size());
  sampler const s{process, solver::dpmpp_2m{}};
  s.sample(exec::host{}, eps, grid::uniform_t(process, 60),
           batch_view<double>{out.data(), q.rows(), 1}, options{noise::counted{q.seed}});
  return out;
}

TEST_CASE("a toy database: children have the law of their parent's label") {
  schema const s({child_of("p", {}), child_of("c", {"p"})});
  generation g;
  g.seed = 3;
  g.root_rows = {{"p", 6000}};
  g.relations = {relation_model{sizes_of({{1, 2}, {3}}), 0.0}};
  for (double const scale : {1.0, 0.0}) {
    auto const made = generate(s, g, [&](row_request const& q) {
      sampled_rows out;
      if (q.table == "c") {
        out.features = table::typed_table({table::numeric_column("x", guided_children(q, scale))});
        return out;
      }
      numbers x;
      draws const random(q.seed, purpose::rows, 0);
      out.labels.emplace_back();
      for (std::int64_t i = 0; i < q.rows(); ++i) {
        out.labels[0].push_back(random.below(2, i));
        x.push_back(static_cast<double>(out.labels[0].back()));
      }
      out.features = table::typed_table({table::numeric_column("x", x)});
      return out;
    });
    CHECK(check_integrity(made.data).empty());
    auto const& label = made.data.at("p").at("x").numbers;
    auto const& x = made.data.at("c").at("x").numbers;
    double const overall = (1.5 * mean_of_label[0] + 3.0 * mean_of_label[1]) / 4.5;
    double const between = 1.5 / 4.5 * 3.0 / 4.5 * 9.0;  // variance of the means
    double parents[2] = {0.0, 0.0};
    for (double const l : label) parents[l > 0.5 ? 1 : 0] += 1.0;
    for (int c = 0; c < 2; ++c) {
      double n = 0.0, sum = 0.0, square = 0.0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (label[static_cast<std::size_t>(made.links[0][i])] != c) continue;
        n += 1.0;
        sum += x[i];
        square += x[i] * x[i];
      }
      double const mean = sum / n, variance = square / n - mean * mean;
      double const want = scale == 1.0 ? mean_of_label[c] : overall;
      double const spread = deviation * deviation + (scale == 1.0 ? 0.0 : between);
      // Five standard errors, and what 60 steps leave of the path.
      CHECK(std::fabs(mean - want) < 5.0 * std::sqrt(spread / n) + 0.01);
      CHECK(std::fabs(variance - spread) < 5.0 * spread * std::sqrt(2.0 / n) + 0.01);
      CHECK(std::fabs(n / parents[c] - children_of_label[c]) < 5.0 * 0.5 / std::sqrt(parents[c]));
    }
  }
}

/// Grandparents, parents and children: each row's own label is that of its group with probability
/// `keep`, and its number is the label's sign plus noise.
generated chain(double keep, std::int64_t roots, double slope, std::uint64_t seed) {
  schema const s({child_of("g", {}), child_of("p", {"g"}), child_of("c", {"p"})});
  generation g;
  g.seed = seed;
  g.root_rows = {{"g", roots}};
  g.relations = {relation_model{sizes_of({{1, 2, 3}, {1, 2, 3}}), 0.0},
                 relation_model{sizes_of({{0, 2}, {0, 2}}), 0.0}};
  return generate(s, g, [&](row_request const& q) {
    sampled_rows out;
    numbers x;
    draws const random(q.seed, purpose::rows, 0);
    ints own;
    for (std::int64_t i = 0; i < q.rows(); ++i) {
      std::int64_t const given = q.relation ? q.labels[static_cast<std::size_t>(i)] : -1;
      bool const keeps = random.uniform(i, 1) < keep;
      own.push_back(!q.relation ? random.below(2, i) : keeps ? given : 1 - given);
      // A root's number is of its own label, a child's of its group's.
      std::int64_t const by = q.relation ? given : own.back();
      x.push_back(slope * (by == 1 ? 1.0 : -1.0) + normal(q.seed, i));
    }
    out.features = table::typed_table({table::numeric_column("x", x)});
    if (q.table != "c") out.labels = {own};
    return out;
  });
}

double correlation(generated const& d, std::vector<std::size_t> const& path) {
  auto const& s = d.data.schema();
  auto const up = analysis::ancestors(d.data, path);
  auto const& a = d.data.tables()[s.relations()[path.back()].parent].at("x").numbers;
  auto const& b = d.data.tables()[s.relations()[path[0]].child].at("x").numbers;
  numbers x, y;
  for (std::size_t i = 0; i < up.size(); ++i) {
    x.push_back(a[static_cast<std::size_t>(up[i])]);
    y.push_back(b[i]);
  }
  return analysis::table_detail::correlation(x, y);
}

TEST_CASE("correlations over one and two keys are those of the closed form") {
  double const keep = 0.9, slope = 2.0;
  auto const d = chain(keep, 20000, slope, 1);
  double const variance = slope * slope + 1.0;
  double const one = slope * slope / variance;
  double const two = one * (2.0 * keep - 1.0);
  // A grandparent has up to 6 grandchildren; standard errors of 20000 families are below 0.007.
  CHECK(std::fabs(correlation(d, {0}) - one) < 0.03);
  CHECK(std::fabs(correlation(d, {1}) - one * (2.0 * keep - 1.0)) < 0.03);
  CHECK(std::fabs(correlation(d, {1, 0}) - two) < 0.03);
  CHECK(std::fabs(correlation(chain(0.5, 20000, slope, 2), {1, 0})) < 0.03);
}

TEST_CASE("one cluster: sizes are i.i.d. and tables independent") {
  schema const s({child_of("p", {}), child_of("c", {"p"})});
  generation g;
  g.seed = 8;
  g.root_rows = {{"p", 30000}};
  g.relations = {relation_model{sizes_of({{0, 1, 1, 4}}), 0.0}};
  auto const made = generate(s, g, [&](row_request const& q) { return any_rows(s, q, 1); });
  auto const sizes = children_of(made.links[0], 30000);
  auto const& x = made.data.at("p").at("x").numbers;
  std::map<std::int64_t, double> count;
  numbers of_size;
  for (std::int64_t const n : sizes) {
    count[n] += 1.0;
    of_size.push_back(static_cast<double>(n));
  }
  double chi2 = 0.0;
  for (auto const& [n, want] :
       {std::pair{0, 7500.0}, std::pair{1, 15000.0}, std::pair{4, 7500.0}}) {
    chi2 += (count[n] - want) * (count[n] - want) / want;
  }
  CHECK(count.size() == 3);
  CHECK(chi2 < 18.5);  // 2 degrees of freedom, probability 1e-4
  // Independent columns: |correlation| < 4 / sqrt(n) but for 6e-5; neighbours' sizes alike.
  CHECK(std::fabs(analysis::table_detail::correlation(x, of_size)) < 4.0 / std::sqrt(30000.0));
  numbers const first(of_size.begin(), of_size.end() - 1), next(of_size.begin() + 1, of_size.end());
  CHECK(std::fabs(analysis::table_detail::correlation(first, next)) < 4.0 / std::sqrt(29999.0));
  CHECK(std::fabs(correlation(made, {0})) < 0.04);
}

// ---- labels of a real database ----

/// Persons with orders: the persons of the first kind have one cheap order, those of the second
/// four dear ones, every seventh has none, and some orders are of nobody.
database shop() {
  schema const s({{"person", {{"id"}, {"age"}}, "id", {}},
                  {"order", {{"id"}, {"who"}, {"sum"}}, "id", {{"who", "person", true}}}});
  numbers ids, ages, orders, who, sums;
  for (std::int64_t p = 0; p < 210; ++p) {
    ids.push_back(1000.0 + 3.0 * static_cast<double>(p));
    ages.push_back(30.0 + normal(1, p));
    bool const rich = p % 2 == 1;
    for (int k = 0; p % 7 != 0 && k < (rich ? 4 : 1); ++k) {
      orders.push_back(static_cast<double>(orders.size()));
      who.push_back(ids.back());
      sums.push_back((rich ? 900.0 : 10.0) + normal(2, static_cast<std::int64_t>(orders.size())));
    }
  }
  for (int k = 0; k < 50; ++k) {
    orders.push_back(static_cast<double>(orders.size()));
    who.push_back(NAN);
    sums.push_back(-500.0);
  }
  return {
      s,
      {table::typed_table({table::numeric_column("id", ids), table::numeric_column("age", ages)}),
       table::typed_table({table::numeric_column("id", orders), table::numeric_column("who", who),
                           table::numeric_column("sum", sums)})}};
}

TEST_CASE("label_groups: groups of like rows have one label, childless parents one of their own") {
  auto const d = shop();
  label_options o;
  o.clusters.clusters = 2;
  o.key_scale = 0.0;
  for (auto const kind : {cluster_kind::diagonal_gmm, cluster_kind::k_means}) {
    o.kind = kind;
    auto const g = label_groups(d, 0, o);
    CHECK(g.labels == 3);
    std::int64_t const poor = g.parent[2], rich = g.parent[1];
    CHECK(poor != rich);
    for (std::size_t p = 0; p < 210; ++p) {
      CHECK(g.parent[p] == (p % 7 == 0 ? 2 : p % 2 == 1 ? rich : poor));
    }
    auto const links = links_of(d, 0);
    for (std::size_t i = 0; i < links.size(); ++i) {
      CHECK(g.child[i] == (links[i] < 0 ? -1 : g.parent[static_cast<std::size_t>(links[i])]));
    }
    CHECK(g.model.null_share == Approx(50.0 / static_cast<double>(links.size())));
    CHECK(g.model.sizes.find(rich)->size_at(0.5) == 4);
    CHECK(g.model.sizes.find(poor)->size_at(0.5) == 1);
    CHECK(g.model.sizes.find(2)->size_at(0.5) == 0);
    CHECK(g.skipped.empty());
  }
}

TEST_CASE("a real database is labelled, generated and measured") {
  auto const d = shop();
  label_options o;
  o.clusters.clusters = 2;
  o.key_scale = 0.0;
  auto const labels = label_groups(d, o);
  REQUIRE(labels.size() == 1);
  generation g;
  g.root_rows = {{"person", 2000}};
  g.relations = {labels[0]->model};
  // Rows drawn from the real ones of their label.
  auto const made = generate(d.schema(), g, [&](row_request const& q) {
    draws const random(q.seed, purpose::rows, 0);
    sampled_rows out;
    numbers x;
    if (!q.relation) out.labels.emplace_back();
    auto const& from = q.relation ? labels[0]->child : labels[0]->parent;
    auto const& column = q.relation ? d.at("order").at("sum") : d.at("person").at("age");
    for (std::int64_t i = 0; i < q.rows(); ++i) {
      std::int64_t row = 0, attempt = 0;
      do {
        row = random.below(static_cast<std::int64_t>(from.size()), i, attempt++);
      } while (q.relation &&
               from[static_cast<std::size_t>(row)] != q.labels[static_cast<std::size_t>(i)]);
      x.push_back(column.numbers[static_cast<std::size_t>(row)]);
      if (!q.relation) out.labels[0].push_back(from[static_cast<std::size_t>(row)]);
    }
    out.features = table::typed_table({table::numeric_column(column.type.name, x)});
    return out;
  });
  CHECK(check_integrity(made.data).empty());
  CHECK(made.report[0].unknown_labels == 0);
  // 2000 draws: the Kolmogorov distance is below 1.63 / sqrt(2000) = 0.036 but for 1 %.
  CHECK(analysis::cardinality_shape(d, made.data, 0) > 0.95);
  double const share =
      static_cast<double>(made.report[0].nulls) / static_cast<double>(made.data.at("order").rows());
  CHECK(std::fabs(share - labels[0]->model.null_share) < 0.001);  // rounded to whole rows
  CHECK(analysis::k_hop_trend(d, made.data, 1) > 0.9);
}

TEST_CASE("label_groups: a child's own labels are features where it is the child") {
  // Middle rows look alike; only their children tell two kinds of roots apart.
  schema const s({child_of("r", {}), child_of("m", {"r"}), child_of("c", {"m"})});
  std::vector<table::typed_table> features;
  std::vector<row_links> links(2);
  numbers c;
  for (std::int64_t m = 0; m < 120; ++m) {
    links[0].push_back(m / 3);
    for (int k = 0; k < 2; ++k) {
      links[1].push_back(m);
      c.push_back(m / 3 % 2 == 0 ? 5.0 : -5.0);
    }
  }
  features.emplace_back(std::vector{table::numeric_column("x", numbers(40, 1.0))});
  features.emplace_back(std::vector{table::numeric_column("x", numbers(120, 2.0))});
  features.emplace_back(std::vector{table::numeric_column("x", c)});
  auto const d = assemble(s, features, {40, 120, 240}, links);
  label_options o;
  o.clusters.clusters = 2;
  o.key_scale = 0.0;
  auto const all = label_groups(d, o);
  REQUIRE(all[0]);
  CHECK(all[0]->labels == 3);
  for (std::size_t r = 0; r < 40; ++r) CHECK(all[0]->parent[r] == all[0]->parent[r % 2]);
  CHECK(all[0]->parent[0] != all[0]->parent[1]);
  CHECK(label_groups(d, 0, o).labels == 2);  // without them there is nothing to tell
  auto const empty = assemble(s,
                              {features[0], table::typed_table({table::numeric_column("x", {})}),
                               table::typed_table({table::numeric_column("x", {})})},
                              {40, 0, 0}, {{}, {}});
  CHECK_THROWS_WITH_AS(label_groups(empty, 0, o), Contains("no row has a parent"), error);
}

}  // namespace
