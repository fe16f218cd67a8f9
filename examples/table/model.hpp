#pragma once

// A trained table in one file, and what both engines make of a table: rows to learn from, and rows
// that were sampled.

#include <diffx/denoiser/bit_logits.hpp>
#include <diffx/denoiser/eigen/mlp.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/domain/table/class_labels.hpp>
#include <diffx/domain/table/csv_table.hpp>
#include <diffx/domain/table/fixed_binary.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/domain/table/valid_rows.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/recipe/tabddpm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddpm.hpp>

#include "network.hpp"
#include "networks.hpp"
#include "tasks.hpp"
#include "trainer.hpp"
#include "weights_file.hpp"
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

namespace example {

namespace table = diffx::domain::table;

enum class engine { tabddpm, binary };

inline std::string name_of(engine e) { return e == engine::tabddpm ? "tabddpm" : "binary"; }

inline engine engine_of(std::string_view name) {
  if (name == "tabddpm") return engine::tabddpm;
  if (name == "binary") return engine::binary;
  diffx::detail::fail("engine '" + std::string(name) + "', must be tabddpm or binary");
}

// ------------------------------------------------------------------------------------------ rows

/// Which rows are for what: by their number alone, so that a report knows what training never saw.
enum class part { training, validation, test };

inline part part_of(std::size_t row) {
  row_random random(0x7AB1E5u, 0, static_cast<std::uint32_t>(row));
  double const u = random.uniform();
  return u < 0.2 ? part::test : u < 0.28 ? part::validation : part::training;
}

inline std::vector<std::size_t> rows_of(std::size_t rows, part which) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < rows; ++i) {
    if (part_of(i) == which) out.push_back(i);
  }
  return out;
}

/// These rows of a table, in this order.
inline table::typed_table take(table::typed_table const& t, std::span<std::size_t const> rows) {
  std::vector<table::column> columns;
  for (auto const& c : t.columns()) {
    table::column to{c.type, {}, {}};
    for (std::size_t const i : rows) {
      if (c.type.kind == table::column_kind::category) {
        to.labels.push_back(c.labels[i]);
      } else {
        to.numbers.push_back(c.numbers[i]);
      }
    }
    columns.push_back(std::move(to));
  }
  std::vector<std::int64_t> lines;
  if (!t.lines().empty()) {
    for (std::size_t const i : rows) lines.push_back(t.lines()[i]);
  }
  return table::typed_table(std::move(columns), std::move(lines));
}

// ---------------------------------------------------------------------------------------- codecs

/// What decoded numbers are rounded to: values that the column has, if those are few.
inline table::snap rounding_of(table::column const& c) {
  std::unordered_set<double> values;
  for (double const x : c.numbers) {
    if (!std::isnan(x)) values.insert(x);
  }
  return values.size() * 10 <= c.numbers.size() ? table::snap::observed
                                                : table::snap::whole_numbers;
}

/// Numbers by their ranks, of 10,000 levels, so that the distance between two outliers is not
/// filled with rows; missing ones are a class of their own.
inline table::table_codec fit_mixed(table::typed_table const& t) {
  table::per_column<table::codec_options> o;
  for (auto const& c : t.columns()) {
    if (c.type.kind == table::column_kind::category) continue;
    table::codec_options of;
    of.levels = static_cast<int>(std::clamp<std::size_t>(c.numbers.size(), 2, 10000));
    of.rounding = rounding_of(c);
    if (std::any_of(c.numbers.begin(), c.numbers.end(), [](double x) { return std::isnan(x); })) {
      of.on_missing = table::missing::mean;
      of.indicator = true;
    }
    o.of.emplace_back(c.type.name, of);
  }
  return table::table_codec::fit(t, o);
}

