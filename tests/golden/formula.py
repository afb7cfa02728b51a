"""Weights and inputs from a formula that the tests compute too, and what a golden of a whole network holds."""
import json
import os

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def uniform(shape, seed):
    """Numbers from -1 to 1 by a hash of their position: 32-bit integers, so that every language gets the same ones."""
    size = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        h = np.arange(size, dtype=np.uint32) + np.uint32(seed) * np.uint32(0x9E3779B1)
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        h = h ^ (h >> np.uint32(16))
    return torch.from_numpy(h.astype(np.float64) / 2**31 - 1).reshape(tuple(shape))


def weight(name, shapes, seed, dead):
    """
    float32, so that both sides start from the same numbers. Batch norms vary little around an offset that is 1.5 in most
    channels and `dead` in the others: far from where a ReLU bends, so that no rounding switches one on.
    """
    shape = shapes[name]
    if name.endswith("num_batches_tracked"):
        return torch.zeros(tuple(shape), dtype=torch.int64)
    noise = uniform(shape, seed)
    layer, _, kind = name.rpartition(".")
    if kind == "running_var":
        value = 1 + 0.5 * noise
    elif f"{layer}.running_var" in shapes and kind == "weight":
        value = 0.3 + 0.03 * noise
    elif f"{layer}.running_var" in shapes and kind == "bias":
        value = torch.where(noise > -0.5, 1.5 + 0.1 * noise, dead + 0.1 * noise)
    elif len(shape) < 2:
        value = (1 if kind == "weight" else 0) + 0.1 * noise
    else:
        value = noise * (6 / np.prod(shape[1:])) ** 0.5
    return value.float()


def fill(module, shapes, dead):
    state = module.state_dict()
    for seed, name in enumerate(shapes):
        state[name].copy_(weight(name, shapes, seed + 1, dead))


def projection(tensor):
    """A tensor as two numbers: its norm, and its product with a random direction, of the size of the norm on average."""
    flat = tensor.double().flatten()
    return [number(flat.norm()), number(flat @ uniform(flat.shape, 0) * 3**0.5)]


def number(value):
    return float(f"{float(value):.7g}")


def relative(a, b):
    return float((a.double() - b.double()).abs().max() / b.double().abs().max())


def run(module, inputs, call, dtype):
    """What a network gives in evaluation and in training, with every gradient of the sum of output · uniform(…, 3)."""
    module.to(dtype)
    inputs = {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}
    results = {}
    for mode in ("eval", "train"):
        module.zero_grad(set_to_none=True)
        output = call(module.train(mode == "train"), **inputs)
        (output * uniform(output.shape, 3).to(dtype)).sum().backward()
        grads = {k: v.grad.clone() for k, v in module.named_parameters() if v.grad is not None}
        results[mode] = (output.detach(), grads)
    return results


def shapes_of(module, left_out=()):
    return {k: list(v.shape) for k, v in module.state_dict().items() if not k.startswith(tuple(left_out))}


def golden(make, inputs, call, left_out=(), dead=-5):
    """What the formula's weights give in float64, and how far PyTorch's own float32 is from that."""
    shapes = shapes_of(make(), left_out)
    runs = {}
    for dtype in (torch.float32, torch.float64):
        module = make()
        fill(module, shapes, dead)
        runs[dtype] = run(module, inputs, call, dtype)
    state = module.state_dict()
    modes = {}
    for mode in ("eval", "train"):
        (output32, grads32), (output, grads) = runs[torch.float32][mode], runs[torch.float64][mode]
        floor = 1e-3 * max(g.norm() for g in grads.values())  # some gradients are 0 but for rounding
        distances = [(grads32[k].double() - g).norm() / max(g.norm(), floor) for k, g in grads.items()]
        modes[mode] = {
            "shape": list(output.shape),
            "start": [number(x) for x in output.flatten()[:48]],
            "projection": projection(output),
            "grads": {k: projection(g) for k, g in grads.items()},
            "float32": {"output": relative(output32, output), "grads": float(max(distances))},
        }
    statistics = {k: projection(state[k]) for k in shapes if "running_" in k}
    return {"dead": dead, "shapes": shapes, "statistics": statistics, **modes}


def write(name, goldens):
    with open(os.path.join(HERE, name), "w") as file:
        json.dump(goldens, file, separators=(",", ":"))
        file.write("\n")
