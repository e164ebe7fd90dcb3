"""The picture of the studio's page is written."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from benchmarks.lab.omni.studio import SIZE, main
from tests.apps.web.chromium import in_chromium
from tests.benchmarks.lab.programs import Program, program

__all__ = ["program"]
ROOT = Path(__file__).parents[4]


@in_chromium
def test_the_picture_is_the_page(media: Path, tmp_path: Path) -> None:
    """In a process of its own: when uvicorn sets up its log, other libraries close the stream that pytest captures."""
    words = [media, "--output", tmp_path / "studio.png", "--text", "a hat"]
    subprocess.run([sys.executable, "-m", "benchmarks.lab.omni.studio", *words], cwd=ROOT, check=True)
    with Image.open(tmp_path / "studio.png") as picture:
        assert picture.size == (SIZE["width"], SIZE["height"])
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 20


def test_without_a_browser_the_option_is_told(program: Program, media: Path) -> None:
    told = program(main, media, "--chromium", "")
    assert (told.code, told.err) == (1, "no chromium on the path; give --chromium PROGRAM\n")
