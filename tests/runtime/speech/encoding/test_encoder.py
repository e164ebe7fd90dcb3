"""Recordings become rows of a canvas, and a task that takes speech reads them in both modes."""

from pathlib import Path

import numpy as np
import pytest

from unmask import RunOptions, Schedule, Session, open_model
from unmask.decoding.schedule import Reference
from unmask.errors import AudioError, InputError
from unmask.speech.encoding.encoder import SpeechEncoder
from unmask.text.generator import Answer

BEGIN, END = 151684, 151685  # of speech, in the vocabulary of Omni-Diffusion


@pytest.fixture(scope="module")
def session(media: Path) -> Session:
    return open_model(media)


@pytest.fixture(scope="module")
def encoder(session: Session) -> SpeechEncoder:
    made = session.codecs.runner("speech", "reads")
    assert isinstance(made, SpeechEncoder)
    return made


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.1, samples).astype(np.float32)


@pytest.mark.parametrize(("samples", "rows"), [(400, 4 + 1), (400 + 5 * 160, 4 + 1), (400 + 6 * 160, 4 + 2), (16_000, 4 + 17)])
def test_four_rows_and_then_one_each_60_ms(encoder: SpeechEncoder, samples: int, rows: int) -> None:
    made = encoder.encode(noise(samples))
    assert made.shape == (rows, 16)
    assert made.dtype == np.float32
    assert np.isfinite(made).all()


def test_dither_is_drawn_only_when_a_seed_is_given(encoder: SpeechEncoder) -> None:
    sound = 0.01 * noise(8000)
    plain, again = encoder.encode(sound), encoder.encode(sound)
    first, same, other = (encoder.encode(sound, seed) for seed in (0, 0, 1))
    assert np.array_equal(plain, again)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, plain)


BAD = {
    "0.01 s": (noise(160), "the speech has 0.01 s of sound, less than one frame of 0.025 s"),
    "an hour": (np.zeros(3600 * 16_000, np.float32), "the speech has 3600 s of sound; the model reads 120 s at most: cut it"),
    "integers": (np.zeros((16_000,), np.int16).astype(np.float64).astype(np.float16)[:0], "a recording is one row of samples"),
    "not finite": (np.full(16_000, np.nan, np.float32), "values that are not finite numbers"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_question_is_told_in_one_line(encoder: SpeechEncoder, what: str) -> None:
    sound, message = BAD[what]
    with pytest.raises(AudioError, match=message) as raised:
        encoder.encode(sound)
    assert "\n" not in str(raised.value)


def test_a_recording_is_answered_with_text_in_both_modes(session: Session) -> None:
    sound = noise(16_000)
    assert session.generator is not None
    rows = session.codecs.encode({"speech": "speech"}, {"speech": sound})["speech"]
    canvas = session.generator.request("asr", {"speech": rows}).canvas
    begin, end = (int(np.flatnonzero(canvas.ids == mark)[0]) for mark in (BEGIN, END))
    assert canvas.rows is not None
    assert np.array_equal(canvas.rows.positions, np.arange(begin + 1, end))
    assert end - begin - 1 == 21  # of one second

    few = session.run("asr", {"speech": sound}, RunOptions(Schedule(passes=2, rule="quota"), length=6))
    assert isinstance(few, Answer)
    assert few.passes == 2
    assert all(code < BEGIN for code in few.ids)  # of text

    def published(seed: int) -> tuple[int, ...]:
        reference = Reference("dream", steps=2, algorithm="entropy", top_p=0.9, at_least_one=True, seed=seed)
        found = session.run("asr", {"speech": 0.001 * sound}, RunOptions(reference, length=6, reference=True))
        assert isinstance(found, Answer)
        assert found.passes == 2
        return found.ids

    assert published(1) == published(1)


def test_other_sound_gives_another_canvas(session: Session) -> None:
    options = RunOptions(Schedule(passes=1, rule="quota"), length=16)
    loud, quiet = (session.run("asr", {"speech": noise(16_000) * gain}, options) for gain in (1, 0.001))
    assert loud != quiet


def test_rows_and_codes_are_taken_as_they_are(session: Session) -> None:
    rows = noise(16 * 5).reshape(5, 16)
    given = session.codecs.encode({"speech": "speech"}, {"speech": rows})
    assert given["speech"] is rows
    assert session.codecs.encode({"speech": "speech"}, {"speech": [1, 2]})["speech"] == [1, 2]


def test_a_missing_encoder_is_named_with_the_command_that_adds_it(omni: Path) -> None:
    with pytest.raises(InputError, match=r"no codec that reads speech, .*`unmask export BUNDLE --sensevoice FOLDER` adds it"):
        open_model(omni).run("asr", {"speech": noise(16_000)})
