#!/usr/bin/env bash
# What diffx costs to compile: seconds, peak memory, preprocessed lines and headers of what users
# include, and of each further composition. Prints a Markdown table. Times are the median of five.
#
#   benchmarks/compile_time/measure.sh [COMPILER]      g++ by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
compiler=${1:-g++}
flags=(-std=c++20 -O2 -Iinclude -isystem /usr/include/eigen3)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compile <file>: "seconds megabytes object_bytes", the median of five
compile() {
  for _ in 1 2 3 4 5; do
    /usr/bin/time -f '%U %M' -o "$work/time" "$compiler" "${flags[@]}" -c "$1" -o "$work/out.o"
    cat "$work/time"
  done | sort -n | sed -n 3p | awk -v size="$(stat -c %s "$work/out.o" 2>/dev/null || echo 0)" \
    '{printf "%.2f %.0f\n", $1, $2 / 1024}'
}

row() {
  local name=$1 file=$2
  read -r seconds memory <<<"$(compile "$file")"
  local lines headers
  lines=$("$compiler" "${flags[@]}" -E "$file" | grep -cv '^#' || true)
  headers=$("$compiler" "${flags[@]}" -M "$file" | tr ' ' '\n' | grep -c '\.h\|/c++/' || true)
  printf '| %s | %s | %s | %s | %s |\n' "$name" "$seconds" "$memory" "$lines" "$headers"
}

echo "$("$compiler" --version | head -1), ${flags[0]} ${flags[1]}"
echo
echo '| what | user seconds | peak MB | lines | headers |'
echo '|---|---|---|---|---|'
echo 'int main() {}' >"$work/empty.cpp"
row 'empty file' "$work/empty.cpp"
for header in thread; do
  echo "#include <$header>" >"$work/h.cpp"
  row "\`<$header>\`" "$work/h.cpp"
done
if [[ -e /usr/include/eigen3/Eigen/Core ]]; then
  echo '#include <Eigen/Core>' >"$work/h.cpp"
  row '`<Eigen/Core>`' "$work/h.cpp"
fi
for header in sampler exec/host exec/threads solver/dpmpp_2m process/vp registry diffx; do
  [[ -e include/diffx/$header.hpp ]] || continue
  echo "#include <diffx/$header.hpp>" >"$work/h.cpp"
  row "\`diffx/$header.hpp\`" "$work/h.cpp"
done

# Compositions: each is one more solver x guidance x cache in one file.
compositions() {
  local n=$1
  cat <<'CODE'
#include <diffx/cache/every_n.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/deis.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/unipc.hpp>
using namespace diffx;
struct net {
  static constexpr int branches = 2;
  prediction::eps prediction{};
  void operator()(exec::host const&, batch_view<float const>, query const&, batch_view<float>) const;
};
template <class S, class G, class C>
void use(float* x) {
  sampler<process::vp<>, S, G, C> const s{};
  s.sample(exec::host{}, net{}, grid::uniform_lambda(s.process, 8), batch_view<float>{x, 4, 64});
}
CODE
  local solvers=(solver::ddim solver::euler solver::dpmpp_2m solver::dpmpp_2m_sde 'solver::deis<3>' 'solver::unipc<2>')
  local guidances=(guidance::none 'guidance::cfg<>' 'guidance::clip_x0<guidance::none>' 'guidance::clip_x0<guidance::cfg<>>')
  local caches=(cache::none 'cache::every_n<2>')
  echo 'void all(float* x) {'
  local made=0
  for c in "${caches[@]}"; do for g in "${guidances[@]}"; do for s in "${solvers[@]}"; do
    ((made < n)) || break 3
    echo "  use<$s, $g, $c>(x);"
    made=$((made + 1))
  done; done; done
  echo '}'
}
for n in 0 1 8 32; do
  compositions "$n" >"$work/c.cpp"
  row "$n compositions" "$work/c.cpp"
done
