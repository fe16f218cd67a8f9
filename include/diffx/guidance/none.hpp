#pragma once

#include <diffx/concepts/guidance.hpp>

namespace diffx::guidance {

/// The conditional prediction as it is.
struct none {
  using kind = guidance_tag;
  static constexpr std::string_view name = "guidance::none";
  static constexpr std::string_view source = "";
  static constexpr int branches = 1;
  static constexpr x0_hook hook = x0_hook::none;
  static constexpr guidance_reduction reduction = guidance_reduction::none;

  void weights(step const&, std::span<double> w) const noexcept { w[0] = 1.0; }
};

static_assert(guidance_policy<none>);

}  // namespace diffx::guidance
