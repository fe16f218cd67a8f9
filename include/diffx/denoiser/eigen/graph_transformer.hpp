#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/panels.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace diffx::denoiser::eigen {

/// Sizes of a transformer of graphs.
struct graph_transformer_size {
  std::int64_t node_classes = 1, pair_classes = 2;
  std::int64_t width = 64;  // of a node inside; a multiple of the heads, at most 512
  std::int64_t pair_width = 32;
  std::int64_t heads = 4;
  std::int64_t layers = 4;

  friend bool operator==(graph_transformer_size const&, graph_transformer_size const&) = default;
};

/// The sizes that a file states in its metadata, by their names.
inline graph_transformer_size graph_transformer_size_of(safetensors const& file) {
  return {file.number("node_classes"), file.number("pair_classes"), file.number("width"),
          file.number("pair_width"),   file.number("heads"),        file.number("layers")};
}

/// A transformer of graphs: nodes attend to each other, pairs of nodes say how much and carry
/// values of their own, and every layer brings the pairs up to date from their ends. It is told
/// alpha, the probability that a class is still that of the data, so one network serves any number
/// of steps and any schedule, of DiGress as of DeFoG.
///
///     S    = D^(-1/2) A D^(-1/2), A where a pair's class is not 0, D the degrees
///     y    = told2(silu(told1([alpha, sqrt(alpha), sqrt(1 - alpha), n / 32, mean_i S^k_ii])))
///     h_i  = node([class_i, S^k_ii, y])    e_ij = pair([class_ij, S^k_ij, y])     k = 1 ... 8
///
///     every layer, with e' = pair_norm(e), q, k, v = qkv(norm1(h)), p, m = ends(norm3(h)):
///
///     w_ij = softmax_(j != i)(q_i . k_j / sqrt(head width) + bias(e')_ij)
///
///     h_i += proj(sum_j w_ij (v_j + value(e')_ij))
///
///     h_i += b(silu(a(norm2(h_i)) + told(y)))
///
///     e_ij += pair_b(silu(pair_a(e'_ij) + p_i + p_j + m_i m_j))
///
///     logits = node_out(node_norm(h)), pair_out(pair_norm(e))
///
/// An unordered pair is computed once, and answers are equivariant by construction. Every graph is
/// computed at its own size: its answer is the same bits however it is padded and whatever else is
/// in the batch. In another order of nodes sums come in another order, so there it is the same up
/// to rounding.
///
/// Source    Vignac et al. 2023 (DiGress), arXiv:2209.14734 (attention with pairs); Ma et al. 2023,
///           arXiv:2305.17589 (walks as places).
/// Shapes    x: nodes [batch, n], pairs [batch, n (n - 1) / 2]; out the same times the classes.
///           Logits of padding are 0.
/// Requires  host memory; one object may be called from several threads.
/// Errors    sizes out of range, a tensor of another shape, views that do not fit each other, a
///           class out of range, alpha outside [0, 1]: throws diffx::error.
class graph_transformer {
  static constexpr std::string_view where = "diffx::denoiser::eigen::graph_transformer";

 public:
  static constexpr int walks = 8;
  diffx::prediction::product<diffx::prediction::x0_posterior<>, diffx::prediction::x0_posterior<>>
      prediction{};

  /// `source` is a safetensors object, random_weights, or anything with tensor(name, shape).
  template <class Source>
  graph_transformer(graph_transformer_size size, Source const& source)
      : net_(std::make_shared<network>(checked(size), source)) {}

  explicit graph_transformer(safetensors const& file)
      : graph_transformer(graph_transformer_size_of(file), file) {}

  graph_transformer_size const& size() const noexcept { return net_->size; }

  /// The same network for a batch of graphs of these sizes, which are not copied; without them all
  /// nodes of the state are nodes.
  graph_transformer of_sizes(std::span<std::int64_t const> sizes) const {
    graph_transformer out = *this;
    out.sizes_ = sizes;
    return out;
  }

