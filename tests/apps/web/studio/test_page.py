"""The studio's page in a real Chromium: draw, record, watch, step, repaint, compare, and addresses that repeat a run."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.apps.web.chromium import MARKS, launched
from tests.apps.web.studio.conftest import Running

pytestmark = MARKS
Page = Any
CODES = 256  # of a picture, 16 in a row


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with launched(tmp_path_factory.mktemp("microphone")) as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, served: Running) -> Iterator[Page]:
    """A page that must not log errors, and asks nobody but its server."""
    yield from opened(browser, served)


@pytest.fixture
def phone(browser: Any, served: Running) -> Iterator[Page]:
    yield from opened(browser, served, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)


def opened(browser: Any, served: Running, **options: Any) -> Iterator[Page]:
    context = browser.new_context(permissions=["microphone", "clipboard-read", "clipboard-write"], **options)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.wrong, page.asked, page.runs = [], [], []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(served.url)
    page.locator("#run:enabled").wait_for()
    yield page
    asked, wrong = page.asked, page.wrong
    context.close()
    assert [url for url in asked if not url.startswith((served.url.removesuffix("studio/"), "blob:"))] == []
    assert [words for words in wrong if "400" not in words] == []  # the browser logs refusals, which the page tells


def panel(page: Page, name: str = "A") -> Any:
    return page.get_by_label(f"Answer {name}", exact=True)


def run(page: Page, name: str = "A") -> list[dict[str, Any]]:
    """Press Run, wait for the end, and return the events."""
    with page.expect_response(lambda answer: answer.url.endswith("/run")) as answer:
        page.get_by_role("button", name="Run").click()
    panel(page, name).get_by_text("Done:").wait_for()
    return [json.loads(line) for line in answer.value.text().splitlines()]


def codes_of(event: dict[str, Any]) -> list[int]:
    return next(span["codes"] for span in event["spans"] if span["modality"] == "image")


def look(page: Page, side: str = "A") -> bytes:
    """The answer's picture, once that of the pass on show is loaded."""
    panel(page, side).locator("canvas.stage[aria-busy=false]").wait_for()
    return panel(page, side).locator("canvas.stage").screenshot()


