#pragma once

#include <array>
#include <cstddef>
#include <string_view>

/// Runge-Kutta methods as data, for solver::runge_kutta and adaptive drivers.
///
/// | `T::stages`, `T::order` | evaluations of the full method; order of `b`                       |
/// | `T::a[i][j]`, `T::b[j]` | weights of derivative j in stage i and in the result               |
/// | `T::embedded`           | second weights, for an error estimate; of `T::embedded_order`      |
/// | `T::names`              | solver name over sigma / alpha, and over flow time                 |
///
/// c is the row sum of a (`nodes<T>`). The embedded pairs propagate the order given first in their
/// name. Where the last row of a is b, the last derivative is the next step's first one.
namespace diffx::solver::tableau {

template <std::size_t S>
using matrix = std::array<std::array<double, S>, S>;

/// Places of the stages within the step.
template <class T>
inline constexpr auto nodes = [] {
  std::array<double, static_cast<std::size_t>(T::stages)> c{};
  for (std::size_t i = 0; i < c.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) c[i] += T::a[i][j];
    // Sums of rounded fractions: 1 is meant where they are within rounding of it.
    if (c[i] > 1.0 - 1e-14 && c[i] < 1.0 + 1e-14) c[i] = 1.0;
  }
  return c;
}();

template <class T>
concept embedded_pair = requires {
  T::embedded;
  T::embedded_order;
};

struct euler {
  static constexpr std::array<std::string_view, 2> names{"solver::sigma_euler",
                                                         "solver::flow_euler"};
  static constexpr std::string_view source = "Euler 1768";
  static constexpr int stages = 1, order = 1;
  static constexpr matrix<1> a{};
  static constexpr std::array<double, 1> b{1.0};
};

struct midpoint {
  static constexpr std::array<std::string_view, 2> names{"solver::midpoint",
                                                         "solver::flow_midpoint"};
  static constexpr std::string_view source = "Runge 1895";
  static constexpr int stages = 2, order = 2;
  static constexpr matrix<2> a{{{}, {0.5}}};
  static constexpr std::array<double, 2> b{0.0, 1.0};
};

struct heun {
  static constexpr std::array<std::string_view, 2> names{"solver::heun", "solver::flow_heun"};
  static constexpr std::string_view source = "arXiv:2206.00364, Algorithm 1";
  static constexpr int stages = 2, order = 2;
  static constexpr matrix<2> a{{{}, {1.0}}};
  static constexpr std::array<double, 2> b{0.5, 0.5};
};

struct ralston {
  static constexpr std::array<std::string_view, 2> names{"solver::ralston", "solver::flow_ralston"};
  static constexpr std::string_view source = "Ralston 1962";
  static constexpr int stages = 2, order = 2;
  static constexpr matrix<2> a{{{}, {2.0 / 3.0}}};
  static constexpr std::array<double, 2> b{0.25, 0.75};
};

struct ssprk3 {
  static constexpr std::array<std::string_view, 2> names{"solver::ssprk3", "solver::flow_ssprk3"};
  static constexpr std::string_view source = "Shu & Osher 1988";
  static constexpr int stages = 3, order = 3;
  static constexpr matrix<3> a{{{}, {1.0}, {0.25, 0.25}}};
  static constexpr std::array<double, 3> b{1.0 / 6.0, 1.0 / 6.0, 2.0 / 3.0};
};

struct rk4 {
  static constexpr std::array<std::string_view, 2> names{"solver::rk4", "solver::flow_rk4"};
  static constexpr std::string_view source = "Kutta 1901";
  static constexpr int stages = 4, order = 4;
  static constexpr matrix<4> a{{{}, {0.5}, {0.0, 0.5}, {0.0, 0.0, 1.0}}};
  static constexpr std::array<double, 4> b{1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0};
};

