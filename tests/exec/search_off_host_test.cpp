// Searches over whole runs where the host does not reach: the samples, scores and winners of
// exec::host, bit for bit.

#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/search/zero_order.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/class_networks.hpp"
#include "../support/compositions.hpp"
#include "../support/elsewhere.hpp"
#include "../support/message.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

using namespace diffx;

namespace {

constexpr std::int64_t rows = 5, features = 6;

/// The score of a row, by the host or by what works as a device.
struct verifier {
  bool broken = false;

  template <class T>
  struct op {
    batch_view<T const> x;
    double* score;
    bool broken;
    void operator()(std::int64_t row) const {
      double sum = 0.0;
      for (std::int64_t j = 0; j < x.features; ++j) sum += static_cast<double>(x.row(row)[j]);
      score[row] = broken && row == 3 ? std::nan("") : sum;
    }
  };
  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, std::span<double> scores) const {
    exec.for_each_sample(x.batch, op<T>{x, scores.data(), broken});
  }
  template <class T>
  void operator()(batch_view<T const> x, std::span<double> scores) const {
    (*this)(exec::host{}, x, scores);
  }
};

template <class T, class Sampler, class Network>
void same(Sampler const& s, Network const& network, timetable const& grid,
          options<> const& o = {}) {
  std::vector<T> x(rows * features, T(2)), y = x;
  batch_view<T> const here{x.data(), rows, features, 9}, there{y.data(), rows, features, 9};
  auto const expected = s.sample_best(exec::host{}, network, grid, here, verifier{}, o);
  detail::workspace const memory(s.best_workspace_size(test::apart{}, network, there, o));
  auto const found =
      s.sample_best(test::apart{}, network, grid, there, verifier{}, memory.span(), o);
  CHECK(x == y);
  CHECK(found.scores == expected.scores);
  CHECK(found.best == expected.best);
  CHECK(found.winner == expected.winner);
  CHECK(found.noise == expected.noise);
  CHECK(found.nfe == expected.nfe);
  CHECK(found.scores.size() == static_cast<std::size_t>(rows * found.runs));

  CHECK(test::message_of([&] {
          s.sample_best(test::apart{}, network, grid, there, verifier{true}, memory.span(), o);
        }) == "diffx::search: the verifier returned NaN for candidate 0, row 3");
  CHECK(test::message_of([&] {
          s.sample_best(test::apart{}, network, grid, there, verifier{},
                        memory.span().first(memory.span().size() - 1), o);
        }).find("workspace has") != std::string::npos);
}

template <class Search>
auto searching(Search s) {
  return sampler{test::vp_process{}, solver::ddim{.eta = 1.0}, guidance::none{}, cache::none{}, s};
}

}  // namespace

TEST_CASE("a search off the host finds what one on the host finds") {
  auto const four = test::lambda_grid(4);
  same<double>(searching(search::best_of_n{4}), test::wavy{}, four);
  same<double>(searching(search::zero_order{2, 3, 0.8}), test::wavy{}, four);
  options<> o{noise::counted{3}};
  o.start = start::noised;
  same<double>(searching(search::best_of_n{4}), test::wavy{}, four, o);
  std::vector<std::uint8_t> mask(rows * features);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 3 == 1;
  o = options<>{noise::counted{3}};
  o.fixed = mask.data();
  same<double>(searching(search::best_of_n{4}), test::wavy{}, four, o);
  sampler const texts{process::absorbing(7), solver::ancestral{}, guidance::none{}, cache::none{},
                      search::best_of_n{5}};
  same<std::int32_t>(texts, test::scrambled_network<>{.classes = 7},
                     grid::uniform_t(texts.process, 4), o);
}
