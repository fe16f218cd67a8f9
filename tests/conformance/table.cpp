// The golden entries of tables: column transforms, numbering of categories, rounding, quality; rows
// of bits, their schedules and what a step of them takes from a network.

#include <diffx/analysis/table_quality.hpp>
#include <diffx/denoiser/bit_logits.hpp>
#include <diffx/domain/table/fixed_binary.hpp>
#include <diffx/domain/table/min_max.hpp>
#include <diffx/domain/table/ordinal.hpp>
#include <diffx/domain/table/quantile_normal.hpp>
#include <diffx/domain/table/round_to_observed.hpp>
#include <diffx/domain/table/standard.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/flip_table.hpp>
#include <diffx/solver/xor_renoise.hpp>

#include "papers.hpp"
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace conformance {
namespace {

namespace table = diffx::domain::table;
namespace analysis = diffx::analysis;
using numbers = std::vector<double>;

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

void flip_schedule(json const& in, json const& want, report& r) {
  refuse_unread(in, {"schedule", "n_timesteps", "row_bits", "start", "end", "indices"}, r);
  refuse_unread(want, {"beta"}, r);
  int const steps = in.at("n_timesteps").get<int>();
  double const start = in.at("start").get<double>(), end = in.at("end").get<double>();
  if (start != 1.0 / in.at("row_bits").get<double>()) r.fail("it does not begin at 1 / row_bits");
  auto const kind = in.at("schedule").get<std::string>();
  if (kind != "linear" && kind != "quad" && kind != "sigmoid") return r.fail("unknown " + kind);
  auto const flips = kind == "linear" ? diffx::schedule::flip_linear(steps, start, end)
                     : kind == "quad" ? diffx::schedule::flip_quadratic(steps, start, end)
                                      : diffx::schedule::flip_sigmoid(steps, start, end);
  numbers got;
  for (json const& i : in.at("indices")) got.push_back(flips.flip(i.get<int>()));
  compare(r, got, want.at("beta"), "beta");
}

void timestep_subset(json const& in, json const& want, report& r) {
  refuse_unread(in, {"n_total", "n_steps"}, r);
  refuse_unread(want, {"count", "first", "last"}, r);
  auto got = diffx::grid::index::strided(in.at("n_total").get<int>(), in.at("n_steps").get<int>());
  std::reverse(got.begin(), got.end());  // the file's are ascending
  auto const first = static_cast<std::ptrdiff_t>(want.at("first").size());
  auto const last = static_cast<std::ptrdiff_t>(want.at("last").size());
  auto const count = std::ssize(got);
  if (first > count || last > count) return r.fail("too few timesteps");
  compare(r, {static_cast<double>(count)}, json::array({want.at("count")}), "count");
  compare(r, {got.begin(), got.begin() + first}, want.at("first"), "first");
  compare(r, {got.end() - last, got.end()}, want.at("last"), "last");
}

table::typed_table table_of(json const& columns, report& r) {
  std::vector<table::column> out;
  for (json const& c : columns) {
    refuse_unread(c, {"name", "kind", "values"}, r);
    auto const name = c.at("name").get<std::string>();
    if (c.at("kind") == "numeric") {
      out.push_back(table::numeric_column(name, c.at("values").get<numbers>()));
    } else {
      std::vector<table::label> labels;
      for (json const& l : c.at("values")) labels.emplace_back(l.get<std::string>());
      out.push_back(table::category_column(name, std::move(labels)));
    }
  }
  return table::typed_table(std::move(out));
}

/// As the reference does it: numbers are cut and stay what they are, labels come as they appear.
table::per_column<table::binary_options> of_the_reference() {
  table::per_column<table::binary_options> o;
  o.usual.rounding = table::binary_rounding::truncate;
  o.usual.snapping = table::snap::none;
  o.usual.categories.order = table::category_order::first_appearance;
  return o;
}

void codec(json const& in, json const& want, report& r) {
  refuse_unread(in, {"columns"}, r);
  refuse_unread(want, {"bits_per_column", "row_bits", "rows", "min_max", "decoded"}, r);
  auto const t = table_of(in.at("columns"), r);
  auto const c = table::fixed_binary::fit(t, of_the_reference());
  auto const widths = c.bits();
  r.list({widths.begin(), widths.end()}, want.at("bits_per_column"), 0.0, "bits_per_column");
  r.list({static_cast<double>(c.row_bits())}, json::array({want.at("row_bits")}), 0.0, "row_bits");
  auto const bits = c.encode(t);
  std::string written;
  for (std::uint8_t const b : bits) written += b != 0 ? '1' : '0';
  std::string expected;
  for (json const& row : want.at("rows")) expected += row.get<std::string>();
  ++r.compared;
  if (written != expected) r.fail("other bits: " + written);
  for (auto const& [name, range] : want.at("min_max").items()) {
    auto const [min, max] = c.range(name);
    r.list({min, max}, range, 0.0, "range of " + name);
  }
  auto const back =
      c.decode(table::unpack_bits(table::pack_bits(bits, c.row_bits()), c.row_bits()));
  if (back.invalid != 0) r.fail("invalid codes of its own");
  if (want.at("decoded").size() != t.columns().size()) r.fail("number of columns");
  for (auto const& [name, values] : want.at("decoded").items()) {
    auto const& got = back.table.at(name);
    if (got.type.kind == table::column_kind::numeric) {
      compare(r, got.numbers, values, name);
    } else {
      ++r.compared;
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (got.labels[i] != values.at(i).get<std::string>()) r.fail(name + ": another label");
      }
    }
  }
}

/// A code that no category has decodes to nothing.
void codec_invalid_code(json const& in, json const& want, report& r) {
  refuse_unread(in, {"column", "cardinality", "bits"}, r);
  refuse_unread(want, {"decoded"}, r);
  std::vector<table::label> labels;
  for (int i = 0; i < in.at("cardinality").get<int>(); ++i) labels.emplace_back(std::to_string(i));
  auto const c = table::fixed_binary::fit(table::typed_table(
      {table::category_column(in.at("column").get<std::string>(), std::move(labels))}));
  std::vector<std::uint8_t> bits;
  for (char const b : in.at("bits").get<std::string>()) bits.push_back(b == '1' ? 1 : 0);
  auto const got = c.decode(bits);
  ++r.compared;
  if (want.at("decoded") != json::array({nullptr})) r.fail("only invalid codes are read");
  if (got.table.columns()[0].labels != std::vector<table::label>(1) || got.invalid != 1) {
    r.fail("the code names a category");
  }
}

/// A step from x_t to the clean bits, and the next ones with the file's own flips.
void binary_step(diffx::denoiser::bit_source from, json const& in, json const& want, report& r) {
  refuse_unread(in, {"x_t", "logits", "t", "n_timesteps", "threshold", "renoise_mask"}, r);
  refuse_unread(want, {"x0_hat", "x_next"}, r);
  int const steps = in.at("n_timesteps").get<int>();
  diffx::process::xor_bernoulli const process(diffx::schedule::flip_linear(steps, 1e-3));
  diffx::sampler const s{process, diffx::solver::xor_renoise{}};
  auto const grid = diffx::grid::timesteps(process, std::vector<int>{in.at("t").get<int>()});
  for (std::size_t i = 0; i < in.at("x_t").size(); ++i) {
    auto x = in["x_t"][i].get<std::vector<std::int32_t>>();
    auto const logits = in.at("logits").at(i).get<std::vector<float>>();
    auto const flips = in.at("renoise_mask").at(i).get<std::vector<int>>();
    if (logits.size() != 2 * x.size() || flips.size() != x.size()) return r.fail("lengths");
    diffx::denoiser::bit_logits const network(
        [&](auto const&, auto const&, auto const&, auto const& out) {
          std::copy(logits.begin(), logits.end(), out.data);
        },
        from, 2, steps, in.at("threshold").get<double>());
    diffx::options<> o;
    o.start = diffx::start::given;
    s.sample(diffx::exec::host{}, network, grid,
             diffx::batch_view<std::int32_t>{x.data(), 1, static_cast<std::int64_t>(x.size())}, o);
    numbers const x0(x.begin(), x.end());
    numbers next;
    for (std::size_t k = 0; k < x.size(); ++k) next.push_back(x[k] ^ flips[k]);
    compare(r, x0, want.at("x0_hat").at(i), "x0_hat of row " + std::to_string(i));
    compare(r, next, want.at("x_next").at(i), "x_next of row " + std::to_string(i));
  }
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

bool binary_diffusion_entry(json const& e, report& r) {
  using diffx::denoiser::bit_source;
  refuse_unread(e, {"name", "inputs", "expected", "tol", "note"}, r);
  r.tolerance = e.at("tol").get<double>();
  auto const name = e.at("name").get<std::string>();
  json const &in = e.at("inputs"), &want = e.at("expected");
  if (name == "beta_schedule") return flip_schedule(in, want, r), true;
  if (name == "timestep_subset") return timestep_subset(in, want, r), true;
  if (name == "codec") return codec(in, want, r), true;
  if (name == "codec_invalid_code") return codec_invalid_code(in, want, r), true;
  if (name == "step_target") return binary_step(bit_source::target, in, want, r), true;
  if (name == "step_mask") return binary_step(bit_source::mask, in, want, r), true;
  if (name == "step_half-half") return binary_step(bit_source::half_half, in, want, r), true;
  return false;
}

}  // namespace conformance