struct rk38 {
  static constexpr std::array<std::string_view, 2> names{"solver::rk38", "solver::flow_rk38"};
  static constexpr std::string_view source = "Kutta 1901";
  static constexpr int stages = 4, order = 4;
  static constexpr matrix<4> a{{{}, {1.0 / 3.0}, {-1.0 / 3.0, 1.0}, {1.0, -1.0, 1.0}}};
  static constexpr std::array<double, 4> b{0.125, 0.375, 0.375, 0.125};
};

struct bs32 {
  static constexpr std::array<std::string_view, 2> names{"solver::bs32", "solver::flow_bs32"};
  static constexpr std::string_view source = "Bogacki & Shampine 1989";
  static constexpr int stages = 4, order = 3, embedded_order = 2;
  static constexpr matrix<4> a{{{}, {0.5}, {0.0, 0.75}, {2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0}}};
  static constexpr std::array<double, 4> b{2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0};
  static constexpr std::array<double, 4> embedded{7.0 / 24.0, 0.25, 1.0 / 3.0, 0.125};
};

struct dopri54 {
  static constexpr std::array<std::string_view, 2> names{"solver::dopri54", "solver::flow_dopri54"};
  static constexpr std::string_view source = "Dormand & Prince 1980";
  static constexpr int stages = 7, order = 5, embedded_order = 4;
  static constexpr matrix<7> a{{
      {},
      {1.0 / 5.0},
      {3.0 / 40.0, 9.0 / 40.0},
      {44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0},
      {19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0},
      {9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0},
      {35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0},
  }};
  static constexpr std::array<double, 7> b{
      35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0, 0.0};
  static constexpr std::array<double, 7> embedded{
      5179.0 / 57600.0, 0.0,       7571.0 / 16695.0, 393.0 / 640.0, -92097.0 / 339200.0,
      187.0 / 2100.0,   1.0 / 40.0};
};

struct tsit54 {
  static constexpr std::array<std::string_view, 2> names{"solver::tsit54", "solver::flow_tsit54"};
  static constexpr std::string_view source = "Tsitouras 2011";
  static constexpr int stages = 7, order = 5, embedded_order = 4;
  static constexpr matrix<7> a{{
      {},
      {0.161},
      {-0.008480655492356989, 0.335480655492357},
      {2.8971530571054935, -6.359448489975075, 4.3622954328695815},
      {5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525},
      {5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401,
       -0.028269050394068383},
      {0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081,
       2.324710524099774},
  }};
  static constexpr std::array<double, 7> b{
      0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081,
      2.324710524099774,   0.0};
  static constexpr std::array<double, 7> embedded{
      0.09824077787029101, 0.010816434459656746, 0.4720087724042376,   1.5237195812770048,
      -3.8724266808886365, 2.782792630028961,    -0.015151515151515152};
};

struct fehlberg45 {
  static constexpr std::array<std::string_view, 2> names{"solver::fehlberg45",
                                                         "solver::flow_fehlberg45"};
  static constexpr std::string_view source = "Fehlberg 1969";
  static constexpr int stages = 6, order = 4, embedded_order = 5;
  static constexpr matrix<6> a{{
      {},
      {1.0 / 4.0},
      {3.0 / 32.0, 9.0 / 32.0},
      {1932.0 / 2197.0, -7200.0 / 2197.0, 7296.0 / 2197.0},
      {439.0 / 216.0, -8.0, 3680.0 / 513.0, -845.0 / 4104.0},
      {-8.0 / 27.0, 2.0, -3544.0 / 2565.0, 1859.0 / 4104.0, -11.0 / 40.0},
  }};
  static constexpr std::array<double, 6> b{25.0 / 216.0,    0.0,  1408.0 / 2565.0,
                                           2197.0 / 4104.0, -0.2, 0.0};
  static constexpr std::array<double, 6> embedded{16.0 / 135.0,      0.0,   6656.0 / 12825.0,
                                                  28561.0 / 56430.0, -0.18, 2.0 / 55.0};
};

}  // namespace diffx::solver::tableau
