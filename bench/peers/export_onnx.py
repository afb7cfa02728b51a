"""Writes a benchmark's model, its inputs and its outputs in inference: what plain ONNX Runtime runs, and checks.

usage: export_onnx.py MODEL FOLDER
model.onnx has its weights as initializers. weights.bin, input.bin and output.bin are arrays, one after the other.
Prints one JSON object: the names and shapes.
"""
import json
import os
import sys
import warnings

import torch

from models import build


def write(path, tensors):
    with open(path, "wb") as file:
        for tensor in tensors:
            file.write(tensor.detach().numpy().tobytes())


def main(name, folder):
    warnings.filterwarnings("ignore")
    model, inputs, _ = build(name)
    model.eval()
    with torch.no_grad():
        output = model(inputs)
    torch.onnx.export(
        model,
        inputs,
        os.path.join(folder, "model.onnx"),
        opset_version=17,
        do_constant_folding=True,
        input_names=["input"],
        output_names=["output"],
    )
    parameters = dict(model.named_parameters())
    write(os.path.join(folder, "weights.bin"), parameters.values())
    write(os.path.join(folder, "input.bin"), [inputs])
    write(os.path.join(folder, "output.bin"), [output])
    shapes = {key: list(value.shape) for key, value in parameters.items()}
    print(json.dumps({"input": list(inputs.shape), "output": list(output.shape), "parameters": shapes}))


main(sys.argv[1], sys.argv[2])
