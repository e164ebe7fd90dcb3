"""What the page shows: a model's tasks, what stands after each pass, and codes as pictures, sound and spectrograms.

Makes JSON of records and arrays. Knows no web framework, no queue and no HTML.
"""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.apps.modalities.pictures import png
from unmask.apps.modalities.spoken import SPEECH, wav
from unmask.apps.terminal.canvas_view import written
from unmask.bundle.codec_spec import CODECS
from unmask.codecs import KeepingRunner
from unmask.decoding.commit_rules import ORDERS, RULES
from unmask.decoding.denoiser import Step
from unmask.doubts import doubts
from unmask.errors import InputError
from unmask.image.preprocess import square
from unmask.session import Session, Task
from unmask.text.generator import Answer, Generator, Request
from unmask.text.partial import THOUGHT, UNKNOWN, Partial, partial

IMAGE, TEXT = "image", "text"
Json = dict[str, Any]
WINDOW, HOP = 512, 128  # samples
FLOOR_DB = -80.0
FADED = np.array([[12, 8, 38], [86, 24, 110], [187, 55, 84], [249, 142, 9], [252, 255, 190]], np.float64)
"""Colors of a spectrogram, from silence to the loudest."""


def model(session: Session) -> Json:
    """The model's name and its tasks, with what the page needs to offer them."""
    manifest = session.bundle.manifest
    kinds = [CODECS[name] for name in manifest.codecs]
    reads = {kind.modality for kind in kinds if "reads" in kind.directions} | {TEXT}
    writes = {kind.modality for kind in kinds if "writes" in kind.directions} | {TEXT}
    return {
        "name": manifest.name,
        "license": manifest.license,
        "orders": list(ORDERS),
        "rules": list(RULES),
        "tasks": [_task(session, task, reads, writes) for task in session.tasks.values()],
    }


def _task(session: Session, task: Task, reads: set[str], writes: set[str]) -> Json:
    template, schedule = session.bundle.manifest.templates[task.name], task.schedule
    return {
        "name": task.name,
        "inputs": dict(task.inputs),
        "outputs": list(task.outputs),
        "lacks": sorted({*task.inputs.values()} - reads),
        "shows": [modality for modality in task.outputs if modality in writes],
        "positions": {
            name: sum(p.size for p in template.answer if p.modality == name and not p.thought) for name in task.outputs
        },
        "guides": template.unconditional is not None,
        "schedule": {name: getattr(schedule, name) for name in ("passes", "rule", "order", "guidance", "temperature", "seed")},
    }


# ---- a run


def started(generator: Generator, request: Request, notes: Sequence[str]) -> Json:
    """What a run begins with: notes, the canvas before the first pass, and how the model reads the prompt.

    The prompt is its tokens, and how many codes or rows stand for pictures and sound.
    """
    vocabulary = generator.bundle.manifest.vocabulary
    ids = request.canvas.ids[: request.prompt]
    kinds = np.full(len(ids), TEXT, object)
    for modality, (low, high) in vocabulary.ranges.items():
        if modality != TEXT:
            kinds[(ids >= low) & (ids < high)] = modality
    tokens: list[str | Json] = []
    for kind, token in zip(kinds.tolist(), ids.tolist(), strict=True):
        if kind == TEXT:
            tokens.append(written(generator.tokenizer, token))
        elif tokens and isinstance(last := tokens[-1], dict) and last["modality"] == kind:
            last["count"] += 1
        else:
            tokens.append({"modality": kind, "count": 1})
    ids = request.canvas.start(1.0)
    masked = ids == vocabulary.mask_id
    first = Step(0, np.flatnonzero(~masked), ids, ids, np.where(masked, 0, 1).astype(np.float32), int(masked.sum()), 0, 0.0)
    return {**step(generator, request, first), "event": "started", "prompt": tokens, "notes": [sentence(n) for n in notes]}


