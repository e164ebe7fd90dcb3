"""How well a bundle understands requests: typed and spoken, beside the nearest training request and decoding token by token.

    python -m benchmarks.lab.ui.score --bundle models/ui-tiny --speak 120

Requests are those written by hand (`written`) and, as `drawn`, those of the grammar in phrasings and with names that training
never sees. A request counts when the panel after it is as asked: kinds and depths of components, labels, order, ranges, values,
icons, and styles that mean something. --speak has so many of them said by voices, through the shipped captioner: its text as it
ships, and its draft alone, which is filled in one pass over the encoder's rows. Writes a Markdown table to stdout and, with
--out, every request and answer as JSON.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cyclopts
import numpy as np
import soxr

from benchmarks.lab.program import run
from benchmarks.lab.ui.written import Wanted, written
from unmask import Captioner, Schedule, load_bundle
from unmask.apps.ui.catalog import basic
from unmask.apps.ui.filler import Filler
from unmask.apps.ui.hearing import expected
from unmask.apps.ui.surface import Outcome, Panel, read
from unmask.apps.ui.words import places_of, spoken, words_of
from unmask.benchmarks.measure.statistics import bootstrap_rate
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.synthesize import open_voice
from unmask.training.ui.exam import facts, same
from unmask.training.ui.grammar.examples import draw

TOKEN_BY_TOKEN = Schedule(passes=1, rule="quota", block=1)
DRAFT = Schedule()  # of a captioner: no pass checks what was drafted
Answer = Callable[[str, Panel | None], tuple[Outcome, int, int, float]]
"""(text, panel) -> outcome, passes, rows, seconds."""


@cyclopts.Parameter(name="*")
@dataclass(frozen=True)
class ScoreOptions:
    bundle: Path = Path("models/ui-tiny")
    captioner: Path = Path("models/moonshine-tiny-en")
    drawn: int = 300
    """Requests of the grammar."""
    speak: int = 0
    """Requests that are said, half of them written by hand."""
    voices: tuple[str, ...] = ("hibari", "flite:slt", "flite:rms", "espeak:en-us")
    examples: int = 20_000
    """Training requests, of which the nearest one answers."""
    slow: int = 60
    """Requests of each kind that are also decoded token by token, evenly from all."""
    out: Path | None = None
    seed: int = 7


def main(options: ScoreOptions = ScoreOptions()) -> None:
    rng = np.random.default_rng(options.seed)
    filler = Filler(load_bundle(options.bundle)).load()
    sets = {"written": written(), "drawn": [of_grammar(rng) for _ in range(options.drawn)]}
    ships, slow, nearest = fills(filler, None), fills(filler, TOKEN_BY_TOKEN), Nearest(options.examples)
    results = []
    for name, requests in sets.items():
        some = requests[:: max(1, len(requests) // options.slow)][: options.slow] if options.slow else []
        results += [record(name, "as it ships", wanted, wanted.text, ships) for wanted in requests]
        results += [record(name, "nearest training request", wanted, wanted.text, nearest) for wanted in requests]
        for wanted in some:  # in turns: what slows the one slows the other
            results.append(record(name, "as it ships, of some", wanted, wanted.text, ships))
            results.append(record(name, "token by token, of the same", wanted, wanted.text, slow))
    if options.speak:
        half = options.speak // 2
        said = [*sets["written"][:: max(1, len(sets["written"]) // half)][:half], *sets["drawn"][: options.speak - half]]
        texts, drafts = zip(*hear(said, options), strict=True)
        spoken_ones = [record("spoken", "as it ships", w, text, ships) for w, text in zip(said, texts, strict=True)]
        results += spoken_ones
        results += [record("spoken", "from the draft", w, text, ships) for w, text in zip(said, drafts, strict=True)]
    print(table(results))
    if options.speak:
        right = [bool(each["right"]) for each in spoken_ones]
        print_voices(options.voices, right, *(list(map(whole, said, heard)) for heard in (texts, drafts)))
    if options.out:
        options.out.write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")


def of_grammar(rng: np.random.Generator) -> Wanted:
    example = draw(rng, held=True)
    return Wanted(example.text, example.panel, read(example.filled, example.words, example.panel), example.task.split(" ")[0])


def fills(filler: Filler, schedule: Schedule | None) -> Answer:
    catalog = basic()

    def answer(text: str, panel: Panel | None) -> tuple[Outcome, int, int, float]:
        words = words_of(text)
        steps = list(filler.steps(words, panel, catalog, schedule))
        cost = len(steps), sum(step.rows for _, step in steps), sum(step.seconds for _, step in steps)
        return read(steps[-1][0], words, panel), *cost

    return answer


class Nearest:
    """Answers as the training request with the most words in common, by cosine of word counts that weigh rare words more."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(11)
        self._examples = [draw(rng) for _ in range(count)]
        self._words = [Counter(word.text for word in example.words) for example in self._examples]
        found = Counter(word for own in self._words for word in own)
        self._weight = {word: np.log(count / n) for word, n in found.items()}
        self._length = [self._size(own) for own in self._words]

    def _size(self, words: Counter[str]) -> float:
        return float(np.sqrt(sum((n * self._weight.get(word, 0)) ** 2 for word, n in words.items()))) or 1.0

    def __call__(self, text: str, panel: Panel | None) -> tuple[Outcome, int, int, float]:
        words = words_of(text)
        own = Counter(word.text for word in words)
        shared = [sum(n * own[w] * self._weight[w] ** 2 for w, n in each.items() if w in own) for each in self._words]
        best = int(np.argmax([dot / size for dot, size in zip(shared, self._length, strict=True)]))
        return read(self._examples[best].filled, words, panel), 0, 0, 0.0


