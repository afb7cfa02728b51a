"""Writes text_tasks.json: a small BERT-like encoder exported by PyTorch, its loss and gradients, a focal loss, an EmbeddingBag."""

import base64
import io
import json
import os

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, WIDTH, HEADS, LAYERS, CLASSES = 40, 16, 2, 2, 3


class Encoder(nn.Module):
    """Embeddings, mask and layers as BERT has them; batch and length are dynamic."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCAB, WIDTH)
        self.positions = nn.Embedding(32, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, input_ids, attention_mask):
        places = torch.arange(input_ids.shape[1]).unsqueeze(0)
        hidden = self.norm(self.words(input_ids) + self.positions(places))
        mask = (1.0 - attention_mask[:, None, None, :].to(hidden.dtype)) * -10000.0
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def heads(self, x):
        return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x, mask):
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = torch.matmul(q, k.transpose(-1, -2)) / (WIDTH // HEADS) ** 0.5 + mask
        mixed = torch.matmul(torch.softmax(scores, -1), v).transpose(1, 2).reshape(x.shape)
        x = self.norm1(x + self.out(mixed))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


encoder, head = Encoder(), nn.Linear(WIDTH, CLASSES)
# The exporter stores equal parameters once: ones and zeros would be shared by all norms.
for name, parameter in encoder.named_parameters():
    if "norm" in name:
        nn.init.normal_(parameter, mean=1.0 if "weight" in name else 0.0, std=0.1)
ids = torch.randint(1, VOCAB, (3, 6))
mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]])
target = torch.tensor([2, 0, 1])

buffer = io.BytesIO()
axes = {0: "batch", 1: "sequence"}
torch.onnx.export(
    encoder,
    (ids, mask),
    buffer,
    input_names=["input_ids", "attention_mask"],
    output_names=["last_hidden_state"],
    dynamic_axes={"input_ids": axes, "attention_mask": axes, "last_hidden_state": axes},
    opset_version=14,
    do_constant_folding=False,
)

hidden = encoder(ids, mask)
weights = mask.unsqueeze(-1).float()
features = (hidden * weights).sum(1) / weights.sum(1)
logits = head(features)
loss = F.cross_entropy(logits, target)
loss.backward()

gradients = {
    name: {"norm": p.grad.norm().item(), "first": p.grad.flatten()[:8].tolist(), "shape": list(p.shape)}
    for name, p in encoder.named_parameters()
}


def focal(logits, target, gamma, weight=None):
    logp = F.log_softmax(logits, -1).gather(1, target[:, None])[:, 0]
    loss = -((1 - logp.exp()) ** gamma) * logp
    if weight is None:
        return loss.mean()
    return (loss * weight[target]).sum() / weight[target].sum()


focal_logits = torch.randn(4, CLASSES, requires_grad=True)
focal_target = torch.tensor([0, 2, 1, 1])
focal_loss = focal(focal_logits, focal_target, 1.5)
focal_loss.backward()
weight = torch.tensor([0.5, 2.0, 1.0])

bag = nn.EmbeddingBag(5, 3, mode="sum")
indices = torch.tensor([[0, 1, 1], [4, 2, 0]])
sample_weights = torch.tensor([[0.5, 1.0, -1.0], [2.0, 0.0, 3.0]])
bag_out = bag(indices, per_sample_weights=sample_weights)
(bag_out**2).sum().backward()

json.dump(
    {
        "model": base64.b64encode(buffer.getvalue()).decode(),
        "ids": ids.tolist(),
        "mask": mask.tolist(),
        "target": target.tolist(),
        "headWeight": head.weight.tolist(),
        "headBias": head.bias.tolist(),
        "features": features.tolist(),
        "logits": logits.tolist(),
        "loss": loss.item(),
        "gradients": gradients,
        "headGradient": head.weight.grad.tolist(),
        "focal": {
            "logits": focal_logits.tolist(),
            "target": focal_target.tolist(),
            "loss": focal_loss.item(),
            "gradient": focal_logits.grad.tolist(),
            "weight": weight.tolist(),
            "weighted": focal(focal_logits, focal_target, 1.5, weight).item(),
        },
        "bag": {
            "weight": bag.weight.tolist(),
            "indices": indices.tolist(),
            "sampleWeights": sample_weights.tolist(),
            "output": bag_out.tolist(),
            "gradient": bag.weight.grad.tolist(),
        },
    },
    open(os.path.join(HERE, "text_tasks.json"), "w"),
)
