// What runs over classes refuse, solver by solver: rows of logits that are no distribution, classes
// that the process has not, and numbers of a decoder out of range.

#include <diffx/denoiser/drops_prompt.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/remdm.hpp>
#include <diffx/solver/tau_leaping.hpp>
#include <diffx/solver/tweedie.hpp>

#include "support/decoding.hpp"
#include "support/elsewhere.hpp"
#include "support/message.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using test::at;
using test::codes;
using test::message_of;

constexpr int classes = 3, length = 2;
constexpr std::int64_t batch = 4, first = 10;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr auto floor_eps = schedule::log_linear{1e-3};

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

/// Flat logits, but for one row of one step.
template <class Prediction, bool Ratios = false>
struct flawed {
  static constexpr int branches = 2;
  static constexpr bool log_ratios = Ratios;
  Prediction prediction{};
  double bad;  // -inf: the whole row, else one number
  int branch = 0;

  template <class Exec, class Code>
  void operator()(Exec const&, batch_view<Code const> x, query const& q,
                  batch_view<double> out) const {
    std::fill_n(out.data, out.size(), 0.25);
    if (q.step != 2 || q.branch != branch || x.batch < 3) return;
    double* const row = out.row(2) + (x.features - 1) * classes;
    std::fill_n(row, bad == -infinity ? classes : 1, bad);
  }
};

/// The message of one run whose row of sample 12, position 1 is flawed in step 2.
template <class Sampler, class Denoiser>
std::string flaw(Sampler const& s, Denoiser const& d) {
  auto const law = s.process.limit();
  codes x(batch * length, law.mask >= 0 ? law.mask : 1);
  options<> o{noise::counted{1}, start::given};
  o.first_step = 2;
  return message_of([&] {
    s.sample(exec::host{}, d, grid::uniform_t(s.process, 3),
             batch_view<std::int32_t>{x.data(), batch, length, first}, o);
  });
}

constexpr auto place = "at sample 12, position 1 in step 2";

template <class Prediction, class Process, class Solver>
void check_rows(std::string const& name, Process const& p, Solver const& solver) {
  for (double const bad : {std::nan(""), infinity, -infinity}) {
    CAPTURE(name);
    CAPTURE(bad);
    auto const message = flaw(sampler{p, solver}, flawed<Prediction>{{}, bad});
    // Scores may all be 0: nothing else is possible then, and the position stays.
    if (scores_classes<Prediction> && bad == -infinity) {
      CHECK(message.empty());
    } else {
      CHECK(contains(message, "the logits are no distribution"));
      CHECK(contains(message, place));
    }
  }
}

TEST_CASE("a row that is no distribution is reported with its place, by every solver of classes") {
  using posterior = prediction::x0_posterior<double>;
  using score = prediction::concrete_score<double>;
  process::absorbing<> const masks(classes);
  process::uniform<> const flat(classes);
  process::absorbing<> const some_masks(classes, classes, floor_eps);
  process::uniform<> const some_flat(classes, floor_eps);
  check_rows<posterior>("ancestral", masks, solver::ancestral{});
  check_rows<posterior>("ancestral uniform", flat, solver::ancestral{});
  check_rows<posterior>("remdm", masks, solver::remdm{});
  check_rows<posterior>("remdm confidence", masks, solver::remdm{solver::remask::confidence{}});
  check_rows<posterior>("flow", masks, solver::discrete_flow_matching{});
  check_rows<posterior>("decode", masks, solver::decode{});
  check_rows<posterior>("decode uniform", flat, solver::decode{});
  check_rows<posterior>("euler", some_flat, solver::euler_ctmc{});
  check_rows<posterior>("tau", some_masks, solver::tau_leaping{});
  check_rows<posterior>("gibbs", flat, solver::predictor_corrector{solver::ancestral{}});
  check_rows<score>("euler score", some_flat, solver::euler_ctmc{});
  check_rows<score>("tau score", some_flat, solver::tau_leaping{});
  check_rows<score>("tweedie", some_flat, solver::tweedie{});
}

