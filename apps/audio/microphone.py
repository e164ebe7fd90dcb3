"""The microphone, through `sounddevice` (PortAudio), which is imported on use.

Knows devices and their errors. Knows no captioner.
"""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from unmask.apps.audio.backlog import Item, Samples
from unmask.apps.audio.resampler import Resampler
from unmask.apps.audio.sources import BLOCK_S
from unmask.errors import AudioError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

LOST_S = 2.0  # without a block for this long, the device is gone
AGAIN_S = 1.0  # between two attempts to open it again
ADVICE = {
    "linux": "install PortAudio: apt install libportaudio2 (Debian), dnf install portaudio (Fedora)",
    "darwin": "allow the terminal in System Settings > Privacy & Security > Microphone",
    "win32": "allow desktop apps in Settings > Privacy > Microphone",
}


def open_portaudio(what: str = "the microphone") -> Any:
    """The module `sounddevice`. Raises AudioError if it, or the PortAudio library that it needs, is missing.

    what: needs it, for messages.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(f"{what} needs sounddevice ({error}): pip install 'unmask[live]'") from error
    except OSError as error:  # sounddevice raises it without PortAudio
        raise AudioError(f"{what} needs PortAudio ({error}); {ADVICE['linux']}") from error
    return sounddevice


def inputs(portaudio: Any) -> list[dict[str, Any]]:
    """Input devices, each with `index`, `name`, `max_input_channels`, `default_samplerate` and `default`. Raises AudioError."""
    try:
        devices = portaudio.query_devices()
        default = portaudio.default.device[0]
    except portaudio.PortAudioError as error:
        raise AudioError(f"audio devices cannot be listed ({error}); is a sound server running?") from error
    return [{**d, "index": i, "default": i == default} for i, d in enumerate(devices) if d["max_input_channels"] > 0]


def list_devices() -> str:
    """One line for each input device; the default one has a star."""
    found = inputs(open_portaudio())
    lines = [
        f"{'*' if d['default'] else ' '} {d['index']:>3}  {d['name']}  ({d['max_input_channels']} channels, "
        f"{d['default_samplerate']:.0f} Hz)"
        for d in found
    ]
    return "\n".join(lines or ["no input device was found; plug in a microphone"])


def choose(portaudio: Any, wanted: str | None) -> dict[str, Any]:
    """The input device with that index, or with that text in its name; None: the default. Raises AudioError with a list."""
    found = inputs(portaudio)
    if not found:
        raise AudioError(f"no microphone was found; plug one in, or {ADVICE.get(sys.platform, ADVICE['linux'])}")
    if wanted is None:
        return next((d for d in found if d["default"]), found[0])
    matching = [d for d in found if (str(d["index"]) == wanted if wanted.isdecimal() else wanted.lower() in d["name"].lower())]
    exact = [d for d in matching if d["name"].lower() == wanted.lower()]
    if len(exact or matching) != 1:
        names = ", ".join(f"{d['index']} {d['name']}" for d in matching or found)
        problem = "matches several devices" if matching else "is not an input device"
        raise AudioError(f"{wanted!r} {problem}; choose one by its number: {names}")
    return (exact or matching)[0]


class Microphone:
    """An input device. When it is unplugged it is opened again as soon as it is back, and the gap is counted.

    It is opened on construction, which raises AudioError if that fails.
    """

    clocked = True
    lacking: str | None = None

    def __init__(self, device: str | None = None, block_s: float = BLOCK_S) -> None:
        self._wanted, self._block_s = device, block_s
        self._portaudio = open_portaudio()
        self._blocks: queue.SimpleQueue[Samples] = queue.SimpleQueue()
        self._stream: Any = None
        self._open()

    def _open(self) -> None:
        audio, device = self._portaudio, choose(self._portaudio, self._wanted)
        self.name = str(device["name"])
        rate_hz, channels = float(SAMPLE_RATE_HZ), 1
        try:
            try:
                audio.check_input_settings(device=device["index"], channels=1, samplerate=rate_hz, dtype="float32")
            except audio.PortAudioError:  # use the device's own rate and channels, and convert
                rate_hz, channels = float(device["default_samplerate"]), min(2, int(device["max_input_channels"]))
            self._resampler = Resampler(rate_hz)
            self._stream = audio.InputStream(
                device=device["index"],
                channels=channels,
                samplerate=rate_hz,
                blocksize=round(self._block_s * rate_hz),
                dtype="float32",
                callback=self._hear,
            )
            self._stream.start()
        except audio.PortAudioError as error:
            self._close()
            advice = ADVICE.get(sys.platform) if sys.platform != "linux" else "close other programs that record"
            raise AudioError(
                f"microphone {self.name!r} cannot be opened ({error}); {advice}, or choose another --device"
            ) from error

    def _hear(self, data: Samples, frames: int, at: Any, status: Any) -> None:
        self._blocks.put(data.mean(1))  # a copy: PortAudio reuses its buffer

    def _close(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(self._portaudio.PortAudioError):  # closing a device that is gone fails
                self._stream.close()
            self._stream = None

    def blocks(self, stop: threading.Event) -> Iterator[Item]:
        """Blocks of samples as they come, and the seconds of each gap."""
        began, heard_s = time.monotonic(), 0.0
        try:
            while not stop.is_set():
                try:
                    block = self._blocks.get(timeout=LOST_S if heard_s else 2 * LOST_S)
                except queue.Empty:
                    self._close()
                    print(f"unmask: microphone {self.name!r} is gone; waiting for it", file=sys.stderr, flush=True)
                    if not self._reopen(stop):
                        return
                    print(f"unmask: microphone {self.name!r} is back", file=sys.stderr, flush=True)
                    gap_s = time.monotonic() - began - heard_s
                    heard_s += gap_s
                    yield gap_s
                    continue
                heard_s += len(block) / self._resampler.rate_hz
                yield self._resampler(block)
        finally:
            self._close()

    def _reopen(self, stop: threading.Event) -> bool:
        """Try until the device is back; False if `stop` is set first."""
        while not stop.wait(AGAIN_S):
            # PortAudio reads the list of devices once; sounddevice has no public call to read it again.
            self._portaudio._terminate()
            self._portaudio._initialize()
            try:
                self._open()
            except AudioError:
                continue
            return True
        return False
