#pragma once

#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/scalars.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace diffx::denoiser::eigen {

/// What the rows of a tile are told besides the state: the time and, with classes, their label.
///
///     e = silu(time2(silu(time1(sin, cos of 1000 t f_k))) + class_table[label])
///
/// Tensors: time1 [width, 64], time2 [width, width], each with .weight and .bias; classes.weight
/// [classes + 1, width], whose last row is the null class of every branch but 0.
///
/// Errors    a label that is no class, or a sample without one: throws diffx::error.
class embedding {
 public:
  struct scratch {
    buffer time, hidden, told, rows;
  };

  /// `where` is the network's name in messages.
  template <class Source>
  embedding(Source const& s, index width, std::int64_t classes, std::string_view where)
      : time1_(s, "time1", time_features, width),
        time2_(s, "time2", width, width),
        classes_(classes),
        where_(where) {
    if (classes == 0) return;
    auto const& table = s.tensor("classes.weight", {classes + 1, width});
    class_table_ = Eigen::Map<matrix const>(table.data(), width, classes + 1);
  }

  /// The vectors of samples first, first + 1, ...: [width, tile], of which `rows` have a label.
  const_matrix_map operator()(scratch& s, double t, labels const& wanted, int branch,
                              std::int64_t first, index rows, index tile) const {
    index const width = time2_.out();
    matrix_map time = s.time.get(time_features, 1);
    embed_time(t, time.data());
    matrix_map hidden = s.hidden.get(width, 1);
    time1_(time, hidden);
    silu(hidden.array());
    matrix_map told = s.told.get(width, 1);
    time2_(hidden, told);
    matrix_map e = s.rows.get(width, tile);
    for (index i = 0; i < tile; ++i) {
      e.col(i) = told.col(0);
      if (classes_ > 0 && i < rows)
        e.col(i) += class_table_.col(class_of(first + i, wanted, branch));
    }
    silu(e.array());
    return {e.data(), width, tile};
  }

 private:
  index class_of(std::int64_t sample, labels const& wanted, int branch) const {
    int const label = wanted.at(sample, branch);
    if (label == every_class) return classes_;
    diffx::detail::require(label >= 0 && label < classes_, where_, "class of a sample", label,
                           "every_class or from 0 to " + std::to_string(classes_ - 1));
    return label;
  }

  linear time1_, time2_;
  matrix class_table_;  // [width, classes + 1]
  std::int64_t classes_;
  std::string_view where_;
};

}  // namespace diffx::denoiser::eigen
