// expected-error: the denoiser does not say that it is one
#include <diffx/cache/kv.hpp>

#include "../support/decoding.hpp"

using namespace diffx;

/// A network with a store, but without blocks.
struct without_blocks {
  prediction::x0_posterior<double> prediction{};
  test::fixed_network inner;
  test::fixed_network::store make_store(std::int64_t, std::int64_t) const { return {}; }
  template <class... Args>
  void operator()(Args&&... args) const {
    inner(args...);
  }
};

int main() {
#if defined(DIFFX_BAD)
  using chosen = cache::kv_blocks;
#else
  using chosen = cache::kv_prefix;
#endif
  test::codes x(2, 3);
  auto solver = test::decoder<decode::probability>(decode::threshold{}, 2);
  solver.align = decode::align::from_zero;
  test::decode_run(process::absorbing<>(3), solver, chosen{},
                   without_blocks{{}, {{}, 3, test::mixed_logits(2, 3)}}, exec::host{}, x, 1, 2,
                   options<>{{}, start::given}, [](auto const&) {});
}
