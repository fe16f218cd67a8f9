// solver::decode: what every run promises, whatever the network and the random words say.

#include <diffx/cache/none.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/process/uniform.hpp>

#include "support/decoding.hpp"
#include "support/message.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using test::at;
using test::codes;
using test::numbers;

constexpr int classes = 5, length = 12;
constexpr double infinity = std::numeric_limits<double>::infinity();

options<> const given{noise::counted{9}, start::given};
auto const nobody = [](auto const&) {};

test::fixed_network network(int positions = length) {
  test::fixed_network out{{}, classes, test::mixed_logits(positions, classes)};
  return out;
}

/// Logits that depend on all of the text, so that samples of a batch differ.
struct hashing {
  prediction::x0_posterior<double> prediction{};
  template <class Exec, class Code>
  void operator()(Exec const&, batch_view<Code const> x, query const&,
                  batch_view<double> out) const {
    for (std::int64_t b = 0; b < x.batch; ++b) {
      double sum = 0.0;
      for (std::int64_t p = 0; p < x.features; ++p)
        sum += static_cast<double>((p + 1) * x.row(b)[p]);
      for (std::int64_t i = 0; i < out.features; ++i) {
        out.row(b)[i] = 2.0 * std::sin(sum + 3.1 * static_cast<double>(i));
      }
    }
  }
};

// ---- how many masks are left ----

template <class Rule, class F>
void check_masks(Rule rule, int block, int steps, F const& left_after) {
  process::absorbing<> const process(classes);
  codes x(length, classes);
  auto const r =
      test::decode_run(process, test::decoder<decode::probability>(rule, block), cache::none{},
                       network(), exec::host{}, x, 1, steps, given, [&](auto const& run) {
                         CAPTURE(run.step());
                         CHECK(std::count(x.begin(), x.end(), classes) == left_after(run.step()));
                       });
  CHECK(r.steps == steps);
}

TEST_CASE("decode: masks after every step") {
  auto const rest = [](int n) { return n > 0 ? n : 0; };
  check_masks(decode::per_call{2}, 0, 8, [&](int i) { return rest(length - 2 * i); });
  check_masks(decode::evenly{5}, 0, 5,
              [&](int i) { return rest(i < 2 ? 12 - 3 * i : 10 - 2 * i); });
  // Blocks of 4 in 3 calls: 2, 1, 1.
  check_masks(decode::evenly{3}, 4, 9, [](int i) {
    return length - 4 * (i / 3) - (i % 3 == 0 ? 0 : i % 3 == 1 ? 2 : 3);
  });
  check_masks(decode::mask_ratio{}, 0, 8, [](int i) { return i == 8 ? 0 : 12 * (8 - i) / 8; });
  check_masks(decode::pace{5, 2.0}, 0, 5, [](int i) { return length - (12 * i + 4) / 5; });
  check_masks(decode::dynamic{5, 2.0}, 0, 5,
              [&](int i) { return rest(i < 2 ? 12 - 3 * i : 10 - 2 * i); });
  check_masks(decode::predict_then_noise{8}, 0, 8, [](int i) { return 12 * (8 - i) / 8; });
  int left = length;
  check_masks(decode::transfer{}, 0, 8, [&](int i) {  // floor(open / (steps left)), then all
    left -= i == 8 ? left : left / (9 - i);
    return left;
  });
  // A threshold that nothing reaches takes one, one that everything reaches takes all.
  check_masks(decode::threshold{2.0}, 0, 14, [&](int i) { return rest(length - i); });
  check_masks(decode::threshold{1e-9}, 4, 5, [&](int i) { return rest(length - 4 * i); });
  // The last step takes what is left, in all blocks.
  check_masks(decode::per_call{1}, 4, 3, [](int i) { return i == 3 ? 0 : length - i; });
}

TEST_CASE("decode: a text that is done costs no call") {
  process::absorbing<> const process(classes);
  auto const net = network();
  codes x(length, classes);
  auto const r = test::decode_run(process, test::decoder<decode::probability>(decode::per_call{3}),
                                  cache::none{}, net, exec::host{}, x, 1, 20, given, nobody);
  CHECK(r.steps == 20);
  CHECK(r.nfe == 4);
  CHECK(r.evaluations == 4);
  CHECK(net.seen->calls == 4);
  auto const done = x;
  auto const again =
      test::decode_run(process, test::decoder<decode::probability>(decode::per_call{3}),
                       cache::none{}, net, exec::host{}, x, 1, 20, given, nobody);
  CHECK(again.nfe == 0);
  CHECK(x == done);
}

