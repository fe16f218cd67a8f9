// diffx_table_anomaly: how well rows of one category stand out among the others, by distance and by
// the posterior of the noising time; no network. Half of the other rows are known to be normal.

#include <diffx/analysis/anomaly.hpp>
#include <diffx/analysis/auroc.hpp>
#include <diffx/domain/table/csv_table.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/schedule/linear.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
namespace table = domain::table;

struct split {
  table::typed_table known, asked;
  std::vector<std::uint8_t> anomalous;  // of asked
};

/// The numeric columns of the rows: every second normal one is known, the others are asked for.
split split_rows(table::typed_table const& all, std::string const& column,
                 std::string const& value) {
  auto const& labels = all.at(table::column_type{column, table::column_kind::category}).labels;
  split out;
  std::vector<std::size_t> known, asked;
  bool turn = false;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    bool const odd = labels[i] == value;
    if (!odd) turn = !turn;
    (!odd && turn ? known : asked).push_back(i);
    if (odd || !turn) out.anomalous.push_back(odd ? 1 : 0);
  }
  auto const rows_of = [&](std::vector<std::size_t> const& rows) {
    std::vector<table::column> columns;
    for (table::column const& c : all.columns()) {
      if (c.type.kind == table::column_kind::category) continue;
      auto& to = columns.emplace_back(table::column{c.type, {}, {}});
      for (std::size_t const i : rows) to.numbers.push_back(c.numbers[i]);
    }
    return table::typed_table(std::move(columns));
  };
  out.known = rows_of(known);
  out.asked = rows_of(asked);
  return out;
}

int run(std::string const& path, std::string const& column, std::string const& value,
        std::vector<std::string> const& missing) {
  auto const rows =
      split_rows(table::read_csv_file(path, {.missing = missing}).table, column, value);
  std::int64_t odd = 0;
  for (std::uint8_t const a : rows.anomalous) odd += a;
  if (odd == 0) detail::fail("no row has '" + value + "' in column '" + column + "'");
  table::per_column<table::codec_options> o;
  o.usual.form = table::numeric_form::standard;
  o.usual.on_missing = table::missing::mean;
  auto const codec = table::table_codec::fit(rows.known, o);
  auto const known = codec.encode(rows.known), asked = codec.encode(rows.asked);
  std::printf("%s: %lld rows known, %lld asked, %lld of them '%s', %lld numbers a row\n",
              path.c_str(), static_cast<long long>(known.rows), static_cast<long long>(asked.rows),
              static_cast<long long>(odd), value.c_str(), static_cast<long long>(known.width));

  exec::threads const exec;
  using namespace analysis::anomaly;
  dte_non_parametric const detector(known.numbers_view(), schedule::linear(300, 1e-4, 1e-2), 5);
  auto const begin = std::chrono::steady_clock::now();
  auto const distance = detector.squared_distances(asked.numbers_view(), exec);
  double const took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  auto const mean = detector.scores(asked.numbers_view(), time_estimate::mean, exec);
  auto const mode = detector.scores(asked.numbers_view(), time_estimate::mode, exec);
  std::printf("AUROC: 5 nearest rows %.4f, posterior mean %.4f, posterior mode %.4f\n",
              analysis::auroc(distance, rows.anomalous), analysis::auroc(mean, rows.anomalous),
              analysis::auroc(mode, rows.anomalous));
  std::printf("%.0f rows a second\n", static_cast<double>(asked.rows) / took);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words, missing;
  bool good = true;
  for (int i = 1; i < argc && good; ++i) {
    if (std::string(argv[i]) != "--missing") {
      words.emplace_back(argv[i]);
    } else if ((good = i + 1 < argc)) {
      missing.emplace_back(argv[++i]);
    }
  }
  if (!good || (!words.empty() && words.size() != 3)) {
    std::fputs(
        "usage: diffx_table_anomaly [DATA.csv COLUMN CATEGORY] [--missing TEXT]\n"
        "TEXT is a field that is a missing cell, the mean here.\n",
        stderr);
    return 2;
  }
  try {
    if (!words.empty()) return run(words[0], words[1], words[2], missing);
    return run(std::string(DIFFX_EXAMPLES_DIR) + "/table/data/diamonds.csv", "cut", "Fair",
               missing);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_table_anomaly: %s\n", e.what());
    return 1;
  }
}
