"""Writes core.json: files of the reference implementation of safetensors (`pip install safetensors==0.8.0`), as base64."""

import base64
import ctypes
import json
import pathlib
import struct

from safetensors import TensorSpec, serialize

buffers = []


def tensor(dtype, shape, data):
    buffer = ctypes.create_string_buffer(data, max(1, len(data)))
    buffers.append(buffer)
    return TensorSpec(dtype=dtype, shape=shape, data_ptr=ctypes.addressof(buffer), data_len=len(data))


bias = tensor("float32", [2], struct.pack("<2f", 0.5, -0.5))
tensors = {
    "layer.weight": tensor("float32", [2, 3], struct.pack("<6f", 0, -1.5, 2, 3.25, 1e-7, -4)),
    "layer.bias": bias,
    "num_batches_tracked": tensor("int64", [], struct.pack("<q", 2**40 + 3)),
    "labels": tensor("int32", [3], struct.pack("<3i", 7, -8, 9)),
    "mask": tensor("bool", [3], bytes([1, 0, 1])),
    "pixels": tensor("uint8", [1, 2], bytes([0, 255])),
}
files = {
    "full": serialize(tensors, {"note": 'a "quoted" word, grün'}),
    "plain": serialize({"x": bias}, None),
}
encoded = {name: base64.b64encode(file).decode() for name, file in files.items()}
path = pathlib.Path(__file__).with_name("core.json")
path.write_text(json.dumps(encoded, indent=2) + "\n")
