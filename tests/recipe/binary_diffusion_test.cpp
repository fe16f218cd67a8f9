// Binary Diffusion, from a table to bits and back: rows come out of an exact network as they went
// in.

#include <diffx/denoiser/bit_logits.hpp>
#include <diffx/domain/table/fixed_binary.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/recipe/binary_diffusion.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
namespace table = domain::table;

/// The exact posterior of every clean bit, as logits, for rows that are the whole data.
struct empirical_bits {
  std::vector<std::uint8_t> rows;  // [count, bits]

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, query const& q, Out const& out) const {
    auto const bits = static_cast<std::size_t>(x.features);
    std::size_t const count = rows.size() / bits;
    double const odds = std::log(0.5 * q.at.sigma) - std::log1p(-0.5 * q.at.sigma);
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      std::vector<double> one(bits, 0.0), zero(bits, 0.0), weight(count);
      double top = -HUGE_VAL;
      for (std::size_t r = 0; r < count; ++r) {
        int flips = 0;
        for (std::size_t k = 0; k < bits; ++k) flips += x.row(i)[k] != rows[r * bits + k] ? 1 : 0;
        top = std::max(top, weight[r] = flips * odds);
      }
      for (std::size_t r = 0; r < count; ++r) {
        for (std::size_t k = 0; k < bits; ++k) {
          (rows[r * bits + k] != 0 ? one : zero)[k] += std::exp(weight[r] - top);
        }
      }
      for (std::size_t k = 0; k < bits; ++k) {
        double const l = std::log(one[k] + 1e-30) - std::log(zero[k] + 1e-30);
        out.row(i)[k] = static_cast<float>(l);
      }
    });
  }
};

}  // namespace

TEST_CASE("binary_diffusion: rows of a table through bits, noise and back") {
  std::vector<double> age;
  std::vector<table::label> colour;
  for (int i = 0; i < 6; ++i) {
    age.push_back(17 + 13 * i);
    colour.push_back(i % 3 == 0 ? "red" : i % 3 == 1 ? "green" : "blue");
  }
  table::typed_table const in(
      {{{.name = "age", .kind = table::column_kind::numeric}, age, {}},
       {{.name = "colour", .kind = table::column_kind::category}, {}, colour}});
  auto const codec = table::fixed_binary::fit(in);
  auto const rows = codec.encode(in);
  int const bits = static_cast<int>(codec.row_bits());
  auto const s = recipe::binary_diffusion(bits);
  denoiser::bit_logits const network(empirical_bits{rows}, denoiser::bit_source::target);
  constexpr std::int64_t samples = 200;
  for (int const steps : {5, 20}) {
    CAPTURE(steps);
    std::vector<std::uint8_t> x(static_cast<std::size_t>(samples * bits));
    auto const r = s.sample(
        exec::threads{}, network, grid::timesteps(s.process, grid::index::strided(1000, steps)),
        batch_view<std::uint8_t>{x.data(), samples, bits}, options<>{noise::counted{4}});
    CHECK(r.evaluations == steps);
    int known = 0;
    for (std::int64_t i = 0; i < samples; ++i) {
      for (std::size_t first = 0; first < rows.size(); first += static_cast<std::size_t>(bits)) {
        known += std::equal(x.begin() + i * bits, x.begin() + (i + 1) * bits,
                            rows.begin() + static_cast<std::ptrdiff_t>(first))
                     ? 1
                     : 0;
      }
    }
    // Late steps see a row through few flips: most samples end on a row of the table.
    CHECK(known > samples * 9 / 10);
    auto const out = codec.decode(x);
    CHECK(out.table.rows() == samples);
  }
  CHECK_THROWS_WITH_AS(recipe::binary_diffusion(1), doctest::Contains("bits = 1"), error);
}
