#pragma once

#include <diffx/concepts/cache.hpp>
#include <diffx/concepts/kv.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

/// Caches of keys and values: which positions the network runs on in a call, and which it only
/// attends to. They need a decoder of masked text (solver::decode) and a kv_denoiser. Beside what
/// every cache declares, such a policy has
///
/// | `C::keeps_kv`     | true                                                                     |
/// | `C::exact`        | true: the tokens are those without a cache, given a network of that kind |
/// | `C::asks_next`    | true: needs to know before a call what it will commit                    |
/// | `c.roles(s, out)` | the role of every position of one sample in this call; host, pure        |
namespace diffx::cache {

/// What a cache of keys and values knows of a sample before a call.
struct kv_sample {
  static constexpr std::int32_t open = std::numeric_limits<std::int32_t>::max();
  static constexpr std::int32_t none = -1;

  std::int32_t positions;
  std::int32_t first, last;       // the block that is decoded
  std::int32_t call;              // calls of this block before this one
  std::int32_t step;              // of the run
  std::int32_t origin;            // where the prompt ends
  std::int32_t const* committed;  // step in which a position got its class; -1: given; open: masked
  std::int32_t const* stored;  // step in which its key and value were computed; none: they are not
  std::span<std::int32_t const> next;  // what the call will commit, where asked for
  std::span<std::int32_t const> made;  // what the last call committed, where asked for
  bool edits;                          // classes of the block may be exchanged

  bool masked(std::int32_t p) const noexcept { return committed[p] == open; }
  /// The logits are read.
  bool wanted(std::int32_t p) const noexcept {
    return p >= first && p < last && (masked(p) || (edits && committed[p] >= 0));
  }
};

namespace detail {

/// Runs on all positions of [first, last), with logits where they are wanted.
inline void query_range(kv_sample const& s, std::int32_t first, std::int32_t last, kv::role more,
                        std::span<kv::role> out) {
  for (std::int32_t p = first; p < last; ++p) {
    out[static_cast<std::size_t>(p)] =
        static_cast<kv::role>(kv::query | more | (s.wanted(p) ? kv::logits : kv::role{0}));
  }
}

/// A cache that does not run on all of the block leaves classes without logits.
inline void refuse_edits(kv_sample const& s, std::string_view name) {
  if (!s.edits) return;
  diffx::detail::fail("diffx::" + std::string(name) +
                      ": does not run on classes that it has stored, and solver::decode with "
                      "edit_above reads their logits; use cache::kv_dual or cache::kv_blocks");
}

}  // namespace detail

/// Keys and values of what is before the block, computed when the block begins and kept while it is
/// decoded. Every other position from the block on is run in every call, or with `horizon` >= 0
/// only so many behind the block: those farther off are not seen.
///
/// Source    Wu et al. 2025 (Fast-dLLM), arXiv:2505.22618; horizon: Wang et al. 2025,
///           arXiv:2509.06949.
/// Cost      a block of n calls on L positions: L + (n - 1) (L - first) rows.
/// Errors    none. Approximate: keys and values of earlier text are as old as the block.
struct kv_prefix {
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::kv_prefix";
  static constexpr std::string_view source = "arXiv:2505.22618";
  static constexpr int depth = 0;
  static constexpr bool keeps_kv = true;
  static constexpr bool exact = false;
  static constexpr bool asks_next = false;
  int horizon = -1;  // -1: to the end

  void roles(kv_sample const& s, std::span<kv::role> out) const {
    if (s.call == 0) {
      detail::query_range(s, 0, s.positions, 0, out);
      for (std::int32_t p = 0; p < s.first; ++p) out[static_cast<std::size_t>(p)] |= kv::keep;
      return;
    }
    std::int32_t const end =
        horizon < 0 || s.positions - s.last < horizon ? s.positions : s.last + horizon;
    std::fill_n(out.begin(), s.first, kv::reuse);
    std::fill(out.begin() + end, out.end(), kv::role{0});
    detail::query_range(s, s.first, end, 0, out);
  }
};

/// Keys and values of everything outside the block, the masks behind it as well, computed when the
/// block begins; only the block itself is run in its other calls.
///
/// Source    Wu et al. 2025 (Fast-dLLM, dual cache), arXiv:2505.22618.
/// Cost      a block of n calls on L positions, B of them its own: L + (n - 1) B rows.
/// Errors    none. Approximate.
struct kv_dual {
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::kv_dual";
  static constexpr std::string_view source = "arXiv:2505.22618";
  static constexpr int depth = 0;
  static constexpr bool keeps_kv = true;
  static constexpr bool exact = false;
  static constexpr bool asks_next = false;

  void roles(kv_sample const& s, std::span<kv::role> out) const {
    if (s.call == 0) return detail::query_range(s, 0, s.positions, kv::keep, out);
    std::fill(out.begin(), out.end(), kv::reuse);
    detail::query_range(s, s.first, s.last, kv::keep, out);
  }
};

/// Keys and values of the prompt alone, computed in the first call.
///
/// Source    Ma et al. 2025 (dKV-Cache, prefill), arXiv:2505.15781.
/// Errors    none. Approximate.
struct kv_prompt {
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::kv_prompt";
  static constexpr std::string_view source = "arXiv:2505.15781";
  static constexpr int depth = 0;
  static constexpr bool keeps_kv = true;
  static constexpr bool exact = false;
  static constexpr bool asks_next = false;

