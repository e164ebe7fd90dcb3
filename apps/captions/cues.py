"""Words with times become cues: which words stand together on the screen, and from when until when.

The words are parted where the whole costs least: at the ends of sentences and phrases, without words left over, in cues that can
be read in the time they have. Knows words and times. Knows no files and no formats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unmask.apps.captions.lines import break_lines, fits
from unmask.apps.captions.sentences import joint_cost
from unmask.speech.words import Word

LONGEST_S = 7.0
SHORTEST_S = 5 / 6
EASY = 13.0  # characters a second at which a cue is shown where nothing follows
COMFORTABLE = 17.0  # characters a second that most people can read
FASTEST = 20.0  # characters a second that are bearable
PAUSE_S = 0.8  # a longer pause should end a cue
LINGER_S = 1.5  # a cue stays at most this long after its last word, where nothing follows
FLICKER_S = 0.5  # a shorter gap between two cues is closed

CUE_COST = 0.5  # fewer cues are calmer
SENTENCE_COST = 0.7  # for each end of a sentence within a cue
PAUSE_COST = 6.0  # for a pause within a cue, and more for each second of it
FAST_COST = 0.6  # for each character a second above COMFORTABLE
TOO_FAST_COST = 2.0  # for each above FASTEST, in addition
SHORT_COST = 8.0  # shown for less than SHORTEST_S, and more for each second that lacks
ALONE_COST = 3.0  # one word; two cost half of it
FEW = 3  # words
TAIL_COST = 5.0  # a few words that end a sentence which began in the cue before
HEAD_COST = 2.0  # the same with more after them, or a few words that begin a sentence at the end of a cue
IMPOSSIBLE = 1e6  # too long, too many lines: only where a single word is


@dataclass(frozen=True)
class Cue:
    start_s: float
    end_s: float
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """The words of one cue, and when the next cue begins."""

    words: Sequence[Word]
    limit_s: float
    followed: bool  # or else the next one can begin no sooner than at the limit
    costs: Sequence[float]  # for each word, how badly a line ends after it


def cues(words: Sequence[Word], until_s: float = math.inf) -> list[Cue]:
    """Cues in order, without overlap, that contain every word; marks that stand far from all words are left out.

    words: with start times that do not decrease. until_s: when more words may come, at the earliest: no cue stays longer.
    """
    return [made(group) for group in grouped(words, until_s) if readable(group)]


def readable(group: Group) -> bool:
    """Whether there is a letter or a digit."""
    return any(letter.isalnum() for word in group.words for letter in word.text)


def made(group: Group) -> Cue:
    """The cue of a group."""
    words = group.words
    end_s = shown_until(words[0].start_s, words[-1].end_s, group.limit_s, length(words), group.followed)
    return Cue(words[0].start_s, end_s, break_lines([word.text for word in words], group.costs))


def length(words: Sequence[Word]) -> int:
    """Characters of words in one line."""
    return sum(len(word.text) + 1 for word in words) - 1


def shown_until(start_s: float, spoken_s: float, limit_s: float, characters: int, followed: bool = True) -> float:
    """When a cue ends: after its last word, later if it cannot be read by then, and at once with the next if that is near.

    spoken_s: end of its last word. limit_s: start of the next cue, or if it is not `followed`, when the next may begin at the
    earliest. It then ends long enough before that the gap cannot flicker, if there is time for it.
    """
    wanted_s = max(spoken_s, start_s + SHORTEST_S, min(start_s + characters / EASY, spoken_s + LINGER_S))
    if not followed:
        enough_s = max(spoken_s, start_s + SHORTEST_S, start_s + characters / COMFORTABLE)
        limit_s = limit_s - FLICKER_S if enough_s <= limit_s - FLICKER_S else max(limit_s, spoken_s)
    end_s = min(wanted_s, limit_s, start_s + LONGEST_S)
    if followed and limit_s - end_s < FLICKER_S and limit_s - start_s <= LONGEST_S:
        end_s = limit_s
    return max(end_s, start_s + 0.001)


def grouped(words: Sequence[Word], until_s: float = math.inf) -> list[Group]:
    """The words of each cue."""
    costs = [joint_cost(words, i) for i in range(len(words))]
    best, origin = [0.0], [0]
    for stop in range(1, len(words) + 1):
        limit_s = words[stop].start_s if stop < len(words) else until_s
        found = [(best[first] + cost, first) for first, cost in _costs(words, costs, stop, limit_s)]
        least, first = min(found)
        best.append(least)
        origin.append(first)
    groups, stop = list[Group](), len(words)
    while stop:
        first = origin[stop]
        limit_s = words[stop].start_s if stop < len(words) else until_s
        groups.append(Group(words[first:stop], limit_s, stop < len(words), costs[first:stop]))
        stop = first
    return groups[::-1]


def _costs(words: Sequence[Word], costs: Sequence[float], stop: int, limit_s: float) -> list[tuple[int, float]]:
    """For each word that the cue which ends before word `stop` may begin with: its index and the cost of that cue."""
    out, characters, inside = list[tuple[int, float]](), -1, costs[stop - 1]
    for first in range(stop - 1, -1, -1):
        characters += len(words[first].text) + 1
        if first < stop - 1:
            inside += _kept_together(words[first], words[first + 1], costs[first])
            if costs[first] == 0 < costs[stop - 1] and stop - 1 - first <= FEW:
                inside += HEAD_COST
            too_long = words[stop - 1].end_s - words[first].start_s > LONGEST_S
            if too_long or not fits(characters, [word.text for word in words[first:stop]]):
                if words[first].start_s < words[stop - 1].start_s:
                    break
                inside += IMPOSSIBLE  # words that all begin at one time have to stand together, whatever their number
        left_over = _left_over(costs[first:stop], within=first > 0 and costs[first - 1] > 0)
        out.append((first, inside + left_over + _cost(words[first], words[stop - 1], limit_s, characters)))
    return out


def _kept_together(word: Word, following: Word, cost: float) -> float:
    """What it costs that no cue ends between two words."""
    pause_s = following.start_s - word.end_s
    return SENTENCE_COST * (cost == 0) + (PAUSE_COST * (1 + pause_s - PAUSE_S) if pause_s > PAUSE_S else 0.0)


def _cost(first: Word, last: Word, limit_s: float, characters: int) -> float:
    """What it costs to read a cue in its time."""
    shown_s = shown_until(first.start_s, last.end_s, limit_s, characters) - first.start_s
    speed = characters / shown_s
    short_s = SHORTEST_S - shown_s
    return (
        CUE_COST
        + FAST_COST * max(0.0, speed - COMFORTABLE)
        + TOO_FAST_COST * max(0.0, min(speed, 100.0) - FASTEST)
        + (SHORT_COST * (1 + short_s) if short_s > 0.001 else 0.0)
        + (IMPOSSIBLE if limit_s <= first.start_s else 0.0)
    )


def _left_over(costs: Sequence[float], within: bool) -> float:
    """What it costs that a cue is of few words, or begins with the last few of a sentence.

    costs: of its words. within: it begins within a sentence.
    """
    alone = ALONE_COST / len(costs) if len(costs) <= FEW else 0.0
    if not within or 0 not in costs[:FEW]:
        return alone
    return alone + (TAIL_COST if len(costs) <= FEW else HEAD_COST)
