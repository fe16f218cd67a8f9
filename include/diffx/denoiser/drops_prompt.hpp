#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// Gives a network of masked text a second branch that does not see the prompt: branch 1 is the
/// network on the same state with the prompt masked, which is what guides a text towards its
/// prompt.
///
/// Source    Nie et al. 2025 (LLaDA), arXiv:2502.09992.
/// Shapes    prompt: 1 in [batch, positions] where a token belongs to the prompt, all samples of a
///           run; it must outlive the denoiser.
/// Requires  host memory; one object serves one run at a time.
/// Errors    a state of another shape throws.
template <declared_denoiser Network, class Code>
class drops_prompt {
 public:
  std::remove_cvref_t<decltype(std::declval<Network>().prediction)> prediction;
  static constexpr int branches = 2;
  static constexpr bool time_free = requires { requires Network::time_free; };

  drops_prompt(Network network, batch_view<std::uint8_t const> prompt, Code mask)
      : prediction(network.prediction),
        network_(std::move(network)),
        prompt_(prompt),
        mask_(mask),
        hidden_(std::make_shared<std::vector<Code>>(static_cast<std::size_t>(prompt.size()))) {}

  template <class Exec, class Out>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q, Out out) const {
    static_assert(
        Exec::on_host,
        "diffx::denoiser::drops_prompt works on host memory. Use exec::host or exec::threads.");
    query inner = q;
    inner.branch = 0;
    if (q.branch == 0) return network_(exec, x, inner, out);
    constexpr auto where = "diffx::denoiser::drops_prompt";
    detail::require(x.batch == prompt_.batch, where, "batch of the state",
                    static_cast<long long>(x.batch), "that of the prompt");
    detail::require(x.features == prompt_.features, where, "positions of the state",
                    static_cast<long long>(x.features), "those of the prompt");
    Code* const hidden = hidden_->data();
    exec.for_each_sample(
        x.size(), [&](std::int64_t i) { hidden[i] = prompt_.data[i] != 0 ? mask_ : x.data[i]; });
    network_(exec, batch_view<Code const>{hidden, x.batch, x.features, x.first_sample}, inner, out);
  }

 private:
  Network network_;
  batch_view<std::uint8_t const> prompt_;
  Code mask_;
  std::shared_ptr<std::vector<Code>> hidden_;
};

}  // namespace diffx::denoiser
