"""The program that compares blocks: every way writes as many positions a pass, and its share is of token by token's time."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab.passes.fills import SINGLE, FillsOptions, main, table, ways
from benchmarks.lab.token_by_token import Written
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError


def test_every_block_commits_as_many_a_pass() -> None:
    made = ways(Schedule(threshold=0.9), 8)
    assert {(one.block, one.passes) for one in made.values()} == {(32, 4), (16, 2), (8, 1)}
    assert sum(one.across_blocks for one in made.values()) == 3


def test_shares_are_of_a_whole_answer_token_by_token() -> None:
    done = {SINGLE: Written(np.zeros(0, np.int64), 4, 9), "blocks of 8": Written(np.zeros(0, np.int64), 2, 20)}
    single, blocks = table({SINGLE: [0.5, 0.4], "blocks of 8": [0.4, 0.6]}, done, 8).splitlines()[2:]
    assert single == "| token by token | 800 | 1.00 | 4 | 9 |"
    assert blocks == "| blocks of 8 | 400 | 0.50 | 2 | 20 |"


def test_it_runs_on_a_small_model(backbones: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    main(backbones["dream"], FillsOptions(length=8, rounds=1))
    assert "| blocks of 4, across |" in capsys.readouterr().out


def test_a_model_in_blocks_of_its_own_is_refused(backbones: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="needs full attention"):
        main(backbones["block"], FillsOptions())
