"""Writes transformers.json beside this file: what PyTorch gives for the layers of transformers, and for ViT and BERT.

Run with a Python that has PyTorch and torchvision: python3 tests/golden/make_transformers.py.
"""
import json
import math
import os

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from make_nn import HERE, dump, seeded


def fill(module):
    for i, (name, parameter) in enumerate(module.named_parameters()):
        scale = 0.5 if parameter.dim() == 1 else 1 / math.sqrt(parameter[0].numel())
        parameter.data = scale * seeded(*parameter.shape) + 0.01 * i
    return module


def case(name, module, inputs, call, training=True):
    """`inputs` are floats that get gradients, or anything else that does not."""
    fill(module).train(training)
    inputs = {k: v.requires_grad_() if v.is_floating_point() else v for k, v in inputs.items()}
    output = call(module, **inputs)
    cotangent = torch.cos(torch.arange(output.numel()).float()).reshape(output.shape)
    (output * cotangent).sum().backward()
    return {
        "name": name,
        "training": training,
        "state": {k: dump(v) for k, v in module.state_dict().items()},
        "inputs": {k: dump(v) for k, v in inputs.items()},
        "output": dump(output),
        "cotangent": dump(cotangent),
        "inputGrads": {k: dump(v.grad) for k, v in inputs.items() if v.is_floating_point()},
        "grads": {k: dump(v.grad) for k, v in module.named_parameters()},
    }


def channels_last(module, x):
    return module(x.movedim(-1, 1)).movedim(1, -1)


def attend(module, query, key=None, value=None, keyPaddingMask=None, attnMask=None):
    key = query if key is None else key
    value = key if value is None else value
    masks = {"key_padding_mask": keyPaddingMask, "attn_mask": attnMask}
    masks = {k: None if v is None else v.bool() for k, v in masks.items()}
    return module(query, key, value, need_weights=False, **masks)[0]


def layers():
    padding = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]])
    causal = torch.triu(torch.ones(5, 5, dtype=torch.int64), 1)
    indices = torch.tensor([[1, 4, 0], [4, 4, 2]])
    forward = lambda module, x: module(x)
    encoder = lambda module, x, keyPaddingMask=None: module(
        x, src_key_padding_mask=None if keyPaddingMask is None else keyPaddingMask.bool()
    )
    layer = lambda **options: nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True, **options)
    return [
        case("layer norm", nn.LayerNorm(6), {"x": seeded(2, 3, 6)}, forward),
        case("layer norm over two axes", nn.LayerNorm((3, 4), eps=0.1), {"x": seeded(2, 3, 4)}, forward),
        case("layer norm without affine", nn.LayerNorm(5, elementwise_affine=False), {"x": seeded(4, 5)}, forward),
        case("group norm", nn.GroupNorm(2, 6), {"x": seeded(2, 4, 3, 6)}, channels_last),
        case("group norm of a sequence", nn.GroupNorm(3, 6, eps=0.1), {"x": seeded(2, 5, 6)}, channels_last),
        case("group norm without affine", nn.GroupNorm(4, 4, affine=False), {"x": seeded(2, 3, 4)}, channels_last),
        case("conv 1d", nn.Conv1d(4, 6, 3, stride=2, padding=1), {"x": seeded(2, 7, 4)}, channels_last),
        case("conv 1d, grouped", nn.Conv1d(4, 6, 2, groups=2, bias=False), {"x": seeded(2, 5, 4)}, channels_last),
        case("conv 1d, depthwise", nn.Conv1d(4, 4, 3, padding=1, groups=4), {"x": seeded(2, 5, 4)}, channels_last),
        case("embedding", nn.Embedding(5, 3), {"x": indices}, forward),
        case("embedding with padding", nn.Embedding(5, 3, padding_idx=4), {"x": indices}, forward),
        case("gelu with tanh", nn.GELU("tanh"), {"x": 2 * seeded(3, 7)}, forward),
        case("self-attention", nn.MultiheadAttention(8, 2), {"query": seeded(5, 2, 8)}, attend),
        case(
            "self-attention, batch first, masked",
            nn.MultiheadAttention(8, 4, batch_first=True),
            {"query": seeded(2, 5, 8), "keyPaddingMask": padding, "attnMask": causal},
            attend,
        ),
        case(
            "cross-attention without biases",
            nn.MultiheadAttention(8, 2, bias=False, batch_first=True),
            {"query": seeded(2, 3, 8), "key": seeded(2, 5, 8), "value": seeded(2, 5, 8) * 0.5 + 0.1},
            attend,
        ),
        case("encoder layer", layer(), {"x": seeded(2, 5, 8)}, encoder),
        case(
            "encoder, norm first, gelu, padded",
            nn.TransformerEncoder(layer(activation="gelu", norm_first=True, layer_norm_eps=1e-3), 2, nn.LayerNorm(8)),
            {"x": seeded(2, 5, 8), "keyPaddingMask": padding},
            encoder,
        ),
    ]


