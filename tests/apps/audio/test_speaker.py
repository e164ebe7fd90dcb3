"""The loudspeaker with a stand-in for PortAudio: what is heard, and its faults."""

import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from unmask.apps.audio.speaker import Speaker
from unmask.errors import AudioError

FRAMES = 64


class PortAudioError(Exception):
    pass


class CallbackStop(Exception):
    pass


class Stream:
    """Asks for samples on a thread of its own, as PortAudio does, until it is told to stop."""

    def __init__(self, audio: "StandIn", **settings: Any) -> None:
        if audio.refused is not None:
            raise audio.refused
        self.audio, self.settings = audio, settings
        self.thread = threading.Thread(target=self.run)

    def __enter__(self) -> "Stream":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.audio.ended.set()
        self.thread.join()

    def run(self) -> None:
        while not self.audio.ended.is_set():
            out = np.full((FRAMES, 1), np.nan, np.float32)
            try:
                self.settings["callback"](out, FRAMES, None, None)
            except CallbackStop:
                self.audio.ended.set()
            self.audio.heard.append(out[:, 0])
            self.audio.asked.set()
        self.settings["finished_callback"]()


class StandIn:
    """What of `sounddevice` is used."""

    PortAudioError, CallbackStop = PortAudioError, CallbackStop

    def __init__(self) -> None:
        self.refused: Exception | None = None
        self.heard: list[np.ndarray] = []
        self.asked, self.ended = threading.Event(), threading.Event()

    def OutputStream(self, **settings: Any) -> Stream:
        return Stream(self, **settings)


@pytest.fixture
def audio(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in)  # type: ignore[arg-type]
    return stand_in


@pytest.mark.parametrize("lengths", [[100], [3, 0, 500, 64], [64, 64]])
def test_all_parts_are_heard_in_order_and_silence_where_they_come_late(audio: StandIn, lengths: list[int]) -> None:
    parts = [np.arange(1, length + 1, dtype=np.float32) + 1000 * i for i, length in enumerate(lengths)]

    def late() -> Iterator[np.ndarray]:
        for part in parts:
            audio.asked.clear()
            audio.asked.wait(10)  # something is heard before each
            yield part

    speaker = Speaker(22_050)
    speaker.play(late())
    heard = np.concatenate(audio.heard)
    np.testing.assert_array_equal(heard[heard != 0], np.concatenate(parts))
    assert heard[0] == 0
    assert np.isfinite(heard).all()
    assert [part.size for part in speaker.played] == lengths


def test_an_error_while_sound_is_made_ends_it(audio: StandIn) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield np.ones(10, np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Speaker(22_050).play(broken())
    assert audio.ended.is_set()


@pytest.mark.parametrize("error", [PortAudioError("Error querying device -1"), ValueError("No output device found")])
def test_no_device_is_told_with_what_to_do(audio: StandIn, error: Exception) -> None:
    audio.refused = error
    with pytest.raises(AudioError, match=r"no sound can be played \(.* device.*\); leave out --play and write a file") as raised:
        Speaker(22_050)
    assert "\n" not in str(raised.value)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match=r"--play needs sounddevice .*pip install 'unmask\[live\]'"):
        Speaker(22_050)
