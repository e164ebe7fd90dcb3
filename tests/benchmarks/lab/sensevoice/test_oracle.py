"""SenseVoice at full size against FunASR's class, where its environment is (`make funasr-env`); and the program's other half."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab.sensevoice import oracle
from unmask.apps.audio.files import demo_clips, read_recording
from unmask.benchmarks.scenarios.omni import SENSEVOICE, write_sensevoice


@pytest.mark.slow
@pytest.mark.skipif(not oracle.FUNASR_PYTHON.is_file(), reason="no environment of FunASR; make funasr-env")
def test_features_and_states_are_funasrs(tmp_path: Path) -> None:
    source = write_sensevoice(tmp_path / "SenseVoiceSmall", oracle.CONFIG)
    sound = read_recording(demo_clips()[0])[:48_000]
    features, exact, _, rounded = oracle.differences(source, sound, tmp_path)
    assert features.largest < 1e-3
    assert features.mean < 1e-5
    assert exact.largest < 1e-4
    assert rounded.mean < 0.05  # what bfloat16 itself costs, in 70 layers


@pytest.mark.slow
def test_costs_lists_both_forms_and_their_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SENSEVOICE, rows=64)
    monkeypatch.setattr(oracle, "CONFIG", config)
    source = write_sensevoice(tmp_path / "SenseVoiceSmall", config)
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    table = oracle.costs(oracle.exported(source, tmp_path), oracle.feeds(noise), (1,), 1)
    assert [row[:2] for row in table.rows] == [("float32", "1"), ("int8", "1")]
    assert 0 < float(table.rows[1][-1].removesuffix(" %")) < 10
