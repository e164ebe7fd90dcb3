"""The numbers of a config.yaml whose tags name Python classes (HyperPyYAML): nothing that it names is made.

Knows indentation. Knows no model.
"""

import ast
import re
from pathlib import Path

from unmask.errors import InputError

ENTRY = re.compile(r"( *)([A-Za-z_]\w*):(?: +(.*?))?(?: +#.*)?$")
Number = int | float
Value = Number | list["Value"]


def read_numbers(path: Path) -> dict[str, Value]:
    """Dotted path of keys -> a number, or a list of numbers, for those entries that are plain ones.

    Raises InputError for a file that is not text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); download it again") from error
    found: dict[str, Value] = {}
    above: list[tuple[int, str]] = []  # indentation and key of the entries that this one lies in
    for line in lines:
        entry = ENTRY.match(line)
        if entry is None:
            continue
        depth, key, text = len(entry[1]), entry[2], entry[3] or ""
        above = [pair for pair in above if pair[0] < depth]
        value = _number(text)
        if value is not None:
            found[".".join([*(name for _, name in above), key])] = value
        above.append((depth, key))
    return found


def _number(text: str) -> Value | None:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return value if _is_numeric(value) else None


def _is_numeric(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_numeric(part) for part in value)
    return isinstance(value, int | float) and not isinstance(value, bool)
