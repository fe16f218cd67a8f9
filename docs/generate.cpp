// diffx_docs DIR [--check]: writes the policy catalogue, the compatibility matrix and the table of
// papers from the registry. With --check it writes nothing and fails if a file is out of date.

#include <diffx/registry.hpp>
#include <diffx/rule/process_and_guidance.hpp>
#include <diffx/rule/process_and_prediction.hpp>
#include <diffx/rule/solver_and_cache.hpp>
#include <diffx/rule/solver_and_guidance.hpp>
#include <diffx/rule/solver_and_prediction.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace diffx;

std::string paper(std::string_view source) {
  if (source.empty()) return "-";
  std::string const s(source);
  auto const at = s.find("arXiv:");
  if (at == std::string::npos) return s;
  std::string id = s.substr(at + 6);
  id = id.substr(0, id.find_first_not_of("0123456789."));
  return "[" + s + "](https://arxiv.org/abs/" + id + ")";
}

constexpr char const* generated =
    "<!-- Written by diffx_docs from include/diffx/registry.hpp; do not edit. -->\n\n";

std::string catalogue() {
  std::ostringstream out;
  out << "# Policy catalogue\n\n" << generated;
  auto const simple = [&](char const* title, auto list) {
    out << "## " << title << "\n\n| policy | source |\n|---|---|\n";
    for_each_type(
        list, [&]<class P>() { out << "| `" << P::name << "` | " << paper(P::source) << " |\n"; });
    out << "\n";
  };
  simple("Processes", registry::processes{});
  simple("Prediction types", registry::predictions{});
  out << "## Solvers\n\nEvaluations are the most that one step asks for; history and states are "
         "the "
         "tensors kept beside the state and the prediction.\n\n"
         "| solver | frame | order | evaluations | history | extra states | noise | source |\n"
         "|---|---|---|---|---|---|---|---|\n";
  for_each_type(registry::solvers{}, [&]<class S>() {
    char const* const f = S::frame == frame::x0 ? "x0" : S::frame == frame::eps ? "eps" : "flow";
    out << "| `" << S::name << "` | " << f << " | " << S::order << " | " << S::max_evals << " | "
        << S::history << " | " << S::states - 1 << " | " << (S::noises > 0 ? "yes" : "no") << " | "
        << paper(S::source) << " |\n";
  });
  out << "\nFor networks of a special kind or path (distilled networks, flow maps, the straight "
         "path, a "
         "learned variance, data to noise), and with steps of their own choosing:\n\n| solver | "
         "source |\n|---|---|\n";
  for_each_type(registry::special_solvers{}, [&]<class S>() {
    out << "| `" << S::name << "` | " << paper(S::source) << " |\n";
  });
  out << "\n";
  simple("Processes of classes", registry::class_processes{});
  simple("Processes of classes by matrices", registry::matrix_processes{});
  simple("Processes of tables' columns", registry::column_processes{});
  simple("Processes of packed bits", registry::bit_processes{});
  simple("Schedules of classes", registry::class_schedules{});
  simple("Prediction types of classes", registry::class_predictions{});
  simple("Solvers of classes", registry::class_solvers{});
  simple("Decoders of classes", registry::decoders{});
  simple("Confidences of a decoder", registry::confidences{});
  simple("What a decoder commits", registry::commits{});
  simple("Caches of classes", registry::class_caches{});
  simple("Processes on spheres", registry::sphere_processes{});
  simple("Solvers on spheres", registry::sphere_solvers{});
  simple("Edits of text, with loops of their own", registry::edits{});
  out << "## Guidance\n\n| policy | branches | source |\n|---|---|---|\n";
  auto const guidance = [&]<class G>() {
    out << "| `" << G::name << "` | " << G::branches << " | " << paper(G::source) << " |\n";
  };
  for_each_type(registry::guidances{}, guidance);
  for_each_type(registry::class_guidances{}, guidance);
  out << "\n## Caches\n\n| policy | predictions kept | source |\n|---|---|---|\n";
  for_each_type(registry::caches{}, [&]<class C>() {
    out << "| `" << C::name << "` | " << C::depth << " | " << paper(C::source) << " |\n";
  });
  out << "\n";
  simple("Searches", registry::searches{});
  simple("Searches over sets, with loops of their own", registry::set_searches{});
  simple("Scores of anomaly", registry::anomaly_scores{});
  simple("Codecs of tables", registry::codecs{});
  simple("Databases", registry::databases{});
  simple("Sparse graphs", registry::sparse_graphs{});
  simple("Structured problems", registry::structures{});
  return out.str();
}

