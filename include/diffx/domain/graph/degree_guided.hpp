#pragma once

#include <diffx/detail/limit_law.hpp>
#include <diffx/domain/graph/degree_sequence.hpp>
#include <diffx/domain/graph/edge_removal.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/domain/graph/sparse_graph.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

/// What a network of sparse graphs is told when it is asked about pairs of active nodes.
struct edge_query {
  sparse_graph const& graph;                // before the step
  std::span<std::int64_t const> target;     // the degrees that the nodes are to have
  std::span<std::uint8_t const> is_active;  // 1 for a node that gets an edge in this step
  std::span<std::int32_t const> active;     // these nodes, in order
  int step;                                 // t, from T - 1 to 0
  double alpha_bar;                         // the share of edges that are there at t
};

/// What happens to the edges that active nodes already have among themselves.
enum class active_edges {
  kept,    // removal only takes edges away, so going back only adds them
  redrawn  // as published: an edge that is there may vanish
};

/// gamma of the last step.
enum class last_gamma {
  exact,     // 1: every missing edge comes back
  published  // below 1: some never do
};

/// What happens to edges that a step draws for a node that misses fewer.
enum class surplus {
  kept,    // as published: nodes end with more edges than they were to have
  refused  // a step's edges come one after another, in random order, while both ends miss one
};

/// What a run did.
struct edge_report {
  sparse_graph graph;
  std::int64_t evaluations = 0;   // calls of the network
  std::int64_t quiet_steps = 0;   // steps without one: no pair of active nodes
  std::int64_t pairs_scored = 0;  // predictions; a dense sampler makes T n (n - 1) / 2
  std::int64_t nodes_short = 0;   // of fewer edges than they were to have
  std::int64_t nodes_over = 0;    // of more
  std::int64_t ends_short = 0;    // edges that the former lack, all together
  std::int64_t ends_over = 0;     // edges that the latter have too many
};

/// The pairs that a run has to score, as many as nodes are active together in removal itself: a
/// node of d edges loses some in step t with probability 1 - (1 - delta_t)^d, where delta_t is
/// alpha_bar_(t-1) - alpha_bar_t. A run whose network leaves nodes short of edges scores more.
inline double expected_pairs(edge_removal const& process, std::span<std::int64_t const> degrees) {
  std::vector<std::int64_t> sorted(degrees.begin(), degrees.end());
  std::sort(sorted.begin(), sorted.end());
  double pairs = 0.0;
  for (int t = 0; t < process.steps(); ++t) {
    double const before = t == 0 ? 1.0 : process.alpha_bar(t - 1);
    double const delta = before - process.alpha_bar(t);
    double sum = 0.0, squares = 0.0;
    for (auto first = sorted.begin(); first != sorted.end();) {
      auto const last = std::upper_bound(first, sorted.end(), *first);
      double const p = active_probability(delta, *first);
      sum += static_cast<double>(last - first) * p;
      squares += static_cast<double>(last - first) * p * p;
      first = last;
    }
    pairs += 0.5 * (sum * sum - squares);
  }
  return pairs;
}

/// Steps of edge_removal::even that score about so many pairs for every edge. A step in which one
/// T-th of E edges come back has 2 E / T active nodes, so T steps score about 2 E^2 / T pairs: for
/// a cost that is linear in the edges T has to grow with them. At most 2^20 - 2.
inline int steps_for(std::span<std::int64_t const> degrees, double pairs_per_edge = 16.0) {
  constexpr std::string_view where = "diffx::domain::graph::steps_for";
  detail::require(pairs_per_edge > 0.0, where, "pairs_per_edge", pairs_per_edge, "above 0");
  double ends = 0.0;
  for (auto const d : degrees) ends += static_cast<double>(std::max<std::int64_t>(d, 0));
  return static_cast<int>(
      std::clamp(std::ceil(ends / pairs_per_edge), 1.0, static_cast<double>(noise::max_step)));
}

/// Graphs from their degrees, by edges that come back. In step t a node that has D edges less than
/// it is to have is active with probability 1 - (1 - gamma_t)^D, each by itself; then every pair of
/// active nodes gets an edge with the probability that the network says. Time and memory grow with
/// the edges and with the pairs of active nodes, never with all pairs: see steps_for().
///
/// A node's D changes only in steps in which it is active, so its next active step is drawn when it
/// was active last (active_steps): the law of one draw a step, and quiet nodes cost nothing.
///
///     graph::edge_report const made = graph::degree_guided{}.sample(
///         graph::edge_removal::cosine(128), network, degrees, noise::counted{7});
///
/// network(edge_query const&, std::span<graph::edge const> pairs, std::span<float> logits) writes
/// log(p / (1 - p)) of every pair having an edge after the step. Active nodes are drawn by
/// themselves although an edge makes two of them active, so a node may end with other degrees:
/// `edge_report` counts them, and with surplus::refused, which is not of the paper, none has more.
///
/// Noise is addressed by the names of nodes and of pairs: nodes in another order, with their names,
/// give the same graph in that order.
///
/// Source    Chen et al. 2023 (EDGE), arXiv:2305.04111.
/// Errors    degrees that no simple graph has, unless `any_degrees`; more than 2^20 - 2 steps;
///           more than 5 000 000 nodes; names of another number, not below that, below 0 or twice;
///           a logit that is NaN, reported with its step and pair: throws diffx::error.
struct degree_guided {
  static constexpr std::string_view name = "domain::graph::degree_guided";
  static constexpr std::string_view source = "arXiv:2305.04111";

