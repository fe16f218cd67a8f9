// Cases of the MaskGIT scheduler: every step of a loop, with the file's own uniforms.

#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/schedule/mask_sine.hpp>
#include <diffx/solver/decode.hpp>

#include "decoding.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

namespace conformance {
namespace {

namespace decode = diffx::decode;
using diffx::batch_view;
using codes = std::vector<std::int32_t>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// The words whose unit_uniform is nearest to u.
void put(double u, std::uint32_t& high, std::uint32_t& low) {
  auto const bits = static_cast<std::uint64_t>(u * 0x1p52) << 12;
  high = static_cast<std::uint32_t>(bits >> 32);
  low = static_cast<std::uint32_t>(bits);
}

/// The file's uniforms: every step makes one request for the classes and one for the order, each
/// for all positions.
struct numbered_words {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "conformance::numbered_words";
  std::int64_t positions = 0;

  double number(int step, int draw, std::int64_t sample, std::int64_t position) const {
    return uniform(4000000 + static_cast<std::uint64_t>(2 * step + draw),
                   static_cast<std::uint64_t>(sample * positions + position));
  }
  template <class T>
  void fill(diffx::noise::key, std::int64_t, std::int64_t, int n, T* out) const {
    std::fill_n(out, n, T(0));
  }
  diffx::random::words4 words(diffx::noise::key k, std::int64_t sample,
                              std::int64_t position) const {
    diffx::random::words4 w{};
    put(number(k.step, k.draw, sample, position), w.word[0], w.word[1]);
    return w;
  }
  numbered_words fork(std::uint64_t) const { return *this; }
};
static_assert(diffx::word_source<numbered_words>);

/// The token model of the files, called with their timestep.
struct token_model {
  diffx::prediction::x0_posterior<double> prediction{};
  int classes;
  std::vector<int> timesteps;

  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x, diffx::query const& q,
                  batch_view<double> out) const {
    std::int64_t const length = x.features, width = classes;
    int const t = timesteps[at(q.step)];
    for (std::int64_t b = 0; b < x.batch; ++b) {
      for (std::int64_t s = 0; s < length; ++s) {
        std::int64_t const liked = (5 * x.row(b)[s] + 3 * x.row(b)[(s + 1) % length] + t) % width;
        for (std::int64_t v = 0; v < width; ++v) {
          auto const i = static_cast<std::uint64_t>((b * length + s) * width + v);
          out.row(b)[s * width + v] = 6.0 * uniform(2000000 + static_cast<std::uint64_t>(t), i) -
                                      3.0 + (v == liked ? 2.0 : 0.0);
        }
      }
    }
  }
};

/// decode::mask_ratio. Where its number of masks is an integer but for rounding, the reference's
/// own product of doubles says on which side of it the floor is taken.
struct rounded_ratio : decode::mask_ratio {
  double const* product = nullptr;  // of every step
  decode::choice chosen(decode::candidates const& c) const noexcept {
    double const exact = product[c.step];
    if (std::fabs(exact - std::nearbyint(exact)) > 1e-9 * (1.0 + exact)) {
      return decode::mask_ratio::chosen(c);
    }
    int const keep = std::max(1, std::min(c.open - 1, static_cast<int>(exact)));
    return {c.open - keep, decode::choice::never};
  }
};

template <class Schedule>
void loop(json const& c, report& r, Schedule schedule, bool cosine) {
  int const classes = c.at("vocab"), mask = c.at("config").at("mask_token_id");
  int const steps = c.at("num_steps");
  std::int64_t const batch = c.at("shape").at(0), length = c.at("shape").at(1);
  diffx::process::absorbing<Schedule> const process(classes, mask, schedule);
  diffx::solver::decode<decode::log_probability, rounded_ratio> solver{};
  double const start = c.value("starting_mask_ratio", 1.0);
  solver.commit.begun = static_cast<double>(length) * start;
  std::vector<double> products;
  for (int i = 0; i < steps; ++i) {
    double const done = (i + 1.0) / steps;
    double const left = cosine ? std::cos(done * std::numbers::pi / 2) : 1.0 - done;
    products.push_back(static_cast<double>(length) * (start * left));
  }
  solver.commit.product = products.data();
  // One number is where the temperature begins; it ends at 0.01.
  json const given = c.value("temperature", json::array({2.0, 0.0}));
  solver.order_temperature = given.is_array() ? given.at(0) : given;
  solver.final_order_temperature = given.is_array() ? given.at(1).get<double>() : 0.01;
  diffx::sampler const s{process, solver};
  token_model const network{{}, classes, c.at("timesteps").get<std::vector<int>>()};
  numbered_words const noise{length};
  auto const grid = diffx::grid::uniform_t(process, steps);

  diffx::categorical_plan plan;
  for (int i = 0; i < steps; ++i) {
    solver.plan(
        diffx::plan_context<diffx::process::absorbing<Schedule>>{process, grid, i, 0, steps - 1},
        plan);
    r.near(plan.stages().back().weight[1], c.at("temperatures").at(at(i)), 1.0, "temperatures");
  }

  codes x;
  for (json const& row : c.at("initial_tokens")) {
    for (json const& v : row) x.push_back(v.get<std::int32_t>());
  }
  auto const view = batch_view<std::int32_t>{x.data(), batch, length};
  codes before = x;
  int step = 0;
  s.sample(diffx::exec::host{}, network, grid, view,
           diffx::options<numbered_words>{noise, diffx::start::given}, [&](diffx::progress const&) {
             json const& want = c.at("steps").at(at(step));
             settings keys(want);
             keys.ignore({"t", "predicted", "tokens", "masked"});
             keys.refuse_unread("maskgit step");
             auto const what = "step " + std::to_string(step);
             ++r.compared;
             if (want.at("t").get<int>() != network.timesteps[at(step)])
               r.fail(what + ": another t");

             // What was proposed is no part of the state: the row is read again.
             std::vector<double> logits(x.size() * at(classes));
             network(diffx::exec::host{},
                     batch_view<std::int32_t const>{before.data(), batch, length},
                     diffx::query{step, 0, 0, {}, {}},
                     batch_view<double>{logits.data(), batch, length * classes});
             for (std::int64_t b = 0; b < batch; ++b) {
               int masked = 0;
               for (std::int64_t p = 0; p < length; ++p) {
                 auto const i = at(b * length + p);
                 int predicted = before[i];
                 if (predicted == mask) {
                   diffx::detail::class_row<double, 1> row;
                   row.source[0] = logits.data() + i * at(classes);
                   row.weight[0] = 1.0;
                   row.classes = classes;
                   row.excluded = mask;
                   row.scan();
                   auto const w = noise.words({step, 0, 0, 0.0, 0.0}, b, p);
                   predicted = row.draw(diffx::detail::unit_uniform(w.word[0], w.word[1]));
                 }
                 r.compared += 2;
                 if (predicted != want.at("predicted").at(at(b)).at(at(p)).get<int>()) {
                   r.fail(what + ": predicted another class at position " + std::to_string(p));
                 }
                 if (x[i] != want.at("tokens").at(at(b)).at(at(p)).get<int>()) {
                   r.fail(what + ": another token at position " + std::to_string(p));
                 }
                 masked += x[i] == mask ? 1 : 0;
               }
               ++r.compared;
               if (masked != want.at("masked").at(at(b)).get<int>()) {
                 r.fail(what + ": " + std::to_string(masked) + " masks");
               }
             }
             before = x;
             ++step;
           });
  ++r.compared;
  if (step != static_cast<int>(c.at("steps").size())) r.fail("another number of steps");
}

}  // namespace

bool maskgit_entry(json const& c, report& r) {
  if (c.at("scheduler") != "AmusedScheduler" || c.at("kind") != "loop") return false;
  settings keys(c);
  keys.ignore({"id", "scheduler", "kind", "config", "num_steps", "temperature",
               "starting_mask_ratio", "shape", "vocab", "timesteps", "temperatures",
               "initial_tokens", "steps", "f32_tokens_agree"});
  keys.refuse_unread("maskgit");
  settings config(c.at("config"));
  config.ignore({"mask_token_id"});
  auto const schedule = config.get<std::string>("masking_schedule", "cosine");
  config.refuse_unread("maskgit");
  if (schedule == "cosine") {
    loop(c, r, diffx::schedule::mask_sine{}, true);
  } else if (schedule == "linear") {
    loop(c, r, diffx::schedule::mask_power{1.0}, false);
  } else {
    return false;
  }
  return true;
}

}  // namespace conformance
