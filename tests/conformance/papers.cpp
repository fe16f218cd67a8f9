// Which reader takes the entries of which file.

#include "papers.hpp"

namespace conformance {
namespace {

constexpr entry_file files[] = {
    {"017-rdlm", rdlm_entry},
    {"block_refine", refine_entry},
    {"block_refine_static", refine_entry},
    {"discrete_ddim", discrete_ddim_entry},
    {"discrete_ddim_loo", discrete_ddim_loo_entry},
    {"entropy_bound", refine_entry},
    {"217-ardm", ardm_entry},
    {"000-discrete-canon", discrete_canon_entry},
    {"vq_loop", vq_entry},
    {"vq_posterior", vq_entry},
    {"vq_tables", vq_entry},
    {"071-udlm-guidance", udlm_guidance},
    {"163-edlm", edlm},
};

}  // namespace

std::span<entry_file const> entry_files() { return files; }

}  // namespace conformance
