#!/usr/bin/env python3
"""The steps of bench_device in PyTorch on a device: eager as pipelines write them, eager as a
careful user does, the latter compiled, and captured into a graph of 20 steps. Of tokens, bits,
tables and graphs the published steps, eager.

Prints rows as bench_device does, one at a time: case, then eager_us, minimal_us, compiled_us or
captured_us, then microseconds per step, with tabs between. What torch has not is left out with the
reason on stderr. Exits with 77 without torch or a device.

    python3 benchmarks/peers/torch_device.py [--device cuda] [--repeats 21]
"""
import argparse
import statistics
import sys
import time

import torch_graph
import torch_table
import torch_token
from eager import torch
from torch_step import Minimal, Usual

SHAPES = [(1, 1024), (1, 16384), (64, 3072), (8, 65536), (16, 1 << 20), (64, 1 << 20)]
COMPILED = [(1, 16384), (16, 1 << 20)]
STEPS = 20

# Cases of bench_device of classes and bits, and their forms here: by quantity the names of the
# eager peers. Where there are two, the second is the leaner one.
CLASSES = [(32, 50257), (256, 50257), (2048, 50257), (32, 126464), (256, 126464)]
BITS, ROWS, GRAPHS = [(4096, 4096)], [4096, 65536], [(64, 128, 2), (64, 128, 5)]
EAGER = {}
for rows, classes in CLASSES:
    at = f"{rows}/{classes}"
    EAGER |= {f"softmax_multinomial/{at}": (f"token/draw/fp32/{at}", "eager_us"),
              f"gumbel/{at}": (f"token/draw/fp32/{at}", "minimal_us"),
              f"decode_drawn/{at}": (f"token/decode-drawn/fp32/{at}", "eager_us"),
              f"decode_greedy/{at}": (f"token/decode-greedy/fp32/{at}", "eager_us")}
EAGER |= {"posterior/4096/4096": ("binary/xor-ancestral/fp32/4096/4096", "eager_us")}
EAGER |= {f"multinomial/{rows}": (f"tabular/tabddpm/fp32/{rows}", "eager_us") for rows in ROWS}
EAGER |= {f"step/{b}/{n}/{k}": (f"graph/uniform-ancestral/fp32/{b * n * (n - 1) // 2}/{k}", "eager_us")
          for b, n, k in GRAPHS}
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


def median_of(measured, work, repeats, steps=STEPS):
    for _ in range(3):
        measured(work)
    return statistics.median(measured(work) for _ in range(repeats)) / steps


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


def classes_and_bits(measured, device, repeats):
    """The published steps, with everything that they make on the device."""
    if device != "cpu" and not hasattr(torch, "set_default_device"):
        print(f"torch {torch.__version__} has no default device: steps of tokens, bits, tables and "
              "graphs are left out", file=sys.stderr)
        return
    if device != "cpu":
        torch.set_default_device(device)
    for cases in (torch_token.cases(CLASSES), torch_table.binary_cases(BITS),
                  torch_table.tabular_cases(ROWS), torch_graph.cases(GRAPHS)):
        for name, call in cases:
            if name not in EAGER:
                continue
            case, quantity = EAGER[name]
            try:
                report(case, quantity, median_of(measured, call, repeats, steps=1))
            except Exception as error:  # out of memory, for one
                print(f"{case} {quantity}: {type(error).__name__}: {error}", file=sys.stderr)


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
    with torch.inference_mode():
        classes_and_bits(measured, args.device, min(args.repeats, 7))


if __name__ == "__main__":
    main()
