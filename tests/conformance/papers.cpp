// Which reader takes the entries of which file.

#include "papers.hpp"

#include "decoding.hpp"
#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace conformance {
namespace {

constexpr entry_file files[] = {
    {"000-canon-defog", defog_entry},
    {"000-canon-digress", digress_entry},
    {"000-canon-table", table_canon_entry},
    {"000-discrete-canon", discrete_canon_entry},
    {"017-rdlm", rdlm_entry},
    {"029-d3hr", d3hr_entry},
    {"047-dkv-cache", decoding_entry},
    {"049-reldiff-hybrid", reldiff_entry},
    {"057-binary-diffusion", binary_diffusion_entry},
    {"063-e2d2", decoding_entry},
    {"071-udlm-guidance", udlm_guidance},
    {"087-tabddpm", tabddpm_entry},
    {"089-tracerl", decoding_entry},
    {"091-fast-dllm", decoding_entry},
    {"105-coda", decoding_entry},
    {"107-edge", edge_entry},
    {"127-clavaddpm", clavaddpm_entry},
    {"163-edlm", edlm},
    {"197-bd3lm", decoding_entry},
    {"215-dte", dte_entry},
    {"217-ardm", ardm_entry},
    {"block_refine", refine_entry},
    {"block_refine_static", refine_entry},
    {"discrete_ddim", discrete_ddim_entry},
    {"discrete_ddim_loo", discrete_ddim_loo_entry},
    {"entropy_bound", refine_entry},
    {"maskgit", maskgit_entry},
    {"vq_loop", vq_entry},
    {"vq_posterior", vq_entry},
    {"vq_tables", vq_entry},
};

}  // namespace

std::span<entry_file const> entry_files() { return files; }

void refuse_unread(json const& e, std::initializer_list<std::string_view> known, report& r) {
  for (auto const& [key, value] : e.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) r.fail("unknown key " + key);
  }
}

}  // namespace conformance