  template <class Exec, class Code, class T>
  void operator()(Exec const& exec,
                  std::tuple<batch_view<Code const>, batch_view<Code const>> const& x,
                  query const& q, std::tuple<batch_view<T>, batch_view<T>> const& out) const {
    network const& net = *net_;
    batch_view<Code const> const nodes = std::get<0>(x), pairs = std::get<1>(x);
    batch_view<T> const node_out = std::get<0>(out), pair_out = std::get<1>(out);
    check(nodes.first_sample + nodes.batch, nodes.features, pairs.features, node_out.features,
          pair_out.features);
    for (std::int64_t const batch : {pairs.batch, node_out.batch, pair_out.batch}) {
      if (batch == nodes.batch) continue;
      diffx::detail::require(false, where, "batch", static_cast<long long>(batch),
                             std::to_string(nodes.batch) + ", that of the nodes");
    }
    diffx::detail::require(q.at.alpha >= 0.0 && q.at.alpha <= 1.0, where, "alpha", q.at.alpha,
                           "in [0, 1]");
    std::int64_t const first = nodes.first_sample;
    detail::for_each_tile<1>(exec, nodes.batch, net.pool, [&](scratch& s, std::int64_t b, index) {
      std::int64_t const n =
          sizes_.empty() ? nodes.features : sizes_[static_cast<std::size_t>(first + b)];
      std::fill_n(node_out.row(b), node_out.features, T{0});
      std::fill_n(pair_out.row(b), pair_out.features, T{0});
      net.run(s, n, nodes.row(b), pairs.row(b), q.at.alpha, node_out.row(b), pair_out.row(b));
    });
  }

 private:
  using column = panels::columns<float>;

  struct scratch {
    buffer walk, next, step, on_node, on_pair, told, input, h, e, h_norm, e_norm, qkv, keys, inner,
        mixed, met, bias, value, ends, weights;
  };

  /// Some of the rows of tensors that have `all`.
  template <class Source>
  struct rows_of {
    Source const& source;
    index all, first;

    std::vector<float> tensor(std::string const& name,
                              std::initializer_list<std::int64_t> shape) const {
      std::vector<std::int64_t> whole(shape);
      index const count = whole.front(), row = whole.size() > 1 ? whole.back() : 1;
      auto const& w =
          whole.size() > 1 ? source.tensor(name, {all, row}) : source.tensor(name, {all});
      return {w.begin() + first * row, w.begin() + (first + count) * row};
    }
  };

  struct layer {
    template <class Source>
    layer(Source const& s, std::string const& name, graph_transformer_size const& size, index told_)
        : norm1(s, name + ".norm1", size.width, 1),
          norm2(s, name + ".norm2", size.width, 1),
          norm3(s, name + ".norm3", size.width, 1),
          pair_norm(s, name + ".pair_norm", size.pair_width, 1),
          qkv(s, name + ".qkv", size.width, 3 * size.width),
          bias(s, name + ".bias", size.pair_width, size.heads),
          proj(s, name + ".proj", size.width, size.width),
          a(s, name + ".a", size.width, 2 * size.width),
          told(s, name + ".told", told_, 2 * size.width),
          b(s, name + ".b", 2 * size.width, size.width),
          ends(s, name + ".ends", size.width, 4 * size.pair_width),
          pair_a(s, name + ".pair_a", size.pair_width, 2 * size.pair_width),
          pair_b(s, name + ".pair_b", 2 * size.pair_width, size.pair_width) {
      index const d = size.width / size.heads;
      for (index head = 0; head < size.heads; ++head) {
        value.emplace_back(rows_of<Source>{s, size.width, head * d}, name + ".value",
                           size.pair_width, d);
      }
    }
    group_norm norm1, norm2, norm3, pair_norm;
    panels::linear qkv, bias, proj, a, told, b, ends, pair_a, pair_b;
    std::vector<panels::linear> value;  // of every head
  };

  struct network {
    static constexpr index told_width = 64;

    template <class Source>
    network(graph_transformer_size sizes, Source const& s)
        : size(sizes),
          told1(s, "told1", 4 + walks, told_width),
          told2(s, "told2", told_width, told_width),
          node(s, "node", sizes.node_classes + walks + told_width, sizes.width),
          pair(s, "pair", sizes.pair_classes + walks + told_width, sizes.pair_width),
          node_norm(s, "node_norm", sizes.width, 1),
          pair_norm(s, "pair_norm", sizes.pair_width, 1),
          node_out(s, "node_out", sizes.width, sizes.node_classes),
          pair_out(s, "pair_out", sizes.pair_width, sizes.pair_classes) {
      for (std::int64_t i = 0; i < size.layers; ++i) {
        layers.emplace_back(s, "block." + std::to_string(i), size, told_width);
      }
    }

