"""The folder in which this user keeps what can be made again. Knows conventions of systems; makes no folder."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_folder(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
    """UNMASK_CACHE, or `unmask` where the system has caches: ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows, else
    XDG_CACHE_HOME (an absolute path, as its specification has it) or ~/.cache."""
    if own := environment.get("UNMASK_CACHE"):
        return Path(own)
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "unmask"
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "unmask" / "Cache"
    given = environment.get("XDG_CACHE_HOME", "")
    return (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "unmask"
