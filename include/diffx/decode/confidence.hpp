#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/detail/limit_law.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>

/// How sure a decoder is of a proposal; larger is surer. A confidence says
///
/// | `C::reads`            | what scan() measures for it                                   |
/// | `C::of(row, k, u, p)` | the confidence in class k; row: scanned; u: a uniform of the   |
/// |                       | position p                                                    |
/// | `C::reads_row`        | false: known before the network is called                     |
/// | `C::draws_anew`       | true: u is another one in every step, else one for all steps  |
namespace diffx::decode {

/// The probability of the proposed class; the largest one where the likeliest is proposed.
/// Source: Nie et al. 2025, arXiv:2502.09992.
struct probability {
  static constexpr std::string_view name = "decode::probability";
  static constexpr std::string_view source = "arXiv:2502.09992";
  static constexpr detail::row_measure reads = detail::row_measure::none;
  static constexpr bool reads_row = true;
  static constexpr bool draws_anew = false;
  template <class Row>
  DIFFX_HD static double of(Row const& row, int k, double, std::int64_t) noexcept {
    return row.probability(k);
  }
};

/// Its logarithm: what MaskGIT adds Gumbel noise to. Source: Chang et al. 2022, arXiv:2202.04200.
struct log_probability {
  static constexpr std::string_view name = "decode::log_probability";
  static constexpr std::string_view source = "arXiv:2202.04200";
  static constexpr detail::row_measure reads = detail::row_measure::none;
  static constexpr bool reads_row = true;
  static constexpr bool draws_anew = false;
  template <class Row>
  DIFFX_HD static double of(Row const& row, int k, double, std::int64_t) noexcept {
    return row.log_probability(k);
  }
};

/// The difference of the two largest probabilities. Source: Kim et al. 2025, arXiv:2502.06768.
struct margin {
  static constexpr std::string_view name = "decode::margin";
  static constexpr std::string_view source = "arXiv:2502.06768";
  static constexpr detail::row_measure reads = detail::row_measure::margin;
  static constexpr bool reads_row = true;
  static constexpr bool draws_anew = false;
  template <class Row>
  DIFFX_HD static double of(Row const& row, int, double, std::int64_t) noexcept {
    return row.measured();
  }
};

/// Minus the entropy, in nats: sum p log p. Source: Ye et al. 2025, arXiv:2508.15487.
struct neg_entropy {
  static constexpr std::string_view name = "decode::neg_entropy";
  static constexpr std::string_view source = "arXiv:2508.15487";
  static constexpr detail::row_measure reads = detail::row_measure::entropy;
  static constexpr bool reads_row = true;
  static constexpr bool draws_anew = false;
  template <class Row>
  DIFFX_HD static double of(Row const& row, int, double, std::int64_t) noexcept {
    return -row.measured();
  }
};

/// A uniformly random order of the positions, one for each sample of a run. Source: Hoogeboom et
/// al. 2022, arXiv:2110.02037.
struct random_order {
  static constexpr std::string_view name = "decode::random_order";
  static constexpr std::string_view source = "arXiv:2110.02037";
  static constexpr detail::row_measure reads = detail::row_measure::none;
  static constexpr bool reads_row = false;
  static constexpr bool draws_anew = false;
  template <class Row>
  DIFFX_HD static double of(Row const&, int, double u, std::int64_t) noexcept {
    return u;
  }
};

/// A coin of every position and step: a uniform in (0, 1).
struct coin {
  static constexpr std::string_view name = "decode::coin";
  static constexpr std::string_view source = "arXiv:2406.07524";
  static constexpr detail::row_measure reads = detail::row_measure::none;
  static constexpr bool reads_row = false;
  static constexpr bool draws_anew = true;
  template <class Row>
  DIFFX_HD static double of(Row const&, int, double u, std::int64_t) noexcept {
    return u;
  }
};

/// From left to right.
struct left_to_right {
  static constexpr std::string_view name = "decode::left_to_right";
  static constexpr std::string_view source = "";
  static constexpr detail::row_measure reads = detail::row_measure::none;
  static constexpr bool reads_row = false;
  static constexpr bool draws_anew = false;
  template <class Row>
  DIFFX_HD static double of(Row const&, int, double, std::int64_t position) noexcept {
    return -static_cast<double>(position);
  }
};

}  // namespace diffx::decode
