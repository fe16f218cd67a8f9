"""Trains the network of the large graph example on one real network.

    edge.py data                   examples/graph/data/perl.txt from Debian's list of packages
    edge.py train --minutes 30     a checkpoint in --work every few minutes; goes on from one there
    edge.py export                 examples/models/perl_edges.safetensors from the checkpoint
    edge.py parity                 tests/data/edge_parity.json, for the test in C++

The network: Debian's binary packages lib*-perl, of which two are joined when one depends on the
other, the largest connected part. A training step takes edges of it away as edge_removal::even
does, up to a random step t of a random number of steps, and takes those that step t took to be
what the network is to find among all pairs of their ends.

`examples/graph/edge_network.hpp` is the same network in C++. The learning rate is a cosine of the
time spent, so that a run ends when it was told to, however busy the machine is.
"""

import argparse
import copy
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))
from safetensors_file import write_safetensors

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "examples" / "graph" / "data" / "perl.txt"
WIDTH, HIDDEN, LAYERS = 32, 64, 3
NODE_INPUTS, PAIR_INPUTS = 7, 3
STEPS = (128, 256, 512, 1024)  # numbers of steps that are trained for


# ---------------------------------------------------------------------------------------- data


def largest_part(joined):
    """The nodes of the largest connected part of {node: set of nodes}."""
    seen, best = set(), []
    for start in sorted(joined):
        if start in seen:
            continue
        part = [start]
        seen.add(start)
        for u in part:
            for v in sorted(joined[u] - seen):
                seen.add(v)
                part.append(v)
        if len(part) > len(best):
            best = part
    return best


def data(args):
    text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True)
    needs = {}
    for stanza in text.stdout.decode("utf-8", "replace").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.split("\n")
                      if ": " in line and not line.startswith(" "))
        name = fields.get("Package", "")
        if re.fullmatch(r"lib.*-perl", name) and name not in needs:
            needs[name] = fields.get("Pre-Depends", "") + "," + fields.get("Depends", "")
    joined = {name: set() for name in needs}
    for name, line in needs.items():
        for clause in line.split(","):
            first = re.match(r"\s*([a-z0-9+.-]+)", clause)  # of alternatives, the first
            if first and first[1] in needs and first[1] != name:
                joined[name].add(first[1])
                joined[first[1]].add(name)
    names = sorted(largest_part(joined))
    number = {name: i for i, name in enumerate(names)}
    edges = sorted((number[a], number[b]) for a in names for b in joined[a] if a < b)
    DATA.parent.mkdir(parents=True, exist_ok=True)
    with open(DATA, "w") as out:
        out.write(f"{len(names)} {len(edges)}\n")
        out.writelines(f"{a} {b}\n" for a, b in edges)
    print(f"{len(names)} packages, {len(edges)} pairs")


def read():
    """Number of nodes, and edges [m, 2]."""
    table = np.loadtxt(DATA, dtype=np.int64)
    return int(table[0, 0]), torch.from_numpy(table[1:].copy())


# ------------------------------------------------------------------------------------- network


class EdgeNetwork(nn.Module):
    """Logits of pairs of active nodes."""

    def __init__(self):
        super().__init__()
        self.input = nn.Linear(NODE_INPUTS, WIDTH)
        self.mix = nn.ModuleList(nn.Linear(2 * WIDTH, HIDDEN) for _ in range(LAYERS))
        self.back = nn.ModuleList(nn.Linear(HIDDEN, WIDTH) for _ in range(LAYERS))
        self.pair = nn.Linear(2 * WIDTH + PAIR_INPUTS, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)
        for layer in self.back:
            nn.init.normal_(layer.weight, std=0.05)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, node, arcs, degree, low, high, pair, count):
        """node [n, 7], arcs [2, 2 edges] (from, to), degree [n], low and high [pairs] nodes,
        pair [pairs, 3], count [pairs] active nodes of the pair's graph."""
        h = self.input(node)
        scale = torch.rsqrt(1.0 + degree)[:, None]
        for mix, back in zip(self.mix, self.back):
            near = torch.zeros_like(h).index_add_(0, arcs[1], h[arcs[0]]) * scale
            h = h + back(F.silu(mix(torch.cat([h, near], 1))))
        a, b = h[low], h[high]
        z = F.silu(self.pair(torch.cat([a + b, a * b, pair], 1)))
        return self.score(z)[:, 0] - torch.log(count)


