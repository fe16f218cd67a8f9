#pragma once

#include <diffx/domain/text/edit.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/tag_generate.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::search {

/// A text on its way through the beam.
struct edit_hypothesis {
  std::vector<std::int32_t> x;
  double log_p = 0.0;  // of all tags and spans so far; not normalised by length
  int steps = 0;
  bool done = false;  // all its tags were keep
};

/// Beam search over the steps of solver::tag_generate: every text that is alive is expanded by its
/// likeliest taggings and these by their best fillings, and the `width` best texts go on. A text
/// whose tags are all keep is done and keeps its score. Texts that are reached in several ways
/// within a step are one, with the best way's score: nothing after depends on the way.
///
/// width = tags = fills = 1 is solver::tag_generate with its likeliest tags. With beams as wide as
/// there are choices the result is the best of all ways.
///
/// Like that solver it has a loop of its own; the networks are the same two callables.
///
/// Source    Reid, Hellendoorn & Neubig 2022, arXiv:2210.16886 (its two-dimensional beam).
/// Errors    width, tags, fills or max_steps < 1, and what tag_generate refuses: throws
///           diffx::error.
struct edit_beam {
  static constexpr std::string_view name = "search::edit_beam";
  static constexpr std::string_view source = "arXiv:2210.16886";

  int width = 5;
  int tags = 5;   // taggings of a text
  int fills = 5;  // fillings of a tagging
  int max_steps = 10;
  int max_length = 4096;  // longer texts are dropped
  int max_span = 256;
  bool until_kept = true;  // false: a text whose tags are all keep goes on with the others

  /// The best texts that come of x, best first; never more than `width`.
  template <class Tagger, class Generator>
  std::vector<edit_hypothesis> run(Tagger const& tagger, Generator const& generator,
                                   std::span<std::int32_t const> x, std::int64_t sample = 0) const {
    namespace text = domain::text;
    check();
    std::vector<edit_hypothesis> beam{{{x.begin(), x.end()}, 0.0, 0, false}};
    for (int step = 0; step < max_steps; ++step) {
      text::ragged now;
      std::vector<edit_hypothesis> next;
      std::vector<std::size_t> open;
      for (std::size_t i = 0; i < beam.size(); ++i) {
        if (beam[i].done) {
          next.push_back(beam[i]);
          continue;
        }
        now.add(beam[i].x);
        open.push_back(i);
      }
      if (open.empty()) break;
      std::vector<std::int64_t> const asked(open.size(), sample);
      auto const p = detail::tag_rows(tagger, now, {step, asked});
      std::vector<text::edit_template> forms;
      std::vector<std::pair<std::size_t, double>> origin;  // text, and score with the tags
      for (std::size_t k = 0; k < open.size(); ++k) {
        for (auto const& t : text::likeliest_tags(detail::rows_of(p, now, k), tags)) {
          edit_hypothesis const& from = beam[open[k]];
          double const score = from.log_p + t.log_p;
          bool const kept = std::all_of(t.tags.begin(), t.tags.end(),
                                        [](text::edit e) { return e == text::edit::keep; });
          if (kept) {
            next.push_back({from.x, score, from.steps + 1, until_kept});
            continue;
          }
          forms.push_back(text::template_of(now.row(k), t.tags));
          origin.emplace_back(open[k], score);
        }
      }
      std::vector<std::int64_t> const samples(forms.size(), sample);
      int calls = 0;
      auto const filled = detail::fillings(generator, forms, samples, step, fills, max_span, calls);
      for (std::size_t f = 0; f < forms.size(); ++f) {
        for (edit_filling const& filling : filled[f]) {
          auto y = text::fill(forms[f], filling.spans);
          if (y.size() > static_cast<std::size_t>(max_length)) continue;
          next.push_back({std::move(y), origin[f].second + filling.log_p,
                          beam[origin[f].first].steps + 1, false});
        }
      }
      if (next.empty()) break;  // every way on is too long
      beam = best_of(std::move(next));
    }
    return beam;
  }

  void check() const {
    constexpr auto where = "diffx::search::edit_beam";
    detail::require(width >= 1, where, "width", width, "at least 1");
    detail::require(tags >= 1, where, "tags", tags, "at least 1");
    detail::require(fills >= 1, where, "fills", fills, "at least 1");
    solver::tag_generate{solver::tag_generate::pick::likeliest, max_steps, max_length, max_span}
        .check();
  }

 private:
  /// The best way to every text, a done one and one that goes on being different; `width` of them.
  std::vector<edit_hypothesis> best_of(std::vector<edit_hypothesis> all) const {
    std::stable_sort(
        all.begin(), all.end(),
        [](edit_hypothesis const& a, edit_hypothesis const& b) { return a.log_p > b.log_p; });
    std::map<std::pair<std::vector<std::int32_t>, bool>, bool> seen;
    std::vector<edit_hypothesis> kept;
    for (auto& h : all) {
      if (kept.size() == static_cast<std::size_t>(width)) break;
      if (!seen.emplace(std::pair{h.x, h.done}, true).second) continue;
      kept.push_back(std::move(h));
    }
    return kept;
  }
};

}  // namespace diffx::search
