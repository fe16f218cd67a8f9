// expected-error: a checkpoint holds no keys and values, and this cache is approximate
#include <diffx/cache/kv.hpp>

#include "../support/decoding.hpp"

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = cache::kv_prefix;
#else
  using chosen = cache::none;
#endif
  test::codes x(2, 3);
  test::decode_run(process::absorbing<>(3), test::decoder<decode::probability>(decode::threshold{}),
                   chosen{}, test::fixed_network{{}, 3, test::mixed_logits(2, 3)}, exec::host{}, x,
                   1, 2, options<>{{}, start::given},
                   [](auto const& run) { static_cast<void>(run.checkpoint()); });
}