def node_inputs(degree, target, active, alpha_bar, count):
    """[n, 7]; alpha_bar and count one number or one a node."""
    missing = torch.clamp(target - degree, min=0.0)
    return torch.stack([torch.log1p(degree), torch.log1p(target), torch.log1p(missing),
                        missing / torch.clamp(target, min=1.0), active,
                        alpha_bar * torch.ones_like(degree),
                        torch.log(count) * torch.ones_like(degree)], 1)


def pair_inputs(n, edges, degree, active):
    """Pairs of active nodes that are not joined, as places in `active`, and [pairs, 3]: of the
    neighbours that both have, log(1 + their number), the sum of 1 / log(2 + degree), and their
    share of the fewer of the two."""
    k = len(active)
    place = torch.full((n,), -1)
    place[active] = torch.arange(k)
    rows = torch.zeros(k, n)
    for a, b in ((0, 1), (1, 0)):
        at = place[edges[:, a]]
        here = at >= 0
        rows[at[here], edges[here, b]] = 1.0
    common = rows @ rows.T
    rare = (rows / torch.log(2.0 + degree)) @ rows.T
    low, high = torch.triu_indices(k, k, 1)
    free = rows[low, active[high]] == 0
    low, high = low[free], high[free]
    fewer = torch.clamp(torch.minimum(degree[active[low]], degree[active[high]]), min=1.0)
    c = common[low, high]
    return low, high, torch.stack([torch.log1p(c), rare[low, high], c / fewer], 1)


# ------------------------------------------------------------------------------------ training


def degrees_of(n, edges):
    return torch.bincount(edges.flatten(), minlength=n).float()


def example(n, edges, target, draw):
    """The inputs of one step of one graph, and which of its pairs are to be joined."""
    steps = STEPS[int(torch.randint(len(STEPS), (1,), generator=draw))]
    t = int(torch.randint(steps, (1,), generator=draw))
    alpha_bar, before = (steps - t) / (steps + 1.0), (steps - t + 1) / (steps + 1.0)
    u = torch.rand(len(edges), generator=draw)
    there, fresh = edges[u < alpha_bar], edges[(u >= alpha_bar) & (u < before)]
    if len(fresh) == 0:
        return None
    active = torch.unique(fresh)
    if len(active) < 3:
        return None
    degree = degrees_of(n, there)
    flag = torch.zeros(n)
    flag[active] = 1.0
    count = torch.tensor(float(len(active)))
    low, high, pair = pair_inputs(n, there, degree, active)
    low, high = active[low], active[high]
    right = torch.isin(low * n + high, fresh[:, 0] * n + fresh[:, 1]).float()
    return (node_inputs(degree, target, flag, alpha_bar, count),
            torch.cat([there, there.flip(1)]).T, degree, low, high, pair,
            count.expand(len(low)), right)


def together(parts, n):
    """Several graphs as one."""
    join = lambda k: torch.cat([p[k] for p in parts])
    shifted = lambda k, dim: torch.cat([p[k] + i * n for i, p in enumerate(parts)], dim)
    return (join(0), shifted(1, 1), join(2), shifted(3, 0), shifted(4, 0), join(5), join(6),
            join(7))


