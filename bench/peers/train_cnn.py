"""The train-cnn benchmark in PyTorch: one training step of MobileNetV2 from random weights.

usage: train_cnn.py BATCH_SIZE IMAGE_SIZE CLASSES STEPS WARMUP_STEPS
Prints one JSON object: the median of a step, with the better of one and two threads.
"""
import json
import statistics
import sys
import time

import torch
import torchvision


def median_step(threads, batch_size, image_size, classes, steps, warmup):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = torchvision.models.mobilenet_v2(num_classes=classes)
    model.classifier[0].p = 0.0
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    pixels = torch.randn(batch_size, 3, image_size, image_size)
    targets = torch.arange(batch_size) % classes
    milliseconds = []
    for _ in range(steps):
        start = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(model(pixels), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        milliseconds.append((time.perf_counter() - start) * 1000)
    return statistics.median(milliseconds[warmup:])


def main(batch_size, image_size, classes, steps, warmup):
    medians = [median_step(threads, batch_size, image_size, classes, steps, warmup) for threads in (2, 1)]
    print(json.dumps({"msPerStep": min(medians)}))


main(*map(int, sys.argv[1:6]))
