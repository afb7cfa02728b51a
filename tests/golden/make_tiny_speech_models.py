"""Writes a tiny Whisper and a tiny Moonshine in the Hugging Face layout: tests/tasks/audio/fixtures/tiny_whisper, tiny_moonshine.

Their weights are random, but for what makes them say something that a test can foresee: the decoder says one word after the
other by its position, the second one by how loud the sound is, and how it ends by whether <|notimestamps|> is in its cache.
Inputs, outputs, caches and configurations are those of published models.
Run with a Python that has PyTorch and onnx: python3 tests/golden/make_tiny_speech_models.py.
"""
import json
import os
from typing import Tuple

import onnx
import torch
from torch import Tensor, nn

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../tasks/audio/fixtures")
WIDTH, HEADS = 8, 2
CACHES = ["decoder.key", "decoder.value", "encoder.key", "encoder.value"]


class WhisperEncoder(nn.Module):
    """Two convolutions, the second with stride 2; the first channel is how loud the spectrogram is."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(80, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        with torch.no_grad():
            self.conv1.weight[0] = 0
            self.conv1.weight[0, :, 1] = 1 / 80
            self.conv1.bias[0] = 2
            self.conv2.weight[0] = 0
            self.conv2.weight[0, 0, 1] = 1
            self.conv2.bias[0] = 0

    def forward(self, input_features):
        x = nn.functional.gelu(self.conv1(input_features))
        return nn.functional.gelu(self.conv2(x)).transpose(1, 2)


class MoonshineEncoder(nn.Module):
    """Three convolutions, 384 samples a frame, and how loud the samples are."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, WIDTH, 127, 64, bias=False)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 7, 3)
        self.conv3 = nn.Conv1d(WIDTH, WIDTH - 1, 3, 2)

    def forward(self, input_values):
        x = torch.tanh(self.conv1(input_values[:, None]))
        x = nn.functional.gelu(self.conv3(nn.functional.gelu(self.conv2(x))))
        loudness = 10 * input_values.abs().mean(1, keepdim=True)
        return torch.cat([loudness[:, :, None].expand(-1, -1, x.shape[2]), x], 1).transpose(1, 2)


@torch.jit.script
def cross_states(use_cache: Tensor, past_key: Tensor, past_value: Tensor, key: Tensor, value: Tensor) -> Tuple[Tensor, Tensor]:
    """A node `If`, as merged decoders have."""
    if bool(use_cache):
        return past_key, past_value
    return key, value


def to_heads(x):
    return x.reshape(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)


class Decoder(nn.Module):
    """One layer with both caches. `script`: by position, the next token where it is loud, where it is not, and without timestamps."""

    def __init__(self, vocabulary, script, loud, no_timestamps, with_attentions):
        super().__init__()
        self.vocabulary, self.loud, self.with_attentions = vocabulary, loud, with_attentions
        self.register_buffer("script", torch.tensor(script))
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.key, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.cross_key, self.cross_value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        with torch.no_grad():
            self.embedding.weight[:, 0] = 0
            self.embedding.weight[no_timestamps, 0] = 1
            for linear in (self.value, self.cross_value):
                linear.weight[0] = 0
                linear.weight[0, 0] = 1

    def forward(self, input_ids, encoder_hidden_states, past_key, past_value, past_cross_key, past_cross_value, use_cache_branch):
        x = self.embedding(input_ids)
        key = torch.cat([past_key, to_heads(self.key(x))], 2)
        value = torch.cat([past_value, to_heads(self.value(x))], 2)
        cross_key, cross_value = cross_states(
            use_cache_branch[0],
            past_cross_key,
            past_cross_value,
            to_heads(self.cross_key(encoder_hidden_states)),
            to_heads(self.cross_value(encoder_hidden_states)),
        )
        positions = torch.arange(input_ids.shape[1]) + past_key.shape[2]
        frames = torch.arange(cross_key.shape[2])
        # Each token looks at the second of its position.
        scores = -(((frames[None] - 50 * positions[:, None]) / 10.0) ** 2) + 0.01 * (to_heads(x) @ cross_key.transpose(-1, -2))
        attention = scores.softmax(-1)
        mean = (key.mean(2) * value.mean(2)).reshape(-1, 1, WIDTH) + (attention @ cross_value).transpose(1, 2).reshape(x.shape)
        is_loud = (cross_value[:, 0, :, 0].mean(1) > self.loud).float()[:, None, None]
        is_plain = (value[:, 0, :, 0].max(1)[0] > 0.5).float()[:, None, None]
        tokens = torch.arange(self.vocabulary)
        loud, quiet, plain = [(self.script[i][positions][:, None] == tokens).float()[None] for i in range(3)]
        chosen = is_plain * plain + (1 - is_plain) * (is_loud * loud + (1 - is_loud) * quiet)
        # Without timestamps the script still hears how loud it is: only where it names the loud word.
        chosen = torch.where(is_plain * (loud != quiet).float() > 0, is_loud * loud + (1 - is_loud) * quiet, chosen)
        logits = 20 * chosen + 0.1 * torch.tanh(mean @ self.embedding.weight.T)
        attentions = (attention,) if self.with_attentions else ()
        return (logits, key, value, cross_key, cross_value) + attentions


