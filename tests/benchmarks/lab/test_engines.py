"""The program that times engines calls every graph with exactly what it holds, and tells ratios to the first bundle."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab.engines import EnginesOptions, buckets_of, calls_of, main, table
from unmask import load_bundle
from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.padding import Padding
from unmask.errors import InputError

BUCKETS = (
    Bucket("litert", "context", "f", {"samples": 6000}, "fp32"),
    Bucket("litert", "window", "f", {"tokens": 4, "past": 7, "frames": 5, "listed": 2}, "fp32"),
)


def test_every_graph_is_called_with_all_that_it_holds(fp32_bundle: Path) -> None:
    plain = load_bundle(fp32_bundle)
    asked = buckets_of([plain, Bundle(plain.folder, replace(plain.manifest, buckets=BUCKETS))], ())
    context, window = (call() for call in calls_of(plain, 1, asked, seed=0))
    assert context["cross_k"].shape[2] == Padding(TRANSCRIPT).whole({"samples": 6000})["frames"]
    assert window["ids"].shape[0] == window["v"].shape[1] == 4
    assert window["listed_logits"].shape == (4, 2)


def test_without_fixed_graphs_the_command_that_makes_them_is_named(fp32_bundle: Path) -> None:
    with pytest.raises(InputError, match="make one with: unmask quantize BUNDLE --target litert"):
        main(EnginesOptions((fp32_bundle,)))


def test_ratios_are_taken_round_by_round() -> None:
    base = np.array([[0.001], [0.002], [0.004]])
    (line,) = table([BUCKETS[0]], {"a": base, "b": base * 3}).splitlines()[2:3]
    assert line == "| context samples 6000 | 2.00 | 3.00 (3.00 to 3.00) |"
