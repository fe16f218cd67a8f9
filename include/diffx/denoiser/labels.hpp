#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// The label of what belongs to no class, and of a sample that asks for none.
inline constexpr int every_class = -1;

/// Which class each sample asks for, as closed-form conditional denoisers need it.
///
/// Branch 0 is the condition; every other branch is unconditional. One entry serves all samples;
/// none at all makes branch 0 unconditional too.
///
/// Shapes    classes: [samples] or [1], addressed by the global sample index.
/// Errors    a sample index outside `classes`: throws diffx::error.
class labels {
 public:
  labels() = default;
  explicit labels(std::vector<int> classes) : classes_(std::move(classes)) {}

  /// The class that this sample asks for in this branch, or every_class.
  int at(std::int64_t sample, int branch) const {
    if (branch != 0 || classes_.empty()) return every_class;
    if (classes_.size() == 1) return classes_.front();
    auto const count = static_cast<std::int64_t>(classes_.size());
    detail::require(sample >= 0 && sample < count, "diffx::denoiser::labels", "sample index",
                    static_cast<long long>(sample), "below the number of labels");
    return classes_[static_cast<std::size_t>(sample)];
  }

  /// One entry a sample, one for all, or none.
  std::vector<int> const& list() const noexcept { return classes_; }

  /// Throws unless every class asked for is one of `known`.
  void require_known(std::vector<int> const& known, std::string_view where) const {
    for (int const wanted : classes_) {
      bool const found =
          wanted == every_class || std::find(known.begin(), known.end(), wanted) != known.end();
      detail::require(found, where, "class of a sample", wanted, "a label that the data carries");
    }
  }

 private:
  std::vector<int> classes_;
};

}  // namespace diffx::denoiser
