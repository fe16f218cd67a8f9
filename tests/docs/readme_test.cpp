// The program of README.md.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
using namespace diffx;

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

namespace {

struct my_network {
  int calls[2] = {};  // [null, conditional]

  void run(float const* x, std::int64_t batch, double, bool conditional, float* out) {
    ++calls[conditional];
    std::copy_n(x, batch * 784, out);
  }
};

std::vector<float> generate(my_network& net, int count) {
  auto const network = denoiser::predicts<prediction::eps, 2>(
      [&](auto const&, batch_view<float const> x, query const& q, batch_view<float> out) {
        net.run(x.data, x.batch, q.at.t, /*conditional=*/q.branch == 0, out.data);
      });
  sampler const s{process::vp{}, solver::dpmpp_2m{}, guidance::cfg{3.0}};
  std::vector<float> x(std::size_t(count) * 784);
  s.sample(exec::threads{}, network, grid::uniform_lambda(s.process, 20),
           batch_view<float>{x.data(), count, 784}, options{noise::counted{42}});
  return x;
}

}  // namespace

TEST_CASE("the program of the readme samples") {
  my_network net;
  auto const x = generate(net, 3);
  CHECK(x.size() == 3 * 784);
  CHECK(net.calls[0] == 20);
  CHECK(net.calls[1] == 20);
  CHECK(std::all_of(x.begin(), x.end(), [](float v) { return std::isfinite(v); }));
  CHECK(x[0] != x[784]);
}
