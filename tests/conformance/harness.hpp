#pragma once

// What every golden case needs: the dummy inputs, the models, the numbered noise, the loop and the
// comparison. The formulas are those of the golden files' own description.

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/noise.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace conformance {

using json = nlohmann::json;

inline constexpr std::int64_t batch = 4, features = 192, elements = 768;
inline constexpr int probes[16] = {0,   1,   63,  64,  100, 191, 192, 255,
                                   300, 383, 384, 450, 511, 576, 700, 767};

/// Uniform number i of a seed, in [0, 1).
inline double uniform(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  z = z ^ z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

/// Element f of noise number k.
inline double noise_number(std::uint64_t k, std::int64_t f) {
  return std::sqrt(3.0) * (2.0 * uniform(k, static_cast<std::uint64_t>(f)) - 1.0);
}

inline double dummy_sample(std::int64_t f) {
  return (4.0 * static_cast<double>(f % features) + static_cast<double>(f / features)) / 768.0;
}
inline double hash_sample(std::int64_t f) { return noise_number(1000000, f); }

/// A noise source that answers with the numbered noises. `number(step, draw)` says which.
struct numbered {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "conformance::numbered";

  std::function<int(int step, int draw)> number = [](int step, int) { return step; };

  template <class T>
  void fill(diffx::noise::key key, std::int64_t sample, std::int64_t first, int n, T* out) const {
    auto const k = static_cast<std::uint64_t>(number(key.step, key.draw));
    for (int i = 0; i < n; ++i) {
      out[i] = static_cast<T>(noise_number(k, sample * features + first + i));
    }
  }
  numbered fork(std::uint64_t) const { return *this; }
};
static_assert(diffx::noise_source<numbered>);

/// The case's closed-form network. It is told `query.at.timestep` (model S: the noise level, which
/// the family puts there).
template <class T, class Prediction, bool Variance = false>
struct model {
  static constexpr int branches = 1;
  static constexpr bool learned_variance = Variance;
  Prediction prediction{};
  std::string kind;  // "A", "B", "L", "S"

  template <class Exec>
  void operator()(Exec const&, diffx::batch_view<T const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    evaluate(x.data, static_cast<T>(q.at.timestep), out);
  }

  void evaluate(T const* x, T t, diffx::batch_view<T> out) const {
    for (std::int64_t f = 0; f < elements; ++f) {
      T const next = x[(f + 1) % elements];
      T value;
      if (kind == "A") {
        value = x[f] * t / (t + T(1));
      } else if (kind == "B" || kind == "L") {
        value = T(0.9) * x[f] + T(0.2) * std::sin(T(2) * next + T(0.01) * t) +
                T(0.05) * std::cos(T(0.03) * t);
      } else if (kind == "S") {
        value = -(x[f] + T(0.1) * std::sin(T(2) * next)) / (T(1) + t * t);
      } else {
        diffx::detail::fail("conformance: unknown model " + kind);
      }
      out.data[f / features * out.features + f % features] = value;
      if constexpr (Variance) {
        out.data[f / features * out.features + features + f % features] =
            std::sin(x[f] + T(0.01) * t);
      }
    }
  }
};

/// Collects the comparisons of one case. Every check adds to the verdict; nothing throws.
struct report {
  std::string id;
  bool is_float = false;
  double tolerance = 0.0;  // relative to the case's max_abs, as the files' description says
  double scale = 1.0;
  double worst = 0.0;  // largest deviation over (tolerance * scale)
  int compared = 0;
  std::string first_failure;

  static report of(json const& c, bool is_float) {
    report r;
    r.id = c.at("id").get<std::string>();
    r.is_float = is_float;
    // A run that ends on 0 up to rounding is judged by what it began with.
    double begun = 1e-300;
    for (json const& x : c.at("initial").at("probes")) {
      begun = std::max(begun, 1e-5 * std::fabs(x.get<double>()));
    }
    r.scale = std::max(begun, c.at("final").at("max_abs").get<double>());
    double const rounding =
        c.contains("rounding") && !c["rounding"].is_null() ? c["rounding"].get<double>() : 0.0;
    double f32 = 0.0;
    if (c.contains("f32") && c["f32"].is_object() && c["f32"].contains("max_rel_dev") &&
        !c["f32"]["max_rel_dev"].is_null()) {
      f32 = c["f32"]["max_rel_dev"].get<double>();
    }
    r.tolerance = is_float ? std::max(2e-5, 10.0 * f32) : std::max(1e-11, 100.0 * rounding);
    return r;
  }

  bool passed() const { return first_failure.empty() && compared > 0; }

  void fail(std::string const& what) {
    if (first_failure.empty()) first_failure = what;
  }

  /// |got - want| <= tolerance * allowance, where allowance is the largest value compared with.
  void near(double got, double want, double allowance, std::string const& what) {
    ++compared;
    double const deviation = std::fabs(got - want) / (tolerance * allowance);
    if (!(deviation <= 1.0)) {
      fail(what + ": got " + diffx::detail::text(got) + ", want " + diffx::detail::text(want) +
           ", " + diffx::detail::text(deviation) + " tolerances off");
    }
    worst = std::isnan(deviation) ? deviation : std::max(worst, deviation);
  }

  /// Timesteps and sigmas: a relative tolerance of their own (`relative`), exact where integer.
  /// `absolute` is for entries that are 0 up to rounding.
  void list(std::vector<double> const& got, json const& want, double relative,
            std::string const& what, double absolute = 1e-300) {
    if (want.is_null()) return;
    if (got.size() != want.size()) {
      fail(what + ": " + std::to_string(got.size()) + " entries, want " +
           std::to_string(want.size()));
      return;
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
      ++compared;
      double const w =
          want[i].is_string() ? (want[i] == "inf" ? INFINITY : -INFINITY) : want[i].get<double>();
      bool const same = got[i] == w || std::fabs(got[i] - w) <= relative * std::fabs(w) + absolute;
      if (!same) {
        fail(what + "[" + std::to_string(i) + "]: got " + diffx::detail::text(got[i]) + ", want " +
             diffx::detail::text(w));
      }
    }
  }
};

/// Compares the states of one run with the golden ones. States are given in the case's units.
template <class T>
class recorder {
 public:
  recorder(json const& c, report& r) : case_(c), report_(r) {}

  void initial(T const* x) { compare(x, case_.at("initial"), "initial"); }

  /// The state after iteration k (counted from 0).
  void after(int k, T const* x) {
    for (json const& s : case_.at("steps")) {
      if (s.at("k").get<int>() == k) compare(x, s, "step " + std::to_string(k));
    }
    if (case_.contains("mean_abs_after_step")) {
      json const& m = case_["mean_abs_after_step"];
      if (static_cast<std::size_t>(k) >= m.size()) {
        report_.fail("iteration " + std::to_string(k) + " is one too many");
      } else {
        double sum = 0.0;
        for (std::int64_t f = 0; f < elements; ++f) sum += std::fabs(static_cast<double>(x[f]));
        report_.near(sum / elements, m[static_cast<std::size_t>(k)].get<double>(),
                     allowance(m[static_cast<std::size_t>(k)].get<double>()),
                     "mean_abs_after_step " + std::to_string(k));
      }
    }
    ++iterations_;
  }

  void final(T const* x) {
    json const& f = case_.at("final");
    compare(x, f, "final");
    double sum = 0.0;
    for (std::int64_t i = 0; i < elements; ++i) sum += std::fabs(static_cast<double>(x[i]));
    report_.near(sum / elements, f.at("mean_abs").get<double>(), report_.scale, "final mean_abs");
    if (case_.contains("mean_abs_after_step") &&
        iterations_ != static_cast<int>(case_["mean_abs_after_step"].size())) {
      report_.fail(std::to_string(iterations_) + " iterations, want " +
                   std::to_string(case_["mean_abs_after_step"].size()));
    }
  }

 private:
  // Early states of a noisy start are larger than the final one; each is judged by its own size.
  double allowance(double size) const { return std::max(report_.scale, 4.0 * std::fabs(size)); }

  void compare(T const* x, json const& entry, std::string const& what) {
    json const& want = entry.at("probes");
    double largest = report_.scale;
    for (json const& w : want) largest = std::max(largest, std::fabs(w.get<double>()));
    for (std::size_t i = 0; i < want.size(); ++i) {
      report_.near(static_cast<double>(x[probes[i]]), want[i].get<double>(), largest,
                   what + " probe " + std::to_string(probes[i]));
    }
  }

  json const& case_;
  report& report_;
  int iterations_ = 0;
};

/// Start of a case in its own units: dummy or hash sample times init_noise_sigma, or a noised one.
template <class T>
std::vector<T> start_state(json const& c, double init_noise_sigma, double noised_alpha = 1.0,
                           double noised_sigma = 0.0) {
  std::vector<T> x(static_cast<std::size_t>(elements));
  auto const init = c.at("init").get<std::string>();
  for (std::int64_t f = 0; f < elements; ++f) {
    double value;
    if (init == "dummy") {
      value = dummy_sample(f) * init_noise_sigma;
    } else if (init == "hash") {
      value = hash_sample(f) * init_noise_sigma;
    } else if (init == "noised") {
      value = noised_alpha * dummy_sample(f) + noised_sigma * hash_sample(f);
    } else {
      diffx::detail::fail("conformance: unknown init " + init);
    }
    x[static_cast<std::size_t>(f)] = static_cast<T>(value);
  }
  return x;
}

/// What a family tells the loop besides its sampler.
struct loop_options {
  numbered noise{};
  /// The state after an iteration is multiplied by this before it is compared (case units).
  std::function<double(int iteration)> units = [](int) { return 1.0; };
  double start_units = 1.0;  // likewise for the start; the run starts from x / start_units
  int first_step = 0;
};

/// Runs a composition of the library on a case and compares every iteration.
template <class T, bool Variance = false, class Sampler, class Prediction>
void run_loop(json const& c, report& r, Sampler const& sampler, Prediction prediction,
              diffx::timetable const& grid, std::vector<T> x, loop_options const& options = {}) {
  recorder<T> rec(c, r);
  rec.initial(x.data());
  for (T& v : x) v = static_cast<T>(static_cast<double>(v) / options.start_units);
  model<T, Prediction, Variance> const network{prediction, c.at("model").get<std::string>()};
  diffx::exec::host const exec;
  diffx::batch_view<T> const view{x.data(), batch, features, 0};
  diffx::options<numbered> opts{options.noise, diffx::start::given, options.first_step};
  diffx::detail::workspace const memory(sampler.workspace_size(exec, network, view, opts));
  auto run = sampler.start(exec, network, grid, view, memory.span(), opts);
  std::vector<T> shown(x.size());
  int iteration = 0;
  auto const show = [&] {
    double const u = options.units(iteration);
    T const* const now = run.current_state();
    for (std::size_t i = 0; i < x.size(); ++i) {
      shown[i] = static_cast<T>(u * static_cast<double>(now[i]));
    }
  };
  while (!run.done()) {
    int const before = run.status().evaluations;
    run.advance_stage();
    if (run.status().evaluations == before) continue;  // a pass without a network call
    show();
    rec.after(iteration++, shown.data());
  }
  rec.final(shown.data());
}

/// Reads settings and refuses those nobody asked for: every key must be read once.
class settings {
 public:
  explicit settings(json const& config) : config_(config) {}

  bool has(std::string const& key) {
    seen_.push_back(key);
    return config_.contains(key) && !config_[key].is_null();
  }
  template <class V>
  V get(std::string const& key, V fallback) {
    return has(key) ? config_[key].get<V>() : fallback;
  }
  double number(std::string const& key, double fallback) {
    if (!has(key)) return fallback;
    json const& v = config_[key];
    if (v.is_string())
      return v == "inf" ? INFINITY : v == "-inf" ? -INFINITY : std::stod(v.get<std::string>());
    return v.get<double>();
  }
  /// Keys that make no difference to this family.
  void ignore(std::initializer_list<char const*> keys) {
    for (char const* k : keys) seen_.emplace_back(k);
  }
  void refuse_unread(std::string const& family) const {
    for (auto const& [key, value] : config_.items()) {
      if (std::find(seen_.begin(), seen_.end(), key) == seen_.end()) {
        diffx::detail::fail("conformance: " + family + ": unknown setting " + key + " = " +
                            value.dump());
      }
    }
  }

 private:
  json const& config_;
  std::vector<std::string> seen_;
};

/// A family's reader: runs the case in double or float and fills the report. Returns false if the
/// scheduler is not one of its own. Throws diffx::error on a setting it does not know.
using family_reader = bool (*)(json const& c, report& r);

bool one_step_case(json const& c, report& r);
bool exponential_case(json const& c, report& r);
bool few_step_case(json const& c, report& r);

/// Checks one case of tables.json.
bool tables_case(json const& c, report& r);

}  // namespace conformance
