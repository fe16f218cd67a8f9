// Caches of keys and values: which positions they run on and read, in networks that keep book, and
// what that costs.

#include <diffx/cache/kv.hpp>
#include <diffx/cache/none.hpp>
#include <diffx/guidance/cfg.hpp>

#include "support/decoding.hpp"
#include "support/message.hpp"
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using test::at;
using test::codes;
using test::numbers;

constexpr int classes = 7, length = 13;

/// A fixed network whose store keeps the class that every key was computed from.
struct bookkeeper {
  prediction::x0_posterior<double> prediction{};
  test::fixed_network inner;
  static constexpr int branches = 2;
  struct books {
    int of_nothing = 0;  // reads of a key that was never stored
    int of_mask = 0;     // of one that was computed from a mask
    int of_other = 0;    // of one that was computed from another class than is there now
    int reads = 0;
    int fail_at = -1;  // a call that throws
  };
  std::shared_ptr<books> seen = std::make_shared<books>();
  static constexpr std::int32_t nothing = -1;

  int block_length() const { return inner.blocks_of; }
  struct store {
    std::vector<std::int32_t> of;
  };
  store make_store(std::int64_t batch, std::int64_t positions) const {
    return {std::vector<std::int32_t>(at(batch * positions), nothing)};
  }
  template <class Exec>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<double> out) const {
    inner(exec, x, q, out);
  }
  template <class Exec>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<kv::role const> roles, store& s, batch_view<double> out) const {
    for (std::size_t i = 0; i < s.of.size(); ++i) {
      kv::role const r = roles.data[i];
      if ((r & kv::query) != 0) {
        CHECK((r & kv::reuse) == 0);
        if ((r & kv::keep) != 0) s.of[i] = x.data[i];
        continue;
      }
      CHECK((r & (kv::keep | kv::logits)) == 0);
      if ((r & kv::reuse) == 0) continue;
      ++seen->reads;
      seen->of_nothing += s.of[i] == nothing ? 1 : 0;
      seen->of_mask += s.of[i] == classes ? 1 : 0;
      seen->of_other += s.of[i] != x.data[i] ? 1 : 0;
    }
    // A row that is not wanted says the opposite: nobody may read it.
    for (std::int64_t b = 0; b < x.batch; ++b) {
      for (std::int64_t i = 0; i < out.features; ++i) out.row(b)[i] = -inner.logits[at(i)];
    }
    test::fixed_network::store none;
    inner(exec, x, q, roles, none, out);
  }
};

bookkeeper network(int positions = length, int block = 4) {
  bookkeeper out{};
  out.inner = {{}, classes, test::mixed_logits(positions, classes), {}, block};
  out.inner.seen = std::make_shared<test::fixed_network::counter>();
  return out;
}

/// Three texts with prompts of 0, 3 and 6 classes.
codes texts() {
  codes x(3 * length, classes);
  for (int p = 0; p < 3; ++p) x[at(length + p)] = p;
  for (int p = 0; p < 6; ++p) x[at(2 * length + p)] = p % classes;
  return x;
}

options<> const given{noise::counted{3}, start::given};
process::absorbing<> const process_of_masks(classes);

struct outcome {
  codes x;
  result r;
  kv_cost cost;
  bookkeeper::books books;
};

template <class Solver, class Cache>
outcome decoded(Solver const& solver, Cache cache, int steps = 40, codes x = texts(),
                std::int64_t batch = 3) {
  auto const net =
      network(static_cast<int>(static_cast<std::int64_t>(x.size()) / batch), solver.block);
  outcome out{};
  out.r = test::decode_run(process_of_masks, solver, cache, net, exec::host{}, x, batch, steps,
                           given, [&](auto const& run) {
                             if constexpr (Cache::depth == 0 && requires { Cache::keeps_kv; }) {
                               out.cost = run.kv();
                             }
                           });
  out.books = *net.seen;
  out.x = x;
  return out;
}

