"""What the page asks for: JSON to a task's inputs and options. Everything that a client may get wrong is an InputError here.

Knows the page's JSON, pictures and sound. Knows no web framework and runs nothing.
"""

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.apps.modalities.pictures import read_picture
from unmask.bundle.dataclass_json import parse_json
from unmask.codecs import Kept
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError
from unmask.session import RunOptions, Session, Task
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.text.generator import Input

CHOICES: dict[str, type] = {"passes": int, "rule": str, "order": str, "guidance": float, "temperature": float, "seed": int}
"""Options of a schedule that the page sets -> their type."""
KINDS: dict[type, str] = {
    **{str: "a text", int: "a whole number", float: "a number", bool: "true or false"},
    **{list: "a list", dict: "an object", type(None): "missing"},
}
"""What JSON holds, in words."""
LONGEST_TEXT = 4000  # characters
LONGEST_S = 60.0
SHORTEST_S = 0.2  # a syllable
MOST = {"passes": 4096, "seed": 2**32 - 1}
Given = dict[str, Input | NDArray[Any]]


@dataclass(frozen=True)
class Asked:
    """A run, checked and ready."""

    task: str
    inputs: Given
    options: RunOptions


def read_run(session: Session, body: bytes) -> Asked:
    """The run that a body asks for. Raises InputError, in words for the person at the page."""
    asked = read_object(body, "task", "inputs", "schedule", "keep")
    task = session.task(_typed(asked, "task", str))
    given = _typed(asked, "inputs", dict)
    there = [name for name in task.inputs if given.get(name) is not None and not (name in task.optional and given[name] == "")]
    inputs = {name: _input(task.inputs[name], given[name]) for name in there}
    missing = [name for name in task.required if name not in inputs]
    if missing:
        raise InputError(f"{task.name} needs {' and '.join(task.required)}; {' and '.join(missing)} is not there yet")
    keep = {modality: read_kept(codes) for modality, codes in _typed(asked, "keep", dict, {}).items()}
    return Asked(task.name, inputs, RunOptions(read_schedule(task, _typed(asked, "schedule", dict, {})), keep=keep))


def read_object(body: bytes, *names: str) -> dict[str, Any]:
    """A JSON object. Raises InputError for another body, and for a name that is none of these."""
    try:
        found = parse_json(body)
    except ValueError as error:
        raise InputError(f"the request is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise InputError("the request is not a JSON object")
    if unknown := sorted(found.keys() - set(names)):
        raise InputError(f"the request's {unknown[0]} is not known here; it may have {', '.join(names)}")
    return found


def read_schedule(task: Task, given: Mapping[str, Any]) -> Schedule:
    """The task's schedule with the given options. Raises InputError for options and values that it does not have."""
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        kind = CHOICES.get(name)
        if kind is None:
            raise InputError(f"{name} is no setting here; there are {', '.join(CHOICES)}")
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            raise InputError(f"{name} is {value!r}, which is not {KINDS[kind]}")
        chosen[name] = value
    for name, most in MOST.items():
        if chosen.get(name, 0) > most:
            raise InputError(f"{name} is {chosen[name]}; at most {most} is taken here")
    return replace(task.schedule, **chosen)


def read_kept(codes: object) -> Kept:
    """A list of codes, null where the answer is made anew. Raises InputError."""
    if not isinstance(codes, list) or not all(code is None or type(code) is int for code in codes):
        raise InputError("what is kept is a list of codes, with null where it is made anew")
    return Kept([0 if code is None else code for code in codes], np.array([code is None for code in codes], bool))


def read_codes(codes: object) -> list[int]:
    """A list of codes. Raises InputError."""
    if not isinstance(codes, list) or not codes or not all(type(code) is int for code in codes):
        raise InputError("codes are a list of whole numbers, at least one")
    return codes


def read_pixels(data: bytes) -> NDArray[np.uint8]:
    """The bytes of a PNG, JPEG or WebP file -> (H, W, 3). Raises InputError."""
    return read_picture(io.BytesIO(data), "this picture")


def read_samples(data: bytes) -> NDArray[np.float32]:
    """Little-endian float32 at 16 kHz -> (N,). Raises InputError for what is no sound, too short or too long."""
    if len(data) % 4:
        raise InputError("this sound is not a row of 32-bit floats")
    samples: NDArray[np.float32] = np.frombuffer(data, "<f4")
    seconds = len(samples) / SAMPLE_RATE_HZ
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise InputError(f"this sound has {seconds:.2f} s; {SHORTEST_S:g} to {LONGEST_S:g} s can be heard, so record it again")
    if not np.isfinite(samples).all():
        raise InputError("this sound has values that are not finite numbers; record it again")
    return samples.clip(-1, 1)


def _input(modality: str, value: object) -> Input | NDArray[Any]:
    if not isinstance(value, str):
        raise InputError(f"the input {modality} is {KINDS[type(value)]}, not a text")
    if modality == "text":
        if not value.strip():
            raise InputError("the text is empty; say what you want")
        if len(value) > LONGEST_TEXT:
            raise InputError(f"the text has {len(value)} characters; at most {LONGEST_TEXT} are read, so shorten it")
        return value
    try:
        data = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise InputError(f"the input {modality} is not base64 ({error})") from error
    return read_pixels(data) if modality == "image" else read_samples(data)


def _typed(asked: Mapping[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = asked.get(name, default)
    if not isinstance(value, kind):
        raise InputError(f"the request's {name} is {KINDS[type(value)]}, not {KINDS[kind]}")
    return value