def export(folder, encoder, decoder, input_name, example, axes, frames):
    path = os.path.join(OUT, folder, "onnx")
    os.makedirs(path, exist_ok=True)
    torch.onnx.export(
        encoder.eval(), example, os.path.join(path, "encoder_model.onnx"), opset_version=14,
        input_names=[input_name], output_names=["last_hidden_state"],
        dynamic_axes={input_name: axes, "last_hidden_state": {0: "batch_size", 1: "encoder_sequence_length"}},
    )
    past = torch.randn(1, HEADS, 2, WIDTH // HEADS)
    cross = torch.randn(1, HEADS, frames, WIDTH // HEADS)
    names = [f"past_key_values.0.{cache}" for cache in CACHES]
    outputs = ["logits", *(f"present.0.{cache}" for cache in CACHES), *(["cross_attentions.0"] if decoder.with_attentions else [])]
    past_axes = {0: "batch_size", 2: "past_decoder_sequence_length"}
    cross_axes = {0: "batch_size", 2: "encoder_sequence_length_out"}
    merged = os.path.join(path, "decoder_model_merged.onnx")
    torch.onnx.export(
        decoder.eval(),
        (torch.zeros(1, 3, dtype=torch.int64), torch.randn(1, frames, WIDTH), past, past, cross, cross, torch.tensor([False])),
        merged, opset_version=14,
        input_names=["input_ids", "encoder_hidden_states", *names, "use_cache_branch"], output_names=outputs,
        dynamic_axes={
            "input_ids": {0: "batch_size", 1: "decoder_sequence_length"},
            "encoder_hidden_states": {0: "batch_size", 1: "encoder_sequence_length"},
            **{name: past_axes if "decoder" in name else cross_axes for name in names},
            "logits": {0: "batch_size", 1: "decoder_sequence_length"},
        },
    )
    onnx.checker.check_model(merged)


def write(folder, files):
    for name, content in files.items():
        with open(os.path.join(OUT, folder, name), "w") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.write("\n")


def added(tokens):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": i, "content": token, **flags} for token, i in tokens.items()]


def whisper():
    words = ["Ġhello", "Ġworld", "Ġthere", "h", "e"]
    special = [
        "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
        "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    ]
    ids = {token: i for i, token in enumerate(words + special)}
    end, start, none = ids["<|endoftext|>"], ids["<|startoftranscript|>"], ids["<|notimestamps|>"]
    second = lambda seconds: none + 1 + round(seconds / 0.02)
    segment = lambda start, stop: [second(start), ids["Ġhello"], ids["Ġworld"], second(stop)]
    # The same every 20 s, as far apart as windows of 30 s are that overlap by 5 s on either side.
    timed = [end, end, *segment(0, 6), *segment(6, 16), *segment(16, 26)]
    plain = [end, end, end, ids["Ġhello"], ids["Ġworld"], *[end] * 9]
    quiet = [ids["Ġthere"] if token == ids["Ġworld"] else token for token in timed]
    script = [line + [end] * 50 for line in (timed, quiet, plain)]
    size = none + 1 + 1501
    torch.manual_seed(1)
    decoder = Decoder(size, script, 0.7, none, True)
    export("tiny_whisper", WhisperEncoder(), decoder, "input_features", torch.randn(1, 80, 3000), {0: "batch_size"}, 1500)
    common = {"decoder_start_token_id": start, "eos_token_id": end, "bos_token_id": end, "pad_token_id": end}
    write("tiny_whisper", {
        "config.json": {
            "model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"], "is_encoder_decoder": True,
            "d_model": WIDTH, "encoder_layers": 1, "encoder_attention_heads": HEADS, "decoder_layers": 1,
            "decoder_attention_heads": HEADS, "max_source_positions": 1500, "max_target_positions": 64, "num_mel_bins": 80,
            "vocab_size": size, "median_filter_width": 7, **common,
        },
        "generation_config.json": {
            **common, "is_multilingual": True, "max_length": 32, "max_initial_timestamp_index": 500,
            "no_timestamps_token_id": none, "return_timestamps": False, "alignment_heads": [[0, 0]],
            "begin_suppress_tokens": [end], "lang_to_id": {"<|en|>": ids["<|en|>"], "<|de|>": ids["<|de|>"]},
            "task_to_id": {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        },
        "preprocessor_config.json": {
            "feature_extractor_type": "WhisperFeatureExtractor", "processor_class": "WhisperProcessor", "feature_size": 80,
            "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400, "n_samples": 480000,
            "nb_max_frames": 3000, "padding_value": 0.0, "return_attention_mask": False,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "WhisperTokenizer", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "add_prefix_space": False,
            "additional_special_tokens": special,
        },
        "tokenizer.json": {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": added({token: ids[token] for token in special}), "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                      "end_of_word_suffix": "", "fuse_unk": False, "vocab": {word: ids[word] for word in words}, "merges": []},
        },
    })


def moonshine():
    special = ["<unk>", "<s>", "</s>"]
    ids = {token: i for i, token in enumerate([*special, "▁hello", "▁world", "▁there"])}
    loud = [ids["▁hello"], ids["▁world"]]
    quiet = [ids["▁hello"], ids["▁there"]]
    script = [line + [ids["</s>"]] * 62 for line in (loud, quiet, loud)]
    torch.manual_seed(2)
    decoder = Decoder(len(ids), script, 0.5, 0, False)
    axes = {0: "batch_size", 1: "num_samples"}
    export("tiny_moonshine", MoonshineEncoder(), decoder, "input_values", torch.randn(1, 16000), axes, 40)
    common = {"decoder_start_token_id": 1, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 2}
    write("tiny_moonshine", {
        "config.json": {
            "model_type": "moonshine", "architectures": ["MoonshineForConditionalGeneration"], "is_encoder_decoder": True,
            "hidden_size": WIDTH, "encoder_num_hidden_layers": 1, "encoder_num_attention_heads": HEADS,
            "encoder_num_key_value_heads": HEADS, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": HEADS,
            "decoder_num_key_value_heads": HEADS, "max_position_embeddings": 64, "vocab_size": len(ids), **common,
        },
        "generation_config.json": {**common, "max_length": 64},
        "preprocessor_config.json": {
            "feature_extractor_type": "MoonshineFeatureExtractor", "processor_class": "MoonshineProcessor", "feature_size": 1,
            "do_normalize": False, "padding_value": 0.0, "return_attention_mask": True, "sampling_rate": 16000,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
            "pad_token": "</s>",
        },
        "tokenizer.json": {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": added({token: ids[token] for token in special}),
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ]},
            "pre_tokenizer": None, "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ]},
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": False, "vocab": ids, "merges": []},
        },
    })


whisper()
moonshine()