inline table::fixed_binary fit_bits(table::typed_table const& t, int bits) {
  table::per_column<table::binary_options> o;
  o.usual.bits = bits;
  for (auto const& c : t.columns()) {
    if (c.type.kind == table::column_kind::category) continue;
    table::binary_options of = o.usual;
    of.snapping = rounding_of(c);
    of.may_miss =
        std::any_of(c.numbers.begin(), c.numbers.end(), [](double x) { return std::isnan(x); });
    o.of.emplace_back(c.type.name, of);
  }
  return table::fixed_binary::fit(t, o);
}

// ----------------------------------------------------------------------------------------- model

inline constexpr int chain_steps = 1000;

/// The flips that both training and sampling know.
inline diffx::process::xor_bernoulli bit_process() {
  return diffx::process::xor_bernoulli(diffx::schedule::flip_quadratic(chain_steps, 1e-3));
}
inline diffx::process::vp_discrete number_process() {
  return diffx::process::vp_discrete(diffx::schedule::cosine(chain_steps));
}

struct train_wishes {
  engine kind = engine::tabddpm;
  std::string label{};  // a column of categories that the network is told and does not make
  std::int64_t hidden = 256, layers = 3;
  int bits = 16;           // of a number, binary; 32 as published learn more slowly
  double minutes = 4.0;    // of training in all, or
  std::int64_t steps = 0;  // so many steps, if not 0
  int patience = 10;       // evaluations without a lower held-out loss that end training
  int every = 250;         // steps between evaluations
  train_options optimiser{};
};

/// A network and the codec of its rows.
struct table_model {
  train_wishes wishes;
  mlp_size size;
  std::string codec;
  std::string label_codec{};                    // of the label's column alone
  diffx::domain::table::class_counts counts{};  // rows of every label
  std::int64_t label_at = 0;                    // its place among the columns
  std::vector<float> weights;
};

class model_file {
 public:
  /// The model, and with `state` what training goes on from.
  static void save(std::string const& path, table_model const& m, train_state const* state) {
    train_wishes const& w = m.wishes;
    weights_file out;
    auto const integer = [&](char const* key, auto v) { out.text(key, std::to_string(v)); };
    auto const real = [&](char const* key, double v) { out.text(key, diffx::detail::text(v)); };
    out.text("engine", name_of(w.kind));
    integer("features", m.size.features);
    integer("hidden", m.size.hidden);
    integer("layers", m.size.layers);
    integer("bits", w.bits);
    integer("steps", w.steps);
    integer("patience", w.patience);
    integer("every", w.every);
    integer("batch", w.optimiser.batch);
    integer("seed", w.optimiser.seed);
    real("minutes", w.minutes);
    real("rate", w.optimiser.rate);
    out.text("codec", m.codec);
    out.text("label", w.label);
    if (!w.label.empty()) {
      out.text("label.codec", m.label_codec);
      integer("label.at", m.label_at);
      for (std::size_t k = 0; k < m.counts.size(); ++k) {
        out.text("label.count." + std::to_string(k), std::to_string(m.counts[k]));
      }
    }
    weight_layout const layout(m.size);
    for (auto const& t : layout.tensors()) {
      std::vector<std::int64_t> shape{t.rows};
      if (t.cols > 0) shape.push_back(t.cols);
      out.tensor(t.name, shape, std::span(m.weights).subspan(t.first, t.count()));
    }
    if (state != nullptr) {
      integer("train.step", state->step);
      integer("train.best_step", state->best_step);
      real("train.seconds", state->seconds);
      real("train.best_loss", state->best_loss);
      auto const n = static_cast<std::int64_t>(state->weights.size());
      out.tensor("train.weights", {n}, state->weights);
      out.tensor("train.averaged", {n}, state->averaged);
      out.tensor("train.first", {n}, state->first);
      out.tensor("train.second", {n}, state->second);
    }
    out.save(path);
  }

  explicit model_file(std::string const& path) : path_(path), file_(path) {}

