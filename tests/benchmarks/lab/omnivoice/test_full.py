"""OmniVoice at full size: random weights have the published sizes, and the program that times them runs on a small model."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

from benchmarks.lab.omnivoice import full
from unmask.benchmarks.scenarios.speech.higgs import FULL_CODEC, write_codec
from unmask.benchmarks.scenarios.speech.omnivoice import FULL
from unmask.export.families import omnivoice
from unmask.export.onnx.backbone import expected


def test_the_full_size_is_the_published_one() -> None:
    inner = {**omnivoice.TINY["llm_config"], **FULL, "vocab_size": 151_676}
    shapes = expected(omnivoice, omnivoice.config({**omnivoice.TINY, "llm_config": inner}))
    assert len(shapes) == 313 - 1  # and the offsets of its streams
    assert sum(map(math.prod, shapes.values())) == 612_577_280


@pytest.mark.slow
def test_the_full_codec_is_the_published_one(tmp_path: Path) -> None:
    with safe_open(write_codec(tmp_path, FULL_CODEC) / "model.safetensors", "pt") as file:
        names = list(file.keys())
        values = sum(math.prod(file.get_slice(name).get_shape()) for name in names)
    assert (len(names), values) == (527, 201_400_553)


def test_kinds_of_passes() -> None:
    schedule = replace(omnivoice.TRIMMED, passes=4)
    assert list(full.kinds_of(schedule)) == ["whole", "frames", "frames", "frames"]
    assert list(full.kinds_of(replace(schedule, refresh=2))) == ["whole", "frames", "whole", "frames"]
    assert list(full.kinds_of(replace(schedule, guided="every-2"))) == ["whole", "frames", "frames", "alone", "frames"]
    everything = replace(schedule, reuse=False, window="masked", guided="all")
    assert list(full.kinds_of(everything)) == ["whole", *["whole", "alone"] * 3]


@pytest.mark.slow
def test_the_program_runs_on_a_small_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full.main(tmp_path, options=full.FullOptions(small=True, seconds=(1.0, 6.0), threads=1, repeats=1))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    ways = [line["way"] for line in lines if "way" in line]
    first = ["the first text after opening", "published, said whole"]
    assert ways == [*first, *["published", "trimmed, the default"] * 4, *list(full.WAYS) * 2]
    whole = [line for line in lines if "first_sound_s" in line]
    assert [line["voiced"] for line in whole] == [False] * 3 + [True, False, True]
    assert all(0 < line["first_sound_s"] <= line["seconds"] for line in whole)
    assert whole[-1]["parts"] > 1
    assert lines[-1]["peak_mib"] > 0
