#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/guidance.hpp>
#include <diffx/concepts/noise.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/detail/bit_row.hpp>
#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/error.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace diffx::detail {

/// Packed rows: [batch, words] words of `bits` bits a row.
struct bit_rows {
  std::uint32_t* data;
  std::int64_t words, bits, size, first_sample;
  std::uint8_t const* fixed;  // null, or a mask like `data`: 1 where the bit stays

  /// The words first ... first + Lanes of all rows; those beyond the last repeat it.
  template <int Lanes>
  DIFFX_HD void place(std::int64_t first, std::int64_t (&row)[Lanes],
                      std::int64_t (&word)[Lanes]) const noexcept {
    row[0] = first / words;
    word[0] = first - row[0] * words;
    for (int i = 1; i < Lanes; ++i) {
      bool const ends = word[i - 1] + 1 == words, last = first + i >= size;
      row[i] = row[i - 1] + (ends && !last ? 1 : 0);
      word[i] = last ? word[i - 1] : ends ? 0 : word[i - 1] + 1;
    }
  }
  /// Writes a word: what stays stays, and what is no bit of the row is 0.
  DIFFX_HD void put(std::int64_t index, std::int64_t word, std::uint32_t next) const noexcept {
    std::uint32_t kept = 0;
    if (fixed != nullptr) {
      memcpy(&kept, fixed + index * static_cast<std::int64_t>(sizeof kept), sizeof kept);
    }
    data[index] = ((next & ~kept) | (data[index] & kept)) & bits_in_word(word, bits);
  }
};

/// Flips every bit with one probability, or fills the rows with such bits.
template <int Lanes, class Noise>
struct flip_op {
  bit_rows rows;
  bernoulli_bits flips;
  bool fills;
  noise::key key;
  Noise noise;

  DIFFX_HD void operator()(std::int64_t chunk) const {
    std::int64_t const first = chunk * Lanes;
    std::int64_t sample[Lanes], word[Lanes];
    rows.place(first, sample, word);
    for (int i = 0; i < Lanes; ++i) sample[i] += rows.first_sample;
    std::uint32_t ones[Lanes];
    flips.draw(noise, key, sample, word, ones);
    for (int i = 0; i < Lanes && first + i < rows.size; ++i) {
      rows.put(first + i, word[i], (fills ? 0u : rows.data[first + i]) ^ ones[i]);
    }
  }
};

/// Where the mask is 1, the given bits, each flipped with one probability.
template <int Lanes, class Noise>
struct paste_bits_op {
  bit_rows rows;
  std::uint32_t const* given;
  std::uint32_t const* mask;  // like the state
  bernoulli_bits flips;
  noise::key key;
  Noise noise;

  DIFFX_HD void operator()(std::int64_t chunk) const {
    std::int64_t const first = chunk * Lanes;
    std::int64_t sample[Lanes], word[Lanes];
    rows.place(first, sample, word);
    for (int i = 0; i < Lanes; ++i) sample[i] += rows.first_sample;
    std::uint32_t ones[Lanes] = {};
    if (!flips.never()) flips.draw(noise, key, sample, word, ones);
    for (int i = 0; i < Lanes && first + i < rows.size; ++i) {
      std::uint32_t const m = mask[first + i];
      rows.put(first + i, word[i],
               (rows.data[first + i] & ~m) | ((given[first + i] ^ ones[i]) & m));
    }
  }
};

/// The one pass that follows an evaluation of a block of bits: logits are read once.
template <class T, int G, int Words, class Noise>
struct bit_pass {
  bit_rows rows;
  T const* source[G];
  T weight[G];
  T shift, same, slope;  // p(x' != x) = same + slope p(x0 != x)
  bool hard;             // x' = [logit > 0] xor `flips`
  bernoulli_bits flips;
  noise::key key;
  Noise noise;

  DIFFX_HD void operator()(std::int64_t chunk) const {
    std::int64_t const first = chunk * Words;
    std::int64_t row[Words], word[Words];
    rows.place(first, row, word);
    T logit[count];
    std::uint32_t now[Words], next[Words];
    std::int64_t sample[Words];
    for (int w = 0; w < Words; ++w) {
      now[w] = rows.data[first + w < rows.size ? first + w : rows.size - 1];
      load(row[w], word[w], logit + w * word_bits);
      sample[w] = rows.first_sample + row[w];
    }
    int nan = 0;
    for (int f = 0; f < count; ++f) nan |= logit[f] == logit[f] ? 0 : 1;
    if (nan != 0) {
      report(sample, word, logit);
      return;
    }
    if (hard) {
      threshold(logit, now, sample, word, next);
    } else {
      draw(logit, now, sample, word, next);
    }
    for (int w = 0; w < Words && first + w < rows.size; ++w) {
      rows.put(first + w, word[w], next[w]);
    }
  }

