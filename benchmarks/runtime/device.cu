// Steps and whole loops on a device, as replays of one graph, against what the device can do: a
// copy of the same size and an empty kernel, both measured in this process around every case.
//
// Prints one number a line: case, quantity, value, with tabs between. limit_ratio = floor / time;
// 1 is the speed of a copy, or of empty kernels where these take longer than the bytes.
// A case whose samples are not those of the host is named on stderr and not reported; then, and
// where there is no device, the exit code says so (1; 77).
//
//     bench_device [<text that a case must contain>]

#if DIFFX_BENCH_WITH_CUBLAS
#include <diffx/denoiser/cublas/handle.cuh>
#include <diffx/denoiser/cublas/mlp.hpp>
#include <diffx/denoiser/cublas/transformer.hpp>
#include <diffx/denoiser/cublas/unet.hpp>
#include <diffx/denoiser/eigen/random_weights.hpp>
#endif
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/denoiser/computes_in.hpp>
#include <diffx/denoiser/row_local.hpp>
#include <diffx/exec/cuda_graph.cuh>
#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/recipe/tabddpm.hpp>
#include <diffx/sample_by_rows.hpp>
#include <diffx/sampler.hpp>
#include <diffx/search/resample.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/decode.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/unipc.hpp>

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace diffx;

namespace {

std::string chosen;  // what a case must contain
int wrong = 0;

bool asked_for(std::string const& name) { return name.find(chosen) != std::string::npos; }
void report(std::string const& name, char const* quantity, double value) {
  std::printf("%s\t%s\t%.6g\n", name.c_str(), quantity, value);
  std::fflush(stdout);
}
void check(cudaError_t status, char const* what) { exec::detail::check(status, what); }

template <class T>
class buffer {
 public:
  explicit buffer(std::int64_t size) : size_(static_cast<std::size_t>(size)) {
    check(cudaMalloc(reinterpret_cast<void**>(&data_), size_ * sizeof(T)), "allocation");
  }
  ~buffer() { cudaFree(data_); }
  buffer(buffer const&) = delete;
  buffer& operator=(buffer const&) = delete;
  T* data() const noexcept { return data_; }
  std::span<T> span() const noexcept { return {data_, size_}; }
  std::size_t bytes() const noexcept { return size_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

class events {
 public:
  explicit events(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&begin_), "event");
    check(cudaEventCreate(&end_), "event");
  }
  ~events() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  events(events const&) = delete;
  events& operator=(events const&) = delete;

