"""Captions of a transcript bundle: the decoder's own greedy text, whatever was drafted, with times inside the sound."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.bundle.manifest import load_bundle
from unmask.decoding.draft import Draft
from unmask.decoding.schedule import Schedule
from unmask.errors import AudioError
from unmask.session import open_model
from unmask.speech.captioner import Captioner
from unmask.speech.transcript import Segment, TranscriptReader, read_slots, rising
from unmask.speech.words import Phrase, starts_word

RATE = 16_000
MODELS = Path(__file__).parents[3] / "models"


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="module")
def captioner(fp32_bundle: Path) -> Captioner:
    return Captioner(load_bundle(fp32_bundle)).load()


@pytest.fixture(scope="module")
def reader(captioner: Captioner) -> TranscriptReader:
    return captioner.reader


def greedy(reader: TranscriptReader, segment: Segment, longest: int) -> list[int]:
    """The decoder's text, one token a pass, with everything read anew in each."""
    ids: list[int] = []
    while len(ids) < longest:
        segment.decoder.reset()
        best = int(segment.decoder.next_token_scores(np.array(ids, np.int64), 0).ids[-1, 0])
        if best == reader.transcript.end_id:
            break
        ids.append(best)
    return ids


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ahead", [None, 3, 16])
def test_text_is_the_decoders_own(reader: TranscriptReader, seed: int, ahead: int | None) -> None:
    segment = reader.encode(noise(1.5, seed))
    decoded = reader.decode(segment, Schedule(verify=256, verify_lookahead=ahead))
    longest = int(1.5 * reader.transcript.tokens_per_second) + 2
    assert decoded.text.ids.tolist() == greedy(reader, reader.encode(noise(1.5, seed)), longest)
    assert 1 <= decoded.passes <= len(decoded.text.ids) + 1
    assert decoded.rows >= decoded.passes
    assert len(decoded.text.places) == len(decoded.text.confidence) == len(decoded.text.ids)
    assert (np.diff(decoded.text.places) >= 0).all()
    assert ((decoded.text.places >= 0) & (decoded.text.places * reader.place_s <= 1.5)).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", [2.0, 12.0])
def test_listed_words_are_raised_and_the_text_is_the_raised_decoders_own(
    fp32_bundle: Path, reader: TranscriptReader, seed: int, weight: float
) -> None:
    words = (Phrase("the sea", weight), Phrase("Hat", weight))
    session = open_model(fp32_bundle, words=words)
    assert session.captioner is not None
    raised = session.captioner.reader
    segment = raised.encode(noise(1.5, seed))
    decoded = raised.decode(segment, Schedule(verify=256, verify_lookahead=4))
    longest = int(1.5 * raised.transcript.tokens_per_second) + 2
    assert decoded.text.ids.tolist() == greedy(raised, raised.encode(noise(1.5, seed)), longest)
    assert weight < 12 or decoded.text.ids.tolist() != reader.decode(reader.encode(noise(1.5, seed))).text.ids.tolist()


def test_a_captioner_expects_other_words_from_the_next_segment_on(fp32_bundle: Path) -> None:
    words, sound = (Phrase("the sea", 12.0), Phrase("Hat", 12.0)), noise(1.5)
    with_words, captioner = Captioner(load_bundle(fp32_bundle), words=words), Captioner(load_bundle(fp32_bundle))
    plain = captioner.caption(sound).text
    captioner.expect(words)
    assert captioner.caption(sound).text == with_words.caption(sound).text != plain
    captioner.expect(())
    assert captioner.caption(sound).text == plain
    with_words.expect(())
    assert with_words.caption(sound).text != plain


def test_a_captioner_beside_another_has_its_graphs_and_its_words_and_others(fp32_bundle: Path) -> None:
    first, second, sound = Phrase("the sea", 12.0), Phrase("Hat", 12.0), noise(1.5)
    both, one = (Captioner(load_bundle(fp32_bundle), words=words) for words in ((first, second), (first,)))
    other = one.beside((second,))
    assert other.engine is one.engine
    alone = one.caption(sound).text
    assert other.caption(sound).text == both.caption(sound).text
    assert one.caption(sound).text == alone


def test_words_are_spelled_as_they_are_written_after_a_space(captioner: Captioner) -> None:
    spelled = [
        [captioner.tokenizer.decode(ids) for ids, _ in Phrase(text).spelled(captioner.tokenizer)] for text in ("the hat", "At")
    ]
    assert spelled == [["the hat", "The hat"], ["At"]]
    first = next(Phrase("the").spelled(captioner.tokenizer))[0][0]
    assert starts_word(captioner.tokenizer.id_to_token(first))


def test_settled_tokens_stay_and_the_decoder_goes_on_from_them(reader: TranscriptReader) -> None:
    segment = reader.encode(noise(2))
    settled = np.array([260, 261, 262, 260], np.int64)
    draft = Draft(np.append(settled, 264), np.ones(5, np.float32), np.arange(5.0), final=4)
    text = reader.decode(segment, Schedule(verify=256), draft).text.ids
    assert text[:4].tolist() == settled.tolist()
    segment.decoder.reset()
    following = segment.decoder.next_token_scores(settled, 0).ids[-1, 0]
    assert len(text) == 4 if following == reader.transcript.end_id else text[4] == following


