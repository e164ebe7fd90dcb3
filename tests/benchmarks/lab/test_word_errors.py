"""Ways of decoding that are compared, their costs, and the table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab.word_errors import WayScores, WordErrorOptions, score_bundle, table, ways
from unmask.bundle.manifest import read_manifest
from unmask.training.corpus import Utterance

CHECKED = "1 pass, checked"


def options(**chosen: object) -> WordErrorOptions:
    return WordErrorOptions(corpus=Path("corpus"), bundles=(), **chosen)  # type: ignore[arg-type]


def test_ways_are_chosen_by_name_and_by_how_far_a_pass_reads(fp32_bundle: Path) -> None:
    manifest = read_manifest(fp32_bundle)
    found = ways(options(ways=("1 pass", CHECKED), ahead=(4, 16)), manifest)
    assert [*found] == ["1 pass", CHECKED, f"{CHECKED}, 4 ahead", f"{CHECKED}, 16 ahead"]
    assert [way.verify_lookahead for way in found.values() if way] == [None, 8, 4, 16]
    assert all(way and way.verify == 64 for name, way in found.items() if name.startswith(CHECKED))
    assert "token by token" in ways(options(), manifest)
    assert "token by token" not in ways(options(), replace(manifest, verifier=None))


@pytest.mark.parametrize("chosen", [{"ways": ("2 pass",)}, {"ahead": (4,)}])
def test_ways_that_are_none_are_named(chosen: dict[str, object], fp32_bundle: Path) -> None:
    with pytest.raises(ValueError, match=r"(2 pass|1 pass, checked, 4 ahead): no such way of decoding; there are 1 pass"):
        ways(options(**chosen), replace(read_manifest(fp32_bundle), verifier=None))


def utterance() -> Utterance:
    samples = (0.1 * np.random.default_rng(0).standard_normal(3 * 16_000)).astype(np.float32)
    return Utterance("one", "some words", samples, "reader")


def test_of_a_transcript_every_way_writes_one_text(transcript_bundle: Path) -> None:
    whole, near, part, single, drafted = score_bundle(transcript_bundle, [utterance()], options(ahead=(2,)))
    names = [row.name.partition("fp32), ")[2] for row in (whole, near, part, single, drafted)]
    assert names == [*ways(options(ahead=(2,)), read_manifest(transcript_bundle))]
    assert whole.texts == part.texts == single.texts == drafted.texts
    assert single.rows == single.passes == [single.tokens[0] + 1]
    assert 1 <= whole.passes[0] <= part.passes[0] <= single.passes[0]


def test_every_way_is_read_and_counted(fp32_bundle: Path) -> None:
    rows = score_bundle(fp32_bundle, [utterance()], options(ways=(CHECKED, "token by token"), ahead=(2,)))
    whole, part, single = rows
    assert [row.name.rpartition(", ")[2] for row in rows] == ["checked", "2 ahead", "token by token"]
    assert part.texts == whole.texts
    assert single.rows == single.passes == [single.tokens[0] + 1]
    assert all(row.words == [2] for row in rows)
    lines = table(rows, np.array(["reader"]), resamples=10).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 5


def test_errors_are_those_of_words_after_the_normalizer() -> None:
    row = WayScores("row")
    row.add("he will not come", "He won't come, there!", 1, 9, 3, 0.5)  # one inserted
    assert (row.errors, row.words, row.milliseconds) == ([1], [4], [500])
