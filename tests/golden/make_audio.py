"""Writes audio.json beside this file: mel filters, mel spectrograms and MFCCs by torchaudio's and librosa's formulas.

Neither package is needed: spectrograms are torch.stft's, and the filters and cosines are written out here as their
documentation has them. Run with a Python that has PyTorch: python3 tests/golden/make_audio.py.
"""
import json
import math
import os

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_default_dtype(torch.float64)


def dump(tensor):
    rounded = [float(f"{v:.7g}") for v in tensor.detach().reshape(-1).tolist()]
    return {"shape": list(tensor.shape), "data": rounded}


def hz_to_mel(hz, scale):
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    return hz * 3 / 200 if hz < 1000 else 15.0 + math.log(hz / 1000.0) / (math.log(6.4) / 27.0)


def mel_to_hz(mel, scale):
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return torch.where(mel < 15, mel * 200 / 3, 1000.0 * torch.exp((math.log(6.4) / 27.0) * (mel - 15.0)))


def filters(rate, n_fft, n_mels, f_min, f_max, scale, norm):
    freqs = torch.linspace(0, rate / 2, n_fft // 2 + 1)
    mels = torch.linspace(hz_to_mel(f_min, scale), hz_to_mel(f_max, scale), n_mels + 2)
    points = mel_to_hz(mels, scale)
    widths = points[1:] - points[:-1]
    slopes = points[None, :] - freqs[:, None]
    falling = -slopes[:, :-2] / widths[:-1]
    rising = slopes[:, 2:] / widths[1:]
    bank = torch.clamp(torch.minimum(falling, rising), min=0)
    if norm == "slaney":
        bank = bank * (2.0 / (points[2:] - points[:-2]))[None, :]
    return bank


def spectrogram(x, n_fft, win, hop, power, center, pad):
    window = torch.hann_window(win, periodic=True)
    stft = torch.stft(x, n_fft, hop, win, window, center=center, pad_mode=pad, return_complex=True)
    return stft.abs() ** power


def case(name, x, rate=16000, n_fft=400, win=400, hop=160, n_mels=80, f_min=0.0, f_max=None, scale="htk", norm=None,
         power=2, center=True, pad="reflect", log="none", top_db=None):
    f_max = rate / 2 if f_max is None else f_max
    bank = filters(rate, n_fft, n_mels, f_min, f_max, scale, norm)
    mel = spectrogram(x, n_fft, win, hop, power, center, pad).T @ bank
    drop = log == "whisper"
    if drop:
        mel = mel[:-1]
    if log == "natural":
        mel = torch.log(mel + 1e-6)
    elif log == "decibel":
        mel = 10 * torch.log10(torch.clamp(mel, min=1e-10))
        if top_db is not None:
            mel = torch.maximum(mel, mel.max() - top_db)
    elif log == "whisper":
        mel = torch.log10(torch.clamp(mel, min=1e-10))
        mel = (torch.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0
    options = {
        "sampleRate": rate, "nFft": n_fft, "winLength": win, "hopLength": hop, "nMels": n_mels, "fMin": f_min,
        "fMax": f_max, "melScale": scale, "norm": norm, "power": power, "center": center, "padMode": pad, "log": log,
        "topDb": top_db, "dropLastFrame": drop,
    }
    return {"name": name, "options": options, "mel": dump(mel)}


def mfcc(x, n_mfcc, n_mels, n_fft, hop):
    bank = filters(16000, n_fft, n_mels, 0.0, 8000.0, "htk", None)
    mel = spectrogram(x, n_fft, n_fft, hop, 2, True, "reflect").T @ bank
    db = 10 * torch.log10(torch.clamp(mel, min=1e-10))
    db = torch.maximum(db, db.max() - 80.0)
    n, k = torch.arange(float(n_mels)), torch.arange(float(n_mfcc))[:, None]
    dct = torch.cos(math.pi / n_mels * (n + 0.5) * k) * math.sqrt(2.0 / n_mels)
    dct[0] *= 1.0 / math.sqrt(2.0)
    options = {"nMfcc": n_mfcc, "nMels": n_mels, "nFft": n_fft, "hopLength": hop}
    return {"options": options, "mfcc": dump(db @ dct.T)}


def sound(samples, rate):
    """A chirp with harmonics and a click, as anybody can compute it again."""
    t = torch.arange(float(samples)) / rate
    x = 0.4 * torch.sin(2 * math.pi * (200 * t + 2000 * t * t)) + 0.2 * torch.sin(2 * math.pi * 3100 * t)
    x = x + 0.05 * torch.sin(1000 * t * t * t * 97)
    x[samples // 2] += 0.5
    return x.float().double()


x = sound(3200, 16000)
golden = {
    "samples": 3200,
    "mel": [
        case("torchaudio's defaults, 24 bands", x, n_mels=24, hop=200),
        case("natural logarithm, as speech models have it", x, n_mels=40, n_fft=512, win=400, log="natural", f_min=20.0),
        case("librosa: slaney's scale and norm, decibels", x, n_fft=512, win=512, hop=128, n_mels=32, scale="slaney",
             norm="slaney", pad="constant", log="decibel", top_db=80.0),
        case("whisper", x, scale="slaney", norm="slaney", log="whisper"),
        case("magnitudes, frames that begin at samples", x, n_mels=16, power=1, center=False),
        case("8 kHz, zeros beyond the ends", x, rate=8000, n_fft=256, win=200, hop=80, n_mels=20, pad="constant",
             log="natural"),
    ],
    "mfcc": mfcc(x, 13, 40, 400, 160),
}
with open(os.path.join(HERE, "audio.json"), "w") as file:
    json.dump(golden, file)