def attention(query, key, value, mask=None, scale=None):
    scores = query @ key.transpose(-1, -2) * (scale or 1 / math.sqrt(query.shape[-1]))
    return torch.softmax(scores if mask is None else scores + mask, -1) @ value


def attentions():
    """scaledDotProductAttention with each kind of mask; float masks get gradients."""
    cases = []
    above = torch.triu(torch.full((3, 4), -math.inf), 1)
    seen = torch.tensor([[[1, 1, 0, 1]], [[0, 1, 1, 0]]])
    options = {
        "plain": {},
        "scaled": {"scale": 0.3},
        "causal": {"isCausal": True},
        "bool mask": {"boolMask": seen},
        "float mask": {"floatMask": seeded(1, 3, 4)},
    }
    for name, option in options.items():
        tensors = [seeded(2, 3, 4), seeded(2, 4, 4), seeded(2, 4, 5) + 0.1]
        mask = above if "isCausal" in option else None
        if "boolMask" in option:
            mask = torch.zeros(2, 1, 4).masked_fill(seen == 0, -math.inf)
        if "floatMask" in option:
            mask = option["floatMask"].requires_grad_()
            tensors.append(mask)
        for tensor in tensors:
            tensor.requires_grad_()
        output = attention(*tensors[:3], mask, option.get("scale"))
        cotangent = torch.cos(torch.arange(output.numel()).float()).reshape(output.shape)
        (output * cotangent).sum().backward()
        cases.append(
            {
                "name": name,
                **{k: dump(v) if isinstance(v, torch.Tensor) else v for k, v in option.items()},
                "inputs": [dump(t) for t in tensors[:3]],
                "output": dump(output),
                "cotangent": dump(cotangent),
                "grads": [dump(t.grad) for t in tensors],
            }
        )
    return cases


class BertLayer(nn.Module):
    """Written from the equations of the paper, with the parameter names of Hugging Face's weight files."""

    def __init__(self, width, heads, inner, eps):
        super().__init__()
        self.heads = heads
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({k: nn.Linear(width, width) for k in ("query", "key", "value")}),
                "output": nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, eps)}),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = nn.ModuleDict({"dense": nn.Linear(inner, width), "LayerNorm": nn.LayerNorm(width, eps)})

    def forward(self, x, mask):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        own, after = self.attention["self"], self.attention["output"]
        heads = attention(split(own["query"](x)), split(own["key"](x)), split(own["value"](x)), mask)
        x = after["LayerNorm"](x + after["dense"](heads.transpose(1, 2).flatten(2)))
        hidden = F.gelu(self.intermediate["dense"](x))
        return self.output["LayerNorm"](x + self.output["dense"](hidden))


class Bert(nn.Module):
    def __init__(self, vocabulary, width, depth, heads, inner, positions, eps=1e-12):
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(vocabulary, width, padding_idx=0),
                "position_embeddings": nn.Embedding(positions, width),
                "token_type_embeddings": nn.Embedding(2, width),
                "LayerNorm": nn.LayerNorm(width, eps),
            }
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(BertLayer(width, heads, inner, eps) for _ in range(depth))})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(width, width)})

    def forward(self, ids, types, seen):
        tables = self.embeddings
        positions = tables["position_embeddings"](torch.arange(ids.shape[1]))
        x = tables["LayerNorm"](tables["word_embeddings"](ids) + positions + tables["token_type_embeddings"](types))
        mask = torch.zeros(len(ids), 1, 1, ids.shape[1]).masked_fill(seen[:, None, None] == 0, -math.inf)
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        return x, torch.tanh(self.pooler["dense"](x[:, 0]))


def models():
    vit = torchvision.models.VisionTransformer(
        image_size=8, patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=12
    )
    vit.heads = nn.Identity()
    bert = Bert(vocabulary=11, width=8, depth=2, heads=2, inner=12, positions=7)
    ids = torch.tensor([[2, 5, 9, 3, 0], [2, 7, 7, 10, 3]])
    types = torch.tensor([[0, 0, 1, 1, 0], [0, 0, 0, 1, 1]])
    seen = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]])
    both = lambda module, **inputs: torch.cat([part.flatten(1) for part in module(**inputs)], 1)
    return [
        case("vit", vit, {"pixels": seeded(2, 8, 8, 3)}, lambda module, pixels: module(pixels.permute(0, 3, 1, 2))),
        case("bert", bert, {"ids": ids, "types": types, "seen": seen}, both),
    ]


if __name__ == "__main__":
    torch.manual_seed(0)
    result = {"layers": layers(), "attention": attentions(), "models": models()}
    with open(os.path.join(HERE, "transformers.json"), "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")
