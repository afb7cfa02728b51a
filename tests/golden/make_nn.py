"""Writes the nn*.json beside this file: numbers that PyTorch gives for the layers, losses, schedules, ... of src/nn.

Run with a Python that has PyTorch: python3 tests/golden/make_nn.py. Pictures are written channels-last, weights as they are.
"""
import json
import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


def seeded(*shape):
    """Numbers that are spread over about -2 to 2, the same on every machine."""
    size = int(np.prod(shape))
    values = 2 * np.sin(1.7 * np.arange(size) ** 1.3 + size)
    return torch.tensor(values.reshape(shape), dtype=torch.float32)


def dump(tensor):
    tensor = tensor.detach()
    return {"shape": list(tensor.shape), "data": [float(f"{v:.8g}") for v in tensor.double().reshape(-1).tolist()]}


def picture(tensor):
    return dump(tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor)


def write(name, value):
    with open(os.path.join(HERE, f"nn_{name}.json"), "w") as file:
        json.dump(value, file, separators=(",", ":"))
        file.write("\n")


def layer_case(name, module, *shape, training=True):
    for i, parameter in enumerate(module.parameters()):
        parameter.data = 0.5 * seeded(*parameter.shape) + 0.1 * i
    module.train(training)
    before = {key: dump(value) for key, value in module.state_dict().items()}
    x = seeded(*shape).requires_grad_()
    y = module(x)
    cotangent = torch.cos(torch.arange(y.numel()).float()).reshape(y.shape)
    (y * cotangent).sum().backward()
    return {
        "name": name,
        "training": training,
        "state": before,
        "stateAfter": {key: dump(value) for key, value in module.state_dict().items()},
        "input": picture(x),
        "output": picture(y),
        "cotangent": picture(cotangent),
        "inputGrad": picture(x.grad),
        "grads": {key: dump(value.grad) for key, value in module.named_parameters()},
    }


def layers():
    batch_norm = nn.BatchNorm2d(4)
    batch_norm_eval = nn.BatchNorm2d(3, eps=1e-3)
    batch_norm_eval.running_mean = seeded(3)
    batch_norm_eval.running_var = seeded(3).abs() + 0.5
    activations = {
        "relu": nn.ReLU(),
        "relu6": nn.ReLU6(),
        "leakyRelu": nn.LeakyReLU(0.2),
        "gelu": nn.GELU(),
        "silu": nn.SiLU(),
        "hardswish": nn.Hardswish(),
        "sigmoid": nn.Sigmoid(),
        "tanh": nn.Tanh(),
        "softmax": nn.Softmax(-1),
    }
    cases = [
        layer_case("linear", nn.Linear(5, 3), 4, 5),
        layer_case("linear of a sequence", nn.Linear(5, 3, bias=False), 2, 3, 5),
        layer_case("conv 1x1", nn.Conv2d(3, 4, 1, bias=False), 2, 3, 4, 5),
        layer_case("conv 3x3 padded", nn.Conv2d(3, 4, 3, padding=1), 2, 3, 6, 5),
        layer_case("conv strided, even size", nn.Conv2d(3, 4, 3, stride=2, padding=1), 2, 3, 8, 6),
        layer_case("conv oblong", nn.Conv2d(2, 3, (3, 5), stride=(2, 1), padding=(0, 2)), 2, 2, 7, 8),
        layer_case("conv same", nn.Conv2d(2, 3, (4, 3), padding="same"), 1, 2, 5, 6),
        layer_case("conv dilated", nn.Conv2d(2, 3, 3, padding=2, dilation=2), 2, 2, 7, 6),
        layer_case("conv dilated and strided", nn.Conv2d(2, 3, 3, padding=2, dilation=2, stride=2), 1, 2, 9, 8),
        layer_case("conv depthwise", nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False), 2, 4, 7, 6),
        layer_case("conv depthwise with multiplier", nn.Conv2d(3, 6, 3, padding=1, groups=3), 2, 3, 5, 5),
        layer_case("conv depthwise dilated", nn.Conv2d(3, 3, 3, padding=2, dilation=2, groups=3), 2, 3, 6, 7),
        layer_case("conv grouped", nn.Conv2d(4, 6, 3, padding=1, groups=2), 2, 4, 5, 4),
        layer_case("batch norm", batch_norm, 3, 4, 5, 2),
        layer_case("batch norm in evaluation", batch_norm_eval, 2, 3, 4, 3, training=False),
        layer_case("max pool", nn.MaxPool2d(2), 2, 3, 6, 7),
        layer_case("max pool padded", nn.MaxPool2d(3, 2, padding=1), 2, 3, 8, 7),
        layer_case("max pool oblong", nn.MaxPool2d((3, 2), (2, 1), padding=(1, 0)), 1, 2, 7, 5),
        layer_case("average pool", nn.AvgPool2d(2), 2, 3, 6, 7),
        layer_case("average pool padded", nn.AvgPool2d(3, 2, padding=1), 2, 3, 8, 7),
        layer_case("global average pool", nn.AdaptiveAvgPool2d(1), 2, 3, 4, 5),
        layer_case("flatten", nn.Flatten(), 2, 3, 4, 2),
    ]
    # Twice as far out, to reach every piece of the piecewise functions.
    for name, module in activations.items():
        case = layer_case(name, nn.Sequential(Scale(4.0), module), 3, 7)
        cases.append(case)
    write("layers", cases)


