#!/usr/bin/env python3
"""Both ratios of a step, to the limit and to the peer, as one Markdown table.

Runs a benchmark and the eager PyTorch peer in turns, round after round, so that a disturbance hits
both, and quotes medians over the rounds with the smallest and largest. Without torch the peer's
columns stay empty and the reason is printed. `step` is bench_step, `token` bench_token.

    python3 benchmarks/report.py [step|token] [--rounds 5] [--bin build/release/bin] [--json FILE]
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


def run_token(program):
    done = subprocess.run([program, "--benchmark_format=json", "--benchmark_min_time=0.05", "--benchmark_filter=" +
                           "absorbing-(ancestral-none|decode-.*)/fp32/((32|256)/50257|32/126464)/"],
                          check=True, capture_output=True, text=True)
    rows = {}
    for b in json.loads(done.stdout)["benchmarks"]:
        name = re.match(r"token/absorbing-([\w-]+)/fp32/(\d+)/(\d+)", b["name"])
        rows[name[1], int(name[2]), int(name[3])] = {"seconds": b["real_time"] * 1e-9,
                                                     "limit_ratio": b["limit_ratio"]}
    return rows


def run_peer(script):
    done = subprocess.run([sys.executable, HERE / "peers" / script], capture_output=True, text=True)
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
        print(f"\ntorch.randn: {1e9 * statistics.median(p['seconds_per_normal'] for p in peers):.2f}"
              " ns per normal")
    return table


def report_tokens(steps, peers):
    table = []
    for case, rows, classes in steps[0]:
        ours = [s[case, rows, classes]["seconds"] for s in steps]
        table.append({"case": case, "shape": [rows, classes], "us": [1e6 * t for t in ours],
                      "limit_ratio": [s[case, rows, classes]["limit_ratio"] for s in steps],
                      "noisy": max(ours) > 1.35 * min(ours),
                      "peers": {name: [p["seconds"][f"{name}/{rows}/{classes}"] / t
                                       for p, t in zip(peers, ours)]
                                for name in TOKEN_PEERS.get(case, []) if peers}})
    print("| step | [rows, classes] | us | limit ratio | peer ratios | |")
    print("|---|---|---|---|---|---|")
    for r in table:
        peer = "; ".join(f"{name} {spread(values)}" for name, values in r["peers"].items())
        print(f"| {r['case']} | {r['shape']} | {spread(r['us'])} | {spread(r['limit_ratio'])} | "
              f"{peer} | {'noisy' if r['noisy'] else ''} |")
    return table


KINDS = {"step": ("bench_step", run_step, "torch_step.py", report_steps),
         "token": ("bench_token", run_token, "torch_token.py", report_tokens)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", nargs="?", choices=list(KINDS), default="step")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bin", type=pathlib.Path, default=HERE.parent / "build/release/bin")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    program, run, script, report = KINDS[args.kind]
    steps, peers = [], []
    for _ in range(args.rounds):
        steps.append(run(args.bin / program))
        peers.append(run_peer(script))
    peers = [p for p in peers if p]
    head(peers, args.rounds)
    table = report(steps, peers)
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
