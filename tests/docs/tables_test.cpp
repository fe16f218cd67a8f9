// The programs of docs/tables.md.

#include <diffx/analysis/anomaly.hpp>
#include <diffx/analysis/auroc.hpp>
#include <diffx/analysis/table_quality.hpp>
#include <diffx/domain/table/csv_table.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/schedule/linear.hpp>

#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

using namespace diffx;

TEST_CASE("the page of tables") {
  auto const folder = std::filesystem::temp_directory_path();
  std::string const path =
      (folder / ("diffx_tables_" + std::to_string(getpid()) + ".csv")).string();
  std::string const model = path + ".codec";
  detail::write_whole_file("test", path, "age,sex,pay\n30,f,1.5\n41,m,NA\n30,f,2\n");

  namespace table = domain::table;
  auto const in = table::read_csv_file(path, {.missing = {"NA"}});
  for (auto const& c : in.report) {
    std::printf("%s: %s, %lld missing %s\n", c.type.name.c_str(),
                std::string(table::name_of(c.type.kind)).c_str(), static_cast<long long>(c.missing),
                c.reason.c_str());
  }

  table::per_column<table::codec_options> o;
  o.usual.on_missing = table::missing::mean;
  o.of.push_back({"sex", {.categories = {.order = table::category_order::first_appearance}}});
  auto const codec = table::table_codec::fit(in.table, o);
  codec.save(model);

  auto const rows = codec.encode(in.table);  // numbers [rows, width], codes [rows, columns]
  table::one_hot const shown(codec.classes(), table::class_view::log_one_hot);  // for the network

  auto const out = codec.decode(rows.numbers_view(), rows.codes_view());
  table::write_csv_file(path, out.table);

  auto const& real = in.table.at("age").numbers;
  double const shape = analysis::ks_complement(real, out.table.at("age").numbers);

  CHECK(shape == 1.0);
  CHECK(shown.width() == 2);
  CHECK(out.invalid == 0);
  CHECK(out.table.at("sex").labels == in.table.at("sex").labels);
  CHECK(table::table_codec::load(model).to_text() == codec.to_text());
  std::filesystem::remove(path);
  std::filesystem::remove(model);
}

TEST_CASE("the page of tables: anomalies") {
  namespace table = domain::table;
  std::string text = "a,b,c\n";
  for (int i = 0; i < 40; ++i) {
    text +=
        std::to_string(i % 7) + "," + std::to_string(i % 5) + "," + std::to_string(i % 3) + "\n";
  }
  table::per_column<table::codec_options> o;
  o.usual.form = table::numeric_form::standard;
  auto const all = table::read_csv(text + "40,-30,90\n").table;
  auto const codec = table::table_codec::fit(table::read_csv(text).table, o);
  auto const known = codec.encode(table::read_csv(text).table), asked = codec.encode(all);
  std::vector<std::uint8_t> labels(41, 0);
  labels.back() = 1;

  using namespace diffx::analysis;
  anomaly::dte_non_parametric const detector(known.numbers_view(),
                                             schedule::linear(300, 1e-4, 1e-2), /*k=*/5);
  std::vector<double> const scores = detector.scores(asked.numbers_view());
  double const quality = auroc(scores, labels);  // labels: 0 for a normal row

  CHECK(quality == 1.0);
}
