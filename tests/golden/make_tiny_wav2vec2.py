"""Writes a tiny random wav2vec2 in the Hugging Face layout: tests/tasks/audio/fixtures/tiny_wav2vec2.

Run with a Python that has PyTorch: python3 tests/golden/make_tiny_wav2vec2.py.
"""
import json
import os

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../tasks/audio/fixtures/tiny_wav2vec2")
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
VOCABULARY = {token: i for i, token in enumerate([*SPECIAL, "|", *"abcdefg"])}


class Tiny(nn.Module):
    """Three strided convolutions, 320 samples a frame, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 16, 10, 5)
        self.conv2 = nn.Conv1d(16, 16, 8, 8)
        self.conv3 = nn.Conv1d(16, 16, 8, 8)
        self.head = nn.Linear(16, len(VOCABULARY))

    def features(self, input_values):
        x = torch.relu(self.conv1(input_values[:, None]))
        x = torch.relu(self.conv3(torch.relu(self.conv2(x))))
        return 5 * x.transpose(1, 2)

    def forward(self, input_values):
        return self.head(self.features(input_values))

    def make_talkative(self):
        """Noise makes it say all letters, but no special tokens, which published models never write down."""
        with torch.no_grad():
            mean = self.features(torch.randn(1, 16000)).mean((0, 1))
            self.head.weight *= 10
            self.head.bias[:] = -self.head.weight @ mean
            self.head.bias[1 : len(SPECIAL)] -= 100
        return self


def write(name, content):
    with open(os.path.join(OUT, name), "w") as file:
        json.dump(content, file, indent=2)


os.makedirs(os.path.join(OUT, "onnx"), exist_ok=True)
torch.manual_seed(0)
torch.onnx.export(
    Tiny().make_talkative().eval(),
    torch.randn(1, 16000),
    os.path.join(OUT, "onnx", "model.onnx"),
    input_names=["input_values"],
    output_names=["logits"],
    dynamic_axes={"input_values": {0: "batch", 1: "samples"}, "logits": {0: "batch", 1: "frames"}},
    opset_version=13,
)
write("config.json", {
    "model_type": "wav2vec2",
    "architectures": ["Wav2Vec2ForCTC"],
    "vocab_size": len(VOCABULARY),
    "pad_token_id": 0,
    "inputs_to_logits_ratio": 320,
})
write("preprocessor_config.json", {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "processor_class": "Wav2Vec2Processor",
    "do_normalize": True,
    "feature_size": 1,
    "padding_value": 0.0,
    "return_attention_mask": False,
    "sampling_rate": 16000,
})
write("tokenizer_config.json", {
    "tokenizer_class": "Wav2Vec2CTCTokenizer",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "word_delimiter_token": "|",
})
flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
write("tokenizer.json", {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [{"id": i, "content": token, **flags} for i, token in enumerate(SPECIAL)],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "|"},
    "pre_tokenizer": {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False},
    "post_processor": None,
    "decoder": {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
    "model": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "<unk>"},
})
