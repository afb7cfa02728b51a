"""A training step through a whole pretrained MobileNetV2, its batch norms folded, and a new head, in PyTorch.

usage: finetune_onnx_step.py MODEL_ONNX THREADS WARMUP_STEPS STEPS MAX_SECONDS
Prints one JSON object.
"""
import json
import sys
import time

import torch
from torch import nn

from finetune_photos import build_backbone
from timing import summary

CLASSES, BATCH_SIZE, EDGE = 12, 16, 224


def main(path, threads, warmup, steps, max_seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = nn.Sequential(build_backbone(path), nn.Linear(1280, CLASSES)).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, foreach=False)
    pixels, targets = torch.randn(BATCH_SIZE, 3, EDGE, EDGE), torch.arange(BATCH_SIZE) % CLASSES

    def step():
        start = time.perf_counter()
        loss = nn.functional.cross_entropy(model(pixels), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        return (time.perf_counter() - start) * 1000

    print(json.dumps(summary(model, step, warmup, steps, max_seconds)))


main(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5]))
