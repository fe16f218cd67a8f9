#pragma once

#include "harness.hpp"
#include <initializer_list>
#include <span>
#include <string_view>

namespace conformance {

/// Compares one entry of a file with the library; false if it does not know the entry.
using entry_reader = bool (*)(json const& entry, report& r);

/// The reader of every entry of the files of one name.
struct entry_file {
  std::string_view stem;  // of the file's name
  entry_reader read;
};

std::span<entry_file const> entry_files();

/// A key that the reader does not read may hold a value that nobody compares: it is refused.
void refuse_unread(json const& e, std::initializer_list<std::string_view> known, report& r);

bool discrete_ddim_entry(json const& entry, report& r);
bool discrete_ddim_loo_entry(json const& entry, report& r);
bool refine_entry(json const& entry, report& r);
bool ardm_entry(json const& entry, report& r);
bool rdlm_entry(json const& entry, report& r);
bool discrete_canon_entry(json const& entry, report& r);
bool vq_entry(json const& entry, report& r);
bool udlm_guidance(json const& entry, report& r);
bool edlm(json const& entry, report& r);
bool table_canon_entry(json const& entry, report& r);
bool binary_diffusion_entry(json const& entry, report& r);
bool tabddpm_entry(json const& entry, report& r);
bool dte_entry(json const& entry, report& r);
bool reldiff_entry(json const& entry, report& r);
bool d3hr_entry(json const& entry, report& r);
bool clavaddpm_entry(json const& entry, report& r);
bool digress_entry(json const& entry, report& r);
bool defog_entry(json const& entry, report& r);
bool edge_entry(json const& entry, report& r);

}  // namespace conformance
