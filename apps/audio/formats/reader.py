"""Which reader a file takes, and where libsndfile or PyAV must be able to go back in what comes through a pipe."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from unmask.apps.audio.formats import flac, media, mp3, ogg, signatures, wav
from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.formats.feed import blocks, sequential
from unmask.apps.audio.formats.sound import Decoded
from unmask.errors import AudioError

STREAMED = {signatures.FLAC: flac.sounds, signatures.MP3: mp3.sounds, signatures.OGG: ogg.sounds, signatures.WAV: wav.sounds}
SUPPORTED = "WAV, FLAC, Ogg, MP3, AIFF, AU and CAF are supported, and M4A, MP4 or WebM with: pip install 'unmask[media]'"


def sounds(raw: BinaryIO, stream: ByteStream, form: str | None, where: str) -> Iterator[Decoded]:
    """What a file holds whose first bytes were `identify`-ed as `form`; None: whatever libsndfile makes of it.

    stream: over `raw`, nothing taken yet. where: the file's name, for a command that converts it. Raises AudioError with a reason
    that begins with "it ", and OSError from reading.
    """
    if form in STREAMED:
        yield from STREAMED[form](stream)
    elif form is not None and form not in (*signatures.DIRECT, *signatures.MEDIA):
        raise AudioError(f"it is {form}; {SUPPORTED}")
    else:
        with _searchable(raw, stream) as file:
            yield from media.sounds(file, form, where) if form in signatures.MEDIA else _direct(file)


@contextlib.contextmanager
def _searchable(raw: BinaryIO, stream: ByteStream) -> Iterator[BinaryIO]:
    """The file, or what comes through a pipe copied to a temporary one."""
    if raw.seekable():
        raw.seek(0)
        yield raw
        return
    with tempfile.TemporaryFile() as copy:
        while part := stream.take(1 << 16):
            copy.write(part)
        copy.seek(0)
        yield copy


def _direct(file: BinaryIO) -> Iterator[Decoded]:
    import soundfile

    os.lseek(file.fileno(), file.tell(), os.SEEK_SET)  # what Python read ahead is read again
    try:
        # By descriptor: libsndfile takes no name that is not text, and asks no more of a name than its ending.
        with sequential(file.fileno(), closefd=False) as opened:
            if opened.format != signatures.MP3:
                yield from blocks(opened)
                return
        file.seek(0)
        yield from mp3.sounds(ByteStream(file))
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        reason = getattr(error, "error_string", None) or str(error)
        raise AudioError(f"it is not a recording that can be read ({reason.rstrip('. ')}); {SUPPORTED}") from error
