// Searches over whole runs on the device: scores stay there until the end.

#include <diffx/exec/host.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/search/zero_order.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/levels.hpp"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace {

constexpr std::int64_t batch = 37, features = 50;

/// The sum of a row. Samples of host and device differ in their last digits, scores of candidates
/// by whole numbers: the winner is the same unless two of them are within 1e-4 of each other.
struct verifier {
  struct op {
    diffx::batch_view<float const> x;
    double* score;
    DIFFX_HD void operator()(std::int64_t row) const {
      double sum = 0.0;
      for (std::int64_t j = 0; j < x.features; ++j) sum += static_cast<double>(x.row(row)[j]);
      score[row] = sum;
    }
  };
  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<float const> x,
                  std::span<double> scores) const {
    exec.for_each_sample(x.batch, op{x, scores.data()});
  }
  void operator()(diffx::batch_view<float const> x, std::span<double> scores) const {
    (*this)(diffx::exec::host{}, x, scores);
  }
};

template <class Search>
void same_winners(Search const& search) {
  diffx::sampler const s{diffx::process::vp{}, diffx::solver::ddim{}, diffx::guidance::none{},
                         diffx::cache::none{}, search};
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 8));
  diffx::options<> const o{diffx::noise::counted{5}};
  std::vector<float> here(batch * features);
  auto const want =
      s.sample_best(diffx::exec::host{}, test::wave{}, grid,
                    diffx::batch_view<float>{here.data(), batch, features}, verifier{}, o);
  test::stream const on;
  test::device_array<float> const x(here.size());
  diffx::batch_view<float> const there{x.data(), batch, features};
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(s.best_workspace_size(on.exec(), test::wave{}, there, o)));
  auto const found =
      s.sample_best(on.exec(), test::wave{}, grid, there, verifier{}, memory.span(), o);
  CHECK(found.winner == want.winner);
  for (std::size_t i = 0; i < found.scores.size(); ++i) {
    CHECK(found.scores[i] == doctest::Approx(want.scores[i]).epsilon(1e-4));
  }
  auto const back = x.back();
  CHECK(test::largest_difference(here, back) < 1e-4);
}

TEST_CASE("searches keep the same samples on the device as on the host") {
  same_winners(diffx::search::best_of_n{6});
  same_winners(diffx::search::zero_order{2, 3, 0.8});
}

}  // namespace
