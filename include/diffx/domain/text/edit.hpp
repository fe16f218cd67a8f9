#pragma once

#include <diffx/domain/text/ragged.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

/// Edits of text: scripts that make one text of another, tags that ask for edits, and templates
/// that a generator fills. Positions are those of the text that is edited, and the result is always
/// built anew from left to right: nothing shifts under way.
///
/// Source    Reid, Hellendoorn & Neubig 2022, arXiv:2210.16886; minimal scripts: Wagner & Fischer
///           1974.
/// Shapes    tokens are numbers from 0 on; the empty text is one. Host memory.
namespace diffx::domain::text {

enum class edit : std::uint8_t { keep, replace, insert, remove };
inline constexpr std::size_t edit_kinds = 4;

/// What a slot is called in a template: no token.
inline constexpr std::int32_t slot = -1;

/// `removed` tokens from `at` on give way to `added` new ones. Kept tokens count as both.
struct edit_op {
  edit kind = edit::keep;
  std::int32_t at = 0;
  std::int32_t removed = 0;
  std::int32_t added = 0;

  friend bool operator==(edit_op const&, edit_op const&) = default;
};

/// Edits from left to right that cover a text without gaps, and the new tokens of all of them in
/// order.
struct edit_script {
  std::vector<edit_op> ops;
  std::vector<std::int32_t> tokens;

  /// Appends an edit of the next tokens; one of the kind before is joined with it.
  void add(edit kind, std::int32_t removed, std::int32_t added) {
    if (ops.empty() || ops.back().kind != kind) return append(kind, removed, added);
    ops.back().removed += removed;
    ops.back().added += added;
  }
  /// The same, each edit by itself.
  void append(edit kind, std::int32_t removed, std::int32_t added) {
    if (removed == 0 && added == 0) return;
    std::int32_t const at = ops.empty() ? 0 : ops.back().at + ops.back().removed;
    ops.push_back({kind, at, removed, added});
  }