  /// Microseconds of work on the stream: the median of `repeats`, after two that warm up.
  template <class Work>
  double time(Work const& work, int repeats = 21) const {
    std::vector<double> all;
    for (int i = 0; i < repeats + 2; ++i) {
      check(cudaEventRecord(begin_, stream_), "event");
      work();
      check(cudaEventRecord(end_, stream_), "event");
      check(cudaEventSynchronize(end_), "wait");
      float ms = 0.0f;
      check(cudaEventElapsedTime(&ms, begin_, end_), "elapsed time");
      if (i >= 2) all.push_back(1e3 * static_cast<double>(ms));
    }
    std::nth_element(all.begin(), all.begin() + repeats / 2, all.end());
    return all[static_cast<std::size_t>(repeats / 2)];
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

// ---- limits ----

struct nothing_op {
  DIFFX_HD void operator()(std::int64_t) const {}
};
struct copy_op {
  float const* from;
  float* to;
  DIFFX_HD void operator()(std::int64_t, std::int64_t first, int n) const {
    float v[4];
    if (n == 4) {
      diffx::detail::load<true>(from + first, 4, v);
      diffx::detail::store<true>(v, 4, to + first);
    } else {
      for (int i = 0; i < n; ++i) to[first + i] = from[first + i];
    }
  }
};

/// A replayed graph of `count` calls, in microseconds a call.
template <class Enqueue>
double time_nodes(cudaStream_t stream, int count, Enqueue const& enqueue) {
  exec::cuda_graph const graph(stream, [&](exec::cuda_recorder const& exec) {
    for (int i = 0; i < count; ++i) enqueue(exec);
  });
  return events(stream).time([&] { graph.replay(stream); }) / count;
}

/// Microseconds of an empty kernel in a graph.
double node_time(cudaStream_t stream) {
  return time_nodes(stream, 100, [](auto const& e) { e.for_each_sample(1, nothing_op{}); });
}

/// Bytes a microsecond of a copy of n floats, read and write counted: the better of the runtime's
/// copy and a kernel's.
double copy_speed(cudaStream_t stream, std::int64_t n) {
  buffer<float> const from(n), to(n);
  check(cudaMemsetAsync(from.data(), 1, from.bytes(), stream), "fill");
  int const count = static_cast<int>(std::clamp<std::int64_t>((1 << 26) / n, 1, 50));
  double const kernel = time_nodes(stream, count, [&](auto const& e) {
    e.for_each_tile(1, n, copy_op{from.data(), to.data()});
  });
  double const runtime = time_nodes(stream, count, [&](auto const& e) {
    check(cudaMemcpyAsync(to.data(), from.data(), from.bytes(), cudaMemcpyDeviceToDevice, e.stream),
          "copy");
  });
  return 2.0 * static_cast<double>(from.bytes()) / std::min(kernel, runtime);
}

std::size_t free_memory() {
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "free memory");
  return free;
}

void limits(cudaStream_t stream) {
  if (asked_for("limit/node")) report("limit/node", "us", node_time(stream));
  if (asked_for("limit/launch")) {
    exec::cuda const exec{stream};
    auto const once = [&] {
      exec.for_each_sample(1, nothing_op{});
      exec.wait();
    };
    once();
    auto const start = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) once();
    std::chrono::duration<double, std::micro> const took = std::chrono::steady_clock::now() - start;
    report("limit/launch", "us", took.count() / 100);
  }
  for (std::int64_t const n : {std::int64_t{1} << 16, std::int64_t{1} << 20, std::int64_t{1} << 24,
                               std::int64_t{1} << 27}) {
    std::string const name = "limit/copy/fp32/" + std::to_string(n);
    if (!asked_for(name)) continue;
    double const speed = copy_speed(stream, n);
    report(name, "us", 8.0 * static_cast<double>(n) / speed);
    report(name, "GB_s", 1e-3 * speed);
  }
}

// ---- loops ----

/// Leaves its output as it is: what is measured is the loop.
template <class Prediction>
struct no_op {
  static constexpr int branches = 2;
  Prediction prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, query const&, Out const&) const noexcept {}
};

std::vector<std::byte> random_floats(std::size_t bytes, std::uint64_t seed) {
  std::vector<std::byte> out(bytes / 4 * 4);
  for (std::size_t at = 0; at < out.size(); at += 2048) {
    float z[512];
    std::size_t const n = std::min<std::size_t>(512, (out.size() - at) / 4);
    noise::counted{seed}.fill({}, 0, static_cast<std::int64_t>(at / 4), static_cast<int>(n), z);
    std::memcpy(out.data() + at, z, n * 4);
  }
  out.resize(bytes);
  return out;
}

/// Of a type of 16 bits the upper halves: bfloat16.
template <class Stored>
std::vector<std::byte> random_numbers(std::size_t bytes, std::uint64_t seed) {
  if constexpr (sizeof(Stored) != 2) return random_floats(bytes, seed);
  auto const wide = random_floats(2 * bytes, seed);
  std::vector<std::byte> out(bytes);
  for (std::size_t i = 0; i + 1 < bytes; i += 2) {
    out[i] = wide[2 * i + 2];
    out[i + 1] = wide[2 * i + 3];
  }
  return out;
}

/// What a case needs to be timed: a state of [batch, features], and the bytes of a step.
struct job {
  std::string name;
  std::int64_t batch, features;
  double bytes;  // of a step, from the formula
  int steps;
  int repeats = 21;
  int grid_steps = 0;  // of which the first `steps` are run; 0: all
  int runs = 1;        // in one graph
};

