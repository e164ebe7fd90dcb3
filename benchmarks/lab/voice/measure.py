"""Seconds and memory of speech out: a whole answer and one whose sound is wanted early, graph by graph.

    python -m benchmarks.lab.voice.measure BUNDLE [--than OTHER]

BUNDLE holds the codec glm-voice; random weights take as long as others. With --than it also tells how far the sound of the
bundle is from that of the other one, with the same codes and noise. The last line is JSON.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import cyclopts
import numpy as np

from benchmarks.lab.program import run
from unmask.benchmarks.measure.machine import peak_rss_mib
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine, GraphRun
from unmask.engines.engine_options import EngineOptions
from unmask.speech.synthesis.chance import PublishedChance
from unmask.speech.synthesis.codec import SpeechWriter
from unmask.speech.synthesis.flow import mel_spectrogram
from unmask.speech.synthesis.frames import SAMPLE_RATE_HZ, frames_of

NAME = "glm-voice"


@dataclass(frozen=True)
class MeasureOptions:
    codes: int = 102
    """Codes of the answer; 102 are the 8.2 s that Omni-Diffusion's spoken answers have at most."""
    threads: int = 1
    rounds: int = 1
    """How often each answer is made. Times are medians."""
    than: Path | None = None
    """A bundle to compare the sound with."""


def main(bundle: Path, /, *, options: Annotated[MeasureOptions, cyclopts.Parameter(name="*")] = MeasureOptions()) -> None:
    loaded = load_bundle(bundle)
    codes = np.random.default_rng(0).integers(0, int(loaded.manifest.codecs[NAME].settings["codes"]), options.codes)
    runs: list[GraphRun] = []
    engine = Engine(loaded, EngineOptions(threads=options.threads), observe=runs.append)
    writer = SpeechWriter(engine, loaded.manifest.codecs[NAME])
    writer.decode(codes[:3])  # opens the graphs
    found: dict[str, Any] = {"bundle": bundle.name, "codes": options.codes, "threads": options.threads}
    found["sound_s"] = frames_of(options.codes, 12.5) * 256 / SAMPLE_RATE_HZ
    rows = [timed(writer, codes, runs) for _ in range(options.rounds)]
    found |= {name: median(row[name] for row in rows) for name in rows[0]}
    found["real_time_factor"] = found["whole_s"] / found["sound_s"]
    found["peak_mib"] = peak_rss_mib()
    if options.than is not None:
        found |= drift(loaded, load_bundle(options.than), codes)
    for name, value in found.items():
        print(f"{name:>24}  {value:.4g}" if isinstance(value, float) else f"{name:>24}  {value}")
    print(json.dumps(found))


def timed(writer: SpeechWriter, codes: np.ndarray, runs: list[GraphRun]) -> dict[str, float]:
    """Seconds of one answer made whole, of its graphs, and of the same in parts."""
    runs.clear()
    began = time.perf_counter()
    writer.decode(codes)
    found = {"whole_s": time.perf_counter() - began}
    for role in ("flow_encoder", "flow_estimator", "pitch", "vocoder"):
        found[f"{role}_s"] = sum(run.seconds for run in runs if run.role == role)
    began, heard = time.perf_counter(), 0.0
    waits = []
    for part in writer.stream(codes):
        ready = time.perf_counter() - began
        waits.append(ready - heard if not waits else max(0.0, ready - heard))
        heard = max(heard, ready) + part.size / SAMPLE_RATE_HZ
    return found | {"first_sound_s": waits[0], "silence_after_s": sum(waits[1:])}


def drift(bundle: Bundle, other: Bundle, codes: np.ndarray) -> dict[str, float]:
    """Root mean square difference of the mel spectrograms, in natural logarithms, and the signal to noise ratio of the sound.

    Both start from the same noise. A small change of the pitch moves the phase of all that follows, so the ratio says little of
    what is heard, and the spectrogram says more.
    """
    frames, settings = frames_of(len(codes), 12.5), bundle.manifest.codecs[NAME].settings
    chance = PublishedChance(int(settings["mels"]), int(settings["sines"]), frames)
    nothing = np.empty((int(settings["mels"]), 0), np.float32)
    engines = [Engine(one) for one in (bundle, other)]
    mels = [mel_spectrogram(engine, codes, nothing, chance.flow(0, frames)) for engine in engines]
    sounds = [SpeechWriter(engine, engine.bundle.manifest.codecs[NAME]).decode(codes) for engine in engines]
    noise = sounds[0] - sounds[1]
    return {
        "mel_rms": float(np.sqrt(np.mean((mels[0] - mels[1]) ** 2))),
        "mel_std": float(mels[1].std()),
        "sound_snr_db": float(10 * np.log10(np.mean(sounds[1] ** 2) / max(np.mean(noise**2), 1e-20))),
    }


if __name__ == "__main__":
    run(main)
