"""Writes nn_ctc.json and nn_ctc_random.json beside this file: PyTorch's CTC loss and its gradient in the logits before a
log-softmax. The random cases' logits are no part of the file, since the test draws the same ones.

Run with a Python that has PyTorch: python3 tests/golden/make_ctc.py. Computed in float64.
"""
import json
import math
import os

import torch
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


def rounded(tensor):
    return [float(f"{v:.7g}") for v in tensor.detach().double().reshape(-1).tolist()]


def case(name, frames, classes, targets, input_lengths, scale=2.0, **options):
    batch = len(targets)
    size = frames * batch * classes
    values = torch.sin(1.7 * torch.arange(size, dtype=torch.float64) ** 1.3 + size)
    # Few digits, so that the test reads exactly these.
    logits = torch.tensor([round(scale * v, 3) for v in values.tolist()], dtype=torch.float64)
    logits = logits.reshape(frames, batch, classes).requires_grad_()
    lengths = [len(target) for target in targets]
    width = max(lengths)
    padded = torch.tensor([target + [0] * (width - len(target)) for target in targets], dtype=torch.long)
    losses = F.ctc_loss(
        logits.log_softmax(-1),
        padded.reshape(batch, width),
        torch.tensor(input_lengths),
        torch.tensor(lengths),
        **options,
    )
    weights = torch.cos(torch.arange(losses.numel(), dtype=torch.float64)).reshape(losses.shape)
    (losses * weights).sum().backward()
    return {
        "name": name,
        "logits": {"shape": [frames, batch, classes], "data": logits.reshape(-1).tolist()},
        "targets": {"shape": [batch, width], "data": padded.reshape(-1).tolist()},
        "inputLengths": input_lengths,
        "targetLengths": lengths,
        "options": {
            {"zero_infinity": "zeroInfinity"}.get(key, key): value for key, value in options.items()
        },
        "losses": {"shape": list(losses.shape), "data": rounded(losses)},
        "grad": {"shape": [frames, batch, classes], "data": rounded(logits.grad)},
    }


LABELS = [[1, 2, 3, 2], [4, 4, 1], [3], [2, 2, 2, 2, 2]]
CASES = [
    case("reduction mean", 12, 5, LABELS, [12, 9, 1, 11]),
    case("reduction sum", 12, 5, LABELS, [12, 9, 1, 11], reduction="sum"),
    case("reduction none", 12, 5, LABELS, [12, 9, 1, 11], reduction="none"),
    case("the last class as blank", 8, 5, [[0, 1, 1], [3, 2, 0]], [8, 5], blank=4, reduction="none"),
    case("an empty target among others", 6, 4, [[1, 2], []], [6, 5], reduction="none"),
    case("an empty target, mean", 6, 4, [[1, 2], []], [6, 5]),
    case("exactly as many frames as it takes", 5, 3, [[1, 1, 2], [1, 2, 1, 2, 1]], [4, 5], reduction="none"),
    case("infinite as zero", 4, 3, [[1, 1, 1], [2, 1]], [4, 4], reduction="none", zero_infinity=True),
    case("confident outputs", 30, 4, [[1, 2, 3, 1], [3, 3, 2]], [30, 22], scale=40.0, reduction="none"),
    case("a long sequence", 400, 3, [[1, 2] * 20, [1, 1, 2] * 10], [400, 371], scale=6.0, reduction="none"),
]

with open(os.path.join(HERE, "nn_ctc.json"), "w") as file:
    json.dump(CASES, file, separators=(",", ":"))
    file.write("\n")


class Lcg:
    """Numerical Recipes' generator: exact in any language."""

    def __init__(self, seed):
        self.state = seed

    def integer(self, limit):
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return (self.state >> 8) % limit


def random_case(seed, frames, batch, classes, longest, scale, **options):
    """Labels repeat often; a third of the targets are empty or need more frames than there are."""
    draw = Lcg(seed)
    size = frames * batch * classes
    values = [scale * (draw.integer(2001) - 1000) / 1000 for _ in range(size)]
    logits = torch.tensor(values, dtype=torch.float64).reshape(frames, batch, classes).requires_grad_()
    input_lengths = [frames - draw.integer(max(1, frames // 3)) for _ in range(batch)]
    lengths = [0 if draw.integer(6) == 0 else 1 + draw.integer(longest) for _ in range(batch)]
    targets = []
    for length in lengths:
        label, target = 1, []
        for _ in range(length):
            label = label if draw.integer(3) == 0 else 1 + draw.integer(classes - 1)
            target.append(label)
        targets.append(target + [0] * (longest - length))
    losses = F.ctc_loss(
        logits.log_softmax(-1), torch.tensor(targets), torch.tensor(input_lengths), torch.tensor(lengths), **options
    )
    losses.sum().backward()
    is_finite = bool(torch.isfinite(losses).all())
    grad = logits.grad.reshape(-1) if is_finite else torch.zeros(0)
    every = max(1, size // 150)
    return {
        "seed": seed,
        "shape": [frames, batch, classes],
        "scale": scale,
        "targets": targets,
        "inputLengths": input_lengths,
        "targetLengths": lengths,
        "zeroInfinity": options.get("zero_infinity", False),
        "losses": [None if math.isinf(loss) else float(f"{loss:.7g}") for loss in losses.tolist()],
        "largest": float(f"{grad.abs().max():.7g}") if is_finite else 0,
        "every": every,
        "grad": [float(f"{value:.7g}") for value in grad[::every].tolist()],
    }


draw = Lcg(1)
RANDOM = []
for seed in range(30):
    shape = [1 + draw.integer(40), 1 + draw.integer(5), 2 + draw.integer(12)]
    longest = 1 + draw.integer(14)
    RANDOM.append(random_case(seed, *shape, longest, 1 + draw.integer(10), reduction="none", zero_infinity=True))
    if seed % 3 == 0:
        RANDOM.append(random_case(seed, *shape, longest, 3, reduction="none"))
RANDOM.append(random_case(100, 2000, 2, 20, 400, 4, reduction="none", zero_infinity=True))
RANDOM.append(random_case(101, 1000, 2, 5, 300, 8, reduction="none", zero_infinity=True))

with open(os.path.join(HERE, "nn_ctc_random.json"), "w") as file:
    json.dump(RANDOM, file, separators=(",", ":"))
    file.write("\n")
