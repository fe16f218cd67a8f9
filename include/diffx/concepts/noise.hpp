#pragma once

#include <diffx/noise/address.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>

namespace diffx {

struct noise_tag {};

/// Where a run's standard normals come from.
///
/// | `N::name`                              | identity                                        |
/// | `n.fill(key, sample, first, count, p)` | writes elements first .. first + count of one   |
/// |                                        | sample's variate `key`; `first` is a multiple   |
/// |                                        | of 4; pure: equal arguments give equal numbers  |
/// | `n.fork(label)`                        | the source of a fork, independent of this one   |
template <class N>
concept noise_source = std::same_as<typename N::kind, noise_tag> &&
    requires(N const& n, noise::key k, double* p, float* q) {
  { N::name } -> std::convertible_to<std::string_view>;
  n.fill(k, std::int64_t{0}, std::int64_t{0}, 1, p);
  n.fill(k, std::int64_t{0}, std::int64_t{0}, 1, q);
  { n.fork(std::uint64_t{0}) } -> std::same_as<N>;
};

/// A source that gives random words as well, for draws that are not normal:
///
/// | `n.words(key, sample, position)` | the block of words of one position; pure                  |
template <class N>
concept word_source = noise_source<N> && requires(N const& n, noise::key k) {
  { n.words(k, std::int64_t{0}, std::int64_t{0}) } -> std::same_as<random::words4>;
};

/// A source that fills many short rows as fast as one long one, on the host:
///
/// | `n.fill_rows(key, sample, features, first, count, p)` | as fill, of rows laid end to end     |
///
/// A source that hides the fill of another hides its fill_rows as well: a run takes either.
template <class N>
concept row_source = noise_source<N> && requires(N const& n, noise::key k, float* q) {
  n.fill_rows(k, std::int64_t{0}, std::int64_t{1}, std::int64_t{0}, 1, q);
};

}  // namespace diffx
