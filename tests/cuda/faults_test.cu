// Every CUDA call of a run fails, once and for ever, at the call and later on the device. Linked
// with a stand-in for the runtime, so that it runs without a device.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <diffx/cache/every_n.hpp>
#include <diffx/exec/cuda.cuh>
#include <diffx/exec/cuda_graph.cuh>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/noise/counted_from.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/vp_linear.hpp>
#include <diffx/solver/adaptive_rk.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/unipc.hpp>

#include <cuda_runtime_api.h>

#include "../support/levels.hpp"
#include "fake_runtime.hpp"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

constexpr int steps = 3;
constexpr std::int64_t batch = 5, features = 64;

struct shrink_op {
  float const* x;
  float* out;
  std::int64_t features;
  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
    for (int i = 0; i < n; ++i) {
      out[sample * features + first + i] = 0.5f * x[sample * features + first + i];
    }
  }
};

/// A network of one launch that counts its calls.
struct shrink {
  static constexpr int branches = 2;
  diffx::prediction::eps prediction{};
  int* called;

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<float const> x, diffx::query const&,
                  diffx::batch_view<float> out) const {
    ++*called;
    exec.for_each_tile(x.batch, x.features, shrink_op{x.data, out.data, x.features});
  }
};

/// The device objects of one run; gone at the end of its scope whatever happens.
struct objects {
  cudaStream_t stream = nullptr;
  void* x = nullptr;
  void* workspace = nullptr;
  explicit objects(std::int64_t bytes) {
    cudaStreamCreate(&stream);
    cudaMalloc(&x, batch * features * sizeof(float));
    cudaMalloc(&workspace, static_cast<std::size_t>(bytes));
  }
  ~objects() {
    cudaFree(workspace);
    cudaFree(x);
    cudaStreamDestroy(stream);
  }
  objects(objects const&) = delete;
  objects& operator=(objects const&) = delete;
};

struct outcome {
  std::string message;  // empty: nothing was thrown
  int step = -1;        // where the run stands; -1: it did not start
  int calls = 0, launches = 0, called = 0;
  int calls_until[steps + 1] = {};   // calls when step i was complete; [0]: when the run started
  int called_until[steps + 1] = {};  // the network's, likewise
};

template <class Sampler>
outcome go(Sampler const& s, fake::fault kind, int point) {
  outcome o;
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, steps + 1));
  shrink const network{{}, &o.called};
  diffx::batch_view<float> const shape{nullptr, batch, features, 0};
  auto const size = s.workspace_size(diffx::exec::cuda{}, network, shape);
  objects const device(size);
  diffx::exec::cuda const exec{device.stream};
  diffx::batch_view<float> const view{static_cast<float*>(device.x), batch, features, 0};
  fake::arm(kind, point);
  try {
    auto r = s.start(
        exec, network, grid, view,
        std::span(static_cast<std::byte*>(device.workspace), static_cast<std::size_t>(size)));
    o.step = 0;
    o.calls_until[0] = fake::calls();
    try {
      while (!r.done()) {
        r.advance();
        o.calls_until[r.step()] = fake::calls();
        o.called_until[r.step()] = o.called;
      }
      o.step = r.step();
      exec.wait();
    } catch (...) {
      o.step = r.step();
      throw;
    }
  } catch (diffx::error const& e) {
    o.message = e.what();
  }
  o.calls = fake::calls();
  o.launches = fake::launches();
  return o;
}

bool contains(std::string const& text, char const* part) {
  return text.find(part) != std::string::npos;
}

template <class Sampler>
void check(Sampler const& s) {
  using fake::fault;
  outcome const clean = go(s, fault::none, -1);
  CHECK(clean.message.empty());
  CHECK(clean.step == steps);
  int const wait = clean.calls - 1;  // the last call
  CHECK(clean.launches == wait);
  CHECK(clean.calls_until[steps] == wait);
  // Steps that are complete once the first n calls have succeeded.
  auto const complete = [&](int n) {
    int step = n < clean.calls_until[0] ? -1 : 0;
    while (step >= 0 && step < steps && n >= clean.calls_until[step + 1]) ++step;
    return step;
  };
  for (int k = 0; k <= wait; ++k) {
    CAPTURE(k);
    for (fault const kind : {fault::at_call, fault::from_call_on}) {
      outcome const o = go(s, kind, k);
      CAPTURE(o.message);
      CHECK(contains(o.message, "diffx::exec::cuda: "));
      CHECK(contains(o.message, k < wait ? "launch of " : "wait"));
      CHECK(contains(o.message, k < wait ? "cudaErrorLaunchOutOfResources" : "cudaErrorUnknown"));
      CHECK(o.step == complete(k));
      CHECK(o.calls == k + 1);                      // nothing is launched after it
      CHECK(cudaPeekAtLastError() == cudaSuccess);  // read, and not left for somebody else
    }
    if (k < wait) {
      // The launch itself succeeds: the next launch or the wait says so, and nothing follows.
      outcome const o = go(s, fault::on_device, k);
      CAPTURE(o.message);
      CHECK(contains(o.message, "cudaErrorIllegalAddress"));
      CHECK(contains(o.message, k + 1 < wait ? "launch of " : "wait"));
      CHECK(o.step == complete(k + 1));
      CHECK(o.calls == k + 2);
    }
    CHECK(fake::live() == 0);
  }
  // The sampler is as good as before.
  outcome const again = go(s, fault::none, -1);
  CHECK(again.message.empty());
  CHECK(again.calls == clean.calls);
  CHECK(again.called == clean.called);
  CHECK(fake::live() == 0);
}

}  // namespace