// ---- hostile networks and extreme words ----

/// The same words everywhere.
struct constant_words {
  using kind = noise_tag;
  static constexpr std::string_view name = "constant_words";
  std::uint32_t word = 0;
  template <class T>
  void fill(noise::key, std::int64_t, std::int64_t, int n, T* out) const {
    std::fill_n(out, n, T(0));
  }
  random::words4 words(noise::key, std::int64_t, std::int64_t) const {
    return {{word, word, word, word}};
  }
  constant_words fork(std::uint64_t) const { return *this; }
};

template <class Solver, class Noise>
void check_hostile(Solver const& solver, Noise const& noise) {
  constexpr int mask = 2;  // one of the logits, and the largest
  process::absorbing<> const process(classes, mask);
  numbers logits(length * classes);
  for (int p = 0; p < length; ++p) {
    for (int k = 0; k < classes; ++k) {
      double const l = k == mask ? 1e300 : k == p % classes ? 1e30 : k == 0 ? -infinity : -1e30;
      // What is no mask may say anything.
      logits[at(p * classes + k)] = p < 4 ? (k % 2 == 0 ? std::nan("") : infinity) : l;
    }
  }
  test::fixed_network const net{{}, classes, logits};
  codes x{0, 1, 3, 4};
  x.resize(length, mask);
  codes const before = x;
  test::decode_run(process, solver, cache::none{}, net, exec::host{}, x, 1, 12,
                   options<Noise>{noise, start::given}, [&](auto const&) {
                     for (int p = 0; p < length; ++p) {
                       int const k = x[at(p)];
                       if (p < 4) CHECK(k == before[at(p)]);
                       if (p >= 4 && p % classes != mask && k != mask) CHECK(k == p % classes);
                     }
                   });
  CHECK(std::count(x.begin(), x.end(), mask) == 0);
}

template <class Noise>
void check_all_hostile(Noise const& noise) {
  check_hostile(test::decoder<decode::probability>(decode::threshold{}), noise);
  check_hostile(test::decoder<decode::probability>(decode::threshold{}, 0, 0.0), noise);
  check_hostile(test::decoder<decode::log_probability>(decode::mask_ratio{}), noise);
  check_hostile(test::decoder<decode::margin>(decode::factor{}), noise);
  check_hostile(test::decoder<decode::neg_entropy>(decode::entropy_bound{}, 4), noise);
  check_hostile(test::decoder<decode::random_order>(decode::evenly{3}, 4), noise);
  check_hostile(test::decoder<decode::left_to_right>(decode::transfer{}), noise);
  check_hostile(test::decoder<decode::coin>(decode::by_coin{12}), noise);
  auto shaped = test::decoder<decode::margin>(decode::threshold{}, 0, 0.5);
  shaped.propose.top_p = 0.5;
  shaped.propose.min_p = 0.5;
  shaped.propose.top_k = 2;
  shaped.order_temperature = 3.0;
  check_hostile(shaped, noise);
}

TEST_CASE("decode: given classes stay and the mask is no proposal, whatever the network says") {
  check_all_hostile(noise::counted{1});
  check_all_hostile(constant_words{0});
  check_all_hostile(constant_words{0xFFFFFFFFu});
}

TEST_CASE("decode: a masked position without a distribution is reported") {
  process::absorbing<> const process(classes);
  for (double const bad : {std::nan(""), infinity}) {
    auto net = network();
    net.logits[7 * classes + 1] = bad;
    codes x(length, classes);
    auto const message = test::message_of([&] {
      test::decode_run(process, test::decoder<decode::probability>(decode::threshold{}),
                       cache::none{}, net, exec::host{}, x, 1, 4, given, nobody);
    });
    CHECK(message.find("no distribution") != std::string::npos);
    CHECK(message.find("sample 0, position 7 in step 0") != std::string::npos);
  }
}

// ---- texts ----

