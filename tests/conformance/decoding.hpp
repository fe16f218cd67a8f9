#pragma once

#include "harness.hpp"

namespace conformance {

/// Entries of the papers on decoding masked text, and those of the canon that are about it; false
/// for any other.
bool decoding_entry(json const& entry, report& r);

/// A case of the MaskGIT scheduler.
bool maskgit_entry(json const& entry, report& r);

}  // namespace conformance