TEST_CASE("a row that leaves no state is reported with its place, by guidance of kernels") {
  using posterior = prediction::x0_posterior<double>;
  process::absorbing<> const masks(classes);
  for (double const bad : {std::nan(""), infinity, -infinity}) {
    for (int const branch : {0, 1}) {
      CAPTURE(bad);
      CAPTURE(branch);
      auto const tempered = flaw(sampler{masks, solver::ancestral{}, guidance::d_cfg{2.0}},
                                 flawed<posterior>{{}, bad, branch});
      CHECK(contains(tempered, "no state is left"));
      CHECK(contains(tempered, place));
      auto const classified = flaw(sampler{masks, solver::ancestral{}, guidance::d_cbg{2.0}},
                                   flawed<posterior, true>{{}, bad, branch});
      CHECK(contains(classified, "no state is left"));
      CHECK(contains(classified, place));
    }
  }
}

template <class Process, class Solver>
void check_states(Process const& p, Solver const& solver, std::string const& range) {
  flawed<prediction::x0_posterior<double>> const d{{}, 0.25};
  std::vector<std::uint8_t> fixed(batch * length, 0);
  fixed[5] = 1;
  auto const message = [&](std::int32_t code, start from, bool is_fixed) {
    codes x(batch * length, 0);
    x[5] = code;
    options<> o{noise::counted{1}, from};
    if (is_fixed) o.fixed = fixed.data();
    return message_of([&] {
      sampler{p, solver}.sample(exec::host{}, d, grid::uniform_t(p, 3),
                                batch_view<std::int32_t>{x.data(), batch, length, first}, o);
    });
  };
  std::int32_t const past = p.limit().mask == classes ? classes + 1 : classes;
  for (std::int32_t const code : {past, -1, std::numeric_limits<std::int32_t>::max()}) {
    auto const want = "diffx::run: a class of the state = " + std::to_string(code) +
                      ", which is no class of the process at sample 12, position 1, must be in " +
                      range;
    CHECK(message(code, start::given, false) == want);
    CHECK(message(code, start::noised, false) == want);
    CHECK(message(code, start::given, true) == want);
    CHECK(message(code, start::prior, true) == want);
    CHECK(message(code, start::prior, false).empty());  // it is overwritten
  }
  if (p.limit().mask >= 0) {
    CHECK(contains(message(p.limit().mask, start::prior, true),
                   "(options.fixed, solver::repaint) is the mask"));
  }
}

TEST_CASE("a class that the process has not is refused with its value and place") {
  check_states(process::absorbing<>(classes), solver::ancestral{}, "[0, 3), or the mask 3");
  check_states(process::absorbing<>(classes, 1), solver::remdm{}, "[0, 3), or the mask 1");
  check_states(process::uniform<>(classes), solver::discrete_flow_matching{}, "[0, 3)");
  check_states(process::absorbing<>(classes), solver::decode{}, "[0, 3), or the mask 3");
}

TEST_CASE("decode: a proposal out of range and an end of text that is no class are refused") {
  auto const message = [](auto const& change) {
    solver::decode<> s{};
    change(s);
    return flaw(sampler{process::absorbing<>(classes, 2), s},
                flawed<prediction::x0_posterior<double>>{{}, 0.25});
  };
  using decoder = solver::decode<>;
  constexpr auto where = "diffx::solver::decode";
  CHECK(message([](decoder&) {}).empty());
  for (double const bad : {-1.0, std::nan(""), infinity, -infinity}) {
    CHECK(test::says(message([&](decoder& s) { s.propose.temperature = bad; }), where,
                     "temperature", detail::text(bad), "at least 0 and finite"));
  }
  for (double const bad : {0.0, -0.1, 1.5, std::nan("")}) {
    CHECK(test::says(message([&](decoder& s) { s.propose.top_p = bad; }), where, "top_p",
                     detail::text(bad), "in (0, 1]"));
  }
  for (double const bad : {-0.1, 1.5, std::nan("")}) {
    CHECK(test::says(message([&](decoder& s) { s.propose.min_p = bad; }), where, "min_p",
                     detail::text(bad), "in [0, 1]"));
  }
  CHECK(test::says(message([](decoder& s) { s.propose.top_k = -2; }), where, "top_k", "-2",
                   "at least 1, or 0 for all"));
  CHECK(test::says(message([](decoder& s) { s.block = -3; }), where, "block", "-3",
                   "at least 1, or 0 for one block"));
  for (int const bad : {-2, 2, 3}) {  // 2 is the mask
    CHECK(test::says(message([&](decoder& s) { s.end_of_text = bad; }), where, "end_of_text",
                     std::to_string(bad), "a class that is not the mask, in [0, 3)"));
  }
  CHECK(message([](decoder& s) { s.end_of_text = 1; }).empty());
}

