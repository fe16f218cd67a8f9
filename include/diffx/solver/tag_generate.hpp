#pragma once

#include <diffx/detail/limit_law.hpp>
#include <diffx/domain/text/edit.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx {

/// What the two networks of edits are told beside the texts.
struct edit_query {
  int step = 0;                           // place in the loop, 0 the noisiest
  std::span<std::int64_t const> samples;  // which sample each row is
};

/// Spans for the slots of one template, and the logarithm of their probability.
struct edit_filling {
  domain::text::ragged spans;
  double log_p = 0.0;
};

namespace detail {

/// Tag probabilities of every row: [sum of (tokens + 1), edit_kinds], checked.
template <class Tagger>
std::vector<double> tag_rows(Tagger const& tagger, domain::text::ragged const& x,
                             edit_query const& q) {
  std::vector<double> p((x.tokens.size() + x.size()) * domain::text::edit_kinds, 0.0);
  tagger(x, q, std::span<double>(p));
  return p;
}

/// The rows of one text among them.
inline std::span<double const> rows_of(std::vector<double> const& p, domain::text::ragged const& x,
                                       std::size_t i) {
  auto const first = (static_cast<std::size_t>(x.offsets[i]) + i) * domain::text::edit_kinds;
  auto const rows = std::span(p).subspan(first, (x.row(i).size() + 1) * domain::text::edit_kinds);
  domain::text::check_tag_rows(rows);
  return rows;
}

/// Asks the generator for at most `most` fillings of every template that has slots; a template
/// without any is its own filling. Refuses spans beyond the limit.
template <class Generator>
std::vector<std::vector<edit_filling>> fillings(
    Generator const& generator, std::vector<domain::text::edit_template> const& forms,
    std::span<std::int64_t const> samples, int step, int most, int max_span, int& calls) {
  std::vector<domain::text::edit_template> asked;
  std::vector<std::int64_t> asked_samples;
  std::vector<std::size_t> place;
  std::vector<std::vector<edit_filling>> out(forms.size());
  for (std::size_t i = 0; i < forms.size(); ++i) {
    if (forms[i].slots == 0) {
      out[i].push_back({});
      continue;
    }
    place.push_back(i);
    asked.push_back(forms[i]);
    asked_samples.push_back(samples[i]);
  }
  if (asked.empty()) return out;
  std::vector<std::vector<edit_filling>> answers(asked.size());
  generator(std::span<domain::text::edit_template const>(asked), edit_query{step, asked_samples},
            most, std::span(answers));
  ++calls;
  constexpr auto where = "diffx::solver::tag_generate";
  for (std::size_t k = 0; k < answers.size(); ++k) {
    auto const n = static_cast<long long>(answers[k].size());
    require(n >= 1 && n <= most, where, "fillings of a template", n, "in [1, " + text(most) + "]");
    for (edit_filling const& f : answers[k]) {
      for (std::size_t s = 0; s < f.spans.size(); ++s) {
        require(f.spans.row(s).size() <= static_cast<std::size_t>(max_span), where,
                "length of a span", static_cast<long long>(f.spans.row(s).size()),
                "at most max_span = " + text(max_span));
      }
    }
    out[place[k]] = std::move(answers[k]);
  }
  return out;
}

}  // namespace detail

namespace solver {

/// What a revision gives back, a row for every text.
struct revision {
  domain::text::ragged x;
  std::vector<int> steps;           // steps that changed or looked at the text
  std::vector<double> log_p;        // of all tags and spans; not normalised by length
  std::vector<std::uint8_t> whole;  // 0: the next text would have been too long, and was not taken
  int tag_calls = 0;
  int fill_calls = 0;
  std::int64_t generated = 0;  // tokens that the generator wrote
};

/// The reverse of process::edit: a tagger says what to do with every token, a generator fills the
/// slots that this leaves, and so on until all tags are keep or the steps are used up. Networks
/// that are told the step may keep everything in one and not in the next: until_kept = false takes
/// all steps.
///
///     p(x_{t-1} | x_t) = p_tag(e | x_t) p_gen(x_{t-1} | x_t, e)
///
/// Texts have lengths of their own, so this is no solver of a run: it has its own loop, over rows
/// of tokens. It starts from any text: noise, nothing, a draft, the output of another model.
///
/// The networks are two callables:
///
/// | `tagger(x, q, p)`                    | x ragged; p: [sum of (tokens + 1), edit_kinds], kinds |
/// |                                      | as in domain::text::edit; the first row of a text is  |
/// |                                      | the gap before it                                     |
/// | `generator(templates, q, most, out)` | out[i]: 1 to `most` fillings of template i, best      |
/// |                                      | first, with log-probabilities                         |
///
/// Source    Reid, Hellendoorn & Neubig 2022, arXiv:2210.16886.
/// Errors    max_steps < 1, max_length or max_span < 0; a row of tags that is no distribution,
///           other spans than slots, a span that holds a slot or is too long: throws diffx::error.
struct tag_generate {
  static constexpr std::string_view name = "solver::tag_generate";
  static constexpr std::string_view source = "arXiv:2210.16886";

