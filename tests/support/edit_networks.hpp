#pragma once

// Networks of edits: one that knows the way back, and small ones with known laws.

#include <diffx/domain/text/edit.hpp>
#include <diffx/solver/tag_generate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace test {

using text = std::vector<std::int32_t>;
using diffx::edit_filling;
using diffx::edit_query;
using diffx::domain::text::edit_kinds;
using diffx::domain::text::edit_template;
using diffx::domain::text::ragged;

/// Knows the scripts of the noise: way_back[sample][step] are the tags and spans of the reverse.
struct oracle_of_edits {
  std::vector<std::vector<diffx::domain::text::tagged_script>> way_back;

  auto tagger() const {
    return [this](ragged const& x, edit_query const& q, std::span<double> p) {
      std::size_t at = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        auto const& known = of(q, i);
        for (auto const tag : known.tags) {
          p[at * edit_kinds + static_cast<std::size_t>(tag)] = 1.0;
          ++at;
        }
      }
    };
  }
  auto generator() const {
    return [this](std::span<edit_template const> forms, edit_query const& q, int,
                  std::span<std::vector<edit_filling>> out) {
      for (std::size_t i = 0; i < forms.size(); ++i) out[i].push_back({of(q, i).spans, 0.0});
    };
  }

 private:
  diffx::domain::text::tagged_script const& of(edit_query const& q, std::size_t i) const {
    return way_back.at(static_cast<std::size_t>(q.samples[i])).at(static_cast<std::size_t>(q.step));
  }
};

/// A number in (0, 1) that belongs to a text, a step and a place.
inline double odd_number(std::span<std::int32_t const> x, int step, std::size_t place) {
  double sum =
      0.37 * step + 1.91 * static_cast<double>(place) + 0.11 * static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += (0.71 + 0.13 * static_cast<double>(i)) * (x[i] + 2);
  }
  return 0.5 + 0.45 * std::sin(12.9898 * sum);
}

/// Probabilities of tags and of spans over two tokens that are no one's posterior, but known.
struct small_network {
  static std::vector<double> tags(std::span<std::int32_t const> x, int step) {
    std::vector<double> p;
    for (std::size_t i = 0; i <= x.size(); ++i) {
      double sum = 0.0, v[edit_kinds];
      for (std::size_t k = 0; k < edit_kinds; ++k) {
        v[k] = odd_number(x, step, 4 * i + k);
        if (i == 0 && (k == 1 || k == 3)) v[k] = 0.0;
        sum += v[k];
      }
      for (double const w : v) p.push_back(w / sum);
    }
    return p;
  }

  /// Every span that may come into a slot, with its probability.
  static std::vector<std::pair<text, double>> spans(edit_template const& form, int step,
                                                    std::size_t s) {
    std::vector<std::pair<text, double>> all{{{}, 0.0}, {{0}, 0.0}, {{1}, 0.0}, {{1, 0}, 0.0}};
    double sum = 0.0;
    for (std::size_t k = 0; k < all.size(); ++k) {
      sum += all[k].second = odd_number(form.tokens, step + 10, 4 * s + k);
    }
    for (auto& [span, p] : all) p /= sum;
    return all;
  }

  /// Every filling of a template.
  static std::vector<edit_filling> fillings(edit_template const& form, int step) {
    std::vector<edit_filling> all(1);
    for (std::size_t s = 0; s < form.slots; ++s) {
      std::vector<edit_filling> longer;
      for (auto const& f : all) {
        for (auto const& [span, p] : spans(form, step, s)) {
          longer.push_back(f);
          longer.back().spans.add(span);
          longer.back().log_p += std::log(p);
        }
      }
      all = std::move(longer);
    }
    std::stable_sort(all.begin(), all.end(),
                     [](auto const& a, auto const& b) { return a.log_p > b.log_p; });
    return all;
  }

  static void tagger(ragged const& x, edit_query const& q, std::span<double> p) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (double const v : tags(x.row(i), q.step)) p[at++] = v;
    }
  }
  static void generator(std::span<edit_template const> forms, edit_query const& q, int most,
                        std::span<std::vector<edit_filling>> out) {
    for (std::size_t i = 0; i < forms.size(); ++i) {
      out[i] = fillings(forms[i], q.step);
      if (out[i].size() > static_cast<std::size_t>(most)) {
        out[i].resize(static_cast<std::size_t>(most));
      }
    }
  }
};

}  // namespace test
