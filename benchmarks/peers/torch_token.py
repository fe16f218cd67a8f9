#!/usr/bin/env python3
"""Drawing tokens from rows of logits in eager PyTorch: the peers of bench_token.

`softmax_multinomial` and the two Gumbel forms only draw; `softmax_confidence` also says how probable
the drawn class is; the decode steps are those of masked language models: a class for every masked
position, its probability in double precision, and the surest position is committed. Prints one JSON
object: seconds by "<peer>/<rows>/<classes>". Needs torch; says so and exits with 77 without it.

    python3 benchmarks/peers/torch_token.py [--threads 2] [--repeats 7]
"""
import eager
from eager import torch

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


def cases(shapes=SHAPES):
    for peer in PEERS:
        for rows, classes in shapes:
            logits, x = torch.randn(rows, classes), torch.full((rows,), classes)
            yield f"{peer.__name__}/{rows}/{classes}", lambda p=peer, l=logits, x=x: p(l, x)


if __name__ == "__main__":
    eager.main({"token": cases}, repeats=7)
