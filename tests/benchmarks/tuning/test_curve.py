"""What passes take by their rows, and which blocks follow from it."""

from pathlib import Path

import pytest

from unmask import load_bundle
from unmask.benchmarks.tuning.curve import ROWS, Curve, block_seconds, measure_curve, worthwhile_blocks
from unmask.benchmarks.tuning.pareto import Setting
from unmask.benchmarks.tuning.search_space import Device, answer_stages, in_blocks
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions

READING = Curve((1, 64), (0.03, 0.03))  # reading weights is all that counts
MULTIPLYING = Curve((1, 64), (0.001, 0.064))  # a row costs what a row costs


def test_between_and_beyond_what_was_measured() -> None:
    curve = Curve((1, 4, 8), (0.1, 0.1, 0.2))
    assert [curve.of(rows) for rows in (1, 2, 6, 8, 12)] == pytest.approx([0.1, 0.1, 0.15, 0.2, 0.3])
    assert "1: 100, 4: 100, 8: 200" in str(curve)


def test_a_block_is_the_sum_of_its_passes() -> None:
    rows = [8 + 4, 4 + 4]  # of masks, and committed just before
    assert block_seconds(MULTIPLYING, 8, 4) == pytest.approx(sum(rows) / 1000)
    assert block_seconds(READING, 8, 4) == pytest.approx(2 * 0.03)
    assert block_seconds(READING, 4, 9) == pytest.approx(0.03)


def test_small_blocks_where_rows_cost_and_large_ones_where_passes_do() -> None:
    assert worthwhile_blocks(MULTIPLYING, 128, 4) == [4, 8, 16]
    assert worthwhile_blocks(READING, 128, 16) == [16, 32, 64]
    assert worthwhile_blocks(MULTIPLYING, 8, 4) == [4]


def test_every_number_of_rows_is_measured(backbones: dict[str, Path]) -> None:
    curve = measure_curve(Engine(load_bundle(backbones["dream"])), 8)
    assert curve.rows == ROWS
    assert min(curve.seconds) > 0


def test_blocks_that_are_tried_follow_the_curve_and_commit_as_many_a_pass(backbones: dict[str, Path]) -> None:
    manifest = load_bundle(backbones["dream"]).manifest
    stages = answer_stages(manifest, 128, Device(lambda setting: MULTIPLYING, lambda setting: 4.0))
    (blocks,) = (stage for stage in stages if stage.name == "block")
    best = Setting(Path("a"), EngineOptions(), Schedule(rule="quota", passes=8, block=32, reuse=True))
    tried = [setting.schedule for setting in blocks.around(best)]
    assert [(one.block, one.passes) for one in tried if not one.across_blocks] == [(None, 32), (4, 1), (8, 2), (16, 4)]
    assert [one.block for one in tried if one.across_blocks] == [4, 8, 16]
    assert not any(one.schedule.across_blocks for one in blocks.around(best.having(reuse=False)))
    assert in_blocks(best.having(across_blocks=True), None, 128).schedule.across_blocks is False
