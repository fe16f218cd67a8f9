// The table example: its trainer, its model files, its measures, and the way from a CSV file to
// another.

#include "../../examples/output_path.hpp"
#include "../../examples/table/learner.hpp"
#include "../../examples/table/model.hpp"
#include "../../examples/table/report.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace diffx;
namespace table = domain::table;
using doctest::Approx;
using doctest::Contains;
using example::engine;

/// Rows where b mostly equals a, and x is 1 for a = "no" and 5 for "yes", in 0.1s.
table::typed_table small_table(std::size_t rows, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<table::label> a, b;
  std::vector<double> x;
  for (std::size_t i = 0; i < rows; ++i) {
    bool const yes = random() % 10 < 3;
    bool const same = random() % 10 < 9;
    a.push_back(yes ? "yes" : "no");
    b.push_back(yes == same ? "up" : random() % 2 == 0 ? "down" : "level");
    x.push_back((yes ? 5.0 : 1.0) + 0.1 * static_cast<double>(random() % 11));
  }
  return table::typed_table({table::category_column("a", a), table::numeric_column("x", x),
                             table::category_column("b", b)});
}

/// The loss of one minibatch and its gradient, in double.
template <class Task>
double loss_of(Task const& task, example::learning_mlp<double>& net,
               std::vector<double> const& weights, std::vector<int> const& labels,
               std::vector<double>* gradient) {
  Eigen::Index const n = 5;
  example::minibatch<double> batch;
  batch.resize(task.features(), n);
  for (Eigen::Index j = 0; j < n; ++j) {
    example::row_random random(7, 3, static_cast<std::uint32_t>(j));
    int const step = 1 + static_cast<int>(j) * 190;
    Eigen::VectorXf time(denoiser::eigen::time_features);
    denoiser::eigen::embed_time(static_cast<double>(step) / task.steps(), time.data());
    batch.time.col(j) = time.cast<double>();
    task.noise(static_cast<std::size_t>(j), step, random, batch.x.col(j).data(),
               batch.target.col(j).data());
  }
  auto const& out = net.forward(weights.data(), batch.x, batch.time, labels);
  Eigen::MatrixXd d_out(out.rows(), out.cols());
  double total = 0.0;
  for (Eigen::Index j = 0; j < n; ++j) {
    total += task.loss(out.col(j).data(), batch.target.col(j).data(), d_out.col(j).data());
  }
  if (gradient != nullptr) net.backward(weights.data(), d_out, gradient->data());
  return total;
}

template <class Task>
void check_gradient(Task const& task) {
  example::mlp_size const size{task.features(), 6, 2, 3};
  example::learning_mlp<double> net(size);
  auto const floats = net.layout().read(denoiser::eigen::random_weights(5, 1.3));
  std::vector<double> weights(floats.begin(), floats.end());
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] += 0.01 * std::sin(3.0 * static_cast<double>(i));
  std::vector<int> const labels{0, 2, -1, 1, 2};
  std::vector<double> gradient(weights.size(), 0.0);
  loss_of(task, net, weights, labels, &gradient);
  double largest = 0.0;
  for (auto const& t : net.layout().tensors()) {
    CAPTURE(t.name);
    for (std::size_t k = 0; k < t.count(); k += 1 + t.count() / 40) {
      std::size_t const i = t.first + k;
      double const h = 1e-5, was = weights[i];
      weights[i] = was + h;
      double const above = loss_of(task, net, weights, labels, nullptr);
      weights[i] = was - h;
      double const below = loss_of(task, net, weights, labels, nullptr);
      weights[i] = was;
      // h^2 of the third derivative, and 1e-16 / h of rounding
      CHECK(gradient[i] == Approx((above - below) / (2.0 * h)).epsilon(1e-6).scale(1.0));
      largest = std::max(largest, std::fabs(gradient[i]));
    }
  }
  CHECK(largest > 1e-2);
}