TEST_CASE("decode: nothing follows an end of text") {
  process::absorbing<> const process(classes);
  auto solver = test::decoder<decode::left_to_right>(decode::per_call{1}, 4, 0.0);
  solver.end_of_text = 4;
  auto net = network();
  for (int p = 0; p < length; ++p) {
    for (int k = 0; k < classes; ++k) net.logits[at(p * classes + k)] = k == (p == 5 ? 4 : 1);
  }
  codes x(length, classes);
  x[0] = 4;   // in the prompt it is no end
  x[10] = 2;  // what is given stays
  auto const r =
      test::decode_run(process, solver, cache::none{}, net, exec::host{}, x, 1, 20, given, nobody);
  CHECK(x == codes{4, 1, 1, 1, 1, 4, 4, 4, 4, 4, 2, 4});
  CHECK(r.nfe == 5);
  // Not before everything in front of it is there.
  auto backwards = test::decoder<decode::probability>(decode::per_call{1}, 0, 0.0);
  backwards.end_of_text = 4;
  net.logits[5 * classes + 4] = 9.0;
  x.assign(length, classes);
  int call = 0;
  test::decode_run(process, backwards, cache::none{}, net, exec::host{}, x, 1, 20, given,
                   [&](auto const&) {
                     auto const masks = std::count(x.begin(), x.end(), classes);
                     if (++call == 1) CHECK(x[5] == 4);
                     if (call < 6) CHECK(masks == length - call);
                     if (call >= 6) CHECK(masks == 0);
                   });
}

template <class Solver>
void check_ragged(Solver const& solver) {
  process::absorbing<> const process(classes);
  codes x(4 * length, classes);
  for (int p = 0; p < 3; ++p) x[at(length + p)] = p;
  for (int p = 0; p < 11; ++p) x[at(2 * length + p)] = p % classes;
  for (int const p : {1, 4, 5, 9}) x[at(3 * length + p)] = 1;  // holes
  codes const begun = x;
  codes threaded = x;
  test::decode_run(process, solver, cache::none{}, hashing{}, exec::host{}, x, 4, 30, given,
                   nobody);
  exec::threads const pool(3);
  test::decode_run(process, solver, cache::none{}, hashing{}, pool, threaded, 4, 30, given, nobody);
  CHECK(threaded == x);
  for (int b = 0; b < 4; ++b) {
    codes one(begun.begin() + b * length, begun.begin() + (b + 1) * length);
    sampler const s{process, solver};
    s.sample(exec::host{}, hashing{}, grid::uniform_t(process, 30),
             batch_view<std::int32_t>{one.data(), 1, length, b}, given);
    CHECK(one == codes(x.begin() + b * length, x.begin() + (b + 1) * length));
    for (int p = 0; p < length; ++p) {
      if (begun[at(b * length + p)] != classes) {
        CHECK(one[at(p)] == begun[at(b * length + p)]);
      }
    }
  }
}

TEST_CASE("decode: a text does not depend on its batch or on threads") {
  check_ragged(test::decoder<decode::probability>(decode::threshold{0.4}, 4));
  check_ragged(test::decoder<decode::margin>(decode::evenly{3}, 5));
  check_ragged(test::decoder<decode::random_order>(decode::per_call{2}));
  check_ragged(test::decoder<decode::coin>(decode::by_coin{6}, 4));
  auto ends = test::decoder<decode::neg_entropy>(decode::entropy_bound{0.8}, 4);
  ends.end_of_text = 3;
  ends.align = decode::align::from_zero;
  check_ragged(ends);
}

