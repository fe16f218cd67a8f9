#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/kv.hpp>
#include <diffx/denoiser/eigen/embedding.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/panels.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::denoiser::eigen {

/// Sizes of a transformer of tokens.
struct transformer_size {
  std::int64_t classes = 128;  // a token is one of these, and so many logits a position has
  std::int64_t width = 128;    // of a token inside; a multiple of 2 heads, at most 512
  std::int64_t heads = 4;
  std::int64_t layers = 6;
  std::int64_t block_length = 0;  // 0: all see all; else a position sees up to its block's end

  friend bool operator==(transformer_size const&, transformer_size const&) = default;
};

/// The sizes that a file states in its metadata: classes, width, heads, layers and block_length.
inline transformer_size transformer_size_of(safetensors const& file) {
  auto const read = [&](char const* key) {
    std::string const& text = file.metadata(key);
    std::int64_t value = 0;
    auto const end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) {
      diffx::detail::fail("diffx::denoiser::eigen::transformer: '" + file.source() +
                          "': metadata '" + key + "' = '" + text + "', must be a number");
    }
    return value;
  };
  return {read("classes"), read("width"), read("heads"), read("layers"), read("block_length")};
}

/// What calls have cost, as whole numbers.
struct token_cost {
  std::int64_t calls = 0;   // of one sample, in which the network ran on some position
  std::int64_t rows = 0;    // positions it ran on
  std::int64_t logits = 0;  // of which the logits were wanted
  std::int64_t pairs = 0;   // (row, position that it sees), once for all layers and heads
  std::int64_t flops = 0;   // of the matrix products at the positions: a multiply-add is two

  token_cost& operator+=(token_cost const& o) noexcept {
    calls += o.calls;
    rows += o.rows;
    logits += o.logits;
    pairs += o.pairs;
    flops += o.flops;
    return *this;
  }
  friend bool operator==(token_cost const&, token_cost const&) = default;
};

/// Keys and values of the positions of a batch, as `transformer` keeps them, and what the calls
/// with this store have cost. A copy is a fork and holds the same. Made by make_store.
class key_value_store {
 public:
  std::int64_t batch() const noexcept { return batch_; }
  std::int64_t positions() const noexcept { return positions_; }
  bool kept(std::int64_t sample, std::int64_t position) const noexcept {
    return kept_[static_cast<std::size_t>(sample * positions_ + position)] != 0;
  }

  /// Keeps nothing any more, of all samples or of one; the cost stays.
  void clear() { std::fill(kept_.begin(), kept_.end(), std::uint8_t{0}); }
  void clear(std::int64_t sample) {
    auto const first = kept_.begin() + sample * positions_;
    std::fill(first, first + positions_, std::uint8_t{0});
  }

  token_cost const& cost(std::int64_t sample) const noexcept {
    return costs_[static_cast<std::size_t>(sample)];
  }
  token_cost cost() const noexcept {
    token_cost sum;
    for (token_cost const& c : costs_) sum += c;
    return sum;
  }
  void reset_cost() { std::fill(costs_.begin(), costs_.end(), token_cost{}); }

 private:
  template <class Prediction, bool TimeFree>
  friend class transformer_of;

  key_value_store() = default;
  key_value_store(transformer_size size, std::int64_t batch, std::int64_t positions)
      : size_(size), batch_(batch), positions_(positions) {
    index const head = size.width / size.heads, length = panels::room(positions);
    keys_per_head_ = head * length;
    values_per_head_ = panels::rows_room(head) * length;
    auto const count = static_cast<std::size_t>(batch);
    auto const heads = count * static_cast<std::size_t>(size.layers * size.heads);
    keys_.resize(heads * static_cast<std::size_t>(keys_per_head_));
    values_.resize(heads * static_cast<std::size_t>(values_per_head_));
    kept_.resize(count * static_cast<std::size_t>(positions));
    costs_.resize(count);
  }

  // Of each sample, layer and head: keys [panels of positions, head width, height], already turned
  // by their positions, and values [positions, head width]. What is not kept is finite all the
  // same, so that a weight of 0 silences it.
  float* keys(std::int64_t sample, index layer, index head) noexcept {
    return keys_.data() + ((sample * size_.layers + layer) * size_.heads + head) * keys_per_head_;
  }
  float* values(std::int64_t sample, index layer, index head) noexcept {
    return values_.data() +
           ((sample * size_.layers + layer) * size_.heads + head) * values_per_head_;
  }

