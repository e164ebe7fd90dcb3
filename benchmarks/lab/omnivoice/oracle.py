"""OmniVoice with random weights beside the authors' own package: logits, tokens on the same noise, codec, sound and texts.

    make omnivoice-env
    python -m benchmarks.lab.omnivoice.oracle

The package omnivoice 0.2.1 makes its half in a process of its own, of the same files. Prints what differs, and by how much.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.program import run
from unmask.benchmarks.report.tables import Table
from unmask.benchmarks.scenarios.speech.omnivoice import write_omnivoice
from unmask.decoding.streams.published import Uniform
from unmask.export.codecs.attach import add_codecs, codecs_inside, write_codecs
from unmask.export.families.omnivoice import STYLES as GROUPS
from unmask.export.families.omnivoice import languages
from unmask.export.onnx.backbone import write_backbone
from unmask.session import Session, open_model
from unmask.speech.encoding.residual import loudness
from unmask.voice.duration import frames_of, weight
from unmask.voice.saying import SayOptions
from unmask.voice.script import cleaned, ended, published_pieces
from unmask.voice.style import styled
from unmask.voice.voice import Voice

PYTHON = Path(__file__).absolute().parents[3] / ".cache/omnivoice/bin/python"  # what `make omnivoice-env` makes
SIDE = Path(__file__).with_name("side.py")
Theirs = dict[str, NDArray[Any]]
TEXT, SAID = "The birch canoe slid on the smooth planks.", "A box was thrown beside the parked truck"
LONG = "Glue the sheet to the dark blue background. It is easy to tell the depth; these days, a chicken leg is rare! " * 8
LENGTHS = ["Hello.", "Hello, world.", TEXT, "你好，世界！", "Zoë paid 12 €.", "नमस्ते दुनिया", "مرحبا بالعالم", "한국어 문장입니다."]
CLEANED = [" a\nb  c ", "你 好 (x) world 。", "Dr. Who（what） said: [sigh] no.\r\n"]
CUT = ["One, two. Mr. Smith went; e.g. home! “Yes.” a. bb. ccc", "短。句子很长，真的吗？是的！", "no marks in this one", ". x"]
STYLES = [("Male, British accent", "hi"), ("female,whisper", "你好"), ("女，四川话", "hi"), ("男, high pitch", "hello")]
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "auto": ({}, {}),
    "cold": ({"position_temperature": 0.0, "steps": 8}, {}),
    "drawn": ({"temperature": 1.0, "steps": 8}, {}),
    "design": ({"steps": 16}, {"style": "male, whisper", "language": "en"}),
    "alone": ({"guidance": 0.0, "steps": 8}, {}),
    "fast": ({"steps": 4}, {"speed": 1.4}),
    "clone": ({"steps": 8}, {"voice": True}),
    "long": ({"steps": 2}, {}),
}
"""Name -> options of the published decoding, and of saying it."""
THEIR_NAMES = {"steps": "num_step", "guidance": "guidance_scale", "temperature": "class_temperature", "style": "instruct"}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        found = compared(Path(scratch))
    rows = tuple((one.what, f"{one.same:.4f}", f"{one.largest:.2g}") for one in found)
    print(Table(("", "share that is equal", "largest difference"), rows).to_markdown())


@dataclass(frozen=True)
class Compared:
    what: str
    same: float
    largest: float


def compared(folder: Path) -> list[Compared]:
    """Make a small model in `folder`, and compare both sides."""
    checkpoint, bundle = write_omnivoice(folder / "checkpoint"), folder / "bundle"
    write_backbone(checkpoint, bundle)
    codecs = write_codecs(codecs_inside(checkpoint), checkpoint, folder / "codecs", lambda line: None)
    add_codecs(bundle, folder / "codecs", codecs)
    np.save(folder / "voice.npy", reference_voice())
    (folder / "cases.json").write_text(json.dumps(asked()), encoding="utf-8")
    files = (checkpoint, *(folder / name for name in ("voice.npy", "cases.json", "theirs.npz")))
    command = [str(PYTHON), "-P", str(SIDE), *map(str, files)]
    subprocess.run(command, check=True, capture_output=True)
    theirs = dict(np.load(folder / "theirs.npz"))
    session = open_model(bundle)
    return [*passes(session, theirs), *voices(session, theirs), *said(session, theirs), *rules(theirs)]


def asked() -> dict[str, Any]:
    """What the other side does, in its own words."""
    cases = {}
    for name, (options, own) in CASES.items():
        given = {THEIR_NAMES.get(key, key): value for key, value in {**options, **own}.items() if key != "voice"}
        cases[name] = {"text": LONG if name == "long" else TEXT, **given, **({"ref_text": SAID} if "voice" in own else {})}
    texts = {"text": TEXT, "said": SAID, "lengths": LENGTHS, "cleaned": CLEANED, "cut": CUT, "styles": STYLES}
    return {"cases": cases, **texts}


def reference_voice() -> NDArray[np.float32]:
    """3.3 s of bursts of noise with a pause that is too long, quiet as a whole."""
    rng = np.random.default_rng(5)
    sound = 0.05 * rng.standard_normal(79_321).astype(np.float32) * (1 + np.sin(np.arange(79_321) / 3000)).astype(np.float32)
    sound[30_000:44_000] *= 1e-4
    return sound


def passes(session: Session, theirs: Theirs) -> Iterator[Compared]:
    """Logits of every row, of all ids: a head that is asked row by row gives them as its best and its log-sum-exp."""
    assert session.streams is not None
    request = session.streams.request("tts", {"text": TEXT, "language": "en"}, 40)
    known = [i for i in request.ids if i is not None]
    yield Compared("ids of the prompt", float(np.mean(np.array(known) == theirs["pass_ids"][:-40])), 0)
    denoiser, codes = session.streams.denoiser(request), theirs["pass_codes"]
    for name, hidden in (("own", denoiser.hidden(codes, None)), ("away", denoiser.away(codes))):
        scores = denoiser.numbers(hidden, wide=True)
        logits = theirs[f"pass_{name}"].transpose(1, 0, 2).reshape(len(scores.ids), -1)
        sums = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
        own = np.take_along_axis(logits, scores.ids, 1)
        largest = max(np.abs(own - scores.logits).max(), np.abs(sums - scores.logsumexp).max())
        best = scores.ids[:, 0] == logits[:, :-1].argmax(1)
        yield Compared(f"a pass, {name} rows", float(best.mean()), float(largest))


def voices(session: Session, theirs: Theirs) -> Iterator[Compared]:
    codes = np.array(session.codecs.encode({"voice": "speech"}, {"voice": reference_voice()})["voice"])
    own = theirs["voice_codes"].T.reshape(-1)
    same = float(np.mean(codes == own)) if codes.shape == own.shape else 0.0
    yield Compared("codes of a voice", same, abs(loudness(reference_voice()) - float(theirs["voice_rms"])))


def replayed(theirs: Theirs, name: str) -> Uniform:
    drawn = iter([theirs[f"{name}_drawn{i}"] for i in range(sum(key.startswith(f"{name}_drawn") for key in theirs))])

    def uniform(shape: tuple[int, ...]) -> NDArray[np.float32]:
        numbers: NDArray[np.float32] = next(drawn)
        assert numbers.shape == shape
        return numbers

    return uniform


def said(session: Session, theirs: Theirs) -> Iterator[Compared]:
    """Whole texts, as published, on the numbers that the other side drew."""
    streams = session.streams
    assert streams is not None
    plain, count = streams.steps, streams.streams.count
    given = Voice.of(theirs["voice_codes"].T.reshape(-1).tolist(), SAID, float(theirs["voice_rms"]), streams.streams)
    for name, (options, own) in CASES.items():
        uniform = replayed(theirs, name)
        streams.steps = lambda request, schedule, uniform=uniform: plain(request, schedule, uniform)  # type: ignore[method-assign]
        asked = {**own, "voice": given} if "voice" in own else own
        used = replace(streams.bundle.published("tts"), **options)
        (part,) = session.say(LONG if name == "long" else TEXT, SayOptions(**asked, schedule=used, reference=True))
        pieces = [theirs[key] for key in sorted(theirs, key=len) if key.startswith(f"{name}_tokens")]
        tokens = np.concatenate([piece.T for piece in pieces])
        codes = np.array(part.codes).reshape(-1, count)
        same = float(np.mean(codes == tokens)) if codes.shape == tokens.shape else 0.0
        sound = theirs[f"{name}_sound"]
        apart = np.abs(part.samples - sound).max() if part.samples.shape == sound.shape else np.inf
        yield Compared(f"{name}: tokens; sound", same, float(apart))
    streams.steps = plain  # type: ignore[method-assign]


def rules(theirs: Theirs) -> Iterator[Compared]:
    told = json.loads(str(theirs["told"]))
    weights = np.array([0.0 if 0xD800 <= code < 0xE000 else weight(chr(code)) for code in range(0x30000)], np.float32)
    yield Compared("weights of characters", float(np.mean(weights == theirs["weights"])), 0)
    ours = {
        "lengths": [frames_of(text) for text in LENGTHS],
        "paced": [frames_of(text, SAID, 60, 1.3) for text in LENGTHS],
        "cleaned": [cleaned(f"{SAID.strip()} {text.strip()}") for text in CLEANED],
        "ended": [ended(text) for text in (SAID, "好", "a.", "b )")],
        "cut": [[published_pieces(text, length) for length in (5, 12, 40)] for text in CUT],
        "styles": [styled("style", style, GROUPS, text) for style, text in STYLES],
        "languages": [list(pair) for pair in sorted(languages().items(), key=lambda pair: pair[1].lower())],
    }
    for name, own in ours.items():
        yield Compared(f"{name} of texts", float(np.mean([a == b for a, b in zip(own, told[name], strict=True)])), 0)


if __name__ == "__main__":
    run(main)