    template <class Code, class T>
    void run(scratch& s, index n, Code const* nodes, Code const* pairs, double alpha,
             T* node_logits, T* pair_logits) const {
      index const count = domain::graph::pair_count(n);
      for (index i = 0; i < n; ++i) check_class("node", i, nodes[i], size.node_classes);
      for (index p = 0; p < count; ++p) check_class("pair", p, pairs[p], size.pair_classes);
      walk(s, n, pairs);
      float const* const y = tell(s, n, alpha);
      column const h = columns_of(s.h, size.width, n), e = columns_of(s.e, size.pair_width, count);
      embed(s, node, size.node_classes, nodes, s.on_node.data(), y, n, h);
      embed(s, pair, size.pair_classes, pairs, s.on_pair.data(), y, count, e);
      for (layer const& l : layers) {
        column const en = normed(s.e_norm, l.pair_norm, e, size.pair_width, count);
        attend(s, l, n, h, en);
        feed(s, l, n, h, y);
        update_pairs(s, l, n, h, e, en);
      }
      answer(s, node_norm, node_out, h, size.width, n, size.node_classes, node_logits);
      answer(s, pair_norm, pair_out, e, size.pair_width, count, size.pair_classes, pair_logits);
    }

    graph_transformer_size size;
    panels::linear told1, told2, node, pair;
    std::vector<layer> layers;
    group_norm node_norm, pair_norm;
    panels::linear node_out, pair_out;
    mutable scratch_pool<scratch> pool;

   private:
    static column columns_of(buffer& memory, index width, index count) {
      index const stride = panels::room(width);
      return {memory.get(stride * std::max<index>(count, 1)), stride};
    }

    static column normed(buffer& memory, group_norm const& norm, column x, index width,
                         index count) {
      column const out = columns_of(memory, width, count);
      for (index c = 0; c < count; ++c) norm.apply<false>(x[c], 1, 1, out[c]);
      return out;
    }

    static column product(buffer& memory, panels::linear const& l, column x, index count) {
      column const out = columns_of(memory, l.out(), count);
      l.apply({x.data, x.stride}, count, out);
      return out;
    }

    /// The powers of S: of nodes [n, walks], of pairs [pairs, walks].
    template <class Code>
    static void walk(scratch& s, index n, Code const* pairs) {
      float* const step = s.step.get(n * n);
      float* const root = s.weights.get(n);
      std::fill_n(step, n * n, 0.0f);
      std::fill_n(root, n, 0.0f);
      for_each_pair(n, [&](index i, index j, index p) {
        if (pairs[p] == 0) return;
        step[i * n + j] = step[j * n + i] = 1.0f;
        root[i] += 1.0f;
        root[j] += 1.0f;
      });
      for (index i = 0; i < n; ++i) root[i] = 1.0f / std::sqrt(std::max(root[i], 1.0f));
      for (index i = 0; i < n; ++i) {
        for (index j = 0; j < n; ++j) step[i * n + j] *= root[i] * root[j];
      }
      float* now = s.walk.get(n * n);
      float* next = s.next.get(n * n);
      float* const on_node = s.on_node.get(n * walks);
      float* const on_pair =
          s.on_pair.get(std::max<index>(domain::graph::pair_count(n), 1) * walks);
      std::copy_n(step, n * n, now);
      for (int k = 0; k < walks; ++k) {
        for (index i = 0; i < n; ++i) on_node[i * walks + k] = now[i * n + i];
        for_each_pair(n,
                      [&](index i, index j, index p) { on_pair[p * walks + k] = now[i * n + j]; });
        if (k + 1 == walks) break;
        std::fill_n(next, n * n, 0.0f);
        for (index i = 0; i < n; ++i) {
          for (index m = 0; m < n; ++m) {
            float const a = now[i * n + m];
            float const* const row = step + m * n;
            float* const to = next + i * n;
            DIFFX_INDEPENDENT
            for (index j = 0; j < n; ++j) to[j] = diffx::detail::fma(a, row[j], to[j]);
          }
        }
        std::swap(now, next);
      }
    }

    /// y, what every node and pair is told.
    float const* tell(scratch& s, index n, double alpha) const {
      column const in = columns_of(s.input, 4 + walks, 1);
      auto const a = static_cast<float>(alpha);
      in.data[0] = a;
      in.data[1] = std::sqrt(a);
      in.data[2] = std::sqrt(1.0f - a);
      in.data[3] = static_cast<float>(n) / 32.0f;
      for (int k = 0; k < walks; ++k) {
        float sum = 0.0f;
        for (index i = 0; i < n; ++i) sum += s.on_node.data()[i * walks + k];
        in.data[4 + k] = sum / static_cast<float>(n);
      }
      column const inner = product(s.inner, told1, in, 1);
      for (index c = 0; c < told_width; ++c) inner.data[c] = silu(inner.data[c]);
      return product(s.told, told2, inner, 1).data;
    }