def slide(page: Page, name: str, value: float, side: str = "A") -> None:
    panel(page, side).get_by_role("slider", name=name).evaluate(
        "(field, value) => { field.value = value; field.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def choose(page: Page, task: str) -> None:
    page.get_by_label("Task", exact=True).select_option(task)


def picture(side: int = 64) -> bytes:
    made = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(made, "PNG")
    return made.getvalue()


def test_a_text_becomes_a_picture_pass_by_pass(page: Page, tmp_path: Path) -> None:
    choose(page, "t2i")
    page.get_by_role("textbox", name="Text").fill("a red bicycle")
    slide(page, "Passes", 4)
    page.get_by_role("textbox", name="Text").press("Control+Enter")
    one = panel(page)
    one.get_by_text("Done: 4 passes").wait_for()
    one.get_by_text("Pass 4 of 4 · 256 of 256 filled").wait_for()
    stage = one.locator("canvas.stage")
    assert stage.get_attribute("aria-label") == "image after pass 4, 0 of 256 codes masked"
    whole = look(page)
    one.get_by_role("button", name="Pass before").click()
    one.get_by_text("Pass 3 of 4").wait_for()
    stage.focus()
    page.keyboard.press("ArrowLeft")
    one.get_by_text("Pass 2 of 4").wait_for()
    assert int(stage.get_attribute("aria-label").split()[4]) > 100
    masked = look(page)
    assert masked != whole
    one.get_by_label("Show guesses").uncheck()
    assert look(page) != masked
    one.get_by_label("Show guesses").check()
    one.get_by_role("button", name="Play").click()
    one.get_by_text("Pass 4 of 4").wait_for()
    with page.expect_download() as download:
        one.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "t2i-pass-4.png"
    download.value.save_as(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as made:
        assert made.size == (256, 256)
    one.get_by_text("How the model reads").click()
    assert "bicycle" in one.locator(".prompt").inner_text().replace("\n", "")


def test_an_address_repeats_a_run_of_two_settings(page: Page, browser: Any, served: Running) -> None:
    choose(page, "t2i")
    page.get_by_role("textbox", name="Text").fill("a cat & a dog, 50 %")
    page.get_by_role("button", name="Compare").click()
    for side, seed in (("A", 3), ("B", 4)):
        slide(page, "Passes", 2, side)
        slide(page, "Seed", seed, side)
        slide(page, "Temperature", 1, side)
        panel(page, side).get_by_label("Order").select_option("random")
    page.get_by_role("button", name="Run").click()
    for side in "AB":
        panel(page, side).get_by_text("Done: 2 passes").wait_for()
    panel(page, "B").get_by_text("Pass 2 of 2").wait_for()
    assert look(page, "A") != look(page, "B")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("status").get_by_text("is copied").wait_for()
    address = page.evaluate("navigator.clipboard.readText()")
    other = browser.new_page(viewport=page.viewport_size)
    other.goto(address)
    for side in "AB":
        panel(other, side).get_by_text("Done: 2 passes").wait_for()
        panel(other, side).get_by_text("Pass 2 of 2").wait_for()
    assert other.get_by_role("textbox", name="Text").input_value() == "a cat & a dog, 50 %"
    drawn = "document.querySelectorAll('canvas.stage')[{}].toDataURL()"
    for side in (0, 1):
        other.wait_for_function(f"data => {drawn.format(side)} === data", arg=page.evaluate(drawn.format(side)))
    other.close()


def test_a_region_is_painted_again_with_mouse_and_keys(page: Page) -> None:
    choose(page, "t2i")
    page.get_by_role("textbox", name="Text").fill("a house")
    slide(page, "Passes", 2)
    before = codes_of(run(page)[-2])
    one = panel(page)
    one.get_by_role("button", name="Repaint").click()
    fill = one.get_by_role("button", name="Fill the region")
    assert fill.is_disabled()
    stage = one.locator("canvas.stage")
    box = stage.bounding_box()
    cell = box["width"] / 16
    page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 3.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 4.5 * cell, box["y"] + 3.5 * cell, steps=4)
    page.mouse.up()  # codes 50 to 52
    stage.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")  # and 68
    with page.expect_response(lambda answer: answer.url.endswith("/run")) as answer:
        fill.click()
    one.get_by_text("Pass 2 of 2").wait_for()
    sent = answer.value.request.post_data_json["keep"]["image"]
    assert [i for i, code in enumerate(sent) if code is None] == [50, 51, 52, 68]
    after = codes_of([json.loads(line) for line in answer.value.text().splitlines()][-2])
    assert [a for i, a in enumerate(after) if sent[i] is not None] == [b for i, b in enumerate(before) if sent[i] is not None]
    one.get_by_role("button", name="Download").wait_for()
    address = page.url
    page.goto("about:blank")
    with page.expect_response(lambda answer: answer.url.endswith("/run")) as answer:
        page.goto(address)
    assert answer.value.request.post_data_json["keep"]["image"] == sent
    panel(page).get_by_text("Done:").wait_for()


def test_a_picture_of_ones_own_is_edited(page: Page) -> None:
    choose(page, "t2i")
    page.get_by_role("textbox", name="Text").fill("a hat")
    one = panel(page)
    with page.expect_response(lambda answer: "look" in answer.url) as answer:
        one.locator(".edit").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": picture()})
    own = answer.value.json()["codes"]
    assert len(own) == CODES
    one.get_by_text("Mark a region").wait_for()
    one.locator("canvas.stage").click(position={"x": 3, "y": 3})
    with page.expect_response(lambda answer: answer.url.endswith("/run")) as answer:
        one.get_by_role("button", name="Fill the region").click()
    assert answer.value.request.post_data_json["keep"]["image"] == [None, *own[1:]]
    one.get_by_text("Done:").wait_for()


def test_a_drawing_is_answered_in_words(page: Page) -> None:
    choose(page, "vqa")
    page.get_by_role("textbox", name="Text").fill("what is this")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("alert").get_by_text("This task needs image: draw, drop, choose or record it").wait_for()
    box = page.locator("canvas.pad").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 120, steps=5)
    page.mouse.up()
    page.get_by_text("The model sees this").wait_for()
    panel(page).get_by_label("Rule").select_option("quota")
    slide(page, "Passes", 2)
    last = run(page)[-3]  # pass before the last
    assert page.get_by_role("alert").is_hidden()
    panel(page).get_by_role("button", name="Pass before").click()
    (span,) = last["spans"]
    assert panel(page).locator(".tokens .masked").count() == sum(span["masked"][: span["useful"]]) > 0
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("status").get_by_text("the picture or sound must be given again").wait_for()
    page.reload()
    page.get_by_role("status").get_by_text("which no address can hold").wait_for()
    page.locator("input.file").first.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": picture()})
    page.get_by_text("The model sees this").wait_for()
    run(page)


