"""What comes through a pipe is heard as a file of the same bytes is, by its name and on standard input."""

import io
import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.apps.audio.files import read_recording
from unmask.apps.audio.sources import Stdin
from unmask.errors import AudioError

FORMS = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "DOUBLE"),
    ("WAV", "ALAW"),
    ("WAV", "MS_ADPCM"),
    ("RF64", "FLOAT"),
    ("FLAC", "PCM_16"),
    ("MP3", "MPEG_LAYER_III"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
    ("W64", "PCM_16"),
]


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    """A descriptor from which the bytes come and that cannot be sought."""
    out, into = os.pipe()

    def write() -> None:
        with open(into, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield out
    finally:
        thread.join()


def heard(stdin: Stdin) -> NDArray[np.float32]:
    return np.concatenate([block for block in stdin.blocks(threading.Event()) if isinstance(block, np.ndarray)])


@pytest.mark.parametrize(("form", "subtype"), FORMS)
def test_every_format_is_heard_on_standard_input(
    tmp_path: Path, saved: Callable[..., bytearray], form: str, subtype: str
) -> None:
    data = saved(form, subtype)
    whole = read_recording(tmp_path / "made")
    with piped(bytes(data)) as out, open(out, "rb") as stream:
        np.testing.assert_array_equal(heard(Stdin(stream)), whole)
    with open(tmp_path / "made", "rb") as stream:  # redirected
        np.testing.assert_array_equal(heard(Stdin(stream)), whole)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes with names in folders")
@pytest.mark.parametrize(("form", "subtype"), FORMS)
def test_every_format_is_heard_through_a_pipe_with_a_name(
    tmp_path: Path, saved: Callable[..., bytearray], form: str, subtype: str
) -> None:
    data, pipe = bytes(saved(form, subtype)), tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_bytes, args=(data,))
    thread.start()
    samples = read_recording(pipe)
    thread.join()
    np.testing.assert_array_equal(samples, read_recording(tmp_path / "made"))


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd here")
def test_a_descriptor_by_its_name(tmp_path: Path, saved: Callable[..., bytearray]) -> None:
    """As a shell names `<(...)`."""
    with piped(bytes(saved("FLAC"))) as out:
        samples = read_recording(Path(f"/dev/fd/{out}"))
        os.close(out)
    np.testing.assert_array_equal(samples, read_recording(tmp_path / "made"))


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "M4A or MP4"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1f", "WebM or Matroska"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"PK\x03\x04\x14\0\0\0\0\0\0\0", "a ZIP archive"),
        (b"#EXTM3U\nhttp://", "a playlist"),
        (b"<!DOCTYPE html><html>", "a web page"),
    ],
)
def test_what_is_no_sound_or_cannot_be_read_is_named_and_never_raw_audio(start: bytes, name: str) -> None:
    with piped(start + bytes(2000)) as out, open(out, "rb") as stream, pytest.raises(AudioError) as raised:
        heard(Stdin(stream))
    assert str(raised.value).startswith(f"standard input: it is {name}")


@pytest.mark.parametrize(
    "first", [(-1, -1, -1, -1), (-1025, 144, 7, 7), (-1, 256, 3, 4), (-1025, -28528, 0, 0), (0, 0, 0, 0), (20556, 1027, 0, 0)]
)
def test_raw_audio_that_begins_like_a_frame_is_raw_audio(first: tuple[int, ...]) -> None:
    """FF Ex are the first bytes of MP3, and of small negative numbers; only a second frame makes MP3 of it."""
    random = np.random.default_rng(0)
    pcm = np.concatenate([np.array(first, "<i2"), random.integers(-3000, 3000, 16000).astype("<i2")])
    if first[:2] == (20556, 1027):
        pcm[0] = 20557  # not quite a ZIP archive
    np.testing.assert_array_equal(heard(Stdin(io.BytesIO(pcm.tobytes()))), pcm / np.float32(32768))


def test_sound_is_heard_before_the_pipe_ends(saved: Callable[..., bytearray]) -> None:
    """A recorder's WAV, which says no length, and of which not all has come yet."""
    data = saved("WAV")
    data[data.find(b"data") + 4 : data.find(b"data") + 8] = struct.pack("<I", 0xFFFFFFFF)
    out, into = os.pipe()
    with open(into, "wb", buffering=0) as file, open(out, "rb") as stream:
        file.write(data[:20_000])
        blocks = Stdin(stream).blocks(threading.Event())
        first = [next(blocks) for _ in range(4)]
        assert sum(len(block) for block in first if isinstance(block, np.ndarray)) == 6400
        file.close()
        rest = [len(block) for block in blocks if isinstance(block, np.ndarray)]
    assert 6400 + sum(rest) == (20_000 - data.find(b"data") - 8) // 2
