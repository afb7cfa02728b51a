"""Writes summary.json: parameter counts and FLOPs of architectures as PyTorch and torchvision have them."""
import json
import os

import torch
import torchvision
from torch import nn
from torch.profiler import ProfilerActivity, profile


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.depthwise(self.conv(x)).flatten(2).transpose(1, 2)
        # need_weights picks the same products; the fused path would hide them from the profiler.
        x, _ = self.attention(x, x, x, need_weights=True)
        return self.head(x)


def count(module):
    return sum(p.numel() for p in module.parameters())


def flops(module, x):
    """Of convolutions and matrix products, as PyTorch's profiler counts them."""
    module.train()
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as prof:
        module(x)
    wanted = {"aten::conv2d", "aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm"}
    return sum(event.flops for event in prof.key_averages() if event.key in wanted)


encoder = Encoder()
resnet = torchvision.models.resnet18()
resnet.fc = nn.Identity()
mobilenet = torchvision.models.mobilenet_v2().features
result = {
    "parameters": {
        "resnet18": count(resnet),
        "mobilenetV2": count(mobilenet),
        "transformerEncoderLayer": count(nn.TransformerEncoderLayer(16, 4, dim_feedforward=32)),
        "encoder": {name: count(part) for name, part in encoder.named_children()},
    },
    "flops": {
        "encoder": flops(encoder, torch.randn(2, 3, 8, 8)),
        "conv": flops(encoder.conv, torch.randn(2, 3, 8, 8)),
        "depthwise": flops(encoder.depthwise, torch.randn(2, 8, 4, 4)),
        "resnet18": flops(resnet, torch.randn(1, 3, 64, 64)),
    },
}
path = os.path.join(os.path.dirname(__file__), "summary.json")
with open(path, "w") as file:
    json.dump(result, file, indent=1)
print(json.dumps(result))
