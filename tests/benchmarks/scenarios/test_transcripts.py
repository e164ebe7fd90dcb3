"""Scenarios of a transcript bundle: what a pass reads, that every schedule writes the same text, and what it costs."""

from pathlib import Path

import numpy as np
import pytest

from tests.tiny import TINY
from unmask.benchmarks.scenarios.catalog import MeasuredBundle, Recording, cases
from unmask.benchmarks.scenarios.graph_cost import bundle_costs
from unmask.benchmarks.scenarios.runner import Plan, run_cases
from unmask.bundle.manifest import load_bundle, read_manifest
from unmask.engines.engine_options import EngineOptions
from unmask.export.modules.drafter import HIGH, WIDENED

SECONDS = 4.0


@pytest.fixture
def subject(fp32_bundle: Path, tmp_path: Path) -> MeasuredBundle:
    samples = (0.1 * np.random.default_rng(0).standard_normal(round(SECONDS * 16_000))).astype(np.float32)
    np.save(tmp_path / "noise.npy", samples)
    costs = bundle_costs(load_bundle(fp32_bundle))
    recordings = (Recording("noise", str(tmp_path / "noise.npy"), SECONDS, "some words"),)
    return MeasuredBundle("m", fp32_bundle, read_manifest(fp32_bundle), EngineOptions(), recordings, costs)


def test_a_pass_reads_tokens_after_others(subject: MeasuredBundle) -> None:
    own = [case for case in cases(subject, ("step",), 1) if "4 s" in case.name]
    assert [case.name for case in own] == [f"{n} row{'s' * (n > 1)}, 4 s of speech" for n in (1, 4, 8, 16, 26)]
    found = [samples[0] for _, samples in run_cases(own, Plan(1, 0, 1))]
    assert [sample.rows for sample in found] == [1, 4, 8, 16, 26]
    assert [sample.macs for sample in found] == [n * found[0].macs for n in (1, 4, 8, 16, 26)]
    assert {sample.bytes for sample in found} == {found[0].bytes}


def test_every_schedule_writes_the_same_text(subject: MeasuredBundle) -> None:
    own = [case for case in cases(subject, ("fill", "caption"), 1) if "2 s" not in case.name]
    names = ["token by token", "4 ahead", "8 ahead", "32 ahead", "all ahead", "default"]
    assert [case.name for case in own] == [*(f"{name}, 4 s of speech" for name in names), "offline noise"]
    found = [samples[0] for _, samples in run_cases(own, Plan(1, 0, 1))]
    assert len({sample.text for sample in found}) == 1
    assert found[0].tokens > 0
    assert found[0].passes in (found[0].tokens, found[0].tokens + 1)  # the last one settles the end, unless the text is cut
    assert found[0].rows == found[0].passes
    assert all(sample.passes <= found[0].passes for sample in found)
    assert found[-1].macs > found[-2].macs  # the encoder is part of it


def test_the_other_scenarios_run(subject: MeasuredBundle) -> None:
    for case, samples in run_cases(list(cases(subject, ("load", "soak"), minutes=0.005)), Plan(1, 0, 0)):
        assert samples[0].seconds > 0
        assert samples[0].more, case.name


def test_slots_count_apart_from_encoder_states(subject: MeasuredBundle) -> None:
    """Of the drafter, what comes after states have become slots: its last blocks, the product before the head, and the head."""
    width = TINY.width
    tokens = len(range(3, TINY.vocabulary, 2))
    blocks = HIGH * 2 * WIDENED * width * width
    assert subject.costs["context"][1] == blocks + width * width + width * tokens
    assert subject.costs["window"][1] == width * TINY.vocabulary
