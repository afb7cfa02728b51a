"""Writes a tiny random encoder as wav2vec 2.0's, in the Hugging Face layout, and what PyTorch computes with it.

Into tests/tasks/audio/fixtures/tiny_encoder: onnx/model.onnx, config.json, preprocessor_config.json, and golden.json.
Run with a Python that has PyTorch: python3 tests/golden/make_speech_encoder.py.
"""
import json
import math
import os

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../tasks/audio/fixtures/tiny_encoder")
WIDTH, HEADS = 16, 2
KERNELS, STRIDES = (10, 8, 4), (5, 8, 4)


class Tiny(nn.Module):
    """Convolutions over samples, a projection, a layer of attention, and a mask of frames that do not count."""

    def __init__(self):
        super().__init__()
        widths = (1, 8, 8, 8)
        self.convs = nn.ModuleList(
            nn.Conv1d(widths[i], widths[i + 1], KERNELS[i], STRIDES[i], bias=False) for i in range(3)
        )
        self.norm = nn.GroupNorm(8, 8)
        self.projection = nn.Linear(8, WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.feed_forward = nn.Sequential(nn.Linear(WIDTH, 32), nn.GELU(), nn.Linear(32, WIDTH))

    def forward(self, input_values, attention_mask):
        x = nn.functional.gelu(self.norm(self.convs[0](input_values[:, None])))
        x = nn.functional.gelu(self.convs[2](nn.functional.gelu(self.convs[1](x))))
        x = self.projection(x.transpose(1, 2))
        lengths = attention_mask.sum(1).float()
        for kernel, stride in zip(KERNELS, STRIDES):
            lengths = torch.floor((lengths - kernel) / stride) + 1
        seen = torch.arange(x.shape[1])[None].float() < lengths[:, None]
        batch, frames = x.shape[0], x.shape[1]
        q, k, v = self.qkv(x).reshape(batch, frames, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
        scores = scores.masked_fill(~seen[:, None, None], -1e9)
        attended = (scores.softmax(-1) @ v).permute(0, 2, 1, 3).reshape(batch, frames, WIDTH)
        x = self.norm1(x + self.out(attended))
        return self.norm2(x + self.feed_forward(x))


def sound(length, pitch):
    """As in the test."""
    return torch.tensor([0.3 * math.sin(i / pitch) + 0.1 for i in range(length)], dtype=torch.float64)


def write(name, content, **options):
    with open(os.path.join(OUT, name), "w") as file:
        json.dump(content, file, **options)


os.makedirs(os.path.join(OUT, "onnx"), exist_ok=True)
torch.manual_seed(0)
model = Tiny().eval()
torch.onnx.export(
    model,
    (torch.randn(2, 16000), torch.ones(2, 16000, dtype=torch.int64)),
    os.path.join(OUT, "onnx", "model.onnx"),
    input_names=["input_values", "attention_mask"],
    output_names=["last_hidden_state"],
    dynamic_axes={
        "input_values": {0: "batch", 1: "samples"},
        "attention_mask": {0: "batch", 1: "samples"},
        "last_hidden_state": {0: "batch", 1: "frames"},
    },
    opset_version=14,
)
lengths = [4000, 2500]
values = torch.zeros(2, 4000)
mask = torch.zeros(2, 4000, dtype=torch.int64)
for i, (length, pitch) in enumerate(zip(lengths, (9, 23))):
    x = sound(length, pitch)
    values[i, :length] = ((x - x.mean()) / torch.sqrt(x.var(unbiased=False) + 1e-7)).float()
    mask[i, :length] = 1
with torch.no_grad():
    hidden = model(values, mask)
counts = lengths
for kernel, stride in zip(KERNELS, STRIDES):
    counts = [(n - kernel) // stride + 1 for n in counts]
write("golden.json", {
    "lengths": lengths,
    "frames": counts,
    "hidden": [[round(v, 6) for v in hidden[i, :n].flatten().tolist()] for i, n in enumerate(counts)],
})
write("config.json", {"model_type": "wav2vec2", "conv_kernel": KERNELS, "conv_stride": STRIDES}, indent=2)
write("preprocessor_config.json", {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "do_normalize": True,
    "feature_size": 1,
    "padding_value": 0.0,
    "return_attention_mask": True,
    "sampling_rate": 16000,
}, indent=2)
