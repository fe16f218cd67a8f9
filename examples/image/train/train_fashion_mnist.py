"""Trains the two small networks of the image example on Fashion-MNIST.

    train_fashion_mnist.py classifier            a CNN with a 64-wide feature for Frechet distances
    train_fashion_mnist.py denoiser --minutes 75 a class-conditional U-Net, v-prediction, VP cosine
    train_fashion_mnist.py evaluate              feature statistics and the parity file of the tests
    train_fashion_mnist.py speed                 images per second of one training step, by setting
    train_fashion_mnist.py samples OUT.png       a sheet of guided samples, ten columns of classes

Both networks are fixed so that include/diffx/denoiser/eigen/{unet,classifier}.hpp can read the
weights: every tensor is stored as float32 under the name it has in the state_dict. Images are
scaled to [-1, 1]. The learning rate follows a cosine of elapsed time, so a run ends when it was
told to, however busy the machine is; a usable file is written every few minutes.
"""

import argparse
import concurrent.futures
import copy
import gzip
import json
import math
import os
import struct
import sys
import time
from pathlib import Path

# One thread per worker: a minibatch is cut into one part per core instead (see train_denoiser),
# which waits once a step rather than once a layer and suffers less from other work on the machine.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))
from safetensors_file import read_safetensors, write_safetensors

ROOT = Path(__file__).resolve().parents[3]
SOURCE = "Fashion-MNIST, Copyright 2017 Zalando SE, MIT licence"
LAMBDA_MAX = 5.0  # log(alpha / sigma) stays within [-5, 5]
CLASSES = 10  # label 10 is the null class


# ---------------------------------------------------------------------------------------- data


def load(folder, part):
    """images [n, 1, 28, 28] float32 in [-1, 1], labels [n] int64."""
    with gzip.open(Path(folder) / f"{part}-images-idx3-ubyte.gz") as f:
        images = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(Path(folder) / f"{part}-labels-idx1-ubyte.gz") as f:
        labels = np.frombuffer(f.read(), np.uint8, offset=8).astype(np.int64)
    return torch.from_numpy(images / 127.5 - 1.0).float(), torch.from_numpy(labels)


# ------------------------------------------------------------------------------------ networks


class Block(nn.Module):
    """h = conv(silu(norm(x))) + linear(emb); h = conv(silu(norm(h))); out = h + skip(x)."""

    def __init__(self, cin, cout):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, cin, eps=1e-5)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.emb = nn.Linear(128, cout)
        self.norm2 = nn.GroupNorm(8, cout, eps=1e-5)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.skip = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x))) + self.emb(emb)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + self.skip(x)


