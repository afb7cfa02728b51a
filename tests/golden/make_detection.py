"""Writes detection.json: overlap, suppression and losses of torchvision and PyTorch, and an assignment in plain loops."""
import json
import os

import torch
import torchvision.ops as ops

torch.manual_seed(0)


def boxes(count, size=100.0):
    corner = torch.rand(count, 2) * size * 0.7
    return torch.cat([corner, corner + 4 + torch.rand(count, 2) * size * 0.4], 1)


def numbers(tensor):
    return [float(f"{value:.7g}") for value in tensor.detach().double().flatten().tolist()]


def overlaps():
    a, b = boxes(6), boxes(5)
    return {"a": numbers(a), "b": numbers(b), "iou": numbers(ops.box_iou(a, b)), "giou": numbers(ops.generalized_box_iou(a, b))}


def suppression():
    cases = []
    for threshold in (0.3, 0.5, 0.7):
        found, scores = boxes(60), torch.rand(60)
        classes = torch.randint(0, 3, (60,))
        cases.append(
            {
                "boxes": numbers(found),
                "scores": numbers(scores),
                "classes": classes.tolist(),
                "threshold": threshold,
                "kept": ops.nms(found, scores, threshold).tolist(),
                "keptByClass": ops.batched_nms(found, scores, classes, threshold).tolist(),
            }
        )
    return cases


def points(size):
    centers, reaches = [], []
    for stride in (8, 16, 32, 64):
        side = -(-size // stride)
        for row in range(side):
            for column in range(side):
                centers.append(((column + 0.5) * stride, (row + 0.5) * stride))
                reaches.append(2.0 * stride)
    return torch.tensor(centers), torch.tensor(reaches)


def assign(scores, predicted, truth, labels, centers, reaches, candidates=13):
    """One picture, in loops: the paper's task-aligned assignment, where half of a fit is that of the box a place begins with."""
    places, classes = scores.shape
    wanted, weights = torch.zeros(places, classes), torch.zeros(places)
    matched = [-1] * places
    iou = ops.box_iou(truth, predicted) if len(truth) else torch.zeros(0, places)
    first = torch.cat([centers - reaches[:, None], centers + reaches[:, None]], 1)
    prior = ops.box_iou(truth, first) if len(truth) else torch.zeros(0, places)
    fitness = torch.zeros(len(truth), places)
    alignment = torch.zeros(len(truth), places)
    proposals = torch.zeros(len(truth), places)
    for g in range(len(truth)):
        x0, y0, x1, y1 = truth[g]
        within = [p for p in range(places) if x0 < centers[p][0] < x1 and y0 < centers[p][1] < y1]
        for p in within:
            fitness[g, p] = (iou[g, p] + prior[g, p] / max(prior[g, q] for q in within)) / 2
            alignment[g, p] = scores[p, labels[g]] * fitness[g, p] ** 6
        for p in sorted(within, key=lambda p: -alignment[g, p])[:candidates]:
            proposals[g, p] = 1
    for p in range(places):
        owners = [g for g in range(len(truth)) if proposals[g, p] > 0]
        if owners:
            matched[p] = max(owners, key=lambda g: fitness[g, p])
    for g in range(len(truth)):
        mine = [p for p in range(places) if matched[p] == g]
        if not mine:
            continue
        best = max(alignment[g, p] for p in mine)
        highest = max(iou[g, p] for p in mine)
        for p in mine:
            weights[p] = alignment[g, p] / best
            wanted[p, labels[g]] = weights[p] * highest
    return wanted, matched, weights


def loss():
    size, classes = 64, 3
    centers, reaches = points(size)
    places = len(reaches)
    truth = [torch.tensor([[3.0, 5, 40, 44], [30, 22, 60, 62], [2, 40, 20, 62]]), torch.zeros(0, 4), torch.tensor([[8.0, 8, 56, 50]])]
    labels = [[0, 2, 2], [], [1]]
    logits = (torch.randn(3, places, classes) * 1.5).requires_grad_()
    distances = (torch.randn(3, places, 4) * 0.4 - 0.3).requires_grad_()
    pixels = distances.exp() * reaches[None, :, None]
    predicted = torch.cat([centers - pixels[..., :2], centers + pixels[..., 2:]], 2)
    with torch.no_grad():
        assigned = [assign(logits[i].sigmoid(), predicted[i], truth[i], labels[i], centers, reaches) for i in range(3)]
    wanted = torch.stack([a[0] for a in assigned])
    weights = torch.stack([a[2] for a in assigned])
    focal = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    class_loss = (focal * (wanted - logits.sigmoid()).abs() ** 2).sum() / wanted.sum().clamp(min=1)
    misfits = []
    for i in range(3):
        for p, g in enumerate(assigned[i][1]):
            if g >= 0:
                misfits.append(weights[i, p] * ops.generalized_box_iou_loss(predicted[i, p][None], truth[i][g][None]).sum())
    box_loss = torch.stack(misfits).sum() / weights.sum().clamp(min=1)
    (class_loss + 2 * box_loss).backward()
    rows = 4
    padded = torch.zeros(3, rows, 4)
    ids = torch.full((3, rows), -1)
    for i in range(3):
        padded[i, : len(truth[i])] = truth[i]
        ids[i, : len(truth[i])] = torch.tensor(labels[i], dtype=torch.long)
    return {
        "size": size,
        "classes": classes,
        "places": places,
        "logits": numbers(logits),
        "distances": numbers(distances),
        "boxes": numbers(padded),
        "classIds": ids.flatten().tolist(),
        "scores": numbers(wanted),
        "weights": numbers(weights),
        "classLoss": class_loss.item(),
        "boxLoss": box_loss.item(),
        "logitsGradient": numbers(logits.grad),
        "distancesGradient": numbers(distances.grad),
    }


if __name__ == "__main__":
    path = os.path.join(os.path.dirname(__file__), "detection.json")
    with open(path, "w") as file:
        json.dump({"overlaps": overlaps(), "suppression": suppression(), "loss": loss()}, file)
        file.write("\n")
