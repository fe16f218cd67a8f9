#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/exec/host.hpp>

#include <cstdint>
#include <vector>

namespace test {

/// One call of a denoiser on a batch [x.size() / features, features]; returns its raw output.
template <class Denoiser, class T>
std::vector<T> denoise(Denoiser const& denoiser, std::vector<T> const& x, std::int64_t features,
                       diffx::level const& at, int branch = 0, std::int64_t first_sample = 0) {
  std::vector<T> out(x.size());
  auto const batch = static_cast<std::int64_t>(x.size()) / features;
  diffx::query q;
  q.at = at;
  q.branch = branch;
  denoiser(diffx::exec::host{}, diffx::batch_view<T const>{x.data(), batch, features, first_sample},
           q, diffx::batch_view<T>{out.data(), batch, features, first_sample});
  return out;
}

}  // namespace test
