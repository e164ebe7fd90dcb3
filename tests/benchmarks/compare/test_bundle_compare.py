"""Comparisons by hand: times on a clock that the test moves, gates in both directions, what the tables say."""

import dataclasses
import itertools
import math
from pathlib import Path

import pytest

from unmask.benchmarks.compare import bundles
from unmask.benchmarks.compare.bundle_tables import BundleComparison, Memory, PassTime, Texts, TimedPair, measured
from unmask.benchmarks.compare.bundles import compare_bundles, compare_texts
from unmask.benchmarks.compare.gates import Gates
from unmask.benchmarks.measure.statistics import Interval, Quartiles, Ratio
from unmask.bundle.manifest import load_bundle
from unmask.errors import InputError
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.drift import Drift
from unmask.quant.weights.quantize import quantize_bundle

HALF = Ratio(0.5, Interval(0.4, 0.6), 6)
MATERIAL = Material(prompts=("What?",), length=8, draws=1)
FOUND = BundleComparison(
    name_a="big",
    name_b="small",
    bytes_a=1000,
    bytes_b=270,
    memory=Memory(400, 300),
    load=TimedPair(Quartiles(90, 100, 120, 6), Quartiles(40, 50, 60, 6), HALF),
    passes=(
        PassTime(1, TimedPair(Quartiles(9, 10, 11, 6), Quartiles(7, 8, 9, 6), Ratio(0.7, Interval(0.6, 0.8), 6))),
        PassTime(2, TimedPair(Quartiles(5, 6, 7, 6), Quartiles(4, 5, 6, 6), Ratio(0.8, Interval(0.7, 0.9), 6))),
    ),
    drift=(
        Drift("window", 0.5, canvases=4, rows=10, argmax=1.0, first=0.5, early=1.0, kl=0.01, kl_p95=0.02),
        Drift("window", 1.0, canvases=1, rows=30, argmax=0.9, first=1.0, early=0.8, kl=0.03, kl_p95=0.05),
        Drift("context", None, canvases=1, rows=7, argmax=0.0, first=0.0, early=0.0, kl=9.0, kl_p95=9.0),
    ),
    texts=Texts(("a b",), ("a c",), 0.5, 0.10, 0.14),
)


# ---- gates


def test_what_gates_look_at_by_hand() -> None:
    """Rows count as rows and canvases as canvases; the slots of drafts are told apart and not counted."""
    values = {name: value for name, (value, _) in measured(FOUND).items()}
    by_hand = {
        "size": 0.27,
        "argmax": 37 / 40,
        "first": 3 / 5,
        "early": 34 / 40,
        "kl": 0.03,
        "words": 0.5,
        "wer": 0.04,
        "time": 0.8,
        "memory": 0.75,
    }
    assert values == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("name", "held", "broken"),
    [
        ("size", 0.27, 0.26),
        ("argmax", 0.92, 0.93),
        ("first", 0.6, 0.61),
        ("early", 0.85, 0.86),
        ("kl", 0.03, 0.029),
        ("words", 0.5, 0.49),
        ("wer", 0.0401, 0.039),
        ("time", 0.8, 0.79),
        ("memory", 0.75, 0.74),
    ],
)
def test_a_gate_holds_or_is_missed(name: str, held: float, broken: float) -> None:
    assert FOUND.failures(Gates(**{f"gate_{name}": held})) == []
    (line,) = FOUND.failures(Gates(**{f"gate_{name}": broken}))
    assert line.startswith(f"{name} is ")
    assert f"{broken:g}" in line


def test_every_gate_is_one_that_is_measured() -> None:
    assert {field.name for field in dataclasses.fields(Gates)} == {f"gate_{name}" for name in measured(FOUND)}
    assert FOUND.failures(Gates()) == []


def test_what_is_no_number_misses_every_gate() -> None:
    bad = dataclasses.replace(FOUND, drift=(dataclasses.replace(FOUND.drift[0], kl=math.nan, argmax=math.nan),))
    assert len(bad.failures(Gates(gate_kl=1e9, gate_argmax=0.0))) == 2


def test_a_gate_on_what_was_not_measured_is_refused() -> None:
    texts = dataclasses.replace(FOUND.texts, wer_a=None, wer_b=None)
    with pytest.raises(InputError, match="transcripts"):
        dataclasses.replace(FOUND, texts=texts).failures(Gates(gate_wer=1))
    with pytest.raises(InputError, match="--runs"):
        dataclasses.replace(FOUND, passes=()).failures(Gates(gate_time=1))
    with pytest.raises(InputError, match="--runs"):
        dataclasses.replace(FOUND, memory=None).failures(Gates(gate_memory=1))