  friend bool operator==(edit_script const&, edit_script const&) = default;
};

/// Tokens that a script touches: replaced ones once, whatever comes for them.
inline std::int64_t edited(edit_script const& script) noexcept {
  std::int64_t sum = 0;
  for (edit_op const& op : script.ops) {
    if (op.kind != edit::keep) sum += std::max(op.removed, op.added);
  }
  return sum;
}

/// The text that a script makes of x.
///
/// Errors    a script that does not cover x, or of other tokens than its edits add: throws
///           diffx::error.
inline std::vector<std::int32_t> apply(edit_script const& script, std::span<std::int32_t const> x) {
  constexpr auto where = "diffx::domain::text::apply";
  std::vector<std::int32_t> y;
  std::size_t at = 0, next = 0;
  for (edit_op const& op : script.ops) {
    bool const sane = op.at >= 0 && static_cast<std::size_t>(op.at) == at && op.removed >= 0 &&
                      op.added >= 0 && (op.kind != edit::keep || op.removed == op.added) &&
                      (op.kind != edit::insert || op.removed == 0) &&
                      (op.kind != edit::remove || op.added == 0);
    detail::require(sane && at + static_cast<std::size_t>(op.removed) <= x.size(), where,
                    "position of an edit", op.at,
                    "where the edit before ends, with counts of its kind inside the text");
    auto const added = static_cast<std::size_t>(op.added);
    if (op.kind == edit::keep) {
      auto const kept = x.subspan(at, added);
      y.insert(y.end(), kept.begin(), kept.end());
    } else {
      detail::require(next + added <= script.tokens.size(), where, "tokens of the script",
                      static_cast<long long>(script.tokens.size()), "those that its edits add");
      auto const from = script.tokens.begin() + static_cast<std::ptrdiff_t>(next);
      y.insert(y.end(), from, from + op.added);
      next += added;
    }
    at += static_cast<std::size_t>(op.removed);
  }
  detail::require(at == x.size(), where, "tokens that the edits cover", static_cast<long long>(at),
                  "those of the text");
  detail::require(next == script.tokens.size(), where, "tokens of the script",
                  static_cast<long long>(script.tokens.size()), "those that its edits add");
  return y;
}

/// The script from apply(script, x) back to x.
inline edit_script inverse(edit_script const& script, std::span<std::int32_t const> x) {
  edit_script back;
  for (edit_op const& op : script.ops) {
    edit const kind = op.kind == edit::insert   ? edit::remove
                      : op.kind == edit::remove ? edit::insert
                                                : op.kind;
    back.add(kind, op.added, op.removed);
    if (kind == edit::keep) continue;
    auto const lost =
        x.subspan(static_cast<std::size_t>(op.at), static_cast<std::size_t>(op.removed));
    back.tokens.insert(back.tokens.end(), lost.begin(), lost.end());
  }
  return back;
}

/// A script of fewest edits from x to y: as many as their Levenshtein distance. Of several, the one
/// that keeps or replaces where it can, and removes before it inserts, read from the end.
///
/// Cost      time and memory |x| |y|.
inline edit_script script_between(std::span<std::int32_t const> x,
                                  std::span<std::int32_t const> y) {
  std::size_t const n = x.size(), m = y.size(), width = m + 1;
  std::vector<std::int32_t> distance((n + 1) * width);
  for (std::size_t i = 0; i <= n; ++i) {
    for (std::size_t j = 0; j <= m; ++j) {
      std::int32_t best = std::numeric_limits<std::int32_t>::max();
      if (i == 0 && j == 0) best = 0;
      if (i > 0 && j > 0) best = distance[(i - 1) * width + j - 1] + (x[i - 1] == y[j - 1] ? 0 : 1);
      if (i > 0) best = std::min(best, distance[(i - 1) * width + j] + 1);
      if (j > 0) best = std::min(best, distance[i * width + j - 1] + 1);
      distance[i * width + j] = best;
    }
  }
  std::vector<edit> kinds;
  for (std::size_t i = n, j = m; i > 0 || j > 0;) {
    std::int32_t const now = distance[i * width + j];
    bool const same = i > 0 && j > 0 && x[i - 1] == y[j - 1];
    if (i > 0 && j > 0 && now == distance[(i - 1) * width + j - 1] + (same ? 0 : 1)) {
      kinds.push_back(same ? edit::keep : edit::replace);
      --i;
      --j;
    } else if (i > 0 && now == distance[(i - 1) * width + j] + 1) {
      kinds.push_back(edit::remove);
      --i;
    } else {
      kinds.push_back(edit::insert);
      --j;
    }
  }
  edit_script script;
  std::size_t j = 0;
  for (std::size_t k = kinds.size(); k-- > 0;) {
    edit const kind = kinds[k];
    script.add(kind, kind == edit::insert ? 0 : 1, kind == edit::remove ? 0 : 1);
    if (kind == edit::replace || kind == edit::insert) script.tokens.push_back(y[j]);
    if (kind != edit::remove) ++j;
  }
  return script;
}

/// Tags of a text of n tokens: n + 1 entries, the first for the gap before it, where nothing but
/// keep and insert makes sense. insert keeps its token and adds after it; replace gives way to a
/// span of any length.
using edit_tags = std::vector<edit>;

/// The tags and spans that a script comes to. Neighbouring edits are one: removing and adding at
/// one place is replacing.
struct tagged_script {
  edit_tags tags;
  ragged spans;  // what comes into the slots, in order
};

inline tagged_script tags_of(edit_script const& script) {
  tagged_script out;
  out.tags.push_back(edit::keep);
  auto next = script.tokens.begin();
  for (std::size_t k = 0; k < script.ops.size();) {
    if (script.ops[k].kind == edit::keep) {
      out.tags.insert(out.tags.end(), static_cast<std::size_t>(script.ops[k].removed), edit::keep);
      ++k;
      continue;
    }
    std::size_t removed = 0;
    std::ptrdiff_t added = 0;
    for (; k < script.ops.size() && script.ops[k].kind != edit::keep; ++k) {
      removed += static_cast<std::size_t>(script.ops[k].removed);
      added += script.ops[k].added;
    }
    if (added > 0) out.spans.add({next, next + added});
    next += added;
    if (removed == 0) {
      out.tags.back() = edit::insert;
    } else {
      out.tags.insert(out.tags.end(), removed, added > 0 ? edit::replace : edit::remove);
    }
  }
  return out;
}

/// A text with slots for a generator: what is kept, and `slot` where a span is to come.
struct edit_template {
  std::vector<std::int32_t> tokens;
  std::size_t slots = 0;