  table_model model() const {
    table_model m;
    train_wishes& w = m.wishes;
    w.kind = engine_of(file_.metadata("engine"));
    m.size.features = integer("features", 1, 1 << 20);
    m.size.hidden = w.hidden = integer("hidden", 1, 1 << 16);
    m.size.layers = w.layers = integer("layers", 0, 1000);
    w.bits = static_cast<int>(integer("bits", 1, 32));
    w.steps = integer("steps", 0, INT64_MAX);
    w.patience = static_cast<int>(integer("patience", 1, INT32_MAX));
    w.every = static_cast<int>(integer("every", 1, INT32_MAX));
    w.optimiser.batch = static_cast<int>(integer("batch", 2, 1 << 24));
    w.optimiser.seed = number<std::uint64_t>("seed", 0, UINT64_MAX);
    w.minutes = number<double>("minutes", 0.0, 1e9);
    w.optimiser.rate = number<double>("rate", 0.0, 1e9);
    m.codec = file_.metadata("codec");
    w.label = file_.metadata("label");
    if (!w.label.empty()) {
      m.label_codec = file_.metadata("label.codec");
      m.label_at = integer("label.at", 0, 1 << 20);
      m.size.classes = table::table_codec::from_text(m.label_codec).classes().at(0);
      for (std::int64_t k = 0; k < m.size.classes; ++k) {
        m.counts.push_back(integer(("label.count." + std::to_string(k)).c_str(), 0, INT64_MAX));
      }
    }
    m.weights = weight_layout(m.size).read(file_);
    return m;
  }

  bool is_unfinished() const noexcept { return file_.has_metadata("train.step"); }

  train_state state(table_model const& m) const {
    if (!is_unfinished()) {
      diffx::detail::fail("'" + path_ + "': training has ended; there is nothing to go on from");
    }
    train_state s;
    s.step = integer("train.step", 0, INT64_MAX);
    s.best_step = integer("train.best_step", 0, INT64_MAX);
    s.seconds = number<double>("train.seconds", 0.0, 1e12);
    s.best_loss = number<double>("train.best_loss", -1e300, 1e300);
    auto const list = [&](char const* name) {
      auto const v = file_.tensor(name, {static_cast<std::int64_t>(m.weights.size())});
      return std::vector<float>(v.begin(), v.end());
    };
    s.weights = list("train.weights");
    s.averaged = list("train.averaged");
    s.first = list("train.first");
    s.second = list("train.second");
    s.best = m.weights;
    return s;
  }

 private:
  template <class V>
  V number(char const* key, V low, V high) const {
    std::string const& s = file_.metadata(key);
    V v{};
    auto const r = std::from_chars(s.data(), s.data() + s.size(), v);
    if (r.ec != std::errc() || r.ptr != s.data() + s.size() || !(v >= low && v <= high)) {
      diffx::detail::fail("'" + path_ + "': " + key + " is '" + s +
                          "'; is this a file of diffx_table?");
    }
    return v;
  }
  std::int64_t integer(char const* key, std::int64_t low, std::int64_t high) const {
    return number<std::int64_t>(key, low, high);
  }

  std::string path_;
  diffx::denoiser::eigen::safetensors file_;
};

// -------------------------------------------------------------------------------------- training

/// What training says while it goes on.
struct train_report {
  std::int64_t step = 0;
  double seconds = 0.0, loss = 0.0, held_out = 0.0, best = 0.0;
};

