"""A transcript bundle is asked what it drafts, and what follows each token of its own text."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask.benchmarks.compare.bundles import compare_bundles
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.errors import InputError
from unmask.quant.calibration.calibrate import measure_ranges
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.instrumented import InstrumentedEngine, whole_logits
from unmask.quant.calibration.search import search_keep
from unmask.quant.calibration.subjects import CaptionSubject
from unmask.quant.weights.quantize import Recipe

NOISE = (0.1 * np.random.default_rng(0).standard_normal(24_000)).astype(np.float32)
MATERIAL = Material((NOISE,))


@pytest.fixture(scope="module")
def bundle(fp32_bundle: Path) -> Bundle:
    return load_bundle(fp32_bundle)


def without_drafter(bundle: Bundle) -> Bundle:
    assert bundle.manifest.transcript
    return replace(bundle, manifest=replace(bundle.manifest, transcript=replace(bundle.manifest.transcript, states_per_slot=0)))


def test_answers_are_its_own_draft_and_text(bundle: Bundle) -> None:
    subject = CaptionSubject(bundle, MATERIAL, InstrumentedEngine(bundle, whole_logits))
    slots, text = subject.states()
    assert (slots.role, text.role) == ("context", "window")
    segment = subject.segments[0]
    scores = subject.logits(slots)
    best = scores.argmax(-1)
    assert len(best) == len(slots.rows)
    assert len(np.flatnonzero((best != 0) & (best != np.concatenate(([0], best[:-1]))))) == len(segment.draft.ids)
    logits = subject.logits(text)
    assert logits.shape == (len(text.ids) + 1, bundle.manifest.vocabulary.size)
    assert logits.argmax(-1)[: len(text.ids)].tolist() == text.ids.tolist() != []


def test_without_a_drafter_there_are_no_slots(bundle: Bundle) -> None:
    plain = without_drafter(bundle)
    subject = CaptionSubject(plain, MATERIAL, InstrumentedEngine(plain, whole_logits))
    assert {state.role for state in subject.states()} == {"window"}


@pytest.mark.slow
def test_both_graphs_are_calibrated_and_searched(bundle: Bundle) -> None:
    assert set(measure_ranges(bundle, MATERIAL)) == {"context", "window"}
    found = search_keep(bundle, Recipe("int4"), MATERIAL, 20_000)
    assert {candidate.label.split(":")[0] for candidate in found.candidates} == {"context", "window"}
    assert found.after <= found.before


# ---- compared


def test_a_transcript_against_itself_and_its_int8(bundle: Bundle, int8_bundle: Path) -> None:
    same = compare_bundles(bundle, bundle, MATERIAL, runs=0)
    assert [(part.role, part.argmax, part.kl) for part in same.drift] == [("context", 1, 0), ("window", 1, 0)]
    assert same.texts.a == same.texts.b
    small = compare_bundles(bundle, load_bundle(int8_bundle), MATERIAL, runs=0)
    assert small.size < 0.6
    assert all(0 < part.kl < 1 for part in small.drift)
    table = small.to_markdown()
    assert "| its own text | 1 |" in table
    assert "| slots of the draft | 1 |" in table
    assert f"| texts like A's | | {int(small.texts.a == small.texts.b)} of 1 | |" in table


def test_a_draft_is_not_compared_with_none(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="tiny drafts nothing; compare bundles that both have the drafter, or neither"):
        compare_bundles(bundle, without_drafter(bundle), MATERIAL, runs=0)
