"""Synthetic speech: sentences read by offline voices, written as a corpus like the recorded ones.

    python -m unmask.training.synthesize --text DATA/text --out DATA/train/synthetic --lines 14000

writes OUT.jsonl and OUT.tar (16 kHz FLAC). Voices: `hibari` (neural, package hibari-tts), `flite:NAME` and `espeak:NAME`
(programs of the same names), and `kokoro:FOLDER:NAME` (neural, 28 English speakers: see `kokoro`).
It adds much more variety of text than of sound to a captioner's training.
"""

import io
import json
import re
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.kokoro import Kokoro
from unmask.training.recordings import write_lines

Audio = NDArray[np.float32]
READABLE = re.compile(r"[A-Za-z][A-Za-z ,.;:'?!-]*")  # no digits or symbols: a voice may read them in several ways


@dataclass(frozen=True)
class Synthesize:
    text: tuple[Path, ...]
    """Files of sentences with case and punctuation, one per line, or folders of such files (`*.txt`)."""
    out: Path
    """Path of the corpus without `.jsonl` or `.tar`."""
    lines: int = 3000
    voices: tuple[str, ...] = ("hibari", "hibari", "hibari", "hibari", "flite:slt", "flite:rms", "flite:awb", "espeak:en-us+f3")
    """One is drawn at random for each sentence. A voice that is named twice is drawn twice as often."""
    words: tuple[int, int] = (2, 34)
    speed: tuple[float, float] = (0.85, 1.35)
    without: Path | None = None
    """Leave out the sentences in this manifest's `raw` or `text`, which are kept for testing."""
    seed: int = 0


def main(options: Annotated[Synthesize, cyclopts.Parameter(name="*")]) -> None:
    rng = np.random.default_rng(options.seed)
    sentences = readable_lines(options)
    chosen = [sentences[i] for i in rng.permutation(len(sentences))[: options.lines]]
    voices = {name: open_voice(name) for name in sorted(set(options.voices))}
    part, rows = options.out.with_name(f"{options.out.name}.part"), []
    with tarfile.open(part, "w") as tar:
        for i, sentence in enumerate(chosen):
            voice = options.voices[rng.integers(len(options.voices))]
            samples, rate = voices[voice](sentence, rng.uniform(*options.speed))
            samples = soxr.resample(samples, rate, SAMPLE_RATE_HZ)
            name = f"{options.out.name}-{i:05d}"
            _add(tar, f"{name}.flac", samples)
            plain = " ".join(re.sub(r"[^a-z' ]", " ", sentence.lower()).split())
            row = {"id": name, "file": f"{name}.flac", "text": plain, "written": sentence, "speaker": voice}
            rows.append({**row, "text_source": "synthetic"})
            if i % 200 == 0:
                print(f"{i}/{len(chosen)}", flush=True)
    part.replace(options.out.with_name(f"{options.out.name}.tar"))
    write_lines(options.out.with_name(f"{options.out.name}.jsonl"), rows)


def readable_lines(options: Synthesize) -> list[str]:
    """Distinct sentences that all voices read in the same way, in the order of the files."""
    left_out = set()
    if options.without:
        for line in options.without.read_text(encoding="utf-8").splitlines():
            left_out.add(json.loads(line).get("raw") or json.loads(line)["text"])
    low, high = options.words
    found = {}
    for path in (file for given in options.text for file in (sorted(given.glob("*.txt")) if given.is_dir() else [given])):
        for line in path.read_text(encoding="utf-8").splitlines():
            if READABLE.fullmatch(line) and low <= len(line.split()) <= high and line not in left_out:
                found[line] = None
    return list(found)


def open_voice(name: str) -> Callable[[str, float], tuple[Audio, int]]:
    """A function (sentence, speed) -> (samples, rate in Hz). Speed 1 is the voice's own.

    Raises ValueError for unknown names, and InputError for a folder of Kokoro's that lacks something.
    """
    engine, _, voice = name.partition(":")
    if engine == "hibari":
        import hibari

        speaker = hibari.Hibari()
        return lambda text, speed: (np.asarray(speaker(text, speed=speed), np.float32), hibari.SAMPLE_RATE)
    if engine == "flite":
        return lambda text, speed: _said(
            ["flite", "-voice", voice, "--setf", f"duration_stretch={1 / speed:.3f}", "-t", text, "-o", "/dev/stdout"]
        )
    if engine == "espeak":
        return lambda text, speed: _said(["espeak-ng", "-v", voice, "-s", f"{170 * speed:.0f}", "--stdout", "--", text])
    if engine == "kokoro":
        folder, _, voice = voice.rpartition(":")
        return Kokoro(Path(folder), voice)
    raise ValueError(f"voice {name!r}: hibari, flite:NAME, espeak:NAME and kokoro:FOLDER:NAME are known")


def _said(command: list[str]) -> tuple[Audio, int]:
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    # The header of a piped WAV has no valid length. After its 44 bytes comes 16-bit mono PCM.
    rate = int.from_bytes(wav[24:28], "little")
    pcm = np.frombuffer(wav[44 : 44 + (len(wav) - 44) // 2 * 2], "<i2")
    return (pcm / 32768).astype(np.float32), rate


def _add(tar: tarfile.TarFile, name: str, samples: Audio) -> None:
    flac = io.BytesIO()
    soundfile.write(flac, np.clip(samples, -1, 1), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    info = tarfile.TarInfo(name)
    info.size = len(flac.getvalue())
    flac.seek(0)
    tar.addfile(info, flac)


if __name__ == "__main__":
    cyclopts.run(main)
