#pragma once

#include "harness.hpp"

namespace conformance {

/// One operation of the canon of discrete diffusion: remasking, or discrete flow matching.
bool canon_remask(json const& entry, report& r);

}  // namespace conformance
