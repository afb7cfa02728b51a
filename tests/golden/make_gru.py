"""Writes nn_gru.json beside this file: outputs and gradients of PyTorch's GRU, with sequences of different lengths.

Run with a Python that has PyTorch: python3 tests/golden/make_gru.py.
"""
import json
import os

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = os.path.dirname(os.path.abspath(__file__))


def dump(tensor):
    rounded = [float(f"{v:.7g}") for v in tensor.detach().reshape(-1).tolist()]
    return {"shape": list(tensor.shape), "data": rounded}


def case(name, seed, frames, batch, inputs, hidden, lengths=None, start=False, **options):
    torch.manual_seed(seed)
    gru = nn.GRU(inputs, hidden, **options)
    x = torch.randn(frames, batch, inputs, requires_grad=True)
    directions = 2 if options.get("bidirectional") else 1
    h0 = torch.randn(gru.num_layers * directions, batch, hidden, requires_grad=True)
    state = h0 if start else None
    if lengths is None:
        output, _ = gru(x, state)
    else:
        packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        output, _ = pad_packed_sequence(gru(packed, state)[0], total_length=frames)
    cotangent = torch.cos(torch.arange(output.numel()).float()).reshape(output.shape)
    (output * cotangent).sum().backward()
    return {
        "name": name,
        "options": {
            "numLayers": gru.num_layers,
            "bidirectional": bool(options.get("bidirectional", False)),
        },
        "sizes": [inputs, hidden],
        "lengths": lengths,
        "state": {k: dump(v) for k, v in gru.state_dict().items()},
        "x": dump(x),
        "h0": dump(h0) if start else None,
        "output": dump(output),
        "grads": {k: dump(v.grad) for k, v in gru.named_parameters()},
        "dx": dump(x.grad),
        "dh0": dump(h0.grad) if start else None,
    }


cases = [
    case("one layer", 1, 5, 3, 4, 3),
    case("two layers, both directions", 2, 6, 2, 3, 4, num_layers=2, bidirectional=True),
    case("lengths", 3, 6, 3, 3, 2, lengths=[6, 2, 4]),
    case("lengths, two layers, both directions, a start", 4, 7, 3, 3, 2, lengths=[3, 7, 1], start=True,
         num_layers=2, bidirectional=True),
    case("one frame, a start", 5, 1, 2, 3, 2, start=True, bidirectional=True),
]
with open(os.path.join(HERE, "nn_gru.json"), "w") as file:
    json.dump(cases, file)
