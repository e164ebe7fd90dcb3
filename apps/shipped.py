"""Where the bundle lies that ships in the package."""

from importlib.resources import files
from pathlib import Path

SHIPPED = Path(str(files("unmask.models"))) / "caption-tiny-en"