  transformer_size size_{};
  std::int64_t batch_ = 0, positions_ = 0;
  index keys_per_head_ = 0, values_per_head_ = 0;
  std::vector<float> keys_, values_;
  std::vector<std::uint8_t> kept_;
  std::vector<token_cost> costs_;
};

/// A transformer over tokens that answers with the logits of every class, whole rows at a time or,
/// with a store of keys and values, as little of them as is asked for (kv_denoiser).
///
///     h  = token[x] (+ embedding of the time)                              [positions, width]
///     h += proj(attend(turn(qkv(norm1(h)))))                               every layer
///     h += b(silu(a(norm2(h))))
///     logits = out(norm(h))
///
/// norm is a layer norm. turn rotates q and k: of the d channels of a head, (c, c + d / 2) by the
/// angle p 10000^(-2 c / d), p the absolute position. Tensors: token.weight [classes, width]; norm
/// [width], out [classes, width]; block.<i>.{norm1, norm2} [width], .qkv [3 width, width], .proj
/// [width, width], .a [4 width, width], .b [width, 4 width], all with .weight and .bias; time1 and
/// time2 of `embedding` if the network is told the time.
///
/// A position's result is a function of its token, its place and the keys and values that it sees:
/// the same bits whatever batch, other queries, store or threads are around it. Where a call
/// without a store and one with it see the same, they say the same. Positions whose logits are not
/// wanted leave out what follows the last layer's keys and values.
///
/// Source    Vaswani et al. 2017, arXiv:1706.03762; Su et al. 2021, arXiv:2104.09864 (rotation);
///           Arriola et al. 2025, arXiv:2503.09573 (blocks).
/// Shapes    x [batch, positions], whole numbers; roles the same; out [batch, positions x classes],
///           of which the rows of other positions are left as they are; t = q.at.t.
/// Requires  host memory; one object may be called from several threads, a store from one at a
///           time.
/// Errors    sizes out of range, a tensor of another shape, a view of another width or batch, a
///           token that is no class, a time that is not finite, a store of another network, roles
///           that contradict each other, reuse of what was never kept: throws diffx::error, and
///           nothing was written.
template <class Prediction, bool TimeFree>
class transformer_of {
  static constexpr std::string_view where = "diffx::denoiser::eigen::transformer";

 public:
  Prediction prediction{};
  static constexpr bool time_free = TimeFree;

  /// `source` is a safetensors object, random_weights, or anything with tensor(name, shape).
  template <class Source>
  transformer_of(transformer_size size, Source const& source, Prediction predicted = {})
      : prediction(predicted), net_(std::make_shared<network>(checked(size), source)) {}

  /// With the sizes that the file states. Its metadata 'told_time' must be 0 or 1 as the type is.
  explicit transformer_of(safetensors const& file, Prediction predicted = {})
      : transformer_of(transformer_size_of(file), file, predicted) {
    std::string const& told = file.metadata("told_time");
    if (told == (TimeFree ? "0" : "1")) return;
    diffx::detail::fail(std::string(where) + ": '" + file.source() + "': told_time = " + told +
                        (TimeFree ? ", must be 0. Use timed_transformer for a network that is told"
                                    " the time."
                                  : ", must be 1. Use transformer for a network that is not told"
                                    " the time."));
  }

  transformer_size const& size() const noexcept { return net_->size; }
  std::int64_t block_length() const noexcept { return net_->size.block_length; }

  /// An empty store for `batch` samples of `positions` tokens.
  key_value_store make_store(std::int64_t batch, std::int64_t positions) const {
    diffx::detail::require(batch >= 0, where, "batch of a store", batch, "at least 0");
    diffx::detail::require(positions >= 1, where, "positions of a store", positions, "at least 1");
    return key_value_store(net_->size, batch, positions);
  }

  /// What a call without a store costs for one sample of so many positions.
  token_cost full_cost(std::int64_t positions) const noexcept {
    token_cost c{1, positions, positions, 0, 0};
    for (std::int64_t p = 0; p < positions; ++p) c.pairs += net_->sees(p, positions);
    c.flops = net_->flops(c, c.pairs);
    return c;
  }

