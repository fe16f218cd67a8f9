#pragma once

// A trained mlp as the denoisers that the samplers of tables ask: what the state is shown as, and
// what the outputs mean.

#include <diffx/denoiser/eigen/mlp.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace example {

using table_net = diffx::denoiser::eigen::mlp<diffx::prediction::eps>;

/// The network over rows in place; one row is read before it is written.
template <class Exec>
void call_in_place(table_net const& net, Exec const& exec, diffx::query const& q,
                   diffx::batch_view<float> rows) {
  net(exec, diffx::batch_view<float const>{rows.data, rows.batch, rows.features, rows.first_sample},
      q, rows);
}

/// Rows of bits, shown as -1 and 1; a logit each, for denoiser::bit_logits.
struct bit_network {
  table_net net;

  template <class Exec, class Code>
  void operator()(Exec const& exec, diffx::batch_view<Code const> x, diffx::query const& q,
                  diffx::batch_view<float> out) const {
    std::transform(x.data, x.data + x.size(), out.data,
                   [](Code bit) { return bit != 0 ? 1.0f : -1.0f; });
    call_in_place(net, exec, q, out);
  }
};

/// Rows of categories, shown one-hot; the logits of all columns side by side.
struct category_network {
  diffx::prediction::x0_posterior<> prediction{};
  table_net net;
  diffx::domain::table::one_hot shown;

  template <class Exec, class Code>
  void operator()(Exec const& exec, diffx::batch_view<Code const> x, diffx::query const& q,
                  diffx::batch_view<float> out) const {
    shown.write(x, out);
    call_in_place(net, exec, q, out);
  }
};

/// Rows of numbers and categories: eps of the numbers and logits of the categories.
///
/// Shapes    std::tuple{numbers [batch, n], codes [batch, columns]} to std::tuple{eps [batch, n],
///           logits [batch, sum of the columns' classes]}.
struct mixed_network {
  diffx::prediction::product<diffx::prediction::eps, diffx::prediction::x0_posterior<>>
      prediction{};
  table_net net;
  diffx::domain::table::one_hot shown;

  template <class Exec, class Code>
  void operator()(Exec const& exec,
                  std::tuple<diffx::batch_view<float const>, diffx::batch_view<Code const>> x,
                  diffx::query const& q,
                  std::tuple<diffx::batch_view<float>, diffx::batch_view<float>> out) const {
    auto const numbers = std::get<0>(x);
    auto const eps = std::get<0>(out), logits = std::get<1>(out);
    std::int64_t const n = numbers.features, features = n + shown.width();
    std::vector<float> rows(static_cast<std::size_t>(numbers.batch * features));
    diffx::batch_view<float> const all{rows.data(), numbers.batch, features, numbers.first_sample};
    shown.write(std::get<1>(x), logits);
    for (std::int64_t i = 0; i < all.batch; ++i) {
      std::copy_n(numbers.row(i), n, all.row(i));
      std::copy_n(logits.row(i), shown.width(), all.row(i) + n);
    }
    call_in_place(net, exec, q, all);
    for (std::int64_t i = 0; i < all.batch; ++i) {
      std::copy_n(all.row(i), n, eps.row(i));
      std::copy_n(all.row(i) + n, shown.width(), logits.row(i));
    }
  }
};

}  // namespace example
