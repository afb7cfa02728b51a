"""Writes detection_imported.json: YOLOX's loss in plain loops with PyTorch's gradients, and small detectors as ONNX files.

detr_tiny.onnx and rtdetr_tiny.onnx have the inputs and outputs of Hugging Face's exports and random weights; the detections
that go with them are decoded here."""
import json
import math
import os

import numpy
import torch
import torchvision.ops as ops
from torch import nn

FOLDER = os.path.dirname(__file__)


def numbers(tensor):
    return [float(f"{value:.7g}") for value in tensor.detach().double().flatten().tolist()]


# --- YOLOX's loss ------------------------------------------------------------------------------------------------------

STRIDES = (8, 16, 32)


def grid(size):
    corners, strides = [], []
    for stride in STRIDES:
        for row in range(size // stride):
            for column in range(size // stride):
                corners.append((column * stride, row * stride))
                strides.append(float(stride))
    return torch.tensor(corners, dtype=torch.float32), torch.tensor(strides)


def decode(raw, corners, strides):
    middle = raw[:, :2] * strides[:, None] + corners
    sides = torch.exp(raw[:, 2:]) * strides[:, None]
    return torch.cat([middle - sides / 2, middle + sides / 2], 1)


def simota(classes, objectness, predicted, truth, labels, corners, strides):
    """One picture, box by box. Returns the number of the box that each place learns, or -1, and its overlap with it."""
    places = len(predicted)
    iou = ops.box_iou(truth, predicted)
    middles = corners + strides[:, None] / 2
    costs, chosen = {}, {}
    for g in range(len(truth)):
        center = (truth[g, :2] + truth[g, 2:]) / 2
        near = [p for p in range(places) if float((middles[p] - center).abs().max()) < 1.5 * float(strides[p])]
        for p in near:
            joint = torch.sqrt(classes[p] * objectness[p])
            cost = 0.0
            for c in range(len(joint)):
                cost -= math.log(float(joint[c])) if c == labels[g] else math.log(1 - float(joint[c]))
            costs[g, p] = cost - 3 * math.log(float(iou[g, p]) + 1e-8)
        best = sorted((float(iou[g, p]) for p in near), reverse=True)[:10]
        count = max(1, int(sum(best)))
        chosen[g] = sorted(near, key=lambda p: costs[g, p])[:count]
    matched, overlap = [-1] * places, [0.0] * places
    for p in range(places):
        rivals = [g for g in chosen if p in chosen[g]]
        if rivals:
            g = min(rivals, key=lambda g: costs[g, p])
            matched[p], overlap[p] = g, float(iou[g, p])
    return matched, overlap


def yolox_loss():
    torch.manual_seed(1)
    size, count, classes = 96, 2, 3
    corners, strides = grid(size)
    places = len(strides)
    logits = (torch.randn(count, places, classes) * 0.7 - 1).requires_grad_()
    objectness = (torch.randn(count, places, 1) * 0.7 - 1).requires_grad_()
    raw = torch.cat([torch.rand(count, places, 2), torch.rand(count, places, 2) * 1.5], 2).requires_grad_()
    rows = 4
    truth = torch.zeros(count, rows, 4)
    labels = torch.full((count, rows), -1)
    for i, boxes in enumerate([[(8, 10, 40, 50, 0), (20, 14, 52, 44, 2), (60, 60, 92, 90, 1)], [(30, 30, 84, 70, 1)]]):
        for row, (a, b, c, d, label) in enumerate(boxes):
            truth[i, row] = torch.tensor([a, b, c, d], dtype=torch.float32)
            labels[i, row] = label
    bce = nn.functional.binary_cross_entropy_with_logits
    total, box_sum, object_sum, class_sum = 0, 0, 0, 0
    everything = []
    for i in range(count):
        present = int((labels[i] >= 0).sum())
        predicted = decode(raw[i], corners, strides)
        with torch.no_grad():
            matched, overlap = simota(
                torch.sigmoid(logits[i]), torch.sigmoid(objectness[i]), predicted, truth[i, :present],
                labels[i, :present].tolist(), corners, strides,
            )
        everything += matched
        target = torch.tensor([[float(g >= 0)] for g in matched])
        object_sum = object_sum + bce(objectness[i], target, reduction="sum")
        for p, g in enumerate(matched):
            if g < 0:
                continue
            total += 1
            wanted = torch.zeros(classes)
            wanted[labels[i, g]] = overlap[p]
            class_sum = class_sum + bce(logits[i, p], wanted, reduction="sum")
            box_sum = box_sum + 1 - ops.box_iou(predicted[p : p + 1], truth[i, g : g + 1])[0, 0] ** 2
    loss = (5 * box_sum + object_sum + class_sum) / total
    loss.backward()
    return {
        "size": size,
        "classes": classes,
        "logits": numbers(logits),
        "objectness": numbers(objectness),
        "raw": numbers(raw),
        "boxes": numbers(truth),
        "classIds": labels.flatten().tolist(),
        "matched": everything,
        "loss": float(loss),
        "boxLoss": float(box_sum / total),
        "classLoss": float((object_sum + class_sum) / total),
        "logitsGradient": numbers(logits.grad),
        "objectnessGradient": numbers(objectness.grad),
        "rawGradient": numbers(raw.grad),
    }


# --- Detectors of queries ----------------------------------------------------------------------------------------------

LABELS = ["cat", "dog", "owl"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class TinyDetr(nn.Module):
    """Two convolutions, attention of learned queries to all places, and DETR's two outputs."""

    def __init__(self, classes, queries=12, width=16):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 8, 8), nn.ReLU(), nn.Conv2d(width, width, 2, 2))
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.classes = nn.Linear(width, classes)
        self.boxes = nn.Linear(width, 4)

    def forward(self, pixel_values, pixel_mask=None):
        places = self.stem(pixel_values).flatten(2).transpose(1, 2)
        weights = torch.softmax(self.queries @ places.transpose(1, 2), 2)
        features = self.queries + weights @ places
        if pixel_mask is not None:
            features = features * pixel_mask.float().mean((1, 2))[:, None, None]
        return self.classes(features) * 2, torch.sigmoid(self.boxes(features))


def picture(width, height):
    """Bytes of a formula that the test has too."""
    i = numpy.arange(width * height * 3)
    return ((i * 31 + (i // 50) * 17) % 256).astype(numpy.uint8).reshape(height, width, 3)


def detr(name, classes, mask, size, normalize, activation):
    torch.manual_seed(3)
    model = TinyDetr(classes).eval()
    inputs = {"pixel_values": torch.rand(1, 3, 64, 96)}
    axes = {"pixel_values": {0: "batch", 2: "height", 3: "width"}, "logits": {0: "batch"}, "pred_boxes": {0: "batch"}}
    if mask:
        inputs["pixel_mask"] = torch.ones(1, 64, 96, dtype=torch.int64)
        axes["pixel_mask"] = {0: "batch", 1: "height", 2: "width"}
    folder = os.path.join(FOLDER, "detectors", name)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    torch.onnx.export(
        model, tuple(inputs.values()), path, input_names=list(inputs), output_names=["logits", "pred_boxes"],
        dynamic_axes=axes, opset_version=12,
    )
    preprocessor = {"do_resize": True, "size": size, "do_rescale": True, "rescale_factor": 1 / 255, "resample": 2}
    preprocessor.update({"do_normalize": normalize, "image_mean": MEAN, "image_std": STD, "do_pad": mask})
    preprocessor["image_processor_type"] = "DetrImageProcessor" if mask else "RTDetrImageProcessor"
    config = {"model_type": "detr" if mask else "rt_detr", "id2label": dict(enumerate(LABELS))}
    for file, content in (("preprocessor_config.json", preprocessor), ("config.json", config)):
        with open(os.path.join(folder, file), "w") as out:
            json.dump(content, out, indent=2)
            out.write("\n")
    # The picture has the size that it is resized to, so that no resizing is part of the comparison.
    width, height = (96, 64) if mask else (64, 64)
    pixels = picture(width, height)
    values = torch.from_numpy(pixels).float() / 255
    if normalize:
        values = (values - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        given = [values.permute(2, 0, 1)[None]] + ([torch.ones(1, height, width, dtype=torch.int64)] if mask else [])
        logits, boxes = (output[0] for output in model(*given))
    found = []
    if activation == "softmax":
        probabilities = torch.softmax(logits, 1)[:, :-1]
        for score, label, box in zip(*probabilities.max(1), boxes):
            found.append((float(score), int(label), box))
    else:
        scores = torch.sigmoid(logits)
        order = scores.flatten().argsort(descending=True)[: len(logits)]
        for i in order.tolist():
            found.append((float(scores.flatten()[i]), i % classes, boxes[i // classes]))
    detections = []
    for score, label, box in sorted(found, key=lambda one: -one[0]):
        cx, cy, w, h = (box * torch.tensor([width, height, width, height])).tolist()
        corners = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
        corners = [min(max(0.0, edge), width if i % 2 == 0 else height) for i, edge in enumerate(corners)]
        detections.append({"score": score, "label": LABELS[label], "box": corners})
    return {"width": width, "height": height, "detections": detections}


def resized():
    """Bilinear between four neighbours, as cv2.resize has it by default, whose rounding is left to the test."""
    cases = []
    for width, height, new_width, new_height in ((7, 5, 4, 3), (5, 7, 11, 9), (9, 4, 2, 4), (3, 3, 3, 3)):
        pixels = torch.from_numpy(picture(width, height)).permute(2, 0, 1)[None].double()
        result = nn.functional.interpolate(pixels, (new_height, new_width), mode="bilinear", align_corners=False)
        numbers_of = [round(value, 4) for value in result[0].permute(1, 2, 0).flatten().tolist()]
        cases.append({"from": [width, height], "to": [new_width, new_height], "pixels": numbers_of})
    return cases


def tiny_yolox():
    """The end of YOLOX: nothing in front of its branches but one convolution for each map, in three ways of export."""

    class Tiny(nn.Module):
        def __init__(self, form, classes=5, width=8):
            super().__init__()
            self.form = form
            self.stems = nn.ModuleList([nn.Conv2d(3, width, 1) for _ in STRIDES])
            branch = lambda channels: nn.ModuleList([nn.Conv2d(width, channels, 1) for _ in STRIDES])
            self.class_towers, self.box_towers = branch(width), branch(width)
            self.classes, self.boxes, self.objectness = branch(classes), branch(4), branch(1)

        def forward(self, images):
            maps = []
            for i, stem in enumerate(self.stems):
                features = torch.relu(stem(nn.functional.avg_pool2d(images / 255, STRIDES[i])))
                towers = torch.relu(self.class_towers[i](features)), torch.relu(self.box_towers[i](features))
                parts = [self.boxes[i](towers[1]), self.objectness[i](towers[1]), self.classes[i](towers[0])]
                if self.form != "maps":
                    parts[1:] = [torch.sigmoid(part) for part in parts[1:]]
                maps.append(torch.cat(parts, 1))
            if self.form == "maps":
                return tuple(maps)
            joined = torch.cat([one.flatten(2) for one in maps], 2).permute(0, 2, 1)
            if self.form == "raw":
                return joined
            corners, strides = grid(64)
            middle = (joined[..., :2] + (corners / strides[:, None])) * strides[:, None]
            return torch.cat([middle, torch.exp(joined[..., 2:4]) * strides[:, None], joined[..., 4:]], 2)

    torch.manual_seed(4)
    state = Tiny("raw").state_dict()
    for form in ("maps", "raw", "decoded"):
        model = Tiny(form).eval()
        model.load_state_dict(state)
        path = os.path.join(FOLDER, "detectors", f"yolox_tiny_{form}.onnx")
        torch.onnx.export(model, torch.rand(1, 3, 64, 64), path, input_names=["images"], opset_version=11)


if __name__ == "__main__":
    os.makedirs(os.path.join(FOLDER, "detectors"), exist_ok=True)
    result = {
        "yoloxLoss": yolox_loss(),
        "resized": resized(),
        "detr": detr("detr_tiny", 4, True, {"shortest_edge": 64, "longest_edge": 128}, True, "softmax"),
        "rtdetr": detr("rtdetr_tiny", 3, False, {"height": 64, "width": 64}, False, "sigmoid"),
    }
    tiny_yolox()
    with open(os.path.join(FOLDER, "detection_imported.json"), "w") as file:
        json.dump(result, file)
        file.write("\n")