  enum class pick { likeliest, drawn };

  pick tags = pick::likeliest;
  int max_steps = 10;
  int max_length = 4096;  // a text that would be longer stays as it is, and is done
  int max_span = 256;
  bool until_kept = true;  // a text whose tags are all keep is done; false: it is asked again

  /// `seed` is for drawn tags; a draw depends on sample, step and position alone.
  template <class Tagger, class Generator>
  revision run(Tagger const& tagger, Generator const& generator, domain::text::ragged const& x,
               std::uint64_t seed = 0, std::int64_t first_sample = 0) const {
    namespace text = domain::text;
    check();
    std::vector<std::vector<std::int32_t>> texts;
    for (std::size_t i = 0; i < x.size(); ++i) texts.emplace_back(x.row(i).begin(), x.row(i).end());
    revision out;
    out.steps.assign(texts.size(), 0);
    out.log_p.assign(texts.size(), 0.0);
    out.whole.assign(texts.size(), 1);
    std::vector<std::size_t> open(texts.size());
    std::iota(open.begin(), open.end(), std::size_t{0});
    for (int step = 0; step < max_steps && !open.empty(); ++step) {
      text::ragged now;
      std::vector<std::int64_t> samples;
      for (std::size_t const i : open) {
        now.add(texts[i]);
        samples.push_back(first_sample + static_cast<std::int64_t>(i));
      }
      auto const p = diffx::detail::tag_rows(tagger, now, {step, samples});
      ++out.tag_calls;
      std::vector<text::edit_template> forms;
      std::vector<std::uint8_t> changes;
      for (std::size_t k = 0; k < open.size(); ++k) {
        auto const chosen = choose(diffx::detail::rows_of(p, now, k), seed, samples[k], step);
        forms.push_back(text::template_of(now.row(k), chosen.tags));
        changes.push_back(std::any_of(chosen.tags.begin(), chosen.tags.end(),
                                      [](text::edit e) { return e != text::edit::keep; }));
        out.log_p[open[k]] += chosen.log_p;
        ++out.steps[open[k]];
      }
      auto const filled =
          diffx::detail::fillings(generator, forms, samples, step, 1, max_span, out.fill_calls);
      std::vector<std::size_t> still;
      for (std::size_t k = 0; k < open.size(); ++k) {
        std::size_t const i = open[k];
        if (changes[k] == 0) {
          if (!until_kept) still.push_back(i);
          continue;
        }
        edit_filling const& f = filled[k].front();
        auto next = text::fill(forms[k], f.spans);
        out.generated += static_cast<std::int64_t>(f.spans.tokens.size());
        out.log_p[i] += f.log_p;
        if (next.size() > static_cast<std::size_t>(max_length)) {
          out.whole[i] = 0;
          continue;
        }
        texts[i] = std::move(next);
        still.push_back(i);
      }
      open = std::move(still);
    }
    for (auto const& t : texts) out.x.add(t);
    return out;
  }

  void check() const {
    constexpr auto where = "diffx::solver::tag_generate";
    diffx::detail::require(max_steps >= 1, where, "max_steps", max_steps, "at least 1");
    diffx::detail::require(max_length >= 0, where, "max_length", max_length, "at least 0");
    diffx::detail::require(max_span >= 0, where, "max_span", max_span, "at least 0");
  }

 private:
  domain::text::scored_tags choose(std::span<double const> rows, std::uint64_t seed,
                                   std::int64_t sample, int step) const {
    namespace text = domain::text;
    if (tags == pick::likeliest) return text::likeliest_tags(rows, 1).front();
    noise::counted const words{seed};
    text::scored_tags out;
    for (std::size_t i = 0; i < rows.size(); i += text::edit_kinds) {
      auto const w = words.words({step, 0, 0, 0.0, 0.0}, sample,
                                 static_cast<std::int64_t>(i / text::edit_kinds));
      double const u = diffx::detail::unit_uniform(w.word[0], w.word[1]);
      double sum = 0.0;
      std::size_t drawn = 0;
      for (std::size_t k = 0; k < text::edit_kinds; ++k) {
        auto const kind = static_cast<text::edit>(k);
        bool const makes_sense = i > 0 || kind == text::edit::keep || kind == text::edit::insert;
        if (rows[i + k] == 0.0 || !makes_sense) continue;
        drawn = k;
        if ((sum += rows[i + k]) > u) break;
      }
      out.tags.push_back(static_cast<text::edit>(drawn));
      out.log_p += std::log(rows[i + drawn]);
    }
    return out;
  }
};

}  // namespace solver
}  // namespace diffx
