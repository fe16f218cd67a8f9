#pragma once

#include <diffx/denoiser/joint_table.hpp>
#include <diffx/domain/table/bits.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/xor_bernoulli.hpp>

#include "correlated_bits.hpp"
#include <cstddef>
#include <cstdint>
#include <vector>

namespace test::bits {

/// The exact network of correlated(), for rows of several independent groups of four packed bits.
struct packed_table {
  diffx::prediction::x0_posterior<> prediction{};
  diffx::process::xor_bernoulli const* process;

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, diffx::query const& q, Out const& out) const {
    using namespace diffx;
    denoiser::joint_table const network(*process, 2, length, correlated());
    std::vector<std::int32_t> codes;
    for (int i = 0; i < states; ++i) {
      for (int l = 0; l < length; ++l) codes.push_back(i >> (length - 1 - l) & 1);
    }
    std::vector<float> pairs(2 * codes.size());
    network(exec::host{}, batch_view<std::int32_t const>{codes.data(), states, length}, q,
            batch_view<float>{pairs.data(), states, 2 * length});
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      for (std::int64_t k = 0; k < out.features; k += length) {
        std::size_t state = 0;
        for (std::int64_t l = k; l < k + length; ++l) {
          state = 2 * state + (x.row(i)[l / 32] >> (l % 32) & 1u);
        }
        for (std::size_t l = 0; l < length; ++l) {
          float const* const pair = pairs.data() + 2 * (state * length + l);
          out.row(i)[k + static_cast<std::int64_t>(l)] = pair[1] - pair[0];
        }
      }
    });
  }
};

/// One logit for every bit.
template <class T = float, class Prediction = diffx::prediction::x0_posterior<T>>
struct one_logit {
  Prediction prediction{};
  T logit{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, diffx::query const&, Out const& out) const {
    for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = logit;
  }
};

/// How often each state of a group of four is there.
inline std::vector<std::int64_t> group_counts(std::vector<std::uint32_t> const& x,
                                              std::int64_t row_bits) {
  auto const codes = diffx::domain::table::unpack_bits(x, row_bits);
  std::vector<std::int64_t> count(states, 0);
  for (std::size_t i = 0; i < codes.size(); i += length) {
    std::size_t cell = 0;
    for (std::size_t l = 0; l < length; ++l) cell = 2 * cell + codes[i + l];
    ++count[cell];
  }
  return count;
}

}  // namespace test::bits
