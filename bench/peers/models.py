"""The models of the benchmarks train-step and forward in PyTorch, written as their usual PyTorch sources have them.

`build(name)` gives a model, its example inputs and its loss. Weights are random and there is no dropout. Parameters are
declared in the order in which Kindling declares them.
"""
import math

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

CLASSES = 10
BERT_CLASSES = 2
# Blank, 26 letters, space and apostrophe.
LETTERS = 29


def attend(query, key, value, heads):
    batch, tokens, width = query.shape
    per_head = width // heads

    def split(t):
        return t.reshape(batch, tokens, heads, per_head).transpose(1, 2)

    weights = torch.softmax(split(query) @ split(key).transpose(-2, -1) * per_head**-0.5, -1)
    return (weights @ split(value)).transpose(1, 2).reshape(batch, tokens, width)


class SelfAttention(nn.Module):
    """With one projection for queries, keys and values."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.projection = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x):
        return self.output(attend(*self.projection(x).chunk(3, -1), self.heads))


class ViTBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, 1e-6)
        self.attention = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, 1e-6)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class Positions(nn.Module):
    def __init__(self, tokens, width):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, tokens, width) * 0.02)

    def forward(self, x):
        return x + self.weight


class ViTTiny(nn.Module):
    def __init__(self, width=192, layers=12, heads=3):
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patches = nn.Conv2d(3, width, 16, stride=16)
        self.positions = Positions(197, width)
        self.layers = nn.Sequential(*[ViTBlock(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width, 1e-6)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = self.positions(torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1))
        return self.head(self.norm(self.layers(x)[:, 0]))


class BertLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, 1e-12)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm2 = nn.LayerNorm(width, 1e-12)

    def forward(self, x):
        attended = attend(self.query(x), self.key(x), self.value(x), self.heads)
        x = self.norm1(x + self.output(attended))
        return self.norm2(x + self.linear2(F.gelu(self.linear1(x))))


class BertMini(nn.Module):
    def __init__(self, width=256, layers=4, heads=4, vocabulary=30522, max_positions=512):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(max_positions, width)
        self.token_types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.Sequential(*[BertLayer(width, heads) for _ in range(layers)])
        self.pooler = nn.Linear(width, width)
        self.head = nn.Linear(width, BERT_CLASSES)

    def forward(self, ids):
        positions = torch.arange(ids.shape[1])
        embedded = self.words(ids) + self.positions(positions) + self.token_types(torch.zeros_like(ids))
        x = self.layers(self.norm(embedded))
        return self.head(torch.tanh(self.pooler(x[:, 0])))


class EncoderLayer(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


def sinusoids(length, width):
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(length)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).reshape(1, length, width)


class ConvCtcEncoder(nn.Module):
    """Two strided convolutions over [batch, frames, bands], then transformer layers."""

    def __init__(self, bands=80, channels=64, width=256, layers=4, heads=4, hidden=1024, frames=200):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.project = nn.Linear(channels * bands // 4, width)
        self.register_buffer("positions", sinusoids(frames // 4, width), persistent=False)
        self.layers = nn.Sequential(*[EncoderLayer(width, heads, hidden) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, LETTERS)

    def forward(self, features):
        x = F.relu(self.conv2(F.relu(self.conv1(features[:, None]))))
        x = self.project(x.permute(0, 2, 3, 1).flatten(2)) + self.positions
        return self.head(self.norm(self.layers(x)))


def cross_entropy(classes, batch):
    targets = torch.arange(batch) % classes
    return lambda logits: F.cross_entropy(logits, targets)


def ctc(batch):
    """Targets of 13 to 24 letters for the 50 frames."""
    target_lengths = torch.tensor([24 - (3 * i) % 12 for i in range(batch)])
    targets = 1 + (torch.arange(batch)[:, None] * 7 + torch.arange(24) * 5) % (LETTERS - 1)
    input_lengths = torch.full((batch,), 50)
    return lambda logits: F.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1), targets, input_lengths, target_lengths
    )


def images(model, size, batch):
    return model, torch.randn(batch, 3, size, size), cross_entropy(CLASSES, batch)


def mobilenet_v2():
    model = torchvision.models.mobilenet_v2(num_classes=CLASSES, dropout=0.0)
    return images(model, 96, 16)


BUILDERS = {
    "mobilenet_v2": mobilenet_v2,
    "resnet18": lambda: images(torchvision.models.resnet18(num_classes=CLASSES), 96, 16),
    "vit_tiny": lambda: images(ViTTiny(), 224, 8),
    "bert_mini": lambda: (BertMini(), torch.randint(30522, (16, 128)), cross_entropy(BERT_CLASSES, 16)),
    "conv_ctc": lambda: (ConvCtcEncoder(), torch.randn(8, 200, 80), ctc(8)),
}


def build(name):
    """(model, inputs, loss of the model's output)"""
    torch.manual_seed(0)
    return BUILDERS[name]()
