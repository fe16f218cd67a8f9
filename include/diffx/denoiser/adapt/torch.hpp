#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <torch/script.h>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// What a network is told of the noise level.
enum class told { t, timestep, lambda, sigma, edm_sigma };

/// The class of each sample: one label for all, or one per global sample index.
struct torch_labels {
  std::vector<std::int64_t> of;
  std::int64_t null_label = 0;  // what every branch but 0 is told
};

struct torch_options {
  std::optional<torch_labels> labels{};            // none: the model takes no label
  std::optional<::torch::ScalarType> time_type{};  // none: that of x; kLong for an index
};

namespace detail {

using ::torch::Tensor;

template <class M>
concept scripted = std::derived_from<M, ::torch::jit::Module>;
/// Pointers and module holders. The call operator of a holder must not be asked about: it is no
/// constraint but an error if its forward() takes other arguments.
template <class M>
concept points = std::is_class_v<std::remove_pointer_t<M>> &&
    (std::is_pointer_v<M> || requires(M & m) { m.operator->(); });
template <class M, class... Args>
concept forwards = points<M> && requires(M& m, Args const&... args) {
  { m->forward(args...) } -> std::convertible_to<Tensor>;
};
/// A function that writes its prediction into its last argument.
template <class M, class... Args>
concept fills = !points<M> && requires(M & m, Args const&... args) {
  { m(args...) } -> std::same_as<void>;
};
template <class M, class... Args>
concept returns = !points<M> && requires(M & m, Args const&... args) {
  { m(args...) } -> std::convertible_to<Tensor>;
};

/// Calls the model in whichever of its ways takes these arguments; the result is undefined if it
/// wrote into `out` itself.
template <class M, class... Args>
Tensor call(M& m, Tensor const& out, Args const&... args) {
  if constexpr (scripted<M>) {
    return m.forward({args...}).toTensor();
  } else if constexpr (forwards<M, Args...>) {
    return m->forward(args...);
  } else if constexpr (fills<M, Args..., Tensor>) {
    m(args..., out);
    return out;
  } else {
    return m(args...);
  }
}
template <class M, class... Args>
inline constexpr bool takes =
    scripted<M> || forwards<M, Args...> || fills<M, Args..., Tensor> || returns<M, Args...>;

/// Where a run's memory lies for LibTorch, and what holds while a model is called there: of a host,
/// nothing. adapt/torch_cuda.hpp has that of a CUDA stream.
template <class Exec>
struct torch_place {
  static_assert(Exec::on_host,
                "diffx::denoiser::from_torch: this adapter is for host memory. For a CUDA stream "
                "include diffx/denoiser/adapt/torch_cuda.hpp.");
  explicit torch_place(Exec const&) {}
  ::torch::Device device{::torch::kCPU};
};

template <class Value>
std::string shown(Value const& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

}  // namespace detail

/// A LibTorch model as a denoiser; made by denoiser::from_torch.
template <prediction_policy Prediction, int Branches, bool LearnedVariance, class Model, class Time>
class torch_model {
  using tensor = ::torch::Tensor;
  static constexpr bool takes_two = detail::takes<Model, tensor, tensor>;
  static constexpr bool takes_label = detail::takes<Model, tensor, tensor, tensor>;
  static_assert(takes_two || takes_label,
                "diffx::denoiser::from_torch: the model must be a torch::jit::Module, a module "
                "holder or pointer with forward(x, t[, label]), a function f(x, t[, label]) that "
                "returns a tensor, or one f(x, t[, label], out) that returns void.");

 public:
  static constexpr int branches = Branches;
  static constexpr bool learned_variance = LearnedVariance;
  Prediction prediction;

  torch_model(Model model, std::vector<std::int64_t> shape, Time time, torch_options options,
              Prediction what)
      : prediction(what),
        model_(std::move(model)),
        shape_(std::move(shape)),
        time_(std::move(time)),
        options_(std::move(options)) {
    bool positive = !shape_.empty();
    for (std::int64_t const n : shape_) {
      positive = positive && n >= 1;
      elements_ *= n;
    }
    if (!positive)
      refuse("shape of a sample", ::torch::IntArrayRef(shape_),
             "of at least one extent, all at least 1");
    if (options_.labels && options_.labels->of.empty()) {
      refuse("number of labels", 0, "1, or one per sample");
    }
    if (options_.labels ? !takes_label : !takes_two) {
      diffx::detail::fail(std::string(where) +
                          (options_.labels ? ": labels were given, but the model takes none"
                                           : ": the model takes a label: give labels"));
    }
  }

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
    if (x.batch == 0) return;
    if (x.features != elements_) {
      refuse("features", x.features,
             detail::shown(elements_) + ", as shape " +
                 detail::shown(::torch::IntArrayRef(shape_)) + " says");
    }
    c10::InferenceMode const no_gradients;
    detail::torch_place<Exec> const place(exec);
    auto const type = ::torch::TensorOptions()
                          .dtype(std::is_same_v<T, float> ? ::torch::kFloat : ::torch::kDouble)
                          .device(place.device);
    std::vector<std::int64_t> sizes{x.batch};
    sizes.insert(sizes.end(), shape_.begin(), shape_.end());
    tensor const in = ::torch::from_blob(const_cast<T*>(x.data), sizes, type);
    if constexpr (LearnedVariance) sizes[1] *= 2;
    tensor const target = ::torch::from_blob(out.data, sizes, type);
    tensor const time = ::torch::full({x.batch}, time_of(q.at),
                                      type.dtype(options_.time_type.value_or(in.scalar_type())));
    tensor const answer = [&] {
      if constexpr (takes_label) {
        if (options_.labels)
          return detail::call(model_, target, in, time, labels_of(x, q.branch, place.device));
      }
      // Not both: the constructor refuses a model that needs what is not given.
      if constexpr (takes_two)
        return detail::call(model_, target, in, time);
      else
        return tensor();
    }();
    check(answer, target);
    if (answer.data_ptr() != target.data_ptr()) target.copy_(answer);
  }

