#pragma once

// What cublas::handle is on a device, on the host: the networks of denoiser/cublas run on
// exec::host.

#include <diffx/denoiser/cublas/layers.hpp>

#include "../cuda/plain_products.hpp"
#include <Eigen/Core>
#include <cstdint>

namespace test {

struct host_products : plain_products {
  template <class Exec>
  void multiply(Exec const&, diffx::denoiser::cublas::product const& p) const {
    using stride = Eigen::OuterStride<>;
    using in = Eigen::Map<Eigen::MatrixXf const, 0, stride>;
    for (std::int64_t i = 0; i < p.count; ++i) {
      in const a(p.a + i * p.a_step, p.transposed ? p.k : p.m, p.transposed ? p.m : p.k,
                 stride(p.lda));
      in const b(p.b + i * p.b_step, p.k, p.n, stride(p.ldb));
      Eigen::Map<Eigen::MatrixXf, 0, stride> c(p.c + i * p.c_step, p.m, p.n, stride(p.ldc));
      if (p.beta == 0.0f) c.setZero();  // whatever was there, NaN included
      if (p.transposed) {
        c.noalias() += a.transpose() * b;
      } else {
        c.noalias() += a * b;
      }
    }
  }
};

}  // namespace test
