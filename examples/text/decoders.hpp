#pragma once

// The ways to write text that the text examples offer by name. Each name is one specialised loop,
// most of them a recipe, with the network that it was made for.

#include <diffx/cache/kv.hpp>
#include <diffx/cache/unchanged.hpp>
#include <diffx/decode/proposal.hpp>
#include <diffx/denoiser/eigen/transformer.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/recipe/bd3lm.hpp>
#include <diffx/recipe/cdlm.hpp>
#include <diffx/recipe/dkv_cache.hpp>
#include <diffx/recipe/dream.hpp>
#include <diffx/recipe/fast_dllm.hpp>
#include <diffx/recipe/llada.hpp>
#include <diffx/recipe/mdlm.hpp>
#include <diffx/recipe/sfdlm.hpp>
#include <diffx/sampler.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace example {

namespace net = diffx::denoiser::eigen;

// The networks read ASCII.
inline constexpr int classes = 128, mask = 0, end_of_text = 4;
inline constexpr int block = 16;  // what kjv_blocks was trained with

inline diffx::process::absorbing<> masks() { return {classes, mask}; }

/// Networks are read from their files when they are asked for.
class networks {
 public:
  explicit networks(std::string folder) : folder_(std::move(folder)) {}

  net::transformer const& masked() { return get(masked_, "kjv_masked"); }
  net::transformer const& blocks() { return get(blocks_, "kjv_blocks"); }
  net::timed_transformer const& uniform() { return get(uniform_, "kjv_uniform"); }

 private:
  template <class Network>
  Network const& get(std::unique_ptr<Network>& slot, std::string const& name) {
    if (!slot) {
      slot = std::make_unique<Network>(net::safetensors(folder_ + "/" + name + ".safetensors"));
    }
    return *slot;
  }

  std::string folder_;
  std::unique_ptr<net::transformer> masked_, blocks_;
  std::unique_ptr<net::timed_transformer> uniform_;
};

/// What a decoder may be told; each uses what concerns it.
struct wishes {
  int steps = 64;            // calls, where their number is free
  int steps_of_block = 16;   // calls of a block, where it is decoded in equal shares
  double temperature = 0.8;  // of the decoders that draw; the others take the likeliest
  double threshold = 0.9;
};

struct decoder_name {
  char const* name;
  char const* what;
};
inline constexpr decoder_name decoders[] = {
    {"mdlm", "ancestral steps of masked text"},
    {"first_hitting", "one position a call, in a random order: exact"},
    {"llada", "the likeliest positions of a block, in equal shares"},
    {"dream", "the surest positions of the text, drawn at a temperature"},
    {"threshold", "all positions surer than a threshold"},
    {"entropy_bound", "as many positions as an entropy bound lets through"},
    {"fast_dllm", "threshold, with keys and values of what is before the block kept"},
    {"fast_dllm_dual", "threshold, with keys and values of all but the block kept"},
    {"dkv", "llada, with keys and values of what was decoded kept"},
    {"bd3lm", "block after block, first hitting, exact keys and values"},
    {"cdlm", "block after block, threshold, exact keys and values"},
    {"replace", "random letters that are replaced, all at once"},
};

/// Calls job(sampler, network, most steps) for the decoder of that name; nothing if there is none.
/// `positions` bounds the calls.
template <class Job>
bool with_decoder(std::string const& name, networks& nets, wishes const& w, int positions,
                  Job const& job) {
  using namespace diffx;
  decode::proposal drawn;
  drawn.temperature = w.temperature;
  int const block_calls = (positions + block - 1) / block * w.steps_of_block;
  auto const filled = [&]<class C, class R>(R rule, double temperature) {
    solver::decode<C, R> s;
    s.commit = rule;
    s.propose.temperature = temperature;
    s.end_of_text = end_of_text;
    return sampler{masks(), s};
  };
  if (name == "mdlm") {
    auto s = recipe::mdlm(masks());
    job(s, nets.masked(), w.steps);
  } else if (name == "first_hitting") {
    job(filled.template operator()<decode::random_order>(decode::per_call{}, w.temperature),
        nets.masked(), positions);
  } else if (name == "llada") {
    job(recipe::llada(masks(), block, w.steps_of_block), nets.masked(), block_calls);
  } else if (name == "dream") {
    job(recipe::dream(masks(), drawn), nets.masked(), w.steps);
  } else if (name == "threshold") {
    job(filled.template operator()<decode::probability>(decode::threshold{w.threshold}, 0.0),
        nets.masked(), positions);
  } else if (name == "entropy_bound") {
    job(filled.template operator()<decode::neg_entropy>(decode::entropy_bound{1.0 - w.threshold},
                                                        w.temperature),
        nets.masked(), positions);
  } else if (name == "fast_dllm") {
    job(recipe::fast_dllm(masks(), block, w.threshold), nets.masked(), positions);
  } else if (name == "fast_dllm_dual") {
    job(recipe::fast_dllm(masks(), block, w.threshold, cache::kv_dual{}), nets.masked(), positions);
  } else if (name == "dkv") {
    job(recipe::dkv_cache(masks(), block, w.steps_of_block), nets.masked(), block_calls);
  } else if (name == "bd3lm") {
    auto s = recipe::bd3lm(masks(), block, 1.0, end_of_text);
    s.solver.propose.temperature = w.temperature;
    job(s, nets.blocks(), positions);
  } else if (name == "cdlm") {
    job(recipe::cdlm(masks(), block, w.threshold, end_of_text), nets.blocks(), positions);
  } else if (name == "replace") {
    job(recipe::sfdlm(process::uniform<>(classes)), nets.uniform(), w.steps);
  } else {
    return false;
  }
  return true;
}

/// One text in the making: its tokens, and which of them are given.
struct draft {
  std::vector<std::uint8_t> tokens;
  std::vector<std::uint8_t> fixed;
};

inline draft draft_of(std::string const& given, int length, char hole) {
  draft d;
  d.tokens.assign(static_cast<std::size_t>(length), mask);
  d.fixed.assign(static_cast<std::size_t>(length), 0);
  for (std::size_t i = 0; i < given.size() && i < d.tokens.size(); ++i) {
    auto const c = static_cast<unsigned char>(given[i]);
    if (c >= classes || c == mask) {
      diffx::detail::fail("character " + std::to_string(i) + " of the text = " +
                          std::to_string(static_cast<int>(c)) + ", must be ASCII: 1 to 127");
    }
    if (given[i] == hole) continue;
    d.tokens[i] = c;
    d.fixed[i] = 1;
  }
  return d;
}

}  // namespace example
