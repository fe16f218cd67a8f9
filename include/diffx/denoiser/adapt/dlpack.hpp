#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

// Tensors by DLPack's members, whoever declares them: DLTensor and DLManagedTensor of dlpack.h, of
// LibTorch's <ATen/dlpack.h> and so on. No header of DLPack's is needed here.

namespace diffx::dlpack {

/// Where memory is: DLPack's numbers.
struct place {
  int type = 1;  // 1: host, 2: CUDA
  int id = 0;
};
inline constexpr place host{1, 0};
constexpr place cuda(int device) noexcept { return {2, device}; }

namespace detail {

inline constexpr char const* where = "diffx::dlpack";

/// DLPack's code of a type: signed integers 0, unsigned 1, floating point 2, bfloat16 4.
template <class T>
int code_of() {
  if constexpr (std::is_arithmetic_v<T>) {
    return std::is_floating_point_v<T> ? 2 : std::is_signed_v<T> ? 0 : 1;
  } else {
    static_assert(sizeof(T) == 2, "diffx::dlpack: a type that is not arithmetic has 16 bits.");
    constexpr float beyond_half = 65536.0f;
    return static_cast<float>(static_cast<T>(beyond_half)) == beyond_half ? 4 : 2;
  }
}

inline void insist(bool holds, char const* what, long long found, std::string const& expected) {
  diffx::detail::require(holds, where, what, found, expected);
}

}  // namespace detail

/// A DLPack tensor [batch, ...] as the rows of a batch, in the same memory.
///
///     auto const x = dlpack::view_of<float>(managed->dl_tensor, dlpack::cuda(0));
///
/// Shapes    [batch, features] after the extents past the first are multiplied; one extent alone is
///           [batch, 1].
/// Requires  memory that lives as long as the view is used, and whose work is done, or is ordered
///           before, on the stream that uses the view.
/// Errors    another type or place, a layout that is not row-major and compact, a data pointer that
///           is null or not aligned for T: throws diffx::error.
template <class T, class Tensor>
batch_view<T> view_of(Tensor const& t, place at, std::int64_t first_sample = 0) {
  using value = std::remove_const_t<T>;
  static_assert(!std::is_same_v<value, bool>);
  using detail::insist;
  insist(static_cast<int>(t.dtype.code) == detail::code_of<value>(), "dtype.code",
         static_cast<int>(t.dtype.code), std::to_string(detail::code_of<value>()));
  insist(t.dtype.bits == 8 * sizeof(value), "dtype.bits", static_cast<long long>(t.dtype.bits),
         std::to_string(8 * sizeof(value)));
  insist(t.dtype.lanes == 1, "dtype.lanes", static_cast<long long>(t.dtype.lanes), "1");
  insist(static_cast<int>(t.device.device_type) == at.type, "device_type",
         static_cast<int>(t.device.device_type), std::to_string(at.type));
  insist(static_cast<int>(t.device.device_id) == at.id, "device_id",
         static_cast<int>(t.device.device_id), std::to_string(at.id));
  insist(t.ndim >= 1, "ndim", static_cast<long long>(t.ndim), "at least 1");
  std::int64_t features = 1;
  for (int d = static_cast<int>(t.ndim) - 1; d >= 0; --d) {
    insist(t.shape[d] >= 0, "an extent", static_cast<long long>(t.shape[d]), "at least 0");
    if (d > 0) features = diffx::detail::checked_product(features, t.shape[d], "features");
  }
  std::int64_t const size =
      diffx::detail::checked_product(t.shape[0], features, "batch x features");
  std::int64_t compact = 1;
  for (int d = static_cast<int>(t.ndim) - 1; size > 0 && t.strides != nullptr && d >= 0; --d) {
    insist(t.shape[d] == 1 || t.strides[d] == compact, "a stride",
           static_cast<long long>(t.strides[d]),
           std::to_string(compact) + ": the layout must be row-major and compact");
    compact *= t.shape[d];
  }
  auto* const bytes = static_cast<std::byte*>(const_cast<void*>(static_cast<void const*>(t.data)));
  insist(size == 0 || bytes != nullptr, "data", 0, "not null");
  auto* const first = bytes == nullptr ? nullptr : bytes + t.byte_offset;
  auto const address = std::bit_cast<std::uintptr_t>(first);
  insist(address % alignof(value) == 0, "data", static_cast<long long>(address % 256),
         "(modulo 256) aligned to " + std::to_string(alignof(value)));
  return {reinterpret_cast<T*>(first), t.shape[0], features, first_sample};
}

/// The other way: fills a tensor that describes a view of [batch, ...]; nothing is owned. `shape`
/// has the batch in front and must outlive the tensor.
///
/// Errors    extents that do not give the view's features: throws diffx::error.
template <class Tensor, class T>
Tensor tensor_of(batch_view<T> view, std::vector<std::int64_t>& shape, place at) {
  using value = std::remove_const_t<T>;
  std::int64_t features = 1;
  for (std::size_t d = 1; d < shape.size(); ++d) {
    features = diffx::detail::checked_product(features, shape[d], "features");
  }
  detail::insist(!shape.empty() && shape[0] == view.batch, "batch of the shape",
                 shape.empty() ? 0 : static_cast<long long>(shape[0]), std::to_string(view.batch));
  detail::insist(features == view.features, "features of the shape",
                 static_cast<long long>(features), std::to_string(view.features));
  Tensor t{};
  t.data = const_cast<value*>(view.data);
  t.device.device_type = static_cast<decltype(t.device.device_type)>(at.type);
  t.device.device_id = at.id;
  t.ndim = static_cast<decltype(t.ndim)>(shape.size());
  t.dtype.code = static_cast<decltype(t.dtype.code)>(detail::code_of<value>());
  t.dtype.bits = static_cast<decltype(t.dtype.bits)>(8 * sizeof(value));
  t.dtype.lanes = 1;
  t.shape = shape.data();
  t.strides = nullptr;
  t.byte_offset = 0;
  return t;
}

/// A view lent to a framework that takes DLManagedTensor: it calls the deleter when it is done,
/// which gives back the description and not the memory.
///
/// Requires  memory that outlives what the framework makes of it.
template <class Managed, class T>
Managed* lend(batch_view<T> view, std::vector<std::int64_t> shape, place at) {
  struct loan {
    std::vector<std::int64_t> shape;
    Managed managed{};
  };
  using tensor = std::remove_reference_t<decltype(std::declval<Managed&>().dl_tensor)>;
  auto const described = tensor_of<tensor>(view, shape, at);  // first, since it may throw
  auto* const made = new loan{std::move(shape)};
  made->managed.dl_tensor = described;
  made->managed.dl_tensor.shape = made->shape.data();
  made->managed.manager_ctx = made;
  made->managed.deleter = [](Managed* self) { delete static_cast<loan*>(self->manager_ctx); };
  return &made->managed;
}

}  // namespace diffx::dlpack

