"""Trains the small networks of the structure example: Sudoku and sorting six numbers.

    train.py sudoku6  --minutes 20    36 cells of 6 digits, a part of them observed
    train.py sudoku9  --minutes 40 --batch 32     81 cells of 9 digits
    train.py sorting6 --minutes 20    6 values, their sorted list and what lies between
    train.py export                   examples/models/{sudoku6,sudoku9,sorting6}.safetensors
    train.py evaluate                 share of puzzles solved, by the same sampler in torch
    train.py parity                   tests/data/structure_parity.json, for the test in C++

A network is what include/diffx/denoiser/eigen/structured.hpp reads: the tensors have the names of
the state_dict. Attention runs along the edges of the problem's graph only. The learning rate is a
cosine of the time spent, so a run ends when it was told to, however busy the machine is. A
checkpoint is written every two minutes and a run goes on from the one it finds.
"""

import argparse
import copy
import json
import math
import os
import random
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))
from safetensors_file import halves, read_safetensors, write_safetensors

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[3]
STEPS, FIRST_BETA, LAST_BETA = 1000, 1e-4, 5e-3
ALPHA_BAR = torch.cumprod(1.0 - torch.linspace(FIRST_BETA, LAST_BETA, STEPS, dtype=torch.float64), 0)


# ------------------------------------------------------------------------------------ problems


