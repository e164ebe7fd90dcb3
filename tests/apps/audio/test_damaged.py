"""Damaged and cut recordings: what can be read is heard at its true time, and what is missing is told."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.apps.audio.files import Recording, open_recording, read_recording
from unmask.errors import AudioError

RATE = 16000
FORMS = [("FLAC", None), ("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS")]


def read(path: Path, data: bytes) -> tuple[NDArray[np.float32], Recording]:
    path.write_bytes(data)
    recording = open_recording(path)
    with recording.raw:
        return np.concatenate(list(recording.blocks())), recording


def late_by(heard: NDArray[np.float32], made: NDArray[np.float32], at_s: float) -> float:
    """How many seconds later a second of the made sound is heard than it should be."""
    start, around = round(at_s * RATE), RATE // 2
    wanted, searched = made[start : start + RATE], heard[start - around : start + RATE + around]
    return (int(np.argmax(np.correlate(searched, wanted, "valid"))) - around) / RATE


@pytest.mark.parametrize(("form", "subtype"), FORMS)
def test_one_flipped_bit_costs_a_moment(
    tmp_path: Path, saved: Callable[..., bytearray], babble: NDArray[np.float32], form: str, subtype: str | None
) -> None:
    data = saved(form, subtype)
    data[len(data) // 2] ^= 16
    heard, recording = read(tmp_path / "a", data)
    assert len(heard) == pytest.approx(len(babble), abs=1200)
    assert recording.hole_s < 1.1
    for at_s in (2, 8, 16, 21):
        assert late_by(heard, babble, at_s) == 0
    if form != "MP3":  # whose frames have no sums: most bits are heard, and change little
        assert recording.lacking is not None
        assert "missing in 1 place" in recording.lacking


@pytest.mark.parametrize(("form", "subtype"), FORMS)
def test_a_stretch_of_zeros_is_silence_and_what_follows_keeps_its_time(
    tmp_path: Path, saved: Callable[..., bytearray], babble: NDArray[np.float32], form: str, subtype: str | None
) -> None:
    data = saved(form, subtype)
    third = len(data) // 3
    data[third : third + len(data) // 6] = bytes(len(data) // 6)
    heard, recording = read(tmp_path / "a", data)
    assert 3.9 < recording.hole_s < 6.1  # a sixth of 24 s, and the pages or frames that it touches
    assert recording.lacking is not None
    assert recording.lacking.startswith(f"{tmp_path / 'a'}: damaged: {recording.hole_s:.1f} s are missing in 1 place")
    for at_s in (2, 15, 21):
        assert abs(late_by(heard, babble, at_s)) <= (0.1 if form == "MP3" else 0)  # MP3 has no clock: bytes are counted
    silent = heard[round(9.2 * RATE) : round(11.5 * RATE)]
    assert not silent.any()


@pytest.mark.parametrize(("form", "subtype"), [one for one in FORMS if one[0] != "MP3"])
def test_a_stretch_that_was_cut_out_leaves_silence(
    tmp_path: Path, saved: Callable[..., bytearray], babble: NDArray[np.float32], form: str, subtype: str | None
) -> None:
    data = saved(form, subtype)
    del data[len(data) // 3 : len(data) // 2]
    heard, recording = read(tmp_path / "a", data)
    assert len(heard) == len(babble)
    assert 3.9 < recording.hole_s < 6.1
    for at_s in (2, 15, 21):
        assert late_by(heard, babble, at_s) == 0


@pytest.mark.parametrize(("form", "subtype"), [*FORMS, ("WAV", None)])
def test_a_file_cut_in_half_is_heard_to_its_end_and_says_what_is_missing(
    tmp_path: Path, saved: Callable[..., bytearray], form: str, subtype: str | None
) -> None:
    data = saved(form, subtype)
    heard, recording = read(tmp_path / "a", data[: len(data) // 2])
    assert len(heard) / RATE == pytest.approx(12, abs=1.1)
    assert recording.lacking is not None
    if form == "OGG":
        assert recording.lacking.endswith("its end is missing, and it does not say how long that was")
    else:
        assert recording.cut_s == pytest.approx(12, abs=0.4)
        assert f"it is {recording.cut_s:.1f} s shorter than it says" in recording.lacking


def test_mp3_with_a_stretch_cut_out_says_how_much_shorter_it_is(tmp_path: Path, saved: Callable[..., bytearray]) -> None:
    data = saved("MP3")
    del data[len(data) // 3 : len(data) // 2]
    heard, recording = read(tmp_path / "a", data)
    assert len(heard) / RATE == pytest.approx(20, abs=0.2)
    assert recording.cut_s == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize(("form", "subtype"), [*FORMS, ("WAV", None), ("AIFF", None)])
def test_a_whole_file_lacks_nothing(tmp_path: Path, saved: Callable[..., bytearray], form: str, subtype: str | None) -> None:
    path = tmp_path / "a"
    path.write_bytes(saved(form, subtype))
    recording = open_recording(path)
    with recording.raw:
        expected = [recording.expected_s for _ in recording.blocks()]
    assert recording.lacking is None
    assert expected[len(expected) // 2] == pytest.approx(24, abs=6)  # by the share of bytes: for the progress
    assert expected[-1] == pytest.approx(24, abs=0.5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("form", "subtype"), [*FORMS, ("WAV", None)])
def test_any_damage_is_an_answer_or_an_error_of_one_line(
    tmp_path: Path, saved: Callable[..., bytearray], form: str, subtype: str | None, seed: int
) -> None:
    """Bytes overwritten, cut out and repeated anywhere, the header too."""
    random, data = np.random.default_rng(seed), saved(form, subtype)
    for _ in range(8):
        first = int(random.integers(len(data) if seed % 2 else 200))
        size = int(random.integers(1, 2000))
        change = random.integers(3)
        data[first : first + size] = b"" if change == 0 else random.bytes(size) if change == 1 else 2 * data[first : first + size]
    path = tmp_path / "a"
    path.write_bytes(data)
    heard, said = np.zeros(0, np.float32), f"{path}: "
    try:
        heard = read_recording(path)
    except AudioError as error:
        said = str(error)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert np.isfinite(heard).all()
    assert len(heard) < 10 * 24 * RATE
