// expected-error: which a confidence read from the logits does not know
#include <diffx/cache/kv.hpp>

#include "../support/decoding.hpp"

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using confidence = decode::probability;
#else
  using confidence = decode::random_order;
#endif
  test::codes x(2, 3);
  test::decode_run(process::absorbing<>(3), test::decoder<confidence>(decode::evenly{2}),
                   cache::dkv_greedy{}, test::fixed_network{{}, 3, test::mixed_logits(2, 3)},
                   exec::host{}, x, 1, 2, options<>{{}, start::given}, [](auto const&) {});
}