/// Runs the loop on the host and on the device from the same bytes; how many values differ by more
/// than rounding.
template <class T, class Stored, class Sampler, class Network>
std::int64_t differing(cudaStream_t stream, Sampler const& s, Network const& network,
                       timetable const& grid, std::int64_t batch, std::int64_t features,
                       options<> const& o) {
  std::vector<T> x(static_cast<std::size_t>(batch * features));
  if (o.start == start::given) {
    auto const bytes = random_floats(x.size() * sizeof(T), 1);
    std::memcpy(x.data(), bytes.data(), bytes.size());
  }
  batch_view<T> const here{x.data(), batch, features};
  auto const size = static_cast<std::size_t>(s.workspace_size(exec::host{}, network, here));
  auto const filling = random_numbers<Stored>(size, 2);
  buffer<T> const there(batch * features);
  // There tables and what teams share come after the buffers.
  buffer<std::byte> const memory(s.workspace_size(exec::cuda{stream}, network, here, o));
  check(cudaMemcpy(there.data(), x.data(), there.bytes(), cudaMemcpyHostToDevice), "copy");
  check(cudaMemcpy(memory.data(), filling.data(), size, cudaMemcpyHostToDevice), "copy");

  diffx::detail::workspace const own(static_cast<std::int64_t>(size));
  std::memcpy(own.span().data(), filling.data(), size);
  s.start(exec::host{}, network, grid, here, own.span(), o).finish();
  exec::cuda const exec{stream};
  s.start(exec, network, grid, batch_view<T>{there.data(), batch, features}, memory.span(), o)
      .finish();
  exec.wait();
  std::vector<T> back(x.size());
  check(cudaMemcpy(back.data(), there.data(), there.bytes(), cudaMemcpyDeviceToHost), "copy");
  std::int64_t differ = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      double const a = static_cast<double>(x[i]), b = static_cast<double>(back[i]);
      differ += std::fabs(a - b) <= 1e-4 * (1.0 + std::fabs(a)) ? 0 : 1;
    } else {
      differ += x[i] != back[i] ? 1 : 0;
    }
  }
  return differ;
}

template <class T, class Stored = float, class Sampler, class Network>
void time_loop(cudaStream_t stream, job const& j, Sampler const& s, Network const& network,
               diffx::start from) {
  if (!asked_for(j.name)) return;
  auto const grid = [&] {
    int const n = j.grid_steps > 0 ? j.grid_steps : j.steps;
    if constexpr (requires { std::declval<Sampler>().process.limit(); }) {
      return grid::uniform_t(s.process, n);
    } else if constexpr (requires { std::declval<Sampler>().process.bits(); }) {
      return grid::uniform_t(s.process, n);
    } else {
      return grid::uniform_lambda(s.process, n);
    }
  }();
  options<> o{noise::counted{3}};
  o.start = from;
  o.last_step = j.steps - 1;
  std::int64_t const few = std::max<std::int64_t>(1, std::min<std::int64_t>(j.batch, 4));
  std::int64_t const differ = differing<T, Stored>(stream, s, network, grid, few, j.features, o);
  if (differ > few * j.features / 500) {
    std::fprintf(stderr, "WRONG: %s: %lld of %lld values are not the host's\n", j.name.c_str(),
                 static_cast<long long>(differ), static_cast<long long>(few * j.features));
    ++wrong;
    return;
  }

  std::int64_t const floats = std::max<std::int64_t>(1, static_cast<std::int64_t>(j.bytes / 8));
  double const before = copy_speed(stream, floats), node = node_time(stream);
  buffer<T> const x(j.batch * j.features);
  batch_view<T> const view{x.data(), j.batch, j.features};
  buffer<std::byte> const memory(s.workspace_size(exec::cuda{stream}, network, view));
  {
    auto const state = random_floats(std::min<std::size_t>(x.bytes(), 1 << 26), 1);
    for (std::size_t at = 0; at < x.bytes() && from == start::given; at += state.size()) {
      check(cudaMemcpy(reinterpret_cast<std::byte*>(x.data()) + at, state.data(),
                       std::min(state.size(), x.bytes() - at), cudaMemcpyHostToDevice),
            "copy");
    }
    auto const filling = random_numbers<Stored>(std::min<std::size_t>(memory.bytes(), 1 << 26), 2);
    for (std::size_t at = 0; at < memory.bytes(); at += filling.size()) {
      check(cudaMemcpy(memory.data() + at, filling.data(),
                       std::min(filling.size(), memory.bytes() - at), cudaMemcpyHostToDevice),
            "copy");
    }
  }
  auto const enqueue = [&](auto const& exec) {
    for (int i = 0; i < j.runs; ++i) {
      s.start(exec, network, grid, view, memory.span(), o).finish();
    }
  };
  exec::cuda_graph const loop(stream, enqueue);
  events const clock(stream);
  double const us = clock.time([&] { loop.replay(stream); }, j.repeats) / (j.steps * j.runs);
  std::size_t const free_before = free_memory();
  double const streamed =
      clock.time([&] { enqueue(exec::cuda{stream}); }, j.repeats) / (j.steps * j.runs);
  std::size_t const free_after = free_memory();
  double const after = copy_speed(stream, floats);
  double const nodes = static_cast<double>(loop.nodes()) / (j.steps * j.runs);
  double const floor = std::max(j.bytes / std::max(before, after), node);
  report(j.name, "us", us);
  report(j.name, "limit_ratio", floor / us);
  report(j.name, "bytes_floor", j.bytes);
  report(j.name, "limit_drift", after / before);
  report(j.name, "stream_us", streamed);
  report(j.name, "nodes", nodes);
  report(j.name, "workspace_B", static_cast<double>(memory.bytes()));
  report(j.name, "allocated_B", static_cast<double>(free_before) - static_cast<double>(free_after));
}

