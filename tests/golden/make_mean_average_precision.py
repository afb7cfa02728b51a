"""Writes mean_average_precision.json: COCO's numbers for 1,000 random cases, by a second implementation in numpy.

The cases come from a linear congruential generator that the test has as well, so that only results are stored.
"""
import json
import os

import numpy as np

CASES = 1000
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
RANGES = {"all": (0, 1e10), "small": (0, 1024), "medium": (1024, 9216), "large": (9216, 1e10)}


class Numbers:
    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state * bound // 2**32


def case(number):
    random = Numbers(number)
    classes = 1 + random.below(3)
    images = []
    for _ in range(1 + random.below(4)):
        sizes = (20, 60, 160)
        truth = []
        for _ in range(random.below(6)):
            size = sizes[random.below(3)]
            x, y = random.below(200), random.below(200)
            w, h = 4 + random.below(size), 4 + random.below(size)
            truth.append(((x, y, x + w, y + h), random.below(classes), int(random.below(8) == 0)))
        found = []
        for box, label, _ in truth:
            for _ in range(random.below(3)):
                move = [random.below(9) - 4 for _ in range(4)]
                moved = tuple(edge + shift for edge, shift in zip(box, move))
                other = random.below(5) == 0
                found.append((moved, random.below(classes) if other else label, random.below(11) / 10))
        for _ in range(random.below(4)):
            x, y, w, h = random.below(200), random.below(200), 1 + random.below(150), 1 + random.below(150)
            found.append(((x, y, x + w, y + h), random.below(classes), random.below(11) / 10))
        images.append((truth, found))
    return classes, images


def area(boxes):
    return np.clip(boxes[:, 2] - boxes[:, 0], 0, None) * np.clip(boxes[:, 3] - boxes[:, 1], 0, None)


def overlaps(found, truth, crowd):
    corner = np.maximum(found[:, None, :2], truth[None, :, :2])
    other = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    shared = np.prod(np.clip(other - corner, 0, None), axis=2)
    union = area(found)[:, None] + np.where(crowd[None, :], 0, area(truth)[None, :] - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def one_image(truth, found, label, bounds, limit):
    truth = [t for t in truth if t[1] == label]
    found = sorted((f for f in found if f[1] == label), key=lambda f: -f[2])[:limit]
    boxes = np.array([t[0] for t in truth], dtype=float).reshape(-1, 4)
    preds = np.array([f[0] for f in found], dtype=float).reshape(-1, 4)
    crowd = np.array([t[2] for t in truth], dtype=bool)
    ignored = crowd | (area(boxes) < bounds[0]) | (area(boxes) > bounds[1])
    outside = (area(preds) < bounds[0]) | (area(preds) > bounds[1])
    table = overlaps(preds, boxes, crowd)
    states = np.zeros((len(THRESHOLDS), len(found)), dtype=int)  # 1 right, 0 wrong, -1 ignored
    for t, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(truth), dtype=bool)
        for d in range(len(found)):
            # Real boxes before ignored ones; of equal overlaps the last counts, as in COCO's loop.
            for group in (~ignored, ignored):
                usable = group & (free | crowd) & (table[d] >= min(threshold, 1 - 1e-10))
                if usable.any():
                    best = np.flatnonzero(usable & (table[d] == table[d][usable].max()))[-1]
                    free[best] = False
                    states[t, d] = -1 if ignored[best] else 1
                    break
            else:
                states[t, d] = -1 if outside[d] else 0
    return [f[2] for f in found], states, int((~ignored).sum())


def evaluate(images, label, bounds, limit):
    parts = [one_image(truth, found, label, bounds, limit) for truth, found in images]
    wanted = sum(part[2] for part in parts)
    if wanted == 0:
        return None
    scores = np.concatenate([part[0] for part in parts])
    states = np.concatenate([part[1] for part in parts], axis=1)
    order = np.argsort(-scores, kind="stable")
    averages, recalls = [], []
    for row in states[:, order]:
        row = row[row >= 0]
        right = np.cumsum(row)
        recall = right / wanted
        precision = right / np.arange(1, len(row) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(recall, RECALLS, side="left")
        averages.append(np.mean([envelope[i] if i < len(row) else 0.0 for i in at]))
        recalls.append(recall[-1] if len(row) else 0.0)
    return averages, recalls


def mean(values):
    return float(np.mean(values)) if len(values) else -1.0


def numbers(classes, images):
    def over(bounds, limit):
        return [r for r in (evaluate(images, c, RANGES[bounds], limit) for c in range(classes)) if r]

    whole = over("all", 100)
    result = [mean([a for averages, _ in whole for a in averages])]
    result += [mean([averages[t] for averages, _ in whole]) for t in (0, 5)]
    for size in ("small", "medium", "large"):
        result.append(mean([a for averages, _ in over(size, 100) for a in averages]))
    for limit in (1, 10, 100):
        result.append(mean([r for _, recalls in over("all", limit) for r in recalls]))
    for size in ("small", "medium", "large"):
        result.append(mean([r for _, recalls in over(size, 100) for r in recalls]))
    return result


if __name__ == "__main__":
    results = [numbers(*case(number)) for number in range(CASES)]
    path = os.path.join(os.path.dirname(__file__), "mean_average_precision.json")
    with open(path, "w") as file:
        rows = ",\n".join(json.dumps([float(f"{value:.12g}") for value in row]) for row in results)
        file.write("[\n" + rows + "\n]\n")
