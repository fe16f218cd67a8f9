#pragma once

#include <diffx/process/columns.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/class_alpha_bar.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/product.hpp>

#include <tuple>
#include <utility>
#include <vector>

namespace diffx::recipe {

/// TabDDPM: rows of numbers and categories on one chain of steps, the numbers by DDPM with the
/// large variance, every category by uniform noise over its own classes. State: std::tuple{numbers
/// [batch, n], codes [batch, columns]}; the network answers std::tuple{eps, logits}, the logits of
/// all columns side by side.
///
///     auto const s = recipe::tabddpm(codec.classes());
///     auto const g = grid::timesteps(std::get<0>(s.process.parts), grid::index::strided(1000,
///     1000));
///
/// What the network's logits mean depends on its training. Trained with the cross-entropy of the
/// clean class they are prediction::x0_posterior, and the law of the data is reached. Trained with
/// the variational bound, as published, they are prediction::x0_cavity: what the step multiplies
/// with q(x_t | x0). Each read as the other is biased, however many steps.
///
/// Source    Kotelnikov et al. 2023, arXiv:2209.15421.
/// Errors    no column, or one of no class: throws diffx::error. A table without categories takes
///           process::vp_discrete and solver::ddpm_large alone.
inline auto tabddpm(std::vector<int> const& classes,
                    schedule::alpha_bar_table const& table = schedule::cosine()) {
  using column = process::uniform<schedule::class_alpha_bar>;
  std::vector<column> columns;
  for (int const k : classes) columns.emplace_back(k, schedule::class_alpha_bar{table});
  return sampler{process::product{
                     std::tuple{process::vp_discrete(table), process::columns(std::move(columns))}},
                 solver::product{std::tuple{solver::ddpm_large{}, solver::ancestral{}}}};
}

}  // namespace diffx::recipe
