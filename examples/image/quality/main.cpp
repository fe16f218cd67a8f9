// diffx_image_quality: Frechet distance and label accuracy of samples against network evaluations,
// for six solvers. Prints a Markdown table and draws it.
//
// The distance is between Gaussians fitted to the 64 features of a small classifier, for samples
// and for the 10,000 real test pictures. Labels are judged by the same classifier, which is right
// on about 90 % of real pictures.

#include <diffx/denoiser/eigen/classifier.hpp>
#include <diffx/denoiser/eigen/unet.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/sampler.hpp>

#include "../compositions.hpp"
#include "../sheet.hpp"
#include <Eigen/Dense>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace diffx;
using matrix = Eigen::MatrixXd;
using vector = Eigen::VectorXd;

struct gaussian_fit {
  vector mean;
  matrix covariance;
};

/// |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2)
double frechet_distance(gaussian_fit const& a, gaussian_fit const& b) {
  Eigen::SelfAdjointEigenSolver<matrix> const ea(a.covariance);
  vector const roots = ea.eigenvalues().cwiseMax(0.0).cwiseSqrt();
  matrix const root = ea.eigenvectors() * roots.asDiagonal() * ea.eigenvectors().transpose();
  Eigen::SelfAdjointEigenSolver<matrix> const product(root * b.covariance * root);
  double const cross = product.eigenvalues().cwiseMax(0.0).cwiseSqrt().sum();
  return (a.mean - b.mean).squaredNorm() + a.covariance.trace() + b.covariance.trace() -
         2.0 * cross;
}

gaussian_fit fit(std::vector<float> const& features, std::int64_t rows, std::int64_t width) {
  using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  matrix const f = Eigen::Map<row_major const>(features.data(), rows, width).cast<double>();
  gaussian_fit g;
  g.mean = f.colwise().mean().transpose();
  matrix const centred = f.rowwise() - g.mean.transpose();
  g.covariance = centred.transpose() * centred / static_cast<double>(rows - 1);
  return g;
}

struct score {
  int nfe = 0;
  double distance = 0.0, accuracy = 0.0;
};

struct series {
  std::string name;
  std::vector<score> points;
};

/// Draws distance against NFE, both on logarithmic axes.
void draw(std::vector<series> const& all, std::string const& path) {
  constexpr int width = 720, height = 420, left = 60, right = 190, top = 30, bottom = 40;
  example::canvas c(width, height, 255);
  double low = 1e300, high = 0.0, first = 1e300, last = 0.0;
  for (auto const& s : all) {
    for (auto const& p : s.points) {
      low = std::min(low, p.distance);
      high = std::max(high, p.distance);
      first = std::min(first, static_cast<double>(p.nfe));
      last = std::max(last, static_cast<double>(p.nfe));
    }
  }
  low *= 0.9;
  // One solver far off would flatten all others: what lies above is drawn at the upper edge.
  high = std::min(1.1 * high, 20.0 * low);
  auto const x_of = [&](double nfe) {
    return left + static_cast<int>(std::log(nfe / first) / std::log(last / first) *
                                   (width - left - right));
  };
  auto const y_of = [&](double d) {
    return height - bottom -
           static_cast<int>(std::log(std::min(d, high) / low) / std::log(high / low) *
                            (height - top - bottom));
  };
  auto const line = [&](int x0, int y0, int x1, int y1, std::uint8_t grey, int dash) {
    int const n = std::max({std::abs(x1 - x0), std::abs(y1 - y0), 1});
    for (int i = 0; i <= n; ++i) {
      if (dash > 0 && i / dash % 2 == 1) continue;
      for (int k = 0; k < 2; ++k) c.set(x0 + (x1 - x0) * i / n, y0 + (y1 - y0) * i / n + k, grey);
    }
  };
  line(left, top, left, height - bottom, 120, 0);
  line(left, height - bottom, width - right, height - bottom, 120, 0);
  c.text(left, 8, "frechet distance of 64 features against network evaluations", 2, 0);
  for (auto const& p : all.front().points) {
    c.text(x_of(p.nfe) - 8, height - bottom + 10, std::to_string(p.nfe), 2, 0);
  }
  for (double d = std::pow(10.0, std::floor(std::log10(low))); d <= high; d *= 10.0) {
    for (double m : {1.0, 2.0, 5.0}) {
      if (d * m < low || d * m > high) continue;
      char label[16];
      std::snprintf(label, sizeof label, "%g", d * m);
      c.text(4, y_of(d * m) - 4, label, 2, 0);
      line(left, y_of(d * m), width - right, y_of(d * m), 225, 0);
    }
  }
  // The names stand at the ends of their lines, moved apart where they would overlap.
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](auto a, auto b) {
    return all[a].points.back().distance > all[b].points.back().distance;
  });
  int lowest = std::min(y_of(all[order.front()].points.back().distance) - 4,
                        height - bottom - 16 * static_cast<int>(all.size())) -
               16;
  for (std::size_t i : order) {
    auto const& s = all[i];
    auto const grey = static_cast<std::uint8_t>(i % 3 * 55);
    int const dash = static_cast<int>(i / 3) * 6;
    for (std::size_t k = 0; k < s.points.size(); ++k) {
      int const x = x_of(s.points[k].nfe), y = y_of(s.points[k].distance);
      for (int d = -3; d <= 3; ++d) {
        line(x - 3, y + d, x + 3, y + d, grey, 0);
      }
      if (k > 0) line(x_of(s.points[k - 1].nfe), y_of(s.points[k - 1].distance), x, y, grey, dash);
    }
    int const end = y_of(s.points.back().distance);
    int const y = lowest + 16;
    lowest = y;
    line(width - right + 2, end, width - right + 22, y + 5, 180, 0);
    c.text(width - right + 26, y, s.name, 2, grey);
  }
  example::write_png(c, path);
}

