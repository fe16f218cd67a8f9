// The programs of docs/tables.md.

#include <diffx/analysis/anomaly.hpp>
#include <diffx/analysis/auroc.hpp>
#include <diffx/analysis/relational_quality.hpp>
#include <diffx/analysis/table_quality.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/domain/relational/assemble.hpp>
#include <diffx/domain/relational/block_structure.hpp>
#include <diffx/domain/relational/csv_database.hpp>
#include <diffx/domain/relational/generate.hpp>
#include <diffx/domain/relational/joint_sweep.hpp>
#include <diffx/domain/table/csv_table.hpp>
#include <diffx/domain/table/fixed_binary.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/domain/table/valid_rows.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/recipe/tabddpm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/bounded_mask_power.hpp>
#include <diffx/schedule/learned_exponent.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/schedule/sigma_power.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/churn.hpp>
#include <diffx/solver/class_churn.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/repaint.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
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

/// What training of a table of two numbers and two categories left.
struct exponents {
  std::vector<double> numbers{0.3, -1.2}, categories{0.1, 2.0};
};

TEST_CASE("docs/tables.md: a schedule of each column") {
  exponents const learned;
  std::vector<int> const classes{2, 4};
  using number = process::edm_of<schedule::sigma_power>;
  using category = process::absorbing<schedule::bounded_mask_power>;
  std::vector<number> numbers;
  for (double const raw : learned.numbers) {
    numbers.emplace_back(schedule::sigma_power{.rho = schedule::learned_exponent(raw, 5.0)});
  }
  std::vector<category> categories;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    double const power = schedule::learned_exponent(learned.categories[c], 1.0);
    categories.emplace_back(classes[c], classes[c], schedule::bounded_mask_power{power});
  }
  process::columns const of_numbers(numbers);
  solver::churn_amount const put_back{.churn = 1.0, .to = 79.0};
  sampler const tabdiff{process::product{std::tuple{of_numbers, process::columns(categories)}},
                        solver::product{std::tuple{solver::churn<solver::euler>{{}, put_back},
                                                   solver::class_churn(of_numbers, put_back)}}};
  auto const times = grid::uniform_t(of_numbers, 50, {1.0, 0.0, grid::end_point::none});
  constexpr std::int64_t n = 40;
  std::vector<float> z(2 * n);
  std::vector<int> c(2 * n);
  using said = prediction::product<prediction::edm, prediction::x0_posterior<>>;
  auto const network =
      denoiser::predicts<said>([](auto const&, auto const&, query const& q, auto const& answer) {
        CHECK(q.at.t > 0.0);
        auto const &numbers_out = std::get<0>(answer), &logits = std::get<1>(answer);
        for (std::int64_t i = 0; i < numbers_out.size(); ++i) numbers_out.data[i] = 0.0F;
        for (std::int64_t i = 0; i < logits.size(); ++i) logits.data[i] = 0.0F;
      });
  tabdiff.sample(exec::host{}, network, times,
                 std::tuple{batch_view<float>{z.data(), n, 2}, batch_view<int>{c.data(), n, 2}});
  for (float const v : z) CHECK(std::isfinite(v));
  for (std::size_t i = 0; i < c.size(); ++i) CHECK((c[i] >= 0 && c[i] < classes[i % 2]));
}

