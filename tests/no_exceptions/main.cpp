#include <diffx/error.hpp>
#include <diffx/version.hpp>

/// Built with -fno-exceptions and -fno-rtti: a requirement that holds does not abort.
int main() {
  diffx::detail::require(DIFFX_VERSION > 0, "main", "version", DIFFX_VERSION, "positive");
  return 0;
}
