#pragma once

#include <diffx/cache/kv.hpp>
#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/kv.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx {

/// What a cache of keys and values has cost so far, over all samples and branches.
struct kv_cost {
  std::int64_t calls = 0;        // of the network
  std::int64_t rows = 0;         // positions that it ran on
  std::int64_t pairs = 0;        // (row, attended position) pairs, each once per layer and head
  std::int64_t dense_rows = 0;   // rows without a cache
  std::int64_t dense_pairs = 0;  // pairs without a cache
};

namespace detail {

template <class C>
inline constexpr bool keeps_kv = false;
template <class C>
requires requires { C::keeps_kv; }
inline constexpr bool keeps_kv<C> = C::keeps_kv;

/// The stores of a run, one for each branch, and what is in them.
template <class Denoiser, int Branches>
class kv_memory {
  using store = decltype(std::declval<Denoiser const&>().make_store(0, 0));

 public:
  kv_memory(Denoiser const& denoiser, std::int64_t batch, std::int64_t positions)
      : batch_(batch),
        positions_(positions),
        roles_(static_cast<std::size_t>(batch * positions)),
        stored_(static_cast<std::size_t>(batch * positions), cache::kv_sample::none) {
    for (int b = 0; b < Branches; ++b) stores_.push_back(denoiser.make_store(batch, positions));
  }

  /// Asks the cache for the roles of this call.
  template <class Cache, class Block, class Stage>
  void plan(Cache const& policy, Block& block, Stage const& stage, int step) {
    auto const committed = block.committed();
    for (std::int64_t i = 0; i < batch_; ++i) {
      auto const at = static_cast<std::size_t>(i * positions_);
      auto const c = block.cursors()[static_cast<std::size_t>(i)];
      std::span<kv::role> const out(roles_.data() + at, static_cast<std::size_t>(positions_));
      if (c.active == 0) {
        std::fill(out.begin(), out.end(), kv::role{0});
        continue;
      }
      cache::kv_sample s{static_cast<std::int32_t>(positions_),
                         c.first,
                         c.last,
                         step - c.since,
                         step,
                         c.origin,
                         committed.row(i),
                         stored_.data() + at,
                         {},
                         {},
                         block.edits()};
      if constexpr (Cache::asks_next) {
        made_.clear();
        for (std::int32_t p = c.first; p < c.last; ++p) {
          if (s.committed[p] == step - 1 && s.call > 0) made_.push_back(p);
        }
        s.made = made_;
        s.next = block.next(i, stage);
      }
      policy.roles(s, out);
    }
    count();
  }

  batch_view<kv::role const> roles() const noexcept {
    return {roles_.data(), batch_, positions_, 0};
  }
  store& of(int branch) noexcept { return stores_[static_cast<std::size_t>(branch)]; }

  /// A branch has answered.
  void called() noexcept {
    ++cost_.calls;
    cost_.rows += rows_;
    cost_.pairs += pairs_;
    cost_.dense_rows += dense_rows_;
    cost_.dense_pairs += dense_pairs_;
  }
  /// All have: what was to be kept is there.
  void finish(int step) noexcept {
    for (std::size_t k = 0; k < roles_.size(); ++k) {
      if ((roles_[k] & kv::keep) != 0) stored_[k] = step;
    }
  }
  /// Nothing that is stored is used again.
  void forget() noexcept { std::fill(stored_.begin(), stored_.end(), cache::kv_sample::none); }

  kv_cost const& cost() const noexcept { return cost_; }
  std::span<std::int32_t const> stored() const noexcept { return stored_; }

 private:
  void count() noexcept {
    rows_ = pairs_ = dense_rows_ = dense_pairs_ = 0;
    for (std::int64_t i = 0; i < batch_; ++i) {
      std::int64_t rows = 0, seen = 0;
      for (std::int64_t p = 0; p < positions_; ++p) {
        kv::role const r = roles_[static_cast<std::size_t>(i * positions_ + p)];
        rows += (r & kv::query) != 0 ? 1 : 0;
        seen += (r & (kv::query | kv::reuse)) != 0 ? 1 : 0;
      }
      rows_ += rows;
      pairs_ += rows * seen;
      if (rows == 0) continue;
      dense_rows_ += positions_;
      dense_pairs_ += positions_ * positions_;
    }
  }

  std::int64_t batch_, positions_;
  std::vector<kv::role> roles_;
  std::vector<std::int32_t> stored_;
  std::vector<std::int32_t> made_;
  std::vector<store> stores_;
  std::int64_t rows_ = 0, pairs_ = 0, dense_rows_ = 0, dense_pairs_ = 0;
  kv_cost cost_;
};

/// Of a run whose cache keeps no keys and values.
struct no_kv {
  template <class... Args>
  explicit no_kv(Args const&...) noexcept {}
};

template <bool Keeps, class Denoiser, int Branches>
struct kv_memory_of {
  using type = no_kv;
};
template <class Denoiser, int Branches>
struct kv_memory_of<true, Denoiser, Branches> {
  using type = kv_memory<Denoiser, Branches>;
};

}  // namespace detail
}  // namespace diffx
