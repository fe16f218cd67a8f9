#pragma once

// Control of the stand-in for cuBLAS: products of column-major matrices in the host's memory, as
// the documentation says, and the k-th call fails.
namespace fake {

/// Forgets what happened and counts calls from 0; the call number `point` fails, none if negative.
void arm_blas(int point) noexcept;

int blas_calls() noexcept;      // calls since then
int batches() noexcept;         // those of them that were products of several matrices
int live_handles() noexcept;    // handles that exist
bool own_workspace() noexcept;  // a product ran in a workspace that was not the caller's
bool tensor_cores() noexcept;   // a product was allowed to round its inputs

}  // namespace fake
