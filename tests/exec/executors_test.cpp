// Every executor of this machine's processors gives the bits of one thread, and what is thrown on
// any of their threads arrives on the caller's.

#include <atomic>
#include <doctest/doctest.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if __has_include(<thrust/for_each.h>)
#define TEST_THRUST 1
#define THRUST_DEVICE_SYSTEM THRUST_DEVICE_SYSTEM_CPP
#include <thrust/system/cpp/execution_policy.h>
#if defined(DIFFX_TEST_WITH_OPENMP)
#include <thrust/system/omp/execution_policy.h>
#endif
#if defined(DIFFX_TEST_WITH_TBB)
#include <thrust/system/tbb/execution_policy.h>
#endif
#include <diffx/exec/thrust.hpp>
#endif

#include <diffx/cache/every_n.hpp>
#include <diffx/cache/taylor.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/compositions.hpp"

using namespace diffx;

namespace {

// Above the size below which exec::threads stays on one thread, with rows of more than a tile and
// no multiple of four or of a tile.
constexpr std::int64_t batch = 17, features = 1003;

template <class F>
void for_each_executor(F const& f) {
  f("host", exec::host{});
  for (int const n : {1, 2, 3, 16}) f("threads " + std::to_string(n), exec::threads(n));
#if defined(TEST_THRUST)
  f("thrust cpp", exec::thrust{::thrust::cpp::par});
#if defined(DIFFX_TEST_WITH_OPENMP)
  f("thrust omp", exec::thrust{::thrust::omp::par});
#endif
#if defined(DIFFX_TEST_WITH_TBB)
  f("thrust tbb", exec::thrust{::thrust::tbb::par});
#endif
#endif
}

// One composition of every shape that the engine has.
template <class F>
void for_each_composition(F const& f) {
  test::vp_process const p;
  f(sampler{p, solver::ddim{.eta = 1.0}});
  f(sampler{p, solver::dpmpp_2m{}});
  f(sampler{p, solver::heun{}});
  f(sampler{p, solver::ddim{.eta = 0.5}, guidance::cfg{2.5}});
  f(sampler{p, solver::dpmpp_2m{}, guidance::rescale{guidance::cfg{2.5}, 0.7}});
  f(sampler{p, solver::ddim{}, guidance::clip_x0{guidance::cfg{2.5}, 0.8}});
  f(sampler{p, solver::ddim{.eta = 1.0}, guidance::dynamic_threshold{guidance::none{}, 0.9, 1.5}});
  f(sampler{p, solver::ddim{.eta = 1.0}, guidance::cfg{2.5}, cache::every_n<2>{}});
  f(sampler{p, solver::ddim{}, guidance::cfg{1.5}, cache::taylor<3, 2>{}});
}

template <class Sampler, class Exec>
std::vector<float> sample(Sampler const& s, Exec const& exec, std::uint64_t seed = 5) {
  std::vector<float> x(static_cast<std::size_t>(batch * features), NAN);
  s.sample(exec, test::wavy{}, test::lambda_grid(5),
           batch_view<float>{x.data(), batch, features, 3},
           options<noise::counted>{.noise = noise::counted{seed}});
  return x;
}

struct trouble : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A network that runs on the executor's threads and throws there, in one of its calls.
struct fragile {
  prediction::eps prediction{};
  int* calls;
  int throw_at;

  template <class Exec>
  void operator()(Exec const& exec, batch_view<float const> x, query const&,
                  batch_view<float> out) const {
    bool const throws = (*calls)++ == throw_at;
    exec.for_each_sample(x.batch, [=](std::int64_t i) {
      if (throws && i == x.batch / 2) throw trouble("network");
      for (std::int64_t f = 0; f < x.features; ++f) out.row(i)[f] = 0.5f * x.row(i)[f];
    });
  }
};

/// Noise that throws for one element of one sample.
struct broken_noise {
  using kind = noise_tag;
  static constexpr std::string_view name = "broken_noise";
  bool broken = true;

  template <class T>
  void fill(noise::key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    if (broken && k.step == 1 && sample == 9) throw trouble("noise");
    noise::counted{1}.fill(k, sample, first, n, out);
  }
  broken_noise fork(std::uint64_t) const { return *this; }
};
static_assert(noise_source<broken_noise>);

}  // namespace

TEST_CASE("every executor gives the bits of one thread") {
  for_each_composition([](auto const& s) {
    auto const expected = sample(s, exec::host{});
    for_each_executor([&](std::string const& name, auto const& exec) {
      CAPTURE(name);
      CHECK(test::same_bits(expected, sample(s, exec)));
    });
  });
}

TEST_CASE("a network that throws on an executor's thread leaves a run that goes on from there") {
  for_each_executor([](std::string const& name, auto const& exec) {
    CAPTURE(name);
    auto const s = sampler{test::vp_process{}, solver::heun{}};
    auto const grid = test::lambda_grid(3);
    std::vector<float> x(7 * 5), clean(7 * 5);
    int calls = 0;
    fragile const healthy{{}, &calls, -1};
    s.sample(exec, healthy, grid, batch_view<float>{clean.data(), 7, 5});
    int const total = calls;
    CHECK(total == 6);
    for (int k = 0; k < total; ++k) {
      calls = 0;
      fragile network{{}, &calls, k};
      batch_view<float> const v{x.data(), 7, 5};
      detail::workspace const memory(s.workspace_size(exec, network, v));
      auto r = s.start(exec, network, grid, v, memory.span());
      CHECK_THROWS_AS(r.finish(), trouble);
      CHECK(r.step() == k / 2);
      r.finish();
      CHECK(test::same_bits(x, clean));
    }
  });
}

