#include <diffx/cache/every_n.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

namespace {

/// Predicts noise for data near 0.5, and near -0.5 without the condition.
struct network {
  static constexpr int branches = 2;
  diffx::prediction::eps prediction{};
  int* calls = nullptr;

  template <class Exec, class T>
  void operator()(Exec const&, diffx::batch_view<T const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    ++*calls;
    auto const center = static_cast<T>((q.branch == 0 ? 0.5 : -0.5) * q.at.alpha);
    auto const sigma = static_cast<T>(q.at.sigma);
    for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = (x.data[i] - center) / sigma;
  }
};

}  // namespace

/// Built with -fno-exceptions and -fno-rtti: a whole sampling run, with guidance and a cache.
int main() {
  using namespace diffx;
  // The arguments are named, since clang 14 does not deduce them for aggregates.
  sampler<process::vp<>, solver::dpmpp_2m, guidance::cfg<>, cache::every_n<2>> const s{
      process::vp<>{}, {}, {2.0}, {}, {}};
  constexpr int steps = 10;
  std::vector<level> levels;
  for (int i = 0; i < steps; ++i) levels.push_back(s.process.at_lambda(-3.0 + 0.6 * i));
  levels.push_back(s.process.at(0.0));
  timetable const grid(levels);

  int calls = 0;
  std::vector<float> x(4 * 33, NAN);
  network const n{{}, &calls};
  auto const end = s.sample(exec::host{}, n, grid, batch_view<float>{x.data(), 4, 33});
  // Five of ten steps call the network, twice each. Guidance 2 leads past 0.5 to 1.5; the last
  // prediction is one step old and was made at a noisier level.
  bool good = end.steps == steps && end.nfe == steps && calls == steps;
  for (float const v : x) good = good && std::isfinite(v) && v > 1.0f && v < 2.0f;
  std::printf("%d steps, %d evaluations, first value %g\n", end.steps, end.nfe,
              static_cast<double>(x[0]));
  return good ? 0 : 1;
}
