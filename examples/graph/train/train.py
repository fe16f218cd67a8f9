"""Data and networks of the graph example.

    train.py data                         examples/graph/data/ from Debian's packages nauty and rdkit-data
    train.py molecules --minutes 30       trains a network; a run goes on from the checkpoint it finds
    train.py communities --minutes 30
    train.py planar --minutes 20
    train.py export                       examples/models/graph_*.safetensors from the checkpoints
    train.py parity                       tests/data/graph_parity.json, for the test in C++

A network is what include/diffx/denoiser/eigen/graph_transformer.hpp reads: the tensors have the names
of the state_dict. It is told the graph and alpha, the probability that a class is still that of the
data, and answers with the posterior of the class of every node and of every pair of nodes. Every
tenth graph of a file is not trained on. The learning rate is a cosine of the time spent, so a run
ends when it was told to, however busy the machine is.

Needs python3-torch, and libopenblas0-pthread to be fast; `data` needs python3-rdkit, rdkit-data and nauty as well.
"""

import argparse
import copy
import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))
from safetensors_file import halves, write_safetensors

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "examples" / "graph" / "data"
ATOMS = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I")
BONDS = "-=#"
WALKS = 8
HELD_OUT = 10  # every tenth graph

SETS = {
    # node classes, pair classes, width of nodes, of pairs, heads, layers
    "molecules": (len(ATOMS), 4, 96, 48, 6, 5),
    "communities": (1, 2, 64, 32, 4, 4),
    "planar": (1, 2, 64, 32, 4, 5),
}
SOURCES = {
    "molecules": "the first 5000 compounds of the open NCI database (public domain), as Debian's "
                 "package rdkit-data has them",
    "communities": "graphs of two communities drawn by examples/graph/train/train.py",
    "planar": "all connected planar graphs of 5 to 8 nodes, listed by nauty",
}


# ---------------------------------------------------------------------------------------- data


def graph6(n, edges):
    """The graph6 text of a graph of up to 62 nodes."""
    present = {(min(e), max(e)) for e in edges}
    bits = [int((i, j) in present) for j in range(1, n) for i in range(j)]
    bits += [0] * (-len(bits) % 6)
    code = [n] + [sum(b << (5 - k) for k, b in enumerate(bits[c : c + 6]))
                  for c in range(0, len(bits), 6)]
    return "".join(chr(63 + c) for c in code)


def from_graph6(text):
    codes = [ord(c) - 63 for c in text]
    n = codes[0]
    bits = [c >> (5 - k) & 1 for c in codes[1:] for k in range(6)]
    return [0] * n, bits[: n * (n - 1) // 2]


def valence_fits(atom, bonds):
    most = {"C": 4, "N": 3, "O": 2, "F": 1, "P": 5, "S": 6, "Cl": 1, "Br": 1, "I": 1}
    return bonds <= most[atom]


def molecules():
    """A molecule a line: its heavy atoms, then its bonds by the places of their atoms."""
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    seen = set()
    for line in open("/usr/share/RDKit/Data/NCI/first_5K.smi"):
        if not line.split():
            continue
        molecule = Chem.MolFromSmiles(line.split()[0])
        if molecule is None:
            continue
        molecule = max(Chem.GetMolFrags(molecule, asMols=True), key=lambda m: m.GetNumAtoms())
        atoms = molecule.GetAtoms()
        if not 2 <= len(atoms) <= 12 or any(
                a.GetSymbol() not in ATOMS or a.GetFormalCharge() or a.GetNumRadicalElectrons()
                for a in atoms):
            continue
        name = Chem.MolToSmiles(molecule, isomericSmiles=False)
        if name in seen:
            continue
        seen.add(name)
        molecule = Chem.MolFromSmiles(name)  # its order of atoms
        Chem.Kekulize(molecule, clearAromaticFlags=True)
        bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx(), int(b.GetBondTypeAsDouble()))
                 for b in molecule.GetBonds()]
        names = [a.GetSymbol() for a in molecule.GetAtoms()]
        used = [sum(k for i, j, k in bonds if a in (i, j)) for a in range(len(names))]
        if not all(valence_fits(a, u) for a, u in zip(names, used)):
            continue
        yield " ".join(names + [f"{i}{BONDS[k - 1]}{j}" for i, j, k in bonds])


