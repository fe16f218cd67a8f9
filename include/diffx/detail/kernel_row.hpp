#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/log.hpp>
#include <diffx/detail/pass.hpp>

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

/// The guided reverse kernel of one position, drawn without being written: what kernel_row and
/// team_kernel_row have in common.
///
///     log q(k) = sum_g weight_g log q_g(k)  +  sum_g weight_g R_g(k)  +  const
///
/// The first `kernels` sources are logits, of which the solver makes kernels; the others are tables
/// of log-ratios. A class that any of them rules out is ruled out, whatever the sign of its weight.
/// Where the mask is the limit law it is no class here: it has `stay`, the log of its mass, and a
/// coin of its own decides on it.
///
/// A Row says row.sum_all(l): the largest of l(k), and the sum of exp(l(k)) relative to it. Sums
/// within a tile are taken in 16 lanes, all in double and always in the same order. No libm.
template <class Row, class V, int G>
class kernel_mix {
 public:
  static constexpr double nothing = -std::numeric_limits<double>::infinity();
  static constexpr int branches = G;

  V const* source[G];
  double weight[G];
  class_kernel kernel[G];
  int sources = 0;
  int kernels = 0;
  limit_law law;
  int now = 0;            // the class that is there
  double stay = nothing;  // log of the mask's mass, beside those of the classes

  /// The softmax of every row of logits; false if one is no distribution.
  DIFFX_HD bool normalise() noexcept {
    bool valid = true;
    DIFFX_UNROLLED
    for (int g = 0; g < G; ++g) {
      if (g >= kernels) continue;
      V const* const l = source[g];
      self().sum_all([&](int k) { return k == law.mask ? nothing : widened<double>(l[k]); });
      valid = valid && total_ > 0.0 && total_ - total_ == 0.0;
      normaliser_[g] = log_total();
    }
    return valid;
  }

  /// The probability of a data class in one row of logits; after normalise().
  DIFFX_HD double data_probability(int g, int k) const noexcept {
    double const l = widened<double>(source[g][k]);
    return k == law.mask || l == nothing ? 0.0 : exp(l - normaliser_[g]);
  }

  /// After normalise(), with the kernels and `stay` filled in; false if no state is left, or a
  /// table holds NaN or +inf.
  DIFFX_HD bool scan() noexcept {
    DIFFX_UNROLLED
    for (int g = 0; g < G; ++g) {
      if (g >= kernels) continue;
      double const other = kernel[g].other.data, here = kernel[g].here.data;
      offset_[g][0] = other > 0.0 ? log(other) - normaliser_[g] : nothing;
      offset_[g][1] = here > 0.0 ? log(here) - normaliser_[g] : nothing;
    }
    self().sum_all([&](int k) { return log_mass(k); });
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

 protected:
  static constexpr int tile = 256, lanes = 16;

  /// log q(k), up to the row's constant.
  DIFFX_HD double log_mass(int k) const noexcept {
    if (k == law.mask) return nothing;
    double const pi = law.probability(k);
    bool const is_here = k == now;
    double sum = 0.0;
    DIFFX_UNROLLED
    for (int g = 0; g < G; ++g) {
      if (g >= sources) break;
      double const l = widened<double>(source[g][k]);
      double log_q = l;
      if (g < kernels) {
        double const limit = is_here ? kernel[g].here.limit : kernel[g].other.limit;
        double const data = is_here ? kernel[g].here.data : kernel[g].other.data;
        double const fresh = limit * pi;
        // Without a route past the data, logs alone: no probability underflows.
        if (fresh == 0.0) {
          log_q = (is_here ? offset_[g][1] : offset_[g][0]) + l;
        } else {
          log_q = log(fma(data, l == nothing ? 0.0 : exp(l - normaliser_[g]), fresh));
        }
      }
      if (log_q == nothing) return nothing;
      sum = fma(weight[g], log_q, sum);
    }
    return sum;
  }

  /// Joins a chunk's sum, relative to a peak of both, to a running maximum and its sum.
  DIFFX_HD static void join(double peak, double added, double& top, double& sum) noexcept {
    sum = top == nothing ? sum + added : fma(sum, exp(top - peak), added);
    top = peak;
  }
  /// A tile's sum relative to the largest of all; 0, or NaN, or more.
  DIFFX_HD double mass_of(double top, double sum) const noexcept {
    return top == nothing ? sum : rounded_product(sum, exp_weight(top - largest_));
  }

  double largest_ = 0.0, total_ = 0.0;

 private:
  DIFFX_HD Row& self() noexcept { return static_cast<Row&>(*this); }
  DIFFX_HD double log_total() const noexcept { return largest_ + log(total_); }

  double normaliser_[G];
  double offset_[G][2];  // log of a kernel's factor of p, the normaliser in it
};

/// The guided reverse kernel (kernel_mix), read by one thread.
///
/// normalise() reads the rows of logits once, scan() all rows once, draw() one tile of them again.
/// With Tiles = 1 it is one of at most 256 classes that reads everything twice and keeps nothing:
/// on a device nothing but registers.
template <class V, int G, int Tiles = 256>
class kernel_row : public kernel_mix<kernel_row<V, G, Tiles>, V, G> {
  using parent = kernel_mix<kernel_row, V, G>;
  friend parent;
  using parent::lanes;
  using parent::largest_;
  using parent::log_mass;
  using parent::tile;
  using parent::total_;

