#pragma once

// The products of the networks of denoiser/cublas, as their definition says: what cuBLAS and its
// stand-in are compared with.

#include <diffx/denoiser/cublas/layers.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace test {

struct plain_products {
  template <class T>
  class memory {
   public:
    explicit memory(std::int64_t count) : values_(static_cast<std::size_t>(count)) {}
    explicit memory(std::vector<T> values) : values_(std::move(values)) {}
    T* data() const noexcept { return values_.data(); }

   private:
    mutable std::vector<T> values_;
  };

  template <class Exec>
  void begin(Exec const&) const {}

  template <class Exec>
  void multiply(Exec const&, diffx::denoiser::cublas::product const& p) const {
    for (std::int64_t i = 0; i < p.count; ++i) {
      float const* const a = p.a + i * p.a_step;
      float const* const b = p.b + i * p.b_step;
      float* const c = p.c + i * p.c_step;
      for (std::int64_t column = 0; column < p.n; ++column) {
        for (std::int64_t row = 0; row < p.m; ++row) {
          float sum = 0.0f;
          for (std::int64_t j = 0; j < p.k; ++j) {
            sum += (p.transposed ? a[row * p.lda + j] : a[j * p.lda + row]) * b[column * p.ldb + j];
          }
          float& to = c[column * p.ldc + row];
          to = p.beta == 0.0f ? sum : sum + p.beta * to;
        }
      }
    }
  }
};

}  // namespace test
