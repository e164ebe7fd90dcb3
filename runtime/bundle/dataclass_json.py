"""Strict reading of JSON that others wrote, and of frozen dataclasses from it: an unknown key, a missing key or a wrong type is
an error that names its path.

Knows dataclasses of str, int, float, bool, nested dataclasses, `X | None`, tuple[X, ...], dict[str, X], and Any, which is not
checked. Knows no bundle.
"""

import dataclasses
import difflib
import json
import math
import re
import types
import typing
from typing import Any, TypeVar

from unmask.errors import BundleError

T = TypeVar("T")
LARGEST = 1 << 63  # as sizes, offsets and times: what NumPy can hold
HALVES = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
"""Where half of a character may be; most are in pairs, which are whole characters."""


def parse_json(text: str | bytes | bytearray) -> Any:
    """What JSON in UTF-8 says; a byte order mark is passed over.

    Raises ValueError for text that is none, and for what Python alone takes: NaN and infinity, halves of characters, which cannot
    be written again, and lists and objects so deep in each other that reading them would exhaust the stack.
    """
    if not isinstance(text, str):
        text = text.decode("utf-8")
    try:
        value = json.loads(text.removeprefix("\ufeff"), parse_constant=_finite, parse_float=_finite)
        if HALVES.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{error.object[error.start]!r} is half of a character") from error
    except RecursionError as error:
        raise ValueError("lists and objects lie too deep in each other") from error
    return value


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def from_json(kind: type[T], value: Any, where: str) -> T:
    """Build `kind` from decoded JSON. Raises BundleError with the dotted path, after `where`, of the first wrong value."""
    parsed: T = _parse(kind, value, where)
    return parsed


def _parse(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _parse(next(k for k in inner if k is not types.NoneType), value, where)
    if origin is tuple:
        return tuple(_parse(inner[0], item, f"{where}[{i}]") for i, item in enumerate(_expect(list, value, where)))
    if origin is dict:
        return {key: _parse(inner[1], item, f"{where}.{key}") for key, item in _expect(dict, value, where).items()}
    if dataclasses.is_dataclass(kind):
        return _record(kind, _expect(dict, value, where), where)
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise BundleError(f"{where}: {str(value)[:20]}... is too large for a number")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):  # Python's JSON has NaN and Infinity, no other's has
        raise BundleError(f"{where}: {value} is not a finite number")
    return _expect(kind, value, where)


def _record(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints, fields = typing.get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}
    for key in value:
        if key not in fields and value[key] is not None:  # null says nothing, as in manifests written when there was such a key
            near = difflib.get_close_matches(key, fields, n=1)
            raise BundleError(
                f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(fields)}")
            )
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise BundleError(f"{where}: the key {name!r} is missing")
    return kind(**{key: _parse(hints[key], item, f"{where}.{key}") for key, item in value.items() if key in fields})


def _expect(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BundleError(f"{where}: expected {kind.__name__}, found {type(value).__name__} {str(value)[:40]!r}")
    return value
