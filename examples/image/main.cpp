// diffx_image: samples a labelled sheet of garments with a U-Net of 1.5 million weights, through a
// composition chosen on the command line. Writes a PNG.

#include <diffx/cache/every_n.hpp>
#include <diffx/cache/taylor.hpp>
#include <diffx/denoiser/eigen/unet.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/sampler.hpp>

#include "compositions.hpp"
#include "option_value.hpp"
#include "output_path.hpp"
#include "sheet.hpp"
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace diffx;
using example::number;
using wall_clock = std::chrono::steady_clock;

double seconds_since(wall_clock::time_point start) {
  return std::chrono::duration<double>(wall_clock::now() - start).count();
}

struct arguments {
  std::string solver = "dpmpp_2m", cache = "none", grid = "lambda", output = "garments.png";
  std::string weights = std::string(DIFFX_EXAMPLES_DIR) + "/models/fashion_unet.safetensors";
  int steps = 20, rows = 6, threads = static_cast<int>(std::thread::hardware_concurrency());
  double guidance = 2.0;
  std::uint64_t seed = 1;
  bool quiet = false;
};

constexpr char const* usage =
    "usage: diffx_image [options]\n"
    "  --solver NAME     one of those that --list prints (dpmpp_2m)\n"
    "  --steps N         steps of the solver (20)\n"
    "  --guidance W      classifier-free guidance scale; 1 is unguided (2)\n"
    "  --cache NAME      none, every_2 or linear_2: which steps call the network (none)\n"
    "  --grid NAME       lambda, time or karras: how the steps are spread (lambda)\n"
    "  --seed S          (1)     --rows R     pictures per class (6)\n"
    "  --threads T       (all)   --weights F  a safetensors file\n"
    "  --output F.png    (garments.png)\n"
    "  --quiet           no progress line     --list  solvers    --help\n";

arguments parse(int argc, char** argv) {
  arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    }
    if (option == "--list") {
      for (auto const& name : example::solver_names()) std::printf("%s\n", name.c_str());
      std::exit(0);
    }
    if (option == "--quiet") {
      a.quiet = true;
      continue;
    }
    if (i + 1 >= argc) detail::fail(option + " needs a value, or is no option; see --help");
    std::string const value = argv[++i];
    if (option == "--solver")
      a.solver = value;
    else if (option == "--cache")
      a.cache = value;
    else if (option == "--grid")
      a.grid = value;
    else if (option == "--output")
      a.output = value;
    else if (option == "--weights")
      a.weights = value;
    else if (option == "--steps")
      a.steps = number(option, value, 1, 1000);
    else if (option == "--rows")
      a.rows = number(option, value, 1, 100);
    else if (option == "--threads")
      a.threads = number(option, value, 1, 256);
    else if (option == "--guidance")
      a.guidance = number(option, value, -100.0, 100.0);
    else if (option == "--seed")
      a.seed = number<std::uint64_t>(option, value, 0, UINT64_MAX);
    else
      detail::fail("unknown option " + option + "; see --help");
  }
  return a;
}

/// The network with a clock around it: what is left of the loop's time is the library's.
struct timed_unet {
  denoiser::eigen::unet const& net;
  double* seconds;
  static constexpr int branches = denoiser::eigen::unet::branches;
  prediction::v prediction{};

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    auto const start = wall_clock::now();
    net(exec, x, q, out);
    *seconds += seconds_since(start);
  }
};

struct outcome {
  result run;
  double seconds = 0.0, network_seconds = 0.0;
};

struct job {
  arguments const& a;
  timetable const& grid;
  timed_unet network;
  exec::threads const& exec;
  batch_view<float> x;

  template <class Solver, class Cache>
  outcome operator()(Solver const& solver, Cache const& cache) const {
    sampler const s{example::process(), solver, guidance::cfg{a.guidance}, cache};
    options<noise::counted> opts;
    opts.noise.seed = a.seed;
    opts.check_finite = true;
    auto const start = wall_clock::now();
    outcome o;
    o.run = s.sample(exec, network, grid, x, opts, [&](progress const& p) {
      double const spent = seconds_since(start);
      if (!a.quiet) {
        std::fprintf(stderr, "\rstep %d/%d  NFE %d  %.1f s, %.1f s left ", p.step, p.steps, p.nfe,
                     spent, spent / p.step * (p.steps - p.step));
      }
    });
    o.seconds = seconds_since(start);
    o.network_seconds = *network.seconds;
    if (!a.quiet) std::fputs("\n", stderr);
    return o;
  }
};

void make_sheet(arguments const& a) {
  example::require_writable(a.output);
  std::vector<int> wanted;
  for (int label = 0; label < 10; ++label)
    wanted.insert(wanted.end(), static_cast<std::size_t>(a.rows), label);
  denoiser::eigen::unet const net(denoiser::eigen::safetensors(a.weights),
                                  denoiser::labels(wanted));
  timetable const grid = example::make_grid(a.grid, a.steps);
  auto const batch = static_cast<std::int64_t>(wanted.size());
  std::vector<float> x(wanted.size() * 784);
  double network_seconds = 0.0;
  exec::threads const exec(a.threads);
  job const j{a, grid, {net, &network_seconds}, exec, batch_view<float>{x.data(), batch, 784, 0}};
  std::optional<outcome> const o = example::with_solver(a.solver, a.cache, j);
  if (!o)
    detail::fail("no solver --solver " + a.solver + " with --cache " + a.cache +
                 "; --list prints the solvers, and caches fit those with one evaluation");
  char scale[32];
  std::snprintf(scale, sizeof scale, "%g", a.guidance);
  example::write_png(
      example::garment_sheet(x.data(), a.rows,
                             a.solver + "  " + std::to_string(a.steps) + " steps  nfe " +
                                 std::to_string(o->run.nfe) + "  guidance " + scale + "  seed " +
                                 std::to_string(a.seed)),
      a.output);
  double const outside = o->seconds - o->network_seconds;
  std::printf("%s: %lld pictures, %d steps, NFE %d, %.2f s, %.2f %% of it outside the network\n",
              a.output.c_str(), static_cast<long long>(batch), o->run.steps, o->run.nfe, o->seconds,
              100.0 * outside / o->seconds);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    make_sheet(parse(argc, argv));
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_image: %s\n", e.what());
    return 1;
  }
}
