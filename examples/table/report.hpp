#pragma once

// How like a real table a synthetic one is: shapes, trends, use and privacy.

#include <diffx/analysis/auroc.hpp>
#include <diffx/analysis/table_quality.hpp>
#include <diffx/domain/table/typed_table.hpp>
#include <diffx/error.hpp>

#include "learner.hpp"
#include "model.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace example {

/// Tables of one schema as numbers and codes that mean the same in all of them. A missing number is
/// the mean of the real ones with a code beside it, a missing category a code of its own.
class comparable {
 public:
  comparable(table::typed_table const& real, table::typed_table const& synthetic) {
    for (auto const& c : real.columns()) {
      one of{c.type, 0.0, false, {}};
      if (c.type.kind == table::column_kind::category) {
        for (auto const& l : c.labels)
          of.codes.emplace(l, static_cast<std::int32_t>(of.codes.size()));
      } else {
        double n = 0.0;
        for (double const x : c.numbers) {
          of.any_missing = of.any_missing || std::isnan(x);
          n += std::isnan(x) ? 0.0 : 1.0;
          of.mean += std::isnan(x) ? 0.0 : x;
        }
        of.mean /= std::max(n, 1.0);
        for (double const x : synthetic.at(c.type).numbers) {
          of.any_missing = of.any_missing || std::isnan(x);
        }
      }
      columns_.push_back(std::move(of));
    }
  }

  struct coded {
    std::vector<std::string> number_names, code_names;
    std::vector<std::vector<double>> numbers;      // a column each
    std::vector<std::vector<std::int32_t>> codes;  // a column each
    std::vector<double> number_rows;
    std::vector<std::int32_t> code_rows;
    std::int64_t rows = 0;

    diffx::analysis::mixed_rows view() const noexcept {
      return {rows, static_cast<std::int64_t>(numbers.size()),
              static_cast<std::int64_t>(codes.size()), number_rows.data(), code_rows.data()};
    }
  };

  /// Labels that the real table does not have get codes of their own.
  coded operator()(table::typed_table const& t) {
    coded out;
    out.rows = static_cast<std::int64_t>(t.rows());
    for (one& of : columns_) {
      auto const& c = t.at(of.type);
      std::vector<std::int32_t> codes;
      if (of.type.kind == table::column_kind::category) {
        for (auto const& l : c.labels) {
          codes.push_back(
              of.codes.emplace(l, static_cast<std::int32_t>(of.codes.size())).first->second);
        }
        out.code_names.push_back(of.type.name);
        out.codes.push_back(std::move(codes));
        continue;
      }
      std::vector<double> numbers;
      for (double const x : c.numbers) {
        numbers.push_back(std::isnan(x) ? of.mean : x);
        codes.push_back(std::isnan(x) ? 1 : 0);
      }
      out.number_names.push_back(of.type.name);
      out.numbers.push_back(std::move(numbers));
      if (of.any_missing) {
        out.code_names.push_back(of.type.name + " is missing");
        out.codes.push_back(std::move(codes));
      }
    }
    for (std::size_t i = 0; i < t.rows(); ++i) {
      for (auto const& c : out.numbers) out.number_rows.push_back(c[i]);
      for (auto const& c : out.codes) out.code_rows.push_back(c[i]);
    }
    return out;
  }

 private:
  struct one {
    table::column_type type;
    double mean;
    bool any_missing;
    std::map<table::label, std::int32_t> codes;
  };
  std::vector<one> columns_;
};

struct named_score {
  std::string name;
  double value = 0.0;
};

struct privacy {
  double closer = 0.5;               // share of synthetic rows nearer to training than to test rows
  double standard_error = 0.0;       // of `closer`
  double median = 0.0, fifth = 0.0;  // distance of synthetic rows to the training rows
  double real_median = 0.0, real_fifth = 0.0;  // the same of test rows, which are fresh data
  double copies = 0.0, real_copies = 0.0;      // shares of rows that are training rows
  double membership = 0.5;  // AUROC of telling training rows from test rows by their distance to
                            // the closest synthetic row; 0.5: the synthetic rows do not say
  std::int64_t rows = 0;
  std::int64_t known = 0;  // training rows that distances are measured to: as many as test rows
};

struct quality {
  std::vector<named_score> shapes, trends;
  std::vector<utility> uses;
  privacy kept;

