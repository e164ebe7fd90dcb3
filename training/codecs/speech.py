"""Make the speech codec of omni-tiny: 1,024 stretches of 50 ms that are nearest to all that it says (k-means on hibari's frames).

    python -m unmask.training.codecs.speech --out CODEC

Takes some minutes on one core; what is there is not made again. CODEC/speech.safetensors has the stretches, CODEC/decoder.onnx
the part of hibari that makes sound of them, CODEC/pace.json the codes of each token, CODEC/sentences.npz what was said for
training and, apart, for measuring. Weights know one codec only: to train those of a bundle further, `--like BUNDLE` takes its
stretches and lengths. CODEC/log.jsonl has what the captioner hears, and how much of the codes the words alone tell.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cyclopts
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.bundle.manifest import Bundle, load_bundle
from unmask.export.codecs.hibari import CODE_FRAMES, DECODER, FILE, FRAME_NUMBERS, MEANS, NAME, ROLE, SPEECH_CODES, TABLE
from unmask.speech.synthesis.voice import CODES_PER_SECOND
from unmask.training.codecs.pace import Pace, pronounced
from unmask.training.codecs.sentences import every_sound, sentences
from unmask.training.codecs.stickers import means, nearest
from unmask.training.codecs.voice import Floats, Voice
from unmask.training.omni.vocabulary import make_tokenizer

PACE, SAID, LOG = "pace.json", "sentences.npz", "log.jsonl"
NUMBERS = CODE_FRAMES * FRAME_NUMBERS
COMPONENTS = 64
"""Dimensions in which stretches are compared: they have 99 % of the variance."""
FIRST = "m.dec_in.weight"  # of the decoder
PROJECTION = "projection"
ROUNDS = 10

PACED, CLUSTERED, HELD = 400, 1000, 200
"""Sentences to measure durations, to find the stretches, and to measure with."""
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Said:
    """Sentences and their codes."""

    texts: list[str]
    codes: list[Ids]


@dataclass(frozen=True)
class Codes:
    """What codes stand for, and how many say each token."""

    means: Tensor
    """(SPEECH_CODES, NUMBERS)"""
    counts: dict[str, int]

    @classmethod
    def of(cls, bundle: Bundle) -> "Codes":
        """Those of a bundle of omni-tiny."""
        graph = onnx.load(bundle.folder / bundle.manifest.codecs[NAME].graphs[ROLE]).graph
        table, scales = (
            numpy_helper.to_array(tensor).astype(np.float32)
            for name in (TABLE, f"{TABLE}_scales")
            for tensor in graph.initializer
            if tensor.name == name
        )
        said = {bundle.tokenizer.id_to_token(i): count for i, count in enumerate(bundle.manifest.spoken) if count}
        return cls(torch.from_numpy(table * scales), said)


def main(out: Path, count: int = 6000, seed: int = 0, like: Path | None = None) -> None:
    """count: sentences to train with. like: an omni-tiny whose codes, and how many of them say each token, are taken."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    maker = Maker(Voice(), out, seed, Codes.of(load_bundle(like)) if like else None)
    maker.pace()
    maker.stretches()
    maker.sentences(count)
    line = predictable(load_speech(out))
    print(json.dumps(line))
    (out / LOG).write_text(json.dumps(line) + "\n", encoding="utf-8")


class Maker:
    """Makes each file that is not there yet."""

    def __init__(self, voice: Voice, out: Path, seed: int, kept: Codes | None = None) -> None:
        """kept: codes that are taken as they are."""
        self._voice, self._out, self._seed, self._kept, self._tokenizer = voice, out, seed, kept, make_tokenizer()

    def pace(self) -> None:
        if not (self._out / PACE).exists():
            texts = [*sentences(PACED, self._seed), *every_sound()]
            pace = Pace.measured(self._voice, [pronounced(self._voice, self._tokenizer, text) for text in texts])
            codes = self._kept.counts if self._kept else pace.codes
            onnx.save(self._voice.decoder(), self._out / DECODER)
            (self._out / PACE).write_text(json.dumps({"codes": codes, "shares": pace.shares}) + "\n", encoding="utf-8")

    def stretches(self) -> None:
        if not (self._out / FILE).exists():
            points = np.concatenate([stretches for _, stretches in self._said(sentences(CLUSTERED, self._seed))])
            projection = heard_by(self._voice.decoder(), points, COMPONENTS)
            made = self._kept.means if self._kept else clustered(points, projection, self._seed)
            save_file({MEANS: made.half(), PROJECTION: torch.from_numpy(projection)}, self._out / FILE)

    def sentences(self, count: int) -> None:
        if (self._out / SAID).exists():
            return
        tensors, made = load_file(self._out / FILE), {}
        projection = tensors[PROJECTION]
        centers = tensors[MEANS].float() @ projection
        for name, texts in (("train", sentences(count, self._seed)), ("held", sentences(HELD, self._seed, held=True))):
            said = [(text, nearest(torch.from_numpy(own) @ projection, centers)[1].numpy()) for text, own in self._said(texts)]
            made[f"{name}_texts"] = np.array([text for text, _ in said])
            made[f"{name}_codes"] = np.concatenate([codes for _, codes in said]).astype(np.uint16)
            made[f"{name}_lengths"] = np.array([len(codes) for _, codes in said])
        np.savez_compressed(self._out / SAID, **made)

    def _said(self, texts: Iterable[str]) -> Iterator[tuple[str, Floats]]:
        """Each text, and its stretches (N, NUMBERS)."""
        every = list(texts)
        return zip(every, said_stretches(self._voice, read_pace(self._out), every), strict=True)


