#pragma once

// Simple learners: how well a column is told from the others, by ridge or logistic regression.

#include <diffx/domain/table/typed_table.hpp>
#include <diffx/error.hpp>
#include <diffx/random.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace example {

namespace table = diffx::domain::table;

/// A table's columns but one as numbers for a linear learner, as they were in the table it was
/// fitted on: numbers standardised, missing ones at the mean and marked, categories one-hot, and 1;
/// with `products` > 0 also so many random rectified features of these, which see what is not
/// linear. A label that is new is no category.
///
///     phi_j(x) = max(0, r_j . x + b_j),   r_j ~ N(0, 1 / d)
class features_of {
 public:
  features_of(table::typed_table const& t, std::string_view target, int products = 0) {
    for (auto const& c : t.columns()) {
      if (c.type.name == target) continue;
      one f{c.type, 0.0, 1.0, {}};
      if (c.type.kind == table::column_kind::category) {
        for (auto const& l : c.labels) f.categories.emplace(key_of(l), 0);
        int k = 0;
        for (auto& entry : f.categories) entry.second = k++;
        linear_ += k;
      } else {
        double n = 0.0, sum = 0.0, squares = 0.0;
        for (double const x : c.numbers) {
          if (std::isnan(x)) continue;
          n += 1.0;
          sum += x;
        }
        f.mean = n > 0.0 ? sum / n : 0.0;
        for (double const x : c.numbers)
          squares += std::isnan(x) ? 0.0 : (x - f.mean) * (x - f.mean);
        f.scale = squares > 0.0 ? std::sqrt(n / squares) : 1.0;
        linear_ += 2;
      }
      columns_.push_back(std::move(f));
    }
    ++linear_;
    random_.resize(linear_, products);
    auto const key = diffx::random::key_from_seed(0xFEA7u);
    std::uint32_t counter = 0;
    for (int j = 0; j < products; ++j) {
      for (int i = 0; i < linear_; i += 4) {
        double z[4];
        diffx::random::normals(diffx::random::philox4x32({{counter++, 0, 0, 0}}, key), z);
        for (int k = i; k < std::min(i + 4, linear_); ++k) {
          random_(k, j) = z[k - i] / std::sqrt(static_cast<double>(columns_.size() + 1));
        }
      }
    }
  }

  Eigen::MatrixXd operator()(table::typed_table const& t) const {
    auto const rows = static_cast<Eigen::Index>(t.rows());
    Eigen::MatrixXd x = Eigen::MatrixXd::Zero(rows, linear_ + random_.cols());
    Eigen::Index at = 0;
    for (one const& f : columns_) {
      table::column const& c = t.at(f.type);
      for (Eigen::Index i = 0; i < rows; ++i) {
        auto const row = static_cast<std::size_t>(i);
        if (f.type.kind == table::column_kind::category) {
          auto const found = f.categories.find(key_of(c.labels[row]));
          if (found != f.categories.end()) x(i, at + found->second) = 1.0;
        } else {
          double const v = c.numbers[row];
          x(i, at) = std::isnan(v) ? 0.0 : std::clamp((v - f.mean) * f.scale, -8.0, 8.0);
          x(i, at + 1) = std::isnan(v) ? 1.0 : 0.0;
        }
      }
      at += f.type.kind == table::column_kind::category
                ? static_cast<Eigen::Index>(f.categories.size())
                : 2;
    }
    x.col(at).setOnes();
    if (random_.cols() > 0)
      x.rightCols(random_.cols()) = (x.leftCols(linear_) * random_).cwiseMax(0.0);
    return x;
  }

 private:
  struct one {
    table::column_type type;
    double mean, scale;
    std::map<std::string, int> categories;
  };
  static std::string key_of(table::label const& l) { return l ? "=" + *l : "missing"; }

  std::vector<one> columns_;
  int linear_ = 0;
  Eigen::MatrixXd random_;
};

/// argmin |X w - y|^2 + penalty |w|^2
inline Eigen::VectorXd ridge(Eigen::MatrixXd const& x, Eigen::VectorXd const& y,
                             double penalty = 1.0) {
  Eigen::MatrixXd a = x.transpose() * x;
  a.diagonal().array() += penalty;
  return a.ldlt().solve(x.transpose() * y);
}

/// 1 - sum (y - prediction)^2 / sum (y - mean)^2; 0 for a constant y.
inline double r2(Eigen::VectorXd const& y, Eigen::VectorXd const& prediction) {
  double const total = (y.array() - y.mean()).square().sum();
  return total > 0.0 ? 1.0 - (y - prediction).squaredNorm() / total : 0.0;
}

/// Logistic regression by Newton's method: y in {0, 1}, returns the weights of the log odds.
///
///     argmin sum log(1 + exp(-s_i x_i . w)) + penalty |w|^2 / 2,   s = 2 y - 1
inline Eigen::VectorXd logistic(Eigen::MatrixXd const& x, Eigen::VectorXd const& y,
                                double penalty = 1.0) {
  Eigen::VectorXd w = Eigen::VectorXd::Zero(x.cols());
  auto const loss = [&](Eigen::VectorXd const& at) {
    Eigen::ArrayXd const z = (x * at).array();
    return (z.max(0.0) - z * y.array() + (1.0 + (-z.abs()).exp()).log()).sum() +
           0.5 * penalty * at.squaredNorm();
  };
  double now = loss(w);
  for (int k = 0; k < 30; ++k) {
    Eigen::VectorXd const p = (1.0 + (-(x * w).array()).exp()).inverse();
    Eigen::VectorXd const slope = x.transpose() * (p - y) + penalty * w;
    Eigen::ArrayXd const curve = p.array() * (1.0 - p.array());
    Eigen::MatrixXd a = x.transpose() * (x.array().colwise() * curve).matrix();
    a.diagonal().array() += penalty;
    Eigen::VectorXd const move = a.ldlt().solve(slope);
    double step = 1.0, next = loss(w - move);
    for (; next > now && step > 1e-6; next = loss(w - step * move)) step *= 0.5;
    if (!(next < now)) break;
    w -= step * move;
    bool const done = now - next < 1e-8 * (1.0 + now);
    now = next;
    if (done) break;
  }
  return w;
}