namespace diffx::denoiser {

/// A network that takes DLPack tensors, as a denoiser: f(exec, x, query, out) is given Tensor
/// const& x and Tensor const& out of the run's own buffers and writes its prediction into out.
/// Nothing is copied.
///
///     auto const network =
///         denoiser::from_dlpack<DLTensor, prediction::eps, 2>(f, {3, 32, 32}, dlpack::cuda(0));
///
/// `f` enqueues on exec.stream of exec::cuda, and has written `out` on return elsewhere. It must
/// not write into x.
///
/// Shapes    x and out: [batch, shape...]; with a learned variance out is [batch, 2 shape[0], ...].
/// Errors    a shape of other features than the state's throws diffx::error.
template <class Tensor, prediction_policy Prediction, int Branches, bool LearnedVariance, class F>
class dlpack_model {
 public:
  static constexpr int branches = Branches;
  static constexpr bool learned_variance = LearnedVariance;
  Prediction prediction;

  dlpack_model(F f, std::vector<std::int64_t> shape, dlpack::place at, Prediction what)
      : prediction(what), f_(std::move(f)), in_(std::move(shape)), at_(at) {
    detail::require(!in_.empty(), "diffx::denoiser::from_dlpack", "extents of a sample", 0,
                    "at least 1");
    in_.insert(in_.begin(), 0);
    out_ = in_;
    if constexpr (LearnedVariance) out_[1] *= 2;
  }

  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, batch_view<X const> x, query const& q,
                  batch_view<Out> out) const {
    in_[0] = out_[0] = x.batch;
    f_(exec, dlpack::tensor_of<Tensor>(x, in_, at_), q, dlpack::tensor_of<Tensor>(out, out_, at_));
  }

 private:
  F f_;
  mutable std::vector<std::int64_t> in_, out_;  // one object serves one thread at a time
  dlpack::place at_;
};

template <class Tensor, prediction_policy Prediction, int Branches = 1,
          bool LearnedVariance = false, class F>
dlpack_model<Tensor, Prediction, Branches, LearnedVariance, F> from_dlpack(
    F f, std::vector<std::int64_t> shape, dlpack::place at = dlpack::host, Prediction what = {}) {
  return {std::move(f), std::move(shape), at, what};
}

}  // namespace diffx::denoiser
