"""Codes to sound: whole and in parts, in bounded memory, and what cannot be said. The graphs of the small random codec run."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine, GraphRun
from unmask.errors import BundleError, InputError
from unmask.session import open_model
from unmask.speech.synthesis.chance import SeededChance
from unmask.speech.synthesis.codec import SpeechWriter, faded
from unmask.speech.synthesis.flow import FlowOptions
from unmask.speech.synthesis.frames import Pieces, frames_of

CODES = np.random.default_rng(5).integers(0, 16384, 130).tolist()


@pytest.fixture(scope="module")
def bundle(media: Path) -> Bundle:
    return load_bundle(media)


def writer(bundle: Bundle, runs: list[GraphRun] | None = None, **options: object) -> SpeechWriter:
    observe = None if runs is None else runs.append
    return SpeechWriter(Engine(bundle, observe=observe), bundle.manifest.codecs["glm-voice"], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2, 30, 130])
def test_sound_is_as_long_as_its_codes_whole_and_in_parts(bundle: Bundle, count: int) -> None:
    samples = frames_of(count, 12.5) * 256
    whole, parts = writer(bundle).decode(CODES[:count]), [*writer(bundle).stream(CODES[:count])]
    assert whole.shape == (samples,)
    assert whole.dtype == np.float32
    assert np.abs(whole).max() <= 0.99
    assert sum(part.size for part in parts) == samples
    assert np.cumsum([part.size for part in parts]).tolist() == writer(bundle).ends(count)
    assert len(parts) == (3 if count == 130 else 1)


def test_the_same_codes_have_the_same_sound(bundle: Bundle) -> None:
    made = writer(bundle)
    np.testing.assert_array_equal(made.decode(CODES[:20]), made.decode(CODES[:20]))
    assert not np.array_equal(made.decode(CODES[:20]), made.decode(CODES[1:21]))
    assert not np.array_equal(made.decode(CODES[:20]), made.decode(CODES[:20], SeededChance(8, 9)))


def test_the_first_part_waits_for_its_own_codes_only(bundle: Bundle) -> None:
    runs: list[GraphRun] = []
    parts = writer(bundle, runs).stream(CODES)
    assert not runs
    assert next(parts).size > 0
    assert {run.feeds["codes"].size for run in runs if run.role == "flow_encoder"} == {30}


def test_a_part_goes_on_from_the_frames_before_it(bundle: Bundle) -> None:
    """They are given to the estimator as known, and are those that the vocoder got; what is heard does not change later."""
    runs: list[GraphRun] = []

    def observe(run: GraphRun) -> None:
        runs.append(dataclasses.replace(run, feeds={name: value.copy() for name, value in run.feeds.items()}))

    made = SpeechWriter(Engine(bundle, observe=observe), bundle.manifest.codecs["glm-voice"])
    for _ in made.stream(CODES):
        pass
    first, second = (next(i for i, run in enumerate(runs) if run.role == role) for role in ("pitch", "vocoder"))
    spoken = runs[first].feeds["mel"][0]
    later = [run.feeds["known"][0] for run in runs[second:] if run.role == "flow_estimator"]
    np.testing.assert_array_equal(later[0][:, : spoken.shape[1]], spoken)
    assert not later[0][:, spoken.shape[1] :].any()


def test_a_long_answer_takes_no_more_memory_than_a_piece(bundle: Bundle) -> None:
    """1,500 codes, two minutes: no graph sees more than a piece and its context."""
    runs: list[GraphRun] = []
    made = writer(bundle, runs, options=FlowOptions(steps=1, guidance=0))
    codes = (CODES * 12)[:1500]
    assert made.decode(codes).size == frames_of(1500, 12.5) * 256
    pieces = Pieces()
    most = frames_of(int(pieces.longest + pieces.first / 2) + pieces.context + 10, 12.5) + 1
    assert max(run.feeds["mel"].shape[-1] for run in runs if run.role == "flow_estimator") <= most
    assert max(run.feeds["mel"].shape[-1] for run in runs if run.role == "vocoder") <= most


@pytest.mark.parametrize("guidance", [0.0, 0.7])
def test_guidance_is_what_runs_the_second_velocity(bundle: Bundle, guidance: float) -> None:
    runs: list[GraphRun] = []
    writer(bundle, runs, options=FlowOptions(steps=4, guidance=guidance)).decode([1, 2, 3])
    shapes = [run.feeds["mel"].shape[0] for run in runs if run.role == "flow_estimator"]
    assert shapes == [2 if guidance else 1] * 4


def test_times_are_those_of_the_cosine() -> None:
    times = FlowOptions().times()
    np.testing.assert_allclose(times, [1 - np.cos(np.pi / 2 * i / 10) for i in range(11)], atol=1e-6)


def test_frames_fade_into_each_other_and_keep_their_level() -> None:
    old, new = np.full((2, 30), 5, np.float32), np.full((2, 40), 5, np.float32)
    np.testing.assert_allclose(faded(old, new), 5, rtol=1e-6)
    rising = faded(np.zeros((1, 30), np.float32), np.ones((1, 40), np.float32))[0]
    assert (np.diff(rising) >= 0).all()
    assert rising[0] < 0.01
    assert rising[30:].tolist() == [1] * 10
    np.testing.assert_array_equal(faded(old[:, :0], new), new)


@pytest.mark.parametrize(
    ("codes", "reason"), [([], "no speech codes"), ([1, 16384], "16384 is outside 0..16383"), ([-1], "-1 is")]
)
def test_what_cannot_be_said_is_told(bundle: Bundle, codes: list[int], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        writer(bundle).decode(codes)
    with pytest.raises(InputError, match=reason):
        next(writer(bundle).stream(codes))


def test_a_record_without_its_numbers_is_named(bundle: Bundle) -> None:
    codec = dataclasses.replace(bundle.manifest.codecs["glm-voice"], settings={"codes": 16384.0})
    with pytest.raises(BundleError, match="lacks the setting 'codes_per_second'"):
        SpeechWriter(Engine(bundle), codec)


def test_a_session_gives_sound(media: Path) -> None:
    answer = open_model(media).run("tts", {"text": "hello"})
    codes = answer.codes["speech"]  # type: ignore[union-attr]
    assert answer.media["speech"].size == frames_of(len(codes), 12.5) * 256  # type: ignore[union-attr]


def test_without_the_codec_a_session_gives_codes(omni: Path) -> None:
    session = open_model(omni)
    assert session.run("tts", {"text": "hello"}).media == {}  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"no codec that writes speech, .*`unmask export BUNDLE --glm-voice FOLDER` adds it"):
        session.codecs.runner("speech", "writes")
