"""Writes image_processors.json: photographs as Hugging Face's image processors prepare them, every 16th value.

Needs Pillow and the photographs of ../shared/data/caltech12. The steps are those of the documentation of each class; the
middle is cut where torchvision's center_crop cuts it.
"""
import json
import pathlib

from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]
PHOTOS = ["butterfly/image_0001.jpg", "grand_piano/image_0002.jpg"]
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
STEP = 16


def shortest(picture, edge, resample):
    width, height = picture.size
    if width <= height:
        size = (edge, int(edge * height / width))
    else:
        size = (int(edge * width / height), edge)
    return picture.resize(size, resample)


def middle(picture, size):
    left = int(round((picture.width - size) / 2.0))
    top = int(round((picture.height - size) / 2.0))
    return picture.crop((left, top, left + size, top + size))


def values(picture, scale, mean, std, offset=0.0, divide_again=False, bgr=False):
    result = []
    for y in range(0, picture.height, STEP):
        for x in range(0, picture.width, STEP):
            pixel = [(v * scale - offset - m) / s for v, m, s in zip(picture.getpixel((x, y)), mean, std)]
            if divide_again:
                pixel = [v / s for v, s in zip(pixel, std)]
            result += reversed(pixel) if bgr else pixel
    return [round(v, 5) for v in result]


def vit(picture):
    return values(picture.resize((224, 224), Image.BILINEAR), 1 / 255, *HALF)


def convnext(picture):
    return values(middle(shortest(picture, int(224 / 0.875), Image.BICUBIC), 224), 1 / 255, *IMAGENET)


def clip(picture):
    return values(middle(shortest(picture, 224, Image.BICUBIC), 224), 1 / 255, *CLIP)


def deit(picture):
    return values(middle(picture.resize((256, 256), Image.BICUBIC), 224), 1 / 255, *IMAGENET)


def efficientnet(picture):
    resized = picture.resize((240, 240), Image.LANCZOS)
    return values(resized, 1 / 127.5, *HALF, offset=1.0, divide_again=True)


def mobilevit(picture):
    return values(middle(shortest(picture, 288, Image.BILINEAR), 256), 1 / 255, [0] * 3, [1] * 3, bgr=True)


CONFIGS = {
    "ViTImageProcessor": (vit, {"size": {"height": 224, "width": 224}, "resample": 2}),
    "ConvNextImageProcessor": (
        convnext,
        {"size": {"shortest_edge": 224}, "resample": 3, "image_mean": IMAGENET[0], "image_std": IMAGENET[1]},
    ),
    "CLIPImageProcessor": (clip, {}),
    "DeiTImageProcessor": (deit, {"image_mean": IMAGENET[0], "image_std": IMAGENET[1]}),
    "EfficientNetImageProcessor": (
        efficientnet,
        {"size": {"height": 240, "width": 240}, "resample": 1, "rescale_factor": 1 / 127.5, "rescale_offset": True},
    ),
    "MobileViTImageProcessor": (mobilevit, {"size": {"shortest_edge": 288}}),
}

golden = {"step": STEP, "cases": []}
for kind, (prepare, config) in CONFIGS.items():
    for photo in PHOTOS:
        picture = Image.open(ROOT.parent / "shared" / "data" / "caltech12" / photo).convert("RGB")
        case = {"config": {"image_processor_type": kind, **config}, "photo": photo, "values": prepare(picture)}
        golden["cases"].append(case)

path = pathlib.Path(__file__).with_name("image_processors.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
