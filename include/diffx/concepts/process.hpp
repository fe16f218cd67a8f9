#pragma once

#include <diffx/step.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>
#include <vector>

namespace diffx {

struct process_tag {};

/// What kind of values a block of the state holds.
enum class value_kind { continuous, categorical, binary };

/// A noise process says how data turns into noise, and owns the exact laws of that.
///
/// | `P::name`, `P::source`     | identity, for registry and documentation                       |
/// | `P::values`                | the kind of values it acts on                                  |
template <class P>
concept process_policy = std::same_as<typename P::kind, process_tag> && requires {
  { P::name } -> std::convertible_to<std::string_view>;
  { P::source } -> std::convertible_to<std::string_view>;
  { P::values } -> std::convertible_to<value_kind>;
};

/// A process with scalar coefficients, x_t = alpha(t) x0 + sigma(t) eps.
///
/// | `p.at(t)`                  | the level at process time t in [0, 1]; host, double, pure       |
/// | `p.at_lambda(lambda)`      | the level with that lambda: the exact inverse of `at`           |
/// | `P::zero_terminal_snr`     | true if alpha(1) = 0: eps prediction is meaningless there       |
///
/// Promise: lambda falls strictly as t grows; alpha and sigma depend on lambda alone.
template <class P>
concept gaussian_process = process_policy<P> &&
                           P::values == value_kind::continuous&& requires(P const& p, double t) {
  { p.at(t) } -> std::same_as<level>;
  { p.at_lambda(t) } -> std::same_as<level>;
  { P::zero_terminal_snr } -> std::convertible_to<bool>;
};

/// A process that replaces classes, position by position and independently:
///
///     q(x_t | x_0) = alpha 1[x_t = x_0] + (1 - alpha) pi(x_t)
///
/// with alpha the probability that a position still carries its data class, and pi the limit law.
/// Its levels have sigma = 1 - alpha and lambda = log(alpha / sigma).
///
/// | `p.at(t)`, `p.at_lambda(lambda)` | the level, and its exact inverse; host, double, pure    |
/// | `p.limit()`                      | the limit law, a detail::limit_law; good while p lives  |
/// | `P::is_absorbing`                | true if pi is one class that is not data, the mask      |
template <class P>
concept categorical_process = process_policy<P> && P::values ==
                              value_kind::categorical&& requires(P const& p, double t) {
  { p.at(t) } -> std::same_as<level>;
  { p.at_lambda(t) } -> std::same_as<level>;
  { p.limit().classes } -> std::convertible_to<int>;
  { P::is_absorbing } -> std::convertible_to<bool>;
};

/// A process of points on spheres, one sphere a position, whose data are the vertices.
///
/// | `p.at(t)`, `p.at_lambda(lambda)` | the level, and its exact inverse; host, double, pure    |
/// | `p.law()`                        | tokens, coordinates and starts: a detail::sphere_law    |
/// | `p.prior().other(t)`             | probability of the other start at time t                |
/// | `p.schedule()`                   | the noise's rate: beta, to_come, passed and pull of t   |
/// | `p.noising_steps()`              | steps of the walk that noises                           |
template <class P>
concept sphere_process = process_policy<P> &&
                         P::values == value_kind::continuous&& requires(P const& p, double t) {
  { p.at(t) } -> std::same_as<level>;
  { p.at_lambda(t) } -> std::same_as<level>;
  { p.law().tokens } -> std::convertible_to<int>;
  { p.law().width } -> std::convertible_to<int>;
  { p.prior().other(t) } -> std::convertible_to<double>;
  { p.schedule().to_come(t) } -> std::convertible_to<double>;
  { p.noising_steps() } -> std::convertible_to<int>;
};

/// A process that replaces classes, position by position and independently, with any matrices of
/// probabilities: planned on the host, for few classes. Its levels say the time; their alpha and
/// sigma are what the process calls so.
///
/// | `p.states()`         | K: the classes of the network and, if any, the mask       |
/// | `p.transition(s, t)` | K x K, row-major: x_t = j given x_s = i; level{} is data  |
/// | `p.limit()`          | the law that a run starts from, a detail::limit_law       |
template <class P>
concept matrix_process = process_policy<P> && P::values ==
                         value_kind::categorical&& requires(P const& p, level const& l, double t) {
  { p.at(t) } -> std::same_as<level>;
  { p.at_lambda(t) } -> std::same_as<level>;
  { p.states() } -> std::same_as<int>;
  { p.transition(l, l) } -> std::same_as<std::vector<double>>;
  { p.limit().classes } -> std::convertible_to<int>;
};

/// A process of positions with a law each, the columns of a table: column c is a process of its own
/// and gives the levels of its position.
///
/// | `p.size()`, `p.column(c)` | the columns, each a categorical_process                      |
/// | `p.logits()`              | logits of a sample: those of all columns, side by side       |
template <class P>
concept column_process = process_policy<P> &&
                         P::values == value_kind::categorical&& requires(P const& p, double t) {
  { p.at(t) } -> std::same_as<level>;
  { p.at_lambda(t) } -> std::same_as<level>;
  { p.size() } -> std::same_as<int>;
  { p.logits() } -> std::convertible_to<long long>;
  requires categorical_process<typename P::column_type>;
  { p.column(0) } -> std::same_as<typename P::column_type const&>;
};

/// The same of numbers: column c is x_t = alpha_c(t) x0 + sigma_c(t) eps on one clock.
///
/// | `p.size()`, `p.column(c)` | the columns, each a gaussian_process                         |
/// | `p.at(t)`                 | the level of the first, which a network is told              |
template <class P>
concept gaussian_column_process = process_policy<P> && P::values ==
                                  value_kind::continuous&& requires(P const& p, double t) {
  { p.at(t) } -> std::same_as<level>;
  { p.at_lambda(t) } -> std::same_as<level>;
  { p.size() } -> std::same_as<int>;
  requires gaussian_process<typename P::column_type>;
  { p.column(0) } -> std::same_as<typename P::column_type const&>;
};

/// A process that flips bits, each by itself, with probability sigma / 2 from the data on, and
/// whose rows are packed: [batch, words] of 32 bits.
///
/// | `p.at(t)`, `p.at_lambda(lambda)` | the level, alpha = 1 - sigma; host, double, pure        |
/// | `p.bits()`                       | bits of a row                                           |
template <class P>
concept binary_process = process_policy<P> &&
                         P::values == value_kind::binary&& requires(P const& p, double t) {
  { p.at(t) } -> std::same_as<level>;
  { p.at_lambda(t) } -> std::same_as<level>;
  { p.bits() } -> std::same_as<std::int64_t>;
};

/// A process with levels: what grids are made for.
template <class P>
concept clocked_process = gaussian_process<P> || categorical_process<P> || matrix_process<P> ||
    column_process<P> || gaussian_column_process<P> || sphere_process<P> || binary_process<P>;

}  // namespace diffx
