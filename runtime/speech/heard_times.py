"""Times of words, moved out of silence: no word begins before its sound, and none lasts through the pause after it.

A model may write a word and know its place only roughly. Where the recording is silent, nothing was said, so a word that begins
there gets its place from the sound around it.
Pure functions on NumPy arrays. Knows samples and words. Knows no model and no clock.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.words import Word

FRAME_S = 0.02
SILENCE_S = 0.26  # a shorter silence may lie within a word: the closure of a plosive
CLICK_S = 0.06  # a shorter sound within silence is none of speech
ABOVE_FLOOR_DB = 6.0
BELOW_SPEECH_DB = 35.0
CLEAR_DB = 12.0  # speech that is less above the quietest moments leaves silence that cannot be told from it
FAINTEST_DB = -90.0
NEAR_S = 0.5  # a word that begins this close to the end of a silence was heard at that end
LETTERS_A_SECOND = 15.0  # of usual speech
MOVED_COST = 0.2  # for each second that a word is moved, against seconds of unusual speech

Spans = list[tuple[float, float]]  # half-open, in seconds, in order


def heard_times(words: Sequence[Word], samples: NDArray[np.float32], start_s: float = 0.0) -> list[Word]:
    """The same words with times inside sound, in order, none before the word before it.

    words: with times in the recording that do not decrease. samples: (N,) float32 at 16 kHz in which they were heard; start_s:
    their place in the recording. Words keep their times where silence cannot be told from speech.
    """
    if not words:
        return []
    stop_s = start_s + len(samples) / SAMPLE_RATE_HZ
    quiet = silences(words, samples, start_s)
    starts = [word.start_s for word in words]
    edges = [(start_s, start_s), *quiet, (stop_s, stop_s)]
    for before, silence, after in zip(edges, quiet, edges[2:], strict=False):
        _leave(silence, before[1], after[0], starts, [len(word.text) for word in words])
    out = list[Word]()
    for word, begin_s, following_s in zip(words, starts, [*starts[1:], stop_s], strict=True):
        end_s = word.end_s if begin_s == word.start_s else max(word.end_s, following_s)
        silent_s = next((first_s for first_s, _ in quiet if first_s > begin_s), stop_s)
        end_s = max(begin_s, min(end_s, silent_s, max(following_s, begin_s + FRAME_S)))
        out.append(replace(word, start_s=round(begin_s, 3), end_s=round(end_s, 3)))
    return out


def _leave(silence: tuple[float, float], first_s: float, last_s: float, starts: list[float], letters: Sequence[int]) -> None:
    """Move the words that begin in a silence to the sound before it, heard from `first_s`, or after it, until `last_s`."""
    quiet_s, loud_s = silence
    inside = [i for i, start_s in enumerate(starts) if quiet_s <= start_s < loud_s]
    if not inside or (first_s >= quiet_s and loud_s >= last_s):
        return
    first, stop = inside[0], inside[-1] + 1
    spoken = first - 1 if first and starts[first - 1] >= first_s else first  # the last word before the silence, if there is one
    begin_s = starts[spoken] if spoken < first else first_s

    def misfit(cut: int) -> float:
        """How far usual speech is from so much text before the silence and so much after it, and how far words move."""
        end_s = min(starts[stop], last_s) if stop < len(starts) else last_s
        before_s, after_s = sum(letters[spoken:cut]) / LETTERS_A_SECOND, sum(letters[cut:stop]) / LETTERS_A_SECOND
        moved_s = sum(min(starts[i] - quiet_s if i < cut else loud_s - starts[i], 1.0) for i in inside)
        return abs(quiet_s - begin_s - before_s) + max(0.0, after_s - (end_s - loud_s)) + MOVED_COST * moved_s

    near = next((i for i in inside if loud_s - starts[i] <= NEAR_S), stop)
    if loud_s >= last_s:
        cut = stop
    elif first_s >= quiet_s:
        cut = first
    else:
        cut = min(range(first, near + 1), key=misfit)
    starts[spoken:cut] = _shared(begin_s, quiet_s, letters[spoken:cut])
    while stop < len(starts) and starts[stop] < last_s and starts[stop] - loud_s < sum(letters[cut:stop]) / LETTERS_A_SECOND / 2:
        stop += 1  # the words after these have come too early as well
    end_s = min(starts[stop], last_s) if stop < len(starts) else last_s
    starts[cut:stop] = _shared(loud_s, max(end_s, loud_s), letters[cut:stop])


def _shared(first_s: float, last_s: float, letters: Sequence[int]) -> list[float]:
    """Starts of words that share a stretch of time in proportion to their letters."""
    before = np.concatenate([[0.0], np.cumsum(letters, dtype=np.float64)])
    return (first_s + (last_s - first_s) * before[:-1] / max(before[-1], 1.0)).tolist() if len(letters) else []


def silences(words: Sequence[Word], samples: NDArray[np.float32], start_s: float) -> Spans:
    """Where nothing is heard for at least SILENCE_S, in seconds of the recording."""
    levels = frame_levels(samples)
    if not len(levels):
        return []
    places = np.clip([((w.start_s - start_s) / FRAME_S, (w.end_s - start_s) / FRAME_S) for w in words], 0, len(levels) - 1)
    speech = np.percentile([levels[int(a) : int(b) + 1].max() for a, b in places], 75)  # most words are in their places
    floor = np.percentile(levels, 10)
    if speech - floor < CLEAR_DB:
        return []
    sound = levels > max(floor + ABOVE_FLOOR_DB, speech - BELOW_SPEECH_DB)
    for value, least_s in ((True, CLICK_S), (False, SILENCE_S)):
        for first, stop in _runs(sound, value):
            if (stop - first) * FRAME_S < least_s:
                sound[first:stop] = not value
    return [(start_s + first * FRAME_S, start_s + stop * FRAME_S) for first, stop in _runs(sound, value=False)]


def frame_levels(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) samples -> (N // 320,): mean power of each 20 ms in dB of full scale."""
    size = round(FRAME_S * SAMPLE_RATE_HZ)
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    return np.asarray(np.maximum(10 * np.log10((frames**2).mean(1) + 1e-12), FAINTEST_DB))


def _runs(sound: NDArray[np.bool_], value: bool) -> list[tuple[int, int]]:
    """Half-open ranges of frames that are `value`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([not value], sound, [not value])) == value))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
