"""Recordings as people have them: unknown lengths, channels that cancel each other, numbers that are no sound."""

import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.apps.conftest import CLIPS
from unmask.apps.audio.files import open_recording, read_recording
from unmask.apps.audio.formats.feed import Feed, decoded
from unmask.errors import AudioError

RATE = 16000


def speech(seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    """Bursts of a tone: something that is not the same everywhere."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 220 * t) * (np.sin(2 * np.pi * 3 * t) > 0)).astype(np.float32)


def saved(path: Path, samples: NDArray[np.float32], rate: int = RATE, **form: str) -> Path:
    soundfile.write(path, samples, rate, **form)
    return path


@pytest.mark.parametrize("seconds", [0.5, 8.192, 9.3])
def test_blocks_join_without_a_seam(tmp_path: Path, seconds: float) -> None:
    path = saved(tmp_path / "a.flac", speech(seconds))
    np.testing.assert_array_equal(read_recording(path), soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampled_blocks_are_those_of_the_whole(tmp_path: Path, rate: int) -> None:
    import soxr

    path = saved(tmp_path / "a.wav", np.stack([speech(7, rate), 0.5 * speech(7, rate)], 1), rate, subtype="FLOAT")
    whole = soxr.resample(soundfile.read(path, dtype="float32")[0].mean(1), rate, RATE)
    np.testing.assert_allclose(read_recording(path), whole, atol=1e-5)


@pytest.mark.parametrize(
    "form", [{"format": "MP3"}, {"format": "OGG", "subtype": "OPUS"}, {"format": "OGG", "subtype": "VORBIS"}]
)
def test_decoders_with_a_memory_hear_the_same_in_blocks(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], form: dict[str, str]
) -> None:
    path = saved(tmp_path / "a", speech(13), **form)
    whole = soundfile.read(path, dtype="float32")[0]
    heard = read_recording(path)
    np.testing.assert_allclose(heard[: len(whole)], whole, atol=1e-6)
    assert len(heard) - len(whole) < (1152 if form["format"] == "MP3" else 1)  # what the encoder filled its last frames with
    assert capfd.readouterr().err == ""


def test_channels_that_cancel_each_other_are_not_averaged(tmp_path: Path) -> None:
    samples = speech(2)
    path = saved(tmp_path / "a.wav", np.stack([samples, -samples], 1), subtype="FLOAT")
    np.testing.assert_array_equal(read_recording(path), samples)
    path = saved(tmp_path / "b.wav", np.stack([samples, 0 * samples], 1), subtype="FLOAT")
    np.testing.assert_array_equal(read_recording(path), samples / 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x * 32768, "its samples reach 9830, and full scale is 1"),
        (lambda x: np.stack([x, np.full_like(x, np.nan)], 1), "values that are not finite numbers"),
    ],
)
def test_numbers_that_are_no_sound_are_named_with_their_file(tmp_path: Path, make, message: str) -> None:
    path = saved(tmp_path / "a.wav", make(speech(1)), subtype="FLOAT")
    with pytest.raises(AudioError, match=message) as raised:
        read_recording(path)
    assert str(path) in str(raised.value)


def test_headerless_sound_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "pcm.raw"
    path.write_bytes(np.zeros(1000, "<i2").tobytes())
    with pytest.raises(AudioError, match="not a recording that can be read"):
        read_recording(path)


@pytest.mark.parametrize("form", [{"format": "MP3"}, {"format": "FLAC"}, {"format": "WAV"}])
def test_memory_does_not_grow_with_the_recording(tmp_path: Path, form: dict[str, str]) -> None:
    """What Python allocates while blocks are read and dropped; the longer one takes 15 MB, and 2.6 MB at 16 kHz."""
    for seconds in (10, 40):
        path = saved(tmp_path / "a", np.zeros((48000 * seconds, 2), np.float32), 48000, **form)
        recording = open_recording(path)
        with recording.raw:
            tracemalloc.start()
            heard_s = sum(len(block) for block in recording.blocks()) / RATE
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert heard_s == pytest.approx(seconds, abs=0.2)
        assert peak < 1.5e6


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_decoder_is_not_lost(monkeypatch: pytest.MonkeyPatch, sent: signal.Signals) -> None:
    """An error within a callback of libsndfile only leaves a line on stderr; Ctrl-C there must still end the work."""
    original = Feed.readinto

    def pressed(self: Feed, buffer: object) -> int:
        if self.opened:
            signal.raise_signal(sent)
        return original(self, buffer)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(sent, end)
    monkeypatch.setattr(Feed, "readinto", pressed)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(decoded([(CLIPS / "lj-jail.flac").read_bytes()]))
        assert signal.getsignal(sent) == end
    finally:
        signal.signal(sent, before)
