#!/usr/bin/env python3
"""Drawing tokens from rows of logits in eager PyTorch: the peers of bench_token.

`softmax_multinomial` and the two Gumbel forms only draw; `softmax_confidence` also says how probable
the drawn class is; the decode steps are those of masked language models: a class for every masked
position, its probability in double precision, and the surest position is committed. Prints one JSON
object: seconds by "<peer>/<rows>/<classes>". Needs torch; says so and exits with 77 without it.

    python3 benchmarks/peers/torch_token.py [--threads 2] [--repeats 7]
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

SHAPES = [(32, 50257), (256, 50257), (32, 126464)]  # rows of bench_token


def softmax_multinomial(logits, x):
    return torch.multinomial(torch.softmax(logits, -1), 1)


def gumbel(logits, x):
    return torch.argmax(logits - torch.log(torch.empty_like(logits).exponential_()), -1)


def gumbel_double(logits, x):
    return gumbel(logits.double(), x)


def softmax_confidence(logits, x):
    p = torch.softmax(logits, -1)
    token = torch.multinomial(p, 1)
    return token, p.gather(-1, token)


def commit(logits, x, token):
    """The surest masked position gets its class."""
    p = torch.softmax(logits.double(), -1).gather(-1, token[:, None])[:, 0]
    masked = x == logits.shape[1]
    place = torch.topk(torch.where(masked, p, torch.full_like(p, -torch.inf)), 1).indices
    result = x.clone()
    result[place] = token[place]
    return result


def decode_drawn(logits, x):
    return commit(logits, x, gumbel_double(logits, x))


def decode_greedy(logits, x):
    return commit(logits, x, torch.argmax(logits, -1))


PEERS = (softmax_multinomial, gumbel, gumbel_double, softmax_confidence, decode_drawn,
         decode_greedy)


def measure(peer, rows, classes, repeats):
    logits = torch.randn(rows, classes)
    x = torch.full((rows,), classes)
    times = []
    for i in range(repeats + 1):
        start = time.perf_counter()
        peer(logits, x)
        if i >= 1:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with torch.inference_mode():
        seconds = {f"{peer.__name__}/{rows}/{classes}": measure(peer, rows, classes, args.repeats)
                   for peer in PEERS for rows, classes in SHAPES}
    print(json.dumps({"peer": f"torch {torch.__version__} eager", "threads": args.threads,
                      "seconds": seconds}, indent=1))


if __name__ == "__main__":
    main()
