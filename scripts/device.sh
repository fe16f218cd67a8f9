#!/usr/bin/env bash
# Builds, tests, checks and measures the device code on a machine with a GPU, within ten minutes,
# and writes what came out as JSON and as one Markdown table.
#
#   scripts/device.sh --collect DIR   on a machine with internet or with the Debian packages: puts
#                                     the headers that the tests need into DIR
#   scripts/device.sh [--headers DIR] on the machine with the GPU, from the tree and that folder
#   scripts/device.sh --dry-run       prints every command and says which tools are not there; runs
#                                     only what looks at the machine
#
#   --results DIR   where results go; default benchmarks/results, of a dry run build/device
#   --seconds N     time for everything; default 600
#
# The machine needs nvcc, a C++20 host compiler, CMake 3.25 and make; compute-sanitizer and python3
# with torch are used where they are; a torch with CUDA also serves the test of the LibTorch
# adapter. Nothing is installed or downloaded. A stage that fails or runs out of time does not stop
# the others, and the results are always written.
#
# Exit code: 0 every stage passed; 1 one failed or ran out of time; 77 none failed, but not all
# could run (no device, a missing tool); 2 wrong arguments. A dry run ends with 0.
set -uo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
exec </dev/null

dry=0 collect='' headers='' results='' seconds=600
usage() {
  echo "usage: $0 [--collect DIR | --headers DIR | --dry-run] [--results DIR] [--seconds N]" >&2
  exit 2
}
while (($#)); do
  case $1 in
    --dry-run) dry=1; shift ;;
    --collect | --headers | --results | --seconds)
      if (($# < 2)) || [[ -z $2 ]]; then usage; fi
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    *) usage ;;
  esac
done
[[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || usage
for name in collect headers results; do  # as seen from where the user stands
  [[ -z ${!name} || ${!name} == /* ]] || printf -v "$name" '%s' "$here/${!name}"
done

# ---- the folder of headers ----

packages=(doctest-dev libeigen3-dev nlohmann-json3-dev)

# Installed packages are copied; others are downloaded and unpacked. Nothing is installed.
collect_headers() {
  local package file unpacked target=$1
  mkdir -p "$target" || return 1
  for package in "${packages[@]}"; do
    if dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii'; then
      while read -r file; do
        [[ -f $file && $file != /usr/share/doc/* ]] || continue
        mkdir -p "$target$(dirname "$file")" && cp "$file" "$target$file" || return 1
      done < <(dpkg -L "$package")
    else
      unpacked=$(mktemp -d) || return 1
      (cd "$unpacked" && apt-get -qq download "$package" && dpkg -x ./*.deb tree) || return 1
      cp -r "$unpacked/tree/usr" "$target/" || return 1
      rm -rf "$unpacked"
    fi
    echo "$package"
  done
}
if [[ -n $collect ]]; then
  if collect_headers "$collect"; then
    echo "Copy $collect to the machine with the GPU; there: $0 --headers $collect"
    exit 0
  fi
  echo "$0: not everything could be collected: ${packages[*]}" >&2
  exit 1
fi

# ---- what this machine is ----

[[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
have() { command -v "$1" >/dev/null 2>&1; }
first_line() { "$@" 2>/dev/null | head -n 1; }

device='' driver='' capability='' memory=''
if have nvidia-smi; then
  IFS=, read -r device driver capability memory < <(nvidia-smi \
    --query-gpu=name,driver_version,compute_cap,memory.total --format=csv,noheader 2>/dev/null)
  driver=${driver# } capability=${capability# } memory=${memory# }
fi
python=${PYTHON:-python3}
nvcc_version='' cmake_version='' compiler='' torch='' sanitizer='' revision=''
have nvcc && nvcc_version=$(nvcc --version | sed -n 's/.*release \([^,]*\), V\(.*\)/\2/p')
have cmake && cmake_version=$(first_line cmake --version)
have "${CXX:-g++}" && compiler=$(first_line "${CXX:-g++}" --version)
have "$python" && torch=$(first_line "$python" -c 'import torch; print(torch.__version__)')
torch_cuda='' torch_path=''  # of a torch that was built with CUDA: its version, its CMake package
[[ -n $torch ]] && torch_cuda=$(first_line "$python" -c 'import torch; print(torch.version.cuda or "")')
[[ -n $torch_cuda ]] &&
  torch_path=$(first_line "$python" -c 'import torch; print(torch.utils.cmake_prefix_path)')
have compute-sanitizer && sanitizer=$(compute-sanitizer --version 2>/dev/null | tail -n 1)
have git && revision=$(first_line git rev-parse --short=12 HEAD)
date=$(date -u +%Y-%m-%dT%H:%M:%SZ)

missing=()
for tool in nvcc cmake ctest make "${CXX:-g++}" nvidia-smi compute-sanitizer "$python"; do
  have "$tool" || missing+=("$tool")
done
have "$python" && [[ -z $torch ]] && missing+=("torch for $python")

build=build/cuda
work=build/device
mkdir -p "$work" || exit 1
rm -f "$work"/*.log "$work"/*.rows
if [[ -z $results ]]; then
  results=benchmarks/results
  ((dry)) && results=$work
fi
label=$(tr -cs 'A-Za-z0-9\n' '-' <<<"${device:-no-device}")
((dry)) && label='dry-run'
base=$results/device-${date:0:10}-$label
mkdir -p "$results" || exit 1

# ---- stages ----

json_text() {  # a string as JSON has it
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/}
  text=${text//$'\n'/\\n}
  printf '"%s"' "$(tr -d '\000-\010\013\014\016-\037' <<<"$text")"
}

stages=() failed=0 incomplete=0
note_stage() {  # name, outcome, seconds, command, why
  stages+=("{\"name\": $(json_text "$1"), \"outcome\": \"$2\", \"seconds\": $3, \
\"command\": $(json_text "$4"), \"why\": $(json_text "$5")}")
  printf '%-28s %-8s %s\n' "$1" "$2" "$5"
}

# stage <name> <limit in seconds> <needs: words of: device nvcc tools build sanitizer torch
#                                           libtorch> <command...>
# The name's words, joined, are the log's name; rows of numbers go to the file of the same name.
built=0
stage() {
  local name=$1 limit=$2 needs=$3 need why='' start left status
  shift 3
  local log=$work/${name// /_}.log
  for need in $needs; do
    case $need in
      device) [[ -n $device ]] || why+='no device; ' ;;
      nvcc) have nvcc || why+='no nvcc; ' ;;
      tools) { have cmake && have ctest && have make; } || why+='no cmake, ctest or make; ' ;;
      build) ((built || dry)) || why+='not built; ' ;;
      sanitizer) have compute-sanitizer || why+='no compute-sanitizer; ' ;;
      torch) [[ -n $torch ]] || why+="no $python with torch; " ;;
      libtorch) [[ -n $torch_cuda ]] || why+="no $python with torch of CUDA; " ;;
    esac
  done
  why=${why%; }
  if ((dry)); then
    note_stage "$name" dry 0 "$*" "${why:-could run}"
    printf '  %s\n' "$*"
    return 0
  fi
  if [[ -n $why ]]; then
    incomplete=1
    note_stage "$name" skipped 0 "$*" "$why"
    return 1
  fi
  left=$((seconds - SECONDS - 10))  # for what is killed late, and the results
  if ((left < 1)); then
    failed=1
    note_stage "$name" no-time 0 "$*" "no time left"
    return 1
  fi
  ((limit < left)) || limit=$left
  start=$SECONDS
  timeout --kill-after=5 "$limit" "$@" >"$log" 2>&1
  status=$?
  case $status in
    0) note_stage "$name" passed $((SECONDS - start)) "$*" "" ;;
    77)
      incomplete=1
      note_stage "$name" skipped $((SECONDS - start)) "$*" "$(tail -n 1 "$log")"
      ;;
    124 | 137)
      failed=1
      note_stage "$name" timeout $((SECONDS - start)) "$*" "stopped after $limit s"
      ;;
    *)
      failed=1
      note_stage "$name" failed $((SECONDS - start)) "$*" "exit code $status; see $log"
      tail -n 15 "$log" | sed 's/^/  | /'
      ;;
  esac
  return "$status"
}

# ---- results ----

fields() {  # name, text; ...
  while (($#)); do
    printf '  "%s": %s,\n' "$1" "$(json_text "$2")"
    shift 2
  done
}

write_results() {
  local rows=$work/all.rows separator one tool part
  # Rows are "case<tab>quantity<tab>number".
  for part in benchmarks peers; do
    [[ -f $work/$part.log ]] && cat "$work/$part.log"
  done | awk -F '\t' 'NF == 3 && $1 ~ /^[A-Za-z0-9_.\/-]+$/ && $2 ~ /^[A-Za-z0-9_.-]+$/ &&
    $3 ~ /^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$/' >"$rows"

  {
    echo '{'
    fields date "$date" revision "$revision" device "$device" driver "$driver" \
      compute_capability "$capability" memory "$memory" nvcc "$nvcc_version" \
      cmake "$cmake_version" compiler "$compiler" torch "$torch" sanitizer "$sanitizer" \
      system "$(uname -srm)"
    printf '  "dry_run": %s,\n' "$( ((dry)) && echo true || echo false)"
    printf '  "missing": ['
    separator=''
    for tool in ${missing[@]+"${missing[@]}"}; do
      printf '%s%s' "$separator" "$(json_text "$tool")"
      separator=', '
    done
    printf '],\n  "stages": [\n'
    separator='    '
    for one in "${stages[@]}"; do
      printf '%s%s' "$separator" "$one"
      separator=$',\n    '
    done
    printf '\n  ],\n  "results": [\n'
    awk -F '\t' '{ printf "%s    {\"case\": \"%s\", \"quantity\": \"%s\", \"value\": %s}",
                   (NR > 1 ? ",\n" : ""), $1, $2, $3 } END { if (NR) print "" }' "$rows"
    printf '  ]\n}\n'
  } >"$base.json"

  {
    echo "# Device results, ${date:0:10}"
    echo
    echo "${device:-No device}; driver ${driver:-none}; nvcc ${nvcc_version:-none};" \
      "torch ${torch:-none}; revision ${revision:-unknown}."
    echo
    echo '| stage | outcome | s | |'
    echo '|---|---|---|---|'
    for one in "${stages[@]}"; do
      sed -n 's/.*"name": "\([^"]*\)", "outcome": "\([^"]*\)", "seconds": \([0-9]*\),.*"why": "\(.*\)"}$/| \1 | \2 | \3 | \4 |/p' <<<"$one"
    done
    echo
    echo 'Microseconds a step of the recorded loop; limit ratio: the time of a copy of the same bytes,'
    echo 'or of empty kernels where that is more, over it; whole passes: of rows that go through all'
    echo 'steps at once, the time of a loop over all rows; peer ratios: their time over ours.'
    echo
    awk -F '\t' '
      { if (!($1 in seen)) { seen[$1] = 1; order[++n] = $1 } value[$1, $2] = $3 }
      function ratio(c, q) { return (c, q) in value && value[c, "us"] > 0 \
                               ? sprintf("%.3g", value[c, q] / value[c, "us"]) : "" }
      END {
        print "| case | us | limit ratio | nodes | on a stream, us | whole passes | eager |" \
          " minimal | captured | compiled |"
        print "|---|---|---|---|---|---|---|---|---|---|"
        for (i = 1; i <= n; ++i) {
          c = order[i]
          printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", c, value[c, "us"],
            value[c, "limit_ratio"], value[c, "nodes"], value[c, "stream_us"],
            ratio(c, "loop_us"), ratio(c, "eager_us"), ratio(c, "minimal_us"),
            ratio(c, "captured_us"), ratio(c, "compiled_us")
        }
      }' "$rows"
  } >"$base.md"
}
trap 'failed=1; write_results; exit 1' INT TERM

echo "diffx ${revision:-of unknown revision}, $date"
echo "device: ${device:-none}; driver: ${driver:-none}; nvcc: ${nvcc_version:-none}"
((${#missing[@]})) && printf 'not here: %s\n' "${missing[@]}"

architecture=${capability//./}
# Warnings of another compiler than ours are no errors here.
configure=(cmake --preset cuda -D DIFFX_WERROR=OFF
           -D "CMAKE_CUDA_ARCHITECTURES=${architecture:-80;90}")
[[ -n $headers ]] && configure+=(-D "CMAKE_PREFIX_PATH=$headers/usr")
jobs=$(nproc 2>/dev/null || echo 4)
tests=$build/bin/diffx_cuda_compile
bench=$build/bin/bench_device

stage 'configure' 60 'nvcc tools' "${configure[@]}" &&
  stage 'build' 300 'nvcc tools' cmake --build --preset cuda --parallel "$jobs" && built=1
stage 'tests without device' 120 'build' \
  ctest --preset cuda --label-exclude gpu --parallel "$jobs"
stage 'tests on device' 60 'device build' ctest --preset cuda --label-regex gpu
stage 'benchmarks' 170 'device build' "$bench"
# bench_device and the peers print rows as they go: what came before an end is kept.
stage 'peers' 120 'device torch' "$python" benchmarks/peers/torch_device.py
# The tools slow the code down 10 to 100 times, so each runs a part of the tests.
for tool in memcheck racecheck initcheck synccheck; do
  stage "sanitizer $tool" 45 'device build sanitizer' \
    compute-sanitizer --tool "$tool" --error-exitcode 1 \
    "$tests" '--test-case=*same samples*,*same classes*,*same bits*,*recorded loop*'
done
# The adapter's test against the LibTorch inside python's torch, in a build of its own.
stage 'libtorch' 200 'device nvcc tools libtorch' bash -c "cmake --preset torch \
-D DIFFX_WERROR=OFF -D 'CMAKE_PREFIX_PATH=$torch_path${headers:+;$headers/usr}' && \
cmake --build --preset torch --parallel $jobs && ctest --preset torch"

write_results
echo "results: $base.json $base.md"
((dry)) && exit 0
((failed)) && exit 1
((incomplete)) && exit 77
exit 0
