#pragma once

#include <concepts>
#include <string_view>

namespace diffx {

struct search_tag {};

/// A search strategy does things around whole runs: it starts, scores and keeps them.
///
/// | `S::verifies`    | true if it needs a verifier: callable (batch_view<T const>, span<double>),
/// | |                  | off the host (exec, batch_view<T const>, span<double>) | |
/// `S::moves_start` | true if it moves about in a normal start noise                             |
///
/// One that verifies says how many bytes it works in and does the search, for sampler::sample_best:
///
///     s.workspace_size(sampler, exec, denoiser, x, options)
///     s.run(sampler, exec, denoiser, grid, x, verifier, workspace, options)
template <class S>
concept search_policy = std::same_as<typename S::kind, search_tag> && requires {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::source } -> std::convertible_to<std::string_view>;
  { S::verifies } -> std::convertible_to<bool>;
};

}  // namespace diffx