  /// All positions of all rows.
  template <class Exec, class Code, class T>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<T> out) const {
    network const& net = *net_;
    check(x, out);
    check_time(q);
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (std::int64_t p = 0; p < x.features; ++p) check_token(x.row(i)[p]);
    }
    detail::for_each_tile<1>(exec, x.batch, net.pool, [&](scratch& s, std::int64_t i, index) {
      if (s.own.positions_ < x.features) s.own = key_value_store(net.size, 1, x.features);
      net.run(s, x.row(i), q.at.t, static_cast<kv::role const*>(nullptr), x.features, s.own, 0,
              out.row(i));
    });
  }

  /// The positions that have a role, with a store.
  template <class Exec, class Code, class T>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<kv::role const> roles, key_value_store& store,
                  batch_view<T> out) const {
    network const& net = *net_;
    check(x, out);
    check_time(q);
    diffx::detail::require(store.size_ == net.size, where, "classes of the network of the store",
                           store.size_.classes, "those of this network, and all other sizes too");
    check_same("batch", x.batch, store.batch(), "the store");
    check_same("positions", x.features, store.positions(), "the store");
    check_same("batch of the roles", roles.batch, x.batch, "the tokens");
    check_same("positions of the roles", roles.features, x.features, "the tokens");
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (std::int64_t p = 0; p < x.features; ++p) {
        kv::role const role = roles.row(i)[p];
        bool const queried = (role & kv::query) != 0, reused = (role & kv::reuse) != 0;
        if (role >= 16 || (role != 0 && queried == reused) || (reused && role != kv::reuse)) {
          fail_at(i, p,
                  "role = " + std::to_string(role) +
                      ", must be 0, reuse, or query with or without keep and logits");
        }
        if (reused && !store.kept(i, p)) {
          fail_at(i, p, "is to be reused, but its key and value were never kept");
        }
        if (queried) check_token(x.row(i)[p]);
      }
    }
    detail::for_each_tile<1>(exec, x.batch, net.pool, [&](scratch& s, std::int64_t i, index) {
      store.costs_[static_cast<std::size_t>(i)] +=
          net.run(s, x.row(i), q.at.t, roles.row(i), x.features, store, i, out.row(i));
      std::uint8_t* const kept = store.kept_.data() + i * x.features;
      for (std::int64_t p = 0; p < x.features; ++p) {
        if ((roles.row(i)[p] & kv::keep) != 0) kept[p] = 1;
      }
    });
  }

 private:
  static constexpr index chunk = 48;  // positions whose activations stay in the cache

  struct scratch {
    embedding::scratch told;
    buffer h, q, normed, inner, mixed, scores, seen, turns, saved;
    std::vector<index> at, wanted, replaced;  // queried positions; indices into them; positions
    std::vector<index> limits;                // of the queries: they see positions before it
    index turned = 0;                         // positions whose angles are in `turns`
    key_value_store own;                      // of calls without a store
  };

  struct layer {
    template <class Source>
    layer(Source const& s, std::string const& name, index width)
        : norm1(s, name + ".norm1", width, 1),
          qkv(s, name + ".qkv", width, 3 * width),
          proj(s, name + ".proj", width, width),
          norm2(s, name + ".norm2", width, 1),
          a(s, name + ".a", width, 4 * width),
          b(s, name + ".b", 4 * width, width) {}
    group_norm norm1;
    panels::linear qkv, proj;
    group_norm norm2;
    panels::linear a, b;
  };

  using column = panels::columns<float>;
  using const_column = panels::columns<float const>;

  struct network {
    template <class Source>
    network(transformer_size sizes, Source const& s)
        : size(sizes), norm(s, "norm", sizes.width, 1), out(s, "out", sizes.width, sizes.classes) {
      auto const& table = s.tensor("token.weight", {size.classes, size.width});
      token = Eigen::Map<matrix const>(table.data(), size.width, size.classes);
      for (std::int64_t i = 0; i < size.layers; ++i) {
        layers.emplace_back(s, "block." + std::to_string(i), size.width);
      }
      if constexpr (!TimeFree) told.emplace_back(s, size.width, 0, where);
    }

    /// How many positions there are for a query at p to see.
    index sees(index p, index positions) const noexcept {
      if (size.block_length == 0) return positions;
      return std::min(positions, (p / size.block_length + 1) * size.block_length);
    }

    /// The products of a sample with the queries and logits of c; `wanted` are the attended pairs
    /// of those queries whose logits are wanted.
    std::int64_t flops(token_cost const& c, std::int64_t wanted) const noexcept {
      std::int64_t const w = size.width;
      std::int64_t const after = 2 * w * w + 16 * w * w;  // proj, a and b
      std::int64_t const most = size.layers > 0 ? size.layers - 1 : 0, last = size.layers - most;
      return size.layers * c.rows * 6 * w * w + most * (c.rows * after + 4 * w * c.pairs) +
             last * (c.logits * after + 4 * w * wanted) + c.logits * 2 * w * size.classes;
    }

    template <class Code, class T>
    token_cost run(scratch& s, Code const* x, double t, kv::role const* roles, index positions,
                   key_value_store& store, std::int64_t sample, T* result) const {
      token_cost cost;
      float* const seen = s.seen.get(panels::room(positions));
      std::int64_t wanted_pairs = 0;
      index begin = positions, end = 0;
      read_roles(s, roles, positions, seen, begin, end, cost, wanted_pairs);
      if (s.at.empty()) return cost;
      cost.calls = 1;
      cost.flops = flops(cost, wanted_pairs);

      index count = static_cast<index>(s.at.size());
      index const width = size.width, stride = panels::room(width);
      column const h{s.h.get(stride * count), stride}, q{s.q.get(stride * count), stride};
      float const* const e = told.empty() ? nullptr : time(s, t);
      for (index c = 0; c < count; ++c) {
        auto const code = static_cast<index>(x[s.at[static_cast<std::size_t>(c)]]);
        std::copy_n(token.data() + code * width, width, h[c]);
        for (index i = 0; e != nullptr && i < width; ++i) h[c][i] += e[i];
      }
      prepare_turns(s, positions);
      if (roles != nullptr) save(s, roles, store, sample);
      for (index l = 0; l < size.layers; ++l) {
        queries_keys_values(s, l, h, q, count, store, sample);
        if (l + 1 == size.layers) {
          count = compact(s, h, q);
          if (count == 0) break;
        }
        column const mixed{s.mixed.get(stride * count), stride};
        attend(s, l, q, count, begin, end, seen, store, sample, mixed);
        after_attention(s, layers[static_cast<std::size_t>(l)], mixed, h, count);
      }
      if (size.layers == 0) count = compact(s, h, q);
      if (roles != nullptr) put_back(s, store, sample);
      write_logits(s, h, count, result);
      return cost;
    }

    /// The queried positions, what is seen, as 1 or 0, from `begin` to before `end`, and the cost.
    void read_roles(scratch& s, kv::role const* roles, index positions, float* seen, index& begin,
                    index& end, token_cost& cost, std::int64_t& wanted_pairs) const {
      s.at.clear();
      s.wanted.clear();
      s.limits.clear();
      constexpr kv::role all = kv::query | kv::logits;
      for (index p = 0; p < positions; ++p) {
        kv::role const role = roles == nullptr ? all : roles[p];
        bool const shows = (role & (kv::query | kv::reuse)) != 0;
        seen[p] = shows ? 1.0f : 0.0f;
        if (!shows) continue;
        begin = std::min(begin, p);
        end = p + 1;
        if ((role & kv::query) == 0) continue;
        if ((role & kv::logits) != 0) s.wanted.push_back(static_cast<index>(s.at.size()));
        s.at.push_back(p);
        s.limits.push_back(sees(p, positions));
      }
      std::fill(seen + positions, seen + panels::room(positions), 0.0f);
      begin = begin / panels::unit * panels::unit;
      cost.rows = static_cast<std::int64_t>(s.at.size());
      cost.logits = static_cast<std::int64_t>(s.wanted.size());
      index counted = 0;
      std::int64_t pairs = 0;
      std::size_t next = 0;
      for (std::size_t c = 0; c < s.at.size(); ++c) {  // the limits never fall
        for (; counted < s.limits[c]; ++counted) pairs += seen[counted] != 0.0f;
        cost.pairs += pairs;
        if (next < s.wanted.size() && s.wanted[next] == static_cast<index>(c)) {
          wanted_pairs += pairs;
          ++next;
        }
      }
    }

    float const* time(scratch& s, double t) const {
      return told.front()(s.told, t, labels{}, 0, 0, 1, 1).data();
    }

    /// cos and sin [positions, head width / 2] each.
    void prepare_turns(scratch& s, index positions) const {
      index const half = size.width / size.heads / 2;
      if (s.turned >= positions) return;
      float* turn = s.turns.get(2 * half * positions);
      for (index p = 0; p < positions; ++p, turn += 2 * half) {
        for (index c = 0; c < half; ++c) {
          double const angle =
              static_cast<double>(p) *
              std::pow(10000.0, -static_cast<double>(c) / static_cast<double>(half));
          turn[c] = static_cast<float>(std::cos(angle));
          turn[half + c] = static_cast<float>(std::sin(angle));
        }
      }
      s.turned = positions;
    }

    void queries_keys_values(scratch& s, index l, column h, column q, index count,
                             key_value_store& store, std::int64_t sample) const {
      layer const& net = layers[static_cast<std::size_t>(l)];
      index const width = size.width, heads = size.heads, d = width / heads, half = d / 2;
      index const stride = panels::room(width), wide = panels::room(3 * width);
      index const value_stride = panels::rows_room(d);
      column const normed{s.normed.get(stride * chunk), stride};
      column const qkv{s.inner.get(wide * chunk), wide};
      for (index first = 0; first < count; first += chunk) {
        index const n = std::min(chunk, count - first);
        for (index c = 0; c < n; ++c) {
          net.norm1.template apply<false>(h[first + c], 1, 1, normed[c]);
        }
        net.qkv.apply({normed.data, stride}, n, qkv);
        for (index c = 0; c < n; ++c) {
          index const p = s.at[static_cast<std::size_t>(first + c)];
          float const* const cosine = s.turns.data() + p * d;
          float const* const sine = cosine + half;
          float const* const from = qkv[c];
          index const in_panel = p / panels::height * panels::height * d + p % panels::height;
          for (index head = 0; head < heads; ++head) {
            float const* const a = from + head * d;
            float const* const k = a + width;
            float* const turned = q[first + c] + head * d;
            float* const key = store.keys(sample, l, head) + in_panel;
            for (index i = 0; i < half; ++i) {
              using diffx::detail::fma;
              turned[i] = fma(a[i], cosine[i], -(a[i + half] * sine[i]));
              turned[i + half] = fma(a[i + half], cosine[i], a[i] * sine[i]);
              key[i * panels::height] = fma(k[i], cosine[i], -(k[i + half] * sine[i]));
              key[(i + half) * panels::height] = fma(k[i + half], cosine[i], k[i] * sine[i]);
            }
            std::copy_n(k + width, d, store.values(sample, l, head) + p * value_stride);
          }
        }
      }
    }

    /// Moves the columns whose logits are wanted to the front: nothing else is needed any more.
    index compact(scratch& s, column h, column q) const {
      auto const count = static_cast<index>(s.wanted.size());
      for (index c = 0; c < count; ++c) {
        auto const from = static_cast<std::size_t>(s.wanted[static_cast<std::size_t>(c)]);
        s.at[static_cast<std::size_t>(c)] = s.at[from];
        s.limits[static_cast<std::size_t>(c)] = s.limits[from];
        if (static_cast<index>(from) == c) continue;
        std::copy_n(h[static_cast<index>(from)], size.width, h[c]);
        std::copy_n(q[static_cast<index>(from)], size.width, q[c]);
      }
      return count;
    }

    /// Keys are summed over in the order of their positions; one that is not seen weighs 0, which
    /// changes no sum. So the bits depend on what is seen alone.
    void attend(scratch& s, index l, column q, index count, index begin, index end,
                float const* seen, key_value_store& store, std::int64_t sample,
                column mixed) const {
      index const d = size.width / size.heads, value_stride = panels::rows_room(d);
      index const most = panels::room(end - begin);
      float const scale = 1.0f / std::sqrt(static_cast<float>(d));
      float* const memory = s.scores.get(panels::group * (most + value_stride));
      column const weights{memory, most}, sums{memory + panels::group * most, value_stride};
      for (index head = 0; head < size.heads; ++head) {
        float const* const keys = store.keys(sample, l, head) + begin * d;
        float const* const values = store.values(sample, l, head) + begin * value_stride;
        panels::for_each_group(count, [&](index c, auto number) {
          constexpr int queries = decltype(number)::value;
          auto const limit = [&](index i) {
            return std::min(end, s.limits[static_cast<std::size_t>(c + i)]) - begin;
          };
          index const length = panels::room(limit(queries - 1));  // the last one sees most
          const_column const asked{q[c] + head * d, q.stride};
          for (index p = 0; p < length; p += panels::height) {
            panels::multiply<queries>(keys + p * d, panels::height, d, asked, nullptr,
                                      {memory + p, most});
          }
          float inverse[queries];
          for (index i = 0; i < queries; ++i) {
            inverse[i] = softmax(weights[i], seen + begin, limit(i), length, scale);
          }
          for (index r = 0; r < value_stride; r += panels::height) {
            panels::multiply<queries>(values + r, value_stride, length, {memory, most}, nullptr,
                                      {sums.data + r, value_stride});
          }
          for (index i = 0; i < queries; ++i) {
            float* const to = mixed[c + i] + head * d;
            for (index r = 0; r < d; ++r) to[r] = sums[i][r] * inverse[i];
          }
        });
      }
    }

    /// w_j = exp(scale (w_j - max)) where j is seen and below the limit, else 0; returns 1 / sum.
    static float softmax(float* w, float const* seen, index limit, index length, float scale) {
      constexpr index unit = panels::unit;
      constexpr float least = -std::numeric_limits<float>::infinity();
      std::fill(w + limit, w + length, least);
      float top[unit], sum[unit];
      std::fill_n(top, unit, least);
      std::fill_n(sum, unit, 0.0f);
      for (index j = 0; j < length; j += unit) {
        for (index i = 0; i < unit; ++i) {
          float const value = seen[j + i] != 0.0f ? w[j + i] : least;
          top[i] = value > top[i] ? value : top[i];
        }
      }
      float const highest = *std::max_element(top, top + unit);
      for (index j = 0; j < length; j += unit) {
        for (index i = 0; i < unit; ++i) {
          float const e = diffx::detail::exp((w[j + i] - highest) * scale);
          float const weight = seen[j + i] != 0.0f && w[j + i] > least ? e : 0.0f;
          w[j + i] = weight;
          sum[i] += weight;
        }
      }
      for (index half = unit / 2; half > 0; half /= 2) {
        for (index i = 0; i < half; ++i) sum[i] += sum[i + half];
      }
      return 1.0f / sum[0];
    }

    void after_attention(scratch& s, layer const& net, column mixed, column h, index count) const {
      index const width = size.width, stride = panels::room(width);
      index const wide = panels::room(4 * width);
      column const normed{s.normed.get(stride * chunk), stride};
      column const inner{s.inner.get(wide * chunk), wide};
      for (index first = 0; first < count; first += chunk) {
        index const n = std::min(chunk, count - first);
        column const part = h.from(first);
        net.proj.template apply<true>({mixed[first], stride}, n, part);
        for (index c = 0; c < n; ++c) net.norm2.template apply<false>(part[c], 1, 1, normed[c]);
        net.a.apply({normed.data, stride}, n, inner);
        for (index c = 0; c < n; ++c) {
          float* const y = inner[c];
          DIFFX_INDEPENDENT
          for (index i = 0; i < 4 * width; ++i) y[i] = silu(y[i]);
        }
        net.b.template apply<true>({inner.data, wide}, n, part);
      }
    }

    template <class T>
    void write_logits(scratch& s, column h, index count, T* result) const {
      index const stride = panels::room(size.width), wide = panels::room(size.classes);
      column const normed{s.normed.get(stride * chunk), stride};
      column const logits{s.inner.get(wide * chunk), wide};
      for (index first = 0; first < count; first += chunk) {
        index const n = std::min(chunk, count - first);
        for (index c = 0; c < n; ++c) {
          norm.template apply<false>(h[first + c], 1, 1, normed[c]);
        }
        out.apply({normed.data, stride}, n, logits);
        for (index c = 0; c < n; ++c) {
          T* const to = result + s.at[static_cast<std::size_t>(first + c)] * size.classes;
          for (index i = 0; i < size.classes; ++i) to[i] = static_cast<T>(logits[c][i]);
        }
      }
    }

    // ---------------------------------------- what a query replaces that is not to be kept

    /// op(float of the store) for the keys and values of a position, in one order.
    template <class Op>
    void for_each_kept(key_value_store& store, std::int64_t sample, index p, Op const& op) const {
      index const d = size.width / size.heads, value_stride = panels::rows_room(d);
      index const in_panel = p / panels::height * panels::height * d + p % panels::height;
      for (index l = 0; l < size.layers; ++l) {
        for (index head = 0; head < size.heads; ++head) {
          float* const key = store.keys(sample, l, head) + in_panel;
          float* const value = store.values(sample, l, head) + p * value_stride;
          for (index i = 0; i < d; ++i) op(key[i * panels::height]);
          for (index i = 0; i < d; ++i) op(value[i]);
        }
      }
    }

    void save(scratch& s, kv::role const* roles, key_value_store& store,
              std::int64_t sample) const {
      s.replaced.clear();
      for (index const p : s.at) {
        if ((roles[p] & kv::keep) == 0 && store.kept(sample, p)) s.replaced.push_back(p);
      }
      float* to = s.saved.get(2 * size.layers * size.width * static_cast<index>(s.replaced.size()));
      for (index const p : s.replaced) {
        for_each_kept(store, sample, p, [&](float const& value) { *to++ = value; });
      }
    }

    void put_back(scratch& s, key_value_store& store, std::int64_t sample) const {
      float const* from = s.saved.data();
      for (index const p : s.replaced) {
        for_each_kept(store, sample, p, [&](float& value) { value = *from++; });
      }
    }

    transformer_size size;
    matrix token;                 // [width, classes]
    std::vector<embedding> told;  // none or one
    std::vector<layer> layers;
    group_norm norm;
    panels::linear out;
    mutable scratch_pool<scratch> pool;
  };

  static transformer_size checked(transformer_size size) {
    auto const check = [&](char const* name, std::int64_t value, std::int64_t least) {
      diffx::detail::require(value >= least, where, name, value,
                             "at least " + std::to_string(least));
    };
    check("classes", size.classes, 1);
    check("width", size.width, 1);
    check("heads", size.heads, 1);
    check("layers", size.layers, 0);
    check("block_length", size.block_length, 0);
    diffx::detail::require(size.width % (2 * size.heads) == 0, where, "width", size.width,
                           "a multiple of 2 heads");
    return size;
  }

  /// Builds its message only when it is needed: calls are to be free of allocations.
  static void check_same(char const* name, std::int64_t value, std::int64_t wanted,
                         char const* owner) {
    if (value == wanted) return;
    diffx::detail::reject(where, name, value,
                          std::to_string(wanted) + " as in " + std::string(owner));
  }

  template <class X, class Out>
  void check(X const& x, Out const& out) const {
    diffx::detail::require(x.features >= 1, where, "positions", x.features, "at least 1");
    check_same("batch of the output", out.batch, x.batch, "the tokens");
    check_same("features of the output", out.features, x.features * net_->size.classes,
               "positions x classes");
  }

  void check_time(query const& q) const {
    diffx::detail::require(TimeFree || std::isfinite(q.at.t), where, "t", q.at.t, "finite");
  }

  template <class Code>
  void check_token(Code code) const {
    static_assert(std::is_integral_v<Code>,
                  "diffx::denoiser::eigen::transformer: a token is a whole number.");
    auto const value = static_cast<std::int64_t>(code);
    if (value >= 0 && value < net_->size.classes) return;
    diffx::detail::reject(where, "a token", value,
                          "from 0 to " + std::to_string(net_->size.classes - 1));
  }

  [[noreturn]] static void fail_at(std::int64_t sample, std::int64_t position,
                                   std::string const& what) {
    diffx::detail::fail(std::string(where) + ": sample " + std::to_string(sample) + ", position " +
                        std::to_string(position) + ": " + what);
  }

  std::shared_ptr<network const> net_;
};

/// The usual ones: the softmax is the posterior of each position's class.
using transformer = transformer_of<diffx::prediction::x0_posterior<float>, true>;
using timed_transformer = transformer_of<diffx::prediction::x0_posterior<float>, false>;

static_assert(kv_denoiser<transformer> && kv_denoiser<timed_transformer>);

}  // namespace diffx::denoiser::eigen