def test_tables_hold_the_numbers() -> None:
    text = FOUND.to_markdown()
    assert "| | big | small | ratio |" in text
    assert (
        "| a pass, 1 thread, ms, median (quartiles) | 10.00 (9.00 to 11.00) | 8.00 (7.00 to 9.00) | 0.70 (0.60 to 0.80) |" in text
    )
    assert (
        "| a pass, 2 threads, ms, median (quartiles) | 6.00 (5.00 to 7.00) | 5.00 (4.00 to 6.00) | 0.80 (0.70 to 0.90) |" in text
    )
    assert "| peak memory, MiB | 400 | 300 | 0.75 |" in text
    assert "| WER %, Whisper normalizer | 10.0 | 14.0 | |" in text
    assert "| 50 % | 4 | 10 | 100.0 | 50.0 | 100.0 | 1.00e-02 | 2.00e-02 |" in text
    assert "| slots of the draft | 1 | 7 |" in text
    without = dataclasses.replace(FOUND, memory=None, load=None, passes=()).to_markdown()
    assert [word for word in ("load", "memory", "a pass") if word in without] == []


# ---- measured


def test_a_bundle_against_itself(backbones: dict[str, Path]) -> None:
    bundle = load_bundle(backbones["dream"])
    found = compare_bundles(bundle, bundle, MATERIAL, runs=0)
    assert found.size == 1
    assert found.load is found.memory is None
    assert found.passes == ()
    assert found.texts.a == found.texts.b
    for part in found.drift:
        assert (part.argmax, part.first, part.early, part.kl) == (1, 1, 1, 0)


def test_times_on_a_clock_that_ticks(backbones: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock takes a second: a turn of either bundle takes one, and a pass its share of the canvases."""
    bundle = load_bundle(backbones["dream"])
    monkeypatch.setattr(bundles, "peak_memory", lambda *given: 7.0)
    ticks = itertools.count()
    said: list[str] = []
    clock = lambda: float(next(ticks))  # noqa: E731
    found = compare_bundles(bundle, bundle, MATERIAL, runs=3, threads=(1, 2), clock=clock, say=said.append)
    assert found.load is not None
    assert found.memory == Memory(7, 7)
    assert found.load.a == found.load.b == Quartiles(1000, 1000, 1000, 3)
    canvases = sum(part.canvases for part in found.drift)
    assert [done.threads for done in found.passes] == [1, 2]
    assert [done.timed.a.median for done in found.passes] == pytest.approx([1000 / canvases] * 2)
    assert [found.load.ratio.value, *(done.timed.ratio.value for done in found.passes)] == [1, 1, 1]
    rounds = 1 + 3  # the first does not count
    assert next(ticks) == 3 * (1 + 2 * 2 * rounds + 1)  # three things timed: start, both bundles twice a round, end
    assert said == ["drift", "memory", "time to load", "time of a pass, threads: 1", "time of a pass, threads: 2", "texts"]


def test_bytes_are_those_of_the_listed_files(backbones: dict[str, Path]) -> None:
    folder = backbones["dream"]
    own = sum(path.stat().st_size for path in folder.iterdir() if path.name != "bundle.json")
    assert load_bundle(folder).manifest.bytes == own


def test_a_smaller_bundle_drifts(backbones: dict[str, Path], tmp_path: Path) -> None:
    small = load_bundle(quantize_bundle(backbones["dream"], tmp_path / "small"))
    found = compare_bundles(load_bundle(backbones["dream"]), small, MATERIAL, runs=0)
    assert found.size < 0.5
    assert all(part.kl > 0 for part in found.drift)


def test_bundles_of_other_models_are_refused(backbones: dict[str, Path], fp32_bundle: Path) -> None:
    with pytest.raises(InputError, match="do not predict the same ids"):
        compare_bundles(load_bundle(backbones["dream"]), load_bundle(backbones["block"]), MATERIAL)
    with pytest.raises(InputError, match="do not predict the same ids"):
        compare_bundles(load_bundle(fp32_bundle), load_bundle(backbones["block"]), MATERIAL)


def test_texts_by_hand() -> None:
    """Only recordings with a transcript count for the error rate."""
    texts = compare_texts(["One cat sat.", "dog"], ["one cat spat", "big bird"], ["one cat sat", None])
    assert texts.differing == pytest.approx((1 + 2) / 4)
    assert (texts.wer_a, texts.wer_b) == (0, pytest.approx(1 / 3))
    assert compare_texts(["x"], ["x"], []).wer_a is None
