"""What a board is asked for, as a program that needs what the runtime needs: on_arm64.py SHIPPED TEXT LITERT CLIP...

Prints JSON.
"""

import json
import platform
import sys
from pathlib import Path

import numpy as np
import soundfile

from unmask import Captioner, EngineOptions, Generator, Schedule, load_bundle

HEARD = 24_000  # samples of each clip: emulation takes as long as a hundred processors


def answers(shipped: Path, text: Path, litert: Path, clips: list[Path]) -> dict[str, object]:
    """Captions of the start of clips with their passes, a generated text, and a caption of noise by LiteRT."""
    captioner = Captioner(load_bundle(shipped)).load()
    heard = [captioner.caption(soundfile.read(clip, dtype="float32")[0][:HEARD]) for clip in clips]
    schedule = Schedule(passes=4, rule="quota", seed=0)
    written = Generator(load_bundle(text)).load().generate("generate", {"text": "hello"}, 12, schedule)
    noise = (0.1 * np.random.default_rng(0).normal(size=24_000)).astype(np.float32)
    other = Captioner(load_bundle(litert), EngineOptions(engine="litert")).load().caption(noise)
    return {"captions": [[one.text, one.passes] for one in heard], "text": written.text, "litert": other.text}


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    print(json.dumps({"machine": platform.machine(), **answers(*given[:3], given[3:])}))
