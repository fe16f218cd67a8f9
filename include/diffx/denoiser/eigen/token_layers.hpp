#pragma once

#include <diffx/denoiser/eigen/embedding.hpp>
#include <diffx/denoiser/eigen/key_value_store.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/panels.hpp>
#include <diffx/detail/exp.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace diffx::denoiser::eigen {

/// What one sample's call works in.
struct token_scratch {
  embedding::scratch told;
  buffer h, q, normed, inner, mixed, scores, seen, turns, saved;
  std::vector<index> at;        // positions of the rows, ascending
  std::vector<index> limits;    // of each row: it sees positions before that
  std::vector<index> wanted;    // indices of the rows that go on after the last keys and values
  std::vector<index> replaced;  // positions whose keys and values are to be put back
  index begin = 0, end = 0;     // what is seen lies between; begin is a multiple of panels::unit
  index turned = 0;             // positions whose angles are in `turns`
  std::int64_t pairs = 0, wanted_pairs = 0;  // (row, position that it sees)
  key_value_store own;                       // of calls without a store
};

/// The layers of a transformer of tokens, on some rows of one sample. Keys and values of all
/// positions lie in a store; rows write theirs before they attend.
///
///     h += proj(attend(turn(qkv(norm1(h)))))
///     h += b(silu(a(norm2(h))))
///
/// A sum over keys goes through the positions in order, and those that are not seen weigh 0, which
/// changes no sum: the bits depend on what is seen alone.
class token_layers {
  using column = panels::columns<float>;
  using const_column = panels::columns<float const>;

 public:
  static constexpr index chunk = 48;  // rows whose activations stay in the cache

  /// `first_slot`: the layer of the store that the first of these layers writes to and reads.
  template <class Source>
  token_layers(Source const& s, std::string const& name, index count, index width, index heads,
               index first_slot)
      : width_(width), heads_(heads), first_slot_(first_slot) {
    for (index i = 0; i < count; ++i) {
      layers_.emplace_back(s, name + "." + std::to_string(i), width);
    }
  }

  index count() const noexcept { return static_cast<index>(layers_.size()); }

  /// Of the products that `run` does, a multiply-add being two.
  std::int64_t flops(std::int64_t rows, std::int64_t pairs, std::int64_t wanted,
                     std::int64_t wanted_pairs) const noexcept {
    if (count() == 0) return 0;
    std::int64_t const w = width_, after = 18 * w * w;  // proj, a and b
    return count() * rows * 6 * w * w + (count() - 1) * (rows * after + 4 * w * pairs) +
           wanted * after + 4 * w * wanted_pairs;
  }

  /// Takes h, the columns of the rows s.at, through all layers. Only the wanted rows go beyond the
  /// last keys and values; they end up at the front. Returns their number.
  index run(token_scratch& s, column h, key_value_store& store, std::int64_t sample) const {
    auto count_of_rows = static_cast<index>(s.at.size());
    index const stride = h.stride;
    column const q{s.q.get(stride * count_of_rows), stride};
    prepare_turns(s, store.positions_);
    for (index l = 0; l < count(); ++l) {
      queries_keys_values(s, l, h, q, count_of_rows, store, sample);
      if (l + 1 == count()) {
        count_of_rows = compact(s, h, q);
        if (count_of_rows == 0) return 0;
      }
      column const mixed{s.mixed.get(stride * count_of_rows), stride};
      attend(s, l, q, count_of_rows, store, sample, mixed);
      after_attention(s, layers_[static_cast<std::size_t>(l)], mixed, h, count_of_rows);
    }
    return count() == 0 ? compact(s, h, q) : count_of_rows;
  }

  /// Copies what rows will replace that is to stay: `stays(p)` says so.
  template <class Stays>
  void save(token_scratch& s, key_value_store& store, std::int64_t sample,
            Stays const& stays) const {
    s.replaced.clear();
    for (index const p : s.at) {
      if (stays(p)) s.replaced.push_back(p);
    }
    float* to = s.saved.get(2 * count() * width_ * static_cast<index>(s.replaced.size()));
    for (index const p : s.replaced) {
      for_each_kept(store, sample, p, [&](float const& value) { *to++ = value; });
    }
  }

  void put_back(token_scratch& s, key_value_store& store, std::int64_t sample) const {
    float const* from = s.saved.data();
    for (index const p : s.replaced) {
      for_each_kept(store, sample, p, [&](float& value) { value = *from++; });
    }
  }