template <class Solver>
void same_tokens(Solver const& solver) {
  auto const plain = decoded(solver, cache::none{});
  CHECK(std::count(plain.x.begin(), plain.x.end(), classes) == 0);
  auto const check = [&](char const* name, auto cache) {
    CAPTURE(name);
    auto const cached = decoded(solver, cache);
    CHECK(cached.x == plain.x);
    CHECK(cached.r.evaluations == plain.r.evaluations);
    CHECK(cached.books.of_nothing == 0);
    CHECK(cached.cost.rows <= cached.cost.dense_rows);
    CHECK(cached.cost.pairs <= cached.cost.dense_pairs);
  };
  check("prefix", cache::kv_prefix{});
  check("prefix with a horizon", cache::kv_prefix{2});
  check("dual", cache::kv_dual{});
  check("prompt", cache::kv_prompt{});
  if (!solver.edits()) {
    check("dkv_decode 1", cache::dkv_decode{1});
    check("dkv_decode 3", cache::dkv_decode{3});
    check("dkv_decode 100", cache::dkv_decode{100});
  }
  auto aligned = solver;
  aligned.align = decode::align::from_zero;
  auto const plain_blocks = decoded(aligned, cache::none{});
  auto const blocks = decoded(aligned, cache::kv_blocks{});
  CHECK(blocks.x == plain_blocks.x);
  CHECK(blocks.r.evaluations == plain_blocks.r.evaluations);
  CHECK(blocks.books.of_nothing == 0);
  CHECK(blocks.books.of_mask == 0);
  CHECK(blocks.books.of_other == 0);
}

TEST_CASE("kv: a network that looks at no other position gives the same text under every cache") {
  same_tokens(test::decoder<decode::probability>(decode::threshold{0.5}, 4));
  same_tokens(test::decoder<decode::margin>(decode::evenly{3}, 4));
  same_tokens(test::decoder<decode::neg_entropy>(decode::entropy_bound{0.5}, 4, 0.0));
  same_tokens(test::decoder<decode::probability>(decode::by_coin{4}, 4));
  auto edits = test::decoder<decode::probability>(decode::threshold{0.5}, 4);
  edits.edit_above = 0.4;
  edits.edit_calls = 2;
  same_tokens(edits);
  auto ends = test::decoder<decode::probability>(decode::threshold{0.5}, 4);
  ends.end_of_text = 2;
  same_tokens(ends);
}

TEST_CASE("kv: dkv_greedy decodes what it announced") {
  for (int const refresh : {1, 2, 100}) {
    for (int const window : {0, 2}) {
      for (int const n : {1, 2}) {
        auto const solver = test::decoder<decode::random_order>(decode::per_call{n}, 4);
        auto const plain = decoded(solver, cache::none{});
        auto const cached = decoded(solver, cache::dkv_greedy{refresh, window});
        CHECK(cached.x == plain.x);
        CHECK(cached.books.of_nothing == 0);
      }
    }
  }
}

TEST_CASE("kv: who reads keys of masks") {
  auto const solver = test::decoder<decode::probability>(decode::evenly{4}, 4);
  for (int const refresh : {1, 2, 5, 100}) {
    auto const books = decoded(solver, cache::dkv_decode{refresh}).books;
    CHECK(books.of_mask == 0);
    CHECK(books.of_other == 0);
    CHECK((books.reads > 0) == (refresh > 1));
  }
  auto const ordered = test::decoder<decode::random_order>(decode::evenly{4}, 4);
  CHECK(decoded(ordered, cache::dkv_greedy{4, 1}).books.of_mask > 0);
  CHECK(decoded(solver, cache::kv_prefix{}).books.of_mask == 0);
  CHECK(decoded(solver, cache::kv_prefix{}).books.of_other == 0);
  CHECK(decoded(solver, cache::kv_prompt{}).books.of_mask == 0);
  CHECK(decoded(solver, cache::kv_dual{}).books.of_mask > 0);  // those behind the block
}

/// The queried positions of every call of one text.
std::vector<std::vector<int>> queries(bookkeeper const& net) {
  std::vector<std::vector<int>> out;
  for (auto const& roles : net.inner.seen->roles) {
    out.emplace_back();
    for (std::size_t p = 0; p < roles.size(); ++p) {
      if ((roles[p] & kv::query) != 0) out.back().push_back(static_cast<int>(p));
    }
  }
  return out;
}