def sentence(text: str) -> str:
    """With a capital and a point."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def step(generator: Generator, request: Request, now: Step) -> Json:
    """One pass: what stands of each modality."""
    manifest = generator.bundle.manifest
    stands = partial(request, now, manifest.vocabulary)
    ends = {*manifest.end_ids, *(piece.end_id for piece in request.answer if piece.end_id is not None)}
    return {
        "event": "step",
        "number": now.number,
        "masked": now.masked,
        "rows": now.rows,
        "seconds": now.seconds,
        "spans": [_span(generator, name, part, ends) for name, part in stands.items()],
    }


def _span(generator: Generator, name: str, part: Partial, ends: set[int]) -> Json:
    modality = TEXT if name == THOUGHT else name
    codes = [None if code == UNKNOWN else code for code in part.codes.tolist()]
    sure = [round(float(value), 3) for value in part.confidence]
    found: Json = {
        "name": name,
        "modality": modality,
        "codes": codes,
        "masked": part.masked.astype(int).tolist(),
        "confidence": sure,
    }
    if modality == TEXT:
        low = generator.bundle.manifest.vocabulary.ranges.get(TEXT, (0, 0))[0]
        found["tokens"] = [None if code is None else written(generator.tokenizer, low + code) for code in codes]
        found["useful"] = next((i for i, code in enumerate(codes) if code is not None and low + code in ends), len(codes))
    return found


def done(answer: Answer) -> Json:
    """The end of a run."""
    return {
        "event": "done",
        "text": answer.text,
        "passes": answer.passes,
        "rows": answer.rows,
        "tokens": answer.tokens,
        "seconds": answer.seconds,
    }


# ---- pictures and sound


def media(session: Session, modality: str, codes: Sequence[int]) -> Json:
    """Codes as a PNG, or as a WAV and the PNG of its spectrogram, each in base64. Raises InputError."""
    runner = session.codecs.runner(modality, "writes")
    low, high = session.bundle.manifest.vocabulary.ranges[modality]
    if not all(0 <= code < high - low for code in codes):
        raise InputError(f"{modality} codes are 0 to {high - low - 1} here")
    made = runner.decode(codes)
    if modality == SPEECH:
        return {"picture": _base64(png(spectrogram(made), ".png")), "sound": _base64(wav(made, ".wav"))}
    return {"picture": _base64(png(made, ".png"))}


def seen_picture(session: Session, pixels: NDArray[np.uint8], count: int | None) -> Json:
    """What a model sees of a picture: the picture of its codes, how close it is in dB, its codes, and notes.

    count: number of codes of an answer, None for a picture that is an input only. Raises InputError.
    """
    runner = session.codecs.runner(IMAGE, "reads")
    if count is None:
        codes: list[int | None] = list(runner.encode(pixels))  # type: ignore[arg-type]
    elif isinstance(runner, KeepingRunner):
        codes = runner.keep(pixels, np.zeros(pixels.shape[:2], bool), count)
    else:
        raise InputError(f"{session.bundle.manifest.name} cannot keep a picture, since it reads none as codes")
    made = session.codecs.runner(IMAGE, "writes").decode([code or 0 for code in codes])
    error = float(np.mean((square(pixels, len(made)).astype(np.float64) - made) ** 2))
    db = round(10 * np.log10(255**2 / max(error, 1e-3)), 1)
    notes = doubts(session.bundle, session.codecs, {IMAGE: IMAGE}, {IMAGE: pixels})
    return {"picture": _base64(png(made, ".png")), "db": db, "codes": codes, "notes": [sentence(note) for note in notes]}


def heard(samples: NDArray[np.float32]) -> Json:
    """The spectrogram of a sound that is an input."""
    return {"picture": _base64(png(spectrogram(samples), ".png"))}


def spectrogram(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(N,) -> (H, W, 3): levels over 80 dB, low tones at the bottom."""
    padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2
    level = 10 * np.log10(power / max(float(power.max()), 1e-9) + 1e-12)
    share = np.clip(1 - level.T[::-1] / FLOOR_DB, 0, 1) * (len(FADED) - 1)
    return np.stack([np.interp(share, np.arange(len(FADED)), FADED[:, i]) for i in range(3)], -1).astype(np.uint8)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
