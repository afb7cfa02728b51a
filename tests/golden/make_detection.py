"""Writes detection.json: overlap, suppression, SSD and losses of torchvision and PyTorch, and an assignment in plain loops."""
import json
import os
from types import SimpleNamespace

import torch
import torchvision.ops as ops
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD

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


def assign(scores, predicted, truth, labels, centers, candidates=13):
    """One picture, in loops: the paper's task-aligned assignment."""
    places, classes = scores.shape
    wanted = torch.zeros(places, classes)
    matched = [-1] * places
    iou = ops.box_iou(truth, predicted) if len(truth) else torch.zeros(0, places)
    alignment = torch.zeros(len(truth), places)
    proposals = torch.zeros(len(truth), places)
    for g in range(len(truth)):
        x0, y0, x1, y1 = truth[g]
        for p in range(places):
            x, y = centers[p]
            if x0 < x < x1 and y0 < y < y1:
                alignment[g, p] = scores[p, labels[g]] * iou[g, p] ** 6
        for p in alignment[g].topk(candidates).indices.tolist():
            if alignment[g, p] > 1e-9:
                proposals[g, p] = 1
    for p in range(places):
        owners = [g for g in range(len(truth)) if proposals[g, p] > 0]
        if owners:
            matched[p] = max(owners, key=lambda g: iou[g, p])
    for g in range(len(truth)):
        mine = [p for p in range(places) if matched[p] == g]
        if not mine:
            continue
        best = max(alignment[g, p] for p in mine)
        highest = max(iou[g, p] for p in mine)
        for p in mine:
            wanted[p, labels[g]] = alignment[g, p] / best * highest
    return wanted, matched


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
        assigned = [assign(logits[i].sigmoid(), predicted[i], truth[i], labels[i], centers) for i in range(3)]
    wanted = torch.stack([a[0] for a in assigned])
    weights = wanted.sum(2)
    total = weights.sum().clamp(min=1)
    focal = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    class_loss = (focal * (wanted - logits.sigmoid()).abs() ** 2).sum() / total
    misfits = []
    for i in range(3):
        for p, g in enumerate(assigned[i][1]):
            if g >= 0:
                misfits.append(weights[i, p] * ops.generalized_box_iou_loss(predicted[i, p][None], truth[i][g][None]).sum())
    box_loss = torch.stack(misfits).sum() / total
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
        "classLoss": class_loss.item(),
        "boxLoss": box_loss.item(),
        "logitsGradient": numbers(logits.grad),
        "distancesGradient": numbers(distances.grad),
    }


def default_boxes(size, sides):
    generator = DefaultBoxGenerator([[2, 3]] * len(sides), min_ratio=0.2, max_ratio=0.95)
    images = ImageList(torch.zeros(1, 3, size, size), [(size, size)])
    return generator(images, [torch.zeros(1, 1, side, side) for side in sides])[0]


def ssd():
    """torchvision's matching and loss of SSD; two true boxes of the first picture want one default box."""
    size, sides, classes, rows = 64, [4, 2, 1], 2, 4
    anchors = default_boxes(size, sides)
    first = torch.cat([boxes(2, size), torch.tensor([[10.0, 10, 31, 30], [9.0, 11, 30, 31]])])
    truth = [first, boxes(1, size), torch.zeros(0, 4)]
    labels = [torch.tensor([1, 2, 2, 1]), torch.tensor([2]), torch.zeros(0, dtype=torch.long)]
    logits = torch.randn(3, len(anchors), 1 + classes).requires_grad_()
    offsets = torch.randn(3, len(anchors), 4).requires_grad_()
    matcher, coder = SSDMatcher(0.5), BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
    matches = [
        matcher(ops.box_iou(true, anchors)) if len(true) else torch.full((len(anchors),), -1) for true in truth
    ]
    losses = SSD.compute_loss(
        SimpleNamespace(box_coder=coder, neg_to_pos_ratio=3),
        [{"boxes": true, "labels": ids} for true, ids in zip(truth, labels)],
        {"cls_logits": logits, "bbox_regression": offsets},
        [anchors] * 3,
        matches,
    )
    (losses["classification"] + losses["bbox_regression"]).backward()
    padded, ids = torch.zeros(3, rows, 4), torch.full((3, rows), -1)
    for i, true in enumerate(truth):
        padded[i, : len(true)] = true
        ids[i, : len(true)] = labels[i] - 1
    whole = default_boxes(320, [20, 10, 5, 3, 2, 1])
    return {
        "size": size,
        "sides": sides,
        "defaults": numbers(anchors),
        "every100thOf320": numbers(whole[::100]),
        "countOf320": len(whole),
        "boxes": numbers(padded),
        "classIds": ids.flatten().tolist(),
        "matches": torch.stack(matches).flatten().tolist(),
        "logits": numbers(logits),
        "offsets": numbers(offsets),
        "decoded": numbers(coder.decode_single(offsets[0], anchors)),
        "classLoss": losses["classification"].item(),
        "boxLoss": losses["bbox_regression"].item(),
        "logitsGradient": numbers(logits.grad),
        "offsetsGradient": numbers(offsets.grad),
    }


if __name__ == "__main__":
    path = os.path.join(os.path.dirname(__file__), "detection.json")
    with open(path, "w") as file:
        json.dump({"overlaps": overlaps(), "suppression": suppression(), "loss": loss(), "ssd": ssd()}, file)
        file.write("\n")