template <class Sampler>
constexpr double step_bytes() {
  using S = typename Sampler::solver_type;
  constexpr int branches = Sampler::guidance_type::branches;
  if constexpr (S::max_evals == 2 && S::states == 2) {
    return 4.0 * (2 * (branches + 2) + 1);
  } else {
    return 4.0 * (2 + branches + S::history + (S::history > 0 ? 1 : 0));
  }
}

template <class S, class G>
void steps(cudaStream_t stream, char const* name, S solver, G guidance) {
  sampler const s{process::vp<>{}, solver, guidance};
  constexpr std::pair<std::int64_t, std::int64_t> shapes[] = {
      {1, 1024}, {1, 16384}, {64, 3072}, {8, 65536}, {16, 1 << 20}, {64, 1 << 20}};
  for (auto const& [batch, features] : shapes) {
    std::string const full = "step/vp-" + std::string(name) + "/fp32/" + std::to_string(batch) +
                             "/" + std::to_string(features);
    auto const n = static_cast<double>(batch * features);
    time_loop<float>(stream, {full, batch, features, step_bytes<decltype(s)>() * n, 20}, s,
                     no_op<prediction::eps>{}, start::given);
  }
}

/// ns an element should not depend on the size, nor on how it is cut into samples.
void scale(cudaStream_t stream) {
  sampler const s{process::vp<>{}, solver::dpmpp_2m{}};
  constexpr std::pair<std::int64_t, std::int64_t> shapes[] = {
      {1, 1000},    {1, 10000},    {1, 100000},     {1, 1000000},   {10, 1000000},
      {1, 1 << 24}, {64, 1 << 18}, {4096, 1 << 12}, {100, 1000000}, {1000, 1000000}};
  for (auto const& [batch, features] : shapes) {
    std::string const name =
        "scale/vp-dpmpp_2m-none/fp32/" + std::to_string(batch) + "/" + std::to_string(features);
    auto const n = static_cast<double>(batch * features);
    time_loop<float>(stream, {name, batch, features, step_bytes<decltype(s)>() * n, 20, 9}, s,
                     no_op<prediction::eps>{}, start::given);
  }
}

