// expected-error: N is the refresh period in solver steps and must be at least 1
#include <diffx/cache/every_n.hpp>

int main() {
#if defined(DIFFX_BAD)
  diffx::cache::every_n<0> const c;
#else
  diffx::cache::every_n<2> const c;
#endif
  return c.depth - 1;
}
