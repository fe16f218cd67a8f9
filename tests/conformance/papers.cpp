// Which reader takes the entries of which file.

#include "papers.hpp"

#include "decoding.hpp"

namespace conformance {
namespace {

constexpr entry_file files[] = {
    {"block_refine", refine_entry},    {"block_refine_static", refine_entry},
    {"entropy_bound", refine_entry},   {"047-dkv-cache", decoding_entry},
    {"063-e2d2", decoding_entry},      {"089-tracerl", decoding_entry},
    {"091-fast-dllm", decoding_entry}, {"105-coda", decoding_entry},
    {"197-bd3lm", decoding_entry},     {"maskgit", maskgit_entry},
};

}  // namespace

std::span<entry_file const> entry_files() { return files; }

}  // namespace conformance
