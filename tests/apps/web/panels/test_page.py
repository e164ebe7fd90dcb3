"""The page of panels in Chromium: a request is shown, a slider moves, a button's event comes back with its value."""

import importlib.util
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import uvicorn

from unmask import LiveCaptioner
from unmask.apps.cli.tasks.ui import PANELS
from unmask.apps.ui.board import Board
from unmask.apps.ui.filler import Filler
from unmask.apps.web.access import Access
from unmask.apps.web.panels.service import Panels
from unmask.apps.web.server import make_app
from unmask.bundle.manifest import load_bundle

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
THERMOSTAT = "show a thermostat for the bedroom from ten to thirty degrees with a save button"


@pytest.fixture(scope="module")
def address(open_live: Callable[[], LiveCaptioner]) -> Iterator[str]:
    filler = Filler(load_bundle(PANELS)).load()
    panels = Panels(lambda: Board(filler), Access())
    app = make_app(open_live, pages=[panels])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/panels/"
    server.should_exit = True
    thread.join(10)


@contextmanager
def opened(address: str, *flags: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        page = chromium.new_page(viewport={"width": 700, "height": 560})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        page.wait_for_selector('#state[data-state="listening"]')
        yield page
        assert faults == []
        chromium.close()


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    with opened(address) as page:
        yield page


def ask(page: Any, text: str) -> None:
    page.fill("#request", text)
    page.press("#request", "Enter")
    page.wait_for_selector('#state[data-state="showing"], #state[data-state="not understood"]')


def test_a_slider_moves_and_its_value_comes_back(page: Any) -> None:
    ask(page, THERMOSTAT)
    slider = page.get_by_role("slider")
    assert [slider.get_attribute(name) for name in ("min", "max")] == ["10", "30"]
    slider.focus()
    page.keyboard.press("End")
    ask(page, "make the maximum twenty five")
    assert page.get_by_role("slider").input_value() == "25"
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("#events li")
    assert page.text_content("#events li") == 'save {"temperature":25}'


def test_what_is_not_understood_leaves_the_panel(page: Any) -> None:
    ask(page, THERMOSTAT)
    ask(page, "book me a flight to paris")
    assert "I can only show panels" in page.text_content("#said")
    assert page.get_by_role("slider").count() == 1
    ask(page, "close it")
    assert page.get_by_role("slider").count() == 0


def test_a_text_is_never_markup(page: Any) -> None:
    ask(page, 'a button that says "<img src=x onerror=alert(1)>"')
    assert page.locator("#panel img").count() == 0


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite says the request")
def test_a_spoken_request_is_shown(address: str, tmp_path: Path) -> None:
    said, heard = tmp_path / "said.wav", tmp_path / "heard.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", "show a thermostat for the kitchen", "-o", said], check=True)
    samples, rate = soundfile.read(said)
    soundfile.write(heard, np.concatenate([np.zeros(rate), samples, np.zeros(4 * rate)]), rate, subtype="PCM_16")
    with opened(address, f"--use-file-for-fake-audio-capture={heard}") as page:
        said_to_captions = list[str]()
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: said_to_captions.append(str(frame))))
        page.click("#speak")
        page.wait_for_selector('#state[data-state="showing"]')
        assert page.get_by_role("heading", name="Kitchen").count() == 1
        page.wait_for_timeout(500)
        told = [frame for frame in said_to_captions if '"expect"' in frame]
        assert ["Kitchen" in frame for frame in told] == [False, True]
        assert all('"slider"' in frame for frame in told)
        slider = page.get_by_role("slider")
        slider.focus()
        page.keyboard.press("Home")
        assert slider.input_value() == "10"
