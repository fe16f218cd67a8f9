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
#include "option_value.hpp"
#include "plot.hpp"
#include <Eigen/Dense>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using example::number;
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
      per_class = number(option, argv[++i], 20, 1'000'000) / 10;
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
  std::vector<example::curve> curves;
  for (auto const& row : all) {
    example::curve c{row.name, {}};
    for (auto const& p : row.points) c.points.push_back({static_cast<double>(p.nfe), p.distance});
    curves.push_back(std::move(c));
  }
  example::draw(curves, "frechet distance of 64 features against network evaluations", plot);
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
