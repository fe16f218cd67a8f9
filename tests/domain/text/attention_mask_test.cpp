// Masks of networks of blocks, against what a position may know.

#include <diffx/domain/text/attention_mask.hpp>

#include "support/message.hpp"
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx::domain::text;
using mask = std::vector<std::uint8_t>;

TEST_CASE("attention_mask: small ones by hand") {
  CHECK(block_causal_mask(3, 2) == mask{1, 1, 0, 1, 1, 0, 1, 1, 1});
  CHECK(block_causal_mask(2, 1) == mask{1, 0, 1, 1});
  CHECK(block_causal_mask(2, 5) == mask{1, 1, 1, 1});
  CHECK(noisy_and_clean_mask(2, 1) == mask{1, 0, 0, 0,  //
                                           0, 1, 1, 0,  //
                                           0, 0, 1, 0,  //
                                           0, 0, 1, 1});
  CHECK(decoder_mask(2, 1) == mask{0, 0, 1, 0, 1, 0, 0, 1});
}

TEST_CASE("attention_mask: the halves are each other's") {
  for (int n = 1; n < 9; ++n) {
    for (int block = 1; block < 5; ++block) {
      auto const causal = block_causal_mask(n, block), decoder = decoder_mask(n, block);
      auto const both = noisy_and_clean_mask(n, block);
      auto const at = [](mask const& m, int columns, int i, int j) {
        return m[static_cast<std::size_t>(i * columns + j)];
      };
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < n; ++j) {
          CHECK(at(both, 2 * n, i, j) == at(decoder, 2 * n, i, n + j));
          CHECK(at(both, 2 * n, i, n + j) == at(decoder, 2 * n, i, j));
          CHECK(at(both, 2 * n, n + i, j) == 0);
          CHECK(at(both, 2 * n, n + i, n + j) == at(causal, n, i, j));
          // What a block sees of the text is all up to its own end, once.
          CHECK(at(decoder, 2 * n, i, j) + at(decoder, 2 * n, i, n + j) == at(causal, n, i, j));
        }
      }
    }
  }
}

TEST_CASE("attention_mask: what is refused") {
  using test::message_of;
  using test::says;
  CHECK(says(message_of([] { block_causal_mask(0, 1); }), "diffx::domain::text::block_causal_mask",
             "positions", "0", "at least 1"));
  CHECK(says(message_of([] { noisy_and_clean_mask(3, 0); }),
             "diffx::domain::text::noisy_and_clean_mask", "block", "0", "at least 1"));
  CHECK(says(message_of([] { decoder_mask(-1, 2); }), "diffx::domain::text::decoder_mask",
             "positions", "-1", "at least 1"));
}

}  // namespace