def train(args):
    n, edges = read()
    target = degrees_of(n, edges)
    draw = torch.Generator().manual_seed(args.seed)
    net = EdgeNetwork()
    ema = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, betas=(0.9, 0.99),
                                  weight_decay=0.01)
    step, spent = 0, 0.0
    checkpoint = args.work / "edge.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
    print(f"{sum(p.numel() for p in net.parameters())} weights, step {step}", flush=True)

    def save(loss):
        part = Path(f"{checkpoint}.part")
        torch.save({"net": net.state_dict(), "ema": ema.state_dict(), "step": step, "loss": loss,
                    "optimiser": optimiser.state_dict(), "spent": spent}, part)
        os.replace(part, checkpoint)

    last, saved, loss_mean = time.time(), time.time(), 0.0
    while spent < 60.0 * args.minutes:
        parts = [p for p in (example(n, edges, target, draw) for _ in range(args.graphs)) if p]
        if not parts:
            continue
        *inputs, right = together(parts, n)
        share = spent / (60.0 * args.minutes)
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 200) * (
                0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * share)))
        logits = net(*inputs)
        # Nats for every edge that is to be found.
        loss = F.binary_cross_entropy_with_logits(logits, right, reduction="sum") / right.sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        keep = min(0.998, step / (step + 10.0))
        with torch.no_grad():
            for e, p in zip(ema.parameters(), net.parameters()):
                e.mul_(keep).add_(p, alpha=1.0 - keep)
        step += 1
        loss_mean += (float(loss) - loss_mean) * max(0.005, 1.0 / step)
        now = time.time()
        spent, last = spent + now - last, now
        if step % 200 == 0:
            print(f"step {step}, {spent:.0f} s, {loss_mean:.4f} nats an edge", flush=True)
        if now - saved > 90:
            save(loss_mean)
            saved = now
    save(loss_mean)


# ------------------------------------------------------------------------------------- results


def export(args):
    state = torch.load(args.work / "edge.pt")
    write_safetensors(ROOT / "examples" / "models" / "perl_edges.safetensors", state["ema"], {
        "format": "pt",
        "network": "examples/graph/edge_network.hpp",
        "width": WIDTH, "hidden": HIDDEN, "layers": LAYERS,
        "process": "edge removal, even schedule of 128 to 1024 steps",
        "training_steps": state["step"],
        "training_loss": f"{state['loss']:.3f} nats an edge",
        "weights": "exponential moving average",
        "source": "dependencies among the packages lib*-perl of Debian 12; trained from scratch by"
                  " examples/graph/train/edge.py",
        "licence": "Apache-2.0",
    })
    print(f"perl_edges.safetensors: {state['step']} steps, {state['loss']:.3f} nats an edge")


def parity(args):
    """A graph of 12 nodes in the middle of a run, and the logits of the exported weights."""
    state = torch.load(args.work / "edge.pt")
    net = EdgeNetwork()
    net.load_state_dict(state["ema"])
    n = 12
    edges = torch.tensor([[0, 1], [0, 2], [0, 3], [1, 2], [2, 5], [3, 4], [4, 5], [5, 6], [6, 7],
                          [6, 8], [7, 8], [0, 8]])
    target = torch.tensor([7.0, 3, 4, 3, 2, 5, 3, 4, 4, 1, 2, 2])
    active = torch.tensor([0, 1, 3, 5, 7, 9, 10])
    degree = degrees_of(n, edges)
    flag = torch.zeros(n)
    flag[active] = 1.0
    count = torch.tensor(float(len(active)))
    alpha_bar = 0.625
    low, high, pair = pair_inputs(n, edges, degree, active)
    with torch.no_grad():
        logits = net(node_inputs(degree, target, flag, alpha_bar, count),
                     torch.cat([edges, edges.flip(1)]).T, degree, active[low], active[high], pair,
                     count.expand(len(low)))
    (ROOT / "tests" / "data" / "edge_parity.json").write_text(json.dumps({
        "nodes": n, "edges": edges.tolist(), "target": [int(d) for d in target],
        "active": active.tolist(), "alpha_bar": alpha_bar,
        "pairs": torch.stack([active[low], active[high]], 1).tolist(),
        "logits": [round(float(v), 7) for v in logits]}) + "\n")
    print(f"{len(low)} pairs, logits from {float(logits.min()):.3f} to {float(logits.max()):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {"data": data, "train": train, "export": export, "parity": parity}
    parser.add_argument("task", choices=list(tasks))
    parser.add_argument("--work", type=Path, default=Path("."), help="folder of the checkpoint")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--graphs", type=int, default=4, help="of a minibatch")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    tasks[args.task](args)


if __name__ == "__main__":
    sys.exit(main())