class Sudoku:
    """Cells of b1 b2 digits, a row of one-hot blocks; boxes of b1 rows and b2 columns."""

    heads = 4

    def __init__(self, b1, b2, width=64, layers=5):
        n = b1 * b2
        self.name, self.side, self.width, self.layers = f"sudoku{n}", n, width, layers
        self.b1, self.b2 = b1, b2
        self.options = [n] * (n * n)
        self.group, self.groups = list(range(n * n)), n * n
        self.edges = torch.eye(n * n, dtype=torch.bool)
        for a in range(n * n):
            for b in range(n * n):
                ra, ca, rb, cb = a // n, a % n, b // n, b % n
                if ra == rb or ca == cb or (ra // b1 == rb // b1 and ca // b2 == cb // b2):
                    self.edges[a, b] = True
        # What a cell is told of its place begins with its row, its column and its box, so that
        # attention finds out early who shares which of them.
        self.places = torch.zeros(n * n, width)
        for a in range(n * n):
            r, c = a // n, a % n
            for k in (r, n + c, 2 * n + r // b1 * b1 + c // b2):
                self.places[a, k] = 1.0
        self.others = [[b for b in range(n * n) if b != a and self.edges[a, b]]
                       for a in range(n * n)]
        self.pool = None

    def solved(self, source):
        """A random full grid: the cell with the fewest digits left is filled first."""
        n = self.side
        grid, left = [-1] * (n * n), [set(range(n)) for _ in range(n * n)]

        def fill(count):
            if count == n * n:
                return True
            cell = min((c for c in range(n * n) if grid[c] < 0),
                       key=lambda c: (len(left[c]), source.random()))
            for d in source.sample(sorted(left[cell]), len(left[cell])):
                touched = [o for o in self.others[cell] if grid[o] < 0 and d in left[o]]
                grid[cell] = d
                for o in touched:
                    left[o].remove(d)
                if all(left[o] for o in touched) and fill(count + 1):
                    return True
                grid[cell] = -1
                for o in touched:
                    left[o].add(d)
            return False

        fill(0)
        return grid

    def batch(self, rows, generator=None):
        """x0 [rows, cells * digits] and which variables are observed."""
        n, cells = self.side, self.side ** 2
        if self.pool is None:
            source = random.Random(1)
            self.pool = torch.tensor([self.solved(source) for _ in range(2000)])
        pick = torch.randint(0, len(self.pool), (rows,), generator=generator)
        grids = self.pool[pick].reshape(rows, n, n)

        def lines(box):  # bands of `box` lines in a random order, and the lines of each
            band = torch.rand(rows, n // box, generator=generator).repeat_interleave(box, 1)
            return (10 * (band.argsort(1).argsort(1) // box)
                    + torch.rand(rows, n, generator=generator)).argsort(1)

        across, down = lines(self.b1)[:, :, None], lines(self.b2)[:, None]
        grids = grids.gather(1, across.expand(-1, -1, n)).gather(2, down.expand(-1, n, -1))
        names = torch.rand(rows, n, generator=generator).argsort(1)
        grids = torch.gather(names, 1, grids.flatten(1))
        x0 = F.one_hot(grids, n).float().reshape(rows, -1)
        share = torch.rand(rows, 1, generator=generator) * 0.9
        return x0, torch.rand(rows, cells, generator=generator) < share


class Sorting:
    """Values u_i, the sorted list s_j, products K_ij = P_ij u_i, and P_ij: is u_i at place j?"""

    name, heads = "sorting6", 4

    def __init__(self, n=6, width=48, layers=4):
        self.n, self.width, self.layers = n, width, layers
        self.options = [0] * (2 * n + n * n) + [2] * (n * n)
        self.group = [0] * n + list(range(1, n + 1)) + [n + 1] * (n * n) + [n + 2] * (n * n)
        self.groups = n + 3
        total = len(self.options)
        self.edges = torch.eye(total, dtype=torch.bool)

        def join(a, b):
            self.edges[a, b] = self.edges[b, a] = True

        value, place = (lambda i: i), (lambda j: n + j)
        product, chosen = (lambda i, j: 2 * n + i * n + j), (lambda i, j: 2 * n + n * n + i * n + j)
        for i in range(n):
            if i + 1 < n:
                join(place(i), place(i + 1))
            for j in range(n):
                join(value(i), product(i, j))
                join(product(i, j), place(j))
                join(product(i, j), chosen(i, j))
                for k in range(n):
                    join(chosen(i, j), chosen(i, k))
                    join(chosen(i, j), chosen(k, j))

    def batch(self, rows, generator=None):
        n = self.n
        u = torch.randn(rows, n, generator=generator)
        s, order = u.sort(1)
        chosen = F.one_hot(order, n).transpose(1, 2).float()  # [rows, i, j]
        product = chosen * u[:, :, None]
        x0 = torch.cat([u, s, product.flatten(1),
                        torch.stack([1 - chosen, chosen], -1).flatten(1)], 1)
        observed = torch.zeros(rows, len(self.options), dtype=torch.bool)
        observed[:, :n] = True
        return x0, observed


PROBLEMS = {"sudoku6": lambda: Sudoku(2, 3), "sudoku9": lambda: Sudoku(3, 3), "sorting6": Sorting}


# ------------------------------------------------------------------------------------- network


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.emb = nn.Linear(width, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.a = nn.Linear(width, 2 * width)
        self.b = nn.Linear(2 * width, width)
        for end in (self.proj, self.b):
            nn.init.normal_(end.weight, std=0.02)
            nn.init.zeros_(end.bias)

    def forward(self, h, e, blocked):
        n, tokens, width = h.shape
        qkv = self.qkv(self.norm1(h) + self.emb(e)[:, None])
        q, k, v = qkv.reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        s = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + blocked
        mixed = torch.softmax(s, -1) @ v
        h = h + self.proj(mixed.transpose(1, 2).reshape(n, tokens, width))
        return h + self.b(F.silu(self.a(self.norm2(h))))


class Network(nn.Module):
    """The x0 estimate of every variable: numbers as they are, logits of classes.

    A token of a variable is [number | one-hot | observed]."""

    def __init__(self, problem):
        super().__init__()
        width, most = problem.width, max(problem.options)
        self.most = most
        self.time1, self.time2 = nn.Linear(64, width), nn.Linear(width, width)
        self.group = nn.Embedding(problem.groups, width)
        nn.init.normal_(self.group.weight, std=0.2)
        if hasattr(problem, "places"):
            with torch.no_grad():
                self.group.weight.mul_(0.1).add_(problem.places)
        self.input = nn.Linear(most + 2, width)
        self.block = nn.ModuleList(Block(width, problem.heads) for _ in range(problem.layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, most + 1)
        nn.init.normal_(self.out.weight, std=0.02)
        k = torch.arange(32, dtype=torch.float64)
        self.register_buffer("freq", torch.exp(-math.log(10000.0) * k / 31.0), persistent=False)
        self.register_buffer("blocked", torch.zeros(problem.edges.shape)
                             .masked_fill(~problem.edges, -math.inf), persistent=False)
        self.register_buffer("groups", torch.tensor(problem.group), persistent=False)
        place, at = [], 0  # where a token's features stand in a row; the last is a zero
        for options in problem.options:
            row = [at] if options == 0 else [-1]
            row += [at + j if j < options else -1 for j in range(most)]
            at += max(options, 1)
            place.append(row)
        self.features = at
        place = torch.tensor(place)
        self.register_buffer("place", torch.where(place < 0, at, place), persistent=False)

    def tokens(self, x):
        """[rows, features] -> [rows, variables, 1 + most], 0 where a variable has no such part."""
        return F.pad(x, (0, 1))[:, self.place]

    def forward(self, x, observed, t):
        """Of every token [1 + most]."""
        angle = 1000.0 * t.double()[:, None] * self.freq
        e = torch.cat([angle.sin(), angle.cos()], 1).float()
        e = F.silu(self.time2(F.silu(self.time1(e))))
        h = self.input(torch.cat([self.tokens(x), observed.float()[..., None]], -1))
        h = h + self.group(self.groups)
        for block in self.block:
            h = block(h, e, self.blocked)
        return self.out(self.norm(h))


class View:
    """What of a problem's tokens is a number, and which are of classes."""

    def __init__(self, problem, net):
        self.options = torch.tensor(problem.options)
        self.numbers = self.options == 0
        self.width = torch.where(self.numbers, 1, self.options)
        self.of_feature = torch.repeat_interleave(torch.arange(len(self.options)), self.width)
        self.net = net
        absent = torch.arange(net.most)[None] >= self.options[:, None]
        self.absent = torch.zeros(absent.shape).masked_fill(absent, -math.inf)
        self.absent[self.numbers] = 0.0

    def loss(self, x0, observed, answer):
        """Cross entropy of classes and half the squared error of numbers, per free variable."""
        told, free = self.net.tokens(x0), (~observed).float()
        numbers = 0.5 * (answer[..., 0] - told[..., 0]) ** 2
        logs = torch.log_softmax(answer[..., 1:] + self.absent, -1)
        classes = -(told[..., 1:] * logs.clamp(min=-100.0)).sum(-1)
        return (torch.where(self.numbers, numbers, classes) * free).sum() / free.sum()

    def x0(self, answer):
        """The estimate as a row: [rows, features]."""
        parts = torch.cat([answer[..., :1], torch.softmax(answer[..., 1:] + self.absent, -1)], -1)
        flat = torch.zeros(len(answer), self.net.features + 1)
        flat.scatter_(1, self.net.place.flatten()[None].expand(len(answer), -1), parts.flatten(1))
        return flat[:, :-1]


# ------------------------------------------------------------------------------------ training


def train(args):
    problem = PROBLEMS[args.task]()
    net = Network(problem)
    view = View(problem, net)
    ema = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, betas=(0.9, 0.98),
                                  weight_decay=0.01)
    step, spent = 0, 0.0
    checkpoint = args.work / f"{problem.name}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
        print(f"goes on from step {step}", flush=True)
    print(f"{problem.name}: {sum(p.numel() for p in net.parameters())} weights", flush=True)

    def save():
        part = Path(f"{checkpoint}.part")
        torch.save({"net": net.state_dict(), "ema": ema.state_dict(), "step": step,
                    "optimiser": optimiser.state_dict(), "spent": spent}, part)
        os.replace(part, checkpoint)

    last = last_save = time.time()
    total, count = 0.0, 0
    while spent < 60.0 * args.minutes:
        progress = spent / (60.0 * args.minutes)
        rate = args.rate * min(1.0, (step + 1) / args.warmup) * 0.5 * (
            1 + math.cos(math.pi * min(progress, 1.0)))
        for group in optimiser.param_groups:
            group["lr"] = max(rate, 1e-6)
        x0, observed = problem.batch(args.batch)
        i = ((torch.arange(args.batch) + torch.rand(args.batch)) / args.batch * STEPS).long()
        bar = ALPHA_BAR[i].float()[:, None]
        x = bar.sqrt() * x0 + (1 - bar).sqrt() * torch.randn_like(x0)
        x = torch.where(observed[:, view.of_feature], x0, x)
        loss = view.loss(x0, observed, net(x, observed, (i + 1) / STEPS))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        total += loss.item()
        count += 1
        keep = min(args.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_mul_(list(ema.parameters()), keep)
            torch._foreach_add_(list(ema.parameters()), list(net.parameters()), alpha=1.0 - keep)
        now = time.time()
        spent, last = spent + now - last, now
        if count == 200:
            print(f"step {step} loss {total / count:.4f} minutes {spent / 60:.1f}", flush=True)
            total, count = 0.0, 0
        if now - last_save > 120:
            save()
            last_save = now
    save()
    print(f"end: steps {step}, rows {step * args.batch}", flush=True)


# ---------------------------------------------------------------------------------- evaluation


@torch.no_grad()
def sample(problem, net, x0, observed, steps, generator):
    """Ancestral sampling with the large variance; observed variables stay clean."""
    view = View(problem, net)
    fixed = observed[:, view.of_feature]
    x = torch.where(fixed, x0, torch.randn(x0.shape, generator=generator))
    places = [round(STEPS * (steps - k) / steps) - 1 for k in range(steps)] + [-1]
    for i, j in zip(places, places[1:]):
        a, b = ALPHA_BAR[i].item(), ALPHA_BAR[j].item() if j >= 0 else 1.0
        beta = 1 - a / b
        t = torch.full((len(x),), (i + 1) / STEPS)
        estimate = view.x0(net(x, observed, t))
        mean = (math.sqrt(b) * beta * estimate + math.sqrt(1 - beta) * (1 - b) * x) / (1 - a)
        if j >= 0:
            mean = mean + math.sqrt(beta) * torch.randn(x.shape, generator=generator)
        x = torch.where(fixed, x0, mean)
    return x


def solved_share(problem, x, x0):
    if isinstance(problem, Sudoku):
        n = problem.side
        grid = x.reshape(len(x), n * n, n).argmax(-1)
        clash = (grid[:, :, None] == grid[:, None]) & (problem.edges & ~torch.eye(
            n * n, dtype=torch.bool))
        return (~clash.flatten(1).any(1)).float().mean().item()
    n = problem.n
    first = 2 * n + n * n
    chosen = x[:, first:].reshape(len(x), n, n, 2).argmax(-1)
    truth = x0[:, first:].reshape(len(x), n, n, 2).argmax(-1)
    return (chosen == truth).flatten(1).all(1).float().mean().item()


def evaluate(args):
    generator = torch.Generator().manual_seed(7)
    for name in args.problems:
        problem = PROBLEMS[name]()
        net = Network(problem)
        if args.live:
            net.load_state_dict(torch.load(args.work / f"{problem.name}.pt")["ema"])
        else:
            net.load_state_dict(read_safetensors(args.out / f"{problem.name}.safetensors")[0])
        net.eval()
        x0, observed = problem.batch(args.rows, generator)
        shares = [None] if name == "sorting6" else [0.6, 0.4, 0.2, 0.0]
        for share in shares:
            if share is not None:
                observed = torch.rand(observed.shape, generator=generator) < share
            for steps in (20, 100):
                x = sample(problem, net, x0, observed, steps, generator)
                print(f"{problem.name} observed {share} steps {steps} solved "
                      f"{solved_share(problem, x, x0):.3f}", flush=True)


@torch.no_grad()
def parity(args):
    """x0 estimates of the stored networks, in float32, of two rows each."""
    cases = []
    for name in PROBLEMS:
        problem = PROBLEMS[name]()
        net = Network(problem)
        net.load_state_dict(read_safetensors(args.out / f"{problem.name}.safetensors")[0])
        net.eval()
        generator = torch.Generator().manual_seed(3)
        x0, observed = problem.batch(2, generator)
        view = View(problem, net)
        x = torch.randn(x0.shape, generator=generator)
        x = torch.where(observed[:, view.of_feature], x0, x)
        x = (x * 1024).round() / 1024
        t = 0.4
        estimate = view.x0(net(x, observed, torch.full((2,), t)))
        places = list(range(0, net.features, max(1, net.features // 24)))
        cases.append({"network": problem.name, "t": t,
                      "observed": observed.long().flatten().tolist(),
                      "x": [round(v, 7) for v in x.flatten().tolist()],
                      "features": places,
                      "x0": [[round(float(row[p]), 6) for p in places] for row in estimate]})
    (args.tests / "structure_parity.json").write_text(json.dumps({
        "about": "x0 estimates of the torch networks in examples/structure/train/train.py, float32",
        "cases": cases}, separators=(",", ":")) + "\n")


def export(args):
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.problems:
        problem = PROBLEMS[name]()
        checkpoint = args.work / f"{problem.name}.pt"
        if not checkpoint.exists():
            continue
        state = torch.load(checkpoint)
        write_safetensors(args.out / f"{problem.name}.safetensors", halves(state["ema"]), {
            "format": "pt",
            "network": "diffx::denoiser::eigen::structured",
            "prediction": "x0",
            "process": f"variance preserving, {STEPS} steps, betas {FIRST_BETA} to {LAST_BETA}",
            "width": problem.width, "heads": problem.heads, "blocks": problem.layers,
            "training_steps": state["step"],
            "weights": "exponential moving average, rounded to half precision",
            "source": "generated problems; trained from scratch by examples/structure/train/train.py",
            "licence": "Apache-2.0",
        })
        print(f"{problem.name}.safetensors: {state['step']} steps", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {**{name: train for name in PROBLEMS}, "export": export, "evaluate": evaluate,
             "parity": parity}
    parser.add_argument("task", choices=list(tasks))
    parser.add_argument("--work", type=Path, default=Path("."), help="folder of the checkpoints")
    parser.add_argument("--out", type=Path, default=ROOT / "examples" / "models")
    parser.add_argument("--tests", type=Path, default=ROOT / "tests" / "data")
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--minutes", type=float, default=38.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--live", action="store_true", help="evaluate the checkpoints in --work")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    tasks[args.task](args)


if __name__ == "__main__":
    sys.exit(main())
