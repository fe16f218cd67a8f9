#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// How far two sets of histograms are from each other: the squared maximum mean discrepancy,
///
///     MMD^2 = mean k(a, a') + mean k(b, b') - 2 mean k(a, b)
///
/// over all pairs, a histogram with itself included: it is 0 for equal sets. Gaussians of these
/// distances need not be positive definite, so it may fall a little below 0 where sets are alike.
/// Numbers of different kernels or scales are not comparable: name them.
///
/// Source    Gretton et al. 2012; kernels of You et al. 2018 (GraphRNN), arXiv:1802.08773, and Liao
///           et al. 2019 (GRAN), arXiv:1910.00760.
/// Errors    an empty set, an entry that is negative or not finite, sigma <= 0: throws
/// diffx::error.
namespace diffx::analysis {

using histogram = std::vector<double>;

namespace mmd_detail {

inline void require_histograms(std::string_view where, std::string_view name,
                               std::span<histogram const> set) {
  detail::require(!set.empty(), where, std::string(name) + ".size()", 0, "at least 1");
  for (std::size_t i = 0; i < set.size(); ++i) {
    for (std::size_t k = 0; k < set[i].size(); ++k) {
      detail::require(std::isfinite(set[i][k]) && set[i][k] >= 0.0, where,
                      std::string(name) + "[" + std::to_string(i) + "][" + std::to_string(k) + "]",
                      set[i][k], "finite and at least 0");
    }
  }
}

inline double entry(histogram const& h, std::size_t k) noexcept {
  return k < h.size() ? h[k] : 0.0;
}

/// Sums to 1, or for an empty histogram to 0.
inline std::vector<histogram> shares(std::span<histogram const> set) {
  std::vector<histogram> out(set.begin(), set.end());
  for (histogram& h : out) {
    double sum = 1e-6;  // as those measures have it
    for (double const v : h) sum += v;
    for (double& v : h) v /= sum;
  }
  return out;
}

template <class Kernel>
double mean(std::span<histogram const> a, std::span<histogram const> b, Kernel const& kernel) {
  double sum = 0.0;
  for (histogram const& x : a) {
    for (histogram const& y : b) sum += kernel(x, y);
  }
  return sum / (static_cast<double>(a.size()) * static_cast<double>(b.size()));
}

}  // namespace mmd_detail

/// With a kernel of yours: kernel(histogram, histogram).
template <class Kernel>
double mmd(std::span<histogram const> a, std::span<histogram const> b, Kernel const& kernel) {
  constexpr std::string_view where = "diffx::analysis::mmd";
  mmd_detail::require_histograms(where, "a", a);
  mmd_detail::require_histograms(where, "b", b);
  return mmd_detail::mean(a, a, kernel) + mmd_detail::mean(b, b, kernel) -
         2.0 * mmd_detail::mean(a, b, kernel);
}

/// k = exp(-TV^2 / (2 sigma^2)), TV the total variation; histograms are made to sum to 1 unless
/// `counted`. Histograms of different lengths are continued by zeros.
inline double mmd_tv(std::span<histogram const> a, std::span<histogram const> b, double sigma,
                     bool counted = false) {
  constexpr std::string_view where = "diffx::analysis::mmd_tv";
  detail::require(sigma > 0.0 && std::isfinite(sigma), where, "sigma", sigma,
                  "positive and finite");
  auto const kernel = [sigma](histogram const& x, histogram const& y) {
    double tv = 0.0;
    for (std::size_t k = 0; k < std::max(x.size(), y.size()); ++k) {
      tv += std::fabs(mmd_detail::entry(x, k) - mmd_detail::entry(y, k));
    }
    tv *= 0.5;
    return std::exp(-tv * tv / (2.0 * sigma * sigma));
  };
  if (counted) return mmd(a, b, kernel);
  mmd_detail::require_histograms(where, "a", a);
  mmd_detail::require_histograms(where, "b", b);
  auto const p = mmd_detail::shares(a), q = mmd_detail::shares(b);
  return mmd(std::span<histogram const>(p), std::span<histogram const>(q), kernel);
}

/// k = exp(-W^2 / (2 sigma^2)), W the earth mover's distance where neighbouring bins are `width`
/// apart.
inline double mmd_emd(std::span<histogram const> a, std::span<histogram const> b, double sigma,
                      double width = 1.0) {
  constexpr std::string_view where = "diffx::analysis::mmd_emd";
  detail::require(sigma > 0.0 && std::isfinite(sigma), where, "sigma", sigma,
                  "positive and finite");
  detail::require(width > 0.0 && std::isfinite(width), where, "width", width,
                  "positive and finite");
  mmd_detail::require_histograms(where, "a", a);
  mmd_detail::require_histograms(where, "b", b);
  auto const p = mmd_detail::shares(a), q = mmd_detail::shares(b);
  auto const kernel = [sigma, width](histogram const& x, histogram const& y) {
    double carried = 0.0, work = 0.0;
    for (std::size_t k = 0; k < std::max(x.size(), y.size()); ++k) {
      carried += mmd_detail::entry(x, k) - mmd_detail::entry(y, k);
      work += std::fabs(carried) * width;
    }
    return std::exp(-work * work / (2.0 * sigma * sigma));
  };
  return mmd(std::span<histogram const>(p), std::span<histogram const>(q), kernel);
}

}  // namespace diffx::analysis