/// Area under the ROC curve: how likely a row of class 1 scores above one of class 0, ties one
/// half. 1/2 if a class is missing.
inline double auc(Eigen::VectorXd const& y, Eigen::VectorXd const& score) {
  std::vector<Eigen::Index> order(static_cast<std::size_t>(y.size()));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return score[a] < score[b]; });
  double ranks = 0.0, ones = 0.0;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && score[order[j]] == score[order[i]]) ++j;
    double const rank = 0.5 * static_cast<double>(i + j + 1);
    for (; i < j; ++i) {
      if (y[order[i]] > 0.5) {
        ranks += rank;
        ones += 1.0;
      }
    }
  }
  double const zeros = static_cast<double>(y.size()) - ones;
  return ones > 0.0 && zeros > 0.0 ? (ranks - 0.5 * ones * (ones + 1.0)) / (ones * zeros) : 0.5;
}

struct utility {
  std::string target, learner, score;
  double real = 0.0, synthetic = 0.0;  // on test rows, trained on the one and the other
};

/// Train on synthetic, test on real (TSTR), beside train on real, test on real.
///
/// A numeric column is told by ridge regression, R2, and its logarithm too if it is positive; a
/// categorical one by logistic regression, one class against the rest: AUC of the second of two
/// classes, or the share of right answers among more.
inline std::vector<utility> utility_of(table::typed_table const& real,
                                       table::typed_table const& synthetic,
                                       table::typed_table const& test, std::string_view target) {
  std::vector<utility> out;
  auto const& column = real.at(target);
  bool const is_category = column.type.kind == table::column_kind::category;
  for (int const products : {0, 256}) {
    features_of const features(real, target, products);
    std::string const learner = std::string(is_category ? "logistic" : "ridge") +
                                (products > 0 ? ", 256 random features" : "");
    Eigen::MatrixXd const x_test = features(test);
    Eigen::MatrixXd const x[2] = {features(real), features(synthetic)};
    table::typed_table const* const from[2] = {&real, &synthetic};
    if (!is_category) {
      auto const numbers = [&](table::typed_table const& t) {
        auto const& v = t.at(column.type).numbers;
        return Eigen::VectorXd(
            Eigen::Map<Eigen::VectorXd const>(v.data(), static_cast<Eigen::Index>(v.size())));
      };
      bool positive = true;
      for (auto const* t : {&real, &synthetic, &test}) {
        for (double const v : t->at(column.type).numbers) {
          if (std::isnan(v)) {
            diffx::detail::fail("column '" + std::string(target) +
                                "' has missing cells and cannot be told from the others");
          }
          positive = positive && v > 0.0;
        }
      }
      for (bool const log : {false, true}) {
        if (log && !positive) continue;
        auto const y_of = [&](table::typed_table const& t) {
          Eigen::VectorXd const y = numbers(t);
          return log ? Eigen::VectorXd(y.array().log()) : y;
        };
        double score[2];
        for (int k = 0; k < 2; ++k) {
          Eigen::VectorXd const y = y_of(*from[k]);
          Eigen::VectorXd const w = ridge(x[k], (y.array() - y.mean()).matrix());
          score[k] = r2(y_of(test), ((x_test * w).array() + y.mean()).matrix());
        }
        out.push_back(
            {std::string(target), learner, log ? "R2 of the logarithm" : "R2", score[0], score[1]});
      }
      continue;
    }
    std::map<table::label, double> classes;
    for (auto const& l : column.labels) classes.emplace(l, 0.0);
    auto const is = [&](table::typed_table const& t, table::label const& wanted) {
      auto const& labels = t.at(column.type).labels;
      Eigen::VectorXd y(static_cast<Eigen::Index>(labels.size()));
      for (std::size_t i = 0; i < labels.size(); ++i)
        y[static_cast<Eigen::Index>(i)] = labels[i] == wanted ? 1.0 : 0.0;
      return y;
    };
    if (classes.size() == 2) {
      double score[2];
      for (int k = 0; k < 2; ++k) {
        auto const& wanted = classes.rbegin()->first;
        score[k] = auc(is(test, wanted), x_test * logistic(x[k], is(*from[k], wanted)));
      }
      out.push_back({std::string(target), learner, "AUC", score[0], score[1]});
      continue;
    }
    double score[2];
    for (int k = 0; k < 2; ++k) {
      Eigen::VectorXd best = Eigen::VectorXd::Constant(x_test.rows(), -HUGE_VAL), right = best;
      for (auto const& entry : classes) {
        Eigen::VectorXd const s = x_test * logistic(x[k], is(*from[k], entry.first));
        Eigen::VectorXd const y = is(test, entry.first);
        for (Eigen::Index i = 0; i < s.size(); ++i) {
          if (s[i] > best[i]) {
            best[i] = s[i];
            right[i] = y[i];
          }
        }
      }
      score[k] = right.cwiseMax(0.0).mean();
    }
    out.push_back({std::string(target), learner, "accuracy", score[0], score[1]});
  }
  return out;
}

}  // namespace example
