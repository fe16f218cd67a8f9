#!/usr/bin/env python3
"""Both ratios of a step, to the limit and to the peer, as one Markdown table.

Runs a benchmark and the eager PyTorch peer in turns, round after round, so that a disturbance hits
both, and quotes medians over the rounds with the smallest and largest. Without torch the peer's
columns stay empty and the reason is printed. `step` is bench_step, `token` bench_token, and so on.

    python3 benchmarks/report.py [step|token|binary|tabular|graph] [--rounds 5] [--bin build/release/bin] [--json FILE]
"""
import argparse
import json
import pathlib
import platform
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def run_step(program):
    done = subprocess.run([program, "--benchmark_format=json", "--benchmark_filter=fp32/threads_2/(1/16384|64/3072|8/65536)",
                           "--benchmark_min_time=0.005"], check=True, capture_output=True, text=True)
    rows = {}
    for b in json.loads(done.stdout)["benchmarks"]:
        name = re.match(r"step/vp-(\w+)-(\w+)/fp32/threads_2/(\d+)/(\d+)", b["name"])
        if name:
            solver, guidance, batch, features = name.groups()
            rows[f"{solver}-{guidance}", int(batch), int(features)] = {
                "seconds": b["real_time"] * 1e-9, "limit_ratio": b["limit_ratio"],
                "drift": b["limit_drift"]}
    return rows


TOKEN_PEERS = {"ancestral-none": ["softmax_multinomial", "gumbel", "gumbel_double"],
               "decode-drawn": ["softmax_confidence", "decode_drawn"],
               "decode-greedy": ["decode_greedy"]}


BINARY_PEERS = {f"{ours}/{layout}": theirs for layout in ("codes", "packed") for ours, theirs in
                {"xor": ["xor", "xor_uniform"], "step-ancestral": ["posterior"],
                 "step-xor_renoise": ["threshold"]}.items()}

GRAPH_PEERS = {"step": ["step"]}

TABULAR_PEERS = {"step/own": ["multinomial"], "step/equal": ["multinomial_equal"]}


def rows_of(pattern, chosen=None):
    """Runs a benchmark; its names are <pattern>/<shape>, with the case in the pattern's group."""
    def run(program):
        done = subprocess.run([program, "--benchmark_format=json", "--benchmark_min_time=0.05",
                               "--benchmark_filter=" + (chosen or pattern.split("(")[0])],
                              check=True, capture_output=True, text=True)
        rows = {}
        for b in json.loads(done.stdout)["benchmarks"]:
            name = re.match(pattern + r"((?:/\d+)+)", b["name"])
            shape = tuple(int(n) for n in name[2].split("/")[1:])
            rows[name[1], shape] = {"seconds": b["real_time"] * 1e-9,
                                    "limit_ratio": b["limit_ratio"]}
        return rows
    return run


def run_peer(script, *kind):
    done = subprocess.run([sys.executable, HERE / "peers" / script, *kind], capture_output=True, text=True)
    if done.returncode == 77:
        print(done.stdout.strip(), file=sys.stderr)
        return None
    done.check_returncode()
    return json.loads(done.stdout)


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def head(peers, rounds):
    print(f"{platform.processor() or platform.machine()}, two threads, {rounds} rounds; peer: "
          f"{peers[0]['peer'] if peers else 'none'}. Medians (smallest to largest).\n")


def report_steps(steps, peers):
    table = []
    for key in steps[0]:
        case, batch, features = key
        ours = [s[key]["seconds"] for s in steps]
        row = {"case": case, "shape": [batch, features], "us": [1e6 * t for t in ours],
               "limit_ratio": [s[key]["limit_ratio"] for s in steps],
               "noisy": max(ours) > 1.35 * min(ours) or
               any(not 0.9 < s[key]["drift"] < 1.1 for s in steps)}
        for form in ("usual", "minimal"):
            name = f"{case}/{form}/{batch}/{features}"
            if peers and name in peers[0]["seconds"]:
                row[form] = [p["seconds"][name] / t for p, t in zip(peers, ours)]
        table.append(row)
    print("| step | [batch, features] | us | limit ratio | peer ratio, usual | peer ratio, minimal | |")
    print("|---|---|---|---|---|---|---|")
    for r in table:
        peer = [spread(r[f]) if f in r else "" for f in ("usual", "minimal")]
        print(f"| {r['case']} | {r['shape']} | {spread(r['us'])} | {spread(r['limit_ratio'])} | "
              f"{peer[0]} | {peer[1]} | {'noisy' if r['noisy'] else ''} |")
    if peers:
        size = 1 << 20
        each = statistics.median(p["seconds"][f"randn/{size}"] for p in peers) / size
        print(f"\ntorch.randn: {1e9 * each:.2f} ns per normal")
    return table


def rows_reported(names_of_peers, shape_name):
    def report(steps, peers):
        table = []
        for case, shape in steps[0]:
            ours = [s[case, shape]["seconds"] for s in steps]
            at = "/".join(str(n) for n in shape)
            table.append({"case": case, "shape": list(shape), "us": [1e6 * t for t in ours],
                          "limit_ratio": [s[case, shape]["limit_ratio"] for s in steps],
                          "noisy": max(ours) > 1.35 * min(ours),
                          "peers": {name: [p["seconds"][f"{name}/{at}"] / t
                                           for p, t in zip(peers, ours)]
                                    for name in names_of_peers.get(case, []) if peers}})
        print(f"| step | {shape_name} | us | limit ratio | peer ratios | |")
        print("|---|---|---|---|---|---|")
        for r in table:
            peer = "; ".join(f"{name} {spread(values)}" for name, values in r["peers"].items())
            print(f"| {r['case']} | {r['shape']} | {spread(r['us'])} | {spread(r['limit_ratio'])} | "
                  f"{peer} | {'noisy' if r['noisy'] else ''} |")
        return table
    return report


TOKENS = rows_of(r"token/absorbing-([\w-]+)/fp32",
                 "absorbing-(ancestral-none|decode-.*)/fp32/((32|256)/50257|32/126464)/")
KINDS = {"step": ("bench_step", run_step, ["torch_step.py"], report_steps),
         "token": ("bench_token", TOKENS, ["torch_token.py"],
                   rows_reported(TOKEN_PEERS, "[rows, classes]")),
         "binary": ("bench_binary", rows_of(r"binary/([\w/-]+?)"), ["torch_table.py", "binary"],
                    rows_reported(BINARY_PEERS, "[rows, bits]")),
         "tabular": ("bench_tabular", rows_of(r"tabular/([\w/-]+?)"), ["torch_table.py", "tabular"],
                     rows_reported(TABULAR_PEERS, "[rows]")),
         "graph": ("bench_graph", rows_of(r"graph/(step)", "graph/step"), ["torch_graph.py"],
                   rows_reported(GRAPH_PEERS, "[batch, nodes, classes]"))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", nargs="?", choices=list(KINDS), default="step")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bin", type=pathlib.Path, default=HERE.parent / "build/release/bin")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    program, run, peer, report = KINDS[args.kind]
    steps, peers = [], []
    for _ in range(args.rounds):
        steps.append(run(args.bin / program))
        peers.append(run_peer(*peer))
    peers = [p for p in peers if p]
    head(peers, args.rounds)
    table = report(steps, peers)
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