  active_edges edges = active_edges::kept;
  last_gamma last = last_gamma::exact;
  surplus over = surplus::kept;
  bool any_degrees = false;
  std::int64_t most_pairs = std::int64_t{1} << 20;  // of one call

  template <class Network>
  edge_report sample(edge_removal const& process, Network&& network,
                     std::span<std::int64_t const> degrees, noise::counted const& noise,
                     std::int64_t sample_index = 0,
                     std::span<std::int32_t const> names = {}) const {
    auto const n = static_cast<std::int64_t>(degrees.size());
    detail::require(n >= 1, where, "degrees.size()", static_cast<long long>(n), "at least 1");
    if (!any_degrees) require_graphical(where, degrees);
    detail::require(most_pairs >= 1, where, "most_pairs", static_cast<long long>(most_pairs),
                    "at least 1");
    check_names(names, n);
    auto const name_of = [&](std::int64_t i) {
      return names.empty() ? i : std::int64_t{names[static_cast<std::size_t>(i)]};
    };
    detail::require(process.steps() <= noise::max_step, where, "process.steps()", process.steps(),
                    "at most 2^20 - 2");
    edge_report out{sparse_graph::with_room(room_for(degrees))};
    queue waiting(gammas(process), n);
    auto const missing = [&](std::int64_t i) {
      return degrees[static_cast<std::size_t>(i)] - out.graph.degree(i);
    };
    auto const wait = [&](std::int64_t i, int t) {
      auto const lacks = missing(i);
      if (lacks > 0) waiting.put(i, t, lacks, uniform(noise, t, 0, sample_index, name_of(i)));
    };
    for (std::int64_t i = 0; i < n; ++i) wait(i, process.steps());
    std::vector<std::uint8_t> is_active(degrees.size(), 0);
    std::vector<std::int32_t> active;
    std::vector<edge> pairs, added, removed;
    std::vector<float> logits;
    std::vector<new_edge> drawn;
    std::vector<std::int64_t> open(over == surplus::refused ? degrees.size() : 0);
    for (int t = process.steps() - 1; t >= 0; --t) {
      waiting.take(t, active);
      for (auto const i : active) is_active[static_cast<std::size_t>(i)] = 1;
      edge_query const query{out.graph, degrees, is_active, active, t, process.alpha_bar(t)};
      added.clear();
      drawn.clear();
      removed.clear();
      pairs.clear();
      std::int64_t const before = out.pairs_scored;
      auto const ask = [&] {
        if (pairs.empty()) return;
        logits.assign(pairs.size(), 0.0f);
        network(query, std::span<edge const>(pairs), std::span<float>(logits));
        ++out.evaluations;
        out.pairs_scored += static_cast<std::int64_t>(pairs.size());
        for (std::size_t k = 0; k < pairs.size(); ++k) {
          edge const e = pairs[k];
          if (std::isnan(logits[k])) {
            detail::fail(std::string(where) + ": the logit of the pair {" + std::to_string(e.low) +
                         ", " + std::to_string(e.high) + "} is NaN in step " + std::to_string(t));
          }
          double const p = 1.0 / (1.0 + std::exp(-static_cast<double>(logits[k])));
          std::int64_t const pair = pair_index(name_of(e.low), name_of(e.high));
          double const u = uniform(noise, t, 1, sample_index, pair);
          bool const is = u < p;
          bool const was = edges == active_edges::redrawn && out.graph.joined(e.low, e.high);
          if (is && !was) drawn.push_back({u / p, e});
          if (!is && was) removed.push_back(e);
        }
        pairs.clear();
      };
      for (std::size_t a = 0; a < active.size(); ++a) {
        auto const near = out.graph.neighbours(active[a]);
        auto next = std::upper_bound(near.begin(), near.end(), active[a]);
        for (std::size_t b = a + 1; b < active.size(); ++b) {
          if (edges == active_edges::kept) {  // those that are there are passed over
            while (next != near.end() && *next < active[b]) ++next;
            if (next != near.end() && *next == active[b]) continue;
          }
          pairs.push_back({active[a], active[b]});
          if (static_cast<std::int64_t>(pairs.size()) == most_pairs) ask();
        }
      }
      ask();
      if (out.pairs_scored == before) ++out.quiet_steps;
      if (over == surplus::refused) {
        for (auto const i : active) open[static_cast<std::size_t>(i)] = missing(i);
        refuse_surplus(removed, drawn, open);
      }
      for (new_edge const& e : drawn) added.push_back(e.pair);
      if (!added.empty() || !removed.empty()) out.graph.change(removed, added);
      for (auto const i : active) {
        is_active[static_cast<std::size_t>(i)] = 0;
        wait(i, t);
      }
    }
    for (std::int64_t i = 0; i < n; ++i) {
      auto const more = out.graph.degree(i) - degrees[static_cast<std::size_t>(i)];
      out.nodes_short += more < 0 ? 1 : 0;
      out.nodes_over += more > 0 ? 1 : 0;
      out.ends_short += std::max<std::int64_t>(-more, 0);
      out.ends_over += std::max<std::int64_t>(more, 0);
    }
    return out;
  }