TEST_CASE("kv: prefix and dual run on everything when a block begins, and only then") {
  for (bool const dual : {false, true}) {
    auto const net = network();
    codes x(length, classes);
    auto const solver = test::decoder<decode::probability>(decode::evenly{3}, 4);
    if (dual) {
      test::decode_run(process_of_masks, solver, cache::kv_dual{}, net, exec::host{}, x, 1, 12,
                       given, [](auto const&) {});
    } else {
      test::decode_run(process_of_masks, solver, cache::kv_prefix{}, net, exec::host{}, x, 1, 12,
                       given, [](auto const&) {});
    }
    auto const q = queries(net);
    REQUIRE(q.size() == 10);  // three calls each for blocks of 4, 4, 4 and one for that of 1
    for (std::size_t i = 0; i < q.size(); ++i) {
      CAPTURE(i);
      int const first = static_cast<int>(i / 3) * 4, end = dual ? first + 4 : length;
      bool const begins = i % 3 == 0;
      CHECK(q[i].size() == at(begins ? length : end - first));
      CHECK(q[i].front() == (begins ? 0 : first));
    }
  }
}

// ---- what it costs: texts of the papers' sizes ----

constexpr int prompt = 128, made = 256;

template <class Confidence, class Cache>
kv_cost cost_of(Cache cache, int steps, int block = 0, int given_classes = prompt,
                decode::align align = decode::align::after_prompt) {
  codes x(at(given_classes + made), classes);
  std::fill_n(x.begin(), given_classes, 1);
  auto solver = test::decoder<Confidence>(decode::evenly{steps}, block);
  solver.align = align;
  return decoded(solver, cache, 300, x, 1).cost;
}

TEST_CASE("kv: rows of dkv_cache, one position a call in one block of 256 after 128") {
  constexpr int all = prompt + made;
  for (int const n : {4, 8, 16}) {
    CAPTURE(n);
    std::int64_t rows = 0, greedy = 0;
    for (int i = 0; i < made; ++i) {
      int const masks = made - i;
      rows += i < 2 || i % n == 0 ? all : masks + 1;  // the masks, and the class of the last call
      int const around = masks - 1 < 4 ? masks - 1 : 4;
      greedy += i % n == 0 ? all : 2 + around;
    }
    auto const decode = cost_of<decode::probability>(cache::dkv_decode{n}, made);
    CHECK(decode.calls == made);
    CHECK(decode.rows == rows);
    CHECK(decode.pairs == rows * all);  // the rest is read from the store
    CHECK(decode.dense_rows == made * all);
    CHECK(decode.dense_pairs == std::int64_t{made} * all * all);
    // The card: 2.0, 2.4 and 2.65 times fewer; 3.8 and 13 for greedy with n = 4 and 16.
    double const saved = static_cast<double>(decode.dense_rows) / static_cast<double>(decode.rows);
    CHECK(std::abs(saved - (n == 4 ? 2.0 : n == 8 ? 2.4 : 2.65)) < 0.05);
    auto const quick = cost_of<decode::random_order>(cache::dkv_greedy{n, 4}, made);
    CHECK(quick.rows == greedy);
    CHECK(quick.pairs == greedy * all);
  }
}

TEST_CASE("kv: rows of prefix and dual in blocks of 32, four calls each") {
  constexpr int block = 32, calls = 4, all = prompt + made;
  std::int64_t prefix = 0, dual = 0;
  for (int first = prompt; first < all; first += block) {
    prefix += all + (calls - 1) * (all - first);
    dual += all + (calls - 1) * block;
  }
  auto const with_prefix = cost_of<decode::probability>(cache::kv_prefix{}, calls, block);
  auto const with_dual = cost_of<decode::probability>(cache::kv_dual{}, calls, block);
  CHECK(with_prefix.rows == prefix);
  CHECK(with_dual.rows == dual);
  CHECK(with_dual.pairs == dual * all);
  CHECK(with_dual.calls == made / block * calls);
  // Only so much behind the block: 8 positions here.
  std::int64_t near = 0, seen = 0;
  for (int first = prompt; first < all; first += block) {
    int const end = first + block + 8 < all ? first + block + 8 : all;
    near += all + (calls - 1) * (end - first);
    seen += std::int64_t{all} * all + std::int64_t{calls - 1} * (end - first) * end;
  }
  auto const horizon = cost_of<decode::probability>(cache::kv_prefix{8}, calls, block);
  CHECK(horizon.rows == near);
  CHECK(horizon.pairs == seen);
}

