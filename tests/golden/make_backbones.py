"""Golden features of torchvision's backbones with weights from a formula: python3 make_backbones.py > backbones.json"""
import json

import torch
import torchvision


def fill(state):
    for index, (name, tensor) in enumerate(state.items()):
        if name.endswith("num_batches_tracked"):
            continue
        wave = torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) * 0.7 + index).reshape(tensor.shape)
        if name.endswith("running_var"):
            value = 1 + 0.5 * wave
        elif tensor.dim() == 1:
            value = (1 if name.endswith("weight") else 0) + 0.1 * wave
        else:
            value = wave * (3 / tensor[0].numel()) ** 0.5
        tensor.copy_(value.float())


def golden(model, features):
    model.eval()
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(("classifier", "fc"))}
    with torch.no_grad():
        fill(state)
        pixels = torch.sin(torch.arange(2 * 64 * 64 * 3) * 0.05).reshape(2, 64, 64, 3).permute(0, 3, 1, 2)
        output = features(model, pixels)
    return {
        "shapes": {k: list(v.shape) for k, v in state.items()},
        "features": [[round(x, 7) for x in row[:24]] for row in output.tolist()],
        "sums": output.sum(1).tolist(),
    }


def resnet_features(model, pixels):
    model.fc = torch.nn.Identity()
    return model(pixels)


print(
    json.dumps(
        {
            "mobilenet_v2": golden(torchvision.models.mobilenet_v2(), lambda m, x: m.features(x).mean((2, 3))),
            "resnet18": golden(torchvision.models.resnet18(), resnet_features),
        }
    )
)
