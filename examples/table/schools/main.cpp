// diffx_table_schools: two tables that belong together, schools and their pupils. Groups of pupils
// are clustered; a network of schools makes each with the label of its group, a network of pupils
// is told the label. Keys come from the library: none can miss its school.

#include <diffx/analysis/relational_quality.hpp>
#include <diffx/domain/relational/csv_database.hpp>
#include <diffx/domain/relational/generate.hpp>
#include <diffx/domain/relational/group_labels.hpp>

#include "../model.hpp"
#include "option_value.hpp"
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using namespace example;
namespace relational = domain::relational;
using table::column_kind;

relational::schema school_schema() {
  return relational::schema({
      {.name = "schools",
       .columns = {{"school", column_kind::category},
                   {"Size"},
                   {"Sector", column_kind::category},
                   {"PRACAD"},
                   {"DISCLIM"},
                   {"HIMINTY", column_kind::category},
                   {"MEANSES"}},
       .primary_key = "school"},
      {.name = "pupils",
       .columns = {{"school", column_kind::category},
                   {"Minority", column_kind::category},
                   {"Sex", column_kind::category},
                   {"SES"},
                   {"MathAch"},
                   {"MEANSES"}},
       .foreign_keys = {{.column = "school", .parent = "schools"}}},
  });
}

/// The table's features, and the label of every row as one more category.
table::typed_table with_label(relational::schema const& s, table::typed_table const& t,
                              std::size_t index, std::vector<std::int64_t> const& labels) {
  std::vector<table::column> columns;
  for (auto const& type : s.features(index)) columns.push_back(t.at(type));
  std::vector<table::label> names;
  for (std::int64_t const l : labels) names.emplace_back(std::to_string(l));
  columns.push_back(table::category_column("group", std::move(names)));
  return table::typed_table(std::move(columns));
}

std::int64_t number_of(table::label const& name) {
  std::int64_t out = -1;
  std::from_chars(name->data(), name->data() + name->size(), out);
  return out;
}

/// The table without its last column, and that column as numbers.
relational::sampled_rows split(table::typed_table const& t, bool keep_labels) {
  relational::sampled_rows out;
  std::vector<table::column> columns(t.columns().begin(), t.columns().end());
  if (keep_labels) {
    auto& labels = out.labels.emplace_back();
    for (auto const& name : columns.back().labels) labels.push_back(number_of(name));
  }
  columns.pop_back();
  out.features = table::typed_table(std::move(columns));
  return out;
}

void say(char const* what, train_report const& r) {
  std::printf("%s: step %6lld  %4.0f s  held-out %.4f  best %.4f\n", what,
              static_cast<long long>(r.step), r.seconds, r.held_out, r.best);
  std::fflush(stdout);
}

void make_schools(double minutes) {
  std::string const folder = "schools_made";
  if (std::filesystem::exists(folder)) {
    detail::fail("'" + folder + "' is there already; move it away");
  }
  exec::threads const exec;
  auto const s = school_schema();
  auto const real = relational::read_database(s, std::string(DIFFX_EXAMPLES_DIR) + "/table/data");
  auto const groups = relational::label_groups(real, 0, {.clusters = {.clusters = 6}});
  std::printf("%zu schools, %zu pupils, %lld labels of groups\n", real.tables()[0].rows(),
              real.tables()[1].rows(), static_cast<long long>(groups.labels));

  train_wishes wishes;
  wishes.minutes = minutes;
  wishes.hidden = 128;
  wishes.layers = 2;
  wishes.optimiser.batch = 64;
  auto const schools =
      train_table(with_label(s, real.tables()[0], 0, groups.parent), wishes, false, "schools.model",
                  exec, [](train_report const& r) { say("schools", r); });
  wishes.label = "group";
  wishes.hidden = 256;
  wishes.optimiser.batch = 512;
  auto const pupils =
      train_table(with_label(s, real.tables()[1], 1, groups.child), wishes, false, "pupils.model",
                  exec, [](train_report const& r) { say("pupils", r); });
  auto const label_codec = table::table_codec::from_text(pupils.label_codec);

  relational::generation g;
  g.root_rows = {{"schools", static_cast<std::int64_t>(real.tables()[0].rows())}};
  g.relations = {groups.model};
  auto const made = relational::generate(s, g, [&](relational::row_request const& q) {
    if (q.table == "schools") {
      return split(sample_table(schools, q.rows(), 100, q.seed, exec).table, true);
    }
    std::vector<table::label> names;
    for (std::int64_t const l : q.labels) names.emplace_back(std::to_string(l));
    auto const codes =
        label_codec.encode(table::typed_table({table::category_column("group", std::move(names))}));
    return split(table_sampler(pupils, 100, q.seed, exec).given(codes.codes).table, false);
  });

  // What the trend is worth: the same rows with pupils dealt to schools anyhow.
  auto dealt = made.links;
  for (std::size_t i = 0; i < dealt[0].size(); ++i) {
    std::swap(dealt[0][i], dealt[0][(i * 7919 + 13) % dealt[0].size()]);
  }
  std::vector<table::typed_table> features;
  std::vector<std::int64_t> rows;
  for (std::size_t t = 0; t < made.data.tables().size(); ++t) {
    std::vector<table::column> columns;
    for (auto const& type : s.features(t)) columns.push_back(made.data.tables()[t].at(type));
    features.emplace_back(std::move(columns));
    rows.push_back(static_cast<std::int64_t>(made.data.tables()[t].rows()));
  }
  auto const anyhow = relational::assemble(s, features, rows, dealt);
  std::printf("\n%zu schools, %zu pupils made; %lld labels without children\n",
              made.data.tables()[0].rows(), made.data.tables()[1].rows(),
              static_cast<long long>(made.report[0].unknown_labels));
  std::printf("keys that miss their school   %zu\n", relational::check_integrity(made.data).size());
  std::printf("children per school           %.3f\n",
              analysis::cardinality_shape(real, made.data, 0));
  std::printf("trend of school and pupil     %.3f, dealt anyhow %.3f\n",
              analysis::k_hop_trend(real, made.data, 1), analysis::k_hop_trend(real, anyhow, 1));
  relational::write_database(folder, made.data);
  std::printf("schools_made/: the two tables\n");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    bool const told = argc == 3 && std::string_view(argv[1]) == "--minutes";
    if (argc != 1 && !told) {
      std::fputs("usage: diffx_table_schools [--minutes M]   of training each, 1\n", stderr);
      return 2;
    }
    double const minutes = told ? number("--minutes", argv[2], 0.01, 1e5) : 1.0;
    make_schools(minutes);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_table_schools: %s\n", e.what());
    return 1;
  }
}
