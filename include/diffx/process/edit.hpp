#pragma once

#include <diffx/detail/limit_law.hpp>
#include <diffx/domain/text/edit.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace diffx::process {

/// Lengths 1, 2, ... of spans: a Poisson variate, given that it is not 0 (a span of no tokens is no
/// edit).
///
/// Errors    check() throws diffx::error.
struct span_poisson {
  double mean = 3.0;  // of the Poisson law; spans are longer by 1 / (1 - e^-mean)

  double probability(int length) const noexcept {
    if (length < 1) return 0.0;
    return std::exp(length * std::log(mean) - mean - std::lgamma(length + 1.0)) /
           -std::expm1(-mean);
  }
  /// The inverse of the distribution function at u in (0, 1).
  int draw(double u) const noexcept {
    double p = mean * std::exp(-mean) / -std::expm1(-mean), sum = p;
    int length = 1;
    for (; sum <= u && length < 1000; sum += p) p *= mean / ++length;
    return length;
  }
  void check() const {
    diffx::detail::require(mean > 0.0 && mean <= 200.0, "diffx::process::span_poisson", "mean",
                           mean, "in (0, 200]");
  }
};

/// Every span of one length.
///
/// Errors    check() throws diffx::error.
struct span_fixed {
  int length = 1;
  double probability(int l) const noexcept { return l == length ? 1.0 : 0.0; }
  int draw(double) const noexcept { return length; }
  void check() const {
    diffx::detail::require(length >= 1, "diffx::process::span_fixed", "length", length,
                           "at least 1");
  }
};

/// Noise by edits: texts change their length. A step goes through the text from left to right;
/// again and again it draws a kind of edit and a length,
///
///     keep     copies so many tokens             replace  overwrites them with random tokens
///     remove   leaves them out                   insert   adds random tokens before the next one
///
/// until the text is used up, and draws once more for what is inserted at the end. Random tokens
/// are uniform over the vocabulary, so a replaced one may come back. Lengths are cut at the end of
/// the text, insertions at `max_length` tokens of the whole.
///
/// This is no process of a run: its states have no common shape, there is no alpha, and its reverse
/// is learned (solver::tag_generate). What was done is recorded as a script; the inverse of a chain
/// of scripts is the way back.
///
/// Source    Reid, Hellendoorn & Neubig 2022, arXiv:2210.16886.
/// Errors    probabilities below 0 or not of sum 1, keep, replace and remove of sum 0 (no step
///           would end), vocabulary < 1, max_length < 0, a bad length law: throws diffx::error.
template <class Length = span_poisson>
class edit {
 public:
  static constexpr std::string_view name = "process::edit";
  static constexpr std::string_view source = "arXiv:2210.16886";
  using edit_kind = domain::text::edit;

  /// Probabilities of keep, replace, insert and remove, in the order of domain::text::edit.
  using kinds = std::array<double, domain::text::edit_kinds>;
  static constexpr kinds usual{0.6, 0.2, 0.1, 0.1};

  explicit edit(int vocabulary, kinds p = usual, Length length = {}, int max_length = 1 << 20)
      : vocabulary_(vocabulary), p_(p), length_(length), max_length_(max_length) {
    constexpr auto where = "diffx::process::edit";
    diffx::detail::require(vocabulary >= 1, where, "vocabulary", vocabulary, "at least 1");
    diffx::detail::require(max_length >= 0, where, "max_length", max_length, "at least 0");
    double sum = 0.0;
    for (double const v : p) {
      diffx::detail::require(v >= 0.0, where, "probability of a kind", v, "at least 0");
      sum += v;
    }
    diffx::detail::require(std::fabs(sum - 1.0) <= 1e-9, where, "sum of the kinds", sum, "1");
    diffx::detail::require(of(edit_kind::insert) < 1.0, where, "probability of insert",
                           of(edit_kind::insert), "below 1, or no step ends");
    length_.check();
  }

  double of(edit_kind k) const noexcept { return p_[static_cast<std::size_t>(k)]; }
  Length const& length() const noexcept { return length_; }

  /// One step from x: the edits drawn for (seed, sample, step), an edit a span.
  domain::text::edit_script draw(std::span<std::int32_t const> x, std::uint64_t seed,
                                 std::int64_t sample, int step) const {
    diffx::detail::require(step >= 0 && step <= noise::max_step, "diffx::process::edit", "step",
                           step, "in [0, 2^20 - 2]");
    domain::text::edit_script script;
    auto const n = static_cast<std::int64_t>(x.size());
    noise::counted const words{seed};
    noise::key const spans{step, 0, 0, 0.0, 0.0}, fresh{step, 1, 0, 0.0, 0.0};
    std::int64_t at = 0, length = n, drawn = 0;
    auto const add_random = [&](std::int64_t count) {
      for (; count > 0; --count) {
        auto const w = words.words(fresh, sample, drawn++);
        double const u = diffx::detail::unit_uniform(w.word[0], w.word[1]);
        script.tokens.push_back(static_cast<std::int32_t>(u * vocabulary_));
      }
    };
    bool more = true;
    for (std::int64_t span = 0; more; ++span) {
      auto const w = words.words(spans, sample, span);
      edit_kind const k = kind_at(diffx::detail::unit_uniform(w.word[0], w.word[1]));
      std::int64_t const wanted = length_.draw(diffx::detail::unit_uniform(w.word[2], w.word[3]));
      more = at < n;  // the draw at the end is the last
      if (k == edit_kind::insert) {
        std::int64_t const room = max_length_ > length ? max_length_ - length : 0;
        std::int64_t const count = wanted < room ? wanted : room;
        script.append(k, 0, static_cast<std::int32_t>(count));
        add_random(count);
        length += count;
        continue;
      }
      auto const count = static_cast<std::int32_t>(wanted < n - at ? wanted : n - at);
      script.append(k, count, k == edit_kind::remove ? 0 : count);
      if (k == edit_kind::replace) add_random(count);
      if (k == edit_kind::remove) length -= count;
      at += count;
    }
    return script;
  }

  /// Steps 0 .. steps - 1 one after the other; x is the noised text then.
  std::vector<domain::text::edit_script> draw_chain(std::vector<std::int32_t>& x,
                                                    std::uint64_t seed, std::int64_t sample,
                                                    int steps) const {
    std::vector<domain::text::edit_script> scripts;
    for (int i = 0; i < steps; ++i) {
      scripts.push_back(draw(x, seed, sample, i));
      x = domain::text::apply(scripts.back(), x);
    }
    return scripts;
  }

 private:
  edit_kind kind_at(double u) const noexcept {
    double sum = 0.0;
    std::size_t last = 0;
    for (std::size_t k = 0; k < p_.size(); ++k) {
      if (p_[k] == 0.0) continue;
      last = k;
      if ((sum += p_[k]) > u) break;
    }
    return static_cast<edit_kind>(last);
  }

  int vocabulary_;
  kinds p_;
  Length length_;
  std::int64_t max_length_;
};

}  // namespace diffx::process
