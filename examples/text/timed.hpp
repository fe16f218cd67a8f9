#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/kv.hpp>

#include <chrono>
#include <cstdint>

namespace example {

using wall_clock = std::chrono::steady_clock;

inline double seconds_since(wall_clock::time_point start) {
  return std::chrono::duration<double>(wall_clock::now() - start).count();
}

/// A network with a clock around it: what is left of a loop's time is the library's.
template <class Network>
struct timed {
  Network const* network;
  double* seconds;
  static constexpr int branches = diffx::branches_of<Network>;
  static constexpr bool time_free = requires { requires Network::time_free; };
  decltype(Network::prediction) prediction{};

  auto make_store(std::int64_t batch,
                  std::int64_t positions) const requires diffx::kv_denoiser<Network> {
    return network->make_store(batch, positions);
  }
  auto block_length() const requires requires(Network const& n) { n.block_length(); }
  { return network->block_length(); }

  template <class... Args>
  void operator()(Args&&... args) const {
    auto const start = wall_clock::now();
    (*network)(static_cast<Args&&>(args)...);
    *seconds += seconds_since(start);
  }
};

}  // namespace example