TEST_CASE("every CUDA call that fails ends the run with its name, and in the right step") {
  test::vp_process const p;
  check(diffx::sampler{p, diffx::solver::ddim{.eta = 1.0}});
  check(diffx::sampler{p, diffx::solver::heun{}});
  check(diffx::sampler{p, diffx::solver::ddim{},
                       diffx::guidance::rescale{diffx::guidance::cfg{2.0}, 0.7},
                       diffx::cache::every_n<2>{}});
}

namespace {

/// `kinds` runs of neighbours with one schedule.
diffx::process::columns<diffx::process::vp<>> columns_of(int kinds) {
  std::vector<diffx::process::vp<>> columns;
  for (int c = 0; c < features; ++c) {
    columns.emplace_back(diffx::schedule::vp_linear{0.1, 20.0 + c * kinds / features});
  }
  return diffx::process::columns(std::move(columns));
}

}  // namespace

TEST_CASE("a table that is not uploaded ends the run likewise") {
  check(diffx::sampler{columns_of(2), diffx::solver::ddim{.eta = 1.0}});
  auto const s = diffx::sampler{columns_of(2), diffx::solver::ddim{.eta = 1.0}};
  int uploads = 0;
  int const calls = go(s, fake::fault::none, -1).calls;
  for (int k = 0; k < calls; ++k) {
    auto const message = go(s, fake::fault::at_call, k).message;
    uploads += contains(message, "launch of a table's upload: cudaErrorLaunchOutOfResources");
  }
  CHECK(uploads == 1 + steps);  // for the prior and every pass
}

TEST_CASE("the failing call is named: pass, rows, wait") {
  auto const s = diffx::sampler{test::vp_process{}, diffx::solver::ddim{},
                                diffx::guidance::rescale{diffx::guidance::cfg{2.0}, 0.7}};
  int passes = 0, rows = 0;
  int const calls = go(s, fake::fault::none, -1).calls;
  for (int k = 0; k < calls; ++k) {
    auto const message = go(s, fake::fault::at_call, k).message;
    passes += contains(message, "launch of a pass") ? 1 : 0;
    rows += contains(message, "launch of rows") ? 1 : 0;
  }
  CHECK(rows == steps);
  CHECK(passes + rows + 1 == calls);
}

TEST_CASE("an error that the caller left unread is not lost") {
  diffx::exec::cuda const exec{};
  fake::arm(fake::fault::at_call, 0);
  diffx::exec::detail::tile_kernel<<<1, 256>>>(4, 1, 1, shrink_op{nullptr, nullptr, 4});
  CHECK_THROWS_AS(exec.for_each_tile(1, 4, shrink_op{nullptr, nullptr, 4}), diffx::error);
  CHECK_NOTHROW(exec.for_each_tile(1, 4, shrink_op{nullptr, nullptr, 4}));
}