class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def losses():
    cases = []

    def case(name, loss, x, target, **extra):
        x = x.requires_grad_()
        value = loss(x)
        value.backward()
        cases.append(
            {"name": name, "input": dump(x), "target": dump(target), "loss": value.item(), "grad": dump(x.grad), **extra}
        )

    indices = torch.tensor([2, 0, 3, 3, 1])
    soft = torch.softmax(seeded(5, 4).flip(0), 1)
    weight = torch.tensor([0.2, 1.5, 3.0, 0.7])
    for hard, target in ((True, indices), (False, soft)):
        for smoothing in (0.0, 0.1):
            for w in (None, weight):
                case(
                    "crossEntropy",
                    lambda x: F.cross_entropy(x, target, weight=w, label_smoothing=smoothing),
                    seeded(5, 4),
                    target,
                    hard=hard,
                    labelSmoothing=smoothing,
                    weight=None if w is None else w.tolist(),
                )
    case("crossEntropy", lambda x: F.cross_entropy(x, indices), 500 * seeded(5, 4), indices, hard=True, labelSmoothing=0, weight=None)
    pixels = torch.tensor([[[0, 1, 2], [2, 2, 0]]])
    x = seeded(1, 2, 3, 3)
    case("crossEntropy", lambda x: F.cross_entropy(x.permute(0, 3, 1, 2), pixels), x, pixels, hard=True, labelSmoothing=0, weight=None)

    labels = torch.tensor([[1.0, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]])
    for pos in (None, torch.tensor([2.0, 0.5, 3.0])):
        for scale in (1, 60):
            case(
                "binaryCrossEntropyWithLogits",
                lambda x: F.binary_cross_entropy_with_logits(x, labels, pos_weight=pos),
                scale * seeded(4, 3),
                labels,
                posWeight=None if pos is None else pos.tolist(),
            )
    target = seeded(4, 3).flip(0)
    target[0] = seeded(4, 3)[0]
    case("mseLoss", lambda x: F.mse_loss(x, target), seeded(4, 3), target)
    case("l1Loss", lambda x: F.l1_loss(x, target), seeded(4, 3), target)
    write("losses", cases)


def clipping():
    cases = []
    for max_norm in (0.5, 100.0):
        parameters = [nn.Parameter(seeded(2, 3)), nn.Parameter(seeded(4))]
        for parameter in parameters:
            parameter.grad = seeded(*parameter.shape) * 3
        before = [dump(p.grad) for p in parameters]
        norm = nn.utils.clip_grad_norm_(parameters, max_norm)
        cases.append({"maxNorm": max_norm, "grads": before, "norm": norm.item(), "clipped": [dump(p.grad) for p in parameters]})
    write("clipping", cases)


