#pragma once

#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/sampler.hpp>

#include "levels.hpp"
#include <cstdint>
#include <cstring>
#include <vector>

namespace test {

/// A network with coupling between neighbours and between branches that differ: smooth, and no
/// posterior of anything, so that no symmetry hides a mistake.
struct wavy {
  static constexpr int branches = 3;
  diffx::prediction::eps prediction{};
  int* calls = nullptr;
  int throw_at = -1;  // call that throws
  int nan_at = -1;    // call that writes a NaN

  template <class Exec, class T>
  void operator()(Exec const&, diffx::batch_view<T const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    int const call = calls != nullptr ? (*calls)++ : 0;
    if (call == throw_at) throw 42;
    auto const t = static_cast<T>(q.at.t);
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (std::int64_t f = 0; f < x.features; ++f) {
        T const next = x.row(i)[(f + 1) % x.features];
        out.row(i)[f] = T(0.8) * x.row(i)[f] + T(0.2) * std::sin(T(2) * next + t) +
                        T(0.1) * static_cast<T>(q.branch);
      }
    }
    if (call == nan_at) out.row(x.batch - 1)[0] = static_cast<T>(NAN);
  }
};

template <class T>
bool same_bits(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

inline diffx::timetable lambda_grid(int steps, bool to_zero = false) {
  auto levels = uniform_lambda(-3.0, 3.0, to_zero ? steps : steps + 1);
  if (to_zero) levels.push_back(clean());
  return diffx::timetable(levels);
}

}  // namespace test
