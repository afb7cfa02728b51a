"""The networks of the benchmark onnx-parity, as their usual PyTorch sources have them, and a tiny one of each family.

`build(name, tiny)` gives a network, its inputs by name and the targets of its cross-entropy loss. No parameter has the
value it was initialised with, lest two of them be alike, and there is no dropout.
"""
import math
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models import convnext, densenet, efficientnet, mobilenetv3, resnet

CLASSES = 10
TINY_CLASSES = 3


def classifier(features, channels):
    """Features of pictures, their means, and a linear layer."""
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(channels, TINY_CLASSES))


def conv_norm(inputs, outputs, activation, stride=2):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), activation()
    )


def resnet18(tiny):
    if not tiny:
        return models.resnet18(num_classes=CLASSES)
    shortcut = nn.Sequential(nn.Conv2d(4, 6, 1, 2, bias=False), nn.BatchNorm2d(6))
    block = resnet.BasicBlock(4, 6, 2, shortcut)
    return classifier(nn.Sequential(conv_norm(3, 4, nn.ReLU), nn.MaxPool2d(3, 2, 1), block), 6)


def mobilenet_v3_small(tiny):
    if not tiny:
        return models.mobilenet_v3_small(num_classes=CLASSES, dropout=0.0)
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
    # input, kernel, expanded, output channels, squeeze-and-excitation, activation, stride, dilation, width
    squeezed = mobilenetv3.InvertedResidualConfig(8, 5, 16, 8, True, "HS", 1, 1, 1.0)
    plain = mobilenetv3.InvertedResidualConfig(8, 3, 16, 8, False, "RE", 2, 1, 1.0)
    blocks = [mobilenetv3.InvertedResidual(config, norm) for config in (squeezed, plain)]
    return classifier(nn.Sequential(conv_norm(3, 8, nn.Hardswish), *blocks), 8)


def efficientnet_b0(tiny):
    if not tiny:
        model = models.efficientnet_b0(num_classes=CLASSES, stochastic_depth_prob=0.0)
        model.classifier[0].p = 0.0
        return model
    config = partial(efficientnet.MBConvConfig, 2)
    blocks = [
        efficientnet.MBConv(config(3, 2, 8, 8, 1), 0.0, nn.BatchNorm2d),
        efficientnet.MBConv(config(5, 1, 8, 8, 1), 0.0, nn.BatchNorm2d),
    ]
    return classifier(nn.Sequential(conv_norm(3, 8, nn.SiLU), *blocks), 8)


def convnext_tiny(tiny):
    if not tiny:
        return models.convnext_tiny(num_classes=CLASSES, stochastic_depth_prob=0.0)
    norm = partial(convnext.LayerNorm2d, eps=1e-6)
    stem = nn.Sequential(nn.Conv2d(3, 4, 4, 4), norm(4))
    down = nn.Sequential(norm(4), nn.Conv2d(4, 6, 2, 2))
    blocks = [convnext.CNBlock(4, 0.5, 0.0), down, convnext.CNBlock(6, 0.5, 0.0)]
    return classifier(nn.Sequential(stem, *blocks), 6)


def densenet121(tiny):
    if not tiny:
        return models.densenet121(num_classes=CLASSES)
    blocks = [densenet._DenseBlock(2, 4, 2, 4, 0.0), densenet._Transition(12, 6)]
    return classifier(nn.Sequential(conv_norm(3, 4, nn.ReLU), *blocks), 6)


def vit(tiny):
    if tiny:
        return models.VisionTransformer(16, 8, 1, 2, 8, 16, num_classes=TINY_CLASSES)
    return models.VisionTransformer(64, 16, 4, 4, 128, 256, num_classes=CLASSES)


def swin(tiny):
    sizes = ([4, 4], 8, [2], [2], [2, 2]) if tiny else ([4, 4], 48, [2, 2, 2], [2, 4, 8], [4, 4])
    classes = TINY_CLASSES if tiny else CLASSES
    return models.SwinTransformer(*sizes, mlp_ratio=2.0, stochastic_depth_prob=0.0, num_classes=classes)