 private:
  static constexpr std::string_view where = "diffx::denoiser::from_torch";

  template <class Value>
  [[noreturn]] static void refuse(std::string_view what, Value const& value,
                                  std::string const& range) {
    diffx::detail::fail(std::string(where) + ": " + std::string(what) + " = " +
                        detail::shown(value) + ", must be " + range);
  }

  double time_of(level const& at) const {
    if constexpr (std::is_same_v<Time, told>) {
      switch (time_) {
        case told::t:
          return at.t;
        case told::timestep:
          return at.timestep;
        case told::lambda:
          return at.lambda;
        case told::sigma:
          return at.sigma;
        case told::edm_sigma:
          return at.edm_sigma();
      }
      return at.t;
    } else {
      return static_cast<double>(time_(at));
    }
  }

  template <class T>
  tensor labels_of(batch_view<T const> x, int branch, ::torch::Device device) const {
    auto const& labels = *options_.labels;
    auto const type = ::torch::TensorOptions().dtype(::torch::kLong).device(device);
    if (branch != 0) return ::torch::full({x.batch}, labels.null_label, type);
    if (labels.of.size() == 1) return ::torch::full({x.batch}, labels.of.front(), type);
    auto const count = static_cast<std::int64_t>(labels.of.size());
    if (x.first_sample < 0 || x.first_sample + x.batch > count) {
      refuse("last sample index", x.first_sample + x.batch - 1,
             "below the number of labels, " + detail::shown(count));
    }
    auto* const of = const_cast<std::int64_t*>(labels.of.data());
    if (device.is_cpu()) return ::torch::from_blob(of + x.first_sample, {x.batch}, type);
    if (!uploaded_.defined() || uploaded_.device() != device) {
      uploaded_ = ::torch::from_blob(of, {count}, type.device(::torch::kCPU)).to(device);
    }
    return uploaded_.narrow(0, x.first_sample, x.batch);
  }

  static void check(tensor const& answer, tensor const& target) {
    if (!answer.defined()) {
      diffx::detail::fail(std::string(where) +
                          ": the model returned an undefined tensor, expected "
                          "one of shape " +
                          detail::shown(target.sizes()));
    }
    auto const insist = [](bool same, char const* what, auto const& found, auto const& expected) {
      if (same) return;
      diffx::detail::fail(std::string(where) + ": the model returned " + what + " " +
                          detail::shown(found) + ", expected " + detail::shown(expected));
    };
    insist(answer.device() == target.device(), "device", answer.device(), target.device());
    insist(answer.dtype() == target.dtype(), "dtype", answer.dtype(), target.dtype());
    insist(answer.sizes() == target.sizes(), "shape", answer.sizes(), target.sizes());
  }

  mutable Model model_;  // forward() of a module is not const
  std::vector<std::int64_t> shape_;
  std::int64_t elements_ = 1;
  Time time_;
  torch_options options_;
  mutable tensor uploaded_;  // labels on the device of the last call
};

/// Wraps a LibTorch model: a torch::jit::Module, a module holder or pointer, or any function of
/// tensors.
///
///     auto module = torch::jit::load("unet.pt");
///     module.eval();
///     auto const network = denoiser::from_torch<prediction::eps, 2>(
///         module, {3, 32, 32}, denoiser::told::timestep, {.labels = {{{class_of_all}, 1000}}});
///
/// The model sees the run's state without a copy, as [batch, shape...], the time as [batch] and, if
/// labels are given, a long tensor [batch]; it must not write into them. Its answer is copied into
/// the run's buffer, unless it is void f(x, t[, label], out), which writes there itself. `time` is
/// a `told` or a function level -> number. Calls run in inference mode; dropout and batch
/// normalisation follow the module's own train() or eval().
///
/// Shapes    x [batch, shape...]; the answer alike, with a learned variance [batch, 2 shape[0],
///           ...].
/// Requires  host memory, or adapt/torch_cuda.hpp; inclusion from a .cpp only, since nvcc does not
///           take LibTorch's headers as C++20. One object serves one thread at a time if the model
///           does.
/// Errors    an answer that is undefined or of another shape, dtype or device throws diffx::error
///           with what was found and expected; what the model throws passes through unchanged.
template <prediction_policy Prediction, int Branches = 1, bool LearnedVariance = false, class Model,
          class Time = told>
torch_model<Prediction, Branches, LearnedVariance, Model, Time> from_torch(
    Model model, std::vector<std::int64_t> shape, Time time = told::timestep,
    torch_options options = {}, Prediction prediction = {}) {
  return {std::move(model), std::move(shape), std::move(time), std::move(options), prediction};
}

}  // namespace diffx::denoiser
