"""Recordings whose length is unknown, guessed, or not what the file says: they are read until they end."""

import contextlib
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.apps.audio.files import open_recording, read_recording
from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.formats.mp3 import frame_at, frame_header
from unmask.errors import AudioError

RATE = 16000
Saved = Callable[..., bytearray]


def frames_of(data: bytes) -> list[bytes]:
    """The frames of an MP3 without tags."""
    frames, start = [], 0
    while frame := frame_header(data[start : start + 4]):
        frames.append(bytes(data[start : start + frame.size]))
        start += frame.size
    assert start == len(data)
    return frames


def heard(path: Path, data: bytes) -> NDArray[np.float32]:
    path.write_bytes(data)
    recording = open_recording(path)
    with recording.raw:
        samples = np.concatenate(list(recording.blocks()))
    assert recording.lacking is None
    return samples


def test_mp3_without_the_encoders_tag_is_read_to_its_end(tmp_path: Path, saved: Saved, babble: NDArray[np.float32]) -> None:
    """Its first frames, from which decoders guess the length, are ten times as large as the others."""
    loud = np.concatenate([babble[:RATE], 1e-4 * babble])
    frames = frames_of(saved("MP3", samples=loud))
    assert b"Xing" in frames[0] or b"Info" in frames[0]
    samples = heard(tmp_path / "a", b"".join(frames[1:]))
    assert len(samples) / RATE == pytest.approx(25, abs=0.2)


def test_two_mp3_in_one_file_are_both_heard(tmp_path: Path, saved: Saved, babble: NDArray[np.float32]) -> None:
    """The first one's tag says when it ends, and the second begins with a tag of another kind."""
    one = bytes(saved("MP3"))
    tag = b"ID3\x04\0\0\0\0\x02\0" + b"cover" + bytes(251)
    samples = heard(tmp_path / "a", one + tag + one + b"TAG" + bytes(125))
    assert len(samples) / RATE == pytest.approx(48, abs=0.3)
    lag = np.correlate(samples[26 * RATE : 28 * RATE], babble[round(2.5 * RATE) : round(3 * RATE)], "valid").argmax() / RATE
    assert lag == pytest.approx(0.5, abs=0.15)  # the encoder fills its last frame and delays its first


def test_flac_that_does_not_say_how_long_it_is(tmp_path: Path, saved: Saved, babble: NDArray[np.float32]) -> None:
    data = saved("FLAC")
    data[21] &= 0xF0  # the 36 bits of STREAMINFO that hold the number of samples; 0: unknown, as FLAC is written into a pipe
    data[22:26] = bytes(4)
    np.testing.assert_allclose(heard(tmp_path / "a", data), babble, atol=1 / 32767)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_all_links_of_chained_ogg_are_heard(tmp_path: Path, saved: Saved, babble: NDArray[np.float32], subtype: str) -> None:
    """As radio streams and chat exports are; rate and channels may change."""
    first, second = babble[: 5 * RATE], babble[5 * RATE : 9 * RATE]
    wide = np.repeat(np.stack([second, second], 1), 3, axis=0)  # 48 kHz
    data = saved("OGG", subtype, first) + saved("OGG", subtype, wide, 48000)
    samples = heard(tmp_path / "a", data)
    assert len(samples) / RATE == pytest.approx(9, abs=0.01)
    for at_s in (2.0, 7.0):
        start = round(at_s * RATE)
        fit = np.correlate(samples[start - 800 : start + 8800], babble[start : start + 8000], "valid").argmax()
        assert fit == pytest.approx(800, abs=3)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.9, 1.5])
def test_a_word_in_one_page_of_ogg_is_heard(
    tmp_path: Path, saved: Saved, babble: NDArray[np.float32], subtype: str, seconds: float
) -> None:
    samples = heard(tmp_path / "a", saved("OGG", subtype, babble[: round(seconds * RATE)]))
    assert len(samples) / RATE == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize("junk", [b"", b"JUNK\x04\0\0\0abcd"])
@pytest.mark.parametrize("sizes", [(0, 0), (36, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFFFFF, 0x7FFFFFDB), (0, 0x7FFFF000)])
def test_wav_of_a_recorder_that_was_killed(
    tmp_path: Path, saved: Saved, babble: NDArray[np.float32], junk: bytes, sizes: tuple[int, int]
) -> None:
    data = saved("WAV")
    at = data.find(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", sizes[1])
    data[4:8] = struct.pack("<I", sizes[0])
    data[12:12] = junk
    np.testing.assert_allclose(heard(tmp_path / "a", data), babble, atol=1 / 32767)


def test_rf64_from_a_pipe_says_that_it_has_no_length(tmp_path: Path, saved: Saved, babble: NDArray[np.float32]) -> None:
    body = saved("WAV")
    data = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", 28) + bytes(28) + body[12 : body.find(b"data")]
    data += b"data\xff\xff\xff\xff" + body[body.find(b"data") + 8 :]
    np.testing.assert_allclose(heard(tmp_path / "a", data), babble, atol=1 / 32767)


def test_chunks_after_the_sound_are_not_heard(tmp_path: Path, saved: Saved, babble: NDArray[np.float32]) -> None:
    data = saved("WAV") + b"id3 " + struct.pack("<I", 4000) + b"\x7f" * 4000
    data[4:8] = struct.pack("<I", len(data) - 8)
    assert len(heard(tmp_path / "a", data)) == len(babble)


def test_a_length_of_0_is_true_where_other_chunks_follow(tmp_path: Path, saved: Saved) -> None:
    data = saved("WAV", samples=np.zeros(0, np.float32)) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    data[4:8] = struct.pack("<I", len(data) - 8)
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(AudioError, match="a recording of zero length"):
        read_recording(path)


def test_a_rate_that_is_damaged_takes_no_memory(tmp_path: Path, saved: Saved) -> None:
    data = saved("WAV")
    data[22:28] = struct.pack("<HI", 1000, 0xFFFFFFF0)  # channels, Hz
    path = tmp_path / "a"
    path.write_bytes(data)
    tracemalloc.start()
    with contextlib.suppress(AudioError):
        read_recording(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 30


def test_a_rate_of_1_hz_is_no_sound(tmp_path: Path, saved: Saved) -> None:
    data = saved("WAV")
    data[24:28] = struct.pack("<I", 1)
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(AudioError, match="its sample rate is 1 Hz"):
        read_recording(path)


def test_frames_are_known_by_the_frame_that_follows(saved: Saved) -> None:
    data = bytes(saved("MP3"))

    class Bytes:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, size: int) -> bytes:
            part, self.data = self.data[:size], self.data[size:]
            return part

    assert frame_at(ByteStream(Bytes(data))) is not None  # type: ignore[arg-type]
    size = frame_header(data[:4]).size  # type: ignore[union-attr]
    assert frame_at(ByteStream(Bytes(data[:size] + b"\0\0" + data[size:]))) is None  # type: ignore[arg-type]