TEST_CASE("decode: fixed positions stay under any noise") {
  std::vector<std::uint8_t> fixed(length, 0);
  for (int const p : {0, 3, 4, 11}) fixed[at(p)] = 1;
  auto const check = [&](auto const& process, auto solver) {
    codes x(length, 1);
    bool const masked = process.limit().mask >= 0;
    for (int p = 0; p < length; ++p) {
      x[at(p)] = masked && fixed[at(p)] == 0 ? classes : (3 * p + 1) % classes;
    }
    codes const begun = x;
    options<> opts{noise::counted{4}};
    opts.fixed = fixed.data();
    test::decode_run(process, solver, cache::none{}, hashing{}, exec::host{}, x, 1, 12, opts,
                     [&](auto& run) {
                       auto const when = run.block().committed();
                       for (int p = 0; p < length; ++p) {
                         if (fixed[at(p)] == 1) CHECK(x[at(p)] == begun[at(p)]);
                         CHECK((when.data[p] == detail::given_position) == (fixed[at(p)] == 1));
                       }
                     });
    CHECK(std::count(x.begin(), x.end(), classes) == 0);
    int moved = 0;
    for (int p = 0; p < length; ++p) moved += x[at(p)] != begun[at(p)] ? 1 : 0;
    CHECK(moved > 0);
  };
  process::absorbing<> const masks(classes);
  process::uniform<> const others(classes);
  check(masks, test::decoder<decode::probability>(decode::threshold{0.4}, 4));
  check(others, test::decoder<decode::probability>(decode::threshold{0.4}, 4));
  auto revises = test::decoder<decode::probability>(decode::pace{12, 0.9});
  revises.revises = true;
  check(others, revises);
}

// ---- along a run ----

template <class Process, class Solver>
void check_resume(Process const& process, Solver const& solver, codes const& begun) {
  constexpr int steps = 15;
  sampler const s{process, solver};
  auto const grid = grid::uniform_t(process, steps);
  hashing const net;
  for (int const stop : {1, 4, 9}) {
    codes x = begun, y = begun, z = begun;
    auto const view = [](codes& c) { return batch_view<std::int32_t>{c.data(), 2, length}; };
    detail::workspace const a(s.workspace_size(exec::host{}, net, view(x), given)),
        b(s.workspace_size(exec::host{}, net, view(y), given)),
        c(s.workspace_size(exec::host{}, net, view(z), given));
    auto run = s.start(exec::host{}, net, grid, view(x), a.span(), given);
    for (int i = 0; i < stop; ++i) run.advance();
    auto const bytes = run.checkpoint();
    codes const there = x;
    auto fork = run.fork(7, {view(z)}, c.span());
    CHECK(z == there);
    auto resumed = s.start(exec::host{}, net, grid, view(y), b.span(), given);
    resumed.resume(bytes);
    CHECK(y == there);
    run.finish();
    resumed.finish();
    fork.finish();
    CHECK(y == x);
    CHECK(resumed.status().nfe == run.status().nfe);
    CHECK(std::count(x.begin(), x.end(), classes) == 0);
    CHECK(std::count(z.begin(), z.end(), classes) == 0);
    if (stop < 4) CHECK(z != x);  // noise of its own
    for (int p = 0; p < 2 * length; ++p) {
      if (there[at(p)] != classes && Process::is_absorbing) CHECK(z[at(p)] == there[at(p)]);
    }
  }
}

TEST_CASE("decode: forks and checkpoints") {
  codes begun(2 * length, classes);
  begun[0] = begun[at(length)] = begun[at(length + 1)] = 1;
  process::absorbing<> const process(classes);
  check_resume(process, test::decoder<decode::probability>(decode::threshold{0.4}, 4), begun);
  check_resume(process, test::decoder<decode::random_order>(decode::evenly{5}, 4), begun);
  check_resume(process, test::decoder<decode::coin>(decode::by_coin{15}), begun);
}

TEST_CASE("decode: noise that is put back is decoded again, also before the prompt's end") {
  process::absorbing<> const process(classes);
  auto const solver = test::decoder<decode::probability>(decode::threshold{0.4}, 4);
  sampler const s{process, solver};
  constexpr int steps = 30;
  auto const grid = grid::uniform_t(process, steps);
  hashing const net;
  codes x(length, classes);
  for (int p = 0; p < 7; ++p) x[at(p)] = p % classes;
  batch_view<std::int32_t> const view{x.data(), 1, length};
  detail::workspace const memory(s.workspace_size(exec::host{}, net, view, given));
  auto run = s.start(exec::host{}, net, grid, view, memory.span(), given);
  run.finish();
  CHECK(std::count(x.begin(), x.end(), classes) == 0);
  run.renoise(1, 1);
  CHECK(std::count(x.begin(), x.begin() + 7, classes) > 0);
  int const left = static_cast<int>(std::count(x.begin(), x.end(), classes));
  // Every call commits at least one, in blocks that lie on the grid from the prompt's end.
  for (int i = 0; i < left; ++i) run.advance();
  CHECK(std::count(x.begin(), x.end(), classes) == 0);
  run.finish();
}

