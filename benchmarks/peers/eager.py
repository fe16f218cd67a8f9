"""What the eager PyTorch peers share: torch, or the reason why there is none, and their timing."""
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


def seconds(call, repeats):
    """The median of so many calls, after three that warm up."""
    times = []
    for i in range(repeats + 3):
        start = time.perf_counter()
        call()
        if i >= 3:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(kinds, repeats):
    """Prints one JSON object: seconds by name, of the cases (name, call) of a kind or of all."""
    parser = argparse.ArgumentParser()
    if len(kinds) > 1:
        parser.add_argument("kind", nargs="?", choices=kinds)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=repeats)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    chosen = [args.kind] if getattr(args, "kind", None) else kinds
    with torch.inference_mode():
        measured = {name: seconds(call, args.repeats)
                    for kind in chosen for name, call in kinds[kind]()}
    print(json.dumps({"peer": f"torch {torch.__version__} eager", "threads": args.threads,
                      "seconds": measured}, indent=1))
