"""Words written where nobody speaks: per minute of silence, noise, music-like tones and babble.

    python -m benchmarks.lab.nonspeech --data DATA --bundles models/caption-tiny-en [--whisper WHISPER]

Noise is of the kinds kept for testing; babble is seven test speakers at once. Babble contains speech, so a word there is not
necessarily invented; it shows how much of a crowd is written down. Whisper decodes greedily in PyTorch, segments padded to
30 s.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.word_errors import Write, bundle_text, whisper_text
from unmask import Schedule
from unmask.speech.log_mel import SAMPLE_RATE_HZ
from unmask.training.augment import babble, colored, tones
from unmask.training.captions.prepare import read_corpus_split
from unmask.training.corpus import read_corpus

Audio = NDArray[np.float32]
PIECE_S = 10.0
ONE_PASS = Schedule(rule="quota", passes=1)


@dataclass(frozen=True)
class NonspeechOptions:
    data: Path
    """Folder with `test/librispeech` and `noise/noise`."""
    bundles: tuple[Path, ...]
    whisper: Path | None = None
    pieces: int = 12
    """Of ten seconds, of each kind that is made."""


def main(options: Annotated[NonspeechOptions, cyclopts.Parameter(name="*")]) -> None:
    kinds = sounds(options)
    print("| words per minute | " + " | ".join(kinds) + " |\n|---|" + "---|" * len(kinds))
    for name, write in writers(options).items():
        rates = [sum(len(write(piece).split()) for piece in pieces) / minutes(pieces) for pieces in kinds.values()]
        print(f"| {name} | " + " | ".join(f"{rate:.1f}" for rate in rates) + " |", flush=True)
    print("| minutes | " + " | ".join(f"{minutes(pieces):.1f}" for pieces in kinds.values()) + " |")


def sounds(options: NonspeechOptions) -> dict[str, list[Audio]]:
    rng = np.random.default_rng(7)
    voices = [u.samples for u in read_corpus(options.data / "test" / "librispeech")]
    count = range(options.pieces)
    return {
        "faint hiss (-60 dB)": [colored(PIECE_S, 0.0, rng) * np.float32(0.01) for _ in count],
        "pink noise": [colored(PIECE_S, 1.0, rng) for _ in count],
        "music-like tones": [tones(PIECE_S, rng) for _ in count],
        "kitchen, coffee shop": [u.samples for u in read_corpus_split(options.data / "noise" / "noise", "test")],
        "babble of seven": [babble(voices, PIECE_S, rng) for _ in count],
    }


def writers(options: NonspeechOptions) -> dict[str, Write]:
    out = {}
    for path in options.bundles:
        out[f"{path.name}, default"] = bundle_text(path)
        out[f"{path.name}, 1 pass"] = bundle_text(path, ONE_PASS)
    if options.whisper:
        out["Whisper greedy"] = whisper_text(options.whisper)
    return out


def minutes(pieces: list[Audio]) -> float:
    return sum(len(piece) for piece in pieces) / SAMPLE_RATE_HZ / 60


if __name__ == "__main__":
    cyclopts.run(main)
