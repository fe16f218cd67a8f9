// expected-error: tries neighbours of a normal start noise.*process_and_search_must_fit
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/search/zero_order.hpp>
#include <diffx/solver/ancestral.hpp>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  search::zero_order const search{};
#else
  search::best_of_n const search{};
#endif
  sampler const s{process::absorbing<>(3), solver::ancestral{}, guidance::none{}, cache::none{},
                  search};
  static_cast<void>(s);
}
