#!/usr/bin/env python3
"""Rows of tables in eager PyTorch: the peers of bench_binary and bench_tabular.

Bits, held as float32 zeros and ones as a network takes them: `xor` draws a Bernoulli mask and flips
by it, `xor_uniform` compares uniform numbers; `threshold` is the published step, clean bits by their
threshold and noise on them again; `posterior` draws every bit from its exact reverse kernel.

Tables: `multinomial` is a step of TabDDPM, numbers by the ancestral step with variance beta, every
column of classes by its posterior in log space and a Gumbel race, on logarithms of one-hot rows;
`multinomial_equal` the same of columns with one number of classes. Prints one JSON object: seconds
by "<peer>/<rows>/<bits>", or "<peer>/<rows>". Needs torch; says so and exits with 77 without it.

    python3 benchmarks/peers/torch_table.py [binary|tabular] [--threads 2] [--repeats 7]
"""
import math

import eager
from eager import torch

F = torch.nn.functional

BINARY_SHAPES = [(4096, 100), (4096, 512), (65536, 256)]  # those of bench_binary
TABULAR_ROWS = [4096, 65536]
NUMBERS = 6
COLUMNS = {"multinomial": [2, 2, 3, 5, 8, 15, 27, 50], "multinomial_equal": [14] * 8}
BEFORE, NOW = 0.05, 0.1  # probabilities of a flip since the data


# ---- bits ----

def flipped(bits, p):
    mask = torch.bernoulli(torch.full_like(bits, p))
    return torch.bitwise_xor(bits.to(torch.int64), mask.to(torch.int64)).to(bits.dtype)


def xor(x, logits):
    return flipped(x, NOW)


def xor_uniform(x, logits):
    return torch.logical_xor(x > 0.5, torch.rand_like(x) < NOW).to(x.dtype)


def threshold(x, logits):
    return flipped((torch.sigmoid(logits) > 0.5).to(x.dtype), NOW)


def posterior(x, logits):
    d = (NOW - BEFORE) / (1.0 - 2.0 * BEFORE)
    p = torch.sigmoid(logits)
    seen = d + (1.0 - 2.0 * d) * x  # q(x_t | x_s = 1)
    unseen = 1.0 - seen
    one = (1.0 - BEFORE) * seen
    one = one / (one + BEFORE * unseen)
    zero = BEFORE * seen
    zero = zero / (zero + (1.0 - BEFORE) * unseen)
    return torch.bernoulli(p * one + (1.0 - p) * zero)


def binary_cases(shapes=BINARY_SHAPES):
    for peer in (xor, xor_uniform, threshold, posterior):
        for rows, bits in shapes:
            x = torch.randint(0, 2, (rows, bits)).float()
            logits = torch.randn(rows, bits)
            yield f"{peer.__name__}/{rows}/{bits}", lambda p=peer, x=x, l=logits: p(x, l)


# ---- columns ----

def log_sum(a, b):
    top = torch.maximum(a, b)
    return top + torch.log(torch.exp(a - top) + torch.exp(b - top))


class TabularStep:
    """One step at a training time in the middle of T = 1000, with its coefficients in tables."""

    def __init__(self, classes):
        steps = 1000
        u = torch.arange(steps + 1, dtype=torch.float64) / steps
        f = torch.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
        beta = torch.clamp(1 - f[1:] / f[:-1], max=0.999)
        kept = torch.cumprod(1 - beta, 0)
        before = torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
        self.classes = classes
        self.log = {name: v.float() for name, v in {
            "alpha": torch.log1p(-beta), "not_alpha": torch.log(beta),
            "kept": torch.log(before), "not_kept": torch.log(1 - before + 1e-40)}.items()}
        self.number = {name: v.float() for name, v in {
            "x": torch.rsqrt(kept), "eps": torch.sqrt(1 / kept - 1),
            "x0": beta * torch.sqrt(before) / (1 - kept),
            "xt": (1 - before) * torch.sqrt(1 - beta) / (1 - kept), "beta": beta}.items()}

    def numbers(self, z, eps, t):
        def of(name):
            return self.number[name][t][:, None]
        x0 = of("x") * z - of("eps") * eps
        mean = of("x0") * x0 + of("xt") * z
        noise = (t != 0).float()[:, None] * torch.randn_like(z)
        return mean + torch.exp(0.5 * torch.log(of("beta"))) * noise

    def columns(self, log_x, out, t):
        def of(name):
            return self.log[name][t][:, None]
        log_classes = torch.cat([torch.full((k,), math.log(k)) for k in self.classes])
        log_p = torch.cat([F.log_softmax(part, 1) for part in out.split(self.classes, 1)], 1)
        data = log_sum(log_p + of("kept"), of("not_kept") - log_classes)
        data = torch.where((t == 0)[:, None], log_p, data)
        step = log_sum(log_x + of("alpha"), of("not_alpha") - log_classes)
        result = []
        for part, k in zip((data + step).split(self.classes, 1), self.classes):
            part = part - torch.logsumexp(part, 1, keepdim=True)
            race = -torch.log(-torch.log(torch.rand_like(part) + 1e-30) + 1e-30)
            drawn = (part + race).argmax(1)
            result.append(torch.log(F.one_hot(drawn, k).float().clamp(min=1e-30)))
        return torch.cat(result, 1)

    def __call__(self, state, out):
        t = torch.full((state.shape[0],), 500, dtype=torch.long)
        z = self.numbers(state[:, :NUMBERS], out[:, :NUMBERS], t)
        return torch.cat([z, self.columns(state[:, NUMBERS:], out[:, NUMBERS:], t)], 1)


def tabular_cases(sizes=TABULAR_ROWS):
    for name, classes in COLUMNS.items():
        step = TabularStep(classes)
        for rows in sizes:
            hot = [torch.log(F.one_hot(torch.randint(0, k, (rows,)), k).float().clamp(min=1e-30))
                   for k in classes]
            state = torch.cat([torch.randn(rows, NUMBERS)] + hot, 1)
            out = torch.randn_like(state)
            yield f"{name}/{rows}", lambda s=step, x=state, o=out: s(x, o)


if __name__ == "__main__":
    eager.main({"binary": binary_cases, "tabular": tabular_cases}, repeats=7)