TEST_CASE(
    "an element function that throws: the exception arrives unchanged, the executor works on") {
  for_each_executor([](std::string const& name, auto const& exec) {
    CAPTURE(name);
    auto const s = sampler{test::vp_process{}, solver::ddim{.eta = 1.0}};
    auto const grid = test::lambda_grid(3);
    std::vector<float> x(static_cast<std::size_t>(batch * features));
    batch_view<float> const v{x.data(), batch, features};
    for (bool const broken : {true, false}) {
      options<broken_noise> const opts{.noise = {broken}};
      if (broken) {
        CHECK_THROWS_WITH_AS(s.sample(exec, test::wavy{}, grid, v, opts), "noise", trouble);
      } else {
        CHECK_NOTHROW(s.sample(exec, test::wavy{}, grid, v, opts));
      }
    }
    // A value that derives from nothing, thrown by every sample at once.
    CHECK_THROWS_AS(exec.for_each_sample(100, [](std::int64_t) { throw 7; }), int);
    std::vector<int> seen(100);
    exec.for_each_sample(100, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
    CHECK(seen == std::vector<int>(100, 1));
  });
}

TEST_CASE("tiles cover the batch exactly once") {
  for_each_executor([](std::string const& name, auto const& exec) {
    CAPTURE(name);
    for (std::int64_t const rows : {0, 1, 3, 40}) {
      for (std::int64_t const columns : {1, 3, 511, 512, 513, 1030}) {
        std::vector<int> seen(static_cast<std::size_t>(rows * columns));
        exec.for_each_tile(rows, columns, [&](std::int64_t i, std::int64_t first, int n) {
          for (int k = 0; k < n; ++k) ++seen[static_cast<std::size_t>(i * columns + first + k)];
        });
        CHECK(seen == std::vector<int>(seen.size(), 1));
      }
    }
  });
}

TEST_CASE("one sampler shared by sixteen threads, each with its own run") {
  for_each_composition([](auto const& s) {
    constexpr int runs = 16;
    auto const grid = test::lambda_grid(5);
    test::wavy const network;
    std::vector<std::vector<float>> serial(runs, std::vector<float>(3 * 37)), shared = serial;
    auto const one = [&](std::vector<float>& x, int k) {
      s.sample(exec::host{}, network, grid, batch_view<float>{x.data(), 3, 37},
               options<noise::counted>{.noise = noise::counted{static_cast<std::uint64_t>(k)}});
    };
    for (int k = 0; k < runs; ++k) one(serial[static_cast<std::size_t>(k)], k);
    std::vector<std::thread> workers;
    for (int k = 0; k < runs; ++k) {
      workers.emplace_back([&, k] { one(shared[static_cast<std::size_t>(k)], k); });
    }
    for (std::thread& w : workers) w.join();
    for (std::size_t k = 0; k < runs; ++k) CHECK(test::same_bits(serial[k], shared[k]));
  });
}

TEST_CASE("threads end with the object, whether they worked or not") {
  for (int k = 0; k < 100; ++k) {
    exec::threads const idle(3);
  }
  for (int k = 0; k < 200; ++k) {
    std::vector<int> seen(8);
    {
      exec::threads const pool(1 + k % 5);
      pool.for_each_sample(8, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
    }
    CHECK(seen == std::vector<int>(8, 1));
  }
  // A copy keeps the threads of an object that is gone.
  auto const copy = [] { return exec::threads(3); }();
  std::vector<int> seen(8);
  copy.for_each_sample(8, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
  CHECK(seen == std::vector<int>(8, 1));
  CHECK_THROWS_WITH_AS(exec::threads(0), doctest::Contains("count = 0, must be at least 1"), error);
  CHECK_THROWS_AS(exec::threads(-3), error);
}

TEST_CASE("many short passes: each sees what the one before it wrote") {
  for_each_executor([](std::string const& name, auto const& exec) {
    CAPTURE(name);
    constexpr std::int64_t n = 23;
    std::vector<std::int64_t> a(n), b(n);
    for (std::size_t i = 0; i < n; ++i) a[i] = static_cast<std::int64_t>(i);
    // A barrier of OpenMP spins, which takes its time on a busy machine.
    int const passes = name == "thrust omp" ? 200 : 2000;
    for (int k = 0; k < passes; ++k) {
      // Every element is read by another thread than the one that wrote it.
      exec.for_each_sample(n, [&](std::int64_t i) {
        b[static_cast<std::size_t>(i)] = a[static_cast<std::size_t>((i + 11) % n)] + 1;
      });
      std::swap(a, b);
    }
    std::int64_t sum = 0;
    for (std::int64_t const v : a) sum += v;
    CHECK(sum == n * (n - 1) / 2 + n * passes);
  });
}