int count(std::string_view option, std::string_view text) {
  int value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 20 || value > 1'000'000) {
    detail::fail(std::string(option) + " = " + std::string(text) + ", must be in [20, 1000000]");
  }
  return value / 10;
}

struct study {
  int per_class;
  exec::threads exec{};
  denoiser::eigen::unet net;
  denoiser::eigen::classifier judge;
  gaussian_fit real;

  template <class Solver>
  score measure(Solver const& solver, int nfe, std::uint64_t seed) const {
    int const steps = std::max(1, nfe / Solver::max_evals);
    sampler const s{example::process(), solver};
    auto const rows = static_cast<std::int64_t>(10) * per_class;
    std::vector<float> x(static_cast<std::size_t>(rows * 784));
    options<noise::counted> opts;
    opts.noise.seed = seed;
    opts.check_finite = true;
    auto const r = s.sample(exec, net, example::make_grid("lambda", steps),
                            batch_view<float>{x.data(), rows, 784, 0}, opts);
    std::vector<float> features(static_cast<std::size_t>(rows * 64)),
        logits(static_cast<std::size_t>(rows * 10));
    judge.features(exec, batch_view<float const>{x.data(), rows, 784, 0},
                   batch_view<float>{features.data(), rows, 64, 0});
    judge.logits(exec, batch_view<float const>{x.data(), rows, 784, 0},
                 batch_view<float>{logits.data(), rows, 10, 0});
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      float const* const l = logits.data() + 10 * i;
      right += (std::max_element(l, l + 10) - l) == i / per_class;
    }
    return {r.nfe, frechet_distance(fit(features, rows, 64), real),
            static_cast<double>(right) / static_cast<double>(rows)};
  }

  template <class Solver>
  series sweep(std::string name, Solver const& solver) const {
    series s{std::move(name), {}};
    for (int nfe : {4, 8, 16, 32}) {
      s.points.push_back(measure(solver, nfe, 1));
      std::fprintf(stderr, "%s, NFE %d: distance %.3f, accuracy %.3f\n", s.name.c_str(),
                   s.points.back().nfe, s.points.back().distance, s.points.back().accuracy);
    }
    return s;
  }
};

gaussian_fit real_features(std::string const& path) {
  denoiser::eigen::safetensors const file(path);
  auto const mean = file.tensor("mean", {64});
  auto const covariance = file.tensor("cov", {64, 64});
  gaussian_fit g;
  g.mean = Eigen::Map<Eigen::VectorXf const>(mean.data(), 64).cast<double>();
  g.covariance = Eigen::Map<Eigen::MatrixXf const>(covariance.data(), 64, 64).cast<double>();
  return g;
}

void run_study(int argc, char** argv) {
  int per_class = 100;
  std::string plot = "quality.png";
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--help" || i + 1 >= argc) {
      std::printf(
          "usage: diffx_image_quality [--pictures N (1000)] [--plot F.png (quality.png)]\n");
      return;
    }
    if (option == "--pictures")
      per_class = count(option, argv[++i]);
    else if (option == "--plot")
      plot = argv[++i];
    else
      detail::fail("unknown option " + option + "; see --help");
  }
  std::string const models = std::string(DIFFX_EXAMPLES_DIR) + "/models/";
  std::vector<int> wanted;
  for (int label = 0; label < 10; ++label)
    wanted.insert(wanted.end(), static_cast<std::size_t>(per_class), label);
  study const s{
      per_class, exec::threads{},
      denoiser::eigen::unet(denoiser::eigen::safetensors(models + "fashion_unet.safetensors"),
                            denoiser::labels(wanted)),
      denoiser::eigen::classifier(
          denoiser::eigen::safetensors(models + "fashion_classifier.safetensors")),
      real_features(models + "fashion_features.safetensors")};
  std::vector<series> all;
  all.push_back(s.sweep("ddim", solver::ddim{}));
  all.push_back(s.sweep("ddpm", solver::ddim{.eta = 1.0}));
  all.push_back(s.sweep("heun", solver::heun{}));
  all.push_back(s.sweep("dpmpp_2m", solver::dpmpp_2m{}));
  all.push_back(s.sweep("unipc_3", solver::unipc<3>{}));
  all.push_back(s.sweep("sde_2m", solver::dpmpp_2m_sde{}));
  std::printf("| solver |");
  for (auto const& p : all.front().points) std::printf(" NFE %d |", p.nfe);
  std::printf("\n|---|---|---|---|---|\n");
  for (auto const& row : all) {
    std::printf("| `%s` |", row.name.c_str());
    for (auto const& p : row.points)
      std::printf(" %.2f / %.1f %% |", p.distance, 100.0 * p.accuracy);
    std::printf("\n");
  }
  draw(all, plot);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run_study(argc, argv);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_image_quality: %s\n", e.what());
    return 1;
  }
}
