"""Trains the three small character networks of the text example on the King James Bible.

    train.py masked  --minutes 35               bidirectional, told no time, for the absorbing process
    train.py uniform --minutes 50 --fork FILE   bidirectional, told the time, for the uniform process
    train.py blocks  --minutes 50 --fork FILE   block-causal, blocks of 16, absorbing inside a block
    train.py export                             examples/models/kjv_*.safetensors from the checkpoints
    train.py data                               examples/text/data/kjv_held_out.txt
    train.py evaluate                           bits per character of the held-out chapters
    train.py parity                             tests/data/kjv_parity.json, for the test in C++
    train.py sample                             two texts of each checkpoint

A network is what include/diffx/denoiser/eigen/transformer.hpp reads: the tensors have the names of
the state_dict. Tokens are ASCII bytes; 0 (NUL) is the mask and 4 (EOT) ends a chapter. The learning
rate is a cosine of the time spent, so a run ends when it was told to, however busy the machine is.
A checkpoint is written every few minutes and a run goes on from the one it finds.
"""

import argparse
import concurrent.futures
import copy
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

# One thread per worker: a minibatch is cut into one part per worker, which waits once a step rather
# than once a layer and suffers less from other work on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))
from safetensors_file import halves, read_safetensors, write_safetensors

ROOT = Path(__file__).resolve().parents[3]
SOURCE = "King James Version of the Bible (1611), public domain, from Debian's package bible-kjv-text"
CLASSES, MASK, EOT = 128, 0, 4
WIDTH, HEADS, LAYERS, BLOCK = 128, 4, 6, 16
KINDS = ("masked", "uniform", "blocks")
HELD_OUT = 50  # every 50th chapter is not trained on


# ---------------------------------------------------------------------------------------- data


def chapters():
    """The chapters in order: verses one a line, without their numbers, and EOT at the end."""
    text = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], stdin=subprocess.DEVNULL,
                          capture_output=True, check=True).stdout.decode("ascii")
    result, last = [], None
    for line in text.splitlines():
        place, _, verse = line.partition(" ")
        chapter = place.partition(":")[0]
        if chapter != last:
            result.append("")
            last = chapter
        result[-1] += verse.strip() + "\n"
    return [c + chr(EOT) for c in result]


