#pragma once

#include <diffx/concepts/denoiser.hpp>

#include <concepts>
#include <cstddef>
#include <tuple>
#include <utility>

namespace diffx::denoiser {

/// One denoiser per guidance branch: two networks, or the closed forms of two laws.
///
///     branch i  ->  the i-th denoiser;  a branch beyond the last  ->  the last
///
/// Branch 0 is the condition, branch 1 the null or negative one, as in diffx::query. Each denoiser
/// is called with the query unchanged.
///
/// Requires  the same prediction type in all of them: guidance combines raw outputs.
/// Errors    denoisers of different prediction types do not compile.
template <class First, class... Rest>
class branched {
  static_assert((std::same_as<decltype(First::prediction), decltype(Rest::prediction)> && ...),
                "diffx::denoiser::branched: all branches must predict the same quantity, since "
                "guidance combines their raw outputs. Wrap one of them so that it converts.");

 public:
  static constexpr int branches = 1 + static_cast<int>(sizeof...(Rest));
  static constexpr int networks = networks_of<First>;
  static_assert(((networks_of<Rest> == networks) && ...),
                "diffx::denoiser::branched: all branches must ask as many networks.");
  decltype(First::prediction) prediction;

  explicit branched(First first, Rest... rest)
      : prediction(first.prediction), branches_(std::move(first), std::move(rest)...) {}

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X const& x, query const& q, Out const& out) const {
    call<0>(exec, x, q, out);
  }

 private:
  template <std::size_t I, class Exec, class X, class Out>
  void call(Exec const& exec, X const& x, query const& q, Out const& out) const {
    if constexpr (I + 1 < 1 + sizeof...(Rest)) {
      if (q.branch > static_cast<int>(I)) return call<I + 1>(exec, x, q, out);
    }
    std::get<I>(branches_)(exec, x, q, out);
  }

  std::tuple<First, Rest...> branches_;
};

}  // namespace diffx::denoiser
