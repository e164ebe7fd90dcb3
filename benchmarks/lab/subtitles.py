"""What a subtitle file is like: lengths, reading speed, gaps, words left over; and how many words are early or late.

    python -m benchmarks.lab.subtitles join DATA join.wav
    unmask caption --format srt --output file.srt join.wav
    unmask caption --format srt --output live.srt - < join.wav
    python -m benchmarks.lab.subtitles table file.srt live.srt
    unmask caption --format jsonl --output words.jsonl join.wav
    python -m benchmarks.lab.subtitles early DATA words.jsonl

`join` writes the sessions of `DATA/test/sessions.jsonl` one after the other, 13.9 minutes. `table` knows nothing of where a file
comes from. `early` counts the words of the transcript that begin before their utterance, whose place in the recording is known.
Bounds are those that streaming services set: 42 characters a line, 2 lines, 5/6 to 7 s, 17 or 20 characters a second, and
no gap between 0.083 and 0.5 s.
"""

import difflib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cyclopts
import numpy as np
import soundfile
import srt

from benchmarks.lab.sessions import joined, session_utterances
from unmask.apps.captions.sentences import CLOSING, OPENING, abbreviated, ends_sentence
from unmask.benchmarks.measure.word_errors import normalize
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.words import Word

EARLY_S = 0.25
app = cyclopts.App()


@app.command
def join(data: Path, output: Path) -> None:
    """Write the test sessions as one recording."""
    samples = np.concatenate([joined(utterances, gap) for _, utterances, gap in session_utterances(data)])
    soundfile.write(output, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
    print(f"{len(samples) / SAMPLE_RATE_HZ / 60:.1f} minutes")


@app.command
def table(*files: Path) -> None:
    """Print the figures of subtitle files, one column for each."""
    read = [figures(list(srt.parse(path.read_text(encoding="utf-8"), ignore_errors=False))) for path in files]
    print("| | " + " | ".join(path.stem for path in files) + " |\n|" + "---|" * (len(files) + 1))
    for name in read[0]:
        print(f"| {name} | " + " | ".join(one[name] for one in read) + " |")


@app.command
def early(data: Path, captions: Path) -> None:
    """Count matched words that begin before their utterance, or end long after it. captions: one object as JSON, of `join`."""
    words = json.loads(captions.read_text(encoding="utf-8"))["words"]
    truth, at_s = list[tuple[str, float, float]](), 0.0
    for _, utterances, gap in session_utterances(data):
        for one in utterances:
            stop_s = at_s + len(one.samples) / SAMPLE_RATE_HZ
            truth += [(normalize(word), at_s, stop_s) for word in one.text.split()]
            at_s = stop_s + len(gap) / SAMPLE_RATE_HZ
    pairs = difflib.SequenceMatcher(
        a=[normalize(word["text"]) for word in words], b=[word for word, _, _ in truth], autojunk=False
    ).get_matching_blocks()
    found = [(words[pair.a + i], truth[pair.b + i]) for pair in pairs for i in range(pair.size)]
    begun = np.array([start_s - word["start_s"] for word, (_, start_s, _) in found])
    ended = np.array([word["end_s"] - stop_s for word, (_, _, stop_s) in found])
    print(
        f"{len(found)} words matched; begin over {EARLY_S} s early: {(begun > EARLY_S).sum()} (most: {begun.max():.2f} s); ",
        end="",
    )
    print(f"end over {EARLY_S} s late: {(ended > EARLY_S).sum()} (most: {ended.max():.2f} s)")


def figures(cues: list[srt.Subtitle]) -> dict[str, str]:
    """Name of a figure -> how it is shown. Needs one cue at least."""
    texts = [cue.content.replace("\n", " ") for cue in cues]
    lines = [cue.content.split("\n") for cue in cues]
    seconds = np.array([(cue.end - cue.start).total_seconds() for cue in cues])
    speeds = np.array([len(text) for text in texts]) / seconds
    counts = np.array([len(text.split()) for text in texts])
    a_minute = counts / seconds * 60
    gaps = np.array([(after.start - before.end).total_seconds() for before, after in pairwise(cues)])
    ends = [*(ends_sentence(cut, 0) for cut in _joints(texts)), True]
    tails = [after and not before and count <= 2 for before, after, count in zip([True, *ends], ends, counts, strict=False)]

    def share(found: np.ndarray) -> str:
        return f"{100 * found.mean():.1f}"

    def many(*tests: Callable[[list[str]], bool]) -> str:
        return "; ".join(f"{sum(map(test, lines))}" for test in tests)

    return {
        "cues": f"{len(cues)}",
        "line over 42; over 2 lines": many(lambda some: max(map(len, some)) > 42, lambda some: len(some) > 2),
        "overlaps; over 7 s": f"{(gaps < 0).sum()}; {(seconds > 7.0005).sum()}",
        "under 1 s; under 5/6 s": f"{(seconds < 0.9995).sum()}; {(seconds < 5 / 6 - 0.001).sum()}",
        "shortest": f"{seconds.min():.2f} s",
        "over 15, 17, 20, 25 characters a second, %": ", ".join(share(speeds > bound + 0.05) for bound in (15, 17, 20, 25)),
        "most characters a second": f"{speeds.max():.1f}",
        "over 180 words a minute, % (median)": f"{share(a_minute > 180)} ({np.median(a_minute):.0f})",
        "one word; at most two": f"{(counts == 1).sum()}; {(counts <= 2).sum()}",
        "sentence tail of at most two words alone": f"{sum(map(bool, tails))}",
        "second line of one word": many(lambda some: len(some) == 2 and " " not in some[1]),
        "two lines that differ by over 20 characters": many(
            lambda some: len(some) == 2 and abs(len(some[0]) - len(some[1])) > 20
        ),
        "ends at an abbreviation": f"{sum(_parted(*cut) for cut in _joints(texts))}",
        "no letter or digit": f"{sum(not any(letter.isalnum() for letter in text) for text in texts)}",
        "gaps of 0; to 0.083 s": f"{(gaps < 0.0005).sum()}; {((gaps >= 0.0005) & (gaps <= 0.0835)).sum()}",
        "gaps of 0.083 to 0.5 s": f"{((gaps > 0.0835) & (gaps < 0.4995)).sum()} of {len(gaps)}",
    }


def _parted(last: Word, following: Word) -> bool:
    """Whether a cue ends with an abbreviation that ends no sentence."""
    text = last.text.rstrip(CLOSING)
    return text.endswith(".") and abbreviated(text, following.text.lstrip(OPENING)) and not ends_sentence([last, following], 0)


def _joints(texts: list[str]) -> list[tuple[Word, Word]]:
    """The last word of each cue and the first of the next."""
    return [(Word(one.split()[-1], 0, 0, 1), Word(two.split()[0], 0, 0, 1)) for one, two in pairwise(texts)]


if __name__ == "__main__":
    app()
