// GSDM on Sudoku of 4x4, with the network that knows the posterior.

#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/empirical.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/domain/structure/problems.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/recipe/gsdm.hpp>
#include <diffx/search/best_of_n.hpp>

#include "support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace diffx;
using namespace diffx::domain;

namespace {

using grid_t = std::vector<std::int32_t>;

structure::sudoku const four(2, 2);
structure::variables const cells = four.as_problem().variables;

/// Puzzles of 4x4, rows of them in one batch, and the posterior of each.
struct puzzles {
  std::vector<grid_t> solutions;  // of each puzzle, one after another
  std::vector<int> of_row;
  std::vector<float> x;            // [rows, 64]
  std::vector<std::uint8_t> mask;  // [rows, 64]
  denoiser::empirical posterior;

  puzzles(std::vector<grid_t> const& given, std::int64_t rows_of_each)
      : posterior(make(given, rows_of_each)) {}

  std::int64_t rows() const { return static_cast<std::int64_t>(of_row.size()); }
  batch_view<float> view() { return {x.data(), rows(), 64}; }
  batch_view<std::uint8_t const> observed() const { return {mask.data(), rows(), 64}; }

  auto network() const {
    return denoiser::predicts<prediction::x0>(
        [this](auto const& exec, batch_view<float const> state, query const& q,
               batch_view<std::uint8_t const>,
               batch_view<float> out) { posterior(exec, state, q, out); });
  }

  grid_t grid(std::int64_t row) const {
    grid_t out(16);
    cells.read(batch_view<float const>{x.data() + row * 64, 1, 64},
               batch_view<float>{nullptr, 1, 0}, batch_view<std::int32_t>{out.data(), 1, 16});
    return out;
  }

 private:
  denoiser::empirical make(std::vector<grid_t> const& given, std::int64_t rows_of_each) {
    std::vector<double> data;
    std::vector<int> labels;
    for (std::size_t p = 0; p < given.size(); ++p) {
      solutions.push_back(four.completions(given[p], 1000));
      auto const count = static_cast<std::int64_t>(solutions[p].size() / 16);
      std::vector<double> all(static_cast<std::size_t>(count * 64));
      cells.write(batch_view<double const>{nullptr, count, 0},
                  batch_view<std::int32_t const>{solutions[p].data(), count, 16},
                  batch_view<double>{all.data(), count, 64});
      data.insert(data.end(), all.begin(), all.end());
      labels.insert(labels.end(), static_cast<std::size_t>(count), static_cast<int>(p));
      std::vector<std::uint8_t> observed;
      for (auto const digit : given[p]) observed.push_back(digit >= 0 ? 1 : 0);
      auto const wide = cells.features_of({observed.data(), 1, 16});
      for (std::int64_t i = 0; i < rows_of_each; ++i) {
        of_row.push_back(static_cast<int>(p));
        mask.insert(mask.end(), wide.begin(), wide.end());
        for (std::size_t f = 0; f < 64; ++f) {
          x.push_back(wide[f] != 0 ? static_cast<float>(all[f]) : 7.0f);
        }
      }
    }
    return denoiser::empirical(std::move(data), 64, std::move(labels)).for_classes(of_row);
  }
};

grid_t puzzle(char const* text) {
  grid_t out;
  for (; *text != '\0'; ++text) {
    if (*text == '.' || (*text >= '1' && *text <= '4')) {
      out.push_back(*text == '.' ? -1 : *text - '1');
    }
  }
  REQUIRE(out.size() == 16);
  return out;
}

/// Counts how often every solution came; what is no solution counts last.
std::vector<std::int64_t> counts(puzzles const& p, int which) {
  auto const& all = p.solutions[static_cast<std::size_t>(which)];
  std::vector<std::int64_t> out(all.size() / 16 + 1, 0);
  for (std::int64_t i = 0; i < p.rows(); ++i) {
    if (p.of_row[static_cast<std::size_t>(i)] != which) continue;
    auto const grid = p.grid(i);
    std::size_t k = 0;
    while (k + 1 < out.size() && !std::equal(grid.begin(), grid.end(),
                                             all.begin() + static_cast<std::ptrdiff_t>(16 * k))) {
      ++k;
    }
    ++out[k];
    CHECK((k + 1 < out.size()) == (four.violations(grid) == 0));
  }
  return out;
}

/// Noise 1 for the sample of this step, else none.
struct one_noise {
  using kind = noise_tag;
  [[maybe_unused]] static constexpr std::string_view name = "one_noise";
  template <class T>
  void fill(noise::key key, std::int64_t sample, std::int64_t, int count, T* out) const {
    std::fill_n(out, count, sample == key.step ? T(1) : T(0));
  }
  one_noise fork(std::uint64_t) const { return *this; }
};

}  // namespace