def clustered(points: Floats, projection: Floats, seed: int) -> Tensor:
    """(SPEECH_CODES, NUMBERS) the stretches that are nearest to all points."""
    found = torch.from_numpy(points @ projection)
    centers = means(found, torch.ones(len(found)), SPEECH_CODES, ROUNDS, seed)
    at = nearest(found, centers)[1]
    sums = torch.zeros(SPEECH_CODES, NUMBERS).index_add_(0, at, torch.from_numpy(points))
    return sums / torch.bincount(at, minlength=SPEECH_CODES)[:, None].clamp(min=1)


def said_stretches(voice: Voice, pace: Pace, texts: Iterable[str]) -> Iterator[Floats]:
    """(N, NUMBERS) of each text."""
    tokenizer = make_tokenizer()
    for text in texts:
        yield pace.frames(voice, pronounced(voice, tokenizer, text)).reshape(-1, NUMBERS)


def heard_by(decoder: onnx.ModelProto, points: Floats, components: int) -> Floats:
    """(NUMBERS, components): stretches differ after it as the first layer of the decoder hears it, in its main components."""
    weight = next(numpy_helper.to_array(tensor) for tensor in decoder.graph.initializer if tensor.name == FIRST)
    taps = weight.shape[2]  # (width, FRAME_NUMBERS, taps)
    response = np.zeros((CODE_FRAMES + taps - 1, len(weight), CODE_FRAMES, FRAME_NUMBERS), np.float32)
    for frame in range(CODE_FRAMES):
        for tap in range(taps):
            response[frame + taps - 1 - tap, :, frame] += weight[:, :, tap]
    flat = response.reshape(-1, NUMBERS)
    values, vectors = np.linalg.eigh(flat.T @ flat)
    metric = vectors * np.sqrt(values.clip(min=0))
    heard = points @ metric
    _, main = np.linalg.eigh(np.cov(heard.T))
    projection: Floats = np.ascontiguousarray(metric @ main[:, -components:], np.float32)
    return projection


def read_pace(folder: Path) -> Pace:
    saved = json.loads((folder / PACE).read_text(encoding="utf-8"))
    return Pace(saved["codes"], saved["shares"])


@dataclass(frozen=True)
class SpeechCodec:
    """What training reads of the codec."""

    means: Tensor
    """(SPEECH_CODES, NUMBERS)"""
    pace: Pace
    train: Said
    held: Said


def load_speech(folder: Path) -> SpeechCodec:
    """What this program wrote."""
    with np.load(folder / SAID) as saved:
        parts = {
            name: Said(
                saved[f"{name}_texts"].tolist(),
                np.split(saved[f"{name}_codes"].astype(np.int64), np.cumsum(saved[f"{name}_lengths"])[:-1]),
            )
            for name in ("train", "held")
        }
    return SpeechCodec(load_file(folder / FILE)[MEANS].float(), read_pace(folder), **parts)


def predictable(codec: SpeechCodec) -> dict[str, float]:
    """How well the usual code of each place in a word tells those of sentences that are held out: what a model has to beat."""
    tokenizer = make_tokenizer()
    counts = defaultdict[tuple[str, int], Counter[int]](Counter)
    for text, codes in zip(codec.train.texts, codec.train.codes, strict=True):
        for slot, code in zip(codec.pace.slots(tokenizer.encode(text).tokens), codes.tolist(), strict=True):
            counts[slot][code] += 1
    usual = {slot: counter.most_common(1)[0][0] for slot, counter in counts.items()}
    right = [
        usual.get(slot) == code
        for text, codes in zip(codec.held.texts, codec.held.codes, strict=True)
        for slot, code in zip(codec.pace.slots(tokenizer.encode(text).tokens), codes.tolist(), strict=True)
    ]
    seconds = sum(map(len, codec.train.codes)) / CODES_PER_SECOND
    return {
        "sentences": len(codec.train.texts),
        "hours": round(seconds / 3600, 2),
        "codes_used": len(np.unique(np.concatenate(codec.train.codes))),
        "places": sum(codec.pace.codes.values()),
        "usual_code": round(float(np.mean(right)), 4),
    }


if __name__ == "__main__":
    cyclopts.run(main)
