#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/detail/parts.hpp>
#include <diffx/prediction/product.hpp>

#include <cstddef>
#include <tuple>
#include <utility>

namespace diffx::denoiser {

/// A network of a trunk and one of every stem, as one denoiser of the whole state. Each sees all
/// blocks, those of the trunk first:
///
///     trunk(exec, x, query, out)     out: the trunk's views, a tuple if it has several blocks
///     stem(exec, x, query, out)      out: the view of its block
///
/// A network that predicts the stems from its own features needs no wrapper: it writes all blocks.
///
/// Cost      1 + stems network evaluations, which nfe counts.
/// Source    Mercatali et al. 2024 (Diffusion Twigs), arXiv:2410.24012.
/// Requires  trunk.prediction, a prediction::product if it has several blocks, and stem.prediction.
template <class Trunk, class... Stems>
class twigs {
  using trunk_prediction = std::remove_cvref_t<decltype(std::declval<Trunk const&>().prediction)>;
  static constexpr std::size_t trunk_blocks = detail::part_count<trunk_prediction>;

  template <std::size_t... B>
  static auto joined(Trunk const& trunk, Stems const&... stems, std::index_sequence<B...>) {
    return prediction::product<detail::part_t<B, trunk_prediction>...,
                               std::remove_cvref_t<decltype(stems.prediction)>...>{
        {detail::part<B>(trunk.prediction)..., stems.prediction...}};
  }

 public:
  static constexpr int networks = 1 + static_cast<int>(sizeof...(Stems));
  decltype(joined(std::declval<Trunk const&>(), std::declval<Stems const&>()...,
                  std::make_index_sequence<trunk_blocks>{})) prediction;

  explicit twigs(Trunk trunk, Stems... stems)
      : prediction(joined(trunk, stems..., std::make_index_sequence<trunk_blocks>{})),
        trunk_(std::move(trunk)),
        stems_(std::move(stems)...) {}

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, query const& q, Out const& out) const {
    ask_trunk(exec, x, q, out, std::make_index_sequence<trunk_blocks>{});
    ask_stems(exec, x, q, out, std::index_sequence_for<Stems...>{});
  }

 private:
  template <class Exec, class X, class Out, std::size_t... B>
  void ask_trunk(Exec const& exec, X const& x, query const& q, Out const& out,
                 std::index_sequence<B...>) const {
    if constexpr (sizeof...(B) == 1) {
      trunk_(exec, x, q, std::get<0>(out));
    } else {
      trunk_(exec, x, q, std::tuple{std::get<B>(out)...});
    }
  }
  template <class Exec, class X, class Out, std::size_t... S>
  void ask_stems(Exec const& exec, X const& x, query const& q, Out const& out,
                 std::index_sequence<S...>) const {
    (std::get<S>(stems_)(exec, x, q, std::get<trunk_blocks + S>(out)), ...);
  }

  Trunk trunk_;
  std::tuple<Stems...> stems_;
};

}  // namespace diffx::denoiser
