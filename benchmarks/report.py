#!/usr/bin/env python3
"""Both ratios of a step, to the limit and to the peer, as one Markdown table.

Runs bench_step and the eager PyTorch peer in turns, round after round, so that a disturbance hits
both, and quotes medians over the rounds with the smallest and largest. Without torch the peer's
columns stay empty and the reason is printed.

    python3 benchmarks/report.py [--rounds 5] [--bin build/release/bin] [--json FILE]
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


def run_peer():
    done = subprocess.run([sys.executable, HERE / "peers" / "torch_step.py"], capture_output=True,
                          text=True)
    if done.returncode == 77:
        print(done.stdout.strip(), file=sys.stderr)
        return None
    done.check_returncode()
    return json.loads(done.stdout)


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bin", type=pathlib.Path, default=HERE.parent / "build/release/bin")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    steps, peers = [], []
    for _ in range(args.rounds):
        steps.append(run_step(args.bin / "bench_step"))
        peers.append(run_peer())
    peers = [p for p in peers if p]
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
    print(f"{platform.processor() or platform.machine()}, two threads, {args.rounds} rounds; peer: "
          f"{peers[0]['peer'] if peers else 'none'}. Medians (smallest to largest).\n")
    print("| step | [batch, features] | us | limit ratio | peer ratio, usual | peer ratio, minimal | |")
    print("|---|---|---|---|---|---|---|")
    for r in table:
        peer = [spread(r[f]) if f in r else "" for f in ("usual", "minimal")]
        print(f"| {r['case']} | {r['shape']} | {spread(r['us'])} | {spread(r['limit_ratio'])} | "
              f"{peer[0]} | {peer[1]} | {'noisy' if r['noisy'] else ''} |")
    if peers:
        print(f"\ntorch.randn: {1e9 * statistics.median(p['seconds_per_normal'] for p in peers):.2f}"
              " ns per normal")
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
