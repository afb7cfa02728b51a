"""Writes text_finetune.onnx and text_finetune.json: an encoder, and how PyTorch fine-tunes it on banking77 by the recipe of
TextClassifier (AdamW, a warm-up and a cosine, gradients clipped to norm 1, the encoder at a tenth of the head's rate)."""

import base64
import collections
import csv
import json
import math
import unicodedata
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from text_encoder import Encoder, draw_norms, export, mean_of_tokens

HERE = Path(__file__).parent
DATA = HERE / "../../../shared/data/banking77"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCAB, WIDTH, HEADS, LAYERS, LENGTH = 500, 24, 2, 3, 32
BATCH, STEPS, RATE, DECAY, SLOWER, WARMUP = 32, 120, 2e-2, 0.01, 0.1, 0.1
# The n-th text is in this row of the table, modulo its length: batches hold many classes.
ROW = (7919, 13)  # 7919 n + 13 n²

torch.manual_seed(0)
with open(DATA / "train.csv", newline="") as file:
    rows = list(csv.DictReader(file))
labels = json.loads((DATA / "categories.json").read_text())


def is_punctuation(character):
    return (character.isascii() and not character.isalnum()) or unicodedata.category(character)[0] == "P"


def words(text):
    """As BERT divides lower-cased texts: at white space, and around punctuation."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    return "".join(f" {c} " if is_punctuation(c) and not c.isspace() else c for c in plain).split()


counts = collections.Counter(word for row in rows for word in words(row["text"]) if word.isascii())
ranked = sorted(counts, key=lambda word: (-counts[word], word))
vocabulary = SPECIAL + ranked[: VOCAB - len(SPECIAL)]
numbers = {word: i for i, word in enumerate(vocabulary)}


def encode(text):
    ids = [numbers.get(word, 1) for word in words(text)]
    return [2] + ids[: LENGTH - 2] + [3]


def drawn(n):
    return rows[(ROW[0] * n + ROW[1] * n * n) % len(rows)]


def batch(step):
    chosen = [drawn(step * BATCH + i) for i in range(BATCH)]
    ids = [encode(row["text"]) for row in chosen]
    longest = max(map(len, ids))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    return padded, mask, torch.tensor([labels.index(row["category"]) for row in chosen])


encoder, head = Encoder(VOCAB, WIDTH, HEADS, LAYERS, LENGTH), nn.Linear(WIDTH, len(labels))
draw_norms(encoder)
ids, mask, _ = batch(0)
export(encoder, (ids, mask), str(HERE / "text_finetune.onnx"))
first = {"weight": head.weight.detach().clone(), "bias": head.bias.detach().clone()}


def logits_of(ids, mask):
    return head(mean_of_tokens(encoder(ids, mask), mask))


def gradients(step):
    """The norm of each parameter's gradient, of one batch."""
    ids, mask, target = batch(step)
    module = nn.ModuleDict({"encoder": encoder, "head": head})
    module.zero_grad()
    F.cross_entropy(logits_of(ids, mask), target).backward()
    return {name: parameter.grad.norm().item() for name, parameter in module.named_parameters()}


def groups(module, rate):
    parameters = list(module.parameters())
    return [
        {"params": [p for p in parameters if p.dim() > 1], "lr": rate, "weight_decay": DECAY},
        {"params": [p for p in parameters if p.dim() <= 1], "lr": rate, "weight_decay": 0.0},
    ]


def factor(step, warmup=round(WARMUP * STEPS)):
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / (STEPS - warmup))))


gradients_before = gradients(0)
optimizer = torch.optim.AdamW(groups(encoder, RATE * SLOWER) + groups(head, RATE))
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
losses = []
for step in range(STEPS):
    ids, mask, target = batch(step)
    optimizer.zero_grad()
    loss = F.cross_entropy(logits_of(ids, mask), target)
    loss.backward()
    nn.utils.clip_grad_norm_([*encoder.parameters(), *head.parameters()], 1.0)
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
with torch.no_grad():
    ids, mask, _ = batch(0)
    logits = logits_of(ids, mask)

numbers_of = lambda tensor: base64.b64encode(tensor.detach().numpy().tobytes()).decode()
result = {
    "vocabulary": vocabulary,
    "length": LENGTH,
    "batch": BATCH,
    "row": ROW,
    "learningRate": RATE,
    "weightDecay": DECAY,
    "head": {name: numbers_of(tensor) for name, tensor in first.items()},
    "tokens": [encode(drawn(i)["text"]) for i in range(BATCH)],
    "losses": [round(loss, 6) for loss in losses],
    "gradientsBefore": gradients_before,
    "gradientsAfter": gradients(STEPS),
    "logits": numbers_of(logits),
}
(HERE / "text_finetune.json").write_text(json.dumps(result))
print([round(loss, 2) for loss in losses[::8]], losses[-1])
