"""Read recordings for a model that answers them. Knows files and standard input. Knows no codec."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.files import Recording, open_recording
from unmask.errors import AudioError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

MOST_S = 600.0  # no model here reads as much at once, so nobody waits until an hour is decoded


def read_sound(path: Path, rate_hz: int = SAMPLE_RATE_HZ, most_s: float = MOST_S) -> NDArray[np.float32]:
    """(N,) float32 in [-1, 1] at a rate. path: a recording, or - for standard input. most_s: seconds of the longest.

    Says on stderr what a damaged recording lacks. Raises AudioError that names a recording that cannot be read, or is too long.
    """
    if path == Path("-"):
        recording = Recording("standard input", sys.stdin.buffer, command="-", rate_hz=rate_hz)
    else:
        recording = open_recording(path, rate_hz)
    blocks = []
    with recording.raw:
        for block in recording.blocks():
            blocks.append(block)
            if recording.heard_s > most_s:
                raise AudioError(
                    f"{recording.where}: longer than {most_s:g} s, and a model reads less at once; cut it into parts"
                )
    if recording.lacking:
        print(recording.lacking, file=sys.stderr)
    return np.concatenate(blocks)