TEST_CASE("the page of tables: databases") {
  std::string const folder =
      (std::filesystem::temp_directory_path() / ("diffx_shop_" + std::to_string(getpid())))
          .string();
  std::filesystem::create_directory(folder);
  detail::write_whole_file("test", folder + "/person.csv", "id,age\n7,30\n9,41\n8,62\n");
  detail::write_whole_file("test", folder + "/order.csv",
                           "id,person,sum\n1,9,10.5\n2,9,11\n3,9,9\n4,7,300\n5,7,310\n");

  namespace relational = domain::relational;
  relational::schema const s({
      {.name = "person", .columns = {{"id"}, {"age"}}, .primary_key = "id"},
      {.name = "order",
       .columns = {{"id"}, {"person"}, {"sum"}},
       .primary_key = "id",
       .foreign_keys = {{.column = "person", .parent = "person"}}},
  });
  auto const shop = relational::read_database(s, folder);  // person.csv, order.csv

  auto const& seen = shop;
  auto const& known = s;
  std::vector<relational::group_labels> fitted;
  // Rows of the real tables, those of the label.
  auto const some_of = [&](char const* table_name, char const* column, auto const& labels_of,
                           relational::row_request const& q, bool as_asked) {
    relational::draws const random(q.seed, relational::purpose::rows, 0);
    auto const& numbers = seen.at(table_name).at(column).numbers;
    std::vector<double> x;
    relational::sampled_rows out;
    if (!known.below(known.index(table_name)).empty()) out.labels.emplace_back();
    for (std::int64_t i = 0; i < q.rows(); ++i) {
      std::size_t row = 0;
      std::int64_t attempt = 0;
      do {
        row = static_cast<std::size_t>(
            random.below(static_cast<std::int64_t>(numbers.size()), i, attempt++));
      } while (as_asked && labels_of[row] != q.labels[static_cast<std::size_t>(i)]);
      x.push_back(numbers[row]);
      for (auto& l : out.labels) l.push_back(labels_of[row]);
    }
    out.features = relational::table::typed_table({relational::table::numeric_column(column, x)});
    return out;
  };
  auto const some_persons = [&](relational::row_request const& q) {
    return some_of("person", "age", fitted[0].parent, q, false);
  };
  auto const some_orders = [&](relational::row_request const& q) {
    return some_of("order", "sum", fitted[0].child, q, true);
  };
  fitted.push_back(relational::label_groups(shop, 0));

  auto const labels = relational::label_groups(shop);  // of every relation

  relational::generation g;
  g.root_rows = {{"person", 1000}};
  g.relations = {labels[0]->model};
  auto const made = relational::generate(s, g, [&](relational::row_request const& q) {
    return q.table == "person" ? some_persons(q) : some_orders(q);  // q.rows() of them
  });
  relational::write_database(folder + "_made", made.data);

  CHECK(relational::read_database(s, folder + "_made").at("person").rows() == 1000);
  CHECK(made.report[0].unknown_labels == 0);

  process::vp const process;
  sampler const sampler_p{process, solver::dpmpp_2m{}}, sampler_o = sampler_p;
  auto const levels = grid::uniform_t(process, 4);
  auto const zero = denoiser::predicts<prediction::x0>(
      [](auto const&, auto const&, query const&, auto const& out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.0f;
      });
  auto const network_p = zero, network_o = zero;
  std::vector<float> numbers_p(1000), numbers_o(2500);
  batch_view<float> const x_p{numbers_p.data(), 1000, 1}, x_o{numbers_o.data(), 2500, 1};
  detail::workspace const memory_p(sampler_p.workspace_size(exec::host{}, network_p, x_p));
  detail::workspace const memory_o(sampler_o.workspace_size(exec::host{}, network_o, x_o));
  auto const column = [](char const* name, batch_view<float> x) {
    return relational::table::typed_table(
        {relational::table::numeric_column(name, std::vector<double>(x.data, x.data + x.size()))});
  };
  auto const ages = [&](batch_view<float> x) { return column("age", x); };
  auto const sums = [&](batch_view<float> x) { return column("sum", x); };

  auto const real = relational::structure_of(shop);
  relational::block_structure const model(s, real, relational::degree_blocks(s, real));
  auto const keys = model.draw({1000, 2500}, 7).result;  // keys.links[0]: the person of every order

  relational::snapshot<float> persons, orders;  // the networks hold references to them
  auto run_p = sampler_p.start(exec::host{}, network_p, levels, x_p, memory_p.span());
  auto run_o = sampler_o.start(exec::host{}, network_o, levels, x_o, memory_o.span());
  relational::joint_sweep sweep{relational::swept{run_p, persons},
                                relational::swept{run_o, orders}};
  sweep.finish();
  auto const joint = relational::assemble(s, {ages(x_p), sums(x_o)}, keys.rows, keys.links);

  double const kept = analysis::k_hop_trend(shop, made.data, 1);

  CHECK(relational::check_integrity(joint).empty());
  CHECK(kept > 0.8);
  std::filesystem::remove_all(folder);
  std::filesystem::remove_all(folder + "_made");
}
