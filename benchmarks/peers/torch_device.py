#!/usr/bin/env python3
"""The steps of bench_device in PyTorch on a device: eager as pipelines write them, eager as a
careful user does, the latter compiled, and captured into a graph of 20 steps.

Prints rows as bench_device does, one at a time: case, then eager_us, minimal_us, compiled_us or
captured_us, then microseconds per step, with tabs between. What torch has not is left out with the
reason on stderr. Exits with 77 without torch or a device.

    python3 benchmarks/peers/torch_device.py [--device cuda] [--repeats 21]
"""
import argparse
import statistics
import sys
import time

try:
    import torch
except ImportError:
    print("SKIPPED: torch is not installed")
    sys.exit(77)

from torch_step import Minimal, Usual

SHAPES = [(1, 1024), (1, 16384), (64, 3072), (8, 65536), (16, 1 << 20), (64, 1 << 20)]
COMPILED = [(1, 16384), (16, 1 << 20)]
STEPS = 20
SOLVERS = ["ddim", "dpmpp_2m", "dpmpp_2m_sde"]


def report(case, quantity, us):
    print(f"{case}\t{quantity}\t{us:.6g}", flush=True)


def clock(device):
    """Time of a call in microseconds, by events where there are any."""
    if device == "cpu":
        def measured(work):
            start = time.perf_counter()
            work()
            return 1e6 * (time.perf_counter() - start)
    else:
        def measured(work):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            work()
            end.record()
            end.synchronize()
            return 1e3 * begin.elapsed_time(end)
    return measured


def median_of(measured, work, repeats):
    for _ in range(3):
        measured(work)
    return statistics.median(measured(work) for _ in range(repeats)) / STEPS


def loop(step, x, out, state):
    def work():
        for _ in range(STEPS):
            step(x, out, state)
    return work


def captured(work):
    """The work as a replay of one graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=21)
    args = parser.parse_args()
    if args.device != "cpu" and not torch.cuda.is_available():
        print("SKIPPED: torch sees no device")
        sys.exit(77)
    measured = clock(args.device)
    jobs = [(solver, guidance, branches, shape) for shape in SHAPES for solver in SOLVERS
            for guidance, branches in (("none", 1), ("cfg", 2))]

    def tensors(branches, shape):
        make = lambda *s: torch.randn(s, device=args.device)
        batch, features = shape
        return make(batch, features), make(branches * batch, features), {"x0": make(batch, features)}

    def each(jobs, quantity, prepare):
        for solver, guidance, branches, shape in jobs:
            case = f"step/vp-{solver}-{guidance}/fp32/{shape[0]}/{shape[1]}"
            x, out, state = tensors(branches, shape)
            try:
                work = prepare(solver, x, out, state)
                report(case, quantity, median_of(measured, work, args.repeats))
            except Exception as error:  # one form that fails says nothing about the others
                print(f"{case} {quantity}: {type(error).__name__}: {error}", file=sys.stderr)
                return

    with torch.inference_mode():
        each(jobs, "eager_us", lambda s, x, o, k: loop(getattr(Usual(), s), x, o, k))
        each(jobs, "minimal_us", lambda s, x, o, k: loop(getattr(Minimal(), s), x, o, k))
    if args.device != "cpu":
        with torch.no_grad():
            each(jobs, "captured_us", lambda s, x, o, k: captured(loop(getattr(Minimal(), s), x, o, k)))
    if hasattr(torch, "compile"):
        with torch.no_grad():
            each([j for j in jobs if j[3] in COMPILED], "compiled_us",
                 lambda s, x, o, k: loop(torch.compile(getattr(Minimal(), s)), x, o, k))
    else:
        print(f"torch {torch.__version__} has no torch.compile", file=sys.stderr)


if __name__ == "__main__":
    main()
