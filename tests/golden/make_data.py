"""Writes data.json: what PIL and torchvision make of a picture, for the tests of src/data.

Run with Python 3, torch, torchvision and Pillow: python3 tests/golden/make_data.py
The picture is made by a formula that tests/data/pictures.ts repeats, so that it need not be stored. Arrays of bytes are
stored as base64, row by row, channels last.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
import torch
import torchvision
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms.autoaugment import _apply_op
from torchvision.transforms.functional import InterpolationMode

HERE = Path(__file__).parent
CALTECH = HERE / "../../../shared/data/caltech12"


def picture(width, height):
    """Slanted waves, different in each channel, with some noise."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    wave = np.abs((x * (3 + c) + y * (2 + 2 * c)) % 510 - 255)
    noise = ((x * 73) ^ (y * 151) ^ (c * 199)) % 64
    return np.minimum(255, wave * 3 // 4 + noise).astype(np.uint8)


def encode(array):
    array = np.asarray(array)
    assert array.dtype == np.uint8
    return {"height": array.shape[0], "width": array.shape[1], "data": base64.b64encode(array.tobytes()).decode()}


def to_tensor(array):
    return torch.from_numpy(array).permute(2, 0, 1)


def from_tensor(tensor):
    return tensor.permute(1, 2, 0).contiguous().numpy()


def resized():
    source = Image.fromarray(picture(160, 120))
    modes = {
        "nearest": InterpolationMode.NEAREST,
        "bilinear": InterpolationMode.BILINEAR,
        "bicubic": InterpolationMode.BICUBIC,
        "lanczos": InterpolationMode.LANCZOS,
    }
    cases = {}
    for name, mode in modes.items():
        cases[f"{name} down"] = encode(F.resize(source, [48, 64], mode))
        cases[f"{name} up"] = encode(F.resize(source.crop((0, 0, 20, 15)), [40, 48], mode))
    cases["shortest edge and crop"] = encode(F.center_crop(F.resize(source, 64), [56, 56]))
    cases["crop of odd margins"] = encode(F.center_crop(Image.fromarray(picture(13, 18)), [11, 10]))
    cases["crop larger than the picture"] = encode(F.center_crop(Image.fromarray(picture(9, 12)), [14, 14]))
    return cases


def colors():
    source = to_tensor(picture(24, 20))
    cases = {}
    for factor in (0.4, 1.5):
        cases[f"brightness {factor}"] = F.adjust_brightness(source, factor)
        cases[f"contrast {factor}"] = F.adjust_contrast(source, factor)
        cases[f"saturation {factor}"] = F.adjust_saturation(source, factor)
        cases[f"sharpness {factor}"] = F.adjust_sharpness(source, factor)
    for shift in (-0.3, 0.1, 0.5):
        cases[f"hue {shift}"] = F.adjust_hue(source, shift)
    return {name: encode(from_tensor(tensor)) for name, tensor in cases.items()}


def rand_augment():
    source = to_tensor(picture(24, 20))
    augment = torchvision.transforms.RandAugment()
    space = augment._augmentation_space(31, [20, 24])
    cases = {}
    for name, (magnitudes, signed) in space.items():
        for level in (9, 23):
            magnitude = float(magnitudes[level]) if magnitudes.ndim > 0 else 0.0
            for sign in (1, -1) if signed else (1,):
                result = _apply_op(source, name, sign * magnitude, InterpolationMode.NEAREST, None)
                cases[f"{name} {level} {sign}"] = encode(from_tensor(result))
    return cases


def photographs():
    """Every eighth pixel of real photographs, prepared as for ImageNet models."""
    cases = {}
    for name in ("butterfly/image_0001.jpg", "sunflower/image_0010.jpg", "Leopards/image_0020.jpg"):
        image = Image.open(CALTECH / name).convert("RGB")
        image = F.center_crop(F.resize(image, 256), [224, 224])
        cases[name] = encode(np.asarray(image)[::8, ::8].copy())
    return cases


def cmyk_jpeg():
    """White, black, red, green, blue and half grey, 16 x 16 each, as printing inks."""
    inks = [(0, 0, 0, 0), (0, 0, 0, 255), (0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 127)]
    image = Image.new("CMYK", (16 * len(inks), 16))
    for i, ink in enumerate(inks):
        image.paste(ink, (16 * i, 0, 16 * (i + 1), 16))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    return base64.b64encode(stream.getvalue()).decode()


golden = {
    "torchvision": torchvision.__version__,
    "resized": resized(),
    "colors": colors(),
    "randAugment": rand_augment(),
    "photographs": photographs(),
    "cmykJpeg": cmyk_jpeg(),
}
(HERE / "data.json").write_text(json.dumps(golden, indent=1) + "\n")
