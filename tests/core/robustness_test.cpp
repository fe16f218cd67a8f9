// Faults at every point, bad input, and what a run costs: allocations and passes.

#include <diffx/cache/every_n.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/compositions.hpp"
#include "../support/elsewhere.hpp"
#include <cstddef>
#include <cstdlib>
#include <doctest/doctest.h>
#include <new>
#include <span>
#include <string>
#include <vector>

namespace {

// Every allocation of this program is counted, and the k-th one of an armed region fails.
std::int64_t live = 0, made = 0, fail_at = -1;
bool fail_later = false;

void* allocate(std::size_t n, std::size_t alignment) {
  std::int64_t const index = made++;
  if (fail_at >= 0 && (index == fail_at || (fail_later && index > fail_at))) return nullptr;
  void* const p = alignment <= alignof(std::max_align_t)
                      ? std::malloc(n == 0 ? 1 : n)
                      : std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment);
  if (p != nullptr) ++live;
  return p;
}
// Not inlined: g++ 12 would compare free with the operator new it does not know to be replaced.
[[gnu::noinline]] void release(void* p) noexcept {
  if (p == nullptr) return;
  --live;
  std::free(p);
}

}  // namespace

void* operator new(std::size_t n) {
  if (void* p = allocate(n, 1)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t n, std::align_val_t a) {
  if (void* p = allocate(n, static_cast<std::size_t>(a))) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t n, std::nothrow_t const&) noexcept { return allocate(n, 1); }
void operator delete(void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::nothrow_t const&) noexcept { release(p); }

using namespace diffx;

namespace {

/// Counts passes and reductions; otherwise exec::host.
struct counting {
  static constexpr bool on_host = true;
  int* passes;
  int* reductions;

  template <class Op>
  void for_each_tile(std::int64_t batch, std::int64_t features, Op const& op) const {
    ++*passes;
    exec::host{}.for_each_tile(batch, features, op);
  }
  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    ++*reductions;
    exec::host{}.for_each_sample(batch, op);
  }
};

template <class F>
std::string message_of(F const& f) {
  try {
    f();
  } catch (error const& e) {
    return e.what();
  }
  return "nothing was thrown";
}

bool contains(std::string const& text, std::string const& part) {
  bool const found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("expected \"", part, "\" in: ", text);
  return found;
}

}  // namespace

TEST_CASE("no allocation after the start, one pass per stage") {
  auto const check = [](auto const& s, int evaluations) {
    auto const grid = test::lambda_grid(10);
    test::wavy const network;
    std::vector<float> x(5 * 9);
    batch_view<float> const v{x.data(), 5, 9};
    int passes = 0, reductions = 0;
    counting const exec{&passes, &reductions};
    detail::workspace const memory(s.workspace_size(exec, network, v));
    auto r = s.start(exec, network, grid, v, memory.span());
    passes = 0;
    auto const before = made;
    r.finish();
    CHECK(made == before);
    CHECK(passes == evaluations);
    CHECK(reductions == 0);
  };
  test::vp_process const p;
  check(sampler{p, solver::ddim{.eta = 1.0}}, 10);
  check(sampler{p, solver::dpmpp_2m{}, guidance::cfg{2.0}}, 10);
  check(sampler{p, solver::heun{}}, 20);
  check(sampler{p, solver::ddim{}, guidance::cfg{2.0}, cache::every_n<2>{}}, 10);
}

TEST_CASE("a block of classes: no allocation after the start, one pass per stage") {
  sampler const s{process::absorbing<>(7), solver::ancestral{}, guidance::cfg{2.0}};
  auto const network = denoiser::predicts<prediction::x0_posterior<>, 2>(
      [](auto const&, auto, query const& q, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          out.data[i] = 0.1f * static_cast<float>(i % 7 + q.branch);
        }
      });
  std::vector<std::int32_t> x(5 * 9);
  batch_view<std::int32_t> const v{x.data(), 5, 9};
  int passes = 0, reductions = 0;
  counting const exec{&passes, &reductions};
  auto const size = s.workspace_size(exec, network, v);
  CHECK(size == (2 * 5 * 9 * 7 * 4 + 63) / 64 * 64);  // the logits of two branches
  detail::workspace const memory(size);
  auto const grid = grid::uniform_t(s.process, 10);
  auto r = s.start(exec, network, grid, v, memory.span());
  passes = reductions = 0;
  auto const before = made;
  r.finish();
  CHECK(made == before);
  CHECK(passes == 0);
  CHECK(reductions == 10);  // a position is a row of its own
}