/// Every row is drawn once: all masks become classes, or every class gives way to another.
template <class Logit = float, class Process>
void draws(cudaStream_t stream, char const* name, Process const& process, std::int64_t batch,
           std::int64_t positions) {
  int const width = process.limit().classes;
  std::string const full = std::string(name) + (sizeof(Logit) == 2 ? "/bf16/" : "/fp32/") +
                           std::to_string(batch * positions) + "/" + std::to_string(width);
  double const rows = static_cast<double>(batch * positions);
  double const bytes = rows * (static_cast<double>(sizeof(Logit)) * width + 8.0);
  time_loop<std::int32_t, Logit>(
      stream, {full, batch, positions, bytes, 1, 9, 1, 10}, sampler{process, solver::ancestral{}},
      denoiser::computes_in<Logit>(no_op<prediction::x0_posterior<>>{}), start::prior);
}

/// A step of decoding from masks: every position is proposed with its probability, and one of each
/// row is committed.
template <class Logit = float>
void decodes(cudaStream_t stream, char const* name, decode::proposal const& proposal,
             std::int64_t batch, std::int64_t positions, int width) {
  std::string const full = "token/decode-" + std::string(name) +
                           (sizeof(Logit) == 2 ? "/bf16/" : "/fp32/") +
                           std::to_string(batch * positions) + "/" + std::to_string(width);
  double const rows = static_cast<double>(batch * positions);
  double const bytes = rows * (static_cast<double>(sizeof(Logit)) * width + 8.0);
  solver::decode<decode::probability, decode::per_call> solver;
  solver.propose = proposal;
  time_loop<std::int32_t, Logit>(stream, {full, batch, positions, bytes, 1, 9, 2, 10},
                                 sampler{process::absorbing<>(width), solver},
                                 denoiser::computes_in<Logit>(no_op<prediction::x0_posterior<>>{}),
                                 start::prior);
}

void tokens(cudaStream_t stream) {
  constexpr std::pair<std::int64_t, int> shapes[] = {
      {1, 50257}, {8, 50257}, {64, 50257}, {1, 126464}, {8, 126464}};
  for (auto const& [batch, width] : shapes) {
    draws(stream, "token/draw", process::absorbing<>(width), batch, 32);
    decodes(stream, "greedy", {.temperature = 0.0}, batch, 32, width);
    decodes(stream, "drawn", {}, batch, 32, width);
    decodes(stream, "top_k", {.top_k = 50}, batch, 32, width);
    decodes(stream, "top_p", {.top_p = 0.9}, batch, 32, width);
    draws<__nv_bfloat16>(stream, "token/draw", process::absorbing<>(width), batch, 32);
    decodes<__nv_bfloat16>(stream, "greedy", {.temperature = 0.0}, batch, 32, width);
    decodes<__nv_bfloat16>(stream, "drawn", {}, batch, 32, width);
  }
}

// ---- rows of tables ----

/// A step of TabDDPM: six numbers and eight columns of classes.
void tables(cudaStream_t stream) {
  using no_op_of_both = no_op<prediction::product<prediction::eps, prediction::x0_cavity<>>>;
  auto const s = recipe::tabddpm({2, 2, 3, 5, 8, 15, 27, 50});
  timetable const grid =
      grid::timesteps(std::get<0>(s.process.parts), grid::index::strided(1000, 10));
  constexpr std::int64_t numbers = 6, columns = 8, logits = 112;
  no_op_of_both const network;
  options<> o{noise::counted{3}};
  o.last_step = 0;
  for (std::int64_t const rows : {4096, 65536, 1 << 20}) {
    std::string const name = "tabular/tabddpm/fp32/" + std::to_string(rows);
    if (!asked_for(name)) continue;
    buffer<float> const z(rows * numbers);
    buffer<std::int32_t> const c(rows * columns);
    exec::cuda const exec{stream};
    auto const view = [&](float* numbers_at, std::int32_t* classes_at, std::int64_t n) {
      return std::tuple{batch_view<float>{numbers_at, n, numbers},
                        batch_view<std::int32_t>{classes_at, n, columns}};
    };
    auto const x = view(z.data(), c.data(), rows);
    buffer<std::byte> const memory(s.workspace_size(exec, network, x));
    auto const filling = random_floats(std::min<std::size_t>(memory.bytes(), 1 << 26), 2);
    for (std::size_t at = 0; at < memory.bytes(); at += filling.size()) {
      check(cudaMemcpy(memory.data() + at, filling.data(),
                       std::min(filling.size(), memory.bytes() - at), cudaMemcpyHostToDevice),
            "copy");
    }
    double const bytes = static_cast<double>(rows * (numbers * 12 + columns * 8 + logits * 4));
    auto const floats = static_cast<std::int64_t>(bytes / 8);
    double const before = copy_speed(stream, floats), node = node_time(stream);
    auto const once = [&](auto const& e) {
      s.start(e, network, grid, x, memory.span(), o).finish();
    };
    double const us = time_nodes(stream, 10, once);
    double const after = copy_speed(stream, floats);
    report(name, "us", us);
    report(name, "limit_ratio", std::max(bytes / std::max(before, after), node) / us);
    report(name, "bytes_floor", bytes);
  }
}