 private:
  static constexpr int count = Words * word_bits;

  /// The logits of one word, 0 beyond the row.
  DIFFX_HD void load(std::int64_t row, std::int64_t word, T* out) const {
    std::int64_t const at = row * rows.bits + word * word_bits, left = rows.bits - word * word_bits;
    int const n = left < word_bits ? static_cast<int>(left) : word_bits;
    if (n == word_bits) {
      mix(at, word_bits, out);
    } else {
      for (int j = 0; j < word_bits; ++j) out[j] = T(0);
      mix(at, n, out);
    }
  }
  /// A value that any branch rules out is ruled out, whatever the sign of its weight.
  [[gnu::always_inline]] DIFFX_HD void mix(std::int64_t at, int n, T* out) const {
#if defined(__CUDA_ARCH__)
    constexpr int end = word_bits;  // a loop of known length keeps the word in registers
#else
    int const end = n;
#endif
    for (int j = 0; j < end; ++j) {
      if (j < n) out[j] = join(T(0), weight[0], source[0][at + j]);
    }
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      for (int j = 0; j < end; ++j) {
        if (j < n) out[j] = join(out[j], weight[g], source[g][at + j]);
      }
    }
  }
  [[gnu::always_inline]] DIFFX_HD static T join(T sum, T w, T l) noexcept {
    T const open = fma(w, l, sum), closed = sum - sum == T(0) ? l : sum + l;
    return l - l == T(0) ? open : closed;
  }

  DIFFX_HD void report(std::int64_t const (&sample)[Words], std::int64_t const (&word)[Words],
                       T const (&logit)[count]) const {
    std::int64_t row = 0, bit = 0;  // the first
    for (int w = Words; w-- > 0;) {
      for (int j = word_bits; j-- > 0;) {
        if (logit[w * word_bits + j] == logit[w * word_bits + j]) continue;
        row = sample[w];
        bit = word[w] * word_bits + j;
      }
    }
    fail_at("the logit of a bit is NaN", row, bit, key.step);
  }

  DIFFX_HD void threshold(T const (&logit)[count], std::uint32_t const (&now)[Words],
                          std::int64_t const (&sample)[Words], std::int64_t const (&word)[Words],
                          std::uint32_t (&next)[Words]) const {
    std::uint32_t ones[Words] = {};
    if (!flips.never()) flips.draw(noise, key, sample, word, ones);
    for (int w = 0; w < Words; ++w) {
      std::uint32_t clean = 0;
      for (int j = 0; j < word_bits; ++j) {
        T const seen = (now[w] >> j & 1u) != 0 ? -shift : shift;
        std::uint32_t const one = logit[w * word_bits + j] + seen > T(0) ? 1 : 0;
        clean |= one << j;
      }
      next[w] = clean ^ ones[w];
    }
  }

  DIFFX_HD void draw(T const (&logit)[count], std::uint32_t const (&now)[Words],
                     std::int64_t const (&sample)[Words], std::int64_t const (&word)[Words],
                     std::uint32_t (&next)[Words]) const {
    bit_draws<Words> u;
    u.draw(noise, key, sample, word);
    // p(x' != x) in units of 2^-16: its whole part meets the digits that are drawn first.
    T p[count];
    for (int w = 0; w < Words; ++w) {
      for (int j = 0; j < word_bits; ++j) {
        T const l = logit[w * word_bits + j];
        T const other = (now[w] >> j & 1u) != 0 ? -l : l;  // log-odds of x0 != x
        p[w * word_bits + j] = T(65536) * fma(slope, sigmoid(other + shift), same);
      }
    }
    int ties = 0;
    for (int f = 0; f < count; ++f) ties |= u.first[f] == whole(p[f]) ? 1 : 0;
    for (int w = 0; w < Words; ++w) {
      std::uint32_t flipped = 0;
      for (int j = 0; j < word_bits; ++j) {
        std::uint32_t const one = u.first[w * word_bits + j] < whole(p[w * word_bits + j]) ? 1 : 0;
        flipped |= one << j;
      }
      next[w] = now[w] ^ flipped;
    }
    if (ties != 0) settle(u, p, sample, word, next);
  }

  /// Bits whose first digits are those of p: the others decide.
  DIFFX_HD void settle(bit_draws<Words> const& u, T const (&p)[count],
                       std::int64_t const (&sample)[Words], std::int64_t const (&word)[Words],
                       std::uint32_t (&next)[Words]) const {
    for (int w = 0; w < Words; ++w) {
      int any = 0;
      for (int j = 0; j < word_bits; ++j) {
        any |= u.first[w * word_bits + j] == whole(p[w * word_bits + j]) ? 1 : 0;
      }
      if (any == 0) continue;
      std::uint32_t open = 0;
      for (int j = 0; j < word_bits; ++j) {
        std::uint32_t const ties =
            u.first[w * word_bits + j] == whole(p[w * word_bits + j]) ? 1 : 0;
        open |= ties << j;
      }
      for (; open != 0; open &= open - 1) {
        std::uint32_t const lowest = open & (~open + 1);
        T of_it = 0;  // by selection: registers have no index
        int place = 0;
        for (int j = 0; j < word_bits; ++j) {
          bool const is_it = (lowest >> j & 1u) != 0;
          of_it = is_it ? p[w * word_bits + j] : of_it;
          place = is_it ? j : place;
        }
        T const part = T(65536) * (of_it - static_cast<T>(whole(of_it)));
        if (u.last(noise, key, sample[w], word[w], place) < whole(part)) next[w] ^= lowest;
      }
    }
  }

  [[gnu::always_inline]] DIFFX_HD static std::int32_t whole(T p) noexcept {
    return static_cast<std::int32_t>(p);
  }
};