 private:
  static constexpr std::string_view where = "diffx::domain::graph::degree_guided";

  struct new_edge {
    double place;  // in the order of its step's new edges: uniform in (0, 1)
    edge pair;
  };

  /// Of every step a chain of the nodes that are active in it.
  class queue {
   public:
    queue(std::vector<double> const& gamma, std::int64_t nodes)
        : steps_(gamma), first_(gamma.size(), none), next_(static_cast<std::size_t>(nodes), none) {}

    void put(std::int64_t i, int t, std::int64_t missing, double uniform) {
      int const at = steps_.next(t, missing, uniform);
      if (at < 0) return;
      next_[static_cast<std::size_t>(i)] =
          std::exchange(first_[static_cast<std::size_t>(at)], static_cast<std::int32_t>(i));
    }
    void take(int t, std::vector<std::int32_t>& active) const {
      active.clear();
      for (auto i = first_[static_cast<std::size_t>(t)]; i != none;
           i = next_[static_cast<std::size_t>(i)]) {
        active.push_back(i);
      }
      std::sort(active.begin(), active.end());
    }

   private:
    static constexpr std::int32_t none = -1;

    active_steps steps_;
    std::vector<std::int32_t> first_, next_;
  };

  std::vector<double> gammas(edge_removal const& process) const {
    std::vector<double> out;
    for (int t = 0; t < process.steps(); ++t) {
      out.push_back(last == last_gamma::exact ? process.gamma(t) : process.published_gamma(t));
    }
    return out;
  }

  /// Keeps what there is room for; `open` has the edges that active nodes miss before the step.
  static void refuse_surplus(std::span<edge const> removed, std::vector<new_edge>& drawn,
                             std::span<std::int64_t> open) {
    for (edge const e : removed) {
      ++open[static_cast<std::size_t>(e.low)];
      ++open[static_cast<std::size_t>(e.high)];
    }
    std::sort(drawn.begin(), drawn.end(),
              [](new_edge const& a, new_edge const& b) { return a.place < b.place; });
    std::size_t kept = 0;
    for (new_edge const e : drawn) {
      auto& low = open[static_cast<std::size_t>(e.pair.low)];
      auto& high = open[static_cast<std::size_t>(e.pair.high)];
      if (low <= 0 || high <= 0) continue;
      --low;
      --high;
      drawn[kept++] = e;
    }
    drawn.resize(kept);
  }

  static std::vector<std::int64_t> room_for(std::span<std::int64_t const> degrees) {
    std::vector<std::int64_t> room;
    for (auto const d : degrees) room.push_back(std::max<std::int64_t>(d, 0));
    return room;
  }

  /// Number `index` of the nodes (what = 0) whose next step is drawn after step t, or of the pairs
  /// (what = 1) of step t.
  static double uniform(noise::counted const& noise, int t, int what, std::int64_t sample,
                        std::int64_t index) noexcept {
    // A place has 32 digits; the rest of a pair's goes into the number of the draw.
    int const draw = what + static_cast<int>(index >> 32);
    auto const w = noise.words({t, draw, what, 0.0, 0.0}, sample, index & 0xFFFFFFFF);
    return detail::unit_uniform(w.word[0], w.word[1]);
  }

  static void check_names(std::span<std::int32_t const> names, std::int64_t n) {
    detail::require(n <= most_names, where, "degrees.size()", static_cast<long long>(n),
                    "at most " + std::to_string(most_names));
    if (names.empty()) return;
    detail::require(static_cast<std::int64_t>(names.size()) == n, where, "names.size()",
                    static_cast<long long>(names.size()), "that of the degrees");
    std::vector<std::int32_t> sorted(names.begin(), names.end());
    std::sort(sorted.begin(), sorted.end());
    detail::require(sorted.front() >= 0 && sorted.back() < most_names, where, "a name",
                    sorted.front() < 0 ? sorted.front() : sorted.back(),
                    "in [0, " + std::to_string(most_names) + ")");
    auto const twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) {
      detail::fail(std::string(where) + ": the name " + std::to_string(*twice) +
                   " stands there twice");
    }
  }

  static constexpr std::int64_t most_names = 5'000'000;  // pairs of these have 44 binary digits
};

}  // namespace diffx::domain::graph
