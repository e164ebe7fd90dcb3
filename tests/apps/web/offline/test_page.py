"""The page of `unmask export --target web` in a real Chromium: Python's answers without a network, and what it says otherwise."""

import functools
import json
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.apps.conftest import CLIPS, TRANSCRIPTS
from tests.apps.web.chromium import MARKS, launched
from tests.apps.web.offline.vectors import TABLE
from unmask import Captioner
from unmask.apps.audio.files import read_recording
from unmask.apps.cli.options import SHIPPED
from unmask.apps.web.offline.folder import ORT_VERSION, PACK, write_folder
from unmask.bundle.manifest import load_bundle

PACKAGE = Path(__file__).parents[4] / ".cache" / f"onnxruntime-web-{ORT_VERSION}.tgz"
pytestmark = [*MARKS, pytest.mark.skipif(not PACKAGE.exists(), reason=f"in .cache: {PACK}")]
Page = Any


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "web"
    write_folder(load_bundle(SHIPPED), folder, PACKAGE, replaced=False)
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


class Host:
    """A static host of a folder."""

    def __init__(self, folder: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def host(folder: Path) -> Iterator[Host]:
    host = Host(folder)
    yield host
    host.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with launched(tmp_path_factory.mktemp("microphone")) as chromium:
        yield chromium


def opened(browser: Any, **options: Any) -> Page:
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(60_000)
    return page


def caption(page: Page, path: Path) -> str:
    before = page.locator("#ended li").count()
    page.locator("#file").set_input_files(path)
    page.locator("#state:not([data-state=stopped])").wait_for()
    page.locator("#state[data-state=stopped]").wait_for()
    return " ".join(page.locator("#ended li").all_text_contents()[before:])


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def test_files_and_the_microphone_are_captioned_without_a_network(
    browser: Any, host: Host, shipped: Captioner, tmp_path: Path
) -> None:
    page = opened(browser, permissions=["microphone"])
    page.goto(host.url)
    assert "loads 48 MB" in page.locator("#hint").text_content()
    page.get_by_text("Ready, also without a network").wait_for()
    host.stop()
    page.context.set_offline(True)
    page.reload()
    page.get_by_text("Ready").wait_for()
    for name, said in TRANSCRIPTS.items():
        found = caption(page, CLIPS / f"{name}.flac")
        assert words(found) == words(said)
        assert found == shipped.caption(read_recording(CLIPS / f"{name}.flac")).text
    with page.expect_download() as download:
        page.get_by_role("button", name="SRT").click()
    download.value.save_as(tmp_path / "saved.srt")
    lines = (tmp_path / "saved.srt").read_text(encoding="utf-8").splitlines()
    assert lines[1].startswith("00:00:00,")
    assert max(map(len, lines)) <= 42
    page.get_by_role("button", name="Start").click()
    page.locator("#ended li").get_by_text("jail").nth(1).wait_for()
    assert "s behind" in page.locator("#lag").text_content()
    page.keyboard.press("Escape")
    page.get_by_text("Stopped").wait_for()
    page.context.close()


def test_modules_give_the_answers_of_the_python_code(browser: Any, host: Host) -> None:
    page = opened(browser, service_workers="block", bypass_csp=True)
    page.route("**/worker.js", lambda route: route.fulfill(body="", content_type="text/javascript"))  # no model is needed
    script = (Path(__file__).parent / "replay.js").read_text(encoding="utf-8")
    page.route("**/replay.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    page.goto(host.url)
    vectors = json.loads(TABLE.read_text(encoding="utf-8"))
    replay = "async (table) => (await import('./replay.js')).replay(table, await (await fetch('bundle/tokenizer.json')).json())"
    assert page.evaluate(replay, vectors) == []
    vectors["checks"][1]["steps"][0]["agreed"] += 1
    vectors["lives"][0]["events"][2]["tentative"] += "x"
    assert [line.split(":")[0] for line in page.evaluate(replay, vectors)] == ["checks 1 steps", "lives 0 events"]
    page.context.close()


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_other_rates_become_16_khz(browser: Any, host: Host, rate: int) -> None:
    """Tones that 16 kHz can hold stay as they are, others vanish; blocks leave no trace."""
    page = opened(browser, service_workers="block", bypass_csp=True)
    page.route("**/worker.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(host.url)
    resample = """async ([rate, tone]) => {
      const { Resampler } = await import('./resampler.js');
      const given = Float32Array.from({ length: rate }, (_, i) => Math.sin((2 * Math.PI * tone * i) / rate));
      const [resampler, made] = [new Resampler(rate), []];
      for (let at = 0; at < rate; at += 4410) made.push(...resampler.push(given.subarray(at, at + 4410)));
      return [...made, ...resampler.rest()];
    }"""
    for tone, kept in ((440, 1), (3000, 1), (6300, 1), (9500, 0), (15_000, 0)):
        found = np.array(page.evaluate(resample, [rate, tone]))
        assert abs(len(found) - 16_000) <= 1
        wanted = kept * np.sin(2 * np.pi * tone * np.arange(len(found)) / 16_000)
        assert np.abs(found - wanted)[100:-100].max() < 0.02
    page.context.close()


def test_a_page_that_cannot_run_says_why_and_what_to_do(browser: Any, host: Host, folder: Path) -> None:
    page = opened(browser)
    page.goto((folder / "index.html").as_uri())
    page.get_by_role("alert").get_by_text("python3 -m http.server").wait_for()
    assert page.get_by_role("button", name="Start").is_disabled()
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(host.url)
    page.get_by_role("alert").get_by_text("no WebAssembly with SIMD").wait_for()
    page.context.close()
    page = opened(browser)
    page.route("**/*.wasm", lambda route: route.abort())
    page.goto(host.url)
    page.get_by_text("has not been loaded completely").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("alert").get_by_text("Allow it for this page").wait_for()  # asked for first, and refused
    page.context.close()


def test_a_folder_that_lacks_a_file_or_has_another_says_which(browser: Any, folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=lambda source, target: Path(target).symlink_to(source))
    for content, words in ((None, "bundle/window.onnx is missing here (404)"), (b"short", "window.onnx is damaged: 5 of")):
        (copy / "bundle" / "window.onnx").unlink()
        if content is not None:
            (copy / "bundle" / "window.onnx").write_bytes(content)
        host = Host(copy)
        page = opened(browser)
        page.goto(host.url)
        page.locator("#loading").get_by_text(words).wait_for()
        page.context.close()
        host.stop()
        if content is None:
            (copy / "bundle" / "window.onnx").write_bytes(b"")


def test_a_gpu_has_to_compute_what_webassembly_computes(browser: Any, host: Host) -> None:
    page = opened(browser, service_workers="block", bypass_csp=True)
    page.route("**/worker.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(host.url)
    faults = """async () => {
      const { fault } = await import('./gpu.js');
      const ids = (...data) => ({ ids: { type: 'int64', data: BigInt64Array.from(data, BigInt) } });
      const numbers = (...data) => ({ k: { type: 'float32', data: Float32Array.from(data) } });
      return [
        fault(ids(1, 2, 3, 9), ids(1, 2, 3, 4)), fault(ids(1, 2, 8, 9), ids(1, 2, 3, 4)), fault(ids(1), ids(1, 2)),
        fault(numbers(1.1, 2), numbers(1, 2)), fault(numbers(2, 1), numbers(1, 2)), fault(numbers(NaN, 2), numbers(1, 2)),
      ];
    }"""
    assert page.evaluate(faults) == [None, "2 of 4 ids are right", "ids has another size", None, "k are wrong", "k are wrong"]
    page.context.close()


def test_a_page_runs_on_webassembly_where_the_gpu_fails(browser: Any, fp32_bundle: Path, tmp_path: Path) -> None:
    write_folder(load_bundle(fp32_bundle), tmp_path / "web", PACKAGE, replaced=False, webgpu=True)
    host = Host(tmp_path / "web")
    bold = "export const gpu = async () => true, fault = () => null;"
    for choice, found, words in (
        ("", False, "Ready on the CPU, also"),
        ("gpu", False, "Ready on the CPU, since this browser gives no GPU"),
        ("gpu", True, "Ready on the CPU, since the GPU fails ("),
    ):
        page = opened(browser)
        page.add_init_script(f"localStorage.device = '{choice}'")
        if found:
            page.route("**/gpu.js", lambda route: route.fulfill(body=bold, content_type="text/javascript"))
        page.goto(host.url)
        page.get_by_text(words).wait_for()
        page.context.close()
    host.stop()


def test_a_file_that_is_no_recording_is_told(browser: Any, host: Host) -> None:
    page = opened(browser)
    page.route("**/worker.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(host.url)
    page.locator("#file").set_input_files(CLIPS / "README.md")
    page.get_by_role("alert").get_by_text("README.md is no recording").wait_for()
    page.context.close()
