"""Standard input and files at their own clock."""

import io
import struct
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.apps.audio import sources
from unmask.apps.audio.files import read_recording
from unmask.apps.audio.sources import RealtimeFile, Stdin
from unmask.errors import AudioError

TONE = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32) * 0.5


def heard(stream: bytes, rate_hz: int = 16_000) -> NDArray[np.float32]:
    blocks = list(Stdin(io.BytesIO(stream), rate_hz).blocks(threading.Event()))
    return np.concatenate([block for block in blocks if isinstance(block, np.ndarray)])


def wav(samples: NDArray[np.float32], rate_hz: int, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, 2, rate_hz, 0, "NONE", ""))
        file.writeframes((np.repeat(samples, channels) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def pitch_hz(samples: NDArray[np.float32]) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * 16_000 / len(samples))


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (48_000, 2), (44_100, 1)])
def test_wav_of_any_rate_is_heard_at_16_khz(rate_hz: int, channels: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz).astype(np.float32) * 0.5
    samples = heard(wav(tone, rate_hz, channels))
    assert len(samples) == pytest.approx(16_000, abs=2)
    assert pitch_hz(samples) == pytest.approx(440, abs=2)
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(0.5, abs=0.01)


def test_raw_audio_is_16_bit_pcm_at_the_rate_given() -> None:
    pcm = (TONE * 32767).astype("<i2")
    assert np.allclose(heard(pcm.tobytes()), pcm / 32768)
    assert pitch_hz(heard(pcm.tobytes(), 48_000)) == pytest.approx(440, abs=2)
    assert len(heard(pcm.tobytes()[:-1])) == len(pcm) - 1  # half a sample is none


def test_float_wav_with_an_extensible_header_and_other_chunks() -> None:
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 64_000, 4, 32, 22, 32, 0) + struct.pack("<H", 3) + bytes(14)
    body = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    data = np.array([0.25, np.nan, np.inf, -0.5], "<f4").tobytes()
    stream = b"RIFF\xff\xff\xff\xffWAVE" + body + b"data\xff\xff\xff\xff" + data  # lengths as a pipe has them
    assert heard(stream).tolist() == [0.25, 0, 0, -0.5]


@pytest.mark.parametrize(
    "stream",
    [b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", wav(TONE, 16_000)[:30]],
)
def test_a_broken_header_is_told(stream: bytes) -> None:
    with pytest.raises(AudioError, match="standard input: it is WAV whose header is incomplete"):
        heard(stream)


def test_wav_of_a_form_that_nobody_knows_is_refused_by_its_number() -> None:
    stream = bytearray(wav(TONE, 16_000))
    stream[20:22] = struct.pack("<H", 0x4321)
    with pytest.raises(AudioError, match="WAV of format 0x4321"):
        heard(bytes(stream))


def test_nothing_on_standard_input_is_nothing_heard() -> None:
    assert len(heard(b"")) == 0


class Clock(threading.Event):
    """A clock that moves only when it is waited for, and 30 ms too far each time: a busy machine."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 5.0

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, timeout: float | None = None) -> bool:
        self.now_s += (timeout or 0) + 0.03
        return self.is_set()


@pytest.mark.parametrize("block_s", [0.1, 0.05])
def test_a_file_comes_at_its_own_clock(block_s: float, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, parts = Clock(), list[NDArray[np.float32]]()
    monkeypatch.setattr(sources, "time", stop)
    for block in RealtimeFile(clip, block_s).blocks(stop):
        assert isinstance(block, np.ndarray)
        parts.append(block)
        heard_s = sum(map(len, parts)) / 16_000
        assert stop.now_s - 5 - heard_s == pytest.approx(0.03)  # one wait's lateness, which does not add up
        if heard_s > 0.9:
            stop.set()
    assert np.array_equal(np.concatenate(parts), read_recording(clip)[: sum(map(len, parts))])
    assert {len(part) for part in parts} == {round(16_000 * block_s)}
    assert len(parts) <= 1.1 / block_s  # `stop` was heeded