    template <class Code>
    static void embed(scratch& s, panels::linear const& in, index classes, Code const* code,
                      float const* walked, float const* y, index count, column out) {
      column const x = columns_of(s.input, classes + walks + told_width, count);
      for (index c = 0; c < count; ++c) {
        std::fill_n(x[c], classes, 0.0f);
        x[c][static_cast<index>(code[c])] = 1.0f;
        std::copy_n(walked + c * walks, walks, x[c] + classes);
        std::copy_n(y, told_width, x[c] + classes + walks);
      }
      in.apply({x.data, x.stride}, count, out);
    }

    void attend(scratch& s, layer const& l, index n, column h, column en) const {
      if (n < 2) {  // nothing to attend to: only the bias of the projection is left
        column const mixed = columns_of(s.mixed, size.width, n);
        std::fill_n(mixed.data, size.width, 0.0f);
        return l.proj.template apply<true>({mixed.data, mixed.stride}, n, h);
      }
      index const width = size.width, d = width / size.heads;
      index const count = domain::graph::pair_count(n), row = panels::room(n);
      float const scale = 1.0f / std::sqrt(static_cast<float>(d));
      column const qkv = product(s.qkv, l.qkv, normed(s.h_norm, l.norm1, h, width, n), n);
      column const bias = product(s.bias, l.bias, en, count);
      column const mixed = columns_of(s.mixed, width, n);
      // The values of pairs are linear in e', so every head sums e' first: [pair width, n].
      column const met = columns_of(s.met, size.pair_width, n);
      // Keys [width, n]: a query meets all of them at once.
      float* const keys = s.keys.get(width * row);
      for (index j = 0; j < n; ++j) {
        for (index c = 0; c < width; ++c) keys[c * row + j] = qkv[j][width + c];
      }
      float* const w = s.weights.get(row);
      for (index head = 0; head < size.heads; ++head) {
        for (index i = 0; i < n; ++i) {
          float const* const q = qkv[i] + head * d;
          std::fill_n(w, n, 0.0f);
          for (index c = 0; c < d; ++c) {
            float const* const k = keys + (head * d + c) * row;
            float const a = q[c];
            DIFFX_INDEPENDENT
            for (index j = 0; j < n; ++j) w[j] = diffx::detail::fma(a, k[j], w[j]);
          }
          float most = -std::numeric_limits<float>::infinity();
          for (index j = 0; j < n; ++j) {
            if (j == i) continue;
            w[j] = w[j] * scale + bias[domain::graph::pair_index(i, j)][head];
            most = std::max(most, w[j]);
          }
          w[i] = most;
          DIFFX_INDEPENDENT
          for (index j = 0; j < n; ++j) w[j] = diffx::detail::exp(w[j] - most);
          w[i] = 0.0f;
          float sum = 0.0f;
          for (index j = 0; j < n; ++j) sum += w[j];
          float* const to = mixed[i] + head * d;
          float* const pairs = met[i];
          std::fill_n(to, d, 0.0f);
          std::fill_n(pairs, size.pair_width, 0.0f);
          for (index j = 0; j < n; ++j) {
            if (j == i) continue;
            float const share = w[j] / sum;
            float const* const v = qkv[j] + 2 * width + head * d;
            float const* const p = en[domain::graph::pair_index(i, j)];
            DIFFX_INDEPENDENT
            for (index c = 0; c < d; ++c) to[c] = diffx::detail::fma(share, v[c], to[c]);
            DIFFX_INDEPENDENT
            for (index c = 0; c < size.pair_width; ++c) {
              pairs[c] = diffx::detail::fma(share, p[c], pairs[c]);
            }
          }
        }
        panels::linear const& value = l.value[static_cast<std::size_t>(head)];
        column const valued = product(s.value, value, met, n);
        for (index i = 0; i < n; ++i) {
          for (index c = 0; c < d; ++c) mixed[i][head * d + c] += valued[i][c];
        }
      }
      l.proj.template apply<true>({mixed.data, mixed.stride}, n, h);
    }