// ---- whole loops of rows ----

/// A network of one row at a time, six operations a feature.
struct wave {
  prediction::eps prediction{};

  struct op {
    float const* x;
    float* out;
    float shift;
    DIFFX_HD void operator()(std::int64_t, std::int64_t first, int n) const {
      for (int i = 0; i < n; ++i) {
        float const v = x[first + i];
        out[first + i] = 0.8f * v / (1.0f + 0.1f * v * v) + shift;
      }
    }
  };
  template <class Exec>
  void operator()(Exec const& exec, batch_view<float const> x, query const& q,
                  batch_view<float> out) const {
    exec.for_each_tile(1, x.size(), op{x.data, out.data, 0.05f * static_cast<float>(q.at.t)});
  }
};

/// 2^20 rows through 50 steps: one pass a step over all rows, and a tile of rows through all steps.
void trajectories(cudaStream_t stream) {
  sampler const s{process::vp<>{}, solver::dpmpp_2m{}};
  auto const network = denoiser::row_local<wave::op>(wave{});
  constexpr int steps = 50;
  constexpr std::int64_t rows = 1 << 20;
  auto const grid = grid::uniform_lambda(s.process, steps);
  options<> const o{noise::counted{3}};
  for (std::int64_t const features : {8, 16, 64}) {
    std::string const name =
        "trajectory/vp-dpmpp_2m-none/fp32/" + std::to_string(rows) + "/" + std::to_string(features);
    if (!asked_for(name)) continue;
    exec::cuda const exec{stream};
    buffer<float> const x(rows * features), y(rows * features);
    batch_view<float> const by_steps{x.data(), rows, features}, by_rows{y.data(), rows, features};
    buffer<std::byte> const memory(s.workspace_size(exec, network, by_steps));
    buffer<std::byte> const passes(sample_by_rows_size(s, network, grid, by_rows, o));
    exec::cuda_graph const loop(stream, [&](auto const& e) {
      s.start(e, network, grid, by_steps, memory.span(), o).finish();
    });
    exec::cuda_graph const tiles(stream, [&](auto const& e) {
      sample_by_rows(s, e, network, grid, by_rows, passes.span(), o);
    });
    loop.replay(stream);
    tiles.replay(stream);
    exec.wait();
    std::vector<float> a(static_cast<std::size_t>(rows * features)), b(a.size());
    check(cudaMemcpy(a.data(), x.data(), x.bytes(), cudaMemcpyDeviceToHost), "copy");
    check(cudaMemcpy(b.data(), y.data(), y.bytes(), cudaMemcpyDeviceToHost), "copy");
    if (a != b) {
      std::fprintf(stderr, "WRONG: %s: the two loops give other samples\n", name.c_str());
      ++wrong;
      continue;
    }
    events const clock(stream);
    double const us = clock.time([&] { tiles.replay(stream); }, 9) / steps;
    report(name, "us", us);
    report(name, "loop_us", clock.time([&] { loop.replay(stream); }, 9) / steps);
    double const bytes =
        8.0 * static_cast<double>(rows * features) / steps;  // read and written once
    report(name, "bytes_floor", bytes);
    report(name, "limit_ratio", bytes / copy_speed(stream, rows * features) / us);
  }
}

// ---- search ----

