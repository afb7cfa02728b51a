"""Writes encoders.json: small encoders of text and speech with Hugging Face's parameter names. Run: python3 tests/golden/make_encoders.py

The modules here say again, in PyTorch, what the papers and the published configurations say of these encoders.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

from formula import golden, uniform, write


def parts(**modules):
    return nn.ModuleDict(modules)


def heads(x, count):
    batch, length, width = x.shape
    return x.reshape(batch, length, count, width // count).transpose(1, 2)


def attend(q, k, v, hidden_keys=None, extra=0):
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]) + extra
    if hidden_keys is not None:
        scores = scores.masked_fill(hidden_keys[:, None, None], -math.inf)
    out = torch.softmax(scores, -1) @ v
    return out.transpose(1, 2).flatten(2)


class DistilBert(nn.Module):
    def __init__(self, vocabulary, dim, layers, count, inner, positions):
        super().__init__()
        self.count = count
        norm = lambda: nn.LayerNorm(dim, eps=1e-12)
        self.embeddings = parts(
            word_embeddings=nn.Embedding(vocabulary, dim, padding_idx=0),
            position_embeddings=nn.Embedding(positions, dim),
            LayerNorm=norm(),
        )
        block = lambda: parts(
            attention=parts(**{name: nn.Linear(dim, dim) for name in ("q_lin", "k_lin", "v_lin", "out_lin")}),
            sa_layer_norm=norm(),
            ffn=parts(lin1=nn.Linear(dim, inner), lin2=nn.Linear(inner, dim)),
            output_layer_norm=norm(),
        )
        self.transformer = parts(layer=nn.ModuleList(block() for _ in range(layers)))

    def forward(self, ids, mask):
        tables = self.embeddings
        x = tables.word_embeddings(ids) + tables.position_embeddings(torch.arange(ids.shape[1]))
        x = tables.LayerNorm(x)
        for layer in self.transformer.layer:
            a = layer.attention
            q, k, v = (heads(project(x), self.count) for project in (a.q_lin, a.k_lin, a.v_lin))
            x = layer.sa_layer_norm(a.out_lin(attend(q, k, v, mask == 0)) + x)
            x = layer.output_layer_norm(layer.ffn.lin2(F.gelu(layer.ffn.lin1(x))) + x)
        return x


class Features(nn.Module):
    """The convolutions of wav2vec 2.0, and which frames are of samples."""

    def __init__(self, channels, kernels, strides, bias, norm):
        super().__init__()
        self.kernels, self.strides = kernels, strides
        layers = []
        for i, (out, kernel, stride) in enumerate(zip(channels, kernels, strides)):
            conv = nn.Conv1d(channels[i - 1] if i else 1, out, kernel, stride, bias=bias)
            if norm == "layer":
                layers.append(parts(conv=conv, layer_norm=nn.LayerNorm(out)))
            elif i == 0:
                layers.append(parts(conv=conv, layer_norm=nn.GroupNorm(out, out)))
            else:
                layers.append(parts(conv=conv))
        self.conv_layers = nn.ModuleList(layers)

    def forward(self, samples):
        x = samples[:, None]
        for layer in self.conv_layers:
            x = layer["conv"](x)
            if "layer_norm" in layer:
                norm = layer["layer_norm"]
                x = norm(x.transpose(1, 2)).transpose(1, 2) if isinstance(norm, nn.LayerNorm) else norm(x)
            x = F.gelu(x)
        return x.transpose(1, 2)

    def padding(self, mask, frames):
        length = mask.sum(1)
        for kernel, stride in zip(self.kernels, self.strides):
            length = (length - kernel) // stride + 1
        return torch.arange(frames)[None] >= length[:, None]


class SpeechEncoder(nn.Module):
    def __init__(self, encoder, dim, channels, bias=False, norm="group"):
        super().__init__()
        self.feature_extractor = Features(channels, (5, 3, 2), (4, 2, 2), bias, norm)
        self.feature_projection = parts(layer_norm=nn.LayerNorm(channels[-1]), projection=nn.Linear(channels[-1], dim))
        self.encoder = encoder

    def forward(self, samples, mask=None):
        x = self.feature_extractor(samples)
        x = self.feature_projection.projection(self.feature_projection.layer_norm(x))
        padding = None if mask is None else self.feature_extractor.padding(mask, x.shape[1])
        if padding is not None:
            x = x.masked_fill(padding[:, :, None], 0)
        return self.encoder(x, padding)


def feed_forward(dim, inner):
    return parts(intermediate_dense=nn.Linear(dim, inner), output_dense=nn.Linear(inner, dim))


def feed(module, x, activation):
    return module.output_dense(activation(module.intermediate_dense(x)))


class Transformer(nn.Module):
    def __init__(self, dim, layers, count, inner, kernel, groups, stable):
        super().__init__()
        self.count, self.stable, self.kernel = count, stable, kernel
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=groups)
        self.pos_conv_embed = parts(conv=nn.utils.weight_norm(conv, dim=2))
        self.layer_norm = nn.LayerNorm(dim)
        block = lambda: parts(
            attention=parts(**{name: nn.Linear(dim, dim) for name in ("k_proj", "v_proj", "q_proj", "out_proj")}),
            layer_norm=nn.LayerNorm(dim),
            feed_forward=feed_forward(dim, inner),
            final_layer_norm=nn.LayerNorm(dim),
        )
        self.layers = nn.ModuleList(block() for _ in range(layers))

    def forward(self, x, padding):
        places = self.pos_conv_embed.conv(x.transpose(1, 2))
        places = places[:, :, :-1] if self.kernel % 2 == 0 else places
        x = x + F.gelu(places).transpose(1, 2)
        if not self.stable:
            x = self.layer_norm(x)
        for layer in self.layers:
            a = layer["attention"]
            norm, final = layer["layer_norm"], layer["final_layer_norm"]

            def self_attend(y):
                q, k, v = (heads(project(y), self.count) for project in (a.q_proj, a.k_proj, a.v_proj))
                return a.out_proj(attend(q, k, v, padding))

            if self.stable:
                x = x + self_attend(norm(x))
                x = x + feed(layer["feed_forward"], final(x), F.gelu)
            else:
                x = norm(x + self_attend(x))
                x = final(x + feed(layer["feed_forward"], x, F.gelu))
        return self.layer_norm(x) if self.stable else x


class Conformer(nn.Module):
    """Padding is 0 before the depthwise convolutions and at the end, as if clips had been run one by one."""

    def __init__(self, dim, layers, count, inner, kernel, positions, activation):
        super().__init__()
        self.count, self.positions, self.activation = count, positions, activation
        self.layer_norm = nn.LayerNorm(dim)
        self.layers = nn.ModuleList(self.block(dim, inner, kernel) for _ in range(layers))

    def block(self, dim, inner, kernel):
        names = ("linear_q", "linear_k", "linear_v", "linear_out")
        attention = parts(**{name: nn.Linear(dim, dim) for name in names})
        if self.positions == "relative":
            attention["linear_pos"] = nn.Linear(dim, dim, bias=False)
            for name in ("pos_bias_u", "pos_bias_v"):
                attention.register_parameter(name, nn.Parameter(torch.zeros(self.count, dim // self.count)))
        return parts(
            ffn1_layer_norm=nn.LayerNorm(dim),
            ffn1=feed_forward(dim, inner),
            self_attn_layer_norm=nn.LayerNorm(dim),
            self_attn=attention,
            conv_module=parts(
                layer_norm=nn.LayerNorm(dim),
                pointwise_conv1=nn.Conv1d(dim, 2 * dim, 1, bias=False),
                depthwise_conv=nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False),
                batch_norm=nn.BatchNorm1d(dim),
                pointwise_conv2=nn.Conv1d(dim, dim, 1, bias=False),
            ),
            ffn2_layer_norm=nn.LayerNorm(dim),
            ffn2=feed_forward(dim, inner),
            final_layer_norm=nn.LayerNorm(dim),
        )

    def attention(self, a, x, padding):
        length, width = x.shape[1], x.shape[2] // self.count
        keyed = x
        if self.positions == "rotary":
            frequencies = 10000 ** -(torch.arange(0, width, 2) / width)
            angles = torch.outer(torch.arange(length).to(x), frequencies.to(x)).repeat(1, 2)[None, :, None]
            split = x.unflatten(2, (self.count, width))
            begin, end = split.chunk(2, -1)
            keyed = (split * angles.cos() + torch.cat((-end, begin), -1) * angles.sin()).flatten(2)
        q, k, v = (heads(y, self.count) for y in (a.linear_q(keyed), a.linear_k(keyed), a.linear_v(x)))
        if self.positions != "relative":
            return a.linear_out(attend(q, k, v, padding))
        # For every query i and key j on its own, what stands for the distance i - j.
        distance = torch.arange(length)[:, None] - torch.arange(length)[None]
        angles = distance[..., None] * 10000 ** -(torch.arange(0, x.shape[2], 2).double() / x.shape[2])
        table = torch.stack((angles.sin(), angles.cos()), -1).flatten(2).to(x)
        p = a.linear_pos(table).unflatten(2, (self.count, width))
        extra = torch.einsum("bhid,ijhd->bhij", q + a.pos_bias_v[:, None], p) / math.sqrt(width)
        return a.linear_out(attend(q + a.pos_bias_u[:, None], k, v, padding, extra))

    def convolve(self, c, x, padding):
        x = F.glu(c.pointwise_conv1(c.layer_norm(x).transpose(1, 2)), 1)
        if padding is not None:
            x = x.masked_fill(padding[:, None], 0)
        x = self.activation(c.batch_norm(c.depthwise_conv(x)))
        return c.pointwise_conv2(x).transpose(1, 2)

    def forward(self, x, padding):
        for layer in self.layers:
            x = x + 0.5 * feed(layer.ffn1, layer.ffn1_layer_norm(x), self.activation)
            x = x + self.attention(layer.self_attn, layer.self_attn_layer_norm(x), padding)
            x = x + self.convolve(layer.conv_module, x, padding)
            x = layer.final_layer_norm(x + 0.5 * feed(layer.ffn2, layer.ffn2_layer_norm(x), self.activation))
        x = self.layer_norm(x)
        return x if padding is None else x.masked_fill(padding[:, :, None], 0)


torch.backends.mkldnn.enabled = False  # its float32 gradients of convolutions of sequences are wrong in PyTorch 1.13
call = lambda module, **inputs: module(**inputs)
samples = uniform([2, 160], 2)
mask = torch.ones(2, 160, dtype=torch.int64)
mask[1, 100:] = 0
ids = torch.tensor([[2, 5, 9, 3, 0], [2, 7, 7, 10, 3]])
distilbert = lambda: DistilBert(vocabulary=11, dim=8, layers=2, count=2, inner=12, positions=7)
transformer = lambda stable, kernel: Transformer(12, 2, 2, 20, kernel, 3, stable)
conformer = lambda positions, activation: Conformer(12, 2, 2, 20, 5, positions, activation)
write(
    "encoders.json",
    {
        "distilbert": golden(distilbert, {"ids": ids, "mask": (ids > 0).long()}, call),
        "wav2vec2": golden(lambda: SpeechEncoder(transformer(False, 6), 12, (6, 7, 8)), {"samples": samples}, call),
        "wav2vec2, stable, padded": golden(
            lambda: SpeechEncoder(transformer(True, 5), 12, (6, 7, 8), True, "layer"),
            {"samples": samples, "mask": mask},
            call,
        ),
        "conformer, relative, padded": golden(
            lambda: SpeechEncoder(conformer("relative", F.silu), 12, (6, 7, 8)),
            {"samples": samples, "mask": mask},
            call,
        ),
        "conformer, rotary": golden(
            lambda: SpeechEncoder(conformer("rotary", F.gelu), 12, (6, 7, 8)), {"samples": samples}, call
        ),
        "conformer, no positions": golden(
            lambda: SpeechEncoder(conformer("none", F.gelu), 12, (6, 7, 8)), {"samples": samples}, call
        ),
    },
)
