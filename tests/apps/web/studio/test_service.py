"""The studio's requests on a real socket: what the page gets, and what those get who ask for something that is not there."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.apps.conftest import CLIPS
from tests.apps.web.studio.conftest import Running, running, wait_for
from unmask import RunOptions, Session, Step
from unmask.apps.audio.files import read_recording
from unmask.apps.web.access import Access
from unmask.apps.web.studio.runs import StudioLimits
from unmask.apps.web.studio.shown import FADED, HOP, WINDOW, spectrogram
from unmask.errors import InputError

Json = dict[str, Any]
DRAW: Json = {"task": "t2i", "inputs": {"text": "a red bicycle"}, "schedule": {"passes": 3}}
NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def file_of(picture: Image.Image, form: str = "PNG") -> bytes:
    made = io.BytesIO()
    picture.save(made, form)
    return made.getvalue()


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def events(served: Running, asked: Json) -> list[Json]:
    answer = served.client.post("run", json=asked)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def span(event: Json, modality: str) -> Json:
    return next(one for one in event["spans"] if one["modality"] == modality)


# ---- what the page gets


def test_the_model_tells_its_tasks(served: Running) -> None:
    model = served.client.get("model").json()
    tasks = {task["name"]: task for task in model["tasks"]}
    assert set(tasks) == {"asr", "tts", "t2i", "s2i", "vqa", "svqa", "sqa"}
    assert tasks["svqa"]["inputs"] == {"speech": "speech", "image": "image"}
    assert (tasks["svqa"]["outputs"], tasks["svqa"]["shows"]) == (["text", "speech"], ["text", "speech"])
    assert (tasks["t2i"]["positions"], tasks["t2i"]["guides"], tasks["asr"]["guides"]) == ({"image": 256}, True, False)
    assert tasks["t2i"]["schedule"]["passes"] == 12
    assert not any(task["lacks"] for task in tasks.values())


def test_a_run_is_what_the_session_gives_pass_by_pass(served: Running, session: Session) -> None:
    schedule = {"passes": 3, "rule": "quota", "order": "random", "guidance": 1.5, "temperature": 0.5, "seed": 7}
    started, *steps, done = events(served, {**DRAW, "schedule": schedule})
    assert (started["event"], done["event"]) == ("started", "done")
    assert (started["number"], started["masked"], set(span(started, "image")["codes"])) == (0, 256, {None})
    assert "a red bicycle" in "".join(token for token in started["prompt"] if isinstance(token, str))
    used = replace(session.task("t2i").schedule, **schedule)
    expected = list(session.steps("t2i", DRAW["inputs"], RunOptions(used)))
    assert [(step["number"], step["masked"]) for step in steps] == [(step.number, step.masked) for step in expected]
    codes = session.run("t2i", DRAW["inputs"], RunOptions(used)).codes["image"]
    assert span(steps[-1], "image")["codes"] == list(codes)
    assert sum(span(steps[0], "image")["masked"]) == steps[0]["masked"] > 0
    assert (done["passes"], done["tokens"]) == (3, 260)


def test_a_picture_and_a_text_are_answered_in_tokens(served: Running) -> None:
    asked = {"task": "vqa", "inputs": {"text": "what is this", "image": text_of(file_of(Image.fromarray(NOISE)))}}
    started, *steps, done = events(served, {**asked, "schedule": {"passes": 2, "rule": "quota"}})
    assert {"modality": "image", "count": 1024} in started["prompt"]
    answer = span(steps[-1], "text")
    assert len(answer["tokens"]) == len(answer["codes"]) == 64
    assert done["text"] == "".join(answer["tokens"][: answer["useful"]]).strip() or answer["useful"] < 64


def test_a_sound_is_taken_and_given(served: Running) -> None:
    samples = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype("<f4")
    asked = {"task": "sqa", "inputs": {"text": "say", "speech": text_of(samples.tobytes())}, "schedule": {"passes": 1}}
    *_, step, _ = events(served, asked)
    codes = [code for code in span(step, "speech")["codes"] if code is not None][:40]
    made = served.client.post("show", json={"modality": "speech", "codes": codes}).json()
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(made["sound"])))
    assert rate == 22050
    with Image.open(io.BytesIO(base64.b64decode(made["picture"]))) as picture:
        assert picture.size == (1 + (len(sound) - WINDOW) // HOP, WINDOW // 2 + 1)
    heard = served.client.post("look?modality=speech", content=samples.tobytes())
    assert heard.json().keys() == {"picture"}


def test_what_is_said_becomes_a_text(served: Running, session: Session) -> None:
    jail = read_recording(CLIPS / "lj-jail.flac")[: round(3.6 * 16000)]
    told = served.client.post("hear", content=jail.astype("<f4").tobytes()).json()
    assert "jail" in told["heard"]
    assert told["text"] == told["heard"]  # of a model that knows any word
    silent = served.client.post("hear", content=np.zeros(16000, "<f4").tobytes())
    assert (silent.status_code, silent.json()["error"][:40]) == (400, "This sound: no words are heard in it; re")
    with running(session) as mute:
        assert not mute.client.get("model").json()["hears"]
        assert "write the text" in mute.client.post("hear", content=jail.astype("<f4").tobytes()).json()["error"]


def test_what_is_kept_stays(served: Running) -> None:
    keep = [None if i in (3, 40) else i for i in range(256)]
    started, *_, step, _ = events(served, {**DRAW, "keep": {"image": keep}})
    assert span(started, "image")["codes"] == keep
    made = span(step, "image")["codes"]
    assert [code for i, code in enumerate(made) if keep[i] is not None] == [code for code in keep if code is not None]
    assert None not in made


def test_codes_are_shown_as_the_codec_shows_them(served: Running, session: Session) -> None:
    codes = list(range(0, 2560, 10))
    made = served.client.post("show", json={"modality": "image", "codes": codes}).json()
    with Image.open(io.BytesIO(base64.b64decode(made["picture"]))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), session.codecs.runner("image", "writes").decode(codes))


@pytest.mark.slow
def test_the_model_sees_a_picture_of_its_codes(served: Running, session: Session) -> None:
    data = file_of(Image.fromarray(NOISE))
    seen = served.client.post("look?modality=image", content=data).json()
    assert seen["codes"] == session.codecs.runner("image", "reads").encode(NOISE)
    assert 0 < seen["db"] < 30
    as_answer = served.client.post("look?modality=image&count=256", content=data).json()
    assert len(as_answer["codes"]) == 256
    own = session.codecs.runner("image", "writes").decode(as_answer["codes"])
    again = served.client.post("look?modality=image&count=256", content=file_of(Image.fromarray(own))).json()
    assert again["db"] == pytest.approx(psnr(own, again["picture"]), abs=0.1)


def psnr(pixels: np.ndarray, picture: str) -> float:
    with Image.open(io.BytesIO(base64.b64decode(picture))) as other:
        return float(10 * np.log10(255**2 / np.mean((np.asarray(other).astype(float) - pixels) ** 2)))


def test_a_spectrogram_shows_a_tone_where_it_is() -> None:
    tone = np.sin(2 * np.pi * 2000 * np.arange(16000) / 16000).astype(np.float32)
    light = spectrogram(tone).sum(-1)
    assert light.shape[0] - 1 - int(light.mean(1).argmax()) == 2000 * WINDOW // 16000
    assert (spectrogram(np.zeros(9, np.float32)) == FADED[0]).all()


# ---- what cannot be


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({**DRAW, "inputs": {"text": " "}}, "the text is empty; say what you want"),
        ({**DRAW, "inputs": {"text": "x" * 4001}}, "the text has 4001 characters; at most 4000 are read"),
        ({**DRAW, "inputs": {"text": "<|mask|>"}}, "which is the mask token; write it differently"),
        ({**DRAW, "inputs": {"text": 5}}, "the input text is a whole number, not a text"),
        ({**DRAW, "inputs": {}}, "t2i needs text; text is not there yet"),
        ({**DRAW, "task": "t2j"}, "has no task 't2j'; did you mean 't2i'?"),
        ({**DRAW, "schedule": {"passes": 0}}, "passes is 0; at least 1 is needed"),
        ({**DRAW, "schedule": {"passes": 10**30}}, "at most 4096 is taken here"),
        ({**DRAW, "schedule": {"passes": True}}, "passes is True, which is not a whole number"),
        ({"inputs": {}}, "the request's task is missing, not a text"),
        ({**DRAW, "inputs": []}, "the request's inputs is a list, not an object"),
        ({**DRAW, "schedule": {"order": "best"}}, "order 'best' is not one of"),
        ({**DRAW, "schedule": {"window": "block"}}, "window is no setting here; there are passes, rule,"),
        ({**DRAW, "keep": {"image": [1, 2]}}, "2 codes of image are kept, and the answer of t2i has 256"),
        ({**DRAW, "keep": {"image": "all"}}, "what is kept is a list of codes"),
        (
            {"task": "s2i", "inputs": {"speech": text_of(np.zeros(1600, "<f4").tobytes())}},
            "this sound has 0.10 s; 0.2 to 60 s",
        ),
        ({"task": "s2i", "inputs": {"speech": text_of(np.full(9000, np.nan, "<f4").tobytes())}}, "not finite numbers"),
        ({"task": "s2i", "inputs": {"speech": "AAA"}}, "is not base64"),
        ({"task": "vqa", "inputs": {"text": "x", "image": text_of(b"a letter")}}, "this picture: not a PNG, JPEG or WebP"),
        (["t2i"], "the request is not a JSON object"),
        ({**DRAW, "passes": 4}, "the request's passes is not known here; it may have task, inputs, schedule, keep"),
    ],
)
def test_each_wrong_thing_is_told_in_a_sentence(served: Running, asked: Json, told: str) -> None:
    answer = served.client.post("run", json=asked)
    lines = answer.text.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert told.lower() in (found["error"] if answer.status_code == 400 else found["message"]).lower()


def test_what_is_no_json_is_refused(served: Running) -> None:
    for body in (b"{", b"[" * 100_000, b"\xff"):
        assert "The request is not JSON" in served.client.post("run", content=body).json()["error"]


def test_pictures_that_show_nothing_or_too_much_are_refused_before_they_are_read(served: Running) -> None:
    huge = file_of(Image.new("1", (10_001, 10_000)))
    for data, told in (
        (huge, "10001 x 10000 pixels, more than 100 million; make it smaller first"),
        (file_of(Image.new("RGB", (8, 8))), "8 x 8 pixels"),
        (file_of(Image.new("RGB", (64, 64)))[:-30], "cut short or damaged"),
    ):
        answer = served.client.post("look?modality=image", content=data)
        assert answer.status_code == 400
        assert told.lower() in answer.json()["error"].lower()
    assert (
        "Count is a whole number of codes." in served.client.post("look?modality=image&count=many", content=b"").json()["error"]
    )


def test_codes_that_do_not_exist_are_refused(served: Running) -> None:
    for codes, told in (([8192], "image codes are 0 to 8191"), ([], "at least one"), ("1", "a list of whole numbers")):
        answer = served.client.post("show", json={"modality": "image", "codes": codes})
        assert answer.status_code == 400
        assert told.lower() in answer.json()["error"].lower()
    assert "no codec" in served.client.post("show", json={"modality": "smell", "codes": [1]}).json()["error"]


def test_who_is_not_let_in(session: Session) -> None:
    with running(session, Access(token="secret"), StudioLimits(body_bytes=1000)) as served:
        assert served.client.get("model").status_code == 401
        assert served.client.get("").status_code == 200  # the page itself holds nothing
        own = {"Authorization": "Bearer secret"}
        assert served.client.get("model", headers=own).status_code == 200
        assert served.client.post("run", json=DRAW, headers={**own, "Origin": "http://evil.example"}).status_code == 403
        assert (
            served.client.post("run", json=DRAW, headers={**own, "Origin": f"http://127.0.0.1:{served.port}"}).status_code == 200
        )
        assert served.client.get("model", headers={**own, "Host": "evil.example"}).status_code == 400
        assert served.client.post("look?modality=image", content=b"x" * 1001, headers=own).status_code == 413
        assert served.client.get("run", headers=own).status_code == 405


def test_a_page_needs_a_bundle_that_generates(fp32_bundle: Any) -> None:
    from unmask import open_model
    from unmask.apps.web.studio.service import Studio

    with pytest.raises(InputError, match="tiny writes captions; the studio shows bundles that generate"):
        Studio(open_model(fp32_bundle), Access())
    with pytest.raises(InputError, match="waiting is 0; it must be above 0"):
        StudioLimits(waiting=0)


# ---- turns


class Held:
    """Steps that wait before each pass until they are let go."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes, self.go = 0, threading.Semaphore(0)
        own = session.generator
        assert own is not None
        steps = own.steps

        def held(*arguments: Any) -> Iterator[Step]:
            for step in steps(*arguments):
                assert self.go.acquire(timeout=20)
                self.passes += 1
                yield step

        monkeypatch.setattr(own, "steps", held)


def test_runs_take_turns_and_one_that_is_left_ends(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(session, monkeypatch)
    with running(session, limits=StudioLimits(waiting=2)) as served, httpx.Client(base_url=served.url, trust_env=False) as other:
        first = served.client.send(served.client.build_request("POST", "run", json=DRAW), stream=True)
        read = first.iter_lines()
        assert json.loads(next(read))["event"] == "started"
        second = other.send(other.build_request("POST", "run", json={**DRAW, "schedule": {"passes": 1}}), stream=True)
        lines = second.iter_lines()
        assert json.loads(next(lines))["event"] == "queued"
        full = served.client.post("show", json={"modality": "image", "codes": [1]})
        assert (full.status_code, full.json()["error"][:30]) == (503, "As many others wait for the mo")
        first.close()
        wait_for(lambda: served.runs.queue.open == 1)
        held.go.release(8)
        assert [json.loads(line)["event"] for line in lines] == ["started", "step", "done"]
        assert held.passes == 2  # the first of the first, which had begun, and the second's only one
        wait_for(lambda: served.runs.queue.open == 0)
        read.close()