/// Ancestors from log weights and the rows that move with them, beside a copy of all rows.
void searches(cudaStream_t stream) {
  constexpr std::int64_t batch = 1 << 18, features = 64;
  sampler const s{process::vp<>{}, solver::ddim{.eta = 1.0}};
  auto const grid = grid::uniform_lambda(s.process, 4);
  no_op<prediction::eps> const network;
  for (std::int64_t const particles : {16, 256, 4096}) {
    std::string const name = "search/resample/fp32/" + std::to_string(batch / particles) + "/" +
                             std::to_string(particles);
    if (!asked_for(name)) continue;
    std::int64_t const groups = batch / particles;
    std::vector<double> weights(static_cast<std::size_t>(batch));
    noise::counted{4}.fill({}, 0, 0, static_cast<int>(batch), weights.data());
    exec::cuda const exec{stream};
    buffer<double> const there(batch);
    buffer<std::int64_t> const ancestors(batch);
    buffer<search::resampled> const found(groups);
    buffer<std::byte> const room(search::resample_workspace_size(groups, particles));
    buffer<float> const x(batch * features);
    batch_view<float> const view{x.data(), batch, features};
    buffer<std::byte> const memory(s.workspace_size(exec, network, view));
    check(cudaMemcpy(there.data(), weights.data(), there.bytes(), cudaMemcpyHostToDevice), "copy");
    noise::key const key{0, 1};
    auto const draw = [&](auto const& e) {
      search::resample_on(e, there.data(), groups, particles, noise::counted{3}, key, 0,
                          room.span(), ancestors.data(), found.data());
    };
    auto const all = [&](auto const& e) {
      auto run = s.start(e, network, grid, view, memory.span(), options{noise::counted{5}});
      for (int i = 0; i < 10; ++i) {
        draw(e);
        run.replace(particles, ancestors.data());
      }
    };
    auto const begun = [&](auto const& e) {
      s.start(e, network, grid, view, memory.span(), options{noise::counted{5}});
    };
    draw(exec);
    exec.wait();
    std::vector<std::int64_t> back(static_cast<std::size_t>(batch)), here(back.size());
    std::vector<search::resampled> of_host(static_cast<std::size_t>(groups));
    check(cudaMemcpy(back.data(), ancestors.data(), ancestors.bytes(), cudaMemcpyDeviceToHost),
          "copy");
    search::resample(weights, particles, noise::counted{3}, key, 0, here, of_host);
    if (here != back) {
      std::fprintf(stderr, "WRONG: %s: the ancestors are not the host's\n", name.c_str());
      ++wrong;
      continue;
    }
    double const us = (time_nodes(stream, 1, all) - time_nodes(stream, 1, begun)) / 10;
    report(name, "us", us);
    report(name, "draw_us", time_nodes(stream, 10, draw));
    report(name, "limit_ratio",
           8.0 * static_cast<double>(batch * features) / copy_speed(stream, batch * features) / us);
  }
}

void bits(cudaStream_t stream) {
  constexpr std::int64_t batch = 4096, width = 4096;
  process::xor_packed const process(schedule::flip_quadratic(8, 0.01), width);
  time_loop<std::uint32_t>(stream,
                           {"binary/xor-ancestral/fp32/4096/4096", batch, width / 32,
                            static_cast<double>(batch * width) * 4.25, 8},
                           sampler{process, solver::ancestral{}},
                           no_op<prediction::x0_posterior<>>{}, start::prior);
}

#if DIFFX_BENCH_WITH_CUBLAS

/// A loop with a network in it: microseconds a step, recorded and on a stream, and of one call of
/// the network, recorded. Its weights are untrained: only the time counts.
template <class T, class Sampler, class Network>
void time_network(cudaStream_t stream, std::string const& name, Sampler const& s,
                  Network const& network, timetable const& grid, std::int64_t batch,
                  std::int64_t features, std::int64_t out_features) {
  int const count = grid.steps();
  buffer<T> const x(batch * features);
  buffer<float> const out(batch * out_features);
  batch_view<T> const view{x.data(), batch, features};
  buffer<std::byte> const memory(s.workspace_size(exec::cuda{stream}, network, view));
  auto const enqueue = [&](auto const& exec) {
    s.start(exec, network, grid, view, memory.span(), options{noise::counted{3}}).finish();
  };
  enqueue(exec::cuda{stream});  // cuBLAS loads its kernels
  exec::cuda_graph const loop(stream, enqueue);
  events const clock(stream);
  report(name, "us", clock.time([&] { loop.replay(stream); }, 9) / count);
  report(name, "stream_us", clock.time([&] { enqueue(exec::cuda{stream}); }, 9) / count);
  report(name, "nodes", static_cast<double>(loop.nodes()) / count);
  query q;
  q.at = grid[0];
  report(name, "call_us", time_nodes(stream, 10, [&](auto const& exec) {
           network(exec, batch_view<T const>{x.data(), batch, features}, q,
                   batch_view<float>{out.data(), batch, out_features});
         }));
  report(name, "network_B", static_cast<double>(network.bytes()));
}

