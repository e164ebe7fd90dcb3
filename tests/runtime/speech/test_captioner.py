"""Captions of whole recordings: silence, bad input, long recordings, repeatability, words and their times, canceling."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.bundle.manifest import load_bundle
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Schedule
from unmask.errors import AudioError, BundleError
from unmask.speech.captioner import Caption, Captioner, Segment
from unmask.speech.words import TimedTokens, Word

RATE = 16_000


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
    assert caption.audio_s == count / RATE
    assert caption.segments == 1
    assert (caption.passes <= caption.rows) or not caption.tokens
    assert any_captioner.caption(noise(count / RATE), Schedule(verify=1)).passes == 1


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
    assert 3 <= long_caption.passes <= long_caption.rows
    assert long_caption.text == " ".join(word.text for word in long_caption.words)
    assert long_caption.rows_per_token == long_caption.rows / long_caption.tokens


def test_times_rise_and_stay_within_the_recording(long_caption: Caption) -> None:
    words = long_caption.words
    assert len(words) >= 3
    assert all(word.start_s <= word.end_s for word in words)
    assert all(a.start_s <= b.start_s and a.end_s <= b.end_s for a, b in itertools.pairwise(words))
    assert words[0].start_s >= 0
    assert words[-1].end_s <= 50
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
    assert len(first[1]) == 3 * first[0].passes


def test_on_step_sees_every_pass_and_may_cancel(fp32: Captioner) -> None:
    seen: list[tuple[float, int]] = []

    def stop_at_second(window: Segment, step: Step) -> None:
        seen.append((window.audio_s, step.number))
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fp32.caption(noise(3), Schedule(verify=9, verify_lookahead=1), stop_at_second)
    assert seen == [(3.0, 1), (3.0, 2)]
    assert fp32.caption(noise(3)) == Captioner(fp32.bundle).caption(noise(3))


def test_segments_can_be_read_again(any_captioner: Captioner) -> None:
    """Nothing is remembered from the previous run, whatever its schedule."""
    segments = list(any_captioner.segments(noise(4)))
    first = any_captioner.read(segments, 4.0)
    any_captioner.read(segments, 4.0, Schedule(verify=1, verify_accept_ratio=0.0))
    assert any_captioner.read(segments, 4.0) == first == any_captioner.caption(noise(4))


def test_bundle_that_does_not_caption(backbones: dict[str, Path]) -> None:
    with pytest.raises(BundleError, match=r"'dream' does not caption; `unmask generate` runs"):
        Captioner(load_bundle(backbones["dream"]))


# ---- words


def spelled(captioner: Captioner, pieces: list[str], places: list[float], confidence: list[float]) -> list[Word]:
    ids = np.array([captioner.tokenizer.token_to_id(piece) for piece in pieces])
    return captioner.spell(TimedTokens(ids, np.array(places), np.array(confidence, np.float32)), 10.0, 14.0)


def test_words_start_at_the_space(fp32: Captioner) -> None:
    found = spelled(fp32, ["\u2581the", "s", "e", "\u2581a", "t"], [10, 14, 16, 50, 60], [0.9, 0.8, 0.95, 0.7, 0.9])
    assert [word.text for word in found] == ["these", "at"]
    assert [word.confidence for word in found] == pytest.approx([0.8, 0.7])
    (first, second), state_s = found, 384 / RATE
    assert first.start_s == pytest.approx(10 + 10 * state_s, abs=1e-3)
    assert first.end_s == pytest.approx(10 + 16 * state_s + 0.4, abs=1e-3)  # no token is said for longer
    assert second.start_s == pytest.approx(10 + 50 * state_s, abs=1e-3)


def test_text_before_the_first_space_is_a_word(fp32: Captioner) -> None:
    assert [word.text for word in spelled(fp32, ["t", "h", "\u2581a"], [1, 2, 3], [1, 1, 1])] == ["th", "a"]


def test_a_space_alone_is_no_word(fp32: Captioner) -> None:
    assert [word.text for word in spelled(fp32, ["\u2581", "\u2581a", "\u2581"], [1, 2, 3], [1, 1, 1])] == ["a"]


def test_letters_of_several_bytes(fp32: Captioner) -> None:
    assert [word.text for word in spelled(fp32, ["\u2581a", "<0xC3>", "<0xA9>"], [1, 2, 3], [1, 1, 1])] == ["a\u00e9"]


def test_integer_samples_are_not_taken_for_floats(fp32: Captioner) -> None:
    with pytest.raises(AudioError, match="samples are int16"):
        fp32.caption(np.ones(16000, dtype=np.int16))  # type: ignore[arg-type]