namespace {

struct gave_up {};

/// Runs a loop that a graph records, replays it twice and moves the graph about.
template <class Sampler>
outcome record(Sampler const& s, fake::fault kind, int point, int throws_at = -1) {
  outcome o;
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, steps + 1));
  shrink const network{{}, &o.called};
  diffx::batch_view<float> const shape{nullptr, batch, features, 0};
  auto const size = s.workspace_size(diffx::exec::cuda{}, network, shape);
  objects const device(size);
  diffx::batch_view<float> const view{static_cast<float*>(device.x), batch, features, 0};
  std::uint64_t const seed = 1;
  diffx::options<diffx::noise::counted_from> const opts{{&seed}};
  fake::arm(kind, point);
  try {
    diffx::exec::cuda_graph loop(device.stream, [&](diffx::exec::cuda_recorder const& exec) {
      auto r = s.start(
          exec, network, grid, view,
          std::span(static_cast<std::byte*>(device.workspace), static_cast<std::size_t>(size)),
          opts);
      while (!r.done()) {
        if (r.step() == throws_at) throw gave_up{};
        r.advance();
      }
      o.step = r.step();
    });
    CHECK_FALSE(fake::recording());
    CHECK(static_cast<int>(loop.nodes()) == fake::launches());
    CHECK(fake::live() == 4);  // stream, two blocks, one graph
    loop.replay(device.stream);
    diffx::exec::cuda_graph other(std::move(loop));
    other.replay(device.stream);
    loop = std::move(other);
    diffx::exec::cuda{device.stream}.wait();
  } catch (diffx::error const& e) {
    o.message = e.what();
  } catch (gave_up const&) {
    o.message = "gave up";
  }
  CHECK_FALSE(fake::recording());
  CHECK(fake::live() == 3);
  o.calls = fake::calls();
  o.launches = fake::launches();
  return o;
}

}  // namespace

TEST_CASE("a recorded loop is one launch, and nothing of it is left when a call fails") {
  auto const s = diffx::sampler{test::vp_process{}, diffx::solver::ddim{.eta = 1.0}};
  outcome const plain = go(s, fake::fault::none, -1);
  outcome const clean = record(s, fake::fault::none, -1);
  CHECK(clean.message.empty());
  CHECK(clean.step == steps);
  CHECK(clean.called == plain.called);  // a replay asks the host for nothing
  CHECK(clean.launches == plain.launches + 2);
  CHECK(clean.calls == clean.launches + 5);  // begin, end, count, instantiate; wait
  char const* const named[] = {"begin of a recording",
                               "launch of a pass",
                               "end of a recording",
                               "count of nodes",
                               "instantiation",
                               "launch of a graph",
                               "wait"};
  bool seen[7] = {};
  for (int k = 0; k < clean.calls; ++k) {
    CAPTURE(k);
    for (fake::fault const kind : {fake::fault::at_call, fake::fault::from_call_on}) {
      outcome const o = record(s, kind, k);
      CAPTURE(o.message);
      bool known = false;
      for (int i = 0; i < 7; ++i) {
        bool const here = contains(o.message, named[i]);
        seen[i] = seen[i] || here;
        known = known || here;
      }
      CHECK(known);
      CHECK(cudaPeekAtLastError() == cudaSuccess);
    }
  }
  for (bool const one : seen) CHECK(one);
  outcome const tables =
      record(diffx::sampler{columns_of(2), diffx::solver::ddim{.eta = 1.0}}, fake::fault::none, -1);
  CHECK(tables.message.empty());
  CHECK(tables.launches == clean.launches + 1 + steps);
  // What the network or an observer throws leaves the stream as it was, too.
  CHECK(record(s, fake::fault::none, -1, 1).message == "gave up");
  CHECK(record(s, fake::fault::none, -1).message.empty());
}

namespace {

/// Launches of the steps that are not the network's.
template <class Sampler>
std::vector<int> own_launches(Sampler const& s) {
  outcome const o = go(s, fake::fault::none, -1);
  std::vector<int> own;
  for (int i = 0; i < steps; ++i) {
    own.push_back(o.calls_until[i + 1] - o.calls_until[i] -
                  (o.called_until[i + 1] - o.called_until[i]));
  }
  return own;
}

}  // namespace

TEST_CASE("launches of a step beside the network's: one a pass, one more for a reduction") {
  using namespace diffx;
  using launches = std::vector<int>;
  test::vp_process const p;
  CHECK(own_launches(sampler{p, solver::ddim{.eta = 1.0}}) == launches{1, 1, 1});
  CHECK(own_launches(sampler{p, solver::dpmpp_2m{}, guidance::cfg{2.0}}) == launches{1, 1, 1});
  CHECK(own_launches(sampler{p, solver::dpmpp_2m_sde{}}) == launches{1, 1, 1});
  CHECK(own_launches(sampler{p, solver::heun{}}) == launches{2, 2, 2});
  CHECK(own_launches(sampler{p, solver::unipc<2>{}}) == launches{1, 1, 1});
  CHECK(own_launches(sampler{p, solver::ddim{}, guidance::rescale{guidance::cfg{2.0}, 0.7}}) ==
        launches{2, 2, 2});
  CHECK(own_launches(sampler{p, solver::ddim{}, guidance::none{}, cache::every_n<2>{}}) ==
        launches{1, 1, 1});
  // Tables: 4000 bytes a launch.
  CHECK(own_launches(sampler{columns_of(2), solver::ddim{.eta = 1.0}}) == launches{2, 2, 2});
  int const parts = 64 * static_cast<int>(sizeof(detail::column_part<float>));
  int const many = 1 + (parts + 3999) / 4000;
  CHECK(own_launches(sampler{columns_of(64), solver::ddim{.eta = 1.0}}) ==
        launches{many, many, many});
}