std::string compatibility() {
  std::ostringstream out;
  out << "# What fits together\n\n"
      << generated
      << "A blank is a composition that does not compile; the error names both policies and the "
         "way "
         "out.\n\n## Solver and cache\n\n| solver |";
  for_each_type(registry::caches{}, [&]<class C>() { out << " `" << C::name << "` |"; });
  out << "\n|---|";
  for_each_type(registry::caches{}, [&]<class C>() { out << "---|"; });
  out << "\n";
  for_each_type(registry::solvers{}, [&]<class S>() {
    out << "| `" << S::name << "` |";
    for_each_type(registry::caches{},
                  [&]<class C>() { out << (rule::replay_keeps_order<S, C> ? " yes |" : " |"); });
    out << "\n";
  });
  out << "\n## Solver and guidance\n\n| solver |";
  for_each_type(registry::guidances{}, [&]<class G>() { out << " `" << G::name << "` |"; });
  out << "\n|---|";
  for_each_type(registry::guidances{}, [&]<class G>() { out << "---|"; });
  out << "\n";
  for_each_type(registry::solvers{}, [&]<class S>() {
    out << "| `" << S::name << "` |";
    for_each_type(registry::guidances{},
                  [&]<class G>() { out << (rule::guidance_fits_solver<S, G> ? " yes |" : " |"); });
    out << "\n";
  });
  out << "\n## Process and prediction type\n\n| process |";
  for_each_type(registry::predictions{}, [&]<class P>() { out << " `" << P::name << "` |"; });
  out << "\n|---|";
  for_each_type(registry::predictions{}, [&]<class P>() { out << "---|"; });
  out << "\n";
  for_each_type(registry::processes{}, [&]<class Q>() {
    out << "| `" << Q::name << "` |";
    for_each_type(registry::predictions{}, [&]<class P>() {
      out << (rule::prediction_survives_start<Q, P> ? " yes |" : " |");
    });
    out << "\n";
  });
  out << "\n## Solvers of classes and prediction type\n\n| solver |";
  for_each_type(registry::class_predictions{}, [&]<class P>() { out << " `" << P::name << "` |"; });
  out << " matrices | packed bits |\n|---|";
  for_each_type(registry::class_predictions{}, [&]<class P>() { out << "---|"; });
  out << "---|---|\n";
  for_each_type(registry::class_solvers{}, [&]<class S>() {
    out << "| `" << S::name << "` |";
    for_each_type(registry::class_predictions{}, [&]<class P>() {
      out << (rule::solver_reads_prediction<S, P> ? " yes |" : " |");
    });
    out << (takes_matrices<S> ? " yes |" : " |") << (takes_bits<S> ? " yes |\n" : " |\n");
  });
  out << "\n## Processes of classes and guidance\n\nEvery one of them takes every prediction type "
         "of classes, and `cache::none`; those by matrices take no concrete score. "
         "`guidance::d_cfg` and `guidance::d_cbg` need a solver that gives kernels.\n\n| process |";
  auto const each_guidance = [](auto f) {
    for_each_type(registry::guidances{}, f);
    for_each_type(registry::class_guidances{}, f);
  };
  each_guidance([&]<class G>() { out << " `" << G::name << "` |"; });
  out << "\n|---|";
  each_guidance([&]<class G>() { out << "---|"; });
  out << "\n";
  for_each_type(registry::class_processes{}, [&]<class Q>() {
    out << "| `" << Q::name << "` |";
    each_guidance([&]<class G>() { out << (rule::guidance_suits_values<Q, G> ? " yes |" : " |"); });
    out << "\n";
  });
  return out.str();
}

std::string papers() {
  std::map<std::string, std::set<std::string>> by_source;
  auto const collect = [&](auto list) {
    for_each_type(list, [&]<class P>() {
      if (!std::string_view(P::source).empty())
        by_source[paper(P::source)].insert(std::string(P::name));
    });
  };
  collect(registry::processes{});
  collect(registry::predictions{});
  collect(registry::class_processes{});
  collect(registry::matrix_processes{});
  collect(registry::column_processes{});
  collect(registry::bit_processes{});
  collect(registry::class_schedules{});
  collect(registry::class_predictions{});
  collect(registry::class_solvers{});
  collect(registry::decoders{});
  collect(registry::confidences{});
  collect(registry::commits{});
  collect(registry::class_caches{});
  collect(registry::sphere_processes{});
  collect(registry::sphere_solvers{});
  collect(registry::edits{});
  collect(registry::solvers{});
  collect(registry::special_solvers{});
  collect(registry::guidances{});
  collect(registry::class_guidances{});
  collect(registry::caches{});
  collect(registry::searches{});
  collect(registry::set_searches{});
  collect(registry::anomaly_scores{});
  collect(registry::codecs{});
  collect(registry::databases{});
  collect(registry::sparse_graphs{});
  collect(registry::structures{});
  std::ostringstream out;
  out << "# Papers\n\n"
      << generated
      << "`kind::name` stands in `include/diffx/kind/`, its tests in `tests/kind/` or, where they "
         "hold for "
         "every policy, in `tests/registry/`.\n\n| paper | policies |\n|---|---|\n";
  for (auto const& [source, names] : by_source) {
    out << "| " << source << " |";
    for (auto const& n : names) out << " `" << n << "`";
    out << " |\n";
  }
  return out.str();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: diffx_docs DIR [--check]\n");
    return 2;
  }
  bool const check = argc > 2 && std::string_view(argv[2]) == "--check";
  int stale = 0;
  for (auto const& [name, text] : {std::pair<char const*, std::string>{"catalogue.md", catalogue()},
                                   {"compatibility.md", compatibility()},
                                   {"papers.md", papers()}}) {
    std::string const path = std::string(argv[1]) + "/" + name;
    if (check) {
      std::ifstream in(path);
      std::string const have((std::istreambuf_iterator<char>(in)), {});
      if (have != text) {
        std::printf("%s is out of date: run diffx_docs %s\n", path.c_str(), argv[1]);
        ++stale;
      }
    } else if (!(std::ofstream(path) << text)) {
      std::fprintf(stderr, "cannot write %s\n", path.c_str());
      return 1;
    }
  }
  return stale == 0 ? 0 : 1;
}