    void feed(scratch& s, layer const& l, index n, column h, float const* y) const {
      column const inner = product(s.inner, l.a, normed(s.h_norm, l.norm2, h, size.width, n), n);
      column const told = product(s.keys, l.told, {const_cast<float*>(y), told_width}, 1);
      for (index i = 0; i < n; ++i) {
        float* const x = inner[i];
        DIFFX_INDEPENDENT
        for (index c = 0; c < 2 * size.width; ++c) x[c] = silu(x[c] + told.data[c]);
      }
      l.b.template apply<true>({inner.data, inner.stride}, n, h);
    }

    void update_pairs(scratch& s, layer const& l, index n, column h, column e, column en) const {
      index const inside = 2 * size.pair_width, count = domain::graph::pair_count(n);
      column const ends = product(s.ends, l.ends, normed(s.h_norm, l.norm3, h, size.width, n), n);
      column const z = product(s.value, l.pair_a, en, count);
      for_each_pair(n, [&](index i, index j, index p) {
        float const *const a = ends[i], *const b = ends[j];
        float* const x = z[p];
        DIFFX_INDEPENDENT
        for (index c = 0; c < inside; ++c) {
          x[c] = silu(diffx::detail::fma(a[inside + c], b[inside + c], x[c] + a[c] + b[c]));
        }
      });
      l.pair_b.template apply<true>({z.data, z.stride}, count, e);
    }

    template <class T>
    static void answer(scratch& s, group_norm const& norm, panels::linear const& out, column x,
                       index width, index count, index classes, T* logits) {
      column const y = product(s.inner, out, normed(s.h_norm, norm, x, width, count), count);
      for (index c = 0; c < count; ++c) {
        for (index k = 0; k < classes; ++k) logits[c * classes + k] = static_cast<T>(y[c][k]);
      }
    }

    template <class Op>
    static void for_each_pair(index n, Op const& op) {
      index p = 0;
      for (index j = 1; j < n; ++j) {
        for (index i = 0; i < j; ++i, ++p) op(i, j, p);
      }
    }

    template <class Code>
    static void check_class(char const* what, index at, Code code, index classes) {
      if (code >= Code{0} && static_cast<index>(code) < classes) return;
      diffx::detail::require(
          false, where, "class of " + std::string(what) + " " + std::to_string(at),
          static_cast<long long>(code), "in [0, " + std::to_string(classes) + ")");
    }
  };

  static graph_transformer_size checked(graph_transformer_size const& size) {
    auto const check = [](char const* name, std::int64_t value, std::int64_t least,
                          std::int64_t most) {
      diffx::detail::require(value >= least && value <= most, where, name,
                             static_cast<long long>(value),
                             "in [" + std::to_string(least) + ", " + std::to_string(most) + "]");
    };
    check("node_classes", size.node_classes, 1, 1024);
    check("pair_classes", size.pair_classes, 2, 1024);
    check("width", size.width, 1, 512);
    check("pair_width", size.pair_width, 1, 512);
    check("heads", size.heads, 1, size.width);
    check("layers", size.layers, 0, 1024);
    diffx::detail::require(size.width % size.heads == 0, where, "width",
                           static_cast<long long>(size.width), "a multiple of the heads");
    return size;
  }

  void check(std::int64_t samples, std::int64_t nodes, std::int64_t pairs, std::int64_t node_logits,
             std::int64_t pair_logits) const {
    auto const same = [](char const* name, std::int64_t value, std::int64_t other, char const* of) {
      if (value == other) return;  // no text is made for a call that fits
      diffx::detail::require(false, where, name, static_cast<long long>(value),
                             std::to_string(other) + ", " + of);
    };
    same("pairs", pairs, domain::graph::pair_count(nodes), "those of the nodes");
    same("logits of nodes", node_logits, nodes * net_->size.node_classes, "nodes times classes");
    same("logits of pairs", pair_logits, pairs * net_->size.pair_classes, "pairs times classes");
    if (!sizes_.empty() && samples > static_cast<std::int64_t>(sizes_.size())) {
      same("sizes.size()", static_cast<std::int64_t>(sizes_.size()), samples, "the batch");
    }
    for (std::size_t b = 0; b < sizes_.size(); ++b) {
      if (sizes_[b] >= 1 && sizes_[b] <= nodes) continue;
      diffx::detail::require(false, where, "sizes[" + std::to_string(b) + "]",
                             static_cast<long long>(sizes_[b]),
                             "in [1, " + std::to_string(nodes) + "]");
    }
  }

  std::shared_ptr<network const> net_;
  std::span<std::int64_t const> sizes_;
};

}  // namespace diffx::denoiser::eigen
