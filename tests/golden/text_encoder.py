"""A small encoder with embeddings, a mask and layers as BERT has them, and its ONNX file; other scripts import it."""

import torch
from torch import nn
from torch.nn import functional as F


class Encoder(nn.Module):
    """Token numbers and mask [batch, length] to hidden states [batch, length, width]."""

    def __init__(self, vocab, width, heads, layers, positions=32):
        super().__init__()
        self.words = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))

    def forward(self, input_ids, attention_mask):
        places = torch.arange(input_ids.shape[1]).unsqueeze(0)
        hidden = self.norm(self.words(input_ids) + self.positions(places))
        mask = (1.0 - attention_mask[:, None, None, :].to(hidden.dtype)) * -10000.0
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.width, self.heads = width, heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, self.width // self.heads).transpose(1, 2)

    def forward(self, x, mask):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = torch.matmul(q, k.transpose(-1, -2)) / (self.width // self.heads) ** 0.5 + mask
        mixed = torch.matmul(torch.softmax(scores, -1), v).transpose(1, 2).reshape(x.shape)
        x = self.norm1(x + self.out(mixed))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


def draw_norms(encoder):
    """The exporter stores equal parameters once: ones and zeros would be shared by all norms."""
    for name, parameter in encoder.named_parameters():
        if "norm" in name:
            nn.init.normal_(parameter, mean=1.0 if "weight" in name else 0.0, std=0.1)


def mean_of_tokens(hidden, mask):
    weights = mask.unsqueeze(-1).float()
    return (hidden * weights).sum(1) / weights.sum(1)


def export(encoder, sample, file):
    """Batch and length are dynamic. `sample`: token numbers and mask."""
    axes = {0: "batch", 1: "sequence"}
    torch.onnx.export(
        encoder,
        sample,
        file,
        input_names=["input_ids", "attention_mask"],
        output_names=["last_hidden_state"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "last_hidden_state": axes},
        opset_version=14,
        do_constant_folding=False,
    )
