"""The finetune-photos benchmark in PyTorch: the same weights, split, preprocessing, head and optimizer.

usage: finetune_photos.py DATA_FOLDER MODEL_ONNX EPOCHS BATCH_SIZE
Prints one JSON object: the usual way, in which the frozen backbone runs every epoch, and with its features kept.
"""
import json
import os
import sys
import time

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms


def read_varint(buffer, at):
    result = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        result |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return result, at


def read_fields(buffer):
    """The (number, value) pairs of a protobuf message."""
    at = 0
    while at < len(buffer):
        key, at = read_varint(buffer, at)
        wire = key & 7
        if wire == 0:
            value, at = read_varint(buffer, at)
        elif wire == 2:
            length, at = read_varint(buffer, at)
            value, at = buffer[at : at + length], at + length
        else:
            length = 4 if wire == 5 else 8
            value, at = buffer[at : at + length], at + length
        yield key >> 3, value


def read_initializers(path):
    with open(path, "rb") as file:
        model = memoryview(file.read())
    graph = next(value for number, value in read_fields(model) if number == 7)
    tensors = {}
    for number, value in read_fields(graph):
        if number != 5:
            continue
        fields = list(read_fields(value))
        name = next(bytes(v).decode() for n, v in fields if n == 8)
        dims = []
        for n, v in fields:
            if n == 1 and isinstance(v, int):
                dims.append(v)
            elif n == 1:
                at = 0
                while at < len(v):
                    length, at = read_varint(v, at)
                    dims.append(length)
        raw = [v for n, v in fields if n == 9]
        if raw and len(raw[0]) == 4 * int(np.prod(dims)):
            tensors[name] = torch.from_numpy(np.frombuffer(raw[0], np.float32).reshape(dims).copy())
    return tensors


def build_backbone(path):
    """MobileNetV2 with its batch norms folded into the convolutions, as the ONNX file has it."""
    tensors = read_initializers(path)
    weights = sorted((n for n in tensors if n.endswith(".weight")), key=lambda n: int(n.split("_")[1].split(".")[0]))
    backbone = torchvision.models.mobilenet_v2().features
    names = iter(weights)

    def fold(module):
        for child_name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                name = next(names)
                conv = nn.Conv2d(
                    child.in_channels, child.out_channels, child.kernel_size, child.stride, child.padding, groups=child.groups
                )
                conv.weight.data = tensors[name]
                conv.bias.data = tensors[name.replace(".weight", ".bias")]
                setattr(module, child_name, conv)
            elif isinstance(child, nn.BatchNorm2d):
                setattr(module, child_name, nn.Identity())
            else:
                fold(child)

    fold(backbone)
    return nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


class Photos(torch.utils.data.Dataset):
    def __init__(self, items):
        self.items = items
        self.transform = transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, target = self.items[index]
        return self.transform(Image.open(path).convert("RGB")), target


def split(folder):
    """Every fifth file of each class by sorted name is held out."""
    train, held_out = [], []
    classes = sorted(d for d in os.listdir(folder) if os.path.isdir(os.path.join(folder, d)))
    for target, name in enumerate(classes):
        for i, file in enumerate(sorted(os.listdir(os.path.join(folder, name)))):
            (held_out if i % 5 == 4 else train).append((os.path.join(folder, name, file), target))
    return train, held_out, len(classes)


def loader(dataset, batch_size, shuffle):
    return torch.utils.data.DataLoader(dataset, batch_size, shuffle=shuffle, num_workers=2)


def fit(features_of, train, held_out, classes, epochs):
    torch.manual_seed(0)
    head = nn.Linear(1280, classes)
    optimizer = torch.optim.Adam(head.parameters(), 1e-3)
    for _ in range(epochs):
        for inputs, targets in train:
            loss = nn.functional.cross_entropy(head(features_of(inputs)), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    correct = total = 0
    with torch.no_grad():
        for inputs, targets in held_out:
            correct += (head(features_of(inputs)).argmax(1) == targets).sum().item()
            total += len(targets)
    return correct / total


def main(folder, model, epochs, batch_size):
    torch.set_num_threads(2)
    backbone = build_backbone(model)
    train, held_out, classes = split(folder)

    def run_backbone(inputs):
        with torch.no_grad():
            return backbone(inputs)

    start = time.perf_counter()
    accuracy = fit(
        run_backbone, loader(Photos(train), batch_size, True), loader(Photos(held_out), batch_size, False), classes, epochs
    )
    seconds = time.perf_counter() - start

    start = time.perf_counter()

    def kept(items):
        batches = [(run_backbone(inputs), targets) for inputs, targets in loader(Photos(items), batch_size, False)]
        return torch.utils.data.TensorDataset(torch.cat([b[0] for b in batches]), torch.cat([b[1] for b in batches]))

    kept_train = torch.utils.data.DataLoader(kept(train), batch_size, shuffle=True)
    kept_held_out = torch.utils.data.DataLoader(kept(held_out), batch_size)
    fit(lambda features: features, kept_train, kept_held_out, classes, epochs)
    cached_seconds = time.perf_counter() - start
    print(json.dumps({"accuracy": accuracy, "seconds": seconds, "cachedSeconds": cached_seconds}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
