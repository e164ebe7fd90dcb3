"""A folder of `unmask export --target web` in a real Chromium, against Python: the same texts, time, and what is loaded.

    python -m benchmarks.lab.web --folder FOLDER --bundle models/moonshine-tiny-en --corpus DATA/test/librispeech --count 20

Recordings go through the page as files that somebody chooses. Every `step`th of the corpus is taken. The network is cut after the
first load. Times are those of the whole page, from the choice of a file until it says Stopped.
"""

import functools
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import numpy as np
import soundfile

from benchmarks.lab.program import run
from unmask import Captioner, load_bundle
from unmask.errors import InputError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.corpus import read_corpus

READY, LONGEST_MS = "also without a network", 120_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@dataclass(frozen=True)
class WebOptions:
    folder: Path
    bundle: Path
    corpus: Path
    count: int = 20
    step: int = 9


def main(options: Annotated[WebOptions, cyclopts.Parameter(name="*")]) -> None:
    captioner = Captioner(load_bundle(options.bundle)).load()
    same, ratios = 0, []
    with page_of(options.folder) as page:
        for one in islice(read_corpus(options.corpus), 0, options.count * options.step, options.step):
            sound, audio_s = BytesIO(), len(one.samples) / SAMPLE_RATE_HZ
            soundfile.write(sound, one.samples, SAMPLE_RATE_HZ, format="FLAC")
            heard = soundfile.read(BytesIO(sound.getvalue()), dtype="float32")[0]
            found, seconds = caption(page, f"{one.id}.flac", sound.getvalue())
            text = captioner.caption(heard).text
            same += text == found
            ratios.append(seconds / audio_s)
            print(
                f"{one.id}: {audio_s:.1f} s, {seconds / audio_s:.2f} of its time"
                + ("" if text == found else f"\n  {text}\n  {found}")
            )
    print(f"{same} of {len(ratios)} texts are Python's; time over length: median {np.median(ratios):.2f}, most {max(ratios):.2f}")


def caption(page: Any, name: str, sound: bytes) -> tuple[str, float]:
    """The text of a file, as the page shows it, and the seconds that it took."""
    before, began = page.locator("#ended li").count(), time.perf_counter()
    page.locator("#file").set_input_files({"name": name, "mimeType": "audio/flac", "buffer": sound})
    page.locator("#state:not([data-state=stopped])").wait_for()
    page.locator("#state[data-state=stopped]").wait_for()
    return " ".join(page.locator("#ended li").all_text_contents()[before:]), time.perf_counter() - began


@contextmanager
def page_of(folder: Path) -> Iterator[Any]:
    """The folder's page in a Chromium, loaded once; then it has no network. Raises InputError where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise InputError("no Chromium here; install it")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(LONGEST_MS)
        began = time.perf_counter()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.get_by_text(READY).wait_for()
        print(f"first load {time.perf_counter() - began:.1f} s, from this machine")
        server.shutdown()
        page.context.set_offline(True)
        began = time.perf_counter()
        page.reload()
        page.get_by_text("Ready").wait_for()
        print(f"again, without a network {time.perf_counter() - began:.1f} s")
        yield page
        browser.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    run(main)