class Attention(nn.Module):
    """x + proj(attend(qkv(norm(x)))) over the pixels; the channels of qkv are q, k, v in turn,
    each of them the heads in turn."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, channels, eps=1e-5)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x):
        n, c, height, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, height * width)
        q, k, v = (part.transpose(-1, -2) for part in qkv.unbind(1))
        h = F.scaled_dot_product_attention(q, k, v)  # [n, heads, pixels, c / heads]
        return x + self.proj(h.transpose(-1, -2).reshape(n, c, height, width))


class UNet(nn.Module):
    """Predicts v = alpha eps - sigma x0 from x [n, 1, 28, 28], t [n] and label [n]."""

    def __init__(self):
        super().__init__()
        self.time1 = nn.Linear(64, 128)
        self.time2 = nn.Linear(128, 128)
        self.classes = nn.Embedding(CLASSES + 1, 128)
        self.in_conv = nn.Conv2d(4, 64, 3, padding=1)
        self.b1 = Block(64, 64)
        self.down = nn.Conv2d(64, 64, 3, stride=2, padding=1)
        self.b2 = Block(64, 128)
        self.attention = Attention(128, 4)
        self.b3 = Block(128, 128)
        self.b4 = Block(256, 128)
        self.up = nn.Conv2d(128, 64, 3, padding=1)
        self.b5 = Block(128, 64)
        self.out_norm = nn.GroupNorm(8, 64, eps=1e-5)
        self.out_conv = nn.Conv2d(64, 4, 3, padding=1)
        nn.init.normal_(self.classes.weight, std=0.5)
        nn.init.zeros_(self.out_conv.weight)
        nn.init.zeros_(self.out_conv.bias)
        k = torch.arange(32, dtype=torch.float64)
        self.register_buffer("freq", torch.exp(-math.log(10000.0) * k / 31.0), persistent=False)

    def embed(self, t, label):
        angle = 1000.0 * t.double()[:, None] * self.freq
        e = torch.cat([angle.sin(), angle.cos()], dim=1).float()
        e = self.time2(F.silu(self.time1(e))) + self.classes(label)
        return F.silu(e)

    def forward(self, x, t, label):
        emb = self.embed(t, label)
        h = self.in_conv(F.pixel_unshuffle(x, 2))  # channel = dy * 2 + dx
        skip1 = h = self.b1(h, emb)
        skip2 = h = self.b2(self.down(h), emb)
        h = self.b3(self.attention(h), emb)
        h = self.b4(torch.cat([h, skip2], 1), emb)
        h = self.up(F.interpolate(h, scale_factor=2, mode="nearest"))
        h = self.b5(torch.cat([h, skip1], 1), emb)
        h = self.out_conv(F.silu(self.out_norm(h)))
        return F.pixel_shuffle(h.float(), 2)


class Classifier(nn.Module):
    """Four 3x3 convolutions (28, 14, 7, 4 pixels wide), a 64-wide feature, ten logits."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(32, 32, 3, stride=2, padding=1)
        self.conv4 = nn.Conv2d(32, 32, 3, stride=2, padding=1)
        self.feature = nn.Linear(512, 64)
        self.logits = nn.Linear(64, CLASSES)

    def features(self, x):
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.relu(conv(x))
        return self.feature(x.flatten(1))

    def forward(self, x):
        return self.logits(F.relu(self.features(x)))


def parameters(net):
    return sum(p.numel() for p in net.parameters())


# ------------------------------------------------------------------------------------ training


def time_range():
    """t with log(cos(pi t / 2) / sin(pi t / 2)) in [-LAMBDA_MAX, LAMBDA_MAX]."""
    low = math.atan(math.exp(-LAMBDA_MAX)) * 2.0 / math.pi
    return low, 1.0 - low


def diffusion_loss(net, x0, label, t, eps):
    alpha, sigma = torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)
    alpha, sigma = alpha[:, None, None, None], sigma[:, None, None, None]
    return F.mse_loss(net(alpha * x0 + sigma * eps, t, label), alpha * eps - sigma * x0)


def cast(args):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=not args.float32)


def layout(args):
    return torch.channels_last if args.nhwc else torch.contiguous_format


