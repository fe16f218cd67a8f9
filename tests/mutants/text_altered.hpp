#pragma once

#include <diffx/cache/kv.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/solver/gibbs.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

// Policies of classes with one thing changed. One type has all mutants of a kind.

namespace mutants {

/// A solver of classes whose stages are changed after it planned them.
template <class Base>
struct altered_classes : Base {
  using change = void (*)(diffx::timetable const& grid, int index,
                          std::span<diffx::categorical_stage> planned);
  change apply = nullptr;

  template <class Process>
  void plan(diffx::plan_context<Process> const& context, diffx::categorical_plan& out) const {
    std::size_t const first = out.stages().size();
    Base::plan(context, out);
    if (apply != nullptr) {
      apply(context.grid, context.index,
            std::span<diffx::categorical_stage>(out.stages()).subspan(first));
    }
  }
};

/// A corrector that counts its blocks of words wrongly, so that sweeps share some.
template <int Draws>
struct altered_gibbs : diffx::solver::gibbs<> {
  static constexpr int draws = Draws;
};

/// A process of classes with levels that are changed before they are returned.
template <class Base>
struct altered_levels : Base {
  using change = void (*)(diffx::level&);
  change apply = nullptr;

  altered_levels(Base base, change c) : Base(std::move(base)), apply(c) {}
  diffx::level at(double t) const { return changed(Base::at(t)); }
  diffx::level at_lambda(double lambda) const { return changed(Base::at_lambda(lambda)); }

 private:
  diffx::level changed(diffx::level l) const {
    if (apply != nullptr) apply(l);
    return l;
  }
};

/// noise::counted through a change of address, then of the words.
struct altered_words {
  using kind = diffx::noise_tag;
  static constexpr std::string_view name = "mutants::words";
  std::uint64_t seed = 0;
  void (*address)(diffx::noise::key& k, std::int64_t& sample, std::int64_t& position) = nullptr;
  void (*value)(diffx::random::words4& w) = nullptr;

  template <class T>
  void fill(diffx::noise::key k, std::int64_t sample, std::int64_t first, int n, T* out) const {
    diffx::noise::counted{seed}.fill(k, sample, first, n, out);
  }
  diffx::random::words4 words(diffx::noise::key k, std::int64_t sample,
                              std::int64_t position) const {
    if (address != nullptr) address(k, sample, position);
    auto w = diffx::noise::counted{seed}.words(k, sample, position);
    if (value != nullptr) value(w);
    return w;
  }
  altered_words fork(std::uint64_t label) const {
    altered_words copy = *this;
    copy.seed = diffx::noise::counted{seed}.fork(label).seed;
    return copy;
  }
};

/// A rule whose choice is changed after it was made.
template <class Base>
struct altered_rule : Base {
  using change = diffx::decode::choice (*)(Base const&, diffx::decode::candidates const&,
                                           diffx::decode::choice);
  change apply = nullptr;

  diffx::decode::choice chosen(diffx::decode::candidates const& c) const {
    auto const plain = Base::chosen(c);
    return apply != nullptr ? apply(*this, c, plain) : plain;
  }
};

/// A confidence that is changed after it was measured. Confidences are types, so the change is
/// that of the type: set it for one check.
template <class Base>
struct altered_confidence : Base {
  using change = double (*)(double sure, double probability, std::int64_t position);
  static inline change apply = nullptr;

  template <class Row>
  static double of(Row const& row, int k, double u, std::int64_t position) {
    double const plain = Base::of(row, k, u, position);
    double p = 0.0;
    if constexpr (Base::reads_row) p = row.probability(k);
    return apply != nullptr ? apply(plain, p, position) : plain;
  }
};

/// A cache of keys and values whose roles are changed.
template <class Base>
struct altered_roles : Base {
  using change = void (*)(diffx::cache::kv_sample const& s, std::span<diffx::kv::role> out);
  change apply = nullptr;

  void roles(diffx::cache::kv_sample const& s, std::span<diffx::kv::role> out) const {
    Base::roles(s, out);
    if (apply != nullptr) apply(s, out);
  }
};

/// Guidance of reverse kernels with other weights: two kernels, or one and a table of log-ratios.
template <int Kernels>
struct altered_kernels {
  using kind = diffx::guidance_tag;
  static constexpr std::string_view name = "mutants::kernels";
  static constexpr std::string_view source = "";
  static constexpr int branches = 2;
  static constexpr int kernels = Kernels;
  static constexpr diffx::x0_hook hook = diffx::x0_hook::none;
  static constexpr diffx::guidance_reduction reduction = diffx::guidance_reduction::none;

  double gamma = 1.0;
  void (*apply)(double gamma, double& first, double& second) = nullptr;

  void weights(diffx::step const&, std::span<double> out) const {
    out[0] = kernels == 2 ? gamma : 1.0;
    out[1] = kernels == 2 ? 1.0 - gamma : gamma;
    if (apply != nullptr) apply(gamma, out[0], out[1]);
  }
};

}  // namespace mutants
