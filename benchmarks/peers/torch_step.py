#!/usr/bin/env python3
"""One step of DDIM, DPM-Solver++ 2M and its SDE form in eager PyTorch: the peers of bench_step.

Each is written twice: `usual`, as pipelines do it (coefficients are 0-d tensors, the guided network
sees the state twice, so the input is concatenated and the output split), and `minimal`, the careful
user's form (Python floats, no concatenation). Prints one JSON object: seconds per step by
"<solver>-<guidance>/<form>/<batch>/<features>", and of torch.randn by "randn/<size>". Needs torch;
says so and exits with 77 without it.

    python3 benchmarks/peers/torch_step.py [--threads 2] [--repeats 30]
"""
import eager
from eager import torch

# The rows of bench_step: (batch, features) and the shape that a pipeline would have there.
SHAPES = {(1, 16384): (1, 4, 64, 64), (64, 3072): (64, 3, 32, 32), (8, 65536): (8, 4, 128, 128)}
SCALE = 3.0
NORMALS = 1 << 20


class Usual:
    """Coefficients of one step as a scheduler looks them up: 0-d tensors."""

    def __init__(self):
        self.alpha, self.sigma = torch.tensor(0.95), torch.tensor(0.312)
        self.alpha_next, self.sigma_next = torch.tensor(0.96), torch.tensor(0.28)
        self.h, self.h_last = torch.tensor(0.1), torch.tensor(0.11)

    def guided(self, x, out):
        if out.shape[0] == x.shape[0]:
            return out
        null, conditional = out.chunk(2)
        return null + SCALE * (conditional - null)

    def network_input(self, x, out):
        return x if out.shape[0] == x.shape[0] else torch.cat([x, x])

    def ddim(self, x, out, state):
        eps = self.guided(x, out)
        x0 = (x - self.sigma * eps) / self.alpha
        x = self.alpha_next * x0 + self.sigma_next * eps
        return self.network_input(x, out)

    def dpmpp_2m(self, x, out, state):
        eps = self.guided(x, out)
        x0 = (x - self.sigma * eps) / self.alpha
        slope = (1.0 / (self.h_last / self.h)) * (x0 - state["x0"])
        grow = self.alpha_next * (torch.exp(-self.h) - 1.0)
        x = (self.sigma_next / self.sigma) * x - grow * x0 - 0.5 * grow * slope
        state["x0"] = x0
        return self.network_input(x, out)

    def dpmpp_2m_sde(self, x, out, state):
        eps = self.guided(x, out)
        x0 = (x - self.sigma * eps) / self.alpha
        slope = (1.0 / (self.h_last / self.h)) * (x0 - state["x0"])
        decay = self.alpha_next * (1.0 - torch.exp(-2.0 * self.h))
        noise = torch.randn(x.shape, device=x.device)
        x = ((self.sigma_next / self.sigma * torch.exp(-self.h)) * x + decay * x0 +
             0.5 * decay * slope + self.sigma_next * torch.sqrt(1.0 - torch.exp(-2.0 * self.h)) * noise)
        state["x0"] = x0
        return self.network_input(x, out)


class Minimal:
    """The same with coefficients known beforehand."""

    def guided(self, x, out):
        batch = x.shape[0]
        return out if out.shape[0] == batch else SCALE * out[batch:] + (1.0 - SCALE) * out[:batch]

    def ddim(self, x, out, state):
        return 1.01 * x - 0.05 * self.guided(x, out)

    def dpmpp_2m(self, x, out, state):
        x0 = 1.05 * x - 0.33 * self.guided(x, out)
        x = 0.9 * x + 0.15 * x0 - 0.05 * state["x0"]
        state["x0"] = x0
        return x

    def dpmpp_2m_sde(self, x, out, state):
        x0 = 1.05 * x - 0.33 * self.guided(x, out)
        x = 0.8 * x + 0.25 * x0 - 0.05 * state["x0"] + 0.1 * torch.randn(x.shape, device=x.device)
        state["x0"] = x0
        return x


def cases():
    for form, peer in (("usual", Usual()), ("minimal", Minimal())):
        for solver in ("ddim", "dpmpp_2m", "dpmpp_2m_sde"):
            for guidance, branches in (("none", 1), ("cfg", 2)):
                for (batch, features), shape in SHAPES.items():
                    x, out = torch.randn(shape), torch.randn((branches * shape[0],) + shape[1:])
                    state = {"x0": torch.randn(shape)}
                    yield (f"{solver}-{guidance}/{form}/{batch}/{features}",
                           lambda f=getattr(peer, solver), x=x, o=out, k=state: f(x, o, k))
    yield f"randn/{NORMALS}", lambda: torch.randn(NORMALS)


if __name__ == "__main__":
    eager.main({"step": cases}, repeats=30)
