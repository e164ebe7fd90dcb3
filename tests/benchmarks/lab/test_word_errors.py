"""Ways of decoding that are compared, their costs, and the table."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab.word_errors import CHECKED, DRAFT, WayScores, WordErrorOptions, score_bundle, table, ways
from unmask.bundle.manifest import read_manifest
from unmask.training.corpus import Utterance


def options(**chosen: object) -> WordErrorOptions:
    return WordErrorOptions(corpus=Path("corpus"), bundles=(), **chosen)  # type: ignore[arg-type]


def test_ways_are_chosen_by_name_and_by_how_far_a_pass_reads(fp32_bundle: Path) -> None:
    manifest = read_manifest(fp32_bundle)
    found = ways(options(ways=(DRAFT, CHECKED), ahead=(4, 8)), manifest)
    assert [*found] == [DRAFT, CHECKED, f"{CHECKED}, 4 ahead", f"{CHECKED}, 8 ahead"]
    assert [way.verify_lookahead for way in found.values() if way] == [None, 16, 4, 8]
    assert [way.verify for way in found.values() if way] == [0, 256, 256, 256]
    assert "token by token" in ways(options(), manifest)


def test_ways_that_are_none_are_named(fp32_bundle: Path) -> None:
    with pytest.raises(ValueError, match=r"2 pass: no such way of decoding; there are draft alone, checked"):
        ways(options(ways=("2 pass",)), read_manifest(fp32_bundle))


def utterance() -> Utterance:
    samples = (0.1 * np.random.default_rng(0).standard_normal(3 * 16_000)).astype(np.float32)
    return Utterance("one", "some words", samples, "reader")


def test_every_way_but_the_draft_writes_one_text(fp32_bundle: Path) -> None:
    draft, whole, near, part, single, drafted = score_bundle(fp32_bundle, [utterance()], options(ahead=(2,)))
    names = [row.name.partition("fp32), ")[2] for row in (draft, whole, near, part, single, drafted)]
    assert names == [*ways(options(ahead=(2,)), read_manifest(fp32_bundle))]
    assert (draft.passes, draft.rows) == ([1], [0])
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
