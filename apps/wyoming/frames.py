"""Events of the Wyoming protocol as they come from a client, within bounds, and their sound. Knows no model.

The library's own reader allocates whatever a header says.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from wyoming.audio import AudioChunk, AudioFormat
from wyoming.event import Event

from unmask.bundle.dataclass_json import parse_json
from unmask.errors import InputError

DATA_BYTES = 256 << 10  # of an event's fields
PAYLOAD_BYTES = 4 << 20  # of its sound: 40 s at 48 kHz
RATES_HZ = (8000, 192_000)
CHANNELS = 8
SCALES = {2: ("<i2", 1 << 15), 4: ("<i4", 1 << 31)}
"""Bytes of a sample -> how they are read, and full scale."""
Made = TypeVar("Made")


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """The next event; None at the end. Raises InputError for what is none, or too large."""
    try:
        line = await reader.readline()
        if not line:
            return None
        header = parse_json(line)
        data, payload = (_length(header, name, most) for name, most in (("data", DATA_BYTES), ("payload", PAYLOAD_BYTES)))
        fields = header.get("data") or {}
        if data:
            fields = {**fields, **parse_json(await reader.readexactly(data))}
        return Event(str(header["type"]), fields, await reader.readexactly(payload) if payload else None)
    except asyncio.IncompleteReadError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # readline's for a line that is too long
        raise InputError("this is no event of the Wyoming protocol") from error


def _length(header: dict[str, object], name: str, most: int) -> int:
    length = header.get(f"{name}_length") or 0
    if not isinstance(length, int) or not 0 <= length <= most:
        raise InputError(f"{name}_length is {length!r}; 0 to {most} are taken")
    return length


def fields_of(read: Callable[[Event], Made], event: Event) -> Made:
    """An event as its record. Raises InputError if fields are missing or of another type."""
    try:
        return read(event)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"the event {event.type} has fields that are missing or wrong ({error})") from error


def check_format(sound: AudioFormat) -> None:
    """Raises InputError for sound that is not taken."""
    low, high = RATES_HZ
    values = (sound.rate, sound.width, sound.channels)
    whole = all(isinstance(value, int) for value in values)
    if not whole or not low <= sound.rate <= high or sound.width not in SCALES or not 1 <= sound.channels <= CHANNELS:
        raise InputError(
            f"sound of {sound.rate} Hz, {sound.width} bytes a sample and {sound.channels} channels is not taken; "
            f"{low} to {high} Hz, 2 or 4 bytes and up to {CHANNELS} channels are"
        )


def samples_of(chunk: AudioChunk) -> NDArray[np.float32]:
    """(N,) float32 in [-1, 1], channels averaged. Raises InputError for bytes that are no whole samples."""
    kind, scale = SCALES[chunk.width]
    if len(chunk.audio) % (chunk.width * chunk.channels):
        raise InputError(f"{len(chunk.audio)} bytes are no whole samples of {chunk.channels} channels")
    values = np.frombuffer(chunk.audio, kind).astype(np.float32) / np.float32(scale)
    mean: NDArray[np.float32] = values.reshape(-1, chunk.channels).mean(1)
    return mean


def pcm(samples: NDArray[np.float32]) -> bytes:
    """(N,) float32 in [-1, 1] as 16-bit PCM."""
    return (np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()
