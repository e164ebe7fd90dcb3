"""The program of the full sizes: what it computes of the published passes that it measures, and all of it on a tiny model."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab.omni.full import costs_of, main
from benchmarks.lab.omni.memory import watch
from benchmarks.lab.omni.rows import computed, seconds_of
from benchmarks.lab.omni.tasks import Pass, published, published_masks, request_of, trimmed
from tests.benchmarks.lab.programs import Program, program
from unmask.bundle.manifest import load_bundle
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError

__all__ = ["program"]


def test_passes_that_are_not_measured_lie_between_those_that_are() -> None:
    measured = [Pass(290, masks, seconds=2 + masks / 100, cpu_s=4 + masks / 50) for masks in (1, 130, 260)]
    seconds, cpu_s = published(measured, list(range(260, 0, -1)))
    assert seconds == pytest.approx(sum(2 + masks / 100 for masks in range(1, 261)))
    assert cpu_s == pytest.approx(2 * seconds)


def test_the_published_decoding_has_as_many_passes_and_rows_as_its_code_says(omni: Path) -> None:
    bundle = load_bundle(omni)
    picture = request_of(bundle, "t2i", {"text": "a bike"}, published=True)
    assert published_masks(bundle, picture) == list(range(260, 0, -1))
    speech = np.zeros((171, bundle.manifest.embedding.width), np.float32)
    masks = published_masks(bundle, request_of(bundle, "asr", {"speech": speech}, published=True))
    assert (len(masks), masks[:2], masks[-1]) == (25, [50, 49], 3)


def test_as_many_positions_are_sure_as_is_said(omni: Path) -> None:
    bundle = load_bundle(omni)
    speech = np.zeros((20, bundle.manifest.embedding.width), np.float32)
    request = request_of(bundle, "asr", {"speech": speech}, published=False)
    passes, ids = trimmed(None, request, Schedule(), 4, bundle)
    assert [one.predicted for one in passes] == list(range(50, 0, -4))
    assert request.canvas.mask_id not in ids


def test_rows_between_measured_ones_and_beyond() -> None:
    cost = {10: 1.0, 20: 3.0}
    assert seconds_of([15], cost) == 2
    assert seconds_of([40, 20], cost) == 9  # beyond, as long for each row
    assert seconds_of([2], cost) == 1


@pytest.mark.slow
def test_the_rows_of_tasks_that_are_not_timed(omni: Path) -> None:
    """By hand: what is given, the words, and the answer."""
    found = list(computed(load_bundle(omni), {1: 1.0}))  # each row takes a second
    assert {one.task: one.rows for one in found} == {
        "tts": 15 + 10 + 50,
        "s2i": 18 + 171 + 260,
        "vqa": 11 + 6 + 1024 + 64,
        "svqa": 14 + 171 + 1024 + 128,
        "sqa": 8 + 5 + 171 + 128,
    }
    pictures = next(one for one in found if one.task == "s2i")
    assert (pictures.passes, pictures.cpu_s, pictures.published_cpu_s) == (12, 12 * 449, 260 * 449)
    sure = {(one.task, one.sure): one for one in found}
    assert sure["tts", 4].published_cpu_s == 25 * 75
    assert sure["vqa", 4].passes == 16
    assert sure["vqa", 1].passes == 64
    assert all(
        sure[task, 4].cpu_s < sure[task, 1].cpu_s < sure[task, 1].published_cpu_s for task in ("tts", "vqa", "svqa", "sqa")
    )


def test_rows_take_given_seconds_or_measured_ones() -> None:
    measured = [Pass(290, 1, 9.0, seconds) for seconds in (11.0, 12.0, 30.0)]
    assert costs_of({}, measured) == {290: 12.0}
    assert costs_of({"231": 8.5}, measured) == {231: 8.5}
    with pytest.raises(InputError, match="measure some"):
        costs_of({}, [])
    with pytest.raises(InputError, match="names a number of rows"):
        costs_of({"many": 1.0}, [])


def test_memory_of_a_command_is_seen() -> None:
    size = 200 << 20
    watched = watch([sys.executable, "-c", f"import time; held = bytearray(b'x') * {size}; time.sleep(1)"], every_s=0.05)
    assert 200 < watched.peak < 300
    assert watched.points(3)[-1] == watched.curve[-1]


@pytest.mark.slow
def test_all_of_it_on_a_tiny_model(program: Program, tmp_path: Path) -> None:
    done = program(main, tmp_path / "full", "--small", "--to", "int8", "--threads", "1")
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    made = next(line for line in found if "made" in line)
    assert 0 < made["bytes"] < load_bundle(tmp_path / "full" / "int8").manifest.bytes  # before codecs are added
    assert [line["mapped"] for line in found if "stage" in line] == [False] * 5 + [True] * 5
    rows = {line["task"]: line["rows"] for line in found if "input_s" in line}
    assert rows == {"t2i": 290, "asr": 231}
    ways = {(line["task"], line["way"]): line for line in found if "way" in line}
    assert len(ways["t2i", "trimmed"]["rows"]) == ways["t2i", "trimmed"]["passes"] == 12
    assert ways["asr", "trimmed, 4 sure in a pass"]["passes"] == 13
    assert all(line["times_less_cpu"] > 0 for line in ways.values())
    assert {line["task"] for line in found if "computed" in line} == {"tts", "s2i", "vqa", "svqa", "sqa"}
    given = ("--small", "--to", "int8", "--only", "rows", "--cost.290", "11.6")
    lines = [json.loads(line) for line in program(main, tmp_path / "full", *given).out.splitlines()]
    pictures = next(line for line in lines if line.get("task") == "s2i")
    assert pictures["published_cpu_s"] == pytest.approx(260 * 449 * 0.04)
