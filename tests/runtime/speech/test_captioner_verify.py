"""Verified captions: their cost, `verify` at 0, and bundles without a verifier."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import pre_tokenizers

from unmask.bundle.manifest import Bundle, Manifest, load_bundle
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Schedule
from unmask.errors import BundleError
from unmask.speech.captioner import Caption, Captioner, Segment
from unmask.speech.words import TimedTokens, respelled
from unmask.training.captions.vocabulary import byte_level

RATE = 16_000
FILLED = Schedule(passes=2, rule="quota")


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="module", params=["fp32", "int8"])
def captions(request: pytest.FixtureRequest) -> Captioner:
    return Captioner(load_bundle(request.getfixturevalue(f"{request.param}_bundle"))).load()


@pytest.fixture(scope="module")
def plain(captions: Captioner) -> Captioner:
    """The same bundle without its verifier."""
    return Captioner(Bundle(captions.bundle.folder, without_verifier(captions.bundle))).load()


def without_verifier(bundle: Bundle) -> Manifest:
    manifest = bundle.manifest
    graphs = {role: name for role, name in manifest.graphs.items() if role != "verify"}
    return replace(manifest, verifier=None, graphs=graphs)


def test_passes_and_rows_of_the_verifier_are_counted(captions: Captioner) -> None:
    """Over two segments, against both loops run by hand."""
    samples, schedule = noise(25), replace(FILLED, verify=3)
    passes = rows = tokens = 0
    for window in captions.segments(samples):
        steps = list(captions.reader.fill(window, schedule))
        checks = list(captions.reader.checks(window, captions.reader.heard(steps[-1]).as_draft(), schedule))
        assert 1 <= len(checks) <= 3
        passes += len(steps) + len(checks)
        rows += sum(step.rows for step in steps) + sum(check.rows for check in checks)
        tokens += len(checks[-1].text.ids)
    found = captions.caption(samples, schedule)
    assert found.segments == 2
    assert (found.passes, found.rows, found.tokens) == (passes, rows, tokens)


def test_more_passes_never_cost_a_settled_word(captions: Captioner) -> None:
    window = captions.encode(noise(4))
    *_, step = captions.reader.fill(window, FILLED)
    long = list(captions.reader.checks(window, captions.reader.heard(step).as_draft(), replace(FILLED, verify=6)))
    short = list(captions.reader.checks(window, captions.reader.heard(step).as_draft(), replace(FILLED, verify=2)))
    for ours, theirs in zip(short, long, strict=False):
        np.testing.assert_array_equal(ours.text.ids, theirs.text.ids)
    settled = short[-1].agreed
    np.testing.assert_array_equal(long[-1].text.ids[:settled], short[-1].text.ids[:settled])


def test_a_checked_text_is_left_by_a_second_look(captions: Captioner) -> None:
    window = captions.encode(noise(3))
    *_, step = captions.reader.fill(window, FILLED)
    draft = captions.reader.heard(step)
    *_, last = captions.reader.checks(window, draft.as_draft(), replace(FILLED, verify=200))
    assert last.done
    placed = captions.reader.placed(window, draft, last.text).as_draft()
    again = list(captions.reader.checks(window, placed, replace(FILLED, verify=1)))
    settled = again[0].agreed - (not again[0].done)
    assert settled >= 0.9 * len(last.text.ids)
    np.testing.assert_array_equal(again[0].text.ids[:settled], last.text.ids[:settled])


def test_verify_at_0_leaves_the_filled_text(captions: Captioner) -> None:
    (window,) = captions.segments(noise(3))
    *_, step = captions.reader.fill(window, FILLED)
    assert list(captions.reader.checks(window, captions.reader.heard(step).as_draft(), FILLED)) == []
    found = captions.caption(noise(3), FILLED)
    assert found.words == tuple(captions.spell(captions.reader.heard(step), stop_s=3.0))
    assert (found.passes, found.rows) == (2, 2 * len(window.canvas.ids))
    assert found.tokens == len(captions.reader.heard(step).ids)


def test_a_bundle_without_a_verifier_captions(captions: Captioner, plain: Captioner) -> None:
    (window,) = plain.segments(noise(3))
    assert window.verifier is None
    *_, step = plain.reader.fill(window, FILLED)
    assert list(plain.reader.checks(window, plain.reader.heard(step).as_draft(), replace(FILLED, verify=9))) == []
    assert (
        list(plain.reader.checks(window, plain.reader.heard(step).as_draft())) == []
    )  # the bundle's own schedule asks for checks
    assert plain.caption(noise(3), replace(FILLED, verify=9)) == captions.caption(noise(3), FILLED)


def test_windows_can_be_read_again(captions: Captioner) -> None:
    """The verifier remembers nothing from the previous run, whatever its schedule."""
    windows, schedule = list(captions.segments(noise(4))), replace(FILLED, verify=5)

    def read(chosen: Schedule) -> Caption:
        return captions.read(windows, 4.0, chosen)

    first = read(schedule)
    read(replace(schedule, verify=1, verify_accept_ratio=0.0))
    assert read(schedule) == first == captions.caption(noise(4), schedule)


def test_steps_are_seen_before_the_checks(captions: Captioner) -> None:
    """Passes of the verifier are not steps: a caller that watches the canvas sees each fill once."""
    seen: list[int] = []

    def keep(_: Segment, step: Step) -> None:
        seen.append(step.number)

    assert captions.caption(noise(3), replace(FILLED, verify=4), keep).passes > 2
    assert seen == [1, 2]


def test_settled_tokens_keep_their_places(captions: Captioner) -> None:
    (window,) = captions.segments(noise(4))
    known = captions.decode(window, replace(FILLED, verify=200)).text
    moved = TimedTokens(known.ids, known.places + 0.25, known.confidence)
    found = captions.decode(window, replace(FILLED, verify=200, verify_lookahead=4), moved.as_draft(3, 5.0)).text
    np.testing.assert_array_equal(found.ids[:3], known.ids[:3])
    np.testing.assert_array_equal(found.places[:3], moved.places[:3])
    assert (np.diff(found.places) >= 0).all()


def test_words_after_a_pause_do_not_begin_before_it(captions: Captioner) -> None:
    """New tokens that the canvas places before `earliest` move there; final tokens keep their places."""
    (window,) = captions.segments(noise(4))
    schedule = replace(FILLED, verify=200)
    known = captions.decode(window, schedule).text
    settled, silent = 3, float(known.places[6]) + 0.5
    freely = captions.decode(window, schedule, known.as_draft(settled, 0.0)).text
    found = captions.decode(window, schedule, known.as_draft(settled, 0.0, silent)).text
    np.testing.assert_array_equal(found.ids, freely.ids)
    np.testing.assert_array_equal(found.places[:settled], known.places[:settled])
    np.testing.assert_array_equal(found.places[settled:], np.maximum(freely.places[settled:], silent))
    assert (found.places[settled:] > freely.places[settled:]).any()


def test_checked_words_stay_in_order_within_their_window(captions: Captioner) -> None:
    words = captions.caption(noise(4), replace(FILLED, verify=200)).words
    assert all(0 <= word.start_s <= word.end_s <= 4.0 for word in words)
    assert [word.start_s for word in words] == sorted(word.start_s for word in words)
    assert all(0 <= word.confidence <= 1 + 1e-5 for word in words)


def test_a_verify_graph_that_is_another(fp32_bundle: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(fp32_bundle, tmp_path / "bundle")
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    manifest["graphs"]["verify"] = "window.onnx"
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match=r"the verify graph takes .* instead of \['past_k', 'past_v', 'rows', "):
        Captioner(load_bundle(folder)).load()


def test_pieces_of_a_word_become_the_token_that_spells_it() -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("o", "x"), ("f", "ox")]
    tokenizer = byte_level({token: i for i, token in enumerate([*letters, "ox", "fox"])}, merges)
    f, o, x, space = (tokenizer.token_to_id(token) for token in ("f", "o", "x", "Ġ"))
    ids = np.array([space, f, o, x, space, o])
    written = TimedTokens(ids, np.array([1.0, 2, 3, 4, 7, 8]), np.array([0.9, 0.8, 0.3, 0.7, 0.6, 0.5], np.float32))
    found = respelled(written, tokenizer)
    assert [tokenizer.id_to_token(int(i)) for i in found.ids] == ["Ġ", "fox", "Ġ", "o"]
    np.testing.assert_array_equal(found.places, [1, 2, 7, 8])
    np.testing.assert_allclose(found.confidence, [0.9, 0.3, 0.6, 0.5])
    half = TimedTokens(np.array([tokenizer.token_to_id("Ã")]), np.ones(1), np.ones(1, np.float32))  # half of a letter
    assert respelled(half, tokenizer) is half
    nothing = TimedTokens(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float32))
    assert respelled(nothing, tokenizer) is nothing