def clipping_norms():
    grads = [[[1.5, -2.0], [0.25, 4.0]], [-3.0, 0.5, 0.0]]
    cases = []
    for norm_type in (1.0, 3.0, float("inf")):
        parameters = [nn.Parameter(torch.tensor(grad)) for grad in grads]
        for parameter in parameters:
            parameter.grad = parameter.detach().clone()
        norm = nn.utils.clip_grad_norm_(parameters, 2.0, norm_type)
        cases.append(
            {
                "normType": "Infinity" if norm_type == float("inf") else norm_type,
                "norm": norm.item(),
                "clipped": [dump(p.grad) for p in parameters],
            }
        )
    write("clipping_norms", cases)


def schedules():
    cases = []
    for warmup, total, min_lr in ((0, 8, 0.0), (3, 12, 0.001), (5, 6, 0.0)):
        parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
        optimizer = torch.optim.SGD([{"params": [parameters[0]]}, {"params": [parameters[1]], "lr": 0.02}], lr=0.1)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - warmup, eta_min=min_lr)
        scheduler = cosine
        if warmup > 0:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            linear = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
            scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [linear, cosine], milestones=[warmup])
        rates = []
        for _ in range(total + 1):
            rates.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
        cases.append({"warmupSteps": warmup, "totalSteps": total, "minLr": min_lr, "lrs": [0.1, 0.02], "rates": rates})
    write("schedules", cases)


def f1_of(pairs):
    """F1 of each class from (target, predicted) truth vectors, one pair a class."""
    scores = []
    for target, predicted in pairs:
        both = int((target & predicted).sum())
        total = int(target.sum()) + int(predicted.sum())
        scores.append(2 * both / total if total else 0.0)
    return scores


def metrics():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(3, 8, 5)).round(3)
    # Class 4 is never a target; class 3 neither target nor prediction.
    target = rng.integers(0, 3, size=(3, 8))
    scores[:, :, 3] = -9
    flat, truth = scores.reshape(-1, 5), target.reshape(-1)
    predicted = flat.argmax(1)
    order = np.argsort(-flat, axis=1)
    confusion = np.zeros((5, 5), int)
    np.add.at(confusion, (truth, predicted), 1)
    pairs = [(truth == c, predicted == c) for c in range(5)]
    per_class = f1_of(pairs)
    seen = [i for i, (t, p) in enumerate(pairs) if t.any() or p.any()]
    single = {
        "scores": scores.tolist(),
        "target": target.tolist(),
        "accuracy": float((predicted == truth).mean()),
        "top2": float((order[:, :2] == truth[:, None]).any(1).mean()),
        "confusion": confusion.tolist(),
        "f1": per_class,
        "macro": float(np.mean([per_class[i] for i in seen])),
        "micro": float((predicted == truth).mean()),
    }
    probabilities = rng.uniform(size=(3, 6, 4)).round(3)
    probabilities[0, 0, 0] = 0.5
    labels = rng.integers(0, 2, size=(3, 6, 4))
    labels[:, :, 3] = 0
    probabilities[:, :, 3] *= 0.4
    p, t = probabilities.reshape(-1, 4) > 0.5, labels.reshape(-1, 4) == 1
    per_label = f1_of([(t[:, i], p[:, i]) for i in range(4)])
    multi = {
        "probabilities": probabilities.tolist(),
        "target": labels.tolist(),
        "accuracy": float((p == t).mean()),
        "f1": per_label,
        "macro": float(np.mean(per_label)),
        "micro": f1_of([(t.reshape(-1), p.reshape(-1))])[0],
    }
    write("metrics", {"single": single, "multi": multi})


if __name__ == "__main__":
    torch.manual_seed(0)
    layers()
    losses()
    clipping()
    clipping_norms()
    schedules()
    metrics()
