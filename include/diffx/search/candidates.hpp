#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>
#include <diffx/run.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace diffx::search {

/// What a search over whole runs found. The best samples are in the caller's buffer.
template <class T>
struct search_result {
  std::vector<double> best;    // [batch] score of the kept sample
  std::vector<int> winner;     // [batch] which candidate it was
  std::vector<double> scores;  // [candidates, batch] all scores, in order
  std::vector<T> noise;  // [batch, features] start noise of the winner, where the search owns it
  int runs = 0;
  int nfe = 0;  // network evaluations per row, over all runs
};

/// Rows that compete for the caller's buffer. Host memory.
template <class T>
class candidates {
 public:
  explicit candidates(batch_view<T> x) : x_(x), start_(x.data, x.data + x.size()), trial_(start_) {
    found_.best.assign(static_cast<std::size_t>(x.batch), -HUGE_VAL);
    found_.winner.assign(static_cast<std::size_t>(x.batch), -1);
  }

  batch_view<T> trial() noexcept { return {trial_.data(), x_.batch, x_.features, x_.first_sample}; }
  /// Puts the caller's start (an image to edit, a given state) back into the trial.
  void restore_start() { trial_ = start_; }
  std::vector<T>& trial_values() noexcept { return trial_; }

  void count(result const& r) {
    ++found_.runs;
    found_.nfe += r.nfe;
  }

  /// Scores the trial and copies the rows that beat the kept ones. True in `won` where they do.
  template <class Verifier>
  void keep_better(int candidate, Verifier const& verifier, std::vector<bool>* won = nullptr) {
    std::vector<double> score(static_cast<std::size_t>(x_.batch));
    verifier(batch_view<T const>{trial_.data(), x_.batch, x_.features, x_.first_sample},
             std::span<double>(score));
    for (std::int64_t i = 0; i < x_.batch; ++i) {
      auto const row = static_cast<std::size_t>(i);
      if (std::isnan(score[row])) {
        detail::fail("diffx::search: the verifier returned NaN for candidate " +
                     detail::text(candidate) + ", row " + detail::text(static_cast<long long>(i)));
      }
      bool const better = found_.winner[row] < 0 || score[row] > found_.best[row];
      if (won != nullptr) (*won)[row] = better;
      if (!better) continue;
      found_.best[row] = score[row];
      found_.winner[row] = candidate;
      T const* const from = trial_.data() + i * x_.features;
      std::copy(from, from + x_.features, x_.row(i));
    }
    found_.scores.insert(found_.scores.end(), score.begin(), score.end());
  }

  search_result<T> finish(std::vector<T> noise = {}) {
    found_.noise = std::move(noise);
    return std::move(found_);
  }

 private:
  batch_view<T> x_;
  std::vector<T> start_, trial_;
  search_result<T> found_;
};

}  // namespace diffx::search
