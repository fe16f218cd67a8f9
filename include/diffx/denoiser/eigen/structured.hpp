#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/eigen/attention_block.hpp>
#include <diffx/denoiser/eigen/embedding.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/domain/structure/problems.hpp>
#include <diffx/prediction/x0.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace diffx::denoiser::eigen {

/// Multi-head attention along the edges of a graph, after the projection to q, k, v:
///
///     out_i = sum_{j in N(i)} softmax_j(q_i . k_j / sqrt(head width)) v_j      per head
///
/// the same as attend() with a mask, at 4 width floating-point operations per edge instead of per
/// pair of tokens. Padding of the lists is not read.
///
/// Source    Weilbach, Harvey & Wood 2022 (GSDM), arXiv:2210.11633.
/// Shapes    qkv [3 width, samples * tokens]: q, k and v in turn, each of them the heads in turn;
///           out [width, samples * tokens]; tokens = lists.variables.
inline void attend_along(float const* qkv, index samples, index width, index heads,
                         domain::structure::attention_lists const& lists, float* out,
                         buffer& scores) {
  index const d = width / heads, tokens = lists.variables;
  float const scale = 1.0f / std::sqrt(static_cast<float>(d));
  float* const s = scores.get(lists.width);
  for (index n = 0; n < samples; ++n) {
    float const* const base = qkv + n * tokens * 3 * width;
    for (index i = 0; i < tokens; ++i) {
      std::int32_t const* const list = lists.index.data() + i * lists.width;
      std::uint8_t const* const valid = lists.valid.data() + i * lists.width;
      for (index h = 0; h < heads; ++h) {
        float const* const q = base + i * 3 * width + h * d;
        float most = -HUGE_VALF, total = 0.0f;
        for (index k = 0; k < lists.width; ++k) {
          if (valid[k] == 0) continue;
          float const* const key = base + list[k] * 3 * width + width + h * d;
          float sum = 0.0f;
          for (index c = 0; c < d; ++c) sum = diffx::detail::fma(q[c], key[c], sum);
          s[k] = sum;
          most = std::max(most, sum);
        }
        float* const to = out + (n * tokens + i) * width + h * d;
        std::fill(to, to + d, 0.0f);
        for (index k = 0; k < lists.width; ++k) {
          if (valid[k] == 0) continue;
          float const weight = diffx::detail::exp((s[k] - most) * scale);
          float const* const value = base + list[k] * 3 * width + 2 * width + h * d;
          total += weight;
          for (index c = 0; c < d; ++c) to[c] = diffx::detail::fma(weight, value[c], to[c]);
        }
        for (index c = 0; c < d; ++c) to[c] /= total;
      }
    }
  }
}

/// Sizes of a structured denoiser.
struct structured_size {
  std::int64_t width = 64;  // of a token inside; a multiple of heads, at most 512
  std::int64_t heads = 4;
  std::int64_t blocks = 5;
};

/// A small transformer over the variables of a problem, whose attention runs along the edges of the
/// problem's graph. It is told the time and which variables are observed; use it inside
/// denoiser::clamp_clean.
///
///     e = embedding of time
///     h = input(number | one-hot, padded | observed) + group[group of the variable]
///     h = block(h, e), an attention_block along the edges, several times
///     a = out(norm(h)):  the number's x0, or softmax over the options of the class
///
/// Tensors: input [width, 2 + most], most = the largest number of options, out [1 + most, width],
/// norm [width], each with .weight and .bias, group.weight [groups, width], block.<i> and those of
/// the embedding.
///
/// Source    Weilbach, Harvey & Wood 2022 (GSDM), arXiv:2210.11633.
/// Shapes    x, observed, out [batch, features]; t = q.at.t.
/// Requires  host memory; one object may be called from several threads. A row's result does not
///           depend on the batch around it.
/// Errors    sizes below 1, a width that heads does not divide, groups and graph of another number
///           of variables, a tensor of another shape, a view of another width or batch: throws
///           diffx::error.
class structured {
 public:
  diffx::prediction::x0 prediction{};
  static constexpr int branches = 1;