def hear(requests: Sequence[Wanted], options: ScoreOptions) -> list[tuple[str, str]]:
    """What the captioner hears when voices say the requests, and its draft of each."""
    captioner = Captioner(load_bundle(options.captioner)).load()
    voices = [open_voice(name) for name in options.voices]
    found = []
    for i, wanted in enumerate(requests):
        samples, rate = voices[i % len(voices)](aloud(wanted.text), 1.0)
        captioner.expect(expected(wanted.panel))
        segments = list(captioner.segments(soxr.resample(samples, rate, SAMPLE_RATE_HZ).astype(np.float32)))
        text, draft = (captioner.read(segments, len(samples) / rate, schedule).text for schedule in (None, DRAFT))
        found.append((text, draft))
    return found


def aloud(text: str) -> str:
    """The text with its numbers in words, which voices say in one way."""
    return re.sub(r"-?\d+(\.\d+)?", lambda m: spoken(float(m[0])), text)


def whole(wanted: Wanted, heard: str) -> bool:
    """Whether all labels and numbers that a request says were heard as they were said: if not, no panel can be right."""

    ours, theirs = words_of(wanted.text), words_of(heard)
    said, found = ([word.text for word in words] for words in (ours, theirs))
    labels = [[word.text for word in words_of(row.label)] for row in (wanted.outcome.panel.rows if wanted.outcome.panel else ())]
    numbers = [[word.number for word in words if word.number is not None] for words in (ours, theirs)]
    return numbers[0] == numbers[1] and all(places_of(label, found) for label in labels if places_of(label, said))


def print_voices(voices: Sequence[str], *shares: Sequence[bool]) -> None:
    """shares: whether each panel is right, and whether all that it needs was heard, in the text and in the draft."""
    print("\n| voice | n | right | all labels and numbers heard | in the draft |\n|---|---:|---:|---:|---:|")
    for i, voice in enumerate((*voices, "all")):
        own = [each if voice == "all" else each[i :: len(voices)] for each in shares]
        name = voice.replace(voice[voice.find(":") : voice.rfind(":")], "")  # without the folder of Kokoro's
        print(f"| {name} | {len(own[0])} | " + " | ".join(f"{100 * np.mean(part):.0f} %" for part in own) + " |")


def record(name: str, way: str, wanted: Wanted, text: str, answer: Answer) -> dict[str, object]:
    outcome, passes, rows, seconds = answer(text, wanted.panel) if words_of(text) else (Outcome("", None), 0, 0, 0.0)
    asked, found = facts(wanted.outcome.panel), facts(outcome.panel)
    asked["kind", wanted.outcome.kind] += 1
    found["kind", outcome.kind] += 1
    return {
        "set": name,
        "way": way,
        "task": wanted.task if wanted.task in ("new", "edit") else "other",
        "text": text,
        "meant": wanted.text,
        "right": same(wanted.outcome, outcome),
        "facts": sum((asked & found).values()),
        "of": max(sum(asked.values()), sum(found.values())),
        "kind": outcome.kind,
        "passes": passes,
        "rows": rows,
        "seconds": seconds,
        "missing": [list(fact) for fact in (asked - found)],
        "wrong": [list(fact) for fact in (found - asked)],
    }


def table(results: Sequence[dict[str, object]]) -> str:
    lines = ["| requests | way | n | right (95 %) | new | edits | others | facts | passes | rows |", "|---|---|" + "---:|" * 8]
    for name, way in dict.fromkeys((r["set"], r["way"]) for r in results):
        own = [r for r in results if (r["set"], r["way"]) == (name, way)]
        right = np.array([bool(r["right"]) for r in own], float)
        rate, interval = bootstrap_rate(right, np.ones(len(own)))
        kinds = [np.mean([bool(r["right"]) for r in own if r["task"] == task] or [0]) for task in ("new", "edit", "other")]
        share = sum(int(str(r["facts"])) for r in own) / sum(int(str(r["of"])) for r in own)
        cost = [f"{np.median([int(str(r[key])) for r in own]):.0f}" for key in ("passes", "rows")]
        shown = f"{100 * rate:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"
        cells = [shown, *(f"{100 * k:.0f} %" for k in kinds), f"{100 * share:.0f} %", *cost]
        lines.append(f"| {name} | {way} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