  friend bool operator==(edit_template const&, edit_template const&) = default;
};

/// Neighbouring tokens to be replaced share a slot.
///
/// Errors    another number of tags than tokens + 1, or a first tag that is neither keep nor
///           insert: throws diffx::error.
inline edit_template template_of(std::span<std::int32_t const> x, std::span<edit const> tags) {
  constexpr auto where = "diffx::domain::text::template_of";
  detail::require(tags.size() == x.size() + 1, where, "tags", static_cast<long long>(tags.size()),
                  "one more than tokens");
  detail::require(tags[0] == edit::keep || tags[0] == edit::insert, where, "tag of the first gap",
                  static_cast<int>(tags[0]), "keep or insert");
  edit_template out;
  auto const open = [&] {
    out.tokens.push_back(slot);
    ++out.slots;
  };
  if (tags[0] == edit::insert) open();
  for (std::size_t i = 0; i < x.size(); ++i) {
    edit const tag = tags[i + 1];
    if (tag == edit::replace) {
      if (i == 0 || tags[i] != edit::replace) open();
      continue;
    }
    if (tag != edit::remove) out.tokens.push_back(x[i]);
    if (tag == edit::insert) open();
  }
  return out;
}

/// The text of a template and its spans.
///
/// Errors    another number of spans than slots, or a span with a slot or any other number below 0
///           in it: throws diffx::error.
inline std::vector<std::int32_t> fill(edit_template const& form, ragged const& spans) {
  constexpr auto where = "diffx::domain::text::fill";
  detail::require(spans.size() == form.slots, where, "spans", static_cast<long long>(spans.size()),
                  "one for every slot");
  for (std::int32_t const token : spans.tokens) {
    detail::require(token >= 0, where, "token of a span", token,
                    "at least 0: a generator must leave no slot");
  }
  std::vector<std::int32_t> y;
  std::size_t s = 0;
  for (std::int32_t const token : form.tokens) {
    if (token != slot) {
      y.push_back(token);
      continue;
    }
    auto const span = spans.row(s++);
    y.insert(y.end(), span.begin(), span.end());
  }
  return y;
}

struct scored_tags {
  edit_tags tags;
  double log_p = 0.0;
};

/// Refuses rows of tag probabilities that are none: [n + 1, edit_kinds], each of sum 1 to 1e-6, and
/// the first without replace and remove.
inline void check_tag_rows(std::span<double const> rows) {
  constexpr auto where = "diffx::domain::text::check_tag_rows";
  for (std::size_t i = 0; i < rows.size(); i += edit_kinds) {
    double sum = 0.0;
    for (double const p : rows.subspan(i, edit_kinds)) {
      detail::require(p >= 0.0, where, "probability of a tag", p, "at least 0");
      sum += p;
    }
    detail::require(std::fabs(sum - 1.0) <= 1e-6, where, "sum of a row of tags", sum, "1");
  }
  double const nonsense =
      rows[static_cast<std::size_t>(edit::replace)] + rows[static_cast<std::size_t>(edit::remove)];
  detail::require(nonsense <= 1e-6, where, "replace and remove of the first gap", nonsense, "0");
}

/// The `most` likeliest taggings of rows of probabilities [n + 1, edit_kinds], best first, rows
/// independent. Of equals, the ones with the earlier kinds first. Exact.
inline std::vector<scored_tags> likeliest_tags(std::span<double const> rows, int most) {
  std::vector<scored_tags> best{{{}, 0.0}}, next;
  auto const better = [](scored_tags const& a, scored_tags const& b) { return a.log_p > b.log_p; };
  for (std::size_t i = 0; i < rows.size(); i += edit_kinds) {
    next.clear();
    for (scored_tags const& partial : best) {
      for (std::size_t k = 0; k < edit_kinds; ++k) {
        auto const kind = static_cast<edit>(k);
        bool const makes_sense = i > 0 || kind == edit::keep || kind == edit::insert;
        if (!(rows[i + k] > 0.0) || !makes_sense) continue;
        next.push_back({partial.tags, partial.log_p + std::log(rows[i + k])});
        next.back().tags.push_back(kind);
      }
    }
    std::stable_sort(next.begin(), next.end(), better);
    if (next.size() > static_cast<std::size_t>(most)) next.resize(static_cast<std::size_t>(most));
    std::swap(best, next);
  }
  return best;
}

}  // namespace diffx::domain::text
