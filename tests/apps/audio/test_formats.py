"""Formats by their first bytes, whatever the file's name is; what cannot be read says why and what to run."""

import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.apps.audio.files import open_recording, read_recording
from unmask.apps.audio.formats.ogg import checksum
from unmask.errors import AudioError

RATE = 16000


def page(number: int, flags: int, granule: int, packet: bytes) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, 77, number, 0, len(lacing))
    data = head + lacing + packet
    return data[:22] + struct.pack("<I", checksum(data)) + data[26:]


def flac_in_ogg(data: bytes) -> bytes:
    """The file's information in one packet, the rest in packets of some size: pages may begin within a frame here."""
    info, rest = data[:42], data[42:]
    rest = rest[4 + int.from_bytes(rest[1:4], "big") :] if not info[4] & 0x80 and rest[0] & 0x80 else rest
    info = info[:4] + b"\x80" + info[5:]
    pages = [page(0, 2, 0, b"\x7fFLAC\x01\0\0\0" + info)]
    parts = [rest[start : start + 20_000] for start in range(0, len(rest), 20_000)]
    pages += [page(n, 4 if n == len(parts) else 0, n, part) for n, part in enumerate(parts, 1)]
    return b"".join(pages)


def test_flac_in_ogg(tmp_path: Path, saved: Callable[..., bytearray], babble: NDArray[np.float32]) -> None:
    path = tmp_path / "a.ogg"
    path.write_bytes(flac_in_ogg(bytes(saved("FLAC"))))
    np.testing.assert_allclose(read_recording(path), babble, atol=1 / 32767)


@pytest.mark.parametrize(("form", "name"), [("MP3", "a.wav"), ("FLAC", "a.mp3"), ("WAV", "a.flac"), ("OGG", "a.raw")])
def test_a_wrong_ending_changes_nothing(tmp_path: Path, saved: Callable[..., bytearray], form: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(saved(form))
    np.testing.assert_array_equal(read_recording(path), read_recording(tmp_path / "made"))


def test_a_format_that_takes_another_package_says_which_and_how_to_convert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "my talk.mp3"
    path.write_bytes(b"\0\0\0\x18ftypM4A " + bytes(100))
    with pytest.raises(AudioError) as raised:
        read_recording(path)
    assert str(raised.value) == (
        f"{path}: it is M4A or MP4; pip install 'unmask[media]' to read it, or convert it: ffmpeg -i '{path}' OUT.wav"
    )


def made_by_av(path: Path, samples: NDArray[np.float32], codec: str, form: str) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=48000)
        stream.layout = "mono"
        for start in range(0, len(samples), 960):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 960], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("codec", "form"), [("aac", "mp4"), ("aac", "adts"), ("libopus", "webm")])
def test_media_are_read_if_the_package_is_there(tmp_path: Path, babble: NDArray[np.float32], codec: str, form: str) -> None:
    path = tmp_path / "a"
    made_by_av(path, np.repeat(babble, 3), codec, form)
    samples = read_recording(path)
    assert len(samples) / RATE == pytest.approx(24, abs=0.1)
    lag = np.correlate(samples[15 * RATE : 17 * RATE], babble[round(15.5 * RATE) : 16 * RATE], "valid").argmax() / RATE
    assert lag == pytest.approx(0.5, abs=0.07)  # an encoder's delay, which bare AAC does not tell


def test_a_tag_that_is_no_text_does_not_hinder(tmp_path: Path, babble: NDArray[np.float32]) -> None:
    path = tmp_path / "a"
    made_by_av(path, np.repeat(babble, 3), "aac", "mp4")
    data = bytearray(path.read_bytes())
    data[data.index(b"ftyp") + 12] = 0xFF  # in a brand, which becomes a tag
    path.write_bytes(data)
    assert len(read_recording(path)) / RATE == pytest.approx(24, abs=0.1)


def test_media_without_sound_or_cut_short_are_told(tmp_path: Path, babble: NDArray[np.float32]) -> None:
    path = tmp_path / "a"
    made_by_av(path, np.repeat(babble, 3), "libopus", "webm")
    data = path.read_bytes()
    path.write_bytes(data[:100])
    with pytest.raises(AudioError, match=r"it is WebM or Matroska (that cannot be read|without sound)"):
        read_recording(path)
    zeroed = len(data) // 3, len(data) // 2
    path.write_bytes(data[: zeroed[0]] + bytes(zeroed[1] - zeroed[0]) + data[zeroed[1] :])
    recording = open_recording(path)
    with recording.raw:
        samples = np.concatenate(list(recording.blocks()))
    assert len(samples) / RATE == pytest.approx(24, abs=0.1)
    assert 3.9 < recording.hole_s < 10.1  # Matroska is found again at its next cluster, of 5 s


@pytest.mark.parametrize(
    ("error", "said"),
    [(PermissionError(13, "Permission denied"), "permission denied"), (OSError(5, "Input/output error"), "input/output error")],
)
def test_a_file_that_cannot_be_opened_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioError) as raised:
        read_recording(path)
    assert str(raised.value) == f"{path}: cannot be read ({said})"


def test_no_sound_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data, said in [
        (b"", "the file is empty"),
        (b"fLaC", "it is FLAC whose first bytes are damaged"),
        (b"OggS" + bytes(50), "it is Ogg without a whole first page"),
        (b"ID3\x04\0\0\0\0\0\0", "a recording of zero length"),
        (b"just a text", "it is not a recording that can be read"),
    ]:
        path.write_bytes(data)
        with pytest.raises(AudioError) as raised:
            read_recording(path)
        assert str(raised.value).startswith(f"{path}: {said}")
        assert "; " in str(raised.value), "what to do"
