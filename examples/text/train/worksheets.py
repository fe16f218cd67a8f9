"""Trains the network of the worksheets, a small text task whose answers can be checked.

    worksheets.py train --minutes 30     until the answers are right, and no longer than this
    worksheets.py export                 examples/models/worksheet.safetensors from the checkpoint

A worksheet is a row of sums, `47+5=52+9=61;`: two digits, then steps that each add one digit
to the last answer modulo 100, two to six of them, then `;` and the next sum, cut at the row's
length. The answers' digits are masked and everything else is given, so an answer needs the one
before it. The network, its training aids and the file format are those of train.py.
"""

import argparse
import copy
import os
import random
import sys
import time
from pathlib import Path

import train as text

import torch
from torch import nn
from torch.nn import functional as F

text.WIDTH, text.HEADS, text.LAYERS = 96, 4, 3
MASK = text.MASK


def worksheet(length, draw):
    """Characters of one row, and where the digits of its answers are."""
    row, at = "", []
    while len(row) < length:
        value = draw.randrange(100)
        row += f"{value:02d}"
        for _ in range(draw.randint(2, 6)):
            term = draw.randint(1, 9)
            value = (value + term) % 100
            row += f"+{term}="
            at += [len(row), len(row) + 1]
            row += f"{value:02d}"
        row += ";"
    return row[:length], [p for p in at if p < length]


def worksheets(count, length, draw):
    """Tokens [count, length], and 1 where an answer's digit is."""
    x, answer = torch.zeros(count, length, dtype=torch.long), torch.zeros(count, length)
    for i in range(count):
        row, at = worksheet(length, draw)
        x[i] = torch.tensor(list(row.encode()))
        answer[i, at] = 1.0
    return x, answer.bool()


def masked(answer):
    """Masks among the answers: of any share of them at random, and in half of the rows also all
    after a random place and none before a block ahead of it, as decoding by blocks meets them."""
    n, length = answer.shape
    hit = torch.rand(n, length) < torch.rand(n, 1)
    first = torch.randint(0, length, (n, 1))
    end = first + torch.randint(1, 65, (n, 1))
    p = torch.arange(length)[None]
    blocks = (hit & (p >= first)) | (p >= end)
    return answer & torch.where((torch.arange(n) % 2 == 0)[:, None], blocks, hit)


@torch.no_grad()
def accuracy(net, draw, rows=16, length=128):
    """Share of right answers when one digit a call is committed, the surest of its row."""
    x0, answer = worksheets(rows, length, draw)
    x = x0.masked_fill(answer, MASK)
    for _ in range(int(answer.sum(1).max())):
        p = torch.softmax(net(x), -1)
        p[..., MASK] = 0
        sure, token = p.max(-1)
        sure = sure.masked_fill(x != MASK, -1.0)
        place = sure.argmax(1)
        open_rows = torch.arange(rows)[(x == MASK).any(1)]
        x[open_rows, place[open_rows]] = token[open_rows, place[open_rows]]
    first = answer & ~torch.cat([torch.zeros(rows, 1, dtype=torch.bool), answer[:, :-1]], 1)
    right = (x == x0) | ~answer
    both = right & torch.cat([right[:, 1:], torch.ones(rows, 1, dtype=torch.bool)], 1)
    return both[first].float().mean().item()


def train(args):
    draw = random.Random(args.seed)
    net = text.Transformer(told_time=False)
    ema = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, betas=(0.9, 0.98),
                                  weight_decay=0.01)
    checkpoint = args.work / "worksheet.pt"
    step, seen = 0, 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
        step, seen = state["step"], state["seen"]
    print(f"{sum(p.numel() for p in net.parameters())} parameters", flush=True)
    began, total, count, best = time.time(), 0.0, 0, 0.0
    while time.time() - began < 60.0 * args.minutes and best < args.target:
        progress = (time.time() - began) / (60.0 * args.minutes)
        rate = args.rate * min(1.0, (step + 1) / 50) * (1.0 - 0.9 * progress)
        for group in optimiser.param_groups:
            group["lr"] = rate
        length = 1024 if step % 40 == 39 else 256 if step % 8 == 7 else args.length
        x0, answer = worksheets(max(1, args.tokens // length), length, draw)
        hit = masked(answer)
        if not hit.any():
            continue
        logits = net(x0.masked_fill(hit, MASK))
        loss = F.cross_entropy(logits[hit], x0[hit])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        seen += x0.numel()
        total, count = total + loss.item(), count + 1
        keep = min(args.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_mul_(list(ema.parameters()), keep)
            torch._foreach_add_(list(ema.parameters()), list(net.parameters()), alpha=1.0 - keep)
        if count == 100:
            report = f"step {step} loss {total / count:.4f} minutes {(time.time() - began) / 60:.1f}"
            if step % 300 == 0 and total / count < args.measure_below:
                best = accuracy(ema, random.Random(1))
                report += f" right {best:.4f}"
            print(report, flush=True)
            total, count = 0.0, 0
            part = Path(f"{checkpoint}.part")
            torch.save({"net": net.state_dict(), "ema": ema.state_dict(), "step": step,
                        "seen": seen, "optimiser": optimiser.state_dict()}, part)
            os.replace(part, checkpoint)


def export(args):
    state = torch.load(args.work / "worksheet.pt")
    args.out.mkdir(parents=True, exist_ok=True)
    text.write_safetensors(args.out / "worksheet.safetensors", text.halves(state["ema"]), {
        "format": "pt",
        "network": "diffx::denoiser::eigen::transformer",
        "prediction": "x0 posterior",
        "process": "absorbing, mask 0",
        "classes": text.CLASSES, "width": text.WIDTH, "heads": text.HEADS, "layers": text.LAYERS,
        "block_length": 0,
        "told_time": 0,
        "tokens": "ASCII bytes; 0 the mask",
        "training_steps": state["step"],
        "training_tokens_seen": state["seen"],
        "weights": "exponential moving average, rounded to half precision",
        "source": "sums drawn at random; trained from scratch by"
                  " examples/text/train/worksheets.py",
        "licence": "Apache-2.0",
    })
    print(f"worksheet.safetensors: {state['step']} steps", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {"train": train, "export": export}
    parser.add_argument("task", choices=list(tasks))
    parser.add_argument("--work", type=Path, default=Path("."), help="folder of the checkpoint")
    parser.add_argument("--out", type=Path, default=text.ROOT / "examples" / "models")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--target", type=float, default=0.995, help="share of right answers")
    parser.add_argument("--measure-below", type=float, default=0.5, help="loss")
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=2048, help="of a minibatch")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--ema", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    tasks[args.task](args)


if __name__ == "__main__":
    sys.exit(main())
