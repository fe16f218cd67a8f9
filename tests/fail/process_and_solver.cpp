// expected-error: this solver works on processes with scalar alpha and sigma
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/levels.hpp"

struct bits {
  using kind = diffx::process_tag;
  static constexpr std::string_view name = "bits";
  static constexpr std::string_view source = "";
  static constexpr diffx::value_kind values = diffx::value_kind::binary;
};

int main() {
#if defined(DIFFX_BAD)
  using process = bits;
#else
  using process = test::vp_process;
#endif
  diffx::sampler const s{process{}, diffx::solver::ddim{}};
  static_cast<void>(s);
}