/// Refuses bits beyond a row's last.
struct check_bits_op {
  bit_rows rows;
  DIFFX_HD void operator()(std::int64_t row) const {
    std::int64_t const word = rows.words - 1;
    if ((rows.data[row * rows.words + word] & ~bits_in_word(word, rows.bits)) == 0) return;
    fail_at("a bit beyond the row's last, which must be 0, is 1", rows.first_sample + row,
            rows.bits, -1);
  }
};

/// Everything that one block of packed bits of a run owns, and the passes over it.
template <class Word, class Process, class Prediction, class Solver, class Guidance, class Noise>
class binary_block {
 public:
  static constexpr bool takes_pasted = true;
  using mask_type = std::uint32_t;  // of what is pasted: packed as the state is
  static_assert(std::is_same_v<Word, std::uint32_t>,
                "diffx: packed bits stand in words of 32: batch_view<std::uint32_t>. For one "
                "integer a bit use process::xor_bernoulli.");
  static_assert(word_source<Noise>,
                "diffx: bits are drawn from random words, which this noise source does not give. "
                "Use noise::counted, or a source with words(key, sample, position).");

  using value_type = Word;
  using logit_type = typename Prediction::value_type;
  using plan_type = binary_plan;
  static constexpr int branches = Guidance::branches;
  static constexpr int state_slots = 1;

  /// Bytes of workspace for [batch, words].
  static std::int64_t workspace_bytes(Process const& process, std::int64_t batch, std::int64_t) {
    return checked_product(checked_product(batch, process.bits(), "workspace of logits"),
                           static_cast<std::int64_t>(sizeof(logit_type)) * branches,
                           "workspace of logits");
  }

  binary_block(batch_view<Word> x, std::byte* workspace, Process const& process, Prediction const&,
               Guidance const&, Solver const&, Noise const& noise, int block)
      : x_(x), bits_(process.bits()), noise_(noise), block_(block) {
    constexpr auto where = "diffx::run";
    require(x.features == bit_words(bits_), where, "words of a row",
            static_cast<long long>(x.features),
            "ceil(bits / 32) = " + text(static_cast<long long>(bit_words(bits_))));
    require(x.features <= bernoulli_bits::most_words, where, "words of a row",
            static_cast<long long>(x.features), "at most 2^28: their random words have addresses");
    auto* logits = reinterpret_cast<logit_type*>(workspace);
    for (auto& p : predictions_) {
      p = logits;
      logits += x.batch * bits_;
    }
  }

  /// Bits that stay: a mask packed as the state is, or null.
  void fix(std::uint8_t const* fixed) noexcept { fixed_ = fixed; }

