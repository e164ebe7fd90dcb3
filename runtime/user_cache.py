"""The user's cache folder, for files that can be made again. Knows the conventions of each system; creates no folder."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from unmask.errors import InputError


class NoCacheError(InputError):
    """This user has no folder for files that can be made again."""


def cache_folder(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
    """UNMASK_CACHE if it is set, or else a folder `unmask` in the system's cache folder.

    That is ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows, and elsewhere XDG_CACHE_HOME (ignored unless it is an absolute
    path, as its specification says) or ~/.cache. Raises NoCacheError where none of these is known, as for a user without a home.
    """
    if own := environment.get("UNMASK_CACHE"):
        return Path(own)
    if platform == "darwin":
        return _home() / "Library" / "Caches" / "unmask"
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or _home() / "AppData" / "Local") / "unmask" / "Cache"
    given = environment.get("XDG_CACHE_HOME", "")
    return (Path(given) if Path(given).is_absolute() else _home() / ".cache") / "unmask"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # no HOME, and an account that the system does not list
        raise NoCacheError("this user has no home folder, so nothing is stored; set UNMASK_CACHE to a folder") from error