def train_denoiser(args):
    images, labels = load(args.data, "train")
    net = UNet().to(memory_format=layout(args))
    ema = copy.deepcopy(net)
    print(f"parameters {parameters(net)}", flush=True)
    weights = list(net.parameters())
    optimiser = torch.optim.AdamW(weights, lr=args.rate, weight_decay=0.01, betas=(0.9, 0.99))
    workers = concurrent.futures.ThreadPoolExecutor(args.threads)

    def part_gradient(part):
        x0, label, t, eps = part
        with cast(args):
            loss = diffusion_loss(net, x0, label, t, eps)
        return loss.item(), torch.autograd.grad(loss, weights)

    low, high = time_range()
    begin = last_write = time.time()
    step, epoch, seen, total, count = 0, 0, 0, 0.0, 0
    done = False
    while not done:
        order = torch.randperm(len(images))
        for rows in order[: len(order) // args.batch * args.batch].split(args.batch):
            progress = (time.time() - begin) / (60.0 * args.minutes)
            done = progress >= 1.0
            if done:
                break
            rate = args.rate * min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * progress))
            for group in optimiser.param_groups:
                group["lr"] = max(rate, 1e-6)
            # t is stratified over the minibatch: the same distribution, a quieter loss
            stratum = torch.randperm(args.batch) + torch.rand(args.batch)
            t = low + (high - low) * stratum / args.batch
            label = torch.where(torch.rand(args.batch) < 0.1, CLASSES, labels[rows])
            x0 = images[rows]
            parts = zip(*(a.chunk(args.threads) for a in (x0, label, t, torch.randn_like(x0))))
            losses, gradients = zip(*workers.map(part_gradient, parts))
            for w, *g in zip(weights, *gradients):
                w.grad = sum(g) / len(g)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step += 1
            seen += len(rows)
            total += sum(losses) / len(losses)
            count += 1
            keep = min(args.ema, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(list(ema.parameters()), list(net.parameters()), 1.0 - keep)
            if step % 100 == 0:
                minutes = (time.time() - begin) / 60.0
                print(f"epoch {epoch} step {step} loss {total / count:.5f} minutes {minutes:.1f} "
                      f"images/s {seen / minutes / 60:.0f}", flush=True)
                total, count = 0.0, 0
            if time.time() - last_write > 240:
                write_denoiser(args, ema, step, seen)
                last_write = time.time()
        epoch += 1
        write_denoiser(args, ema, step, seen)
    print(f"end: steps {step} epochs {seen / len(images):.2f} "
          f"minutes {(time.time() - begin) / 60:.1f}", flush=True)
    print(f"validation loss of the averaged weights: {validate(args, ema):.5f}", flush=True)


def write_denoiser(args, net, step, seen):
    write_safetensors(args.out / "fashion_unet.safetensors", net.state_dict(), {
        "format": "pt",
        "network": "diffx::denoiser::eigen::unet",
        "prediction": "v = alpha eps - sigma x0",
        "schedule": "vp cosine: alpha = cos(pi t / 2), sigma = sin(pi t / 2)",
        "lambda_range": f"[{-LAMBDA_MAX}, {LAMBDA_MAX}], lambda = log(alpha / sigma)",
        "image": "1 x 28 x 28 in [-1, 1]",
        "labels": "0 ... 9 and 10 for the null class, 10 % dropout",
        "training_steps": step,
        "training_images_seen": seen,
        "batch": args.batch,
        "weights": f"exponential moving average, decay {args.ema}",
        "source": SOURCE + "; trained from scratch by examples/image/train/train_fashion_mnist.py",
        "licence": "Apache-2.0",
    })


@torch.no_grad()
def validate(args, net, count=2000):
    """Mean v-loss over the first test images with fixed noise, at times spread evenly."""
    images, labels = load(args.data, "t10k")
    generator = torch.Generator().manual_seed(1)
    low, high = time_range()
    t = low + (high - low) * (torch.arange(count) + 0.5) / count
    t = t[torch.randperm(count, generator=generator)]
    eps = torch.randn(count, 1, 28, 28, generator=generator)
    total = 0.0
    for rows in torch.arange(count).split(100):
        total += diffusion_loss(net, images[rows], labels[rows], t[rows], eps[rows]).item()
    return total / (count // 100)


def train_classifier(args):
    images, labels = load(args.data, "train")
    net = Classifier().to(memory_format=layout(args))
    ema = copy.deepcopy(net)
    print(f"parameters {parameters(net)}", flush=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    begin, batch, step = time.time(), 128, 0
    while (time.time() - begin) < 60 * args.minutes:
        order = torch.randperm(len(images))
        for rows in order.split(batch):
            progress = (time.time() - begin) / (60.0 * args.minutes)
            rate = 3e-3 * min(1.0, (step + 1) / 200) * 0.5 * (
                1 + math.cos(math.pi * min(progress, 1.0)))
            for group in optimiser.param_groups:
                group["lr"] = max(rate, 1e-6)
            loss = F.cross_entropy(net(images[rows]), labels[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            step += 1
            keep = min(0.995, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(list(ema.parameters()), list(net.parameters()), 1.0 - keep)
            if progress >= 1:
                break
        print(f"step {step} loss {loss.item():.4f} accuracy {accuracy(args, ema):.4f} "
              f"seconds {time.time() - begin:.0f}", flush=True)
    write_safetensors(args.out / "fashion_classifier.safetensors", ema.state_dict(), {
        "format": "pt",
        "network": "diffx::denoiser::eigen::classifier",
        "image": "1 x 28 x 28 in [-1, 1]",
        "training_steps": step,
        "batch": batch,
        "test_accuracy": f"{accuracy(args, ema):.4f}",
        "source": SOURCE + "; trained from scratch by examples/image/train/train_fashion_mnist.py",
        "licence": "Apache-2.0",
    })


@torch.no_grad()
def accuracy(args, net):
    images, labels = load(args.data, "t10k")
    hits = [(net(images[r]).argmax(1) == labels[r]).sum().item()
            for r in torch.arange(len(images)).split(500)]
    return sum(hits) / len(images)


# ---------------------------------------------------------------------------------- evaluation


@torch.no_grad()
def statistics(net, images):
    """mean [64] and unbiased covariance [64, 64] of the features, in double."""
    f = torch.cat([net.features(images[r]) for r in torch.arange(len(images)).split(500)]).double()
    return f.mean(0), torch.cov(f.T)


def frechet(a, b):
    """|m1 - m2|^2 + tr(c1 + c2 - 2 (c1 c2)^(1/2)), the root by eigenvalues of a product."""
    (m1, c1), (m2, c2) = a, b
    w, q = torch.linalg.eigh(c1)
    root = q @ torch.diag(w.clamp(min=0).sqrt()) @ q.T
    cross = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0).sqrt().sum()
    return float(((m1 - m2) ** 2).sum() + c1.trace() + c2.trace() - 2 * cross)


def restore(net, path):
    tensors, metadata = read_safetensors(path)
    net.load_state_dict(tensors)
    return net.eval(), metadata


def parity_input(j):
    """x_j[i] = cos(0.1 (j + 1) i + 0.5 j) in double, then float32, i = 0 ... 783."""
    i = np.arange(784, dtype=np.float64)
    x = np.cos(0.1 * (j + 1) * i + 0.5 * j).astype(np.float32)
    return torch.from_numpy(x).reshape(1, 1, 28, 28)


@torch.no_grad()
def evaluate(args):
    torch.set_num_threads(1)
    unet, _ = restore(UNet(), args.out / "fashion_unet.safetensors")
    classifier, metadata = restore(Classifier(), args.out / "fashion_classifier.safetensors")
    test, _ = load(args.data, "t10k")
    train, _ = load(args.data, "train")
    mean, cov = statistics(classifier, test)
    baseline = frechet((mean, cov), statistics(classifier, train[:10000]))
    print(f"accuracy {metadata['test_accuracy']}, Frechet distance of 10000 training images "
          f"to the test images {baseline:.4f}")
    write_safetensors(args.out / "fashion_features.safetensors", {"mean": mean, "cov": cov}, {
        "features": "diffx::denoiser::eigen::classifier, fashion_classifier.safetensors",
        "images": "the 10000 test images of Fashion-MNIST",
        "covariance": "unbiased, divided by n - 1",
        "frechet_of_10000_training_images": f"{baseline:.6f}",
        "source": SOURCE,
    })
    pixels = list(range(0, 784, 29))
    cases = []
    for j, (t, label) in enumerate([(0.3, 7), (0.85, 10)]):
        x = parity_input(j)
        v = unet(x, torch.tensor([t], dtype=torch.float64), torch.tensor([label])).flatten()
        feature = classifier.features(x).flatten()
        cases.append({
            "t": t, "label": label,
            "v": [round(float(v[i]), 7) for i in pixels],
            "v_mean": round(float(v.double().mean()), 8),
            "v_mean_square": round(float((v.double() ** 2).mean()), 8),
            "feature": [round(float(f), 7) for f in feature],
            "logits": [round(float(f), 7) for f in classifier(x).flatten()],
        })
    (args.tests / "fashion_parity.json").write_text(json.dumps({
        "about": "outputs of the torch networks in train_fashion_mnist.py, float32",
        "input": "x_j[i] = cos(0.1 (j + 1) i + 0.5 j) in double, then float32; "
                 "j the case, i the pixel",
        "pixels": pixels, "cases": cases,
    }, separators=(",", ":")) + "\n")


@torch.no_grad()
def sample(net, label, steps, scale, generator):
    """DDIM in lambda-uniform steps with classifier-free guidance; returns x0 [n, 1, 28, 28]."""
    n = len(label)
    x = torch.randn(n, 1, 28, 28, generator=generator)
    lam = torch.linspace(-LAMBDA_MAX, LAMBDA_MAX, steps + 1, dtype=torch.float64)
    times = torch.atan(torch.exp(-lam)) * 2 / math.pi
    null = torch.full_like(label, CLASSES)
    for i in range(steps):
        a, s = math.cos(times[i] * math.pi / 2), math.sin(times[i] * math.pi / 2)
        a2, s2 = math.cos(times[i + 1] * math.pi / 2), math.sin(times[i + 1] * math.pi / 2)
        t = times[i].repeat(n)
        v, u = net(x, t, label), net(x, t, null)
        v = u + scale * (v - u)
        x0, eps = (a * x - s * v).clamp(-1, 1), s * x + a * v
        if i + 1 == steps:
            return x0
        x = a2 * x0 + s2 * eps


def samples(args):
    """Eighty samples as a PNG, the ten classes in columns."""
    import zlib

    net, metadata = restore(UNet(), args.out / "fashion_unet.safetensors")
    label = torch.arange(80) % CLASSES
    x0 = sample(net, label, args.steps, args.scale, torch.Generator().manual_seed(0))
    sheet = ((x0 + 1) * 127.5).round().byte().reshape(8, 10, 28, 28).permute(0, 2, 1, 3)
    sheet = np.ascontiguousarray(sheet.reshape(8 * 28, 10 * 28).numpy())
    rows, cols = sheet.shape
    raw = b"".join(b"\0" + row.tobytes() for row in sheet)

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    png = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", cols, rows, 8, 0, 0, 0, 0))
           + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
    Path(args.sheet).write_bytes(png)
    print(f"{args.sheet}: {metadata['training_steps']} training steps")


def speed(args):
    for float32 in (False, True):
        for nhwc in (False, True):
            args.float32, args.nhwc = float32, nhwc
            net = UNet().to(memory_format=layout(args))
            optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
            x = torch.randn(args.batch, 1, 28, 28)
            label, t = torch.zeros(args.batch, dtype=torch.long), torch.rand(args.batch)
            for i in range(8):
                if i == 2:
                    begin = time.time()
                with cast(args):
                    loss = diffusion_loss(net, x, label, t, torch.randn_like(x))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
            rate = 6 * args.batch / (time.time() - begin)
            print(f"{'float32' if float32 else 'bfloat16'} "
                  f"{'nhwc' if nhwc else 'nchw'} {rate:.0f} images/s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["classifier", "denoiser", "evaluate", "samples", "speed"])
    parser.add_argument("sheet", nargs="?", default="samples.png")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", type=Path, default=ROOT / "examples" / "models")
    parser.add_argument("--tests", type=Path, default=ROOT / "tests" / "data")
    parser.add_argument("--minutes", type=float, default=75.0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--float32", action="store_true", help="no bfloat16 autocast")
    parser.add_argument("--nhwc", action="store_true", help="channels last instead of NCHW")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    tasks = {"classifier": train_classifier, "denoiser": train_denoiser, "evaluate": evaluate,
             "samples": samples, "speed": speed}
    tasks[args.task](args)


if __name__ == "__main__":
    sys.exit(main())
