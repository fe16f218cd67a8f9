// Which reader takes the entries of which file.

#include "papers.hpp"

namespace conformance {
namespace {

constexpr entry_file files[] = {
    {"block_refine", refine_entry},
    {"block_refine_static", refine_entry},
    {"entropy_bound", refine_entry},
    {"071-udlm-guidance", udlm_guidance},
    {"163-edlm", edlm},
};

}  // namespace

std::span<entry_file const> entry_files() { return files; }

}  // namespace conformance
