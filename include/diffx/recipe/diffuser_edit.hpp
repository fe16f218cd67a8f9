#pragma once

#include <diffx/process/edit.hpp>
#include <diffx/search/edit_beam.hpp>
#include <diffx/solver/tag_generate.hpp>

namespace diffx::recipe {

/// DiffusER: diffusion by edits.
///
///     auto const noise = recipe::diffuser_noise(vocabulary);    // keep .6, replace .2, insert and
///                                                               // remove .1; spans of Poisson(3)
///     auto const scripts = noise.draw_chain(text, seed, sample, 10);
///     auto const out = recipe::diffuser_greedy().run(tagger, generator, texts);
///     auto const best = recipe::diffuser_beam().run(tagger, generator, text);
///
/// Source    Reid, Hellendoorn & Neubig 2022, arXiv:2210.16886.
using diffuser_process = process::edit<process::span_poisson>;

inline diffuser_process diffuser_noise(int vocabulary) { return diffuser_process(vocabulary); }

inline solver::tag_generate diffuser_greedy(int max_steps = 10) {
  return {solver::tag_generate::pick::likeliest, max_steps};
}

/// Five texts, each by five taggings of five fillings.
inline search::edit_beam diffuser_beam(int max_steps = 10) { return {5, 5, 5, max_steps}; }

}  // namespace diffx::recipe