def test_a_recorded_question_is_answered_aloud(page: Page, tmp_path: Path) -> None:
    choose(page, "sqa")
    page.get_by_role("textbox", name="Text").fill("answer")
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop recording").wait_for()
    page.wait_for_timeout(900)
    page.get_by_role("button", name="Stop recording").click()
    page.locator("#inputs").get_by_text(" s").last.wait_for()
    panel(page).get_by_label("Rule").select_option("quota")
    slide(page, "Passes", 1)
    passes = run(page)[-1]["passes"]
    one = panel(page)
    one.get_by_role("button", name="Listen").wait_for()
    assert f"speech after pass {passes}," in one.locator("canvas.stage").get_attribute("aria-label")
    assert one.locator(".tokens span").count() > 0
    with page.expect_download() as download:
        one.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == f"sqa-pass-{passes}.wav"


def test_a_text_is_spoken(page: Page) -> None:
    choose(page, "t2i")
    page.get_by_role("button", name="Speak").click()
    page.get_by_role("button", name="Done speaking").wait_for()
    page.wait_for_timeout(3000)
    page.get_by_role("button", name="Done speaking").click()
    page.wait_for_function("() => document.querySelector('textarea').value.length > 10")
    page.get_by_role("button", name="Speak").wait_for()
    with page.expect_response(lambda answer: answer.url.endswith("/run")) as answer:
        page.get_by_role("button", name="Run").click()
    heard = page.get_by_role("textbox", name="Text").input_value()
    assert answer.value.request.post_data_json["inputs"] == {"text": heard}
    panel(page).get_by_text("Done:").wait_for()


def test_what_is_wrong_is_told_in_a_sentence(page: Page, tmp_path: Path) -> None:
    choose(page, "t2i")
    page.get_by_role("textbox", name="Text").fill("   ")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("alert").get_by_text("The text is empty; say what you want.").wait_for()
    choose(page, "vqa")
    assert page.get_by_role("alert").is_hidden()
    huge = io.BytesIO()
    Image.new("1", (10_001, 10_000)).save(huge, "PNG")
    for name, data, told in (
        ("letter.png", b"no picture", "not a PNG, JPEG or WebP picture"),
        ("huge.png", huge.getvalue(), "more than 100 million; make it smaller first"),
        ("long.png", bytes(12_000_001), "larger than 12 MB; make it smaller"),
    ):
        page.locator("#inputs input.file").set_input_files({"name": name, "mimeType": "image/png", "buffer": data})
        page.get_by_role("alert").get_by_text(told).wait_for()
    choose(page, "s2i")
    page.locator("#inputs input.file").set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": b"RIFF"})
    page.get_by_role("alert").get_by_text("a.wav is no sound that this browser can read").wait_for()
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_role("alert").get_by_text("0.2 to 60 s can be heard").wait_for()


def test_a_run_is_stopped(page: Page) -> None:
    choose(page, "t2i")
    page.get_by_role("textbox", name="Text").fill("a long run")
    slide(page, "Passes", 64)
    page.get_by_role("button", name="Run").click()
    panel(page).get_by_text("Running").wait_for()
    page.keyboard.press("Escape")
    panel(page).get_by_text("Stopped").wait_for()
    assert page.get_by_role("button", name="Stop").is_disabled()


def test_on_a_phone_everything_fits_and_fingers_draw(phone: Page) -> None:
    choose(phone, "vqa")
    phone.get_by_role("textbox", name="Text").fill("what")
    phone.locator("canvas.pad").tap(position={"x": 50, "y": 50})
    phone.get_by_text("The model sees this").wait_for()
    choose(phone, "t2i")
    phone.get_by_role("textbox", name="Text").fill("what")
    slide(phone, "Passes", 1)
    run(phone)
    panel(phone).get_by_role("button", name="Repaint").tap()
    panel(phone).locator("canvas.stage").tap(position={"x": 30, "y": 30})
    assert panel(phone).get_by_role("button", name="Fill the region").is_enabled()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


def test_every_control_has_a_name_and_both_themes_contrast(page: Page) -> None:
    for task in ("t2i", "svqa"):
        choose(page, task)
        nameless = page.evaluate(
            """[...document.querySelectorAll('button, input, select, textarea, canvas')]
            .filter((field) => field.checkVisibility())
            .filter((field) => !(field.ariaLabel || field.innerText?.trim() || field.closest('label')?.innerText.trim()))
            .map((field) => field.outerHTML)"""
        )
        assert nameless == []
    colors = "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name])"
    before = page.evaluate(colors)
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(colors) != before
