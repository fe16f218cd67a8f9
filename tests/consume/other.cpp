#include <diffx/error.hpp>
#include <diffx/version.hpp>

int version_seen_by_other() { return DIFFX_VERSION; }
