"""The picture of the studio in docs/studio.md: two settings of one sentence, in a real Chromium.

    python -m benchmarks.lab.omni.studio BUNDLE --output docs/studio.png

Needs the extra `dev-browser` and a Chromium.
"""

import shutil
import threading
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import cyclopts

from benchmarks.lab.program import run
from unmask.apps.cli.tasks.network import listen
from unmask.apps.web.access import Access
from unmask.apps.web.server import Server, make_app
from unmask.apps.web.studio.service import Studio
from unmask.errors import InputError
from unmask.session import open_model

TEXT = "three small red cars in the top left and a big cat on the right on a sand background"
SIZE = {"width": 1280, "height": 980}
COLORS = 64  # of the PNG: flat colors, a third of the bytes


def main(
    bundle: Path,
    /,
    *,
    output: Path = Path("docs/studio.png"),
    text: str = TEXT,
    task: str = "t2i",
    chromium: Annotated[str, cyclopts.Parameter(show_default=False)] = shutil.which("chromium") or "",
) -> None:
    """Write the picture.

    Parameters
    ----------
    bundle
        A bundle with a task from text to a picture.
    output
        The PNG.
    text
        What is drawn.
    task
        The task.
    chromium
        The browser's program.
    """
    if not chromium:
        raise InputError("no chromium on the path; give --chromium PROGRAM")
    listener = listen("127.0.0.1", 0)
    server = Server(make_app(None, pages=[Studio(open_model(bundle).load(), Access())]))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    settings = {"a.rule": "quota", "a.passes": 8, "b.rule": "quota", "b.passes": 8, "b.order": "halton"}
    address = {"task": task, "in.text": text, **settings, "compare": 1}
    try:
        shoot(f"http://127.0.0.1:{listener.getsockname()[1]}/studio/#{urlencode(address)}", output, chromium)
    finally:
        server.should_exit = True
        thread.join()


def shoot(url: str, output: Path, chromium: str) -> None:
    """Run both settings, go back to the fourth pass, and write what the page shows."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE)
        page.goto(url)
        for side in "AB":
            panel = page.get_by_label(f"Answer {side}", exact=True)
            panel.get_by_text("Done: 8 passes").wait_for()
            for before in (7, 6, 5, 4):
                panel.get_by_role("button", name="Pass before").click()
                panel.get_by_text(f"Pass {before} of 8").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=output)
        browser.close()
    with Image.open(output) as picture:
        small = picture.convert("RGB").quantize(COLORS)
    small.save(output, optimize=True)


if __name__ == "__main__":
    run(main)
