"""Where the bundle lies that ships in the package."""

from importlib.resources import files
from pathlib import Path

from unmask.bundle.manifest import MANIFEST

# Resolved by its manifest: an editable installation links every file, and a bundle holds no links.
SHIPPED = (Path(str(files("unmask.models"))) / "caption-tiny-en" / MANIFEST).resolve().parent
