"""Captions of whole recordings: silence, bad input, long recordings, repeatability, words and their times, canceling."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.bundle.manifest import Bundle, load_bundle
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Schedule
from unmask.errors import AudioError, BundleError
from unmask.speech.captioner import Caption, Captioner, Segment
from unmask.speech.words import Word

RATE, SLOT_S, TAIL_S, MASK = 16_000, 0.16, 1.0, 257


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="module")
def fp32(fp32_bundle: Path) -> Captioner:
    return Captioner(load_bundle(fp32_bundle)).load()


@pytest.fixture(scope="module", params=["fp32", "int8"])
def any_captioner(request: pytest.FixtureRequest) -> Captioner:
    return Captioner(load_bundle(request.getfixturevalue(f"{request.param}_bundle")))


@pytest.fixture(scope="module")
def long_recording() -> NDArray[np.float32]:
    """50 s of audio, quiet around 15 and 31 s."""
    samples = noise(50)
    for quiet_s in (15, 31):
        samples[quiet_s * RATE : (quiet_s + 1) * RATE] *= 1e-3
    return samples


@pytest.fixture(scope="module")
def long_caption(fp32: Captioner, long_recording: NDArray[np.float32]) -> Caption:
    return fp32.caption(long_recording)


def filled(tokenizer: Tokenizer, slots: list[str | None], confidence: list[float] | None = None, masks: str = "") -> Step:
    """A step whose slots hold these byte tokens. None: blank. In `masks`, an x marks a slot that is still masked."""
    guess = np.array([0 if token is None else tokenizer.token_to_id(token) for token in slots])
    hidden = np.array([mark == "x" for mark in masks.ljust(len(slots))])
    sure = np.array(confidence or [1.0] * len(slots), dtype=np.float32)
    return Step(1, np.arange(len(slots)), np.where(hidden, MASK, guess), guess, sure, int(hidden.sum()), len(slots), 0.1)


# ---- recordings


@pytest.mark.parametrize("samples", [np.zeros(3 * RATE, np.float32), np.full(45 * RATE, 5e-5, np.float32)])
def test_silence_is_an_empty_caption(fp32: Captioner, samples: NDArray[np.float32]) -> None:
    assert fp32.caption(samples) == Caption("", (), len(samples) / RATE, segments=0, passes=0, rows=0, tokens=0)
    assert fp32.caption(samples).rows_per_token is None


def test_silent_windows_are_left_out(fp32: Captioner) -> None:
    samples = np.concatenate([np.zeros(30 * RATE, np.float32), noise(2)])
    (window,) = fp32.segments(samples)
    assert 20 <= window.start_s <= 30
    assert window.start_s + window.audio_s == 32.0


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), r"one row of samples; this one has the shape \(0,\)"),
        (np.zeros((2, 100), np.float32), r"shape \(2, 100\)"),
        (np.float32(0.5).reshape(()), r"shape \(\)"),
        (np.array([0.1, np.nan], np.float32), "not finite"),
        (np.array([np.inf, 0.1], np.float32), "not finite"),
    ],
)
def test_unusable_recordings(fp32: Captioner, samples: NDArray[np.float32], message: str) -> None:
    with pytest.raises(AudioError, match=message):
        fp32.caption(samples)


@pytest.mark.parametrize("count", [1, 159, 2560, 2561, 40_000])
def test_any_length(any_captioner: Captioner, count: int) -> None:
    caption = any_captioner.caption(noise(count / RATE))
    slots = -(-(count + RATE) // 2560)
    assert caption.audio_s == count / RATE
    assert caption.segments == 1
    assert 1 <= caption.passes <= 1 + any_captioner.bundle.schedule("caption").verify
    filled = any_captioner.caption(noise(count / RATE), Schedule(passes=2, rule="quota"))
    assert (filled.passes, filled.rows) == (2, 2 * slots)


def test_the_longest_window_fits_the_encoder(fp32: Captioner) -> None:
    assert len(fp32.encode(noise(28.9)).canvas.ids) == 187  # of 187.5 slots in 30 s


@pytest.mark.parametrize("seconds", [29.0, 31.0])
def test_window_too_long_for_the_encoder(fp32: Captioner, seconds: float) -> None:
    """Including the second of silence after it."""
    with pytest.raises(AudioError, match="30"):
        fp32.encode(noise(seconds))


def test_canvas_covers_the_tail(fp32: Captioner) -> None:
    window = fp32.encode(noise(2.0), start_s=7.0)
    assert (window.start_s, window.audio_s) == (7.0, 2.0)
    assert len(window.canvas.ids) == 19  # 3 s in slots of 160 ms
    assert (window.canvas.ids == MASK).all()
    assert [span.allowed for span in window.canvas.spans] == [((0, 257),)]


def test_long_recordings_come_in_windows(fp32: Captioner, long_recording: NDArray[np.float32]) -> None:
    windows = list(fp32.segments(long_recording))
    assert [round(window.start_s, 1) for window in windows[:3]] == pytest.approx([0, 15.5, 31.5], abs=0.5)
    assert all(window.audio_s <= 20 for window in windows)
    for before, after in itertools.pairwise(windows):
        assert before.start_s + before.audio_s == pytest.approx(after.start_s)
    assert windows[-1].start_s + windows[-1].audio_s == 50


def test_long_caption_adds_up(long_caption: Caption) -> None:
    assert long_caption.audio_s == 50.0
    assert long_caption.segments == 3
    assert 3 <= long_caption.passes <= 3 * (1 + 64)
    assert long_caption.text == " ".join(word.text for word in long_caption.words)
    assert long_caption.rows_per_token == long_caption.rows / long_caption.tokens


def test_times_rise_and_stay_within_the_recording(long_caption: Caption) -> None:
    words = long_caption.words
    assert len(words) >= 3
    assert all(word.start_s < word.end_s for word in words)
    assert all(a.start_s <= b.start_s and a.end_s <= b.end_s for a, b in itertools.pairwise(words))
    assert words[0].start_s >= 0
    assert words[-1].end_s <= 50 + TAIL_S + SLOT_S
    assert all(0 < word.confidence <= 1 + 1e-5 for word in words)


def test_words_of_neighboring_windows_do_not_overlap(long_caption: Caption) -> None:
    words = long_caption.words
    assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(words))


def test_same_bytes_twice(any_captioner: Captioner) -> None:
    def trace() -> tuple[Caption, list[bytes]]:
        seen: list[bytes] = []

        def keep(_: Segment, step: Step) -> None:
            seen.extend([step.ids.tobytes(), step.tentative.tobytes(), step.confidence.tobytes()])

        return any_captioner.caption(noise(6), on_step=keep), seen

    first, second = trace(), trace()
    assert first == second
    assert len(first[1]) == 3  # one pass fills the canvas; the verifier's passes are no steps


def test_schedule_given_by_the_caller(fp32: Captioner) -> None:
    assert fp32.caption(noise(2), Schedule(passes=1)).passes == 1
    assert fp32.caption(noise(2), Schedule(passes=5, rule="quota")).passes == 5


def test_on_step_sees_every_pass_and_may_cancel(fp32: Captioner) -> None:
    seen: list[tuple[float, int]] = []

    def stop_at_second(window: Segment, step: Step) -> None:
        seen.append((window.audio_s, step.number))
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fp32.caption(noise(3), Schedule(passes=4, rule="quota"), stop_at_second)
    assert seen == [(3.0, 1), (3.0, 2)]
    assert fp32.caption(noise(3)) == Captioner(fp32.bundle).caption(noise(3))


# ---- the verifier


def test_checks_are_bounded_by_count_and_time(fp32: Captioner) -> None:
    window = fp32.encode(noise(3))
    *_, step = fp32.reader.fill(window, Schedule(passes=1, rule="quota"))
    draft = fp32.reader.heard(step)
    assert len(list(fp32.reader.checks(window, draft.as_draft(), Schedule(verify=0)))) == 0
    assert 1 <= len(list(fp32.reader.checks(window, draft.as_draft(), Schedule(verify=3)))) <= 3
    assert not list(fp32.reader.checks(window, draft.as_draft(), Schedule(verify=3, budget_ms=1e-6)))
    assert not list(fp32.reader.checks(window, draft.as_draft(), Schedule(verify=3, budget_ms=50), began=0.0))


def test_captions_are_what_the_checks_end_on(fp32: Captioner) -> None:
    schedule = Schedule(passes=1, rule="quota", verify=5)
    (window,) = fp32.segments(noise(3))
    *_, step = fp32.reader.fill(window, schedule)
    draft = fp32.reader.heard(step)
    *_, check = fp32.reader.checks(window, draft.as_draft(), schedule)
    assert fp32.caption(noise(3), schedule).words == tuple(fp32.spell(fp32.reader.placed(window, draft, check.text), stop_s=3.0))


@pytest.mark.parametrize("ahead", [1, 4, 32])
def test_reading_less_far_ahead_ends_on_the_same_words(fp32: Captioner, ahead: int) -> None:
    windows, schedule = list(fp32.segments(noise(4))), Schedule(passes=2, rule="quota", verify=200)
    whole, part = (fp32.read(windows, 4.0, replace(schedule, verify_lookahead=n)) for n in (None, ahead))
    assert [(w.text, w.start_s, w.end_s) for w in part.words] == [(w.text, w.start_s, w.end_s) for w in whole.words]


def test_a_bundle_without_a_verifier_captions(fp32: Captioner) -> None:
    bundle = Bundle(fp32.bundle.folder, replace(fp32.bundle.manifest, verifier=None))
    plain = Captioner(bundle).caption(noise(3))
    assert plain == fp32.caption(noise(3), replace(fp32.bundle.schedule("caption"), verify=0))


# ---- bundles


def test_a_verifier_without_its_graph(fp32: Captioner) -> None:
    graphs = {role: name for role, name in fp32.bundle.manifest.graphs.items() if role != "verify"}
    with pytest.raises(BundleError, match="no verify graph"):
        Captioner(Bundle(fp32.bundle.folder, replace(fp32.bundle.manifest, graphs=graphs)))


def test_bundle_that_does_not_caption(fp32: Captioner, backbones: dict[str, Path]) -> None:
    manifest = fp32.bundle.manifest
    for other in (
        load_bundle(backbones["dream"]).manifest,
        replace(manifest, timeline=None),
        replace(manifest, vocabulary=replace(manifest.vocabulary, blank_id=None)),
    ):
        with pytest.raises(BundleError, match=f"{other.family}.* does not caption; `unmask generate` runs"):
            Captioner(Bundle(fp32.bundle.folder, other))


# ---- words


@pytest.mark.parametrize(
    ("ids", "slots"),
    [
        ([0, 5, 0, 6], [1, 3]),
        ([5, 5, 5, 6], [0, 3]),
        ([5, 0, 5, 6], [0, 2, 3]),
        ([MASK, 5, MASK, 5], [1, 3]),
        ([0, 0, MASK, 0], []),
    ],
)
def test_kept_drops_blanks_masks_and_repeats(fp32: Captioner, ids: list[int], slots: list[int]) -> None:
    assert fp32.reader.kept(np.array(ids)).tolist() == slots


def test_words_start_at_the_space(fp32: Captioner, tokenizer: Tokenizer) -> None:
    slots = [None, "Ġ", "h", "i", "i", None, "Ġ", "y", "o", None, "u", None]
    confidence = [0.1, 0.9, 0.8, 0.95, 0.1, 0.1, 0.7, 0.9, 0.6, 0.1, 0.99, 0.1]
    found = fp32.spell(fp32.reader.heard(filled(tokenizer, slots, confidence)), start_s=10.0)
    assert [(word.text, word.start_s, word.end_s) for word in found] == [("hi", 10.16, 10.64), ("you", 10.96, 11.76)]
    assert [word.confidence for word in found] == pytest.approx([0.8, 0.6])


def test_text_before_the_first_space_is_a_word(fp32: Captioner, tokenizer: Tokenizer) -> None:
    found = fp32.spell(fp32.reader.heard(filled(tokenizer, ["n", "o", "Ġ", "a"])))
    assert found == [Word("no", 0.0, 0.32, 1.0), Word("a", 0.32, 0.64, 1.0)]


def test_a_space_alone_is_no_word(fp32: Captioner, tokenizer: Tokenizer) -> None:
    assert [word.text for word in fp32.spell(fp32.reader.heard(filled(tokenizer, ["Ġ", None, "Ġ", "a", "Ġ"])))] == ["a"]


def test_letters_of_several_bytes(fp32: Captioner, tokenizer: Tokenizer) -> None:
    step = filled(tokenizer, ["Ġ", "Ã", "©", "t", "Ã", None, "©"])
    assert [word.text for word in fp32.spell(fp32.reader.heard(step))] == ["été"]


def test_guesses_only_when_tentative(fp32: Captioner, tokenizer: Tokenizer) -> None:
    step = filled(tokenizer, ["Ġ", "a", "b", "Ġ", "c"], masks="  xxx")
    assert [word.text for word in fp32.spell(fp32.reader.heard(step))] == ["a"]
    assert [word.text for word in fp32.spell(fp32.reader.heard(step, tentative=True))] == ["ab", "c"]


def test_integer_samples_are_not_taken_for_floats(fp32: Captioner) -> None:
    with pytest.raises(AudioError, match="samples are int16"):
        fp32.caption(np.ones(16000, dtype=np.int16))  # type: ignore[arg-type]
