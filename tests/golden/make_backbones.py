"""Writes backbones.json: torchvision's backbones with weights from a formula. Run: python3 tests/golden/make_backbones.py"""
from functools import partial

import torch
from torchvision import models
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.resnet import Bottleneck, ResNet

from formula import golden, shapes_of, uniform, write

HEADS = ("classifier", "fc")


def features(model, x):
    return model.features(x).mean((2, 3))


def resnet(model, x):
    model.fc = torch.nn.Identity()
    return model(x)


def mobilenet_v3(model, x):
    return model.classifier[:2](features(model, x))


def convnext(model, x):
    return model.classifier[0](model.avgpool(model.features(x))).flatten(1)


def small_convnext():
    channels, layers = [16, 32, 48, 64], [1, 2, 1, 1]
    stages = zip(channels, channels[1:] + [None], layers)
    return ConvNeXt([CNBlockConfig(*stage) for stage in stages])


def image(make, call, heads=HEADS, **options):
    pixels = uniform([2, 64, 64, 3], 2).permute(0, 3, 1, 2)
    return golden(make, {"x": pixels}, call, heads, **options)


write(
    "backbones.json",
    {
        "networks": {
            "resnet18": image(models.resnet18, resnet, dead=-20),
            "small resnet of bottlenecks": image(partial(ResNet, Bottleneck, [1, 1, 1, 1]), resnet, dead=-20),
            "mobilenet_v2": image(models.mobilenet_v2, features),
            "mobilenet_v3_small": image(models.mobilenet_v3_small, mobilenet_v3, ("classifier.3",)),
            "mobilenet_v3_large": image(models.mobilenet_v3_large, mobilenet_v3, ("classifier.3",)),
            "efficientnet_b0": image(partial(models.efficientnet_b0, stochastic_depth_prob=0), features),
            "small convnext": image(small_convnext, convnext, ("classifier.2",)),
        },
        "shapes": {
            "resnet34": shapes_of(models.resnet34(), HEADS),
            "resnet50": shapes_of(models.resnet50(), HEADS),
            "convnext_tiny": shapes_of(models.convnext_tiny(), ("classifier.2",)),
        },
    },
)
