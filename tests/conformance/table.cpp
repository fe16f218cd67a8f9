// The golden entries of tables: column transforms, numbering of categories, rounding, quality.

#include <diffx/analysis/table_quality.hpp>
#include <diffx/domain/table/min_max.hpp>
#include <diffx/domain/table/ordinal.hpp>
#include <diffx/domain/table/quantile_normal.hpp>
#include <diffx/domain/table/round_to_observed.hpp>
#include <diffx/domain/table/standard.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace conformance {
namespace {

namespace table = diffx::domain::table;
namespace analysis = diffx::analysis;
using numbers = std::vector<double>;

/// A key that the reader does not read may hold a value that nobody compares: it is refused.
void refuse_unread(json const& e, std::initializer_list<std::string_view> known, report& r) {
  for (auto const& [key, value] : e.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) r.fail("unknown key " + key);
  }
}

/// Within the file's own tolerance, which is absolute: every value here is of the size of 1, or
/// exact in the file's last digit.
void compare(report& r, numbers const& got, json const& want, std::string const& what) {
  if (got.size() != want.size()) return r.fail(what + ": number of values");
  for (std::size_t i = 0; i < got.size(); ++i) {
    double const w = want[i].get<double>();
    if (r.tolerance == 0.0) {
      ++r.compared;
      if (got[i] != w) r.fail(what + "[" + std::to_string(i) + "]: not " + want[i].dump());
    } else {
      r.near(got[i], w, 1.0, what + "[" + std::to_string(i) + "]");
    }
  }
}

template <class F>
numbers each(json const& in, F const& f) {
  numbers out;
  for (json const& v : in) out.push_back(f(v.get<double>()));
  return out;
}

void quantile_normal(json const& in, json const& want, report& r) {
  refuse_unread(in, {"train", "n_quantiles", "probe", "z"}, r);
  refuse_unread(want, {"quantiles", "forward", "inverse"}, r);
  auto const codec =
      table::quantile_normal::fit(in.at("train").get<numbers>(), in.at("n_quantiles").get<int>());
  compare(r, {codec.quantiles().begin(), codec.quantiles().end()}, want.at("quantiles"),
          "quantiles");
  compare(r, each(in.at("probe"), [&](double x) { return codec.encode(x); }), want.at("forward"),
          "forward");
  compare(r, each(in.at("z"), [&](double z) { return codec.decode(z); }), want.at("inverse"),
          "inverse");
}

void standard_minmax(json const& in, json const& want, report& r) {
  refuse_unread(in, {"train", "probe"}, r);
  refuse_unread(want, {"mean", "std", "standard", "minmax"}, r);
  auto const train = in.at("train").get<numbers>();
  auto const standard = table::standard::fit(train);
  auto const min_max = table::min_max::fit(train);
  compare(r, {standard.mean()}, want.at("mean"), "mean");
  compare(r, {standard.std()}, want.at("std"), "std");
  compare(r, each(in.at("probe"), [&](double x) { return standard.encode(x); }),
          want.at("standard"), "standard");
  compare(r, each(in.at("probe"), [&](double x) { return min_max.encode(x); }), want.at("minmax"),
          "minmax");
}

/// Rows of one column.
numbers only_column(json const& rows, report& r) {
  numbers out;
  for (json const& row : rows) {
    if (row.size() != 1) r.fail("rows of one number are read alone");
    out.push_back(row.at(0).get<double>());
  }
  return out;
}

void round_to_observed(json const& in, json const& want, report& r) {
  refuse_unread(in, {"observed", "values"}, r);
  refuse_unread(want, {"rounded"}, r);
  auto const round = table::round_to_observed::fit(only_column(in.at("observed"), r));
  numbers got = only_column(in.at("values"), r);
  for (double& v : got) v = round(v);
  compare(r, got, json(only_column(want.at("rounded"), r)), "rounded");
}

void ordinal(json const& in, json const& want, report& r) {
  refuse_unread(in, {"train"}, r);
  refuse_unread(want, {"codes"}, r);
  std::vector<table::label> train;
  for (json const& l : in.at("train")) train.emplace_back(l.get<std::string>());
  auto const codes = table::ordinal::fit(train);
  numbers got;
  for (auto const& l : train) got.push_back(codes.encode(l));
  compare(r, got, want.at("codes"), "codes");
}

struct two_tables {
  std::vector<numbers> columns;  // numeric
  std::vector<std::int32_t> cat, cat2;
  numbers flat;

  two_tables(json const& in, std::string const& which)
      : cat(in.at(which + "_cat").get<std::vector<std::int32_t>>()),
        cat2(in.at(which + "_cat2").get<std::vector<std::int32_t>>()) {
    for (json const& row : in.at(which + "_numeric")) {
      columns.resize(row.size());
      for (std::size_t j = 0; j < row.size(); ++j) {
        columns[j].push_back(row[j].get<double>());
        flat.push_back(row[j].get<double>());
      }
    }
  }
  /// The numbers and the first of the categorical columns.
  analysis::mixed_rows rows() const {
    return {static_cast<std::int64_t>(cat.size()), static_cast<std::int64_t>(columns.size()), 1,
            flat.data(), cat.data()};
  }
};

void quality(json const& in, json const& want, report& r) {
  refuse_unread(in,
                {"real_numeric", "synthetic_numeric", "real_cat", "synthetic_cat", "real_cat2",
                 "synthetic_cat2"},
                r);
  refuse_unread(want,
                {"ks_complement", "tv_complement", "correlation_similarity",
                 "contingency_similarity", "dcr", "nndr"},
                r);
  two_tables const real(in, "real"), synthetic(in, "synthetic");
  if (real.columns.size() != 2) return r.fail("tables of two numeric columns are read alone");
  numbers shapes, first, ratio;
  for (std::size_t j = 0; j < 2; ++j) {
    shapes.push_back(analysis::ks_complement(real.columns[j], synthetic.columns[j]));
  }
  for (auto const& c : analysis::closest_records(real.rows(), synthetic.rows())) {
    first.push_back(c.first);
    ratio.push_back(c.ratio());
  }
  compare(r, shapes, want.at("ks_complement"), "ks_complement");
  compare(r, {analysis::tv_complement(real.cat, synthetic.cat)},
          json::array({want.at("tv_complement")}), "tv_complement");
  compare(r,
          {analysis::correlation_similarity(real.columns[0], real.columns[1], synthetic.columns[0],
                                            synthetic.columns[1])},
          json::array({want.at("correlation_similarity")}), "correlation_similarity");
  compare(r, {analysis::contingency_similarity(real.cat, real.cat2, synthetic.cat, synthetic.cat2)},
          json::array({want.at("contingency_similarity")}), "contingency_similarity");
  compare(r, first, want.at("dcr"), "dcr");
  compare(r, ratio, want.at("nndr"), "nndr");
}

}  // namespace

bool table_canon_entry(json const& e, report& r) {
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "quantile_normal") return quantile_normal(in, want, r), true;
  if (name == "standard_minmax") return standard_minmax(in, want, r), true;
  if (name == "round_to_observed") return round_to_observed(in, want, r), true;
  if (name == "ordinal") return ordinal(in, want, r), true;
  if (name == "quality") return quality(in, want, r), true;
  return false;
}

}  // namespace conformance
