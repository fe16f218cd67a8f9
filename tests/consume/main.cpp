#include <diffx/error.hpp>
#include <diffx/version.hpp>

int version_seen_by_other();

int main() { return version_seen_by_other() == DIFFX_VERSION ? 0 : 1; }