 public:
  using parent::law;
  using parent::nothing;

  /// The class at u in (0, 1) of the distribution function of the classes; after scan(). A class
  /// that is ruled out is never drawn.
  DIFFX_HD int draw(double u) const noexcept {
    double left = u * total_;
    int chosen = 0;
    for (int i = 0; i < tile_count(); ++i) {
      if (mass_[i] > 0.0) chosen = i;
      if (left < mass_[i]) break;
      left -= mass_[i];
    }
    // What rounding leaves of the tile's mass goes to its likeliest class.
    int likeliest = chosen * width_;
    double top = nothing;
    for (int k = likeliest, end = end_of(chosen); k < end; ++k) {
      double const l = log_mass(k);
      if (l == nothing) continue;
      left -= exp_weight(l - largest_);
      if (left < 0.0) return k;
      if (l > top) {
        top = l;
        likeliest = k;
      }
    }
    return likeliest;
  }

 private:
  DIFFX_HD int tile_count() const noexcept {
    return Tiles == 1 ? 1 : (law.classes + width_ - 1) / width_;
  }
  DIFFX_HD int end_of(int i) const noexcept {
    return (i + 1) * width_ < law.classes ? (i + 1) * width_ : law.classes;
  }

  template <class L>
  DIFFX_HD void sum_all(L const& l) noexcept {
    while (width_ < (law.classes + Tiles - 1) / Tiles) width_ *= 2;
    largest_ = nothing;
    int const tiles = tile_count();
    for (int i = 0; i < tiles; ++i) {
      double top = nothing, sum = 0.0;
      for (int first = i * width_, end = end_of(i); first < end; first += tile) {
        int const n = end - first < tile ? end - first : tile;
        if constexpr (Tiles == 1) {
          add_row(l, n, top, sum);
        } else {
          add_chunk(l, first, n, top, sum);
        }
      }
      top_[i] = top;
      mass_[i] = sum;
      largest_ = top > largest_ ? top : largest_;
    }
    for (int i = 0; i < tiles; ++i) mass_[i] = parent::mass_of(top_[i], mass_[i]);
    total_ = 0.0;
    for (int i = 0; i < tiles; ++i) total_ += mass_[i];
  }

  /// Adds at most `tile` terms to a running maximum and a sum relative to it: column by column.
  template <class L>
  DIFFX_HD static void add_chunk(L const& l, int first, int n, double& top, double& sum) noexcept {
    double value[tile], peak = top, added = 0.0;
    for (int k = 0; k < n; ++k) value[k] = l(first + k);
    for (int k = 0; k < n; ++k) peak = value[k] > peak ? value[k] : peak;
    double const base = peak == nothing ? 0.0 : peak;
    if (n <= lanes) {
      for (int k = 0; k < n; ++k) added += exp_weight(value[k] - base);
    } else {
      int const rows = (n + lanes - 1) / lanes;
      for (int k = n; k < rows * lanes; ++k) value[k] = nothing;
      double column[lanes] = {};
      for (int i = 0; i < rows; ++i) {
        for (int j = 0; j < lanes; ++j) column[j] += exp_weight(value[i * lanes + j] - base);
      }
      for (int j = 0; j < lanes; ++j) added += column[j];
    }
    parent::join(peak, added, top, sum);
  }

  /// The same of a whole row.
  template <class L>
  DIFFX_HD static void add_row(L const& l, int n, double& top, double& sum) noexcept {
    for (int k = 0; k < n; ++k) {
      double const value = l(k);
      top = value > top ? value : top;
    }
    double const base = top == nothing ? 0.0 : top;
    for (int j = 0; j < lanes && j < n; ++j) {
      double column = 0.0;
      for (int k = j; k < n; k += lanes) column += exp_weight(l(k) - base);
      sum += column;
    }
  }

  int width_ = tile;
  double top_[Tiles];
  double mass_[Tiles];  // of a tile, relative to the largest of all
};

}  // namespace diffx::detail