TEST_CASE("decode: the last step decodes all, also where a block could still be edited") {
  process::absorbing<> const process(classes);
  auto solver = test::decoder<decode::probability>(decode::threshold{1e-9}, 4);
  solver.edit_above = 0.99;
  solver.edit_calls = 3;
  for (int const steps : {1, 2, 3, 6}) {
    codes x(length, classes);
    test::decode_run(process, solver, cache::none{}, network(), exec::host{}, x, 1, steps, given,
                     nobody);
    CHECK(std::count(x.begin(), x.end(), classes) == 0);
  }
}

TEST_CASE("decode: the prompt's own blocks need no steps") {
  process::absorbing<> const process(classes);
  auto solver = test::decoder<decode::probability>(decode::evenly{2}, 4);
  solver.align = decode::align::from_zero;
  codes x(length, classes);
  for (int p = 0; p < 9; ++p) x[at(p)] = 1;
  test::decode_run(process, solver, cache::none{}, network(), exec::host{}, x, 1, 2, given, nobody);
  CHECK(std::count(x.begin(), x.end(), classes) == 0);
}

TEST_CASE("decode: blocks are counted from the prompt's end, or from zero") {
  process::absorbing<> const process(classes);
  for (bool const zero : {false, true}) {
    CAPTURE(zero);
    auto solver = test::decoder<decode::probability>(decode::threshold{1e-9}, 4);
    if (zero) solver.align = decode::align::from_zero;
    codes x(length, classes);
    for (int p = 0; p < 3; ++p) x[at(p)] = 1;
    // A call takes all of a block.
    std::vector<int> const ends = zero ? std::vector<int>{4, 8, 12} : std::vector<int>{7, 11, 12};
    std::size_t call = 0;
    test::decode_run(process, solver, cache::none{}, network(), exec::host{}, x, 1, 12, given,
                     [&](auto const&) {
                       if (call >= ends.size()) return;
                       for (int p = 0; p < length; ++p) {
                         CHECK((x[at(p)] == classes) == (p >= ends[call]));
                       }
                       ++call;
                     });
    CHECK(call == ends.size());
  }
}

// ---- the order and what is proposed ----

TEST_CASE("decode: temperature 0 is the likeliest, and filters shape what is drawn") {
  process::absorbing<> const process(classes);
  auto const net = network();
  auto const likeliest = [&](int p) {
    auto const row = net.logits.begin() + p * classes;
    return static_cast<int>(std::max_element(row, row + classes) - row);
  };
  codes x(length, classes);
  test::decode_run(process, test::decoder<decode::probability>(decode::threshold{}, 0, 0.0),
                   cache::none{}, net, exec::host{}, x, 1, 12, given, nobody);
  for (int p = 0; p < length; ++p) CHECK(x[at(p)] == likeliest(p));
  auto one = test::decoder<decode::probability>(decode::threshold{}, 0, 3.0);
  one.propose.top_k = 1;
  x.assign(length, classes);
  test::decode_run(process, one, cache::none{}, net, exec::host{}, x, 1, 12, given, nobody);
  for (int p = 0; p < length; ++p) CHECK(x[at(p)] == likeliest(p));
  // A final temperature of 0: what the last step takes is the likeliest.
  auto cooled = test::decoder<decode::left_to_right>(decode::per_call{1}, 0, 5.0);
  cooled.final_temperature = 0.0;
  x.assign(length, classes);
  test::decode_run(process, cooled, cache::none{}, net, exec::host{}, x, 1, 2, given, nobody);
  for (int p = 1; p < length; ++p) CHECK(x[at(p)] == likeliest(p));
}