def split():
    """Tokens to train on, and the held-out chapters, as uint8 tensors."""
    parts = [[], []]
    for i, c in enumerate(chapters()):
        parts[i % HELD_OUT == HELD_OUT // 2].append(c)
    return [torch.from_numpy(np.frombuffer("".join(p).encode(), np.uint8).copy()) for p in parts]


def windows(tokens, count, length, generator=None):
    first = torch.randint(0, len(tokens) - length + 1, (count,), generator=generator)
    return tokens[first[:, None] + torch.arange(length)].long()


# ------------------------------------------------------------------------------------- network


def rotate(x, cos, sin):
    """Channels (a, b), halves of a head, turned by the angle of their position."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def attend(q, k, v, mask):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    s = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s.masked_fill(~mask, -math.inf)
    return torch.softmax(s, dim=-1) @ v


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.a = nn.Linear(WIDTH, 4 * WIDTH)
        self.b = nn.Linear(4 * WIDTH, WIDTH)
        for end in (self.proj, self.b):
            nn.init.normal_(end.weight, std=0.02)
            nn.init.zeros_(end.bias)

    def forward(self, h, cos, sin, mask):
        n, length, _ = h.shape
        qkv = self.qkv(self.norm1(h)).reshape(n, length, 3, HEADS, WIDTH // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        h = h + self.proj(attend(q, k, v, mask).transpose(1, 2).reshape(n, length, WIDTH))
        return h + self.b(F.silu(self.a(self.norm2(h))))


class Transformer(nn.Module):
    """Logits [n, length, 128] of x0 from tokens x [n, length]; `at` are their positions."""

    def __init__(self, told_time):
        super().__init__()
        self.told_time = told_time
        self.token = nn.Embedding(CLASSES, WIDTH)
        nn.init.normal_(self.token.weight, std=0.5)
        self.block = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, CLASSES)
        nn.init.normal_(self.out.weight, std=0.02)
        if told_time:
            self.time1 = nn.Linear(64, WIDTH)
            self.time2 = nn.Linear(WIDTH, WIDTH)
            nn.init.zeros_(self.time2.weight)
            nn.init.zeros_(self.time2.bias)
        k = torch.arange(32, dtype=torch.float64)
        self.register_buffer("freq", torch.exp(-math.log(10000.0) * k / 31.0), persistent=False)

    def forward(self, x, t=None, at=None, mask=None):
        if at is None:
            at = torch.arange(x.shape[1])
        half = WIDTH // HEADS // 2
        turn = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = at.double()[:, None] * turn
        cos, sin = angle.cos().float(), angle.sin().float()
        h = self.token(x)
        if self.told_time:
            angle = 1000.0 * t.double()[:, None] * self.freq
            e = torch.cat([angle.sin(), angle.cos()], dim=1).float()
            h = h + F.silu(self.time2(F.silu(self.time1(e))))[:, None]
        for layer in self.block:
            h = layer(h, cos, sin, mask)
        return self.out(self.norm(h)).float()


def block_causal(length):
    """[length, length]: a position sees its own block and those before it."""
    b = torch.arange(length) // BLOCK
    return b[None] <= b[:, None]


def doubled_mask(length):
    """Of [x_t ; x_0]: noised tokens see their block and the clean blocks before it, clean tokens
    see clean blocks up to their own."""
    b = torch.arange(length) // BLOCK
    own, before, upto = b[None] == b[:, None], b[None] < b[:, None], b[None] <= b[:, None]
    return torch.cat([torch.cat([own, before], 1), torch.cat([own & False, upto], 1)], 0)


# ------------------------------------------------------------------------------------- training


def masked_count(groups, size, generator=None):
    """m masks in every group of `size` positions at random places, m from 1 to size, stratified:
    masked [groups, size], and weight size / m. E of (weight sum of cross entropies) is the bound
    on -log p of a group."""
    order = (torch.randperm(groups, generator=generator)
             + torch.rand(groups, generator=generator)) / groups
    m = (order * size).long().clamp(0, size - 1) + 1
    rank = torch.rand(groups, size, generator=generator).argsort(dim=1).argsort(dim=1)
    return rank < m[:, None], size / m.float()


def noised(kind, x0, generator=None):
    """(x_t, t or None, weight of each position's cross entropy), such that the weighted sum over
    positions is the bound in nats for masks, and plain cross entropy for uniform noise."""
    n, length = x0.shape
    if kind == "uniform":
        t = (torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)) / n
        hit = torch.rand(n, length, generator=generator) < t[:, None]
        fresh = torch.randint(0, CLASSES, (n, length), generator=generator)
        return torch.where(hit, fresh, x0), t, torch.ones(n, length)
    size = length if kind == "masked" else BLOCK
    masked, weight = masked_count(n * length // size, size, generator)
    weight = (masked * weight[:, None]).reshape(n, length)
    return x0.masked_fill(masked.reshape(n, length), MASK), None, weight


def logits_of(kind, net, xt, t, x0):
    if kind != "blocks":
        return net(xt, t)
    length = xt.shape[1]
    at = torch.arange(length).repeat(2)
    return net(torch.cat([xt, x0], 1), None, at, doubled_mask(length))[:, :length]


def loss_of(kind, net, xt, t, weight, x0):
    logits = logits_of(kind, net, xt, t, x0)
    ce = F.cross_entropy(logits.reshape(-1, CLASSES), x0.reshape(-1), reduction="none")
    return (ce * weight.reshape(-1)).sum() / x0.numel()


def train(args):
    kind = args.task
    tokens, _ = split()
    net = Transformer(told_time=kind == "uniform")
    ema = copy.deepcopy(net)
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim < 2]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05},
                                   {"params": others, "weight_decay": 0.0}],
                                  lr=args.rate, betas=(0.9, 0.98))
    step, seen, spent = 0, 0, 0.0
    checkpoint = args.work / f"{kind}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
        step, seen, spent = state["step"], state["seen"], state["spent"]
        print(f"goes on from step {step}", flush=True)
    elif args.fork is not None:
        net.load_state_dict(torch.load(args.fork)["ema"], strict=False)
        ema.load_state_dict(net.state_dict())
        print(f"forked from {args.fork}", flush=True)
    print(f"{kind}: {sum(p.numel() for p in net.parameters())} parameters", flush=True)

    def save():
        part = Path(f"{checkpoint}.part")
        torch.save({"net": net.state_dict(), "ema": ema.state_dict(), "step": step, "seen": seen,
                    "optimiser": optimiser.state_dict(), "spent": spent}, part)
        os.replace(part, checkpoint)

    weights = list(net.parameters())
    workers = concurrent.futures.ThreadPoolExecutor(args.threads)

    def part_gradient(part):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bfloat16):
            loss = loss_of(kind, net, *part)
        return loss.item(), torch.autograd.grad(loss, weights)

    last = last_save = time.time()
    total, count, first_step = 0.0, 0, step
    began = last
    while spent < 60.0 * args.minutes:
        progress = spent / (60.0 * args.minutes)
        rate = args.rate * min(1.0, (step + 1) / args.warmup) * 0.5 * (
            1 + math.cos(math.pi * min(progress, 1.0)))
        for group in optimiser.param_groups:
            group["lr"] = max(rate, 1e-6)
        # every 12th minibatch is of the longest length, with as many tokens
        length = args.longest if step % 12 == 11 else args.length
        rows = max(args.threads, args.batch * args.length // length)
        x0 = windows(tokens, rows, length)
        xt, t, weight = noised(kind, x0)
        cut = [xt, t, weight, x0]
        parts = zip(*(a.chunk(args.threads) if a is not None else [None] * args.threads
                      for a in cut))
        losses, gradients = zip(*workers.map(part_gradient, parts))
        for w, *g in zip(weights, *gradients):
            w.grad = sum(g) / len(g)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        step += 1
        seen += rows * length
        total += sum(losses) / len(losses)
        count += 1
        keep = min(args.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_mul_(list(ema.parameters()), keep)
            torch._foreach_add_(list(ema.parameters()), weights, alpha=1.0 - keep)
        now = time.time()
        spent, last = spent + now - last, now
        if count == 100:
            print(f"step {step} loss {total / count / math.log(2):.4f} bits minutes "
                  f"{spent / 60:.1f} tokens {seen} steps/s "
                  f"{(step - first_step) / (now - began):.2f}", flush=True)
            total, count = 0.0, 0
        if now - last_save > 120:
            save()
            last_save = now
    save()
    print(f"end: steps {step} tokens {seen} ({seen / len(tokens):.2f} epochs)", flush=True)
    print(f"held out: {held_out(kind, ema):.4f} bits per character", flush=True)


# ----------------------------------------------------------------------------------- evaluation


@torch.no_grad()
def held_out(kind, net, length=256, passes=4):
    """Bound in bits per character: the held-out chapters in windows of 256, `passes` noises each."""
    generator = torch.Generator().manual_seed(1)
    _, tokens = split()
    rows = len(tokens) // length
    x0 = tokens[: rows * length].reshape(rows, length).long()
    total = 0.0
    for _ in range(passes):
        for x in x0[torch.randperm(rows, generator=generator)].split(32):
            if kind == "uniform":
                total += uniform_bound(net, x, generator) * len(x)
            else:
                total += loss_of(kind, net, *noised(kind, x, generator), x).item() * len(x)
    return total / (rows * passes) / math.log(2)


def uniform_bound(net, x0, generator, steps=1000):
    """One draw of the sum over `steps` of KL(q(x_s | x_t, x0) || sum_i p_i q(x_s | x_t, i)) per
    position, alpha = 1 - t; the first step is the cross entropy of x0. The prior's term is 0."""
    n, length = x0.shape
    i = ((torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)) / n
         * steps).long().clamp(0, steps - 1) + 1
    t, s = i.double() / steps, (i.double() - 1) / steps
    hit = torch.rand(n, length, generator=generator) < t[:, None]
    fresh = torch.randint(0, CLASSES, (n, length), generator=generator)
    xt = torch.where(hit, fresh, x0)
    p = torch.softmax(net(xt, t).double(), -1)
    at, as_ = (1 - t)[:, None, None], (1 - s)[:, None, None]
    a = at / as_
    seen = F.one_hot(xt, CLASSES).double()

    def bridge(p):  # sum_i p_i q(k | x_t, i), for q = (forward) (prior of x_s given i) / (of x_t)
        w = p / (at * seen + (1 - at) / CLASSES)
        return (a * seen + (1 - a) / CLASSES) * (as_ * w + (1 - as_) / CLASSES * w.sum(-1, True))

    truth, model = bridge(F.one_hot(x0, CLASSES).double()), bridge(p)
    kl = torch.where(truth > 0, truth * (truth.clamp(min=1e-300) / model).log(),
                     torch.zeros_like(truth)).sum(-1)
    return steps * kl.mean().item()


def evaluate(args):
    for kind in KINDS:
        net = restore(kind, args.out)
        print(f"{kind}: {held_out(kind, net, passes=args.passes):.4f} bits per character, "
              f"{held_out(kind, net, 1024, args.passes):.4f} in windows of 1024", flush=True)


@torch.no_grad()
def parity(args):
    """Logits of the stored networks, in float32, for the first words of the Bible with masks."""
    text = chapters()[0][:45]
    x = torch.tensor([list(text.encode())])
    cases = []
    for kind in KINDS:
        net = restore(kind, args.out)
        given = x.clone()
        given[0, 18:37:2] = ord("x") if kind == "uniform" else MASK
        mask = block_causal(x.shape[1]) if kind == "blocks" else None
        t = 0.3 if kind == "uniform" else 0.0
        logits = net(given, torch.tensor([t], dtype=torch.float64), mask=mask)[0]
        places = [0, 15, 18, 44]
        cases.append({"network": f"kjv_{kind}", "t": t, "tokens": given[0].tolist(),
                      "positions": places,
                      "logits": [[round(float(v), 6) for v in logits[p]] for p in places]})
    (args.tests / "kjv_parity.json").write_text(json.dumps({
        "about": "logits of the torch networks in examples/text/train/train.py, float32",
        "cases": cases}, separators=(",", ":")) + "\n")


def data(args):
    """The held-out chapters, each with its EOT byte, and every word of the whole text."""
    folder = ROOT / "examples" / "text" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    _, tokens = split()
    (folder / "kjv_held_out.txt").write_bytes(tokens.numpy().tobytes())
    words = sorted(set(re.findall("[a-z]+", "".join(chapters()).lower())))
    (folder / "kjv_words.txt").write_text("\n".join(words) + "\n")
    print(f"kjv_held_out.txt: {len(tokens)} bytes; kjv_words.txt: {len(words)} words", flush=True)


@torch.no_grad()
def sample(args):
    """Two texts of each network, one step per token (masks) or --steps steps (uniform noise)."""
    g = torch.Generator().manual_seed(args.seed)
    for kind in args.kinds:
        net = Transformer(told_time=kind == "uniform").eval()
        net.load_state_dict(torch.load(args.work / f"{kind}.pt")["ema"])
        n, length = 2, 256
        x = torch.full((n, length), MASK)
        if kind == "uniform":
            x = torch.randint(0, CLASSES, (n, length), generator=g)
            for i in range(args.steps, 0, -1):
                t, s = i / args.steps, (i - 1) / args.steps
                p = torch.softmax(net(x, torch.full((n,), t, dtype=torch.float64)), -1)
                new = torch.multinomial(p.reshape(-1, CLASSES), 1, generator=g).reshape(n, length)
                seen, data = F.one_hot(x, CLASSES).double(), F.one_hot(new, CLASSES).double()
                a = (1 - t) / (1 - s)
                q = (a * seen + (1 - a) / CLASSES) * ((1 - s) * data + s / CLASSES)
                x = torch.multinomial(q.reshape(-1, CLASSES), 1, generator=g).reshape(n, length)
        else:
            mask = block_causal(length) if kind == "blocks" else None
            size = BLOCK if kind == "blocks" else length
            for first in range(0, length, size):
                for place in torch.randperm(size, generator=g) + first:
                    p = torch.softmax(net(x, mask=mask)[:, place], -1)
                    p[:, MASK] = 0
                    x[:, place] = torch.multinomial(p, 1, generator=g)[:, 0]
        for row in x.tolist():
            print(f"--- {kind}\n" + "".join(chr(c) if c in range(32, 127) or c == 10 else f"<{c}>"
                                            for c in row), flush=True)


def restore(kind, folder):
    net = Transformer(told_time=kind == "uniform")
    net.load_state_dict(read_safetensors(Path(folder) / f"kjv_{kind}.safetensors")[0])
    return net.eval()


def export(args):
    args.out.mkdir(parents=True, exist_ok=True)
    for kind in args.kinds:
        checkpoint = args.work / f"{kind}.pt"
        if not checkpoint.exists():
            continue
        state = torch.load(checkpoint)
        write_safetensors(args.out / f"kjv_{kind}.safetensors", halves(state["ema"]), {
            "format": "pt",
            "network": "diffx::denoiser::eigen::transformer",
            "prediction": "x0 posterior",
            "process": "uniform, alpha = 1 - t" if kind == "uniform" else "absorbing, mask 0",
            "classes": CLASSES, "width": WIDTH, "heads": HEADS, "layers": LAYERS,
            "block_length": BLOCK if kind == "blocks" else 0,
            "told_time": int(kind == "uniform"),
            "tokens": "ASCII bytes; 0 the mask, 4 the end of a chapter",
            "training_steps": state["step"],
            "training_tokens_seen": state["seen"],
            "weights": "exponential moving average, rounded to half precision",
            "source": SOURCE + "; trained from scratch by examples/text/train/train.py",
            "licence": "Apache-2.0",
        })
        print(f"kjv_{kind}.safetensors: {state['step']} steps", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {**{kind: train for kind in KINDS}, "export": export, "data": data,
             "evaluate": evaluate, "parity": parity, "sample": sample}
    parser.add_argument("task", choices=list(tasks))
    parser.add_argument("--work", type=Path, default=Path("."), help="folder of the checkpoints")
    parser.add_argument("--out", type=Path, default=ROOT / "examples" / "models")
    parser.add_argument("--tests", type=Path, default=ROOT / "tests" / "data")
    parser.add_argument("--fork", type=Path, help="checkpoint to begin with")
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    parser.add_argument("--minutes", type=float, default=35.0)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--longest", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=16, help="windows of --length")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    tasks[args.task](args)


if __name__ == "__main__":
    sys.exit(main())
