// cache::unchanged: the same text in fewer calls.

#include <diffx/cache/unchanged.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/solver/ancestral.hpp>

#include "support/decoding.hpp"
#include <doctest/doctest.h>
#include <stdexcept>

namespace {

using namespace diffx;
using test::at;
using test::codes;

/// Logits that depend on the whole text, and a call that fails once.
struct hashing {
  prediction::x0_posterior<double> prediction{};
  static constexpr bool time_free = true;
  struct state {
    int calls = 0, fail_at = -1;
  };
  std::shared_ptr<state> seen = std::make_shared<state>();

  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x, query const&,
                  batch_view<double> out) const {
    if (seen->calls++ == seen->fail_at) throw std::runtime_error("the network is gone");
    for (std::int64_t b = 0; b < x.batch; ++b) {
      double sum = 0.0;
      for (std::int64_t p = 0; p < x.features; ++p) {
        sum += static_cast<double>((p + 1) * x.row(b)[p]);
      }
      for (std::int64_t i = 0; i < out.features; ++i) {
        out.row(b)[i] = 2.0 * std::sin(sum + 3.1 * static_cast<double>(i));
      }
    }
  }
};

constexpr int classes = 5, length = 6, steps = 40;

template <class Solver, class Cache>
codes sampled(Solver const& solver, Cache cache, hashing const& net) {
  process::absorbing<> const process(classes);
  codes x(length);
  sampler const s{process, solver, guidance::none{}, cache};
  auto const grid = grid::uniform_t(process, steps);
  batch_view<std::int32_t> const view{x.data(), 1, length};
  options<> const opts{noise::counted{5}};
  detail::workspace const memory(s.workspace_size(exec::host{}, net, view, opts));
  auto run = s.start(exec::host{}, net, grid, view, memory.span(), opts);
  while (!run.done()) {
    try {
      run.advance();
    } catch (std::runtime_error const&) {
    }
  }
  CHECK(run.status().evaluations <= net.seen->calls);
  return x;
}

template <class Solver>
void check(Solver const& solver) {
  hashing const plain, cached;
  auto const want = sampled(solver, cache::none{}, plain);
  CHECK(sampled(solver, cache::unchanged{}, cached) == want);
  CHECK(cached.seen->calls < plain.seen->calls);
  CHECK(cached.seen->calls <= length + 1);  // so many states at most
  // A call that fails is made again, not taken for answered.
  for (int call = 0; call < cached.seen->calls; ++call) {
    hashing const failing;
    failing.seen->fail_at = call;
    CHECK(sampled(solver, cache::unchanged{}, failing) == want);
    CHECK(failing.seen->calls == cached.seen->calls + 1);
  }
}

TEST_CASE("unchanged: equal text in as many calls as there are states") {
  check(solver::ancestral{});
  check(test::decoder<decode::probability>(decode::by_coin{steps}));
}

TEST_CASE("unchanged: a fork and a renoised run ask again") {
  process::absorbing<> const process(classes);
  auto const solver = test::decoder<decode::probability>(decode::by_coin{steps});
  hashing const net;
  sampler const s{process, solver, guidance::none{}, cache::unchanged{}};
  auto const grid = grid::uniform_t(process, steps);
  codes x(length), y(length);
  batch_view<std::int32_t> const view{x.data(), 1, length}, other{y.data(), 1, length};
  options<> const opts{noise::counted{5}};
  detail::workspace const a(s.workspace_size(exec::host{}, net, view, opts)),
      b(s.workspace_size(exec::host{}, net, other, opts));
  auto run = s.start(exec::host{}, net, grid, view, a.span(), opts);
  for (int i = 0; i < steps / 2; ++i) run.advance();
  auto fork = run.fork(1, {other}, b.span());
  int const before = net.seen->calls;
  fork.advance();
  CHECK(net.seen->calls == before + 1);
  fork.finish();
  run.finish();
  run.renoise(0, 1);
  run.finish();
  CHECK(std::count(x.begin(), x.end(), classes) == 0);
  CHECK(std::count(y.begin(), y.end(), classes) == 0);
}

TEST_CASE("unchanged: a fork and a resumed run ask, whatever their workspace held") {
  process::absorbing<> const process(classes);
  sampler const s{process, solver::ancestral{}, guidance::none{}, cache::unchanged{}};
  auto const grid = grid::uniform_t(process, steps);
  codes x(length), y(length);
  batch_view<std::int32_t> const view{x.data(), 1, length}, other{y.data(), 1, length};
  options<> const opts{noise::counted{5}};
  hashing const net, net_before;
  detail::workspace const a(s.workspace_size(exec::host{}, net, view, opts)),
      b(s.workspace_size(exec::host{}, net, view, opts));
  // Leaves the state of masks behind, as another network answered it.
  s.start(exec::host{}, net_before, grid, other, b.span(), opts).advance();
  CHECK(net_before.seen->calls == 1);
  auto run = s.start(exec::host{}, net, grid, view, a.span(), opts);
  run.advance();
  CHECK(std::count(x.begin(), x.end(), classes) == length);  // as it was, with this seed
  run.advance();
  CHECK(net.seen->calls == 1);
  auto fork = run.fork(1, {other}, b.span());
  fork.advance();
  CHECK(net.seen->calls == 2);
  auto resumed = s.start(exec::host{}, net, grid, other, b.span(), opts);
  resumed.resume(run.checkpoint());
  resumed.advance();
  CHECK(net.seen->calls == 3);
}

}  // namespace
