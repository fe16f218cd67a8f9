#pragma once

#define DIFFX_VERSION_MAJOR 0
#define DIFFX_VERSION_MINOR 1
#define DIFFX_VERSION_PATCH 0

/// One number that grows with every release: major * 10000 + minor * 100 + patch.
#define DIFFX_VERSION \
  (DIFFX_VERSION_MAJOR * 10000 + DIFFX_VERSION_MINOR * 100 + DIFFX_VERSION_PATCH)
