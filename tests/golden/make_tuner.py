"""Writes core_tuner.json beside this file: the learning rates that a curve of losses speaks for, found by NumPy and by brute force.

Run with a Python that has NumPy: python3 tests/golden/make_tuner.py.
"""
import json
import os
from functools import lru_cache

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def longest_fall(losses):
    """End and length of the longest run of falling losses; of equally long ones, that which ends first."""

    @lru_cache(None)
    def length_to(i):
        return 1 + max((length_to(j) for j in range(i) if losses[j] > losses[i]), default=0)

    lengths = [length_to(i) for i in range(len(losses))]
    end = int(np.argmax(lengths))
    return end, lengths[end]


def case(seed, n):
    rng = np.random.default_rng(seed)
    lrs = np.geomspace(1e-6, 10, n)
    position = np.log10(lrs)
    losses = 2.3 - 1.4 / (1 + np.exp(-2 * (position + 2))) + 0.4 * np.exp(3 * (position - 0.6)) + rng.normal(0, 0.01, n)
    end, length = longest_fall(tuple(losses))
    start = max(0, end - length)
    third = (end - start) / 3
    return {
        "lr": lrs.tolist(),
        "loss": losses.tolist(),
        "steepest": float(lrs[np.gradient(losses, lrs).argmin()]),
        # The middle of the second third, as fastai's `valley`.
        "valley": float(lrs[start + int(third) + int(third / 2)]),
    }


if __name__ == "__main__":
    with open(os.path.join(HERE, "core_tuner.json"), "w") as file:
        json.dump([case(seed, n) for seed, n in ((0, 60), (1, 41), (2, 100))], file, separators=(",", ":"))
        file.write("\n")
