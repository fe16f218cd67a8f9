// expected-error: denoiser::clamp_clean shows the network clean values
#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/x0.hpp>

#include <cstdint>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using said = prediction::edm;
#else
  using said = prediction::x0;
#endif
  std::uint8_t const mask[2] = {1, 0};
  denoiser::clamp_clean const network{
      denoiser::predicts<said>(
          [](auto const&, auto const&, query const&, auto const&, batch_view<float>) {}),
      {mask, 1, 2}};
  static_cast<void>(network);
}
