// expected-error: which coins of every step do
#include <diffx/cache/kv.hpp>

#include "../support/decoding.hpp"

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  decode::by_coin const rule{2};
#else
  decode::evenly const rule{2};
#endif
  test::codes x(2, 3);
  test::decode_run(process::absorbing<>(3), test::decoder<decode::random_order>(rule),
                   cache::dkv_greedy{}, test::fixed_network{{}, 3, test::mixed_logits(2, 3)},
                   exec::host{}, x, 1, 2, options<>{{}, start::given}, [](auto const&) {});
}
