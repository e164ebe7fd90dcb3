"""What the commands that measure share: what they need, where a report may go, and what they say while they run."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from unmask.errors import InputError

EXTRAS = {"matplotlib": "bench", "onnx": "bench", "jiwer": "peers", "whisper_normalizer": "peers"}  # package -> what brings it


def require(*packages: str) -> None:
    """Before minutes of measuring. Raises InputError that names the extra for packages that are missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        extra = "peers" if "peers" in {EXTRAS[name] for name in missing} else "bench"
        raise InputError(f"{' and '.join(missing)} not installed; this needs an extra: pip install 'unmask[{extra}]'")


def check_folder(output: Path | None) -> None:
    """Raises InputError where a report cannot go."""
    if output is not None and output.exists() and not output.is_dir():
        raise InputError(f"{output}: the report is a folder; name one")


def say_on_stderr(quiet: bool) -> Callable[[str], None]:
    """Takes lines for people, or drops them."""

    def say(line: str) -> None:
        if not quiet:
            print(f"measuring: {line}", file=sys.stderr)

    return say