TEST_CASE("kv: rows of kv_blocks, one position a call") {
  for (int const block : {4, 16}) {
    CAPTURE(block);
    auto const cost =
        cost_of<decode::probability>(cache::kv_blocks{}, block, block, 0, decode::align::from_zero);
    std::int64_t const blocks = made / block;
    // Every call runs on the block; the first one of the next runs on its classes once more.
    CHECK(cost.calls == made);
    CHECK(cost.rows == std::int64_t{made} * block + (blocks - 1) * block);
    std::int64_t pairs = 0;
    for (std::int64_t b = 0; b < blocks; ++b) {
      std::int64_t const seen = (b + 1) * block;
      pairs += (block + (b > 0 ? 1 : 0)) * block * seen;
    }
    CHECK(cost.pairs == pairs);
    CHECK(cost.dense_pairs == std::int64_t{made} * made * made);
    CHECK(5 * cost.rows < cost.dense_rows);
  }
}

// ---- along a run ----

TEST_CASE("kv: the step of every stored key") {
  auto const net = network();
  auto solver = test::decoder<decode::probability>(decode::evenly{2}, 4);
  solver.align = decode::align::from_zero;
  codes x(length, classes);
  for (int p = 0; p < 5; ++p) x[at(p)] = p;  // a prompt that ends inside the second block
  test::decode_run(process_of_masks, solver, cache::kv_blocks{}, net, exec::host{}, x, 1, 10, given,
                   [&](auto const& run) {
                     auto const stored = run.kv_stored();
                     int const first = run.step() <= 2 ? 4 : run.step() <= 4 ? 8 : 12;
                     for (int p = 0; p < length; ++p) {
                       bool const is_stored = stored[at(p)] >= 0;
                       if (run.step() <= 5) CHECK(is_stored == (p < first));
                     }
                   });
}

TEST_CASE("kv: dkv_decode stores no key of a mask") {
  codes x(length, classes);
  test::decode_run(process_of_masks, test::decoder<decode::probability>(decode::evenly{length}),
                   cache::dkv_decode{4}, network(), exec::host{}, x, 1, length, given,
                   [&](auto const& run) {
                     auto const stored = run.kv_stored();
                     for (int p = 0; p < length; ++p) {
                       if (x[at(p)] == classes) CHECK(stored[at(p)] == -1);
                     }
                   });
}

TEST_CASE("kv: in the midst of a block a fork has its keys, and noise put back begins it anew") {
  auto const solver = test::decoder<decode::random_order>(decode::evenly{4}, 0);
  auto const net = network(length, 0);
  sampler const s{process_of_masks, solver, guidance::none{}, cache::kv_dual{}};
  auto const grid = grid::uniform_t(process_of_masks, 8);
  codes x(length, classes), y = x;
  x[0] = 0;  // a prompt, so that there is something outside of what is open
  auto const view = [](codes& c) { return batch_view<std::int32_t>{c.data(), 1, length}; };
  detail::workspace const a(s.workspace_size(exec::host{}, net, view(x), given)),
      b(s.workspace_size(exec::host{}, net, view(y), given));
  auto run = s.start(exec::host{}, net, grid, view(x), a.span(), given);
  for (int i = 0; i < 2; ++i) run.advance();
  auto fork = run.fork(1, {view(y)}, b.span());
  for (std::size_t p = 0; p < length; ++p) CHECK(fork.kv_stored()[p] == run.kv_stored()[p]);
  fork.finish();
  CHECK(net.seen->of_nothing == 0);
  // Half of the block is open still, and again: its first call counts as such.
  run.renoise(1, 1);
  auto const open = std::count(x.begin(), x.end(), classes);
  CHECK(open > 4);
  run.advance();
  CHECK(std::count(x.begin(), x.end(), classes) == open - (open + 3) / 4);
  CHECK(net.seen->of_nothing == 0);
  run.finish();
  CHECK(net.seen->of_nothing == 0);
}

