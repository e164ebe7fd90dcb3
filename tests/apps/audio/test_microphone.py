"""The microphone: choice and faults with a stand-in for PortAudio, and a real capture where PulseAudio can be started."""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.apps.conftest import Command
from unmask.apps.audio import microphone
from unmask.apps.audio.microphone import Microphone
from unmask.errors import AudioError


class PortAudioError(Exception):
    pass


class Stream:
    def __init__(self, audio: "StandIn", **settings: Any) -> None:
        self.audio, self.settings = audio, settings
        if audio.refused:
            raise PortAudioError("Device unavailable [PaErrorCode -9985]")

    def start(self) -> None:
        self.audio.stream = self

    def close(self) -> None:
        self.audio.stream = None

    def speak(self, value: float, blocks: int = 1) -> None:
        frames = self.settings["blocksize"]
        for _ in range(blocks):
            self.settings["callback"](np.full((frames, self.settings["channels"]), value, np.float32), frames, None, None)


class StandIn:
    """What of `sounddevice` is used."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.devices = [device("Speakers", 0), device("Built-in microphone", 1), device("USB microphone", 2, 44_100)]
        self.default = SimpleNamespace(device=[1, 0])
        self.refused, self.restarts = False, 0
        self.stream: Stream | None = None

    def query_devices(self) -> list[dict[str, Any]]:
        return self.devices

    def check_input_settings(self, device: int, samplerate: float, **_: Any) -> None:
        if self.devices[device]["default_samplerate"] != samplerate:
            raise PortAudioError("Invalid sample rate")

    def InputStream(self, **settings: Any) -> Stream:
        return Stream(self, **settings)

    def _terminate(self) -> None:
        self.restarts += 1

    def _initialize(self) -> None: ...


def device(name: str, channels: int, rate_hz: float = 16_000) -> dict[str, Any]:
    return {"name": name, "max_input_channels": channels, "default_samplerate": rate_hz}


@pytest.fixture
def audio(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in)  # type: ignore[arg-type]
    return stand_in


@pytest.mark.parametrize(
    ("wanted", "name"),
    [(None, "Built-in microphone"), ("2", "USB microphone"), ("usb", "USB microphone"), ("built-in", "Built-in microphone")],
)
def test_a_device_is_chosen_by_number_or_name(audio: StandIn, wanted: str | None, name: str) -> None:
    assert Microphone(wanted).name == name


@pytest.mark.parametrize(
    ("wanted", "told"),
    [("microphone", "several devices"), ("headset", "not an input device"), ("0", "not an input device"), ("9", "no")],
)
def test_a_wrong_choice_is_told_with_what_there_is(audio: StandIn, wanted: str, told: str) -> None:
    with pytest.raises(AudioError, match=told) as error:
        Microphone(wanted)
    assert "1 Built-in microphone, 2 USB microphone" in str(error.value)


def test_devices_are_listed_with_the_default_marked(audio: StandIn, command: Command) -> None:
    result = command("caption", "--list-devices")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()] == ["*", "2"]


def test_no_microphone_a_refusal_and_missing_portaudio_are_told(
    audio: StandIn, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio.refused = True
    refused = command("caption")
    audio.devices = audio.devices[:1]
    none = command("caption")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    missing = command("caption", "--list-devices")
    assert [r.code for r in (refused, none, missing)] == [2, 2, 2]
    assert [r.err.count("\n") for r in (refused, none, missing)] == [1, 1, 1]
    assert "Device unavailable" in refused.err
    assert "no microphone was found" in none.err
    assert "pip install 'unmask[live]'" in missing.err


def test_missing_portaudio_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(AudioError, match="apt install libportaudio2"):
        microphone.open_portaudio()


def test_another_rate_and_two_channels_become_16_khz_mono(audio: StandIn) -> None:
    source, stop = Microphone("USB"), threading.Event()
    assert audio.stream
    assert (audio.stream.settings["samplerate"], audio.stream.settings["channels"]) == (44_100, 2)
    audio.stream.speak(0.5, blocks=20)
    blocks = source.blocks(stop)
    got = np.concatenate([next(blocks) for _ in range(20)])  # type: ignore[arg-type]
    blocks.close()  # type: ignore[attr-defined]
    assert len(got) == pytest.approx(2 * 16_000, abs=200)  # the filter holds a little back
    assert np.abs(got[1000:-1000] - 0.5).max() < 0.01
    assert audio.stream is None  # closed


def test_blocks_are_as_long_as_asked_for_at_the_rate_of_the_device(audio: StandIn) -> None:
    for name, block_s, length in ((None, 0.1, 1600), (None, 0.05, 800), ("USB", 0.05, 2205)):
        Microphone(name, block_s)
        assert audio.stream
        assert audio.stream.settings["blocksize"] == length


def test_an_unplugged_device_is_opened_again_and_the_gap_is_counted(
    audio: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(microphone, "LOST_S", 0.15)
    monkeypatch.setattr(microphone, "AGAIN_S", 0.05)
    source, stop, began = Microphone("usb"), threading.Event(), time.monotonic()
    assert audio.stream
    audio.stream.speak(0.5, blocks=2)
    usb = audio.devices.pop()
    threading.Timer(0.5, audio.devices.append, [usb]).start()
    blocks = source.blocks(stop)
    heard = [next(blocks), next(blocks)]
    gap = next(blocks)
    took_s = time.monotonic() - began
    assert audio.stream
    audio.stream.speak(0.25)
    after = next(blocks)
    stop.set()
    assert isinstance(gap, float)
    assert isinstance(after, np.ndarray)
    assert 0.2 < gap <= took_s  # the device was away that long at least
    assert audio.restarts >= 2  # PortAudio looked again
    assert len(heard) == 2
    told = capsys.readouterr().err
    assert told.count("is gone") == 1
    assert told.count("is back") == 1


CAPTURE = """
import threading, time, numpy as np
from unmask.apps.audio.microphone import Microphone
source, stop, parts = Microphone("pulse"), threading.Event(), []
threading.Timer(6, stop.set).start()
print(source.name, flush=True)
for block in source.blocks(stop):
    parts.append(block)
    if sum(map(len, parts)) > 16_000 * 5.5: break
