#pragma once

#include <diffx/denoiser/gaussian.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/noise/recording.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/sampler.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What the checks of every policy put in the places of noise, network and execution. Each is one
// type with many behaviours, so that a policy is compiled once and tested in all of them.

namespace test {

/// Allocations of the program so far; from allocations.hpp, in one source file of the program.
std::int64_t allocations_made();

/// Replaceable noise: in double, and narrowed once.
struct noise_model {
  virtual ~noise_model() = default;
  virtual void fill(diffx::noise::key, std::int64_t sample, std::int64_t first, int count,
                    double* out) const = 0;
  virtual std::shared_ptr<noise_model const> fork(std::uint64_t) const = 0;
};

/// noise::counted itself, or a model in its place.
struct any_noise {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "test::any_noise";

  std::uint64_t seed = 0;
  std::shared_ptr<noise_model const> model{};

  template <class T>
  void fill(diffx::noise::key k, std::int64_t sample, std::int64_t first, int count, T* out) const {
    if (model == nullptr) {
      diffx::noise::counted{seed}.fill(k, sample, first, count, out);
      return;
    }
    double values[diffx::exec::tile];
    for (int done = 0; done < count; done += diffx::exec::tile) {
      int const now = std::min(diffx::exec::tile, count - done);
      model->fill(k, sample, first + done, now, values);
      for (int i = 0; i < now; ++i) out[done + i] = static_cast<T>(values[i]);
    }
  }
  any_noise fork(std::uint64_t label) const {
    if (model != nullptr) return {seed, model->fork(label)};
    return {diffx::noise::counted{seed}.fork(label).seed, nullptr};
  }
};
static_assert(diffx::noise_source<any_noise>);

/// The float stream of noise::counted, widened: the same noise for a run in float and in double.
struct float_noise final : noise_model {
  std::uint64_t seed;
  explicit float_noise(std::uint64_t s) : seed(s) {}
  void fill(diffx::noise::key k, std::int64_t sample, std::int64_t first, int count,
            double* out) const override {
    float z[diffx::exec::tile];
    diffx::noise::counted{seed}.fill(k, sample, first, count, z);
    std::copy_n(z, count, out);
  }
  std::shared_ptr<noise_model const> fork(std::uint64_t label) const override {
    return std::make_shared<float_noise>(diffx::noise::counted{seed}.fork(label).seed);
  }
};

/// Any source of the library, or one of a test, in the place of any_noise.
template <class Source>
struct source_noise final : noise_model {
  Source source;
  explicit source_noise(Source s) : source(std::move(s)) {}
  void fill(diffx::noise::key k, std::int64_t sample, std::int64_t first, int count,
            double* out) const override {
    source.fill(k, sample, first, count, out);
  }
  std::shared_ptr<noise_model const> fork(std::uint64_t label) const override {
    return std::make_shared<source_noise>(source.fork(label));
  }
};
template <class Source>
any_noise noise_of(Source source) {
  return {0, std::make_shared<source_noise<Source>>(std::move(source))};
}

/// Sample 2 + k sees 1 for the k-th key and 0 for every other; samples 0 and 1 see none.
struct impulses final : noise_model {
  std::vector<diffx::noise::key> keys;
  explicit impulses(std::vector<diffx::noise::key> k) : keys(std::move(k)) {}
  void fill(diffx::noise::key k, std::int64_t sample, std::int64_t, int count,
            double* out) const override {
    bool const hit = sample >= 2 && sample < 2 + static_cast<std::int64_t>(keys.size()) &&
                     diffx::detail::same_variate(k, keys[static_cast<std::size_t>(sample - 2)]);
    std::fill_n(out, count, hit ? 1.0 : 0.0);
  }
  std::shared_ptr<noise_model const> fork(std::uint64_t) const override {
    return std::make_shared<impulses>(keys);
  }
};

/// The same number for every variate.
struct flat final : noise_model {
  double value;
  explicit flat(double v) : value(v) {}
  void fill(diffx::noise::key, std::int64_t, std::int64_t, int count, double* out) const override {
    std::fill_n(out, count, value);
  }
  std::shared_ptr<noise_model const> fork(std::uint64_t) const override {
    return std::make_shared<flat>(value);
  }
};

/// The network: an x0 prediction of many kinds, which counts its calls and notes what it is told.
struct oracle {
  enum class what {
    gaussian,     // the posterior mean of Gaussian data
    consistency,  // the end of the exact flow of Gaussian data
    constant,     // `value`
    linear,       // value + slope lambda
    in_time,      // value + slope t
    primes,       // 2 for the condition, 3 for the null branch, 5 for another
    hostile,      // couples features, steps and branches; no posterior of anything
  };
  static constexpr int branches = 2;
  diffx::prediction::x0 prediction{};
  what kind = what::hostile;
  diffx::denoiser::gaussian data{0.4, 0.6};
  double value = 0.0;
  double slope = 0.0;
  int answers_as = -1;  // the hostile network answers every branch as this one
  int* calls = nullptr;
  std::vector<diffx::query>* asked = nullptr;

