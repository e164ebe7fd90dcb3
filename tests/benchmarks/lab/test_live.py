"""The clocks and the stability of live captions, on events made by hand."""

import numpy as np
import pytest

from benchmarks.lab.live import final_delays, stability, word_delays
from benchmarks.lab.sessions import SpokenWord, speech_end_s
from unmask import Event, LiveCaptioner, Word
from unmask.benchmarks.scenarios.live_delays import Emitted, play


def said(text: str, at_s: float, stable: int, kind: str = "updated", segment: int = 1, begins_s: float = 0.0) -> Emitted:
    """Each word takes a second."""
    words = tuple(Word(word, begins_s + i, begins_s + i + 1.0, 0.9) for i, word in enumerate(text.split()))
    shown = " ".join(text.split()[:stable])
    event = Event(kind, segment, at_s, begins_s, at_s, shown, text[len(shown) :], words, stable)  # type: ignore[arg-type]
    return Emitted(at_s, 0.0, event)


STREAM = [
    said("", 0.5, 0, "segment_started"),
    said("we", 1.2, 0),
    said("we want", 2.2, 1),
    said("we went home", 3.3, 1),
    said("we went home", 3.9, 3, "segment_ended"),
]


def test_delays_count_from_the_end_of_the_word_to_when_it_read_right_and_when_it_was_stable() -> None:
    spoken = (SpokenWord("we", 0, 0.9), SpokenWord("went", 0.9, 1.9), SpokenWord("home", 2, 2.8))
    delays = word_delays(STREAM, spoken)
    assert [word.text for word, _, _ in delays] == ["we", "went", "home"]
    assert [(shown, settled) for _, shown, settled in delays] == [(1.2, 2.2), (3.3, 3.9), (3.3, 3.9)]


def test_words_that_the_transcript_lacks_are_left_out() -> None:
    spoken = (SpokenWord("we", 0, 0.9), SpokenWord("sent", 0.9, 1.9), SpokenWord("home", 2, 2.8))
    assert [word.text for word, _, _ in word_delays(STREAM, spoken)] == ["we", "home"]


def test_an_utterance_is_final_when_its_last_word_is_stable() -> None:
    later = [said("good bye", 9.0, 2, "segment_ended", segment=2, begins_s=6.0)]
    assert final_delays(STREAM + later, [3.0, 8.0]) == pytest.approx([0.9, 1.0])


def test_erasure_counts_words_taken_back_and_revision_final_words_that_read_otherwise() -> None:
    assert stability(STREAM) == (1, 1, 3)  # "want" was taken back
    vanished = [said("a b c d", 1, 0), said("a", 2, 1, "segment_ended")]
    assert stability(vanished) == (3, 0, 1)


def test_a_retraction_of_stable_text_is_an_error() -> None:
    with pytest.raises(AssertionError, match="retracted"):
        stability([said("we went", 1, 2), said("he went", 2, 2, "segment_ended")])


class Slow(LiveCaptioner):
    """Notes what it is fed, and takes half a second for everything on a clock of its own."""

    def __init__(self, clock: "Clock") -> None:
        self.fed, self._ticks = list[int](), clock

    def feed(self, samples: np.ndarray) -> list[Event]:
        self.fed.append(len(samples))
        self._ticks.now_s += 0.5
        return [said("a", 0, 0).event]

    def flush(self) -> list[Event]:
        return [said("a", 0, 1, "segment_ended").event]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_on_the_simulated_clock_a_slow_machine_gets_its_audio_late() -> None:
    clock = Clock()
    slow = Slow(clock)
    emitted, feeding_s = play(slow, np.zeros(16_000 * 2, np.float32), realtime=False, clock=clock)
    assert slow.fed[0] == 1600
    assert slow.fed[1:4] == [8000] * 3  # what came during half a second
    assert sum(slow.fed) == 32_000
    assert feeding_s == 0.5 * len(slow.fed)
    assert [e.at_s for e in emitted[:3]] == pytest.approx([0.6, 1.1, 1.6])
    assert max(e.backlog_s for e in emitted) == pytest.approx(0.5)


def test_blocks_come_when_their_last_sample_does() -> None:
    class Quick(Slow):
        def feed(self, samples: np.ndarray) -> list[Event]:
            self.fed.append(len(samples))
            return []

    quick = Quick(clock := Clock())
    emitted, _ = play(quick, np.zeros(16_000, np.float32), realtime=False, clock=clock, block_s=0.05)
    assert quick.fed == [800] * 20
    assert emitted[-1].at_s == pytest.approx(1.0)


def test_speech_ends_where_the_sound_does() -> None:
    samples = np.zeros(32_000, np.float32)
    samples[8000:16_000] = np.sin(np.arange(8000) / 5)
    samples[16_000:] = 1e-3 * np.sin(np.arange(16_000) / 5)  # 60 dB below
    assert speech_end_s(samples) == pytest.approx(1.0)