/// Trains on rows of a task until time, steps or patience are used up. After every evaluation the
/// file at `path` is replaced by one that holds the best weights and all that resuming needs; at
/// the end by the model alone.
template <class Task, class Say>
void train(Task const& learn, Task const& held_out, table_model& m, train_state const* resumed,
           std::string const& path, diffx::exec::threads const& exec, Say const& say) {
  train_wishes const& w = m.wishes;
  trainer<Task> t(learn, held_out, m.size, w.optimiser);
  train_state s = resumed != nullptr ? *resumed : t.start();
  double const before = s.seconds;
  auto const began = std::chrono::steady_clock::now();
  auto const progress = [&] {
    return w.steps > 0 ? static_cast<double>(s.step) / static_cast<double>(w.steps)
                       : s.seconds / (60.0 * w.minutes);
  };
  double sum = 0.0;
  std::int64_t summed = 0;
  for (bool go_on = progress() < 1.0; go_on;) {
    sum += t.step(s, progress(), exec);
    ++summed;
    s.seconds =
        before + std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    go_on = progress() < 1.0;
    if (go_on && s.step % w.every != 0) continue;
    double const loss = t.held_out_loss(s.averaged, exec);
    if (loss < s.best_loss) {
      s.best_loss = loss;
      s.best_step = s.step;
      s.best = s.averaged;
    }
    say(train_report{s.step, s.seconds, sum / static_cast<double>(summed), loss, s.best_loss});
    sum = 0.0;
    summed = 0;
    m.weights = s.best;
    go_on = go_on && s.step - s.best_step < std::int64_t{w.patience} * w.every;
    model_file::save(path, m, go_on ? &s : nullptr);
  }
}

/// The label's column alone, and the table without it.
struct labelled {
  table::typed_table label, rest;
  std::int64_t at = 0;
};

inline labelled split_label(table::typed_table const& t, std::string const& name) {
  labelled out;
  std::vector<table::column> rest;
  for (auto const& c : t.columns()) {
    if (c.type.name != name) {
      rest.push_back(c);
      continue;
    }
    out.at = static_cast<std::int64_t>(rest.size());
    out.label = table::typed_table({t.at({name, table::column_kind::category})});
  }
  if (!name.empty()) t.at(name);  // refuses a column that is not there
  if (rest.empty()) diffx::detail::fail("the table has no column beside the label '" + name + "'");
  out.rest = table::typed_table(std::move(rest),
                                std::vector<std::int64_t>(t.lines().begin(), t.lines().end()));
  return out;
}

/// More categories than this in one column are names, addresses or numbers of rows as a rule: their
/// logits would be most of the network, and there is little to learn of each.
inline constexpr std::size_t most_categories = 4096;

inline void refuse_identifiers(table::typed_table const& t) {
  for (auto const& c : t.columns()) {
    if (c.type.kind != table::column_kind::category) continue;
    std::set<table::label> const distinct(c.labels.begin(), c.labels.end());
    diffx::detail::require(distinct.size() <= most_categories, "training",
                           "categories of column '" + c.type.name + "'",
                           static_cast<long long>(distinct.size()),
                           "at most " + std::to_string(most_categories) +
                               ": leave a column of names or numbers of rows out of the file, or "
                               "merge rare categories");
  }
}

/// Trains a model of a table. With `resume` the file at `path` says everything but the table.
template <class Say>
table_model train_table(table::typed_table const& all, train_wishes const& wishes, bool resume,
                        std::string const& path, diffx::exec::threads const& exec, Say const& say) {
  refuse_identifiers(all);
  std::vector<std::size_t> const learn = rows_of(all.rows(), part::training);
  std::vector<std::size_t> const held_out = rows_of(all.rows(), part::validation);
  diffx::detail::require(!learn.empty() && !held_out.empty(), "training", "rows of the table",
                         static_cast<long long>(all.rows()),
                         "enough for a share of held-out ones: some tens at least");
  std::vector<std::size_t> seen = learn;
  seen.insert(seen.end(), held_out.begin(), held_out.end());
  table_model m;
  train_state state;
  m.wishes = wishes;
  if (resume) {
    model_file const file(path);
    m = file.model();
    state = file.state(m);
  }
  labelled const t = split_label(all, m.wishes.label);
  auto const known = take(t.rest, seen);
  std::string label_codec;
  std::vector<std::int32_t> learn_labels, held_out_labels;
  m.size.classes = 0;
  if (!m.wishes.label.empty()) {
    auto const codec = table::table_codec::fit(take(t.label, seen));
    label_codec = codec.to_text();
    learn_labels = codec.encode(take(t.label, learn)).codes;
    held_out_labels = codec.encode(take(t.label, held_out)).codes;
    m.size.classes = codec.classes()[0];
    m.counts = table::counts_of(learn_labels, codec.classes()[0]);
    m.label_at = t.at;
  }
  auto const start = [&](auto const& codec, std::int64_t features, auto const& task_of) {
    if (resume && (codec.to_text() != m.codec || label_codec != m.label_codec)) {
      diffx::detail::fail("'" + path + "' was trained on another table");
    }
    m.codec = codec.to_text();
    m.label_codec = label_codec;
    m.size.features = features;
    m.size.hidden = m.wishes.hidden;
    m.size.layers = m.wishes.layers;
    auto const a = task_of(take(t.rest, learn), learn_labels);
    auto const b = task_of(take(t.rest, held_out), held_out_labels);
    train(a, b, m, resume ? &state : nullptr, path, exec, say);
  };
  if (m.wishes.kind == engine::binary) {
    auto const codec = fit_bits(known, m.wishes.bits);
    auto const process = bit_process();
    start(codec, codec.row_bits(), [&](table::typed_table const& rows, auto const& labels) {
      return bit_task(codec.encode(rows), codec.row_bits(), process, labels);
    });
  } else {
    auto const codec = fit_mixed(known);
    auto const process = number_process();
    std::int64_t features = codec.width();
    for (int const k : codec.classes()) features += k;
    start(codec, features, [&](table::typed_table const& rows, auto const& labels) {
      return mixed_task(codec.encode(rows), codec.classes(), process, labels);
    });
  }
  return m;
}

