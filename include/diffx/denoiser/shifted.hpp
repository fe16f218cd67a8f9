#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/kv.hpp>
#include <diffx/concepts/prediction.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// A network that was made from an autoregressive one: its output at position l - 1 is about the
/// token at l. Position 0, which none is about, takes the output at 0.
///
///     logits_l = network_{l - 1},    logits_0 = network_0
///
/// With keys and values the position before every wanted one is run as well.
///
/// Source    Ye et al. 2025 (Dream), arXiv:2508.15487; Gong et al. 2024, arXiv:2410.17891.
/// Shapes    x [batch, positions], out [batch, positions x classes], as the network's own.
/// Requires  host memory.
/// Cost      the logits are moved once.
/// Errors    those of the network.
template <declared_denoiser Network>
class shifted {
 public:
  std::remove_cvref_t<decltype(std::declval<Network>().prediction)> prediction;
  static constexpr int branches = branches_of<Network>;
  static constexpr bool time_free = requires { requires Network::time_free; };

  explicit shifted(Network network)
      : prediction(network.prediction), network_(std::move(network)) {}

  template <class Exec, class Code, class Logit>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<Logit> out) const {
    static_assert(
        Exec::on_host,
        "diffx::denoiser::shifted works on host memory. Use exec::host or exec::threads.");
    network_(exec, x, q, out);
    auto const classes = out.features / x.features;
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      Logit* const row = out.row(i);
      std::copy_backward(row, row + (x.features - 1) * classes, row + x.features * classes);
    });
  }

  /// The network's store, and its roles beside those that the caller sees.
  template <class Store>
  struct shifted_store {
    Store inner;
    std::vector<kv::role> roles;
  };

  auto make_store(std::int64_t batch, std::int64_t positions) const requires kv_denoiser<Network> {
    using store = decltype(network_.make_store(batch, positions));
    return shifted_store<store>{network_.make_store(batch, positions),
                                std::vector<kv::role>(static_cast<std::size_t>(batch * positions))};
  }

  template <class Exec, class Code, class Store, class Logit>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<kv::role const> roles, shifted_store<Store>& store,
                  batch_view<Logit> out) const {
    std::int64_t const n = x.features;
    for (std::int64_t i = 0; i < x.batch; ++i) {
      kv::role const* const wanted = roles.row(i);
      kv::role* const asked = store.roles.data() + i * n;
      for (std::int64_t p = 0; p < n; ++p) {
        kv::role r = wanted[p] & static_cast<kv::role>(~kv::logits);
        if (((p + 1 < n ? wanted[p + 1] : 0) | (p == 0 ? wanted[0] : 0)) & kv::logits) {
          r = static_cast<kv::role>((r & kv::keep) | kv::query | kv::logits);
        }
        asked[p] = r;
      }
    }
    network_(exec, x, q, batch_view<kv::role const>{store.roles.data(), x.batch, n, 0}, store.inner,
             out);
    auto const classes = out.features / n;
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (std::int64_t p = n; p-- > 1;) {
        if ((roles.row(i)[p] & kv::logits) == 0) continue;
        std::copy_n(out.row(i) + (p - 1) * classes, classes, out.row(i) + p * classes);
      }
    }
  }

 private:
  Network network_;
};

}  // namespace diffx::denoiser