TEST_CASE("gsdm: puzzles of one solution are solved, always") {
  std::vector<grid_t> const unique{puzzle("1... ..3. .... .4.2"), puzzle(".2.. ...1 3... ..4."),
                                   puzzle("12.. 3... 2... ...3")};
  for (auto const* sampler_name : {"ddpm", "ddim"}) {
    puzzles p(unique, 20);
    denoiser::clamp_clean const network{p.network(), p.observed()};
    options const opts{noise::counted{11}};
    if (std::string_view(sampler_name) == "ddpm") {
      auto const s = recipe::gsdm();
      s.sample(exec::host{}, network, grid::timesteps(s.process, grid::index::strided(1000, 20)),
               p.view(), opts);
    } else {
      auto const s = recipe::gsdm_ddim();
      s.sample(exec::host{}, network, grid::timesteps(s.process, grid::index::strided(1000, 5)),
               p.view(), opts);
    }
    for (std::int64_t i = 0; i < p.rows(); ++i) {
      auto const which = static_cast<std::size_t>(p.of_row[static_cast<std::size_t>(i)]);
      REQUIRE(p.solutions[which].size() == 16);
      CHECK(p.grid(i) == p.solutions[which]);
    }
  }
}

TEST_CASE("gsdm: puzzles of several solutions: each as often (n = 2000, TV 5 % seen)") {
  std::vector<grid_t> const open{puzzle("1... .... .... .4.."), puzzle("12.. .... .... ...."),
                                 puzzle("12.. .... .... ...1")};
  schedule::alpha_bar_table const pure = schedule::linear();
  auto const check = [&](auto const& s, char const* name, int steps) {
    puzzles p(open, 2000);
    denoiser::clamp_clean const network{p.network(), p.observed()};
    s.sample(exec::host{}, network, grid::trailing(s.process, steps), p.view(),
             options{noise::counted{12}});
    for (int k = 0; k < 3; ++k) {
      auto const seen = counts(p, k);
      std::size_t const n = seen.size() - 1;
      CHECK(n > 3);
      std::vector<double> law(n + 1, 1.0 / static_cast<double>(n));
      law.back() = 0.0;
      auto const test = test::test_cells(seen, law);
      INFO(name << " " << k << " solutions " << n << " p " << test.p);
      CHECK(test::passes(std::string(name) + std::to_string(k), test.p));
      CHECK(seen.back() == 0);
    }
  };
  check(recipe::gsdm(pure), "gsdm ddpm ", 150);
  check(recipe::gsdm_ddim(0.0, pure), "gsdm ddim ", 60);
}

