"""The studio with a tiny omni-tiny: its tasks, answers as long as their text, and notes on what it does not know."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.apps.web.studio.conftest import Running, running
from unmask.session import open_model
from unmask.training.omni.vocabulary import PICTURE
from unmask.training.stickers.pictures import render
from unmask.training.stickers.scene import draw_scene


def events(served: Running, **asked: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in served.client.post("run", json=asked).text.splitlines()]


def test_each_task_is_run_and_shown(bundle: Path) -> None:
    with running(open_model(bundle)) as served:
        tasks = {task["name"]: task for task in served.client.get("model").json()["tasks"]}
        assert tasks["t2i"]["positions"] == {"image": PICTURE}
        started, *steps, done = events(served, task="t2i", inputs={"text": "a zeppelin"}, schedule={"passes": 2})
        assert "'zeppelin'" in started["notes"][0]
        assert [done["event"], len(steps)] == ["done", 2]
        codes = steps[-1]["spans"][0]["codes"]
        keep = [None if i < 9 else code for i, code in enumerate(codes)]
        *_, again, _ = events(served, task="t2i", inputs={"text": "a cat"}, schedule={"passes": 1}, keep={"image": keep})
        assert again["spans"][0]["codes"][9:] == codes[9:]
        made = served.client.post("show", json={"modality": "image", "codes": codes}).json()
        with Image.open(io.BytesIO(base64.b64decode(made["picture"]))) as picture:
            assert picture.size == (64, 64)
        file = io.BytesIO()
        Image.fromarray(render(draw_scene(np.random.default_rng(0)))).save(file, "PNG")
        assert len(served.client.post("look?modality=image", content=file.getvalue()).json()["codes"]) == PICTURE
        image = base64.b64encode(file.getvalue()).decode()
        for text in ("red on a sand background", ""):  # a sketch needs no text
            *_, drawn, end = events(served, task="sketch", inputs={"text": text, "image": image}, schedule={"passes": 1})
            assert (end["event"], len(drawn["spans"][0]["codes"])) == ("done", PICTURE)
        assert "needs image; image is not there" in events(served, task="sketch", inputs={"text": "red"})[0]["error"]
        *_, told, _ = events(served, task="i2t", inputs={"image": image}, schedule={"passes": 1})
        assert len(told["spans"][0]["tokens"]) == tasks["i2t"]["positions"]["text"]


def test_an_answer_aloud_is_as_long_as_its_text(bundle: Path) -> None:
    with running(open_model(bundle)) as served:
        one, two, three = (
            len(events(served, task="t2s", inputs={"text": "a cat " * count})[0]["spans"][0]["codes"]) for count in (1, 2, 3)
        )
    assert three - two == two - one > 0