TEST_CASE("an allocation that fails leaves nothing behind, wherever it happens") {
  auto const s = sampler{test::vp_process{}, solver::dpmpp_2m{}, guidance::cfg{2.0}};
  auto const grid = test::lambda_grid(4);
  test::wavy const network;
  std::vector<double> x(6), clean(6);
  auto const go = [&](std::vector<double>& out) {
    s.sample(exec::host{}, network, grid, batch_view<double>{out.data(), 2, 3});
  };
  auto const start = made;
  go(clean);
  auto const points = made - start;
  CHECK(points > 0);
  for (bool const later : {false, true}) {
    for (std::int64_t k = 0; k < points; ++k) {
      auto const blocks = live;
      bool thrown = false;
      made = 0;
      fail_at = k;
      fail_later = later;
      try {
        go(x);
      } catch (std::bad_alloc const&) {
        thrown = true;
      }
      fail_at = -1;
      CHECK(thrown);
      CHECK(live == blocks);
      go(x);
      CHECK(test::same_bits(x, clean));
    }
  }
}

TEST_CASE("a denoiser that throws leaves a run that goes on from there") {
  auto const check = [](auto const& s) {
    auto const grid = test::lambda_grid(4);
    exec::host const host;
    int calls = 0;
    test::wavy healthy;
    healthy.calls = &calls;
    std::vector<double> x(6), clean(6);
    s.sample(host, healthy, grid, batch_view<double>{clean.data(), 2, 3});
    int const total = calls;
    batch_view<double> const v{x.data(), 2, 3};
    for (int k = 0; k < total; ++k) {
      test::wavy failing = healthy;
      failing.throw_at = k;
      calls = 0;
      detail::workspace const memory(s.workspace_size(host, failing, v));
      auto r = s.start(host, failing, grid, v, memory.span());
      CHECK_THROWS_AS(r.finish(), int);  // the user's own exception, unchanged
      CHECK(r.step() <= 4);
      failing.throw_at = -1;  // the run refers to this denoiser: it is healthy from here on
      r.finish();
      CHECK(test::same_bits(x, clean));
    }
  };
  test::vp_process const p;
  check(sampler{p, solver::ddim{.eta = 1.0}});
  check(sampler{p, solver::heun{}});
  check(sampler{p, solver::dpmpp_2m{}, guidance::cfg{2.0}});
  check(sampler{p, solver::dpmpp_2m{}, guidance::none{}, cache::every_n<2>{}});
}

TEST_CASE("an observer that throws passes through") {
  auto const s = sampler{test::vp_process{}, solver::ddim{}};
  std::vector<double> x(6);
  CHECK_THROWS_AS(
      s.sample(exec::host{}, test::wavy{}, test::lambda_grid(4), batch_view<double>{x.data(), 2, 3},
               options{}, [](progress const&) { throw 7; }),
      int);
}

TEST_CASE("an exception on a worker thread arrives on the caller's") {
  exec::threads const four(4);
  for (int k = 0; k < 4; ++k) {
    CHECK_THROWS_AS(four.for_each_sample(8,
                                         [&](std::int64_t i) {
                                           if (i == 2 * k) throw error("x");
                                         }),
                    error);
  }
  int sum = 0;
  std::mutex m;
  four.for_each_sample(8, [&](std::int64_t i) {
    std::lock_guard l(m);
    sum += static_cast<int>(i);
  });
  CHECK(sum == 28);
}

TEST_CASE("NaN from the denoiser is reported with its step, sample and branch") {
  auto const s = sampler{test::vp_process{}, solver::ddim{}, guidance::cfg{2.0}};
  int calls = 0;
  test::wavy network;
  network.calls = &calls;
  network.nan_at = 5;  // step 2, branch 1
  std::vector<float> x(6);
  options<noise::counted> opts;
  opts.check_finite = true;
  auto const text = message_of([&] {
    s.sample(exec::host{}, network, test::lambda_grid(4), batch_view<float>{x.data(), 2, 3, 10},
             opts);
  });
  CHECK(contains(text, "step 2"));
  CHECK(contains(text, "sample 11"));
  CHECK(contains(text, "branch 1"));
  CHECK(contains(text, "1 values"));
}