TEST_CASE("decode: confidence is read before temperature and filters, or after them") {
  // The likeliest has 0.6; after a temperature of 0.5 it has 0.69, and after top_k = 1 all.
  process::absorbing<> const process(2);
  double const high = std::log(0.6), low = std::log(0.4);
  test::fixed_network const net{{}, 2, {high, low, low, high}};
  for (bool const filtered : {false, true}) {
    for (bool const as_shaped : {false, true}) {
      auto solver =
          test::decoder<decode::probability>(decode::threshold{0.65}, 0, filtered ? 1.0 : 0.5);
      solver.propose.top_k = filtered ? 1 : 0;
      solver.as_shaped = as_shaped;
      int both = 0;
      constexpr int runs = 40;
      for (std::uint64_t seed = 0; seed < runs; ++seed) {
        codes x(2, 2);
        test::decode_run(process, solver, cache::none{}, net, exec::host{}, x, 1, 3,
                         options<>{noise::counted{seed}, start::given}, [&](auto const& run) {
                           both += run.step() == 1 && std::count(x.begin(), x.end(), 2) == 0;
                         });
      }
      CAPTURE(filtered);
      CAPTURE(as_shaped);
      if (!as_shaped) CHECK(both == 0);  // 0.6 is not enough
      if (as_shaped) CHECK((filtered ? both == runs : both > 0 && both < runs));
    }
  }
}

TEST_CASE("decode: a temperature of the order shuffles it, and 0 does not") {
  process::absorbing<> const process(classes);
  auto solver = test::decoder<decode::log_probability>(decode::per_call{1}, 0, 0.0);
  auto const first_of = [&](double temperature, std::uint64_t seed) {
    solver.order_temperature = temperature;
    codes x(length, classes);
    int first = -1;
    test::decode_run(process, solver, cache::none{}, network(), exec::host{}, x, 1, 12,
                     options<>{noise::counted{seed}, start::given}, [&](auto const&) {
                       for (int p = 0; first < 0; ++p) {
                         if (x[at(p)] != classes) first = p;
                       }
                     });
    return first;
  };
  int const surest = first_of(0.0, 1);
  int others = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CHECK(first_of(0.0, seed) == surest);
    others += first_of(50.0, seed) != surest ? 1 : 0;
  }
  CHECK(others > 10);
}

TEST_CASE("decode: what is refused") {
  process::absorbing<> const process(classes);
  auto const message = [&](auto const& solver, int steps = 20) {
    codes x(length, classes);
    return test::message_of([&] {
      test::decode_run(process, solver, cache::none{}, network(), exec::host{}, x, 1, steps, given,
                       nobody);
    });
  };
  using test::says;
  constexpr auto where = "diffx::solver::decode";
  auto const good = test::decoder<decode::probability>(decode::threshold{}, 4);
  CHECK(message(good).empty());
  auto s = good;
  s.block = -1;
  CHECK(says(message(s), where, "block", "-1", "at least 1"));
  s = good;
  s.commit.tau = 0.0;
  CHECK(says(message(s), where, "tau", "0", "above 0"));
  s = good;
  s.propose.top_p = 2.0;
  CHECK(says(message(s), where, "top_p", "2", "in (0, 1]"));
  s = good;
  s.order_temperature = -1.0;
  CHECK(says(message(s), where, "order_temperature", "-1", "at least 0"));
  s = good;
  s.final_order_temperature = -2.0;
  CHECK(says(message(s), where, "final_order_temperature", "-2", "at least 0"));
  s = good;
  s.final_temperature = infinity;
  CHECK(says(message(s), where, "final_temperature", "inf", "at least 0"));
  s = good;
  s.edit_above = 0.0;
  CHECK(says(message(s), where, "edit_above", "0", "above 0"));
  s = good;
  s.edit_calls = 1;
  CHECK(says(message(s), where, "edit_calls", "1", "at least 0, and 0 unless"));
  s = good;
  s.revises = true;
  CHECK(message(s).find("revises = true") != std::string::npos);
  auto by_entropy = test::decoder<decode::neg_entropy>(decode::entropy_bound{});
  by_entropy.edit_above = 0.5;
  CHECK(message(by_entropy).find("edit_above is compared with probabilities") != std::string::npos);
  CHECK(says(message(test::decoder<decode::probability>(decode::evenly{3}, 4), 8), "solver::decode",
             "steps of the grid", "8", "at least 9: 3 blocks of 3 calls"));
  codes x(length, classes);
  timetable const backwards({process.at(0.0), process.at(0.5)});
  sampler const sam{process, good};
  CHECK(test::message_of([&] {
          sam.sample(exec::host{}, network(), backwards,
                     batch_view<std::int32_t>{x.data(), 1, length}, given);
        }).find("start::noised does") != std::string::npos);
}

}  // namespace