TEST_CASE("decode: a text that has ended is left alone while others go on") {
  constexpr int positions = 6, end = 2;
  process::absorbing<> const masks(classes);
  // Row 0 ends after its first class. From then on its logits are nothing that could be drawn.
  auto const network = denoiser::predicts<prediction::x0_posterior<double>>(
      [](auto const&, auto x, query const&, batch_view<double> out) {
        for (std::int64_t b = 0; b < x.batch; ++b) {
          bool const ended = std::count(x.row(b), x.row(b) + positions, classes) == 0;
          for (std::int64_t i = 0; i < out.features; ++i) {
            bool const mine = i % classes == (b == 0 ? end : 1);
            out.row(b)[i] = ended ? std::nan("") : mine ? 0.0 : -infinity;
          }
        }
      });
  auto solver = test::decoder<decode::left_to_right>(decode::per_call{1}, 3, 0.0);
  solver.end_of_text = end;
  codes x(2 * positions, classes);
  auto const r = test::decode_run(
      masks, solver, cache::none{}, network, exec::host{}, x, 2, 9,
      options<>{noise::counted{1}, start::given},
      [&](auto const&) { CHECK(std::count(x.begin(), x.begin() + positions, end) == positions); });
  CHECK(std::count(x.begin() + positions, x.end(), 1) == positions);
  CHECK(r.nfe == positions);
}

TEST_CASE("a limit law that is a table is refused where it cannot be taken to the memory") {
  codes x(2, 0);
  flawed<prediction::x0_posterior<double>> const network{{}, 0.25};
  auto const finished = [&](auto const& process, auto const& solver, auto const& exec) {
    sampler const s{process, solver};
    batch_view<std::int32_t> const view{x.data(), 1, 2};
    detail::workspace const memory(s.workspace_size(exec, network, view));
    return s.start(exec, network, grid::uniform_t(process, 3), view, memory.span()).finish();
  };
  process::marginal<> const p({0.5, 0.3, 0.2});
  auto const message = message_of([&] { finished(p, solver::ancestral{}, test::elsewhere{}); });
  CHECK(contains(message, "tables in host memory"));
  CHECK(contains(message,
                 "give it upload(to, from, bytes), as exec::cuda has it, or use "
                 "process::uniform or process::absorbing"));
  CHECK_NOTHROW(finished(p, solver::ancestral{}, test::apart{}));
  // Counts on a device are not read there.
  process::uniform<> const flat(classes, floor_eps);
  CHECK(finished(flat, solver::euler_ctmc{}, test::elsewhere{}).capped == -1);
  CHECK(finished(flat, solver::euler_ctmc{}, exec::host{}).capped >= 0);
}

TEST_CASE("a prompt of another shape than the text is refused") {
  flawed<prediction::x0_posterior<double>> const network{{}, 0.25};
  process::absorbing<> const masks(classes);
  std::vector<std::uint8_t> const given(20, 0);
  auto const message = [&](std::int64_t rows, std::int64_t positions) {
    denoiser::drops_prompt const d(
        network, batch_view<std::uint8_t const>{given.data(), rows, positions}, std::int32_t{3});
    return flaw(sampler{masks, solver::ancestral{}, guidance::d_cfg{2.0}}, d);
  };
  constexpr auto where = "diffx::denoiser::drops_prompt";
  CHECK(message(batch, length).empty());
  CHECK(test::says(message(batch, length + 1), where, "positions of the state", "2",
                   "those of the prompt"));
  CHECK(test::says(message(batch + 1, length), where, "batch of the state", "4",
                   "that of the prompt"));
}

}  // namespace
