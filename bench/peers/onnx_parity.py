"""Writes a network as ONNX files, its inputs, and what PyTorch makes of it: the reference of the benchmark onnx-parity.

usage: onnx_parity.py NETWORK FOLDER [--tiny] [--seed N]
NETWORK.onnx is exported for training with its batch norms frozen and nothing folded, so that initializers keep the names
of the parameters; where there are batch norms, NETWORK.training.onnx is one in which they train. NETWORK.safetensors has

  input.NAME                                     one for each input
  MODE.output, MODE.loss, MODE.gradient.NAME     what PyTorch computes in float64, rounded to float32
  training.buffer.NAME                           the batch norms' statistics after one step

for the modes `frozen` and, where there are batch norms, `training`. The inputs' order is that of the model. Targets are
0, 1, 2, … modulo the number of classes.

Prints one JSON object. `rounding` is the worst relative error of a gradient in float32 against float64, `sensitivity` how
much one changes, in float64, where all weights change by about a millionth: a seed where it is large makes a bad example.
"""
import argparse
import copy
import json
import os
import warnings

import torch
from torch.onnx import TrainingMode

from onnx_models import FAMILIES, batch_norms, build, loss_of

# Files of different ages: before 17 layer norms are spelled out, before 13 axes are attributes.
OPSETS = {
    "resnet18": 9,
    "mobilenet_v3_small": 14,
    "efficientnet_b0": 15,
    "convnext_tiny": 17,
    "densenet121": 12,
    "vit": 14,
    "swin": 16,
    "bert": 13,
    "lstm": 14,
    "gru": 11,
    "audio": 17,
}

DTYPES = {torch.float32: "F32", torch.int64: "I64"}


def write_safetensors(path, tensors):
    header, offset, arrays = {}, 0, []
    for name, tensor in tensors.items():
        data = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        offset += len(data)
        arrays.append(data)
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(path, "wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded + b"".join(arrays))


def set_mode(model, mode):
    """Nothing but batch norms tells training from evaluation here."""
    model.train()
    for norm in batch_norms(model):
        norm.train(mode == "training")


def gradients(model, inputs, targets, mode, dtype=torch.float64):
    """{name: tensor} of the output, the loss, each parameter's gradient and each buffer after the step."""
    model = copy.deepcopy(model).to(dtype)
    set_mode(model, mode)
    output = model(*(x.to(dtype) if x.is_floating_point() else x for x in inputs.values()))
    loss = loss_of(output, targets)
    loss.backward()
    found = {"output": output, "loss": loss}
    found.update({f"gradient.{name}": parameter.grad for name, parameter in model.named_parameters()})
    if mode == "training":
        running = {name: value for name, value in model.named_buffers() if "running" in name}
        found.update({f"buffer.{name}": value for name, value in running.items()})
    return {name: value.to(torch.float32) for name, value in found.items()}


def export(name, model, inputs, mode, path):
    model = copy.deepcopy(model)
    set_mode(model, mode)
    torch.onnx.export(
        model,
        tuple(inputs.values()),
        path,
        training=TrainingMode.PRESERVE,
        do_constant_folding=False,
        opset_version=OPSETS[name],
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_axes={input_name: {0: "batch"} for input_name in [*inputs, "logits"]},
    )


def relative_errors(found, expected):
    """Of gradients: the worst, of each the largest difference by the largest number; what is zero but for rounding counts
    by the largest gradient of all."""
    names = [name for name in expected if name.startswith("gradient.")]
    largest = {name: expected[name].abs().max().item() for name in names}
    top = max(largest.values())
    scale = {name: value if value > 1e-9 * top else top for name, value in largest.items()}
    return max((found[name] - expected[name]).abs().max().item() / scale[name] for name in names)


def jittered(model):
    model = copy.deepcopy(model).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1 + 1e-6 * torch.randn_like(parameter)
    return model


def main(name, folder, tiny, seed):
    warnings.filterwarnings("ignore")
    model, inputs, targets = build(name, tiny, seed)
    modes = ["frozen", "training"] if batch_norms(model) else ["frozen"]
    tensors = {f"input.{input_name}": value for input_name, value in inputs.items()}
    rounding, sensitivity = [], []
    for mode in modes:
        file = f"{name}.onnx" if mode == "frozen" else f"{name}.training.onnx"
        if mode == "frozen" or not tiny:
            export(name, model, inputs, mode, os.path.join(folder, file))
        single = gradients(model, inputs, targets, mode, torch.float32)
        exact = gradients(model, inputs, targets, mode)
        jitter = gradients(jittered(model), inputs, targets, mode)
        rounding.append(relative_errors(single, exact))
        sensitivity.append(relative_errors(jitter, exact))
        tensors.update({f"{mode}.{key}": value for key, value in exact.items()})
    write_safetensors(os.path.join(folder, f"{name}.safetensors"), tensors)
    print(json.dumps({"modes": modes, "rounding": max(rounding), "sensitivity": max(sensitivity)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=list(FAMILIES))
    parser.add_argument("folder")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    main(arguments.network, arguments.folder, arguments.tiny, arguments.seed)