example::mixed_task mixed_task_of(table::typed_table const& t) {
  auto const codec = example::fit_mixed(t);
  return {codec.encode(t), codec.classes(), example::number_process()};
}
example::bit_task bit_task_of(table::typed_table const& t, int bits) {
  auto const codec = example::fit_bits(t, bits);
  return {codec.encode(t), codec.row_bits(), example::bit_process()};
}

std::string written(std::string const& path, std::string const& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}
std::string bytes_of(std::string const& path) {
  return diffx::detail::read_whole_file("test", path);
}
std::size_t files_in(std::string const& folder) {
  auto const all = std::filesystem::directory_iterator(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class temporary_folder {
 public:
  temporary_folder()
      : path_(std::filesystem::temp_directory_path() /
              ("diffx_table_" + std::to_string(getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
  }
  ~temporary_folder() { std::filesystem::remove_all(path_); }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;

  std::string path() const { return path_.string(); }
  std::string operator/(char const* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

void quiet(example::train_report const&) {}

}  // namespace

TEST_CASE("learning_mlp: the gradient is that of differences, for both losses") {
  auto const t = small_table(20, 1);
  check_gradient(mixed_task_of(t));
  check_gradient(bit_task_of(t, 6));
}

TEST_CASE("learning_mlp: the network of the library, given the same weights") {
  example::mlp_size const size{7, 24, 3, 2};
  example::learning_mlp<float> net(size);
  denoiser::eigen::random_weights const source(3);
  auto const weights = net.layout().read(source);
  constexpr Eigen::Index n = 5;
  Eigen::MatrixXf x(7, n), time(denoiser::eigen::time_features, n);
  for (Eigen::Index i = 0; i < x.size(); ++i) x.data()[i] = std::sin(static_cast<float>(i));
  double const t = 0.371;
  for (Eigen::Index j = 0; j < n; ++j) denoiser::eigen::embed_time(t, time.col(j).data());
  std::vector<int> const labels{1, 0, -1, 1, 0};
  auto const& out = net.forward(weights.data(), x, time, labels);
  denoiser::eigen::mlp<prediction::eps> const library(
      size, example::weight_source{net.layout(), weights}, denoiser::labels(labels));
  std::vector<float> y(static_cast<std::size_t>(x.size()));
  query q;
  q.at.t = t;
  library(exec::host{}, batch_view<float const>{x.data(), n, 7}, q,
          batch_view<float>{y.data(), n, 7});
  for (Eigen::Index i = 0; i < x.size(); ++i) {
    // sums of 24 floats in another order, a dozen layers deep
    CHECK(out.data()[i] == Approx(y[static_cast<std::size_t>(i)]).epsilon(1e-5).scale(1.0));
  }
}

TEST_CASE("tasks: noise has the shares of the process") {
  auto const t = small_table(1, 1);
  auto const bits = bit_task_of(t, 16);
  auto const process = example::bit_process();
  int const width = static_cast<int>(bits.features());
  for (int const step : {1, 300, 1000}) {
    CAPTURE(step);
    double flips = 0.0;
    int const rows = 4000;
    for (int i = 0; i < rows; ++i) {
      std::vector<float> x(static_cast<std::size_t>(width)), target(x.size());
      example::row_random random(9, 1, static_cast<std::uint32_t>(i));
      bits.noise(0, step, random, x.data(), target.data());
      for (std::size_t j = 0; j < x.size(); ++j)
        flips += (x[j] > 0.0f) != (target[j] > 0.5f) ? 1 : 0;
    }
    double const n = static_cast<double>(rows) * width, p = 0.5 * process.at_index(step - 1).sigma;
    CHECK(std::fabs(flips / n - p) < 4.5 * std::sqrt(p * (1.0 - p) / n));  // one in 10^5
  }
  auto const mixed = mixed_task_of(small_table(200, 1));
  auto const level = example::number_process().at_index(400);
  double stays = 0.0, number = 0.0, square = 0.0, n = 0.0, expected = 0.0;
  for (std::uint32_t i = 0; i < 6000; ++i) {
    float x[6], target[6];
    example::row_random random(9, 1, i);
    mixed.noise(i % 200, 401, random, x, target);
    // z = alpha z0 + sigma eps: eps is the target, and (x - sigma eps) / alpha the row's number
    float clean[6], unused[6];
    example::row_random again(8, 1, i);
    mixed.noise(i % 200, 1, again, clean, unused);
    double const sigma = example::number_process().at_index(0).sigma;
    double const z0 = (clean[0] - sigma * unused[0]) / example::number_process().at_index(0).alpha;
    CHECK(std::fabs(x[0] - level.alpha * z0 - level.sigma * target[0]) < 1e-5);
    number += target[0];
    square += target[0] * target[0];
    for (int j = 0; j < 3; ++j) stays += x[3 + j] == 1.0f && target[3 + j] == 1.0f ? 1 : 0;
    n += 1.0;
  }
  double const kept = level.alpha * level.alpha;
  expected = kept + (1.0 - kept) / 3.0;
  CHECK(std::fabs(stays / n - expected) < 4.5 * std::sqrt(expected * (1.0 - expected) / n));
  CHECK(std::fabs(number / n) < 4.5 / std::sqrt(n));
  CHECK(std::fabs(square / n - 1.0) < 4.5 * std::sqrt(2.0 / n));
}

TEST_CASE("trainer: one thread or two, whole or resumed, the same weights") {
  temporary_folder const folder;
  auto const t = small_table(300, 2);
  example::train_wishes w;
  w.hidden = 16;
  w.layers = 1;
  w.steps = 40;
  w.every = 10;
  w.optimiser.batch = 64;
  for (engine const kind : {engine::tabddpm, engine::binary}) {
    w.kind = kind;
    w.bits = 8;
    auto const one = example::train_table(t, w, false, folder / "one", exec::threads{1}, quiet);
    auto const two = example::train_table(t, w, false, folder / "two", exec::threads{2}, quiet);
    CHECK(one.weights == two.weights);
    CHECK(bytes_of(folder / "one") == bytes_of(folder / "two"));
    // Interrupted: the file of an evaluation is what an interruption leaves.
    struct interruption {};
    try {
      example::train_table(t, w, false, folder / "part", exec::threads{1},
                           [&](example::train_report const& r) {
                             if (r.step == 30) throw interruption{};
                           });
      FAIL("not interrupted");
    } catch (interruption const&) {
    }
    CHECK(example::model_file(folder / "part").is_unfinished());
    auto const resumed =
        example::train_table(t, {}, true, folder / "part", exec::threads{2}, quiet);
    CHECK(resumed.weights == one.weights);
    CHECK(files_in(folder.path()) == 3);
    CHECK_THROWS_WITH_AS(
        example::train_table(t, {}, true, folder / "part", exec::threads{1}, quiet),
        Contains("training has ended"), error);
  }
}

TEST_CASE("trainer: the law of a small table is learnt, by both engines") {
  temporary_folder const folder;
  auto const t = small_table(2000, 3);
  example::train_wishes w;
  w.hidden = 48;
  w.layers = 2;
  w.steps = 700;
  w.bits = 6;
  w.optimiser.batch = 128;
  for (engine const kind : {engine::tabddpm, engine::binary}) {
    CAPTURE(example::name_of(kind));
    w.kind = kind;
    std::vector<double> held_out;
    auto const m = example::train_table(t, w, false, folder / "model", exec::threads{2},
                                        [&](auto const& r) { held_out.push_back(r.held_out); });
    CHECK(held_out.back() < held_out.front());
    auto const s = example::sample_table(m, 3000, 50, 4, exec::threads{2});
    CHECK(s.table.rows() == 3000);
    CHECK(s.table.schema() == t.schema());
    int between = 0;  // values that the column does not have
    for (double const v : s.table.at("x").numbers) {
      auto const& known = t.at("x").numbers;
      between += std::find(known.begin(), known.end(), v) == known.end() ? 1 : 0;
    }
    CHECK(between == 0);
    auto const q = example::compare(t, s.table, "a");
    // Between tables of this law the shape error is about 0.01, and 0.3 of one that is not learnt.
    CHECK(1.0 - example::quality::mean(q.shapes) < 0.06);
    CHECK(1.0 - example::quality::mean(q.trends) < 0.09);
    for (auto const& u : q.uses) CHECK(u.synthetic > 0.97 * u.real);
    // Blocks are parts of one stream: the first rows do not depend on how many are asked for, and
    // no block repeats another.
    auto const few = example::sample_table(m, 5, 50, 4, exec::threads{1});
    auto const more = example::sample_table(m, 4200, 3, 4, exec::threads{2});
    int repeated = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(few.table.at("a").labels[i] == s.table.at("a").labels[i]);
    }
    for (std::size_t i = 0; i < 100; ++i) {
      auto const& x = more.table.at("x").numbers;
      repeated += x[i] == x[i + 4096] ? 1 : 0;
    }
    CHECK(repeated < 60);
  }
}

TEST_CASE("from a CSV file to another: dates, quotes and missing cells") {
  temporary_folder const folder;
  std::string text = "day,\"name, full\",n\n";
  for (int i = 0; i < 120; ++i) {
    text += "2024-0" + std::to_string(1 + i % 9) + "-1" + std::to_string(i % 10) + ",";
    text += i % 7 == 0 ? "," : i % 2 == 0 ? "\"a, \"\"b\"\"\"," : "c,";
    text += (i % 11 == 0 ? "" : std::to_string(i % 13)) + "\n";
  }
  auto const in = table::read_csv_file(written(folder / "in.csv", text));
  CHECK(in.table.at("day").type.kind == table::column_kind::date);
  example::train_wishes w;
  w.hidden = 8;
  w.layers = 1;
  w.steps = 20;
  w.optimiser.batch = 16;
  example::train_table(in.table, w, false, folder / "m", exec::threads{1}, quiet);
  auto const m = example::model_file(folder / "m").model();
  auto const s = example::sample_table(m, 30, 20, 1, exec::threads{1});
  table::write_csv_file(folder / "out.csv", s.table);
  auto const out =
      table::read_csv_file(folder / "out.csv", {.types = in.table.schema(), .exact = true});
  CHECK(out.table.rows() == 30);
  std::size_t missing = 0;
  for (std::size_t i = 0; i < 30; ++i) {
    auto const& label = out.table.at("name, full").labels[i];
    bool const known = !label || *label == "a, \"b\"" || *label == "c";
    CHECK(known);
    double const n = out.table.at("n").numbers[i];
    missing += std::isnan(n) ? 1 : 0;
    bool const in_range = std::isnan(n) || (n >= 0.0 && n <= 12.0 && n == std::floor(n));
    CHECK(in_range);
  }
  CHECK(missing < 30);
  CHECK(files_in(folder.path()) == 3);
}

TEST_CASE("tables of numbers alone, of categories alone, and with missing cells") {
  temporary_folder const folder;
  auto const t = small_table(200, 4);
  example::train_wishes w;
  w.hidden = 8;
  w.layers = 1;
  w.steps = 5;
  w.optimiser.batch = 16;
  auto x = t.at("x").numbers;
  auto b = t.at("b").labels;
  for (std::size_t i = 0; i < x.size(); i += 3) {
    x[i] = NAN;
    b[i] = std::nullopt;
  }
  for (auto const& columns :
       {std::vector{t.at("x")}, std::vector{t.at("a"), t.at("b")},
        std::vector{table::numeric_column("x", x), table::category_column("b", b)}}) {
    table::typed_table const of(columns);
    auto const m = example::train_table(of, w, false, folder / "m", exec::threads{1}, quiet);
    auto const s = example::sample_table(m, 40, 10, 1, exec::threads{1});
    CHECK(s.table.rows() == 40);
    CHECK(s.table.schema() == of.schema());
    CHECK(example::compare(of, s.table, "").shapes.size() >= columns.size());
    if (columns.size() == 2 && columns[0].type.name == "x") {
      CHECK_THROWS_WITH_AS(example::compare(of, s.table, "x"), Contains("missing cells"), error);
    }
  }
  w.kind = engine::binary;
  table::typed_table const holes({table::numeric_column("x", x)});
  auto const m = example::train_table(holes, w, false, folder / "m", exec::threads{1}, quiet);
  auto const s = example::sample_table(m, 40, 10, 1, exec::threads{1});
  auto const& made = s.table.at("x").numbers;
  auto const gone = std::count_if(made.begin(), made.end(), [](double v) { return std::isnan(v); });
  CHECK(gone > 0);
  CHECK(gone < 40);
}

TEST_CASE("a label is told to the network, drawn as often as it was, and stands where it stood") {
  temporary_folder const folder;
  auto const whole = small_table(1500, 5);
  table::typed_table const t({whole.at("x"), whole.at("a")});
  example::train_wishes w;
  w.label = "a";
  w.hidden = 32;
  w.layers = 1;
  w.steps = 400;
  w.bits = 6;
  w.optimiser.batch = 128;
  for (engine const kind : {engine::tabddpm, engine::binary}) {
    CAPTURE(example::name_of(kind));
    w.kind = kind;
    example::train_table(t, w, false, folder / "m", exec::threads{1}, quiet);
    auto const m = example::model_file(folder / "m").model();
    CHECK(m.size.classes == 2);
    auto const s = example::sample_table(m, 2000, 40, 3, exec::threads{2});
    CHECK(s.table.schema() == t.schema());
    double yes = 0.0, right = 0.0;
    for (std::size_t i = 0; i < 2000; ++i) {
      bool const is = s.table.at("a").labels[i] == "yes";
      yes += is ? 1.0 : 0.0;
      right += (s.table.at("x").numbers[i] > 3.5) == is ? 1.0 : 0.0;
    }
    CHECK(std::fabs(yes / 2000.0 - 0.3) < 0.07);  // 0.3 +- 0.014 of both tables, 3.5 deviations
    CHECK(right / 2000.0 > 0.9);                  // chance: 0.58
    auto const even = example::sample_table(m, 2000, 10, 3, exec::threads{2}, true);
    double const half = static_cast<double>(
        std::count(even.table.at("a").labels.begin(), even.table.at("a").labels.end(), "yes"));
    CHECK(std::fabs(half / 2000.0 - 0.5) < 0.05);  // 4.5 deviations of 0.011
  }
  w.label = "x";
  CHECK_THROWS_WITH_AS(example::train_table(t, w, false, folder / "n", exec::threads{1}, quiet),
                       Contains("must be category"), error);
  w.label = "z";
  CHECK_THROWS_WITH_AS(example::train_table(t, w, false, folder / "n", exec::threads{1}, quiet),
                       Contains("no such column"), error);
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("rows that are balanced need a label") {
  temporary_folder const folder;
  example::train_wishes w;
  w.steps = 4;
  w.hidden = 8;
  w.optimiser.batch = 16;
  auto const m =
      example::train_table(small_table(100, 1), w, false, folder / "m", exec::threads{1}, quiet);
  CHECK_THROWS_WITH_AS(example::sample_table(m, 1, 10, 1, exec::threads{1}, true),
                       Contains("needs a model that was trained with a label"), error);
}

TEST_CASE("errors leave no file and change none") {
  temporary_folder const folder;
  example::train_wishes w;
  w.steps = 4;
  w.hidden = 8;
  w.optimiser.batch = 16;
  auto const learn = [&](table::typed_table const& t, example::train_wishes const& wishes) {
    return example::train_table(t, wishes, false, folder / "m", exec::threads{1}, quiet);
  };
  CHECK_THROWS_WITH_AS(learn(small_table(2, 1), w), Contains("rows of the table = 2"), error);
  auto wild = w;
  wild.optimiser.rate = 1e30;
  CHECK_THROWS_WITH_AS(learn(small_table(100, 1), wild), Contains("is not finite"), error);
  wild.optimiser.rate = -1.0;
  CHECK_THROWS_WITH_AS(learn(small_table(100, 1), wild), Contains("rate = -1"), error);
  wild = w;
  wild.optimiser.batch = 1;
  CHECK_THROWS_WITH_AS(learn(small_table(100, 1), wild), Contains("batch = 1"), error);
  CHECK(files_in(folder.path()) == 0);

  auto const m = learn(small_table(100, 1), w);
  auto const whole = bytes_of(folder / "m");
  CHECK_THROWS_AS(example::sample_table(m, 0, 10, 1, exec::threads{1}), error);
  CHECK_THROWS_WITH_AS(example::sample_table(m, 1, 1001, 1, exec::threads{1}),
                       Contains("steps = 1001"), error);
  std::vector<std::size_t> cuts{0, 4, whole.size() / 2, whole.size() - 1};
  for (std::size_t cut = 1; cut < whole.size(); cut += 97) cuts.push_back(cut);
  for (std::size_t const cut : cuts) {
    CHECK_THROWS_AS(example::model_file(written(folder / "cut", whole.substr(0, cut))).model(),
                    error);
  }
  auto other = whole;
  other.replace(other.find("tabddpm"), 7, "tabnone");
  CHECK_THROWS_WITH_AS(example::model_file(written(folder / "cut", other)).model(),
                       Contains("engine 'tabnone'"), error);
  other = whole;
  other.replace(other.find("\"batch\":\"16\""), 12, "\"batch\":\"x6\"");
  CHECK_THROWS_WITH_AS(example::model_file(written(folder / "cut", other)).model(),
                       Contains("batch is 'x6'"), error);
  CHECK(bytes_of(folder / "m") == whole);

  // A model goes on with its own table only.
  auto longer = w;
  longer.every = 2;
  try {
    example::train_table(small_table(100, 1), longer, false, folder / "part", exec::threads{1},
                         [](auto const& r) {
                           if (r.step == 4) throw 1;
                         });
  } catch (int) {
  }
  auto const before = bytes_of(folder / "part");
  CHECK_THROWS_WITH_AS(
      example::train_table(small_table(100, 2), {}, true, folder / "part", exec::threads{1}, quiet),
      Contains("trained on another table"), error);
  CHECK(bytes_of(folder / "part") == before);
}

TEST_CASE("a column of names is refused before training, a path that is none before work") {
  temporary_folder const folder;
  std::vector<table::label> names;
  std::vector<double> x;
  for (int i = 0; i < 1'000'000; ++i) {
    names.emplace_back("row " + std::to_string(i));
    x.push_back(i % 7);
  }
  table::typed_table const t({table::numeric_column("x", x), table::category_column("who", names)});
  CHECK_THROWS_WITH_AS(example::train_table(t, {}, false, folder / "m", exec::threads{1}, quiet),
                       Contains("categories of column 'who' = 1000000, must be at most 4096"),
                       error);
  CHECK(files_in(folder.path()) == 0);
  names.assign(names.size(), table::label("one"));
  for (std::size_t i = 0; i < example::most_categories; ++i) names[i] = "row " + std::to_string(i);
  CHECK_THROWS_AS(
      example::refuse_identifiers(table::typed_table({table::category_column("who", names)})),
      error);
  names[0] = "row 1";
  CHECK_NOTHROW(
      example::refuse_identifiers(table::typed_table({table::category_column("who", names)})));

  written(folder / "out.csv.probe0", "somebody's");
  CHECK_NOTHROW(example::require_writable(folder / "out.csv"));
  CHECK(bytes_of(folder / "out.csv.probe0") == "somebody's");
  CHECK(files_in(folder.path()) == 1);
  CHECK_THROWS_WITH_AS(example::require_writable(folder / "no" + "/out.csv"),
                       Contains("out.csv' cannot be written"), error);
  CHECK_THROWS_WITH_AS(example::require_writable(folder.path()), Contains("it is a folder"), error);
}

TEST_CASE("compare: cells that only the synthetic table lacks are a difference") {
  std::vector<double> a, holes;
  for (int i = 0; i < 500; ++i) {
    a.push_back(1.0 * (i % 20));
    holes.push_back(i % 4 == 0 ? NAN : 1.0 * (i % 20));
  }
  auto const real = table::typed_table({table::numeric_column("a", a)});
  auto const q =
      example::compare(real, table::typed_table({table::numeric_column("a", holes)}), "");
  CHECK(q.shapes.size() == 2);
  CHECK(q.shapes[1].name == "a is missing");
  CHECK(q.shapes[1].value == 0.75);
  auto const none =
      table::typed_table({table::numeric_column("a", std::vector<double>(500, std::nan("")))});
  auto const empty = example::compare(real, none, "");
  CHECK(empty.shapes[0].value == 0.0);
  CHECK(empty.shapes[1].value == 0.0);
}

TEST_CASE("patience ends training at a loss that does not fall") {
  temporary_folder const folder;
  example::train_wishes w;
  w.steps = 1000;
  w.hidden = 4;
  w.layers = 0;
  w.every = 1;
  w.patience = 3;
  w.optimiser.batch = 4;
  w.optimiser.rate = 0.5;
  std::int64_t last = 0;
  double best = 0.0;
  example::train_table(small_table(60, 1), w, false, folder / "m", exec::threads{1},
                       [&](auto const& r) {
                         last = r.step;
                         best = r.best;
                         CHECK(r.best <= r.held_out);
                       });
  CHECK(last < 1000);
  CHECK(best < 10.0);
}

TEST_CASE("weights_file: what safetensors reads") {
  temporary_folder const folder;
  example::weights_file f;
  std::string const odd = "a \"quoted\" \\ line\nand\ttab \x01 \xC3\xA9";
  f.text("note", odd);
  std::vector<float> const v{1.0f, -2.5f, 3e-40f, 4.0f, 5.0f, 6.0f};
  f.tensor("m", {2, 3}, v);
  f.tensor("v", {6}, v);
  f.save(folder / "f");
  denoiser::eigen::safetensors const in(folder / "f");
  CHECK(in.metadata("note") == odd);
  auto const m = in.tensor("m", {2, 3});
  CHECK(std::vector<float>(m.begin(), m.end()) == v);
  CHECK(in.tensor("v", {6})[5] == 6.0f);
}

TEST_CASE("learners: closed forms") {
  Eigen::MatrixXd x(3, 2);
  x << 1, 0, 0, 1, 1, 1;
  Eigen::VectorXd y(3);
  y << 1, 2, 4;
  // (X'X + I) w = X'y: [3 1; 1 3] w = [5; 6]
  auto const w = example::ridge(x, y);
  CHECK(w[0] == Approx(9.0 / 8.0));
  CHECK(w[1] == Approx(13.0 / 8.0));
  CHECK(example::r2(y, y) == 1.0);
  CHECK(example::r2(y, Eigen::VectorXd::Constant(3, 7.0 / 3.0)) == Approx(0.0));
  // At the optimum the slope of the penalised loss is 0.
  Eigen::MatrixXd f(6, 2);
  f << 1, -2, 1, -1, 1, 0.5, 1, 1, 1, 2, 1, 0;
  Eigen::VectorXd c(6);
  c << 0, 0, 1, 0, 1, 1;
  auto const l = example::logistic(f, c, 0.5);
  Eigen::VectorXd const p = (1.0 + (-(f * l).array()).exp()).inverse();
  CHECK((f.transpose() * (p - c) + 0.5 * l).norm() < 1e-6);
  Eigen::VectorXd score(6);
  score << 1, 2, 2, 3, 5, 4;
  // of 9 pairs: (1: 3 below), (2 ties with one, above one, below one)... by hand: 7.5
  CHECK(example::auc(c, score) == Approx(7.5 / 9.0));
  CHECK(example::auc(Eigen::VectorXd::Ones(6), score) == 0.5);
}

TEST_CASE("features_of: standardised as fitted, categories one-hot, new labels none") {
  table::typed_table const t({table::numeric_column("x", {1, 3, NAN}),
                              table::category_column("c", {"a", "b", std::nullopt}),
                              table::numeric_column("y", {0, 0, 0})});
  example::features_of const f(t, "y");
  auto const m = f(t);
  CHECK(m.cols() == 2 + 3 + 1);
  CHECK(m(0, 0) == Approx(-1.0));
  CHECK(m(2, 0) == 0.0);
  CHECK(m(2, 1) == 1.0);
  CHECK(m.block(0, 2, 3, 3).sum() == 3.0);
  table::typed_table const other({table::numeric_column("x", {3}),
                                  table::category_column("c", {"new"}),
                                  table::numeric_column("y", {0})});
  CHECK(f(other)(0, 0) == Approx(1.0));
  CHECK(f(other).block(0, 2, 1, 3).sum() == 0.0);
  CHECK(example::features_of(t, "y", 7)(t).cols() == 6 + 7);
}

TEST_CASE("compare: a copier is found out, fresh rows are not") {
  std::mt19937 random(8);
  std::normal_distribution<double> normal;
  std::vector<double> a, b, fresh_a, fresh_b;
  for (int i = 0; i < 2000; ++i) {
    a.push_back(normal(random));
    b.push_back(a.back() + normal(random));
    fresh_a.push_back(normal(random));
    fresh_b.push_back(fresh_a.back() + normal(random));
  }
  auto const table_of = [](auto const& x, auto const& y) {
    return table::typed_table({table::numeric_column("a", x), table::numeric_column("b", y)});
  };
  auto const real = table_of(a, b);
  auto const fresh = example::compare(real, table_of(fresh_a, fresh_b), "b");
  CHECK(std::fabs(fresh.kept.closer - 0.5) < 4.0 * fresh.kept.standard_error);
  CHECK(fresh.kept.copies == 0.0);
  CHECK(std::fabs(fresh.kept.membership - 0.5) < 0.08);  // 4.5 deviations of 400 rows each
  CHECK(fresh.kept.median > 0.0);
  for (auto const& u : fresh.uses) CHECK(u.synthetic > 0.97 * u.real);
  auto const learnt = example::rows_of(real.rows(), example::part::training);
  auto const copy = example::compare(real, example::take(real, learnt), "");
  CHECK(copy.uses.empty());
  CHECK(copy.kept.copies == 1.0);
  CHECK(copy.kept.membership > 0.99);
  CHECK(copy.kept.real_copies == 0.0);
  // The nearest rows are looked for among as many training rows as there are test rows.
  CHECK(copy.kept.closer > 0.6);
  // Columns that are shuffled keep their shape and lose their trend.
  auto shuffled = b;
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  auto const broken = example::compare(real, table_of(a, shuffled), "b");
  CHECK(example::quality::mean(broken.shapes) == 1.0);
  CHECK(example::quality::mean(broken.trends) < 0.7);
  CHECK(broken.uses[0].synthetic < 0.1);
}