  static double mean(std::vector<named_score> const& s) {
    double sum = 0.0;
    for (auto const& v : s) sum += v.value;
    return s.empty() ? 1.0 : sum / static_cast<double>(s.size());
  }
};

namespace report_detail {

/// Of the numbers that are there; a table without any is as unlike as can be.
inline double shape_of(std::vector<double> real, std::vector<double> synthetic) {
  for (auto* const x : {&real, &synthetic}) {
    x->erase(std::remove_if(x->begin(), x->end(), [](double v) { return std::isnan(v); }),
             x->end());
  }
  if (real.empty() || synthetic.empty()) return real.empty() && synthetic.empty() ? 1.0 : 0.0;
  return diffx::analysis::ks_complement(real, synthetic);
}

inline double quantile(std::vector<double> v, double q) {
  if (v.empty()) return 0.0;
  auto const at = v.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(v.size() - 1));
  std::nth_element(v.begin(), at, v.end());
  return *at;
}

/// About `count` rows, evenly spread.
inline std::vector<std::size_t> spread_rows(std::size_t rows, std::size_t count) {
  std::vector<std::size_t> out;
  for (std::size_t k = 0; k < std::min(rows, count); ++k) {
    out.push_back(rows <= count ? k : k * rows / count);
  }
  return out;
}

inline std::string bytes_of(comparable::coded const& c, std::int64_t row) {
  std::string out;
  auto const put = [&](auto const& rows, std::size_t width) {
    auto const* const p = rows.data() + static_cast<std::size_t>(row) * width;
    out.append(reinterpret_cast<char const*>(p), width * sizeof *p);
  };
  put(c.number_rows, c.numbers.size());
  put(c.code_rows, c.codes.size());
  return out;
}

}  // namespace report_detail

/// Compares a synthetic table with a real one: shapes and trends with all real rows, its use for
/// telling `target` ("" for none) and its privacy with the rows that part_of keeps for tests.
inline quality compare(table::typed_table const& real, table::typed_table const& synthetic,
                       std::string_view target) {
  namespace a = diffx::analysis;
  namespace d = report_detail;
  quality q;
  auto const learnt = rows_of(real.rows(), part::training);
  auto const unseen = rows_of(real.rows(), part::test);
  diffx::detail::require(learnt.size() >= 2 && unseen.size() >= 2, "report",
                         "rows of the real table", static_cast<long long>(real.rows()),
                         "some tens at least");
  diffx::detail::require(synthetic.rows() >= 2, "report", "rows of the synthetic table",
                         static_cast<long long>(synthetic.rows()), "at least 2");
  comparable code(real, synthetic);
  auto const r = code(real), s = code(synthetic);
  std::size_t const n = r.numbers.size(), m = r.codes.size();
  for (std::size_t j = 0; j < n; ++j) {
    auto const& name = r.number_names[j];
    q.shapes.push_back({name, d::shape_of(real.at(name).numbers, synthetic.at(name).numbers)});
  }
  for (std::size_t j = 0; j < m; ++j) {
    q.shapes.push_back({r.code_names[j], a::tv_complement(r.codes[j], s.codes[j])});
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = j + 1; k < n; ++k) {
      q.trends.push_back(
          {r.number_names[j] + ", " + r.number_names[k],
           a::correlation_similarity(r.numbers[j], r.numbers[k], s.numbers[j], s.numbers[k])});
    }
    for (std::size_t k = 0; k < m; ++k) {
      q.trends.push_back({r.number_names[j] + ", " + r.code_names[k],
                          a::mixed_similarity(r.numbers[j], r.codes[k], s.numbers[j], s.codes[k])});
    }
  }
  for (std::size_t j = 0; j < m; ++j) {
    for (std::size_t k = j + 1; k < m; ++k) {
      q.trends.push_back(
          {r.code_names[j] + ", " + r.code_names[k],
           a::contingency_similarity(r.codes[j], r.codes[k], s.codes[j], s.codes[k])});
    }
  }

  auto const training = take(real, learnt), test = take(real, unseen);
  if (!target.empty()) q.uses = utility_of(training, synthetic, test, target);

  // As many training rows as test rows: of more, one would be nearer by number alone.
  auto const train_rows = code(training), test_rows = code(test);
  std::size_t const most = std::min(learnt.size(), unseen.size());
  auto const near = code(take(training, d::spread_rows(training.rows(), most)));
  auto const far = code(take(test, d::spread_rows(test.rows(), most)));
  auto const asked = code(take(synthetic, d::spread_rows(synthetic.rows(), 2000)));
  auto const fresh = code(take(test, d::spread_rows(test.rows(), 2000)));
  auto const ranges = a::ranges_of(r.view());
  auto const kind = a::record_distance::l1;
  auto const to_near = a::closest_records(near.view(), asked.view(), kind, ranges);
  auto const to_far = a::closest_records(far.view(), asked.view(), kind, ranges);
  privacy& p = q.kept;
  p.rows = asked.rows;
  p.known = near.rows;
  p.closer = a::closer_to_training(to_near, to_far);
  std::vector<double> nearness;
  for (auto const* rows : {&near, &far}) {
    for (auto const& c : a::closest_records(asked.view(), rows->view(), kind, ranges))
      nearness.push_back(-c.first);
  }
  std::vector<std::uint8_t> member(nearness.size(), 0);
  std::fill_n(member.begin(), near.rows, std::uint8_t{1});
  p.membership = a::auroc(nearness, member);
  p.standard_error = 0.5 / std::sqrt(static_cast<double>(asked.rows));
  std::vector<double> made, real_ones;
  for (auto const& c : a::closest_records(near.view(), asked.view(), kind, ranges))
    made.push_back(c.first);
  for (auto const& c : a::closest_records(near.view(), fresh.view(), kind, ranges))
    real_ones.push_back(c.first);
  p.median = d::quantile(made, 0.5);
  p.fifth = d::quantile(made, 0.05);
  p.real_median = d::quantile(real_ones, 0.5);
  p.real_fifth = d::quantile(real_ones, 0.05);
  std::unordered_set<std::string> known;
  for (std::int64_t i = 0; i < train_rows.rows; ++i) known.insert(d::bytes_of(train_rows, i));
  auto const copies = [&](comparable::coded const& c) {
    double count = 0.0;
    for (std::int64_t i = 0; i < c.rows; ++i)
      count += known.count(d::bytes_of(c, i)) > 0 ? 1.0 : 0.0;
    return count / static_cast<double>(c.rows);
  };
  p.copies = copies(s);
  p.real_copies = copies(test_rows);
  return q;
}

