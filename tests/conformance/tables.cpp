#include "tables.hpp"

namespace conformance {

/// Checks one case of tables.json by its config alone: alpha_bar tables, posterior coefficients,
/// variances, the forward process and time grids.
bool tables_case(json const& c, report& r) {
  auto const kinds = {
      "schedule",   "posterior_coefficients", "variance",           "grid",
      "grid_large", "add_noise_vp",           "add_noise_schedule", "scale_noise_flow"};
  std::string const kind = c.at("kind");
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) return false;
  verdict const v = check_table(c);
  r.tolerance = 1e-11;
  r.compared = v.compared;
  r.worst = v.worst;
  if (!v.passes()) r.fail(v.where);
  return true;
}

}  // namespace conformance
