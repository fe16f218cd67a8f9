#pragma once

#include <diffx/denoiser/eigen/panels.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace diffx::denoiser::eigen {

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
  friend class token_layers;
  friend struct token_scratch;

  key_value_store() = default;
  key_value_store(std::shared_ptr<void const> network, index layers, index heads, index head,
                  std::int64_t batch, std::int64_t positions)
      : network_(std::move(network)),
        layers_(layers),
        heads_(heads),
        batch_(batch),
        positions_(positions) {
    index const length = panels::room(positions);
    keys_per_head_ = head * length;
    values_per_head_ = panels::rows_room(head) * length;
    auto const count = static_cast<std::size_t>(batch);
    auto const all = count * static_cast<std::size_t>(layers * heads);
    keys_.resize(all * static_cast<std::size_t>(keys_per_head_));
    values_.resize(all * static_cast<std::size_t>(values_per_head_));
    kept_.resize(count * static_cast<std::size_t>(positions));
    costs_.resize(count);
  }

  // Of each sample, layer and head: keys [panels of positions, head width, height], already turned
  // by their positions, and values [positions, head width]. What is not kept is finite all the
  // same, so that a weight of 0 silences it.
  float* keys(std::int64_t sample, index layer, index head) noexcept {
    return keys_.data() + ((sample * layers_ + layer) * heads_ + head) * keys_per_head_;
  }
  float* values(std::int64_t sample, index layer, index head) noexcept {
    return values_.data() + ((sample * layers_ + layer) * heads_ + head) * values_per_head_;
  }

  std::shared_ptr<void const> network_;  // that filled it
  index layers_ = 0, heads_ = 0;
  std::int64_t batch_ = 0, positions_ = 0;
  index keys_per_head_ = 0, values_per_head_ = 0;
  std::vector<float> keys_, values_;
  std::vector<std::uint8_t> kept_;
  std::vector<token_cost> costs_;
};

}  // namespace diffx::denoiser::eigen
