#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/kv.hpp>
#include <diffx/denoiser/eigen/embedding.hpp>
#include <diffx/denoiser/eigen/key_value_store.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/panels.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/eigen/sizes.hpp>
#include <diffx/denoiser/eigen/token_layers.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::denoiser::eigen {

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
/// With decoder_layers > 0 these layers are the encoder of text without noise, and rows whose
/// logits are wanted go through layers of their own, decoder.<i>. Decoder layer i attends to the
/// keys and values of encoder layer layers - decoder_layers + i for earlier blocks and to its own
/// for its block. Rows with query | keep are encoded, others that are queried are decoded, and
/// those with query | keep | logits both; a call without a store encodes and decodes everything.
///
/// A position's result is a function of its token, its place and the keys and values that it sees:
/// the same bits whatever batch, other queries, store or threads are around it. Where a call
/// without a store and one with it see the same, they say the same. Positions whose logits are not
/// wanted leave out what follows the last layer's keys and values.
///
/// Source    Vaswani et al. 2017, arXiv:1706.03762; Su et al. 2021, arXiv:2104.09864 (rotation);
///           Arriola et al. 2025, arXiv:2503.09573 (blocks); Arriola et al. 2025, arXiv:2510.22852
///           (decoder with the encoder's keys and values).
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
      : prediction(predicted), net_(std::make_shared<network>(checked(size, where), source)) {}

  /// With the sizes that the file states. Its metadata 'told_time' must be 0 or 1 as the type is.
  explicit transformer_of(safetensors const& file, Prediction predicted = {})
      : transformer_of(stated(file), file, predicted) {}

  transformer_size const& size() const noexcept { return net_->size; }
  std::int64_t block_length() const noexcept { return net_->size.block_length; }

  /// An empty store for `batch` samples of `positions` tokens.
  key_value_store make_store(std::int64_t batch, std::int64_t positions) const {
    diffx::detail::require(batch >= 0, where, "batch of a store", batch, "at least 0");
    diffx::detail::require(positions >= 1, where, "positions of a store", positions, "at least 1");
    return net_->store(net_, batch, positions);
  }

  /// What a call without a store costs for one sample of so many positions.
  token_cost full_cost(std::int64_t positions) const noexcept {
    std::int64_t pairs = 0;
    for (std::int64_t p = 0; p < positions; ++p) pairs += net_->sees(p, positions);
    token_cost c{1, 0, 0, 0, 0};
    if (net_->size.decoder_layers > 0) net_->count(c, net_->layers, positions, pairs, 0, 0);
    net_->count(c, net_->last(), positions, pairs, positions, pairs);
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
    detail::for_each_tile<1>(exec, x.batch, net.pool, [&](token_scratch& s, std::int64_t i, index) {
      if (s.own.positions_ < x.features) s.own = net.store(nullptr, 1, x.features);
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
    if (store.network_ != net_) {
      diffx::detail::fail(std::string(where) +
                          ": the store was made by another network. Use make_store of this one.");
    }
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
    detail::for_each_tile<1>(exec, x.batch, net.pool, [&](token_scratch& s, std::int64_t i, index) {
      store.costs_[static_cast<std::size_t>(i)] +=
          net.run(s, x.row(i), q.at.t, roles.row(i), x.features, store, i, out.row(i));
      std::uint8_t* const kept = store.kept_.data() + i * x.features;
      for (std::int64_t p = 0; p < x.features; ++p) {
        if ((roles.row(i)[p] & kv::keep) != 0) kept[p] = 1;
      }
    });
  }

 private:
  using column = panels::columns<float>;

  struct network {
    template <class Source>
    network(transformer_size sizes, Source const& s)
        : size(sizes),
          layers(s, "block", sizes.layers, sizes.width, sizes.heads, 0),
          decoder(s, "decoder", sizes.decoder_layers, sizes.width, sizes.heads,
                  sizes.layers - sizes.decoder_layers),
          norm(s, "norm", sizes.width, 1),
          out(s, "out", sizes.width, sizes.classes) {
      auto const& table = s.tensor("token.weight", {size.classes, size.width});
      token = Eigen::Map<matrix const>(table.data(), size.width, size.classes);
      if constexpr (!TimeFree) told.emplace_back(s, size.width, 0, where);
    }

    key_value_store store(std::shared_ptr<network const> owner, std::int64_t batch,
                          std::int64_t positions) const {
      return key_value_store(std::move(owner), size.layers, size.heads, size.width / size.heads,
                             batch, positions);
    }

    /// The layers that end in logits.
    token_layers const& last() const noexcept { return size.decoder_layers > 0 ? decoder : layers; }

    /// How many positions there are for a row at p to see.
    index sees(index p, index positions) const noexcept {
      if (size.block_length == 0) return positions;
      return std::min(positions, (p / size.block_length + 1) * size.block_length);
    }

    void count(token_cost& c, token_layers const& part, std::int64_t rows, std::int64_t pairs,
               std::int64_t wanted, std::int64_t wanted_pairs) const noexcept {
      c.rows += rows;
      c.pairs += pairs;
      c.logits += wanted;
      c.flops +=
          part.flops(rows, pairs, wanted, wanted_pairs) + wanted * 2 * size.width * size.classes;
    }

    /// One sample's call; no roles are those of a call without a store.
    template <class Code, class T>
    token_cost run(token_scratch& s, Code const* x, double t, kv::role const* roles,
                   index positions, key_value_store& store, std::int64_t sample, T* result) const {
      token_cost cost;
      if (size.decoder_layers == 0) {
        auto const role = [&](index p) {
          return roles == nullptr ? kv::role(kv::query | kv::logits) : roles[p];
        };
        pass(
            s, layers, x, t, 0, positions, positions, store, sample, result, cost,
            [&](index p) { return (role(p) & kv::query) != 0; },
            [&](index p) { return (role(p) & kv::logits) != 0; },
            [&](index p) { return role(p) != 0; },
            [&](index p) { return (role(p) & kv::keep) == 0 && store.kept(sample, p); });
        return cost;
      }
      auto const role = [&](index p) {
        return roles == nullptr ? kv::role(kv::query | kv::keep | kv::logits) : roles[p];
      };
      auto const encoded = [&](index p) { return (role(p) & kv::keep) != 0; };
      auto const stays = [&](index p) { return encoded(p) || store.kept(sample, p); };
      auto const never = [](index) { return false; };
      pass(
          s, layers, x, t, 0, positions, positions, store, sample, result, cost, encoded, never,
          [&](index p) { return encoded(p) || role(p) == kv::reuse; }, never);
      for (index first = 0; first < positions; first += size.block_length) {
        index const end = sees(first, positions);
        auto const decoded = [&](index p) {
          return p >= first && (role(p) & kv::query) != 0 && role(p) != (kv::query | kv::keep);
        };
        pass(
            s, decoder, x, t, first, end, positions, store, sample, result, cost, decoded,
            [&](index p) { return (role(p) & kv::logits) != 0; },
            [&](index p) { return decoded(p) || encoded(p) || role(p) == kv::reuse; }, stays);
      }
      return cost;
    }

    /// The rows of [first, end) through some layers: which are rows, which of them have their
    /// logits wanted, what is seen, and of which rows the store is to stay as it is.
    template <class Code, class T, class Row, class Wanted, class Seen, class Stays>
    void pass(token_scratch& s, token_layers const& part, Code const* x, double t, index first,
              index end, index positions, key_value_store& store, std::int64_t sample, T* result,
              token_cost& cost, Row const& is_row, Wanted const& is_wanted, Seen const& is_seen,
              Stays const& stays) const {
      s.at.clear();
      s.limits.clear();
      s.wanted.clear();
      for (index p = first; p < end; ++p) {
        if (!is_row(p)) continue;
        if (is_wanted(p)) s.wanted.push_back(static_cast<index>(s.at.size()));
        s.at.push_back(p);
        s.limits.push_back(sees(p, positions));
      }
      if (s.at.empty()) return;
      look(s, positions, is_seen);
      cost.calls = 1;
      count(cost, part, static_cast<std::int64_t>(s.at.size()), s.pairs,
            static_cast<std::int64_t>(s.wanted.size()), s.wanted_pairs);

      auto const rows = static_cast<index>(s.at.size());
      index const width = size.width, stride = panels::room(width);
      column const h{s.h.get(stride * rows), stride};
      for (index c = 0; c < rows; ++c) {
        auto const code = static_cast<index>(x[s.at[static_cast<std::size_t>(c)]]);
        std::copy_n(token.data() + code * width, width, h[c]);
      }
      if constexpr (!TimeFree) {
        if (&part == &last()) {  // an encoder sees text without noise
          float const* const e = told.front()(s.told, t, labels{}, 0, 0, 1, 1).data();
          for (index c = 0; c < rows; ++c) {
            for (index i = 0; i < width; ++i) h[c][i] += e[i];
          }
        }
      }
      part.save(s, store, sample, stays);
      index const wanted = part.run(s, h, store, sample);
      part.put_back(s, store, sample);
      write_logits(s, h, wanted, result);
    }

    /// What is seen, and the pairs.
    template <class Seen>
    void look(token_scratch& s, index positions, Seen const& is_seen) const {
      float* const seen = s.seen.get(panels::room(positions));
      std::fill(seen, seen + panels::room(positions), 0.0f);
      s.begin = positions;
      s.pairs = s.wanted_pairs = 0;
      index p = 0;
      std::int64_t found = 0;
      std::size_t next = 0;
      for (std::size_t c = 0; c < s.at.size(); ++c) {  // the limits never fall
        for (; p < s.limits[c]; ++p) {
          if (!is_seen(p)) continue;
          seen[p] = 1.0f;
          s.begin = std::min(s.begin, p);
          s.end = p + 1;
          ++found;
        }
        s.pairs += found;
        if (next < s.wanted.size() && s.wanted[next] == static_cast<index>(c)) {
          s.wanted_pairs += found;
          ++next;
        }
      }
      s.begin = s.begin / panels::unit * panels::unit;
    }

    template <class T>
    void write_logits(token_scratch& s, column h, index count, T* result) const {
      constexpr index chunk = token_layers::chunk;
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

    transformer_size size;
    matrix token;                 // [width, classes]
    std::vector<embedding> told;  // none or one
    token_layers layers, decoder;
    group_norm norm;
    panels::linear out;
    mutable scratch_pool<token_scratch> pool;
  };

  static transformer_size stated(safetensors const& file) {
    std::string const& told = file.metadata("told_time");
    if (told == (TimeFree ? "0" : "1")) return transformer_size_of(file);
    diffx::detail::fail(std::string(where) + ": '" + file.source() + "': told_time = " + told +
                        (TimeFree ? ", must be 0. Use timed_transformer for a network that is told "
                                    "the time."
                                  : ", must be 1. Use transformer for a network that is not."));
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