namespace {

/// Numbers are read back from the workspace and nowhere else.
struct watched : test::apart {
  std::span<std::byte const> memory;

  void read_back(void* to, void const* from, std::size_t bytes) const {
    auto const* const p = static_cast<std::byte const*>(from);
    REQUIRE(p >= memory.data());
    REQUIRE(p + bytes <= memory.data() + memory.size());
    apart::read_back(to, from, bytes);
  }
};

}  // namespace

TEST_CASE("off the host the check reads its counts back, and is refused where nothing can be") {
  auto const s = sampler{test::vp_process{}, solver::ddim{}, guidance::cfg{2.0}};
  int calls = 0;
  test::wavy network;
  network.calls = &calls;
  network.nan_at = 5;
  std::vector<float> x(6);
  batch_view<float> const view{x.data(), 2, 3, 10};
  options<noise::counted> opts;
  opts.check_finite = true;
  auto const grid = test::lambda_grid(4);
  detail::workspace const memory(s.workspace_size(test::apart{}, network, view, opts));
  CHECK(s.workspace_size(test::apart{}, network, view) < std::ssize(memory.span()));
  watched const exec{{}, memory.span()};
  auto const text =
      message_of([&] { s.start(exec, network, grid, view, memory.span(), opts).finish(); });
  CHECK(contains(text, "step 2"));
  CHECK(contains(text, "sample 11"));
  CHECK(contains(text, "branch 1"));
  CHECK(contains(text, "1 values"));
  auto const refusal = message_of(
      [&] { s.start(test::elsewhere{}, network, grid, view, memory.span(), opts).finish(); });
  CHECK(contains(refusal, "check_finite = true"));
}

TEST_CASE("NaN stays in its own sample when the check is off") {
  auto const s = sampler{test::vp_process{}, solver::dpmpp_2m{}};
  int calls = 0;
  test::wavy network, healthy;
  network.calls = &calls;
  network.nan_at = 1;
  std::vector<float> x(6), y(6);
  s.sample(exec::host{}, network, test::lambda_grid(4), batch_view<float>{x.data(), 2, 3});
  s.sample(exec::host{}, healthy, test::lambda_grid(4), batch_view<float>{y.data(), 2, 3});
  for (std::size_t i = 0; i < 3; ++i) CHECK(x[i] == y[i]);
  CHECK(std::isnan(x[3]));
}

TEST_CASE("bad arguments are refused before the first call, with name, value and range") {
  auto const s = sampler{test::vp_process{}, solver::ddim{}};
  int calls = 0;
  test::wavy network;
  network.calls = &calls;
  auto const grid = test::lambda_grid(4);
  std::vector<float> x(6);
  exec::host const host;
  auto const with = [&](batch_view<float> v, options<noise::counted> o) {
    return message_of([&] { s.sample(host, network, grid, v, o); });
  };
  options<noise::counted> const plain;
  auto o = plain;
  CHECK(contains(with({x.data(), 2, 0}, plain), "features = 0, must be at least 1"));
  CHECK(contains(with({x.data(), -1, 3}, plain), "batch = -1, must be at least 0"));
  CHECK(contains(with({nullptr, 2, 3}, plain), "null"));
  CHECK(contains(with({x.data(), std::int64_t{1} << 40, std::int64_t{1} << 40}, plain), "63 bits"));
  CHECK(contains(with({x.data(), 2, 3, -5}, plain), "first_sample = -5"));
  o.first_step = 4;
  CHECK(contains(with({x.data(), 2, 3}, o), "first_step = 4, must be in [0, 4)"));
  o = plain;
  o.last_step = 9;
  CHECK(contains(with({x.data(), 2, 3}, o), "last_step = 9"));
  o = plain;
  o.first_step = 2;
  o.last_step = 1;
  CHECK(contains(with({x.data(), 2, 3}, o), "last_step = 1, must be in [first_step"));

  auto const wide = sampler{test::vp_process{}, solver::dpmpp_2m{}};
  batch_view<float> const v{x.data(), 2, 3};
  auto const size = wide.workspace_size(host, network, v);
  CHECK(size == 64);  // one history and one prediction of 24 bytes each, rounded up
  detail::workspace const memory(size + 64);
  auto const start = [&](std::span<std::byte> span) {
    return message_of([&] { static_cast<void>(wide.start(host, network, grid, v, span)); });
  };
  auto const bytes = static_cast<std::size_t>(size);
  CHECK(contains(start(memory.span().first(bytes - 1)), "bytes, needs"));
  CHECK(contains(start(memory.span().subspan(1, bytes)), "aligned to 64"));
  CHECK(contains(start({}), "has 0 bytes"));

  auto const message = [](auto const& sampler, auto const& grid_) {
    std::vector<float> y(6);
    return message_of([&] {
      sampler.sample(exec::host{}, test::wavy{}, grid_, batch_view<float>{y.data(), 2, 3});
    });
  };
  test::vp_process const p;
  CHECK(contains(message(sampler{p, solver::ddim{.eta = 1.5}}, grid),
                 "eta = 1.5, must be in [0, 1]"));
  CHECK(contains(message(sampler{p, solver::ddim{.eta = NAN}}, grid), "eta = nan"));
  CHECK(contains(message(sampler{p, solver::ddim{}, guidance::cfg{NAN}}, grid),
                 "guidance_scale = nan, must be finite"));
  CHECK(contains(message(sampler{p, solver::ddim{}, guidance::cfg{HUGE_VAL}}, grid),
                 "guidance_scale = inf"));
  CHECK(calls == 0);
}