  void roles(kv_sample const& s, std::span<kv::role> out) const {
    bool const known = s.origin == 0 || s.stored[0] != kv_sample::none;
    detail::query_range(s, known ? s.origin : 0, s.positions, 0, out);
    for (std::int32_t p = 0; p < s.origin; ++p) {
      out[static_cast<std::size_t>(p)] = known ? kv::reuse : kv::role(kv::query | kv::keep);
    }
  }
};

/// For networks in which a position attends to its own and earlier blocks only: keys and values of
/// text that is complete are computed once, from its final classes, together with the first call of
/// the next block. Exact.
///
/// Source    Arriola et al. 2025 (BD3-LM), arXiv:2503.09573.
/// Cost      a block of n calls: n B rows, and B once it is complete.
/// Errors    a network without such blocks, or with others than the solver's, throws when the run
///           starts.
struct kv_blocks {
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::kv_blocks";
  static constexpr std::string_view source = "arXiv:2503.09573";
  static constexpr int depth = 0;
  static constexpr bool keeps_kv = true;
  static constexpr bool exact = true;
  static constexpr bool asks_next = false;

  void roles(kv_sample const& s, std::span<kv::role> out) const {
    for (std::int32_t p = 0; p < s.first; ++p) {
      bool const known = s.stored[p] != kv_sample::none;
      out[static_cast<std::size_t>(p)] = known ? kv::reuse : kv::role(kv::query | kv::keep);
    }
    detail::query_range(s, s.first, s.last, 0, out);
    std::fill(out.begin() + s.last, out.end(), kv::role{0});
  }
};

/// Keys and values of positions that were seen once with their class. A class is committed in one
/// call, run once more in the next, and kept from then on; masks are run in every call. Everything
/// is run anew at the start of a block and every `refresh_calls` calls.
///
/// Source    Ma et al. 2025 (dKV-Cache-Decode), arXiv:2505.15781.
/// Errors    refresh_calls < 1 and a decoder that edits throw when a call is planned. Approximate;
///           refresh_calls = 1 is no cache.
struct dkv_decode {
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::dkv_decode";
  static constexpr std::string_view source = "arXiv:2505.15781";
  static constexpr int depth = 0;
  static constexpr bool keeps_kv = true;
  static constexpr bool exact = false;
  static constexpr bool asks_next = false;
  int refresh_calls = 8;

  void roles(kv_sample const& s, std::span<kv::role> out) const {
    diffx::detail::require(refresh_calls >= 1, name, "refresh_calls", refresh_calls, "at least 1");
    detail::refuse_edits(s, name);
    if (s.call == 0) return detail::query_range(s, 0, s.positions, 0, out);
    bool const all = s.call == 1 || s.call % refresh_calls == 0;
    for (std::int32_t p = 0; p < s.positions; ++p) {
      auto const at = static_cast<std::size_t>(p);
      // A class that the last call committed is run with its class for the first time now.
      bool const settled = !s.masked(p) && s.committed[p] < s.step - 1;
      if (!all && settled) {
        out[at] = kv::reuse;
      } else {
        detail::query_range(s, p, p + 1, s.masked(p) ? kv::role{0} : kv::keep, out);
      }
    }
  }
};

/// Keys and values of all positions, masks as well; only what was committed, what comes next and
/// `window` masks around that are run. Everything is run anew every `refresh_calls` calls and at
/// the start of a block. The order must be known in advance.
///
/// Source    Ma et al. 2025 (dKV-Cache-Greedy), arXiv:2505.15781.
/// Errors    refresh_calls < 1, window < 0, a decoder that edits and one with an order_temperature
///           throw when a call is planned; a confidence that is read from the logits or drawn in
///           every step does not compile. Approximate.
struct dkv_greedy {
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::dkv_greedy";
  static constexpr std::string_view source = "arXiv:2505.15781";
  static constexpr int depth = 0;
  static constexpr bool keeps_kv = true;
  static constexpr bool exact = false;
  static constexpr bool asks_next = true;
  int refresh_calls = 2;
  int window = 4;

  void roles(kv_sample const& s, std::span<kv::role> out) const {
    diffx::detail::require(refresh_calls >= 1, name, "refresh_calls", refresh_calls, "at least 1");
    diffx::detail::require(window >= 0, name, "window", window, "at least 0");
    detail::refuse_edits(s, name);
    if (s.call % refresh_calls == 0) return detail::query_range(s, 0, s.positions, kv::keep, out);
    std::fill(out.begin(), out.end(), kv::reuse);
    auto const run = [&](std::int32_t p) { detail::query_range(s, p, p + 1, kv::keep, out); };
    for (std::int32_t p : s.made) run(p);
    for (std::int32_t p : s.next) run(p);
    for (std::int32_t p : s.next) {
      // Outwards, the left neighbour first, over masks that are not run yet.
      int left = window;
      for (std::int32_t d = 1; left > 0 && (p - d >= 0 || p + d < s.positions); ++d) {
        for (std::int32_t q : {p - d, p + d}) {
          if (left == 0 || q < 0 || q >= s.positions || !s.masked(q)) continue;
          if ((out[static_cast<std::size_t>(q)] & kv::query) != 0) continue;
          run(q);
          --left;
        }
      }
    }
  }
};

static_assert(cache_policy<kv_prefix> && cache_policy<kv_dual> && cache_policy<kv_blocks> &&
              cache_policy<kv_prompt> && cache_policy<dkv_decode> && cache_policy<dkv_greedy>);

}  // namespace diffx::cache
