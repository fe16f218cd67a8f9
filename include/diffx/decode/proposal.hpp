#pragma once

#include <diffx/config.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::decode {

/// How a class is proposed from a row of logits: temperature, then filters, then a draw.
///
///     l -> l / temperature; the top_k likeliest; of these the likeliest that together have the
///     share top_p; of these the ones at least min_p times as likely as the likeliest
///
/// Temperature 0 proposes the likeliest class and leaves the logits as they are. The order of the
/// two filters matters, and differs between published samplers; so does whether the class that
/// crosses top_p is kept. A filter keeps all classes that tie with its last one.
///
/// Source    Holtzman et al. 2020, arXiv:1904.09751 (top_p); Nguyen et al. 2024, arXiv:2407.01082
///           (min_p).
/// Errors    a value out of range throws when a run starts.
struct proposal {
  double temperature = 1.0;
  int top_k = 0;       // 0: all
  double top_p = 1.0;  // 1: all
  double min_p = 0.0;  // 0: all
  bool top_p_first = false;
  bool keeps_crossing = true;  // the class that crosses top_p

  DIFFX_HD bool filters() const noexcept { return top_k > 0 || top_p < 1.0 || min_p > 0.0; }
  DIFFX_HD double scale() const noexcept { return temperature > 0.0 ? 1.0 / temperature : 1.0; }

  /// Sets the filters of a row whose weights hold scale() already.
  template <class Row>
  DIFFX_HD void filter(Row& row) const noexcept {
    for (int i = 0; i < 2; ++i) {
      if (top_p_first == (i == 0)) {
        row.keep_top_p(top_p, keeps_crossing);
      } else if (top_k > 0) {
        row.keep_top_k(top_k);
      }
    }
    row.keep_min_p(min_p);
  }

  void check(std::string_view where) const {
    detail::require(temperature >= 0.0 && std::isfinite(temperature), where, "temperature",
                    temperature, "at least 0 and finite");
    detail::require(top_k >= 0, where, "top_k", top_k, "at least 1, or 0 for all");
    detail::require(top_p > 0.0 && top_p <= 1.0, where, "top_p", top_p, "in (0, 1]");
    detail::require(min_p >= 0.0 && min_p <= 1.0, where, "min_p", min_p, "in [0, 1]");
  }
};

}  // namespace diffx::decode