// -------------------------------------------------------------------------------------- sampling

/// Weights in one list as a source of tensors.
struct weight_source {
  weight_layout layout;
  std::vector<float> const& weights;

  std::span<float const> tensor(std::string_view name, std::initializer_list<std::int64_t>) const {
    for (auto const& t : layout.tensors()) {
      if (t.name == name) return std::span(weights).subspan(t.first, t.count());
    }
    diffx::detail::fail("no tensor '" + std::string(name) + "'");
  }
};

/// Samples and decodes rows first, first + 1, ... of all that a seed makes, in blocks.
///
/// The steps begin at index 999 only if there are 1000 of them: alpha is 5e-5 there, and in fewer
/// steps an error of eps would come out hundreds of times as large.
class table_sampler {
 public:
  table_sampler(table_model const& m, int steps, std::uint64_t seed, diffx::exec::threads exec,
                bool balance = false)
      : model_(&m), steps_(steps), noise_{seed}, exec_(std::move(exec)), counts_(m.counts) {
    if (balance && m.size.classes == 0) {
      diffx::detail::fail("sampling: balance needs a model that was trained with a label");
    }
    for (std::int64_t& n : counts_) n = balance && n > 0 ? 1 : n;
    diffx::detail::require(steps >= 1 && steps <= chain_steps, "sampling", "steps", steps,
                           "in [1, 1000]");
  }

  table::decoded operator()(std::int64_t first, std::int64_t count) const {
    std::vector<std::int32_t> labels;
    if (model_->size.classes > 0) {
      labels = table::draw_labels(counts_, first + count, noise_);
    }
    return with_labels(labels, first, count);
  }

  /// Rows of given labels, codes of the label's codec.
  table::decoded given(std::vector<std::int32_t> const& labels) const {
    return with_labels(labels, 0, static_cast<std::int64_t>(labels.size()));
  }

 private:
  static constexpr std::int64_t block = 4096;

  table::decoded with_labels(std::vector<std::int32_t> const& labels, std::int64_t first,
                             std::int64_t count) const {
    table_net const net(model_->size, weight_source{weight_layout(model_->size), model_->weights},
                        diffx::denoiser::labels({labels.begin(), labels.end()}));
    table::decoded out =
        model_->wishes.kind == engine::binary ? bits(net, first, count) : mixed(net, first, count);
    if (labels.empty()) return out;
    auto const codec = table::table_codec::from_text(model_->label_codec);
    auto const label =
        codec.decode(diffx::batch_view<float const>{nullptr, count, 0},
                     diffx::batch_view<std::int32_t const>{labels.data() + first, count, 1});
    std::vector<table::column> columns(out.table.columns().begin(), out.table.columns().end());
    auto const at = std::min(model_->label_at, static_cast<std::int64_t>(columns.size()));
    columns.insert(columns.begin() + at, label.table.columns()[0]);
    out.table = table::typed_table(std::move(columns));
    return out;
  }

