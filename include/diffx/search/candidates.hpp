#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/error.hpp>
#include <diffx/run.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace diffx {

namespace detail {

/// A candidate's row goes to the kept ones where it has won; every row if winner is null.
template <class T>
struct keep_rows_op {
  T const* from;
  T* to;
  std::int64_t features;
  std::int32_t const* winner = nullptr;
  std::int32_t candidate = 0;

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
    if (winner != nullptr && winner[sample] != candidate) return;
    std::int64_t const base = sample * features + first;
    for (int i = 0; i < n; ++i) to[base + i] = from[base + i];
  }
};

/// The first candidate wins, and so does each that beats the best so far.
struct keep_scores_op {
  double const* score;
  double* best;
  std::int32_t* winner;
  std::int32_t candidate;

  DIFFX_HD void operator()(std::int64_t row) const {
    if (candidate > 0 && !(score[row] > best[row])) return;
    best[row] = score[row];
    winner[row] = candidate;
  }
};

}  // namespace detail

namespace search {

/// What a search over whole runs found. The best samples are in the caller's buffer.
template <class T>
struct search_result {
  std::vector<double> best;          // [batch] score of the kept sample
  std::vector<std::int32_t> winner;  // [batch] which candidate it was
  std::vector<double> scores;        // [candidates, batch] all scores, in order
  std::vector<T> noise;  // [batch, features] start noise of the winner, where the search owns it
  int runs = 0;
  int nfe = 0;  // network evaluations per row, over all runs
};

/// A workspace, cut from the front.
class pieces {
 public:
  explicit pieces(std::span<std::byte> memory) noexcept : left_(memory) {}

  template <class T>
  static std::int64_t bytes(std::int64_t n) noexcept {
    return detail::aligned_bytes(n * static_cast<std::int64_t>(sizeof(T)));
  }
  template <class T>
  T* take(std::int64_t n) noexcept {
    auto* const at = reinterpret_cast<T*>(left_.data());
    left_ = left_.subspan(static_cast<std::size_t>(bytes<T>(n)));
    return at;
  }
  std::span<std::byte> rest() const noexcept { return left_; }

 private:
  std::span<std::byte> left_;
};

/// Rows that compete for the caller's buffer, where the execution object works.
template <class Exec, class T>
class candidates {
  static_assert(
      Exec::on_host || requires(Exec const& e, void* to) { e.read_back(to, to, sizeof(double)); },
      "diffx: a search over whole runs reads the scores back at its end, which this execution "
      "object does not do: use exec::cuda. A loop that is recorded (exec::cuda_graph) has none "
      "yet.");

 public:
  static std::int64_t bytes(batch_view<T> x, int n, bool keeps_start) noexcept {
    return pieces::bytes<T>(x.size()) * (keeps_start ? 2 : 1) + pieces::bytes<double>(n * x.batch) +
           pieces::bytes<double>(x.batch) + pieces::bytes<std::int32_t>(x.batch);
  }

  candidates(Exec const& exec, batch_view<T> x, int n, bool keeps_start, pieces& memory)
      : exec_(&exec), x_(x), trial_(memory.take<T>(x.size())) {
    if (keeps_start) start_ = memory.take<T>(x.size());
    scores_ = memory.take<double>(n * x.batch);
    best_ = memory.take<double>(x.batch);
    winner_ = memory.take<std::int32_t>(x.batch);
    if (keeps_start) copy(x.data, start_);
  }

  batch_view<T> trial() const noexcept { return {trial_, x_.batch, x_.features, x_.first_sample}; }
  /// Puts the caller's start (an image to edit, a given state) into the trial.
  void restore_start() const { copy(start_, trial_); }

  void count(result const& r) {
    ++found_.runs;
    found_.nfe += r.nfe;
  }

  /// Scores the trial, candidate 0, 1, ... in turn, and copies the rows that beat the kept ones.
  template <class Verifier>
  void keep_better(Verifier const& verifier) {
    batch_view<T const> const shown{trial_, x_.batch, x_.features, x_.first_sample};
    double* const mine = scores_ + ++candidate_ * x_.batch;
    std::span<double> const scores{mine, static_cast<std::size_t>(x_.batch)};
    if constexpr (Exec::on_host) {
      verifier(shown, scores);
      check(scores, candidate_);
    } else {
      verifier(*exec_, shown, scores);
    }
    exec_->for_each_sample(x_.batch, detail::keep_scores_op{mine, best_, winner_, candidate_});
    keep_won(trial_, x_.data);
  }
  /// Rows of `from` to `to` where the candidate that was scored last has won.
  void keep_won(T const* from, T* to) const {
    exec_->for_each_tile(x_.batch, x_.features,
                         detail::keep_rows_op<T>{from, to, x_.features, winner_, candidate_});
  }
  void copy(T const* from, T* to) const {
    exec_->for_each_tile(x_.batch, x_.features, detail::keep_rows_op<T>{from, to, x_.features});
  }

  /// Waits for what is on a device. `noise` [batch, features] is reported if there is any.
  search_result<T> finish(T const* noise = nullptr) {
    auto const n = static_cast<std::size_t>(x_.batch);
    bring(found_.best, best_, n);
    bring(found_.winner, winner_, n);
    bring(found_.scores, scores_, n * static_cast<std::size_t>(candidate_ + 1));
    if (noise != nullptr) bring(found_.noise, noise, static_cast<std::size_t>(x_.size()));
    for (std::int32_t k = 0; !Exec::on_host && k <= candidate_; ++k) {
      check(std::span(found_.scores).subspan(n * static_cast<std::size_t>(k), n), k);
    }
    return std::move(found_);
  }

 private:
  static void check(std::span<double const> scores, std::int32_t candidate) {
    for (std::size_t row = 0; row < scores.size(); ++row) {
      if (!std::isnan(scores[row])) continue;
      detail::fail("diffx::search: the verifier returned NaN for candidate " +
                   detail::text(candidate) + ", row " + detail::text(row));
    }
  }
  template <class V>
  void bring(std::vector<V>& to, V const* from, std::size_t n) const {
    to.resize(n);
    if (n == 0) return;
    if constexpr (Exec::on_host) {
      std::memcpy(to.data(), from, n * sizeof(V));
    } else {
      exec_->read_back(to.data(), from, n * sizeof(V));
    }
  }

  Exec const* exec_;
  batch_view<T> x_;
  T* trial_;
  T* start_ = nullptr;
  double* scores_;
  double* best_;
  std::int32_t* winner_;
  std::int32_t candidate_ = -1;  // the one that was scored last
  search_result<T> found_;
};

}  // namespace search

}  // namespace diffx
