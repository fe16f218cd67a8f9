// The programs of docs/tables.md.

#include <diffx/analysis/table_quality.hpp>
#include <diffx/domain/table/csv_table.hpp>
#include <diffx/domain/table/fixed_binary.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include <cmath>
#include <cstddef>
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

namespace {

/// Knows one row, whatever it sees.
struct one_row {
  std::vector<std::uint8_t> bits;
  diffx::prediction::x0_posterior<> prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, query const&, Out const& out) const {
    for (std::int64_t i = 0; i < out.size(); ++i) {
      bool const one = bits[static_cast<std::size_t>(i % out.features)] != 0;
      out.data[i] = one ? HUGE_VALF : -HUGE_VALF;
    }
  }
};

}  // namespace

TEST_CASE("the page of tables: bits") {
  namespace table = domain::table;
  table::typed_table const people(
      {{{.name = "age", .kind = table::column_kind::numeric}, {30.0, 41.0, 52.0}, {}},
       {{.name = "sex", .kind = table::column_kind::category}, {}, {"f", "m", "f"}}});
  constexpr std::int64_t rows = 5;
  std::vector<std::uint8_t> known = table::fixed_binary::fit(people).encode(people);
  one_row const network{{known.begin() + 33, known.begin() + 66}};

  auto const codec = table::fixed_binary::fit(people);
  std::int64_t const bits = codec.row_bits(), words = table::words_for<std::uint32_t>(bits);
  process::xor_packed const process(schedule::flip_quadratic(1000, 1e-3), bits);
  std::vector<std::uint32_t> x(static_cast<std::size_t>(rows * words));
  sampler{process, solver::ancestral{}}.sample(
      exec::threads{}, network, grid::timesteps(process, grid::index::strided(1000, 50)),
      batch_view<std::uint32_t>{x.data(), rows, words});

  auto const made = codec.decode(table::unpack_bits(x, bits));

  CHECK(bits == 33);
  CHECK(made.invalid == 0);
  CHECK(made.table.at("age").numbers == std::vector<double>(5, 41.0));
  CHECK(made.table.at("sex").labels == std::vector<table::label>(5, "m"));
}