  /// `source` is a safetensors object, random_weights, or anything with tensor(name, shape).
  template <class Source>
  structured(structured_size size, domain::structure::problem const& problem, Source const& source)
      : net_(std::make_shared<network>(checked(size, problem), problem, source)) {}

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<std::uint8_t const> observed, batch_view<T> out) const {
    network const& net = *net_;
    detail::require_features(x, net.variables.features(), where);
    detail::require_features(observed, net.variables.features(), where);
    detail::require_features(out, net.variables.features(), where);
    diffx::detail::require(x.batch == out.batch, where, "batch of the output",
                           static_cast<long long>(out.batch), "the batch of the input");
    diffx::detail::require(x.batch == observed.batch, where, "batch of the mask",
                           static_cast<long long>(observed.batch), "the batch of the input");
    detail::for_each_tile<tile>(
        exec, x.batch, net.pool, [&](scratch& s, std::int64_t first, index rows) {
          auto const emb = net.told(s.told, q.at.t, {}, q.branch, 0, 0, tile);
          matrix_map input = s.x.get(2 + net.most, net.tokens() * tile);
          input.setZero();
          for (index i = 0; i < rows; ++i) {
            net.show(x.row(first + i), observed.row(first + i), input, i);
          }
          net.forward(s, emb, input);
          for (index i = 0; i < rows; ++i) net.answer(s.answer.data(), i, out.row(first + i));
        });
  }

  /// Floating-point operations of the attention proper, of one row: 4 width per edge and block, and
  /// what a dense mask would take.
  double attention_flops() const noexcept {
    double edges = 0.0;
    for (auto const valid : net_->lists.valid) edges += valid;
    return 4.0 * static_cast<double>(net_->size.width * net_->size.blocks) * edges;
  }
  double dense_attention_flops() const noexcept {
    auto const n = static_cast<double>(net_->tokens());
    return 4.0 * static_cast<double>(net_->size.width * net_->size.blocks) * n * n;
  }

 private:
  static constexpr std::string_view where = "diffx::denoiser::eigen::structured";
  static constexpr int tile = 4;  // rows that go through the layers together

  struct scratch {
    embedding::scratch told;
    attention_block::scratch block;
    buffer x, h, normed, answer, scores;
  };

  struct network {
    template <class Source>
    network(structured_size sizes, domain::structure::problem const& problem, Source const& s)
        : size(sizes),
          variables(problem.variables),
          lists(problem.graph.lists()),
          most(most_options(problem.variables)),
          told(s, sizes.width, 0, where),
          input(s, "input", 2 + most, sizes.width),
          norm(s, "norm", sizes.width, 1),
          out(s, "out", sizes.width, 1 + most) {
      index const groups = *std::max_element(problem.group.begin(), problem.group.end()) + 1;
      auto const& p = s.tensor("group.weight", {groups, size.width});
      Eigen::Map<matrix const> const table(p.data(), size.width, groups);
      place.resize(size.width, tokens());
      for (index v = 0; v < tokens(); ++v) {
        place.col(v) = table.col(problem.group[static_cast<std::size_t>(v)]);
      }
      for (std::int64_t i = 0; i < size.blocks; ++i) {
        blocks.emplace_back(s, "block." + std::to_string(i), size.width);
      }
    }

    static index most_options(domain::structure::variables const& v) {
      int most = 0;
      for (int i = 0; i < v.size(); ++i) most = std::max(most, v.options(i));
      return most;
    }
    index tokens() const noexcept { return lists.variables; }

    template <class T>
    void show(T const* row, std::uint8_t const* observed, matrix_map& to, index i) const {
      for (index v = 0; v < tokens(); ++v) {
        int const at = static_cast<int>(v), options = variables.options(at);
        std::int64_t const first = variables.offset(at);
        float* const token = to.data() + (i * tokens() + v) * to.rows();
        if (options == 0) token[0] = static_cast<float>(row[first]);
        for (int k = 0; k < options; ++k) token[1 + k] = static_cast<float>(row[first + k]);
        token[1 + most] = observed[first] != 0 ? 1.0f : 0.0f;
      }
    }

    void forward(scratch& s, const_matrix_map const& emb, matrix_map const& x) const {
      matrix_map h = s.h.get(size.width, x.cols());
      input(x, h);
      for (index i = 0; i < tile; ++i) h.middleCols(i * tokens(), tokens()) += place;
      for (attention_block const& b : blocks) {
        b(s.block, emb, tokens(), h, [&](float const* qkv, float* mixed) {
          attend_along(qkv, tile, size.width, size.heads, lists, mixed, s.scores);
        });
      }
      matrix_map normed = s.normed.get(size.width, x.cols());
      norm.apply<false>(h.data(), h.cols(), 1, normed.data());
      matrix_map answer = s.answer.get(1 + most, x.cols());
      out(normed, answer);
    }

    template <class T>
    void answer(float const* all, index i, T* row) const {
      for (index v = 0; v < tokens(); ++v) {
        int const at = static_cast<int>(v), options = variables.options(at);
        T* const to = row + variables.offset(at);
        float const* const said = all + (i * tokens() + v) * (1 + most);
        if (options == 0) {
          to[0] = static_cast<T>(said[0]);
          continue;
        }
        float const largest = *std::max_element(said + 1, said + 1 + options);
        float total = 0.0f;
        for (int k = 0; k < options; ++k) total += diffx::detail::exp(said[1 + k] - largest);
        for (int k = 0; k < options; ++k) {
          to[k] = static_cast<T>(diffx::detail::exp(said[1 + k] - largest) / total);
        }
      }
    }

    structured_size size;
    domain::structure::variables variables;
    domain::structure::attention_lists lists;
    index most;
    embedding told;
    linear input;
    matrix place;  // [width, variables]
    std::vector<attention_block> blocks;
    group_norm norm;
    linear out;
    mutable scratch_pool<scratch> pool;
  };

  static structured_size checked(structured_size size, domain::structure::problem const& problem) {
    auto const check = [&](char const* name, std::int64_t value, std::int64_t least) {
      diffx::detail::require(value >= least, where, name, static_cast<long long>(value),
                             "at least " + std::to_string(least));
    };
    check("width", size.width, 1);
    check("heads", size.heads, 1);
    check("blocks", size.blocks, 0);
    diffx::detail::require(size.width % size.heads == 0, where, "width",
                           static_cast<long long>(size.width), "a multiple of heads");
    int const n = problem.variables.size();
    diffx::detail::require(problem.graph.size() == n, where, "variables of the graph",
                           problem.graph.size(), std::to_string(n));
    diffx::detail::require(problem.group.size() == static_cast<std::size_t>(n), where,
                           "variables with a group", problem.group.size(), std::to_string(n));
    int const least = *std::min_element(problem.group.begin(), problem.group.end());
    check("a group", least, 0);
    return size;
  }

  std::shared_ptr<network const> net_;
};

}  // namespace diffx::denoiser::eigen
