#!/usr/bin/env python3
"""A step of DiGress in eager PyTorch: the peer of bench_graph.

Dense matrices of one-hot classes [batch, n, n, classes], both orders of every pair: the posterior of
every class of the data by products with the transition matrices, weighted with the network's
softmax, drawn, and the upper triangle mirrored. Prints one JSON object: seconds by
"step/<batch>/<n>/<classes>". Needs torch; says so and exits with 77 without it.

    python3 benchmarks/peers/torch_graph.py [--threads 2] [--repeats 5]
"""
import eager
from eager import torch

F = torch.nn.functional

SHAPES = [(64, 32, 2), (64, 128, 2), (1, 512, 2), (64, 32, 5), (64, 128, 5), (1, 512, 5)]
NODE_CLASSES = 4
KEPT, BEFORE = 0.8, 0.6  # of the step, and since the data up to it


def transition(kept, law):
    return kept * torch.eye(len(law)) + (1.0 - kept) * law.expand(len(law), -1)


def kernel(z, logits, law):
    """p(z_s | z_t) of places [batch, places, classes]."""
    step, before = transition(KEPT, law), transition(BEFORE, law)
    whole = before @ step
    seen = (z @ step.T).unsqueeze(2)  # [batch, places, 1, classes]
    bridges = seen * before  # [batch, places, data, classes]
    given = (z @ whole.T).unsqueeze(-1)
    given = torch.where(given == 0, torch.full_like(given, 1e-6), given)
    mixed = (torch.softmax(logits, -1).unsqueeze(-1) * (bridges / given)).sum(2)
    mixed = torch.where(mixed.sum(-1, keepdim=True) == 0, torch.full_like(mixed, 1e-5), mixed)
    return mixed / mixed.sum(-1, keepdim=True)


def drawn(p):
    batch, places, classes = p.shape
    return torch.multinomial(p.reshape(-1, classes), 1).reshape(batch, places)


def step(x, e, x_logits, e_logits, x_law, e_law):
    batch, n, _, classes = e.shape
    p = kernel(e.reshape(batch, n * n, classes), e_logits.reshape(batch, n * n, classes), e_law)
    pairs = torch.triu(drawn(p).reshape(batch, n, n), 1)
    pairs = pairs + pairs.transpose(1, 2)
    nodes = drawn(kernel(x, x_logits, x_law))
    return F.one_hot(nodes, NODE_CLASSES).float(), F.one_hot(pairs, classes).float()


def cases(shapes=SHAPES):
    for batch, n, classes in shapes:
        x_law = torch.full((NODE_CLASSES,), 1.0 / NODE_CLASSES)
        e_law = torch.full((classes,), 0.2 / (classes - 1))
        e_law[0] = 0.8
        x = F.one_hot(torch.randint(0, NODE_CLASSES, (batch, n)), NODE_CLASSES).float()
        e = F.one_hot(torch.randint(0, classes, (batch, n, n)), classes).float()
        given = (x, e, torch.randn(batch, n, NODE_CLASSES), torch.randn(batch, n, n, classes), x_law,
                 e_law)
        yield f"step/{batch}/{n}/{classes}", lambda given=given: step(*given)


if __name__ == "__main__":
    eager.main({"graph": cases}, repeats=5)