inline void print(quality const& q) {
  std::printf("| column | shape |\n|---|---|\n");
  for (auto const& s : q.shapes) std::printf("| %s | %.4f |\n", s.name.c_str(), s.value);
  auto worst = q.trends;
  std::sort(worst.begin(), worst.end(),
            [](auto const& x, auto const& y) { return x.value < y.value; });
  if (worst.size() > 5) worst.resize(5);
  std::printf("\n| the worst pairs | trend |\n|---|---|\n");
  for (auto const& s : worst) std::printf("| %s | %.4f |\n", s.name.c_str(), s.value);
  std::printf("\nmean shape error %.2f %%, mean trend error %.2f %% of %zu pairs\n",
              100.0 * (1.0 - quality::mean(q.shapes)), 100.0 * (1.0 - quality::mean(q.trends)),
              q.trends.size());
  if (!q.uses.empty()) {
    std::printf(
        "\n| test rows: telling %s | score | trained on real | on synthetic | ratio "
        "|\n|---|---|---|---|---|\n",
        q.uses.front().target.c_str());
    for (auto const& u : q.uses) {
      std::printf("| %s | %s | %.4f | %.4f | %.3f |\n", u.learner.c_str(), u.score.c_str(), u.real,
                  u.synthetic, u.synthetic / u.real);
    }
  }
  privacy const& p = q.kept;
  std::printf("\n| privacy | synthetic | real test rows |\n|---|---|---|\n");
  std::printf("| distance to the closest of %lld training rows, median | %.4f | %.4f |\n",
              static_cast<long long>(p.known), p.median, p.real_median);
  std::printf("| the same, 5 %% quantile | %.4f | %.4f |\n", p.fifth, p.real_fifth);
  std::printf("| rows that are training rows | %.2f %% | %.2f %% |\n", 100.0 * p.copies,
              100.0 * p.real_copies);
  std::printf("| rows nearer to training than to test rows | %.1f %% +- %.1f | 50 |\n",
              100.0 * p.closer, 100.0 * p.standard_error);
  std::printf("| training rows told from test rows by synthetic ones, AUROC | %.3f | 0.5 |\n",
              p.membership);
}

}  // namespace example
