"""What the commands that measure share: the packages that they need, where a report may go, and progress on stderr."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from unmask.errors import InputError


def require(*packages: str) -> None:
    """Check for packages of the extra `bench` before minutes of measuring. Raises InputError that names the extra."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        raise InputError(f"{' and '.join(missing)} {verb} not installed; this needs an extra: pip install 'unmask[bench]'")


def check_folder(output: Path | None) -> None:
    """Raises InputError when a report cannot go there."""
    if output is not None and output.exists() and not output.is_dir():
        raise InputError(f"{output}: the report is a folder; name one")


def say_on_stderr(quiet: bool, prefix: str = "measuring") -> Callable[[str], None]:
    """A function that prints lines of progress, or drops them."""

    def say(line: str) -> None:
        if not quiet:
            print(f"{prefix}: {line}", file=sys.stderr)

    return say
