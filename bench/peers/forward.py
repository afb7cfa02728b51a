"""The forward benchmark in PyTorch: one model in inference, with one number of threads.

usage: forward.py MODEL THREADS WARMUP_RUNS RUNS MAX_SECONDS
Prints one JSON object.
"""
import json
import sys
import time

import torch

from models import build
from timing import summary


def main(name, threads, warmup, runs, max_seconds):
    torch.set_num_threads(threads)
    model, inputs, _ = build(name)
    model.eval()

    def run():
        start = time.perf_counter()
        with torch.no_grad():
            model(inputs)
        return (time.perf_counter() - start) * 1000

    print(json.dumps(summary(model, run, warmup, runs, max_seconds)))


main(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5]))
