// expected-error: looks at the state in host memory. Use cache::none
#include <diffx/cache/kv.hpp>

#include "../support/decoding.hpp"
#include "../support/elsewhere.hpp"

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  test::elsewhere const exec{};
#else
  exec::host const exec{};
#endif
  test::codes x(2, 3);
  test::decode_run(process::absorbing<>(3), solver::decode{}, cache::kv_prefix{},
                   test::fixed_network{{}, 3, test::mixed_logits(2, 3)}, exec, x, 1, 2,
                   options<>{{}, start::given}, [](auto const&) {});
}