 private:
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

  /// cos and sin [positions, head width / 2] each.
  void prepare_turns(token_scratch& s, index positions) const {
    index const half = width_ / heads_ / 2;
    if (s.turned >= positions) return;
    float* turn = s.turns.get(2 * half * positions);
    for (index p = 0; p < positions; ++p, turn += 2 * half) {
      for (index c = 0; c < half; ++c) {
        double const angle = static_cast<double>(p) *
                             std::pow(10000.0, -static_cast<double>(c) / static_cast<double>(half));
        turn[c] = static_cast<float>(std::cos(angle));
        turn[half + c] = static_cast<float>(std::sin(angle));
      }
    }
    s.turned = positions;
  }

  void queries_keys_values(token_scratch& s, index l, column h, column q, index count,
                           key_value_store& store, std::int64_t sample) const {
    layer const& net = layers_[static_cast<std::size_t>(l)];
    index const width = width_, heads = heads_, d = width / heads, half = d / 2;
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
          float* const key = store.keys(sample, first_slot_ + l, head) + in_panel;
          for (index i = 0; i < half; ++i) {
            using diffx::detail::fma;
            turned[i] = fma(a[i], cosine[i], -(a[i + half] * sine[i]));
            turned[i + half] = fma(a[i + half], cosine[i], a[i] * sine[i]);
            key[i * panels::height] = fma(k[i], cosine[i], -(k[i + half] * sine[i]));
            key[(i + half) * panels::height] = fma(k[i + half], cosine[i], k[i] * sine[i]);
          }
          std::copy_n(k + width, d, store.values(sample, first_slot_ + l, head) + p * value_stride);
        }
      }
    }
  }

  /// Moves the wanted columns to the front: of the others nothing is needed any more.
  index compact(token_scratch& s, column h, column q) const {
    auto const count = static_cast<index>(s.wanted.size());
    for (index c = 0; c < count; ++c) {
      auto const from = static_cast<std::size_t>(s.wanted[static_cast<std::size_t>(c)]);
      s.at[static_cast<std::size_t>(c)] = s.at[from];
      s.limits[static_cast<std::size_t>(c)] = s.limits[from];
      if (static_cast<index>(from) == c) continue;
      std::copy_n(h[static_cast<index>(from)], width_, h[c]);
      std::copy_n(q[static_cast<index>(from)], width_, q[c]);
    }
    return count;
  }

  /// Keys are summed over in the order of their positions; one that is not seen weighs 0, which
  /// changes no sum. So the bits depend on what is seen alone.
  void attend(token_scratch& s, index l, column q, index count, key_value_store& store,
              std::int64_t sample, column mixed) const {
    index const begin = s.begin, end = s.end;
    float const* const seen = s.seen.data();
    index const d = width_ / heads_, value_stride = panels::rows_room(d);
    index const most = panels::room(end - begin);
    float const scale = 1.0f / std::sqrt(static_cast<float>(d));
    float* const memory = s.scores.get(panels::group * (most + value_stride));
    column const weights{memory, most}, sums{memory + panels::group * most, value_stride};
    for (index head = 0; head < heads_; ++head) {
      float const* const keys = store.keys(sample, first_slot_ + l, head) + begin * d;
      float const* const values =
          store.values(sample, first_slot_ + l, head) + begin * value_stride;
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

  void after_attention(token_scratch& s, layer const& net, column mixed, column h,
                       index count) const {
    index const width = width_, stride = panels::room(width);
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

  /// op(float of the store) for the keys and values of a position, in one order.
  template <class Op>
  void for_each_kept(key_value_store& store, std::int64_t sample, index p, Op const& op) const {
    index const d = width_ / heads_, value_stride = panels::rows_room(d);
    index const in_panel = p / panels::height * panels::height * d + p % panels::height;
    for (index l = 0; l < count(); ++l) {
      for (index head = 0; head < heads_; ++head) {
        float* const key = store.keys(sample, first_slot_ + l, head) + in_panel;
        float* const value = store.values(sample, first_slot_ + l, head) + p * value_stride;
        for (index i = 0; i < d; ++i) op(key[i * panels::height]);
        for (index i = 0; i < d; ++i) op(value[i]);
      }
    }
  }

  index width_, heads_, first_slot_;
  std::vector<layer> layers_;
};

}  // namespace diffx::denoiser::eigen