TEST_CASE("gsdm: steps of the strided chain are those of the formulas") {
  schedule::alpha_bar_table const table = schedule::linear(1000, 1e-4, 5e-3);
  auto const network = denoiser::predicts<prediction::x0>(
      [](auto const&, batch_view<double const> x, query const&, batch_view<double> out) {
        for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = 0.3;
      });
  auto const indices = grid::index::strided(1000, 8);
  CHECK(indices.front() == 875);
  CHECK(indices.back() == 0);
  auto const check = [&](auto const& s, auto const& wanted) {
    auto const steps = grid::timesteps(s.process, indices);
    for (int k = 0; k < 8; ++k) {
      double const a = table.alpha_bar(indices[static_cast<std::size_t>(k)]);
      double const b = k < 7 ? table.alpha_bar(indices[static_cast<std::size_t>(k + 1)]) : 1.0;
      // Sample k sees noise 1 in this step, sample 8 none.
      std::vector<double> x(9, -1.7);
      options<one_noise> opts;
      opts.start = start::given;
      opts.first_step = opts.last_step = k;
      s.sample(exec::host{}, network, steps, batch_view<double>{x.data(), 9, 1}, opts);
      auto const [mean, deviation] = wanted(a, b);
      CHECK(x[8] == doctest::Approx(mean).epsilon(1e-12));
      CHECK(x[static_cast<std::size_t>(k)] - x[8] ==
            doctest::Approx(k < 7 ? deviation : 0.0).epsilon(1e-10));
    }
  };
  check(recipe::gsdm(), [](double a, double b) {
    double const beta = 1.0 - a / b;
    return std::pair{
        (std::sqrt(b) * beta * 0.3 + std::sqrt(1.0 - beta) * (1.0 - b) * -1.7) / (1.0 - a),
        std::sqrt(beta)};
  });
  for (double const eta : {0.0, 0.7}) {
    check(recipe::gsdm_ddim(eta), [eta](double a, double b) {
      double const c1 = eta * std::sqrt((1.0 - a / b) * (1.0 - b) / (1.0 - a));
      double const c2 = std::sqrt(1.0 - b - c1 * c1);
      double const eps = (-1.7 - std::sqrt(a) * 0.3) / std::sqrt(1.0 - a);
      return std::pair{std::sqrt(b) * 0.3 + c2 * eps, c1};
    });
  }
  // What the noisiest level keeps, as the documentation says.
  CHECK(table.alpha_bar(999) == doctest::Approx(0.078).epsilon(0.01));
}

TEST_CASE("gsdm: all observed comes back; none observed is the unconditional sampler") {
  auto const s = recipe::gsdm();
  auto const steps = grid::timesteps(s.process, grid::index::strided(1000, 10));
  grid_t const full = four.completions(grid_t(16, -1), 1);
  puzzles p({full}, 3);
  auto const before = p.x;
  s.sample(exec::host{}, denoiser::clamp_clean{p.network(), p.observed()}, steps, p.view());
  CHECK(std::memcmp(p.x.data(), before.data(), before.size() * sizeof(float)) == 0);

  puzzles free({grid_t(16, -1)}, 4);
  auto x = free.x;
  s.sample(exec::host{}, denoiser::clamp_clean{free.network(), free.observed()}, steps,
           free.view());
  s.sample(exec::host{}, free.posterior, steps, batch_view<float>{x.data(), 4, 64});
  CHECK(std::memcmp(free.x.data(), x.data(), x.size() * sizeof(float)) == 0);
}

TEST_CASE("gsdm: the best of n by the rules solves more puzzles") {
  // So few steps that mixtures of solutions are left.
  auto const share = [&](int n) {
    puzzles p({puzzle("1... .... .... ....")}, 150);
    auto const plain = recipe::gsdm();
    sampler const s{plain.process, plain.solver, guidance::none{}, cache::none{},
                    search::best_of_n{n}};
    auto const found = s.sample_best(exec::host{}, denoiser::clamp_clean{p.network(), p.observed()},
                                     grid::trailing(s.process, 1), p.view(),
                                     [&](batch_view<float const> x, std::span<double> score) {
                                       for (std::int64_t i = 0; i < x.batch; ++i) {
                                         grid_t g(16);
                                         cells.read(batch_view<float const>{x.row(i), 1, 64},
                                                    batch_view<float>{nullptr, 1, 0},
                                                    batch_view<std::int32_t>{g.data(), 1, 16});
                                         score[static_cast<std::size_t>(i)] = -four.violations(g);
                                       }
                                     });
    int solved = 0;
    for (std::int64_t i = 0; i < p.rows(); ++i) {
      auto const g = p.grid(i);
      CHECK(-four.violations(g) == found.best[static_cast<std::size_t>(i)]);
      CHECK(g[0] == 0);
      solved += four.violations(g) == 0 ? 1 : 0;
    }
    return solved;
  };
  int const one = share(1), many = share(6);
  CHECK(one < 150);
  CHECK(many > one);
}
