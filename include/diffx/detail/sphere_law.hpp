#pragma once

namespace diffx::detail {

/// Where a bridge on the sphere starts: one coordinate for all tokens, one for the mask.
struct sphere_start {
  double token = 0.0;
  double mask = 0.0;
};

/// What a block of points on spheres is told about its process; small enough to go by value.
struct sphere_law {
  int tokens = 0;      // logits of a position, and its first coordinates
  int width = 0;       // coordinates of a position: one more than tokens where there is a mask
  sphere_start usual;  // where bridges start
  sphere_start other;  // where samples of a mixture may start instead
};

}  // namespace diffx::detail
