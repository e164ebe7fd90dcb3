"""Files that libsndfile cannot read (M4A, MP4, WebM, ...), with ffmpeg's libraries if PyAV is installed: the extra `media`."""

import shlex
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from unmask.apps.audio.formats.sound import Decoded, Missing, Sound
from unmask.errors import AudioError

SHORTEST_S = 0.05  # a jump of the clock that is a hole


def sounds(file: BinaryIO, name: str, where: str) -> Iterator[Decoded]:
    """The first sound track.

    name: of the format. where: of the file, for a command. Raises AudioError if PyAV is not installed or there is no such track.
    """
    try:
        import av
    except ImportError as error:
        convert = f"ffmpeg -i {shlex.quote(where)} OUT.wav"
        raise AudioError(f"it is {name}; pip install 'unmask[media]' to read it, or convert it: {convert}") from error
    try:
        with av.open(file, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioError(f"it is {name} without sound; name a file that has some")
            yield from _track(container)
    except av.error.FFmpegError as error:
        raise AudioError(f"it is {name} that cannot be read ({error.strerror}); download it again") from error


def _track(container) -> Iterator[Decoded]:  # type: ignore[no-untyped-def]
    import av

    track, heard_s, fresh = container.streams.audio[0], 0.0, True
    began_s = (container.start_time or 0) / av.time_base
    convert = av.AudioResampler(format="flt")
    for packet in container.demux(track):
        try:
            decoded = packet.decode()
        except av.error.InvalidDataError:
            continue  # the clock of the next one says how much is missing
        for frame in decoded:
            at_s = heard_s if frame.time is None else frame.time - began_s
            if at_s - heard_s > SHORTEST_S:
                gap = round((at_s - heard_s) * frame.sample_rate)
                yield Sound(np.zeros((gap, 1), np.float32), frame.sample_rate) if fresh else Missing(at_s - heard_s)
                heard_s = at_s
            fresh = False
            for part in convert.resample(frame):
                samples = part.to_ndarray().astype(np.float32, copy=False).reshape(-1, len(part.layout.channels))
                heard_s += len(samples) / part.sample_rate
                yield Sound(samples, part.sample_rate)
    length_s = float(track.duration * track.time_base) if track.duration else 0.0
    if length_s - heard_s > 1.0:
        yield Missing(length_s - heard_s, silent=False)
