// The programs of docs/tables.md.

#include <diffx/analysis/table_quality.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/domain/table/csv_table.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/domain/table/valid_rows.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/recipe/tabddpm.hpp>
#include <diffx/solver/repaint.hpp>

#include <cstdio>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>
#include <tuple>
#include <unistd.h>
#include <vector>

using namespace diffx;

namespace {

/// Knows nothing: numbers are normal, and every class is as likely as any other.
struct untrained {
  void run(batch_view<float const> z, batch_view<int const>, double step, batch_view<float> eps,
           batch_view<float> logits) const {
    CHECK(step >= 0.0);
    for (std::int64_t i = 0; i < z.size(); ++i) eps.data[i] = z.data[i];
    for (std::int64_t i = 0; i < logits.size(); ++i) logits.data[i] = 0.0F;
  }
};

}  // namespace

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

  untrained const net;

  exec::threads const exec;
  auto const s = recipe::tabddpm(codec.classes());
  using said = prediction::product<prediction::eps, prediction::x0_posterior<>>;
  auto const network =
      denoiser::predicts<said>([&](auto const&, auto const& x, query const& q, auto const& answer) {
        net.run(std::get<0>(x), std::get<1>(x), q.at.timestep, std::get<0>(answer),
                std::get<1>(answer));
      });
  auto const steps = grid::timesteps(std::get<0>(s.process.parts), grid::index::strided(1000, 100));
  auto const made = table::draw_valid_rows(200, [&](int round, std::int64_t n) {
    std::vector<float> numbers(static_cast<std::size_t>(n * rows.width));
    std::vector<int> codes(static_cast<std::size_t>(n * rows.columns));
    batch_view<float> const z{numbers.data(), n, rows.width};
    batch_view<int> const c{codes.data(), n, rows.columns};
    s.sample(exec, network, steps, std::tuple{z, c},
             options{noise::counted{7}.fork(static_cast<std::uint64_t>(round))});
    return codec.decode(batch_view<float const>{z.data, n, rows.width},
                        batch_view<int const>{c.data, n, rows.columns});
  });
  std::printf("%lld of %lld rows were dropped\n", static_cast<long long>(made.rejected),
              static_cast<long long>(made.drawn));

  std::int64_t const n = 3;
  std::vector<float> z_known(6, 0.5F), numbers(6);
  std::vector<int> c_known(3, 1), codes(3);
  std::vector<unsigned char> z_mask{1, 0, 1, 1, 0, 0}, c_mask{0, 1, 1};
  batch_view<float> const z{numbers.data(), n, rows.width};
  batch_view<int> const c{codes.data(), n, rows.columns};
  detail::workspace const memory(s.workspace_size(exec, network, std::tuple{z, c}));

  auto run = s.start(exec, network, steps, std::tuple{z, c}, memory.span());
  solver::repaint{.jump_length = 1, .samples = 5}.finish(
      run, std::tuple{solver::known_region<float>{z_known.data(), z_mask.data()},
                      solver::known_region<int>{c_known.data(), c_mask.data()}});

  CHECK(made.table.rows() == 200);
  CHECK(numbers[0] == 0.5F);
  CHECK(numbers[1] != 0.5F);
  CHECK(numbers[2] == 0.5F);
  CHECK(codes[1] == 1);
  CHECK(codes[2] == 1);

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
