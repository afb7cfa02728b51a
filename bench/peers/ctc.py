"""The ctc benchmark in PyTorch: a step from logits through the CTC loss to their gradient.

usage: ctc.py FRAMES BATCH CLASSES LABELS WARMUP_STEPS STEPS MAX_SECONDS
Prints one JSON object: the median of a step, with the better of one and two threads.
"""
import json
import statistics
import sys
import time

import torch
from torch.nn import functional as F


def median_step(threads, frames, batch, classes, labels, warmup, steps, max_seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    logits = torch.randn(frames, batch, classes, requires_grad=True)
    targets = torch.randint(1, classes, (batch, labels))
    input_lengths = torch.full((batch,), frames)
    target_lengths = torch.randint(1, labels + 1, (batch,))
    milliseconds = []
    end = time.perf_counter() + max_seconds
    while len(milliseconds) < warmup + steps and (len(milliseconds) < 5 or time.perf_counter() < end):
        start = time.perf_counter()
        logits.grad = None
        F.ctc_loss(logits.log_softmax(-1), targets, input_lengths, target_lengths).backward()
        milliseconds.append((time.perf_counter() - start) * 1000)
    return statistics.median(milliseconds[min(warmup, len(milliseconds) - 1) :])


shape = list(map(int, sys.argv[1:7]))
print(json.dumps({"ms": min(median_step(threads, *shape, float(sys.argv[7])) for threads in (2, 1))}))
