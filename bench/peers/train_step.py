"""The train-step benchmark in PyTorch: one model, one number of threads.

usage: train_step.py MODEL THREADS WARMUP_STEPS STEPS MAX_SECONDS
A step is forward, backward, clipping to norm 1 and AdamW. Prints one JSON object.
"""
import json
import sys
import time

import torch

from models import build
from timing import summary


def main(name, threads, warmup, steps, max_seconds):
    torch.set_num_threads(threads)
    model, inputs, loss_of = build(name)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, foreach=False)
    model.train()

    def step():
        start = time.perf_counter()
        loss = loss_of(model(inputs))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        return (time.perf_counter() - start) * 1000

    print(json.dumps(summary(model, step, warmup, steps, max_seconds)))


main(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5]))
