"""Writes text_tasks.json: a small BERT-like encoder exported by PyTorch, its loss and gradients, a focal loss, an EmbeddingBag."""

import base64
import io
import json
import os

import torch
from torch import nn
from torch.nn import functional as F

from text_encoder import Encoder, draw_norms, export, mean_of_tokens

torch.manual_seed(0)
HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, WIDTH, HEADS, LAYERS, CLASSES = 40, 16, 2, 2, 3


encoder, head = Encoder(VOCAB, WIDTH, HEADS, LAYERS), nn.Linear(WIDTH, CLASSES)
draw_norms(encoder)
ids = torch.randint(1, VOCAB, (3, 6))
mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]])
target = torch.tensor([2, 0, 1])

buffer = io.BytesIO()
export(encoder, (ids, mask), buffer)

features = mean_of_tokens(encoder(ids, mask), mask)
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