namespace {

struct flat_op {
  float* out;
  DIFFX_HD void operator()(std::int64_t i) const { out[i] = 0.0f; }
};
struct flat {
  diffx::prediction::x0_posterior<> prediction{};

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<std::int32_t const>, diffx::query const&,
                  diffx::batch_view<float> out) const {
    exec.for_each_sample(out.size(), flat_op{out.data});
  }
};

}  // namespace

TEST_CASE("a recorded loop of a law in a table: its upload, the prior, the network and the pass") {
  auto const nodes = [](int classes) {
    diffx::sampler const s{diffx::process::marginal<>(std::vector<double>(
                               static_cast<std::size_t>(classes), 1.0 / classes)),
                           diffx::solver::ancestral{}};
    auto const grid = diffx::grid::uniform_t(s.process, steps);
    diffx::batch_view<std::int32_t> const shape{nullptr, batch, features, 0};
    auto const size = s.workspace_size(diffx::exec::cuda{}, flat{}, shape);
    objects const device(size);
    diffx::batch_view<std::int32_t> const view{static_cast<std::int32_t*>(device.x), batch,
                                               features, 0};
    fake::arm(fake::fault::none, -1);
    diffx::exec::cuda_graph const loop(device.stream, [&](diffx::exec::cuda_recorder const& exec) {
      s.start(exec, flat{}, grid, view,
              std::span(static_cast<std::byte*>(device.workspace), static_cast<std::size_t>(size)))
          .finish();
    });
    loop.replay(device.stream);
    return static_cast<int>(loop.nodes());
  };
  CHECK(nodes(5) == 2 + 2 * steps);
  CHECK(nodes(1000) == 3 + 2 * steps);  // 8000 bytes
}

TEST_CASE("forks copy and checkpoints read back, and name the call that fails") {
  auto const s = diffx::sampler{test::vp_process{}, diffx::solver::dpmpp_2m{}};
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, steps + 1));
  int called = 0;
  shrink const network{{}, &called};
  diffx::batch_view<float> const shape{nullptr, batch, features, 0};
  auto const size = s.workspace_size(diffx::exec::cuda{}, network, shape);
  objects const a(size), b(size);
  auto const at = [](objects const& device) {
    return diffx::batch_view<float>{static_cast<float*>(device.x), batch, features, 0};
  };
  auto const memory = [&](objects const& device) {
    return std::span(static_cast<std::byte*>(device.workspace), static_cast<std::size_t>(size));
  };
  diffx::exec::cuda const exec{a.stream};
  auto run = s.start(exec, network, grid, at(a), memory(a));
  run.advance();
  auto const message = [](int point, auto const& call) {
    fake::arm(fake::fault::at_call, point);
    try {
      call();
    } catch (diffx::error const& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  auto const fork = [&] { run.fork(1, std::tuple{at(b)}, memory(b)).finish(); };
  auto const save = [&] { run.checkpoint(); };
  CHECK(contains(message(0, fork), "diffx::exec::cuda: copy: cudaErrorInvalidValue"));
  CHECK(contains(message(0, save), "diffx::exec::cuda: read back: cudaErrorInvalidValue"));
  CHECK(contains(message(1, save), "diffx::exec::cuda: wait: cudaErrorUnknown"));
  CHECK(message(-1, fork).empty());
  CHECK(message(-1, save).empty());
  auto const saved = run.checkpoint();
  auto const resume = [&] { run.resume(saved); };
  CHECK(contains(message(0, resume), "diffx::exec::cuda: launch of a table's upload"));
  CHECK(message(-1, resume).empty());
}

TEST_CASE("a solver that reads the state back waits, and names the call that fails") {
  auto const s = diffx::sampler{test::vp_process{}, diffx::solver::adaptive_dopri54{}};
  outcome const clean = go(s, fake::fault::none, -1);
  CHECK(clean.message.empty());
  CHECK(clean.step == steps);
  CHECK(clean.calls > clean.launches + 2);
  bool copies = false;
  for (int k = 0; k < clean.calls; ++k) {
    outcome const o = go(s, fake::fault::at_call, k);
    CHECK(contains(o.message, "diffx::exec::cuda: "));
    copies = copies || contains(o.message, "read back: cudaErrorInvalidValue");
    CHECK(fake::live() == 0);
  }
  CHECK(copies);
}