TEST_CASE("noise that is put back has draws of its own") {
  auto const s = sampler{test::vp_process{}, solver::ddim{}};
  auto const grid = test::lambda_grid(4);
  test::wavy const network;
  exec::host const host;
  std::vector<float> x(6);
  batch_view<float> const v{x.data(), 2, 3};
  detail::workspace const memory(s.workspace_size(host, network, v));
  auto run = s.start(host, network, grid, v, memory.span());
  run.advance();
  auto const message = [&](int index, int draw) {
    return message_of([&] { run.renoise(index, draw); });
  };
  // 0 is the prior's own, and the last one says in which order texts are decoded.
  for (int const draw : {-1, 0, noise::max_draw, noise::max_draw + 1}) {
    CHECK(contains(message(0, draw), "diffx::run::renoise: draw = " + std::to_string(draw) +
                                         ", must be in [1, 2^12 - 2]"));
    CHECK(run.step() == 1);
  }
  CHECK(contains(message(2, 1), "index = 2"));
  CHECK(contains(message(-1, 1), "index = -1"));
  CHECK(message(0, noise::max_draw - 1) == "nothing was thrown");
}

/// A user's guidance with a mistake: from step 2 on it asks for no branch.
struct silent_guidance : guidance::none {
  void weights(step const& s, std::span<double> w) const { w[0] = s.index < 2 ? 1.0 : 0.0; }
};

TEST_CASE("a guidance that asks for no branch is reported with its step") {
  sampler<test::vp_process, solver::ddim, silent_guidance> const s{};
  std::vector<float> x(6);
  auto const text = message_of([&] {
    s.sample(exec::host{}, test::wavy{}, test::lambda_grid(4), batch_view<float>{x.data(), 2, 3});
  });
  CHECK(contains(text, "guidance::none gives weights of sum 0 at step 2"));
}

TEST_CASE("timetables refuse what is not a list of falling levels") {
  auto const levels = test::uniform_lambda(-2, 2, 4);
  auto const with = [&](auto change) {
    auto l = levels;
    change(l);
    return message_of([&] { timetable{l}; });
  };
  CHECK(contains(with([](auto& l) { l.clear(); }), "number of levels = 0, must be at least 2"));
  CHECK(contains(with([](auto& l) { l.resize(1); }), "number of levels = 1"));
  CHECK(contains(with([](auto& l) { std::swap(l[1], l[2]); }), "levels 1 and 2"));
  CHECK(contains(with([](auto& l) { l[2] = l[1]; }), "levels 1 and 2"));
  CHECK(contains(with([](auto& l) { l[2].sigma = NAN; }), "level 2"));
  CHECK(contains(with([](auto& l) { l[3].alpha = -0.5; }), "alpha = -0.5"));
  CHECK(contains(with([](auto& l) { l[0].t = HUGE_VAL; }), "t = inf"));
  CHECK_NOTHROW(timetable{levels});
  CHECK(timetable{std::vector(levels.rbegin(), levels.rend())}.inverts());
}
