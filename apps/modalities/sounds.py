"""Read recordings for a model that answers them. Knows files and standard input. Knows no codec."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.files import Recording, open_recording
from unmask.errors import AudioError

MOST_S = 600.0  # no model here reads as much at once, so nobody waits until an hour is decoded


def read_sound(path: Path) -> NDArray[np.float32]:
    """(N,) float32 in [-1, 1] at 16 kHz. path: a recording, or - for standard input.

    Says on stderr what a damaged recording lacks. Raises AudioError that names a recording that cannot be read, or is too long.
    """
    recording = Recording("standard input", sys.stdin.buffer, command="-") if path == Path("-") else open_recording(path)
    blocks = []
    with recording.raw:
        for block in recording.blocks():
            blocks.append(block)
            if recording.heard_s > MOST_S:
                raise AudioError(
                    f"{recording.where}: longer than {MOST_S:g} s, and a model reads less at once; cut it into parts"
                )
    if recording.lacking:
        print(recording.lacking, file=sys.stderr)
    return np.concatenate(blocks)
