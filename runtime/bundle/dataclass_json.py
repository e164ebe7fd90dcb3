"""Strict parsing of JSON into frozen dataclasses: an unknown key, a missing key or a wrong type is an error that names its path.

Knows dataclasses of str, int, float, bool, nested dataclasses, `X | None`, tuple[X, ...], dict[str, X], and Any, which is not
checked. Knows no bundle.
"""

import dataclasses
import difflib
import math
import types
import typing
from typing import Any, TypeVar

from unmask.errors import BundleError

T = TypeVar("T")
LARGEST = 1 << 63  # as sizes, offsets and times: what NumPy can hold


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
