#include <diffx/error.hpp>
#include <diffx/version.hpp>

static_assert(__cplusplus >= 202002L, "diffx::cuda asks for C++20 in CUDA sources too");

__global__ void version_on_device(int* version) { *version = DIFFX_VERSION; }

int main() { return 0; }