  template <class Exec, class T>
  void operator()(Exec const&, diffx::batch_view<T const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    if (calls != nullptr) ++*calls;
    if (asked != nullptr) asked->push_back(q);
    double a = 0.0, b = value;
    if (kind == what::gaussian) {
      auto const f = data.x0_of(q.at);
      a = f.slope;
      b = f.offset;
    } else if (kind == what::consistency) {
      b = data.flow_map(0.0, q.at, diffx::level{});
      a = data.flow_map(1.0, q.at, diffx::level{}) - b;
    } else if (kind == what::linear) {
      b = value + slope * q.at.lambda;
    } else if (kind == what::in_time) {
      b = value + slope * q.at.t;
    } else if (kind == what::primes) {
      b = q.branch == 0 ? 2.0 : q.branch == 1 ? 3.0 : 5.0;
    }
    int const branch = answers_as >= 0 ? answers_as : q.branch;
    for (std::int64_t i = 0; i < x.batch; ++i) {
      T const* const row = x.row(i);
      for (std::int64_t f = 0; f < x.features; ++f) {
        if (kind == what::hostile) {
          // In T, so that the bits depend on nothing but the state.
          T const next = row[(f + 1) % x.features];
          out.row(i)[f] = T(0.3) * row[f] / (T(1) + row[f] * row[f]) +
                          T(0.5) * std::sin(T(2) * next + static_cast<T>(q.at.t)) +
                          T(0.1) * static_cast<T>(branch);
        } else {
          out.row(i)[f] = static_cast<T>(a * static_cast<double>(row[f]) + b);
        }
      }
    }
  }
};

/// Counts passes and reductions; runs them on this thread, or on a pool if there is one.
struct spy {
  static constexpr bool on_host = true;
  int* passes = nullptr;
  int* reductions = nullptr;
  diffx::exec::threads const* pool = nullptr;

  template <class Op>
  void for_each_tile(std::int64_t batch, std::int64_t features, Op const& op) const {
    if (passes != nullptr) ++*passes;
    if (pool != nullptr) {
      pool->for_each_tile(batch, features, op);
    } else {
      diffx::exec::host{}.for_each_tile(batch, features, op);
    }
  }
  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    if (reductions != nullptr) ++*reductions;
    diffx::exec::host{}.for_each_sample(batch, op);
  }
};

/// One run and how it is to be done.
template <class T>
struct setup {
  diffx::timetable const* grid = nullptr;
  oracle network{};
  any_noise noise{};
  std::int64_t rows = 1, features = 1, first_sample = 0;
  std::vector<T> given{};  // the start; empty: the prior
  diffx::exec::threads const* pool = nullptr;
  int first_step = 0;
  int last_step = -1;
};

/// What it gave and what it cost after the start.
template <class T>
struct outcome {
  std::vector<T> x;
  diffx::result result;
  int calls = 0, passes = 0, reductions = 0;
  std::int64_t allocations = 0;
};

/// The real loop. The workspace and an output that is not given hold NaN before it starts.
template <class T, class Sampler>
outcome<T> go(Sampler const& sampler, setup<T> const& s) {
  outcome<T> o;
  oracle network = s.network;
  network.calls = &o.calls;
  spy const exec{&o.passes, &o.reductions, s.pool};
  o.x = s.given;
  if (s.given.empty()) {
    o.x.assign(static_cast<std::size_t>(s.rows * s.features), std::numeric_limits<T>::quiet_NaN());
  }
  diffx::batch_view<T> const view{o.x.data(), s.rows, s.features, s.first_sample};
  diffx::options<any_noise> options;
  options.noise = s.noise;
  options.start = s.given.empty() ? diffx::start::prior : diffx::start::given;
  options.first_step = s.first_step;
  options.last_step = s.last_step;
  diffx::detail::workspace const memory(sampler.workspace_size(exec, network, view, options));
  std::fill(memory.span().begin(), memory.span().end(), std::byte{0xFF});
  auto r = sampler.start(exec, network, *s.grid, view, memory.span(), options);
  o.calls = o.passes = o.reductions = 0;
  auto const before = allocations_made();
  o.result = r.finish();
  o.allocations = allocations_made() - before;
  return o;
}

/// What a check found wrong, and how much it looked at.
class report {
 public:
  explicit report(std::string check) : check_(std::move(check)) {}

  report& expect(bool holds, std::string const& what) {
    ++looked_;
    if (!holds) found_.push_back(what);
    return *this;
  }
  template <class A, class B>
  report& equal(A a, B b, std::string const& what) {
    return expect(a == b, what + ": " + std::to_string(a) + ", not " + std::to_string(b));
  }
  report& near(double a, double b, double tolerance, std::string const& what) {
    return expect(std::fabs(a - b) <= tolerance, what + ": " + diffx::detail::text(a) + ", not " +
                                                     diffx::detail::text(b) + " +- " +
                                                     diffx::detail::text(tolerance));
  }

  std::string const& check() const { return check_; }
  std::vector<std::string> const& found() const { return found_; }
  int looked() const { return looked_; }

 private:
  std::string check_;
  std::vector<std::string> found_;
  int looked_ = 0;
};

template <class T>
bool equal_bits(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && !a.empty() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// A sampler by deduction, also for clang 14.
template <class Process, class Solver, class Guidance = diffx::guidance::none,
          class Cache = diffx::cache::none>
diffx::sampler<Process, Solver, Guidance, Cache> composed(Process process, Solver solver,
                                                          Guidance guidance = {},
                                                          Cache cache = {}) {
  return {std::move(process), std::move(solver), std::move(guidance), std::move(cache), {}};
}

}  // namespace test