  batch_view<Word> x() const noexcept { return x_; }
  Word const* current() const noexcept { return x_.data; }
  Noise const& noise() const noexcept { return noise_; }
  void use_noise(Noise const& noise) { noise_ = noise; }
  int block() const noexcept { return block_; }

  template <class Exec>
  batch_view<Word const> input(Exec const&, level const&) const noexcept {
    return {x_.data, x_.batch, x_.features, x_.first_sample};
  }

  /// Where the network writes the logits of a branch: [batch, bits].
  batch_view<logit_type> prediction(int branch) noexcept {
    return {predictions_[static_cast<std::size_t>(branch)], x_.batch, bits_, x_.first_sample};
  }

  template <class Exec>
  void apply(Exec const& exec, binary_stage const& s, prediction_mix const& m, bool, level const*,
             Word*) {
    constexpr int words = Exec::on_host ? 32 : 1;
    bit_pass<logit_type, branches, words, Noise> pass{rows(), {},     {}, {},    {},
                                                      {},     s.hard, {}, s.key, noise_};
    pass.key.block = block_;
    // A cavity is the law given the other bits: times q(x | x0).
    double const flip = 0.5 * s.convert.sigma;
    pass.shift =
        static_cast<logit_type>(Prediction::is_cavity ? std::log(flip) - std::log1p(-flip) : 0.0);
    pass.same = static_cast<logit_type>(s.same);
    pass.slope = static_cast<logit_type>(s.other - s.same);
    if (s.hard) pass.flips = bernoulli_bits(s.same);
    int used = 0;
    for (int b = 0; b < branches; ++b) {
      auto const at = static_cast<std::size_t>(b);
      if (m.weight[at] == 0.0) continue;
      pass.source[used] = predictions_[at];
      pass.weight[used++] = static_cast<logit_type>(m.weight[at]);
    }
    exec.for_each_sample((x_.size() + words - 1) / words, pass);
  }

  /// Fair bits.
  template <class Exec>
  void draw_prior(Exec const& exec, level const&, noise::key key) {
    flip(exec, 0.5, true, key);
  }

  /// Draws from q(x_then | x_now).
  template <class Exec>
  void add_noise(Exec const& exec, level const& now, level const& then, noise::key key) {
    check(exec);
    // Where nothing of the data is left, any flip keeps the law.
    flip(exec, now.alpha > 0.0 ? 0.5 * (then.sigma - now.sigma) / now.alpha : 0.5, false, key);
  }

  /// Bits where the mask is 1 take q(x_at | given).
  template <class Exec>
  void paste(Exec const& exec, Word const* given, Word const* mask, level const& at,
             noise::key key) {
    constexpr int lanes = Exec::on_host ? 64 : 1;
    key.block = block_;
    exec.for_each_sample((x_.size() + lanes - 1) / lanes,
                         paste_bits_op<lanes, Noise>{rows(), given, mask,
                                                     bernoulli_bits(0.5 * at.sigma), key, noise_});
  }

  /// What a checkpoint must agree with beyond the shape.
  template <class Hash>
  void add_to(Hash& h) const {
    h.add(bits_);
  }

  /// What the caller gave as a state.
  template <class Exec>
  void check(Exec const& exec) const {
    exec.for_each_sample(x_.batch, check_bits_op{rows()});
  }

  template <class F>
  void for_each_buffer(F const& f) const {
    f(x_.data, x_.size());
  }
  int retained() const noexcept { return 0; }
  bool input_ready() const noexcept { return false; }
  void restore(int, bool) noexcept {}

 private:
  bit_rows rows() const noexcept {
    return {x_.data, x_.features, bits_, x_.size(), x_.first_sample, fixed_};
  }

  template <class Exec>
  void flip(Exec const& exec, double probability, bool fills, noise::key key) const {
    constexpr int lanes = Exec::on_host ? 64 : 1;
    key.block = block_;
    exec.for_each_sample(
        (x_.size() + lanes - 1) / lanes,
        flip_op<lanes, Noise>{rows(), bernoulli_bits(probability), fills, key, noise_});
  }

  batch_view<Word> x_;
  std::int64_t bits_;
  Noise noise_;
  int block_;
  std::array<logit_type*, static_cast<std::size_t>(branches)> predictions_{};
  std::uint8_t const* fixed_ = nullptr;
};

}  // namespace diffx::detail
