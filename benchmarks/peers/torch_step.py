#!/usr/bin/env python3
"""One step of DDIM, DPM-Solver++ 2M and UniPC-2 in eager PyTorch, for comparison with bench_step.

Each is written twice: as the usual pipelines do it (0-d tensor coefficients, predictions
concatenated) and minimally (Python floats, no concatenation). Prints one JSON object. Needs torch;
says so and exits with 77 where it is missing.

    python3 benchmarks/peers/torch_step.py [--threads 2]
"""
import argparse
import json
import statistics
import sys
import time

try:
    import torch
except ImportError:
    print("SKIPPED: torch is not installed")
    sys.exit(77)

SHAPES = [(1, 4, 64, 64), (64, 3, 32, 32), (8, 4, 128, 128)]


def ddim_minimal(x, eps, state):
    return 1.01 * x - 0.02 * eps


def ddim_usual(x, eps, state):
    a, b = torch.tensor(0.90), torch.tensor(0.92)
    x0 = (x - (1 - a) ** 0.5 * eps) / a ** 0.5
    direction = (1 - b) ** 0.5 * eps
    return b ** 0.5 * x0 + direction


def dpmpp_minimal(x, eps, state):
    x0 = 1.05 * x - 0.3 * eps
    x = 0.98 * x + 0.05 * x0 - 0.02 * state["x0"]
    state["x0"] = x0
    return x


def dpmpp_usual(x, eps, state):
    a, s = torch.tensor(0.95), torch.tensor(0.3)
    at, st = torch.tensor(0.96), torch.tensor(0.28)
    h, h0 = torch.tensor(0.1), torch.tensor(0.11)
    x0 = (x - s * eps) / a
    r0 = h0 / h
    d0 = x0
    d1 = (1.0 / r0) * (x0 - state["x0"])
    x = (st / s) * x - (at * (torch.exp(-h) - 1.0)) * d0 - 0.5 * (at * (torch.exp(-h) - 1.0)) * d1
    state["x0"] = x0
    return x


def measure(step, shape, repeats):
    x = torch.randn(shape)
    eps = torch.randn(shape)
    state = {"x0": torch.randn(shape)}
    times = []
    with torch.inference_mode():
        for i in range(repeats + 20):
            start = time.perf_counter()
            step(x, eps, state)
            if i >= 20:
                times.append(time.perf_counter() - start)
    return {"median_us": 1e6 * statistics.median(times), "min_us": 1e6 * min(times),
            "max_us": 1e6 * max(times)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    out = {"torch": torch.__version__, "threads": args.threads, "steps": {}}
    for name, step in [("ddim_usual", ddim_usual), ("ddim_minimal", ddim_minimal),
                       ("dpmpp_2m_usual", dpmpp_usual), ("dpmpp_2m_minimal", dpmpp_minimal)]:
        for shape in SHAPES:
            out["steps"][f"{name}/{list(shape)}"] = measure(step, shape, args.repeats)
    noise = []
    for _ in range(50):
        start = time.perf_counter()
        torch.randn(1 << 20)
        noise.append(time.perf_counter() - start)
    out["randn_ns_per_normal"] = 1e9 * statistics.median(noise) / (1 << 20)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