  table::decoded bits(table_net const& net, std::int64_t first, std::int64_t count) const {
    auto const codec = table::fixed_binary::from_text(model_->codec);
    std::int64_t const width = codec.row_bits();
    std::vector<std::uint8_t> x(static_cast<std::size_t>(count * width));
    diffx::sampler const s{bit_process(), diffx::solver::ancestral{}};
    diffx::denoiser::bit_logits const network(bit_network{net},
                                              diffx::denoiser::bit_source::target);
    in_blocks(count, [&](std::int64_t i, std::int64_t n) {
      run(s, s.process, network,
          diffx::batch_view<std::uint8_t>{x.data() + i * width, n, width, first + i});
    });
    return codec.decode(x);
  }

  table::decoded mixed(table_net const& net, std::int64_t first, std::int64_t count) const {
    auto const codec = table::table_codec::from_text(model_->codec);
    std::int64_t const width = codec.width();
    auto const classes = codec.classes();
    auto const columns = static_cast<std::int64_t>(classes.size());
    std::vector<float> numbers(static_cast<std::size_t>(count * width));
    std::vector<std::int32_t> codes(static_cast<std::size_t>(count * columns));
    in_blocks(count, [&](std::int64_t i, std::int64_t n) {
      diffx::batch_view<float> const z{numbers.data() + i * width, n, width, first + i};
      diffx::batch_view<std::int32_t> const c{codes.data() + i * columns, n, columns, first + i};
      if (columns == 0) {
        diffx::sampler const s{number_process(), diffx::solver::ddpm_large{}};
        run(s, s.process, net, z);
        return;
      }
      auto const s = diffx::recipe::tabddpm(classes, diffx::schedule::cosine(chain_steps));
      auto const& clock = std::get<0>(s.process.parts);
      table::one_hot const shown(classes);
      if (width == 0) {
        run(diffx::sampler{std::get<1>(s.process.parts), diffx::solver::ancestral{}}, clock,
            category_network{{}, net, shown}, c);
      } else {
        run(s, clock, mixed_network{{}, net, shown}, std::tuple{z, c});
      }
    });
    return codec.decode(diffx::batch_view<float const>{numbers.data(), count, width},
                        diffx::batch_view<std::int32_t const>{codes.data(), count, columns});
  }

  template <class Body>
  static void in_blocks(std::int64_t count, Body const& body) {
    for (std::int64_t i = 0; i < count; i += block) body(i, std::min(block, count - i));
  }

  template <class Sampler, class Clock, class Network, class State>
  void run(Sampler const& s, Clock const& clock, Network const& network, State x) const {
    diffx::options<> o{noise_};
    o.check_finite = true;
    s.sample(exec_, network,
             diffx::grid::timesteps(clock, diffx::grid::index::strided(chain_steps, steps_)), x, o);
  }

  table_model const* model_;
  int steps_;
  diffx::noise::counted noise_;
  diffx::exec::threads exec_;
  table::class_counts counts_;
};

/// Rows of the table that the model stands for; those with a cell that means nothing are counted
/// and drawn again.
inline table::valid_rows sample_table(table_model const& m, std::int64_t rows, int steps,
                                      std::uint64_t seed, diffx::exec::threads const& exec,
                                      bool balance = false) {
  table_sampler const draw(m, steps, seed, exec, balance);
  std::int64_t drawn = 0;
  return table::draw_valid_rows(rows, [&](int, std::int64_t count) {
    auto out = draw(drawn, count);
    drawn += count;
    return out;
  });
}

}  // namespace example