void networks(cudaStream_t stream) {
  namespace blas = denoiser::cublas;
  denoiser::eigen::random_weights const weights(1);
  buffer<std::byte> const room(32 << 20);
  for (auto const p : {blas::precision::fp32, blas::precision::tf32}) {
    std::string const type = p == blas::precision::fp32 ? "fp32/" : "tf32/";
    blas::handle const handle(room.span(), p);
    sampler const s{process::vp<>{}, solver::dpmpp_2m{}, guidance::cfg{3.0}};
    auto const grid = grid::uniform_lambda(s.process, 20);
    if (std::string const name = "network/mlp-512x4/" + type + "4096/64"; asked_for(name)) {
      blas::mlp const net(handle, denoiser::eigen::mlp_size{64, 512, 4, 0}, weights, 4096,
                          denoiser::labels{}, prediction::eps{});
      time_network<float>(stream, name, s, net, grid, 4096, 64, 64);
    }
    for (std::int64_t const batch : {1, 64}) {
      std::string const name = "network/unet/" + type + std::to_string(batch) + "/784";
      if (!asked_for(name)) continue;
      blas::unet const net(handle, weights, batch);
      time_network<float>(stream, name, s, net, grid, batch, 784, 784);
    }
    for (std::int64_t const batch : {1, 64}) {
      std::string const name = "network/transformer/" + type + std::to_string(batch) + "/256";
      if (!asked_for(name)) continue;
      sampler const text{process::absorbing<>(128), solver::ancestral{}};
      blas::transformer<blas::handle> const net(handle, {}, weights, 256, batch);
      time_network<std::int32_t>(stream, name, text, net, grid::uniform_t(text.process, 20), batch,
                                 256, 256 * 128);
    }
  }
}

#endif

void all(cudaStream_t stream) {
  limits(stream);
  steps(stream, "ddim-none", solver::ddim{}, guidance::none{});
  steps(stream, "ddim-cfg", solver::ddim{}, guidance::cfg{3.0});
  steps(stream, "ddim_eta1-none", solver::ddim{.eta = 1.0}, guidance::none{});
  steps(stream, "dpmpp_2m-none", solver::dpmpp_2m{}, guidance::none{});
  steps(stream, "dpmpp_2m-cfg", solver::dpmpp_2m{}, guidance::cfg{3.0});
  steps(stream, "dpmpp_2m_sde-none", solver::dpmpp_2m_sde{}, guidance::none{});
  steps(stream, "heun-none", solver::heun{}, guidance::none{});
  steps(stream, "unipc_2-none", solver::unipc<2>{}, guidance::none{});
  scale(stream);
  tokens(stream);
  draws(stream, "tabular/uniform-ancestral", process::uniform<>(8), 4096, 32);
  draws(stream, "graph/uniform-ancestral", process::uniform<>(2), 64, 8128);
  draws(stream, "graph/uniform-ancestral", process::uniform<>(5), 64, 8128);
  tables(stream);
  bits(stream);
  trajectories(stream);
  searches(stream);
#if DIFFX_BENCH_WITH_CUBLAS
  networks(stream);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) chosen = argv[1];
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "SKIPPED: no CUDA device\n");
    return 77;
  }
  try {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreate(&stream), "stream");
    all(stream);
    cudaStreamDestroy(stream);
  } catch (error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return wrong > 0 ? 1 : 0;
}
