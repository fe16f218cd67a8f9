#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/log.hpp>

#include <limits>

namespace diffx::detail {

/// The reverse kernel of one position, up to a factor of the position:
///
///     q(k) ~ data p_k + limit pi_k
///
/// with p the law of the data class and pi the limit law; the class that is there has coefficients
/// of its own.
struct class_kernel {
  struct {
    double data, limit;
  } other, here;

  DIFFX_HD double at(bool is_here, double p, double pi) const noexcept {
    auto const& c = is_here ? here : other;
    return c.data * p + c.limit * pi;
  }
};

/// The guided reverse kernel of one position, drawn without being written.
///
///     log q(k) = sum_g weight_g log q_g(k)  +  sum_g weight_g R_g(k)  +  const
///
/// The first `kernels` sources are logits, of which the solver makes kernels; the others are tables
/// of log-ratios. A class that any of them rules out is ruled out, whatever the sign of its weight.
/// Where the mask is the limit law it is no class here: it has `stay`, the log of its mass, and a
/// coin of its own decides on it.
///
/// normalise() reads the rows of logits once, scan() all rows once, draw() one tile of them again.
/// All sums are in double, always in the same order. No libm.
template <class T, int G>
class kernel_row {
 public:
  static constexpr double nothing = -std::numeric_limits<double>::infinity();

  T const* source[G];
  double weight[G];
  class_kernel kernel[G];
  int sources = 0;
  int kernels = 0;
  limit_law law;
  int now = 0;            // the class that is there
  double stay = nothing;  // log of the mask's mass, beside those of the classes

  /// The softmax of every row of logits; false if one is no distribution.
  DIFFX_HD bool normalise() noexcept {
    for (int g = 0; g < kernels; ++g) {
      T const* const l = source[g];
      sum_all([&](int k) { return k == law.mask ? nothing : static_cast<double>(l[k]); });
      if (!(total_ > 0.0 && total_ - total_ == 0.0)) return false;
      normaliser_[g] = log_total();
    }
    return true;
  }

  /// The probability of a data class in one row of logits; after normalise().
  DIFFX_HD double data_probability(int g, int k) const noexcept {
    double const l = static_cast<double>(source[g][k]);
    return k == law.mask || l == nothing ? 0.0 : exp(l - normaliser_[g]);
  }

  /// After normalise(), with the kernels and `stay` filled in; false if no state is left, or a
  /// table holds NaN or +inf.
  DIFFX_HD bool scan() noexcept {
    for (int g = 0; g < kernels; ++g) {
      double const other = kernel[g].other.data, here = kernel[g].here.data;
      offset_[g][0] = other > 0.0 ? log(other) - normaliser_[g] : nothing;
      offset_[g][1] = here > 0.0 ? log(here) - normaliser_[g] : nothing;
    }
    sum_all([&](int k) { return log_mass(k); });
    return total_ - total_ == 0.0 && (total_ > 0.0 || stay > nothing);
  }

  /// The probability that the position is no longer masked; after scan().
  DIFFX_HD double leaves_mask() const noexcept {
    if (stay == nothing) return 1.0;
    return total_ > 0.0 ? 1.0 / (1.0 + exp(stay - log_total())) : 0.0;
  }

  /// The probability of one state; after scan().
  DIFFX_HD double probability(int k) const noexcept {
    if (k == law.mask) return 1.0 - leaves_mask();
    double const l = log_mass(k);
    return l == nothing ? 0.0 : leaves_mask() * exp(l - largest_) / total_;
  }