samples = np.concatenate([p for p in parts if isinstance(p, np.ndarray)])
np.save("heard.npy", samples)
"""


def test_portaudio_hears_what_is_played(tmp_path: Path) -> None:
    """A null sink of PulseAudio is the microphone, a tone of 440 Hz is played into it."""
    if not all(map(shutil.which, ("pulseaudio", "paplay", "pacat", "pactl"))):
        pytest.skip("PulseAudio is not installed")
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"PortAudio is not installed: {error}")
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(*line: str) -> None:
        subprocess.run(line, env=environment, check=True, capture_output=True, timeout=20)

    tone = (np.sin(2 * np.pi * 440 * np.arange(3 * 16_000) / 16_000) * 16_000).astype("<i2")
    (tmp_path / "tone.raw").write_bytes(tone.tobytes())
    raw = ("--rate=16000", "--channels=1", "--format=s16le", "--device=mic")
    sink = "module-null-sink sink_name=mic rate=16000 channels=1"
    run("pulseaudio", "--daemonize=yes", "--exit-idle-time=-1", "-n", "-L", "module-native-protocol-unix", "-L", sink)
    try:
        run("pactl", "set-default-source", "mic.monitor")
        # An idle null sink starts late: silence keeps it awake.
        quiet = ["pacat", "--playback", "--latency-msec=20", *raw, "/dev/zero"]
        with subprocess.Popen(quiet, env=environment, stderr=subprocess.DEVNULL) as silence:
            line = [sys.executable, "-c", CAPTURE]
            with subprocess.Popen(line, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as hearing:
                assert hearing.stdout
                assert hearing.stdout.readline().strip() == "pulse"
                run("paplay", "--raw", *raw, str(tmp_path / "tone.raw"))
                assert hearing.wait(15) == 0
            silence.kill()
    finally:
        subprocess.run(["pulseaudio", "--kill"], env=environment, check=False, capture_output=True)
    heard = np.load(tmp_path / "heard.npy")
    loud = heard[np.abs(heard) > 0.1]
    assert len(loud) > 2 * 16_000
    at = np.flatnonzero(np.abs(heard) > 0.1)[8000]
    spectrum = np.abs(np.fft.rfft(heard[at : at + 16_000] * np.hanning(16_000)))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)
