#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>

namespace diffx::denoiser::eigen {

/// A small image classifier whose last hidden layer serves as the feature of a Frechet distance.
///
///     28x28x1 -> 3x3, 16 -> 3x3 / 2, 32 -> 3x3 / 2, 32 -> 3x3 / 2, 32 -> linear 64 -> linear 10
///
/// with ReLU after every layer but the last; the feature is the 64 values before their ReLU.
///
/// Shapes    x [batch, 784], features [batch, 64], logits [batch, 10]; images in [-1, 1].
/// Requires  host memory; one object may be called from several threads.
/// Errors    a tensor of another shape, a view of another width or batch: throws diffx::error.
class classifier {
 public:
  static constexpr std::int64_t pixels = 784;
  static constexpr std::int64_t feature_width = 64;
  static constexpr std::int64_t classes = 10;

  /// `source` is a safetensors object or anything with its tensor(name, shape).
  template <class Source>
  explicit classifier(Source const& source) : net_(std::make_shared<network>(source)) {}

  template <class Exec, class T>
  void features(Exec const& exec, batch_view<T const> x, batch_view<T> out) const {
    run<false>(exec, x, out, feature_width, "diffx::denoiser::eigen::classifier::features");
  }

  template <class Exec, class T>
  void logits(Exec const& exec, batch_view<T const> x, batch_view<T> out) const {
    run<true>(exec, x, out, classes, "diffx::denoiser::eigen::classifier::logits");
  }

 private:
  static constexpr int tile = 4;

  struct scratch {
    buffer image, a, b, windows, feature, logit;
  };

  struct network {
    template <class Source>
    explicit network(Source const& s)
        : conv1(s, "conv1", 1, 16),
          conv2(s, "conv2", 16, 32, 2),
          conv3(s, "conv3", 32, 32, 2),
          conv4(s, "conv4", 32, 32, 2),
          feature(s, "feature", 512, 64),
          logits(s, "logits", 64, 10) {
      // The weights expect channel * 16 + pixel, the activations come as pixel * 32 + channel.
      feature.reorder_input([](index i) { return i % 16 * 32 + i / 16; });
    }

    conv3x3 conv1, conv2, conv3, conv4;
    linear feature, logits;
    mutable scratch_pool<scratch> pool;
  };

  static void relu(float* x, index count) {
    Eigen::Map<Eigen::ArrayXf> values(x, count);
    values = values.max(0.0f);
  }

  template <bool Logits, class Exec, class T>
  void run(Exec const& exec, batch_view<T const> x, batch_view<T> out, std::int64_t width,
           std::string_view where) const {
    detail::require_features(x, pixels, where);
    detail::require_features(out, width, where);
    diffx::detail::require(x.batch == out.batch, where, "batch of the output",
                           static_cast<long long>(out.batch), "the batch of the input");
    network const& net = *net_;
    detail::for_each_tile<tile>(
        exec, x.batch, net.pool, [&](scratch& s, std::int64_t first, index rows) {
          float* const image = s.image.get(tile * pixels);
          std::fill(image, image + tile * pixels, 0.0f);
          std::transform(x.row(first), x.row(first) + rows * pixels, image,
                         [](T value) { return static_cast<float>(value); });
          float* const a = s.a.get(tile * 16 * 784);
          float* const b = s.b.get(tile * 32 * 196);
          net.conv1(image, tile, 28, a, s.windows);
          relu(a, tile * 16 * 784);
          net.conv2(a, tile, 28, b, s.windows);
          relu(b, tile * 32 * 196);
          net.conv3(b, tile, 14, a, s.windows);
          relu(a, tile * 32 * 49);
          net.conv4(a, tile, 7, b, s.windows);
          relu(b, tile * 32 * 16);
          matrix_map feature = s.feature.get(64, tile);
          net.feature(const_matrix_map(b, 512, tile), feature);
          matrix_map logit = s.logit.get(10, tile);
          if constexpr (Logits) {
            relu(feature.data(), 64 * tile);
            net.logits(feature, logit);
          }
          float const* const result = Logits ? logit.data() : feature.data();
          std::transform(result, result + rows * width, out.row(first),
                         [](float value) { return static_cast<T>(value); });
        });
  }

  std::shared_ptr<network const> net_;
};

}  // namespace diffx::denoiser::eigen