  /// The class at u in (0, 1) of the distribution function of the classes; after scan(). A class
  /// that is ruled out is never drawn.
  DIFFX_HD int draw(double u) const noexcept {
    double left = u * total_;
    int chosen = 0;
    for (int i = 0; i * width_ < law.classes; ++i) {
      double const mass = mass_of(i);
      if (mass > 0.0) chosen = i;
      if (left < mass) break;
      left -= mass;
    }
    // What rounding leaves of the tile's mass goes to its likeliest class.
    int likeliest = chosen * width_;
    double top = nothing;
    for (int k = likeliest, end = end_of(chosen); k < end; ++k) {
      double const l = log_mass(k);
      if (l == nothing) continue;
      left -= exp(l - largest_);
      if (left < 0.0) return k;
      if (l > top) {
        top = l;
        likeliest = k;
      }
    }
    return likeliest;
  }

 private:
  static constexpr int tile = 256;
  static constexpr int max_tiles = 256;

  /// log q(k), up to the row's constant.
  DIFFX_HD double log_mass(int k) const noexcept {
    if (k == law.mask) return nothing;
    double const pi = law.probability(k);
    double sum = 0.0;
    for (int g = 0; g < sources; ++g) {
      double const l = static_cast<double>(source[g][k]);
      double log_q = l;
      if (g < kernels) {
        bool const is_here = k == now;
        auto const& c = is_here ? kernel[g].here : kernel[g].other;
        double const fresh = c.limit * pi;
        // Without a route past the data, logs alone: no probability underflows.
        if (fresh == 0.0) {
          log_q = offset_[g][is_here] + l;
        } else {
          double const clean = l == nothing ? 0.0 : c.data * exp(l - normaliser_[g]);
          log_q = log(fresh + clean);
        }
      }
      if (log_q == nothing) return nothing;
      sum = fma(weight[g], log_q, sum);
    }
    return sum;
  }

  DIFFX_HD int end_of(int i) const noexcept {
    return (i + 1) * width_ < law.classes ? (i + 1) * width_ : law.classes;
  }
  DIFFX_HD double mass_of(int i) const noexcept {
    return top_[i] == nothing ? sum_[i] : sum_[i] * exp(top_[i] - largest_);  // 0 or NaN, or more
  }
  DIFFX_HD double log_total() const noexcept { return largest_ + log(total_); }

  /// The sum of exp(l(k)) over all classes, as `total_` relative to exp(largest_), tile by tile.
  template <class L>
  DIFFX_HD void sum_all(L const& l) noexcept {
    width_ = tile;
    while (width_ < (law.classes + max_tiles - 1) / max_tiles) width_ *= 2;
    largest_ = nothing;
    int tiles = 0;
    for (; tiles * width_ < law.classes; ++tiles) {
      double top = nothing, sum = 0.0;
      for (int first = tiles * width_, end = end_of(tiles); first < end; first += tile) {
        add_chunk(l, first, end - first < tile ? end - first : tile, top, sum);
      }
      top_[tiles] = top;
      sum_[tiles] = sum;
      largest_ = top > largest_ ? top : largest_;
    }
    total_ = 0.0;
    for (int i = 0; i < tiles; ++i) total_ += mass_of(i);
  }

  /// Adds at most `tile` terms to a running maximum and a sum relative to it.
  template <class L>
  DIFFX_HD static void add_chunk(L const& l, int first, int n, double& top, double& sum) noexcept {
    double value[tile];
    for (int k = 0; k < n; ++k) value[k] = l(first + k);
    double now = top;
    for (int k = 0; k < n; ++k) now = value[k] > now ? value[k] : now;
    double added = 0.0;
    // Not exp of -inf, which it does not know, but exactly 0; NaN goes through.
    for (int k = 0; k < n; ++k) added += value[k] == nothing ? 0.0 : exp(value[k] - now);
    sum = top == nothing ? sum + added : fma(sum, exp(top - now), added);
    top = now;
  }

  int width_ = tile;
  double largest_ = 0.0, total_ = 0.0;
  double normaliser_[G];
  double offset_[G][2];  // log of a kernel's factor of p, the normaliser in it
  double top_[max_tiles];
  double sum_[max_tiles];
};

}  // namespace diffx::detail
