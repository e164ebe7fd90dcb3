"""The page in a real Chromium that hears a demo clip as its microphone; skipped where there is no browser."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apps.web.chromium import MARKS, launched
from tests.apps.web.proxy import Proxy
from unmask import LiveCaptioner
from unmask.apps.cli.tasks.network import listen
from unmask.apps.web.server import Server, make_app

pytestmark = MARKS
Page = Any
# What the page shows of a segment that is still open is gone when it ends, which a busy machine may do before anyone looks.
SHOWN = """
window.shown = [];
new MutationObserver(() => {
  const open = document.getElementById("stable")?.textContent;
  if (open && open !== shown.at(-1)?.open) shown.push({ open, ended: document.getElementById("ended").textContent });
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


class Served:
    """A server that can be stopped and started again on its port."""

    def __init__(self, open_live: Callable[[], LiveCaptioner]) -> None:
        self._open_live, self.port = open_live, 0
        self.start()

    def start(self) -> None:
        listener = listen("127.0.0.1", self.port)
        self.port = listener.getsockname()[1]
        self._server = Server(make_app(self._open_live))
        self._thread = threading.Thread(target=self._server.run, args=([listener],))
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture(scope="module")
def served(open_live: Callable[[], LiveCaptioner]) -> Iterator[Served]:
    served = Served(open_live)
    yield served
    served.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with launched(tmp_path_factory.mktemp("microphone")) as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, served: Served) -> Iterator[Page]:
    """A page that may hear, and must not log errors."""
    context = browser.new_context(permissions=["microphone"], viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.add_init_script(SHOWN)
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert page.wrong == []


def wait_for_open(page: Page, word: str) -> None:
    """Until the page has shown a word as final in a segment that was open."""
    page.wait_for_function("word => shown.some((now) => now.open.includes(word))", arg=word)


def test_speech_is_captioned_and_saved(page: Page, served: Served, tmp_path: Path) -> None:
    import srt
    import webvtt

    page.goto(served.url)
    assert page.get_by_role("button", name="SRT").is_disabled()
    page.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    wait_for_open(page, "jail")
    assert next(now["ended"] for now in page.evaluate("shown") if "jail" in now["open"]) == "", "nothing was announced yet"
    page.locator("#ended li").get_by_text("jail").first.wait_for()
    assert "s behind" in page.locator("#lag").text_content()
    page.keyboard.press("Escape")
    page.get_by_text("Stopped").wait_for()
    saved = {}
    for name in ("TXT", "SRT", "VTT"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        assert download.value.suggested_filename.endswith(f".{name.lower()}")
        download.value.save_as(tmp_path / name)
        saved[name] = (tmp_path / name).read_text(encoding="utf-8")
    shown = page.locator("#ended li").all_text_contents()
    assert saved["TXT"].splitlines() == shown
    cues = list(srt.parse(saved["SRT"]))
    assert " ".join(cue.content.replace("\n", " ") for cue in cues) == " ".join(shown)
    assert all(a.start < a.end <= b.start for a, b in itertools.pairwise(cues))
    assert [cue.text for cue in webvtt.from_string(saved["VTT"])] == [cue.content for cue in cues]


def test_an_overlay_starts_by_itself_and_shows_captions_alone(page: Page, served: Served) -> None:
    page.goto(f"{served.url}?overlay=1&size=40")
    wait_for_open(page, "jail")
    assert not page.get_by_role("button", name="Stop").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"


def test_a_page_whose_server_goes_says_so_and_comes_back(page: Page, served: Served) -> None:
    page.goto(served.url)
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Hearing speech").wait_for()
    served.stop()
    page.get_by_role("alert").get_by_text("unmask serve").wait_for()
    page.get_by_text("Connecting again").wait_for()
    served.start()
    page.get_by_text("Hearing speech").wait_for()
    assert not page.get_by_role("alert").is_visible()
    page.wrong.clear()  # the browser logs refused connections


def test_a_page_below_a_proxys_path_captions(page: Page, open_live: Callable[[], LiveCaptioner]) -> None:
    served = Served(open_live)
    with Proxy(served.port, prefix="/live") as proxy:
        page.goto(f"http://127.0.0.1:{proxy.port}/live/")
        page.get_by_role("button", name="Start").click()
        wait_for_open(page, "jail")
        page.keyboard.press("Escape")
        page.get_by_text("Stopped").wait_for()
    served.stop()


def test_a_page_that_is_refused_is_told_the_option(page: Page, open_live: Callable[[], LiveCaptioner]) -> None:
    """The proxy names the server otherwise than the browser names the page."""
    served = Served(open_live)
    with Proxy(served.port, keeps_host=False) as proxy:
        page.goto(f"http://127.0.0.1:{proxy.port}/")
        page.get_by_role("button", name="Start").click()
        page.get_by_role("alert").get_by_text(f"--origin http://127.0.0.1:{proxy.port}").wait_for()
        page.keyboard.press("Escape")
        page.get_by_text("Stopped").wait_for()
    served.stop()
    page.wrong.clear()  # the browser logs refused connections


def test_text_size_and_theme_are_kept(page: Page, served: Served) -> None:
    def look() -> list[str]:
        return page.evaluate(
            "['.page', 'body'].map((at, i) => getComputedStyle(document.querySelector(at))[['fontSize', 'color'][i]])"
        )

    page.goto(served.url)
    before = look()
    page.get_by_role("button", name="Larger text").click()
    page.get_by_role("button", name="Theme").click()
    after = look()
    assert float(after[0].removesuffix("px")) > float(before[0].removesuffix("px"))
    assert after[1] != before[1]
    page.reload()
    assert look() == after


def test_a_refused_microphone_is_told_in_words(browser: Any, served: Served) -> None:
    context = browser.new_context(permissions=[])
    page = context.new_page()
    page.goto(served.url)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("alert").get_by_text("Allow it for this page").wait_for()
    assert page.locator("#state").text_content() == "Stopped"
    context.close()