def communities(count=400):
    """Two halves whose pairs are joined with probability 0.7, and n / 20 edges between them."""
    draw = random.Random(1)
    for _ in range(count):
        n = draw.randint(20, 60)
        side = [k < n // 2 for k in range(n)]
        edges = {(i, j) for j in range(n) for i in range(j)
                 if side[i] == side[j] and draw.random() < 0.7}
        while sum(side[i] != side[j] for i, j in edges) < max(1, round(n / 20)):
            edges.add((draw.randrange(n // 2), draw.randrange(n // 2, n)))
        yield graph6(n, edges)


def planar():
    """In an order of chance, so that every tenth is of any kind."""
    lines = []
    for n in range(5, 9):
        listed = subprocess.run(f"nauty-geng -cq {n} | nauty-planarg -q", shell=True,
                                capture_output=True, check=True, text=True).stdout.split()
        lines += listed
    random.Random(1).shuffle(lines)
    return lines


def data(args):
    DATA.mkdir(parents=True, exist_ok=True)
    for name, lines, end in (("planar", planar(), "g6"), ("communities", communities(), "g6"),
                             ("molecules", molecules(), "txt")):
        lines = list(lines)
        (DATA / f"{name}.{end}").write_text("\n".join(lines) + "\n")
        print(name, len(lines))


def from_molecule(line):
    tokens = line.split()
    atoms = [ATOMS.index(t) for t in tokens if t in ATOMS]
    n = len(atoms)
    pairs = [0] * (n * (n - 1) // 2)
    for token in tokens[n:]:
        mark = next(c for c in token if c in BONDS)
        i, j = sorted(int(end) for end in token.split(mark))
        pairs[j * (j - 1) // 2 + i] = BONDS.index(mark) + 1
    return atoms, pairs


def load(name):
    """Graphs as (classes of nodes, classes of pairs): those to train on, those held out."""
    path = DATA / (f"{name}.txt" if name == "molecules" else f"{name}.g6")
    read = from_molecule if name == "molecules" else from_graph6
    graphs = [read(line) for line in path.read_text().splitlines()]
    return ([g for k, g in enumerate(graphs) if k % HELD_OUT != HELD_OUT - 1],
            [g for k, g in enumerate(graphs) if k % HELD_OUT == HELD_OUT - 1])


# ------------------------------------------------------------------------------------- network


class Block(nn.Module):
    def __init__(self, width, pair, heads, told):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.pair_norm = nn.LayerNorm(pair)
        self.qkv = nn.Linear(width, 3 * width)
        self.bias = nn.Linear(pair, heads)
        self.value = nn.Linear(pair, width)
        self.proj = nn.Linear(width, width)
        self.a, self.told, self.b = (nn.Linear(width, 2 * width), nn.Linear(told, 2 * width),
                                     nn.Linear(2 * width, width))
        self.ends = nn.Linear(width, 4 * pair)
        self.pair_a, self.pair_b = nn.Linear(pair, 2 * pair), nn.Linear(2 * pair, pair)

    def forward(self, h, e, y, i, j, at):
        """h [B, n, width], e [B, pairs, pair], y [B, told]; i, j [pairs] the ends of pairs, at [n, n]
        the pair of two nodes."""
        count, n, width = h.shape
        d = width // self.heads
        en = self.pair_norm(e)
        q, k, v = self.qkv(self.norm1(h)).view(count, n, 3, self.heads, d).unbind(2)
        s = q.transpose(1, 2) @ k.permute(0, 2, 3, 1) / math.sqrt(d)
        s = s + self.bias(en)[:, at].permute(0, 3, 1, 2)
        s = s.masked_fill(torch.eye(n, dtype=torch.bool), -math.inf).softmax(-1)
        o = s @ v.transpose(1, 2)
        # The values of pairs are linear in e, so e is summed first.
        met = s.transpose(1, 2) @ en[:, at]
        met = met.transpose(1, 2) @ self.value.weight.view(self.heads, d, -1).transpose(1, 2)
        o = (o + met).transpose(1, 2) + self.value.bias.view(self.heads, d)
        h = h + self.proj(o.reshape(count, n, width))
        h = h + self.b(F.silu(self.a(self.norm2(h)) + self.told(y)[:, None]))
        plus, times = self.ends(self.norm3(h)).chunk(2, -1)
        z = self.pair_a(en) + plus[:, i] + plus[:, j] + times[:, i] * times[:, j]
        return h, e + self.pair_b(F.silu(z))


class GraphTransformer(nn.Module):
    def __init__(self, nodes, pairs, width, pair, heads, layers, told=64):
        super().__init__()
        self.classes = (nodes, pairs)
        self.told1, self.told2 = nn.Linear(4 + WALKS, told), nn.Linear(told, told)
        self.node = nn.Linear(nodes + WALKS + told, width)
        self.pair = nn.Linear(pairs + WALKS + told, pair)
        self.block = nn.ModuleList(Block(width, pair, heads, told) for _ in range(layers))
        self.node_norm, self.node_out = nn.LayerNorm(width), nn.Linear(width, nodes)
        self.pair_norm, self.pair_out = nn.LayerNorm(pair), nn.Linear(pair, pairs)

    def forward(self, nodes, pairs, alpha):
        """nodes [B, n], pairs [B, n (n - 1) / 2], alpha [B]: logits of both."""
        count, n = nodes.shape
        j, i = torch.tril_indices(n, n, -1)
        at = torch.zeros(n, n, dtype=torch.long)
        at[i, j] = at[j, i] = torch.arange(len(i))
        joined = (pairs != 0).float()[:, at] * (1 - torch.eye(n))
        root = joined.sum(-1).clamp(min=1).rsqrt()
        step = root[:, :, None] * joined * root[:, None, :]
        walk, on_pair, on_node = step, [], []
        for _ in range(WALKS):
            on_pair.append(walk[:, i, j])
            on_node.append(walk.diagonal(dim1=1, dim2=2))
            walk = walk @ step
        on_pair, on_node = torch.stack(on_pair, -1), torch.stack(on_node, -1)
        alpha = alpha.float()[:, None]
        y = torch.cat([alpha, alpha.sqrt(), (1 - alpha).sqrt(), torch.full_like(alpha, n / 32),
                       on_node.mean(1)], -1)
        y = self.told2(F.silu(self.told1(y)))
        h = self.node(torch.cat([F.one_hot(nodes, self.classes[0]), on_node,
                                 y[:, None].expand(-1, n, -1)], -1))
        e = self.pair(torch.cat([F.one_hot(pairs, self.classes[1]), on_pair,
                                 y[:, None].expand(-1, len(i), -1)], -1))
        for block in self.block:
            h, e = block(h, e, y, i, j, at)
        return self.node_out(self.node_norm(h)), self.pair_out(self.pair_norm(e))


def marginals(graphs, nodes, pairs):
    count = [torch.zeros(nodes), torch.zeros(pairs)]
    for graph in graphs:
        for block in (0, 1):
            count[block] += torch.bincount(torch.tensor(graph[block]), minlength=len(count[block]))
    return [c / c.sum() for c in count]


def noised(x, alpha, law):
    drawn = torch.multinomial(law, x.numel(), replacement=True).view(x.shape)
    return torch.where(torch.rand(x.shape) < alpha[:, None], x, drawn)


# ------------------------------------------------------------------------------------ training


def loss_of(net, nodes, pairs, law, u):
    """Cross entropy at alpha = cos^2(pi u / 2); a pair counts five times a node."""
    alpha = torch.cos(0.5 * math.pi * u) ** 2
    a, b = net(noised(nodes, alpha, law[0]), noised(pairs, alpha, law[1]), alpha)
    return (F.cross_entropy(a.flatten(0, 1), nodes.flatten())
            + 5 * F.cross_entropy(b.flatten(0, 1), pairs.flatten()))


def train(args):
    torch.set_num_threads(1)
    sizes = SETS[args.task]
    seen, held_out = load(args.task)
    law = marginals(seen, *sizes[:2])
    by_size = {}
    for graph in seen:
        by_size.setdefault(len(graph[0]), []).append(graph)
    by_size = {n: tuple(torch.tensor(x) for x in zip(*g)) for n, g in by_size.items()}
    share = torch.tensor([float(len(g[0])) for g in by_size.values()])
    net = GraphTransformer(*sizes)
    ema = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=1e-4)
    spent, step = 0.0, 0
    path = args.work / f"{args.task}.pt"
    if path.exists():
        state = torch.load(path)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        spent, step = state["spent"], state["step"]
    print(args.task, len(seen), "graphs,", sum(p.numel() for p in net.parameters()), "weights",
          flush=True)
    begin, total, saved, mean = time.time() - spent, args.minutes * 60, time.time(), None
    while time.time() - begin < total:
        n = list(by_size)[int(torch.multinomial(share, 1))]
        # About as many pairs in every batch.
        count = max(4, min(args.batch, round(args.pairs / (n * n))))
        pick = torch.randint(len(by_size[n][0]), (count,))
        nodes, pairs = (x[pick] for x in by_size[n])
        loss = loss_of(net, nodes, pairs, law, torch.rand(count))
        rate = args.rate * min(1, (step + 1) / 200) * max(
            0.02, 0.5 + 0.5 * math.cos(math.pi * (time.time() - begin) / total))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        keep = min(args.ema, step / (step + 10))
        with torch.no_grad():
            for old, new in zip(ema.parameters(), net.parameters()):
                old.lerp_(new, 1 - keep)
        mean = float(loss) if mean is None else 0.99 * mean + 0.01 * float(loss)
        if step % 500 == 0:
            print(step, f"{time.time() - begin:.0f} s", f"loss {mean:.4f}", flush=True)
        if time.time() - saved > 120:
            save(path, net, ema, optimizer, time.time() - begin, step)
            saved = time.time()
    save(path, net, ema, optimizer, time.time() - begin, step)
    torch.manual_seed(7)
    with torch.no_grad():
        for name, graphs in (("trained on", seen[::9]), ("held out", held_out)):
            losses = [float(loss_of(ema, *(torch.tensor([x]).repeat(4, 1) for x in g), law,
                                    (torch.arange(4) + torch.rand(4)) / 4)) for g in graphs]
            print(name, f"{sum(losses) / len(losses):.4f}", flush=True)


def save(path, net, ema, optimizer, spent, step):
    torch.save({"net": net.state_dict(), "ema": ema.state_dict(),
                "optimizer": optimizer.state_dict(), "spent": spent, "step": step}, f"{path}.part")
    os.replace(f"{path}.part", path)


# -------------------------------------------------------------------------------------- export


def export(args):
    for name, sizes in SETS.items():
        if not (args.work / f"{name}.pt").exists():
            continue
        state = torch.load(args.work / f"{name}.pt")
        write_safetensors(args.out / f"graph_{name}.safetensors", halves(state["ema"]), {
            "format": "pt",
            "network": "diffx::denoiser::eigen::graph_transformer",
            "prediction": "x0 posterior",
            "process": "marginal, told alpha",
            **dict(zip(("node_classes", "pair_classes", "width", "pair_width", "heads", "layers"),
                       sizes)),
            "training_steps": state["step"],
            "weights": "exponential moving average, rounded to half precision",
            "source": SOURCES[name] + "; trained from scratch by examples/graph/train/train.py",
            "licence": "Apache-2.0",
        })
        print(f"graph_{name}.safetensors: {state['step']} steps", flush=True)


@torch.no_grad()
def parity(args):
    """Answers of the networks to a noised graph each."""
    cases = []
    torch.manual_seed(3)
    for name, sizes in SETS.items():
        if not (args.work / f"{name}.pt").exists():
            continue
        state = torch.load(args.work / f"{name}.pt")["ema"]
        net = GraphTransformer(*sizes).eval()
        net.load_state_dict({k: v.half().float() for k, v in state.items()})
        seen, held_out = load(name)
        law = marginals(seen, *sizes[:2])
        graph = min(held_out, key=lambda g: abs(len(g[0]) - 9))
        for alpha in (0.0, 0.35, 0.9):
            a = torch.tensor([alpha])
            nodes, pairs = (noised(torch.tensor([x]), a, p) for x, p in zip(graph, law))
            answer = net(nodes, pairs, a)
            cases.append({"network": name, "alpha": alpha, "nodes": nodes[0].tolist(),
                          "pairs": pairs[0].tolist(),
                          "node_logits": [round(x, 6) for x in answer[0].flatten().tolist()],
                          "pair_logits": [round(x, 6) for x in answer[1].flatten().tolist()]})
    (args.tests / "graph_parity.json").write_text(json.dumps({"cases": cases}) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {**{name: train for name in SETS}, "data": data, "export": export, "parity": parity}
    parser.add_argument("task", choices=list(tasks))
    parser.add_argument("--work", type=Path, default=Path("."), help="folder of the checkpoints")
    parser.add_argument("--out", type=Path, default=ROOT / "examples" / "models")
    parser.add_argument("--tests", type=Path, default=ROOT / "tests" / "data")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--batch", type=int, default=64, help="graphs, at most")
    parser.add_argument("--pairs", type=int, default=8192, help="about so many places of a batch")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    tasks[args.task](args)


if __name__ == "__main__":
    sys.exit(main())