def attend(query, key, value, heads, mask=None):
    batch, tokens, width = query.shape

    def split(t):
        return t.view(batch, tokens, heads, width // heads).permute(0, 2, 1, 3)

    scores = split(query) @ split(key).transpose(-1, -2) / math.sqrt(width // heads)
    weights = torch.softmax(scores if mask is None else scores + mask, -1)
    return (weights @ split(value)).permute(0, 2, 1, 3).contiguous().view(batch, tokens, width)


class BertLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.dense = (nn.Linear(width, width) for _ in range(4))
        self.norm = nn.LayerNorm(width, 1e-12)
        self.intermediate = nn.Linear(width, 2 * width)
        self.output = nn.Linear(2 * width, width)
        self.output_norm = nn.LayerNorm(width, 1e-12)

    def forward(self, x, mask):
        attended = attend(self.query(x), self.key(x), self.value(x), self.heads, mask)
        x = self.norm(x + self.dense(attended))
        return self.output_norm(x + self.output(F.gelu(self.intermediate(x))))


class BertClassifier(nn.Module):
    """Word, position and token type embeddings, layers in which padding is masked, a pooler on the first token."""

    def __init__(self, vocabulary, positions, width, heads, layers, classes):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position_embeddings = nn.Embedding(positions, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.register_buffer("position_ids", torch.arange(positions)[None])
        self.layers = nn.ModuleList([BertLayer(width, heads) for _ in range(layers)])
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, input_ids, attention_mask, token_type_ids):
        mask = (1.0 - attention_mask[:, None, None, :].to(self.pooler.weight.dtype)) * -10000.0
        positions = self.position_ids[:, : input_ids.shape[1]]
        x = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        x = self.norm(x + self.position_embeddings(positions))
        for layer in self.layers:
            x = layer(x, mask)
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


def bert(tiny):
    return BertClassifier(12, 8, 8, 2, 1, TINY_CLASSES) if tiny else BertClassifier(1000, 64, 128, 4, 3, CLASSES)


class RecurrentClassifier(nn.Module):
    """Token embeddings, a recurrent network, and a linear layer on its last states of both directions."""

    def __init__(self, kind, vocabulary, width, hidden, layers, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.recurrent = kind(width, hidden, layers, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, input_ids):
        _, state = self.recurrent(self.embedding(input_ids))
        hidden = state[0] if isinstance(state, tuple) else state
        return self.head(torch.cat([hidden[-2], hidden[-1]], -1))


def recurrent(kind, tiny):
    sizes = (12, 4, 3, 1, TINY_CLASSES) if tiny else (1000, 64, 96, 2, CLASSES)
    return RecurrentClassifier(kind, *sizes)


class AudioLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.linear1, self.linear2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.out_proj(attend(self.q_proj(y), self.k_proj(y), self.v_proj(y), self.heads))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class AudioEncoder(nn.Module):
    """Strided convolutions over a waveform, convolutional positions, transformer layers: the form of wav2vec 2.0."""

    def __init__(self, channels, width, heads, layers, classes):
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Conv1d(1, channels, 10, 5, bias=False), nn.Conv1d(channels, channels, 3, 2, bias=False)]
        )
        self.group_norm = nn.GroupNorm(channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, width)
        self.positions = nn.utils.weight_norm(nn.Conv1d(width, width, 8, padding=4, groups=4), dim=2)
        self.layers = nn.ModuleList([AudioLayer(width, heads) for _ in range(layers)])
        self.head = nn.Linear(width, classes)

    def forward(self, waveform):
        x = F.gelu(self.group_norm(self.convs[0](waveform[:, None])))
        # Only then transposed, the gradient of PyTorch 1.13's gelu would hold numbers that nobody computed.
        x = F.gelu(self.convs[1](x).transpose(1, 2).contiguous())
        x = self.project(self.norm(x))
        x = x + F.gelu(self.positions(x.transpose(1, 2))[:, :, :-1].transpose(1, 2).contiguous())
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def audio(tiny):
    return AudioEncoder(4, 8, 2, 1, TINY_CLASSES) if tiny else AudioEncoder(64, 96, 4, 3, CLASSES)


# How each is made, height and width of its pictures and of the tiny one's, and the seed. Pictures are oblong where the
# network takes such ones: height and width cannot be mistaken for each other. With most seeds an activation or two of
# the many lie so near a ReLU's kink that rounding decides on which side, and whole gradients differ by percents, between
# PyTorch in float32 and in float64 too. With these seeds weights that are changed by a millionth change no gradient by
# a thousandth: `onnx_parity.py --seed` tells how it is with others.
FAMILIES = {
    "resnet18": (resnet18, (64, 80), (14, 18), 1),
    "mobilenet_v3_small": (mobilenet_v3_small, (64, 80), (12, 10), 1),
    "efficientnet_b0": (efficientnet_b0, (64, 80), (12, 10), 0),
    "convnext_tiny": (convnext_tiny, (64, 96), (16, 24), 0),
    "densenet121": (densenet121, (32, 64), (12, 8), 9),
    "vit": (vit, (64, 64), (16, 16), 0),
    "swin": (swin, (64, 96), (16, 24), 0),
    "bert": (bert, None, None, 0),
    "lstm": (partial(recurrent, nn.LSTM), None, None, 0),
    "gru": (partial(recurrent, nn.GRU), None, None, 0),
    "audio": (audio, None, None, 0),
}


def tokens(name, tiny):
    length, vocabulary = (5, 12) if tiny else (32, 1000)
    ids = torch.randint(1, vocabulary, (4, length))
    if name != "bert":
        return {"input_ids": ids}
    mask = (torch.arange(length)[None] < torch.tensor([length, length - 1, length // 2, 2])[:, None]).long()
    types = (torch.arange(length)[None] >= length // 3).long().expand(4, length) * mask
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types}


def draw(model, only_relus):
    """Moves every parameter away from its initial value, and most activations away from the kinks of ReLUs."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("layer_scale"):
                parameter.uniform_(0.3, 0.7)
            elif parameter.dim() == 1 or not parameter.any():
                parameter.add_(0.1 * torch.randn_like(parameter))
        for norm in batch_norms(model) if only_relus else []:
            norm.bias.uniform_(2.0, 3.0)
            norm.bias *= torch.sign(torch.randn_like(norm.bias)) * norm.weight


def batch_norms(model):
    return [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]


def settle(model, inputs):
    """Gives batch norms statistics near those of the inputs, so that activations neither grow nor vanish."""
    momenta = [norm.momentum for norm in batch_norms(model)]
    for norm in batch_norms(model):
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        model.train()(*inputs.values())
    for norm, momentum in zip(batch_norms(model), momenta):
        norm.momentum = momentum
        norm.running_mean += 0.1 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)
        norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.8, 1.25)


def build(name, tiny=False, seed=None):
    """(network in training mode, {input name: tensor}, targets)"""
    make, size, tiny_size, usual_seed = FAMILIES[name]
    torch.manual_seed(usual_seed if seed is None else seed)
    model = make(tiny)
    draw(model, only_relus=name in ("resnet18", "densenet121"))
    classes = TINY_CLASSES if tiny else CLASSES
    if name == "audio":
        inputs = {"input_values": torch.randn(2, 160 if tiny else 1600)}
    elif size is not None:
        inputs = {"pixel_values": torch.randn(4, 3, *(tiny_size if tiny else size))}
    else:
        inputs = tokens(name, tiny)
    if batch_norms(model):
        settle(model, inputs)
    with torch.no_grad():
        shape = model.eval()(*inputs.values()).shape[:-1]
    return model.train(), inputs, torch.arange(shape.numel()).reshape(shape) % classes


def loss_of(logits, targets):
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten())
