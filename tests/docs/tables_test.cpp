// The programs of docs/tables.md.

#include <diffx/analysis/table_quality.hpp>
#include <diffx/domain/table/csv_table.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/table_codec.hpp>

#include <cstdio>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>
#include <unistd.h>

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
