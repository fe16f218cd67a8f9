#pragma once

#include "harness.hpp"
#include <vector>

namespace conformance {

/// Checks a file of independently computed solver results: {"meta", "cases"} with cases of kind
/// `ode` (end points on a Gaussian mixture), `sde_affine` (mean, gains and variance on Gaussian
/// data) and `er_sde` (end points with given noise). One report per result; results of solvers that
/// the library does not have, and tables of measured orders, are passed by.
std::vector<report> canon_reports(json const& file);

/// True if the file has that shape.
bool is_canon(json const& file);

}  // namespace conformance