def test_slots_are_read_as_tokens() -> None:
    none = 9
    ids = np.array([9, 4, 4, 9, 4, 5, 5, 9, 9])
    sure = np.arange(9, dtype=np.float32) / 10
    draft = read_slots(ids, sure, none, 3)
    assert draft.ids.tolist() == [4, 4, 5]
    assert draft.places is not None
    assert draft.places.tolist() == [4.5, 13.5, 16.5]
    np.testing.assert_allclose(draft.confidence, [0.1, 0.4, 0.5])
    assert len(read_slots(np.full(4, none), sure[:4], none, 3).ids) == 0


def test_words_lie_in_the_recording_in_order(captioner: Captioner) -> None:
    caption = captioner.caption(noise(3))
    assert caption.words
    times = [(word.start_s, word.end_s) for word in caption.words]
    assert all(0 <= start <= end <= 3 for start, end in times)
    assert all(before[0] <= after[0] for before, after in pairwise(times))
    assert caption.text == " ".join(word.text for word in caption.words)


def test_a_token_is_said_from_its_place_on_until_shortly_before_the_next(reader: TranscriptReader) -> None:
    begins, ends = reader.spans_s(np.array([10.0, 20.0, 100.0]))
    assert begins == pytest.approx(np.array([10.0, 20.0, 100.0]) * reader.place_s)
    assert ends[0] == pytest.approx(19 * reader.place_s)
    assert ends[1:] - begins[1:] == pytest.approx(0.4)  # no token is said for longer


@given(st.lists(st.floats(0, 100), max_size=12))
def test_places_rise_and_stay_near(heard: list[float]) -> None:
    found = rising(np.array(heard))
    assert len(found) == len(heard)
    assert (np.diff(found) >= 0).all()
    assert (found >= 0).all()
    if heard == sorted(set(heard)):
        np.testing.assert_array_equal(found, heard)
    assert sum(found) == pytest.approx(sum(heard), abs=1e-6)


def test_one_place_that_was_heard_late_moves_few_others() -> None:
    found = rising(np.array([40.0, 2.0, 4.0, 60.0, 80.0]))
    assert found[3:].tolist() == [60.0, 80.0]
    assert found[:3].mean() == pytest.approx(46 / 3)
    assert (np.diff(found) > 0).all()


def test_too_long_a_segment_is_refused(reader: TranscriptReader) -> None:
    with pytest.raises(AudioError, match=r"31\.0 s exceed a segment of 30 s; cut it"):
        reader.encode(noise(31))


@pytest.mark.parametrize("samples", [1, 100, 2001])
def test_the_shortest_recordings_are_read(captioner: Captioner, samples: int) -> None:
    caption = captioner.caption(noise(1)[:samples])
    assert caption.tokens <= 3


def test_a_spent_budget_leaves_one_pass(reader: TranscriptReader) -> None:
    segment = reader.encode(noise(3))
    assert len(list(reader.checks(segment, Schedule(verify=256, budget_ms=1e-6)))) == 1
    assert len(list(reader.checks(segment, Schedule(verify=2)))) <= 2


def test_a_draft_can_be_taken_as_it_is(reader: TranscriptReader) -> None:
    segment = reader.encode(noise(2))
    decoded = reader.decode(segment, Schedule(verify=0))
    assert decoded.text.ids.tolist() == segment.draft.ids.tolist()
    assert segment.draft.places is not None
    assert decoded.text.places.tolist() == segment.draft.places.tolist()
    assert (decoded.passes, decoded.rows) == (1, 0)


def test_a_session_tells_each_pass_as_a_step(fp32_bundle: Path) -> None:
    session = open_model(fp32_bundle)
    steps = list(session.steps("caption", {"speech": noise(2)}))
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    committed = np.concatenate([step.committed for step in steps])
    assert committed.tolist() == list(range(len(committed)))
    assert session.captioner is not None
    answer = session.captioner.caption(noise(2))
    assert answer.passes == len(steps)
    assert session.captioner.tokenizer.decode(steps[-1].ids[: len(committed)].tolist()).split() == answer.text.split()


def test_a_bundle_without_its_window_does_not_caption(fp32_bundle: Path) -> None:
    bundle = load_bundle(fp32_bundle)
    graphs = {"context": bundle.manifest.graphs["context"]}
    with pytest.raises(Exception, match="a captioner needs window, which tiny lacks"):
        Captioner(replace(bundle, manifest=replace(bundle.manifest, graphs=graphs)))


def test_nothing_is_read_where_nothing_was_drafted(reader: TranscriptReader) -> None:
    segment = reader.encode(noise(2))
    none = np.zeros(0)
    silent = replace(segment, draft=Draft(none.astype(np.int64), none.astype(np.float32), none))
    decoded = reader.decode(silent)
    assert (len(decoded.text.ids), len(decoded.text.places), decoded.rows) == (0, 0, 0)
    (step,) = reader.steps(silent)
    assert (len(step.committed), step.masked) == (0, 0)
    known = Draft(np.array([260, 261], np.int64), np.ones(2, np.float32), np.array([4.0, 9.0]), final=2)
    assert reader.decode(silent, draft=known).text.ids.tolist() == [260, 261]


@pytest.mark.parametrize(
    "name", [path.parent.name for path in sorted(MODELS.glob("*/bundle.json")) if '"transcript": {' in path.read_text()]
)
def test_what_ships_writes_no_words_over_hiss_and_hum(name: str) -> None:
    captioner = Captioner(load_bundle(MODELS / name))
    hum = np.sin(2 * np.pi * 120 * np.arange(4 * RATE) / RATE).astype(np.float32)
    for sound in (noise(4), 0.01 * noise(4, 1), 0.001 * noise(4, 2), 0.1 * hum):
        assert captioner.caption(sound.astype(np.float32)).words == ()