TEST_CASE("kv: renoise forgets, a fork keeps and a resumed run computes anew") {
  auto solver = test::decoder<decode::probability>(decode::evenly{4}, 4, 0.0);
  solver.align = decode::align::from_zero;
  auto const net = network();
  sampler const s{process_of_masks, solver, guidance::none{}, cache::kv_blocks{}};
  auto const grid = grid::uniform_t(process_of_masks, 16);
  codes x(length, classes), y = x, z = x;
  auto const view = [](codes& c) { return batch_view<std::int32_t>{c.data(), 1, length}; };
  detail::workspace const a(s.workspace_size(exec::host{}, net, view(x), given)),
      b(s.workspace_size(exec::host{}, net, view(y), given)),
      c(s.workspace_size(exec::host{}, net, view(z), given));
  auto run = s.start(exec::host{}, net, grid, view(x), a.span(), given);
  for (int i = 0; i < 7; ++i) run.advance();
  auto fork = run.fork(1, {view(y)}, b.span());
  auto const bytes = run.checkpoint();
  auto resumed = s.start(exec::host{}, net, grid, view(z), c.span(), given);
  for (int i = 0; i < 7; ++i) resumed.advance();
  resumed.resume(bytes);
  for (std::int32_t const step : resumed.kv_stored()) CHECK(step == -1);
  run.finish();
  fork.finish();
  resumed.finish();
  CHECK(y == x);  // nothing is drawn at temperature 0
  CHECK(z == x);
  CHECK(net.seen->of_nothing == 0);
  CHECK(net.seen->of_mask == 0);
  run.renoise(3, 1);
  for (std::int32_t const step : run.kv_stored()) CHECK(step == -1);
  run.finish();
  CHECK(net.seen->of_nothing == 0);
  CHECK(net.seen->of_other == 0);
  CHECK(std::count(x.begin(), x.end(), classes) == 0);
}

/// A scale that asks the second branch in later steps only.
struct late_scale {
  double operator()(step const& s) const { return s.index < 2 ? 1.0 : 2.0; }
};

TEST_CASE("kv: every branch has a store of its own that misses nothing") {
  auto const net = network();
  auto const solver = test::decoder<decode::probability>(decode::evenly{4}, 0);
  sampler const s{process_of_masks, solver, guidance::cfg<late_scale>{}, cache::dkv_decode{100}};
  codes x(length, classes);
  s.sample(exec::host{}, net, grid::uniform_t(process_of_masks, 5),
           batch_view<std::int32_t>{x.data(), 1, length}, given);
  CHECK(net.seen->reads > 0);
  CHECK(net.seen->of_nothing == 0);
}

TEST_CASE("kv: errors") {
  using test::message_of;
  using test::says;
  auto const solver = test::decoder<decode::probability>(decode::threshold{}, 4);
  auto const ordered = test::decoder<decode::random_order>(decode::per_call{}, 4);
  CHECK(says(message_of([&] { decoded(solver, cache::dkv_decode{0}); }), "cache::dkv_decode",
             "refresh_calls", "0", "at least 1"));
  CHECK(says(message_of([&] {
               decoded(ordered, cache::dkv_greedy{0, 1});
             }),
             "cache::dkv_greedy", "refresh_calls", "0", "at least 1"));
  CHECK(says(message_of([&] {
               decoded(ordered, cache::dkv_greedy{1, -1});
             }),
             "cache::dkv_greedy", "window", "-1", "at least 0"));
  CHECK(message_of([&] { decoded(solver, cache::kv_blocks{}); }).find("must be from_zero") !=
        std::string::npos);
  auto other = solver;
  other.align = decode::align::from_zero;
  auto const net = network(length, 3);
  codes x(length, classes);
  CHECK(says(message_of([&] {
               test::decode_run(process_of_masks, other, cache::kv_blocks{}, net, exec::host{}, x,
                                1, 20, given, [](auto const&) {});
             }),
             "diffx::run", "block of solver::decode", "4", "the network's block length 3"));
  auto edits = solver;
  edits.edit_above = 0.5;
  CHECK(message_of([&] { decoded(edits, cache::dkv_decode{}); }).find("edit_above") !=
        std::string::npos);
  auto noisy = ordered;
  noisy.order_temperature = 1.0;
  CHECK(message_of([&] {
          decoded(noisy, cache::dkv_greedy{});
        }).find("set order_temperature = 0") != std::string::npos);
}

}  // namespace
