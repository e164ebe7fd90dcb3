"""One table of calls and answers of the Python code that a port of the captioner to another language has to give again.

    python -m tests.apps.web.offline.vectors    # writes tests/data/captioner_vectors.json anew

A causal model is a list of the calls that `verify` made of it and what it answered; a port that asks for anything else is wrong.
Samples are stretches [seconds, amplitude], each sample its amplitude with the sign of its number: + if even, else -.
"""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask import load_bundle
from unmask.apps.cli.options import SHIPPED
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.speculative import VerifyStep, verify
from unmask.speech.endpointing import Endpointer, SpeechOptions
from unmask.speech.heard_times import heard_times
from unmask.speech.live import LiveCaptioner
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.split_audio import quiet_parts
from unmask.speech.spoken import drafted_after, most_tokens, spoken
from unmask.speech.stability import StabilityPolicy, agreements, stable_words
from unmask.speech.transcript import TranscriptReader, read_slots, rising
from unmask.speech.words import TimedTokens, Word, splice

TABLE = Path(__file__).parents[3] / "data" / "captioner_vectors.json"
Json = dict[str, Any]
Stretches = list[tuple[float, float]]
PLACE_S = 0.024
END, KINDS = 0, 6  # ids of the tiny causal models


@cache
def shipped_tokenizer() -> Tokenizer:
    return load_bundle(SHIPPED).tokenizer


def table() -> Json:
    """All vectors. The same on every machine."""
    parts = (checks, slots, places, spliced, written, times, cuts, speech, stable, lives)
    return rounded({part.__name__: list(part(random.Random(part.__name__))) for part in parts})


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


# ---- decoding


class Recorded:
    """A verifier whose answers are random, and the list of them."""

    def __init__(self, rng: random.Random, truth: list[int], error: float) -> None:
        self.rng, self.truth, self.error, self.calls = rng, truth, error, list[Json]()
        self.places = np.zeros(0, np.float32)

    def reset(self) -> None: ...

    def next_token_scores(self, ids: NDArray[np.int64], known: int) -> TopKScores:
        count = len(ids) + 1 - known
        best, second = [], []
        for at in range(known, len(ids) + 1):
            right = self.truth[at] if at < len(self.truth) else END
            best.append(self.rng.randrange(KINDS) if self.rng.random() < self.error and at + 1 < len(self.truth) else right)
            second.append((best[-1] + self.rng.randrange(1, KINDS)) % KINDS)
        sure = np.array([self.rng.choice([0.3, 0.45, 0.6, 0.9]) for _ in best], np.float32)
        rest = np.minimum(sure, np.float32(1) - sure) * np.float32(0.9)
        fresh = [2.0 * at + self.rng.random() for at in range(known, len(ids) + 1)]
        self.places = np.concatenate((self.places[:known], np.array(fresh, np.float32)))
        logits = np.log(np.stack([sure, rest], 1)).astype(np.float32)
        nothing = np.zeros(count, np.float32)
        scores = TopKScores(np.stack([best, second], 1), logits, nothing, nothing)
        probability = np.exp(logits - nothing[:, None]).tolist()
        self.calls.append(
            {
                "ids": ids.tolist(),
                "known": known,
                "rows": scores.ids.tolist(),
                "probability": probability,
                "places": self.places.tolist(),
            }
        )
        return scores


def checks(rng: random.Random) -> Iterator[Json]:
    for case in range(24):
        truth = [rng.randrange(1, KINDS) for _ in range(rng.randrange(14))]
        ids = [token for token in truth if rng.random() > 0.15 for token in ([token] * (1 + (rng.random() < 0.1)))]
        ids = [rng.randrange(KINDS) if rng.random() < 0.15 else token for token in ids]
        final = rng.randrange(len(ids) + 1) if case % 4 == 3 else 0
        ids[:final] = truth[:final] = [token or 1 for token in ids[:final]]
        at = [3.0 * (i + rng.random()) for i in range(len(ids))]
        sure = np.array([rng.random() for _ in ids], np.float32)
        draft = Draft(np.array(ids, np.int64), sure, np.array(at), final)
        options = {
            "accept": rng.choice([1.0, 0.5]),
            "ahead": rng.choice([None, 4]),
            "longest": rng.choice([None, None, final + 5]),
        }
        verifier = Recorded(rng, truth, 0.1 if case % 3 else 0.0)
        passes = rng.choice([3, 40])
        found = list(verify(draft, verifier, END, passes, **options))
        heard = Draft(np.array([t for t in truth if rng.random() < 0.5], np.int64), np.zeros(0, np.float32), np.zeros(0))
        heard = replace(heard, places=np.array(sorted(rng.random() * 40 for _ in heard.ids)))
        drafted = drafted_after(heard, draft, 3, 12.0)
        yield {
            "draft": as_json(draft), "passes": passes, "options": options, "calls": verifier.calls,
            "steps": list(map(step, found)),
            "heard": as_json(heard), "drafted": drafted.tolist(), "most": most_tokens(drafted),
            "spoken": list(map(step, spoken(iter(found), drafted, final))),
        }  # fmt: skip


def step(check: VerifyStep) -> Json:
    text = {"ids": check.text.ids.tolist(), "confidence": check.text.confidence.tolist()}
    return {"number": check.number, "agreed": check.agreed, **text, "done": check.done, "rows": check.rows}


def as_json(text: Draft | TimedTokens) -> Json:
    assert text.places is not None
    found = {"ids": text.ids.tolist(), "confidence": text.confidence.tolist(), "places": text.places.tolist()}
    if isinstance(text, Draft):
        found |= {"final": text.final, "trustedUntil": text.trusted_until if math.isfinite(text.trusted_until) else 1e9}
    return found


# ---- text


def slots(rng: random.Random) -> Iterator[Json]:
    for _ in range(8):
        ids = [rng.choice([9, 9, 1, 2, 3]) for _ in range(rng.randrange(20))]
        sure = np.array([rng.random() for _ in ids], np.float32)
        yield {"ids": ids, "sure": sure.tolist(), "draft": as_json(read_slots(np.array(ids, np.int64), sure, 9, 3))}


def places(rng: random.Random) -> Iterator[Json]:
    for count in range(12):
        heard = [round(rng.random() * 30, 2) if rng.random() < 0.4 else float(3 * i) for i in range(count)]
        yield {"heard": heard, "rising": rising(np.array(heard)).tolist()}


def timed(rng: random.Random, ids: list[int], first: float = 0.0, pace: float = 12.0) -> TimedTokens:
    at = np.cumsum([first, *(pace * rng.random() + 0.5 for _ in ids[1:])])[: len(ids)]
    return TimedTokens(np.array(ids, np.int64), at, np.array([0.3 + 0.7 * rng.random() for _ in ids], np.float32))


def spliced(rng: random.Random) -> Iterator[Json]:
    for _ in range(10):
        old, new = (timed(rng, [rng.randrange(50) for _ in range(rng.randrange(9))]) for _ in range(2))
        draft = old.as_draft(rng.randrange(len(old.ids) + 1), rng.choice([0.0, 20.0, 35.0, math.inf]))
        yield {"draft": as_json(draft), "heard": as_json(new), "text": as_json(splice(draft, new))}


def words_of(rng: random.Random) -> list[int]:
    """Tokens of the shipped captioner: words, some letters in bytes, and marks."""
    text = " ".join(
        rng.choice(["The", "jail", "inadequacy", "of", "naïve", "日本", "Mr.", "noticed,", "O'Neill", "B2"]) for _ in range(8)
    )
    ids = shipped_tokenizer().encode(text, add_special_tokens=False).ids
    return [token for token in ids if rng.random() > 0.1]


def written(rng: random.Random) -> Iterator[Json]:
    tokenizer = shipped_tokenizer()
    odd = [[], [1, 2], [tokenizer.token_to_id("<0xE6>"), tokenizer.token_to_id("<0x97>")], [tokenizer.token_to_id("\u2581")] * 3]
    for ids in [*odd, *(words_of(rng) for _ in range(8))]:
        text = timed(rng, ids)
        words = [[asdict(word), stop] for word, stop in spelled(text, tokenizer, 1.5, 4.0)]
        yield {"text": as_json(text), "decoded": tokenizer.decode(ids), "start_s": 1.5, "stop_s": 4.0, "words": words}


def spelled(text: TimedTokens, tokenizer: Any, start_s: float, stop_s: float) -> Iterator[tuple[Word, int]]:
    return Scripted.spelled(Scripted(random.Random(0)), text, start_s, stop_s)


# ---- sound


def sound(stretches: Stretches) -> NDArray[np.float32]:
    loud = np.concatenate([np.full(round(seconds * SAMPLE_RATE_HZ), amplitude, np.float32) for seconds, amplitude in stretches])
    loud[1::2] *= -1
    return loud


def stretches(rng: random.Random, seconds: float) -> Stretches:
    found: Stretches = []
    while sum(length for length, _ in found) < seconds:
        found.append((round(rng.uniform(0.04, 0.9), 2), rng.choice([0.0001, 0.3, 0.1, 0.00005])))
    return found


def times(rng: random.Random) -> Iterator[Json]:
    for _ in range(20):
        heard = stretches(rng, rng.uniform(0.5, 7))
        start_s, now, words = rng.choice([0.0, 3.25]), 0.0, list[Word]()
        stop_s = start_s + sum(length for length, _ in heard)
        while (now := now + rng.expovariate(3)) < stop_s - start_s - 0.1:
            begin = round(start_s + now, 3)
            words.append(Word("x" * rng.randrange(1, 10), begin, round(min(begin + 0.25, stop_s), 3), 0.9))
        found = [asdict(word) for word in heard_times(words, sound(heard), start_s)]
        yield {"words": [asdict(word) for word in words], "sound": heard, "start_s": start_s, "heard": found}


def cuts(rng: random.Random) -> Iterator[Json]:
    for longest_s in (2.0, 3.5):
        heard = stretches(rng, 9)
        parts = [[start, len(part)] for start, part in quiet_parts(iter([sound(heard)]), longest_s)]
        yield {"sound": heard, "longest_s": longest_s, "parts": parts}


def speech(rng: random.Random) -> Iterator[Json]:
    for _ in range(6):
        heard, sure = list[float](), 0.1
        while len(heard) < 120:
            sure = rng.choice([0.02, 0.3, 0.4, 0.6, 0.95])
            heard += [sure] * rng.randrange(1, 30)
        gate = Endpointer(SpeechOptions(), 0.032)
        yield {"probabilities": heard, "frame_s": 0.032, "changes": [gate.push(sure) for sure in heard]}


def stable(rng: random.Random) -> Iterator[Json]:
    for _ in range(12):
        before, now = ([rng.choice("ab") for _ in range(rng.randrange(7))] for _ in range(2))
        counts = [rng.randrange(1, 4) for _ in before]
        agreed = agreements(before, counts, now)
        words = [Word(letter, 0.3 * i, 0.3 * i + 0.2, rng.choice([0.4, 0.9])) for i, letter in enumerate(now)]
        settled = rng.randrange(len(now) + 1)
        found = stable_words(words, agreed, settled, 1.5, StabilityPolicy())
        yield {"before": before, "counts": counts, "now": now, "agreed": agreed, "settled": settled, "edge_s": 1.5,
               "words": [asdict(word) for word in words], "stable": found}  # fmt: skip


# ---- live captions over random texts


class Loud:
    """A detector that takes every loud frame for speech."""

    frame_samples = 512

    def reset(self) -> None: ...

    def __call__(self, frame: NDArray[np.float32]) -> float:
        return float(np.abs(frame).max() > 0.05)


class Scripted:
    """A captioner whose texts are random, and the list of what it was asked and what it answered."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.calls, self.reader = rng, list[Json](), self
        self.place_s = PLACE_S
        self.tokenizer = shipped_tokenizer()

    def encode(self, samples: NDArray[np.float32]) -> int:
        return len(samples)

    def decode(self, samples: int, schedule: None, draft: Draft) -> Any:
        assert draft.places is not None
        kept = TimedTokens(draft.ids, draft.places, draft.confidence)
        count = max(draft.final, len(draft.ids) - self.rng.randrange(3))
        more = timed(self.rng, words_of(self.rng)[: self.rng.randrange(5)], float(kept.places[:count].max(initial=0)) + 3)
        text = TimedTokens(
            *(np.concatenate([a[:count], b]) for a, b in zip(vars(kept).values(), vars(more).values(), strict=True))
        )
        self.calls.append({"samples": samples, "draft": as_json(draft), "text": as_json(text)})
        from unmask.speech.captioner import Decoded

        return Decoded(text, 1, 1)

    def spelled(self, text: TimedTokens, start_s: float, stop_s: float) -> Iterator[tuple[Word, int]]:
        from unmask.speech.captioner import Captioner

        return Captioner.spelled(self, text, start_s, stop_s)  # type: ignore[arg-type]

    def spans_s(self, at: NDArray[np.float64]) -> Any:
        return TranscriptReader.spans_s(self, at)  # type: ignore[arg-type]


def lives(rng: random.Random) -> Iterator[Json]:
    for seconds in (5, 21):
        heard = [(length, rng.choice([0.3, 0.3, 0.00001]) if length < 0.5 else 0.3) for length, _ in stretches(rng, seconds)]
        heard.insert(len(heard) // 2, (1.2, 0.00001))
        captioner, samples, events = Scripted(rng), sound(heard), list[Json]()
        live = LiveCaptioner(captioner, Loud(), clock=lambda: 0.0)  # type: ignore[arg-type]
        at, sizes = 0, list[int]()
        while at < len(samples):
            sizes.append(rng.choice([500, 1600, 1600, 4000]))
            events += map(event, live.feed(samples[at : at + sizes[-1]]))
            at += sizes[-1]
        events += map(event, [*live.drop(1.5), *live.feed(samples[:8000]), *live.flush()])
        yield {"sound": heard, "sizes": sizes, "dropped_s": 1.5, "after": 8000, "calls": captioner.calls, "events": events}


def event(one: Any) -> Json:
    names = ("event", "segment", "time_s", "start_s", "end_s", "stable", "tentative", "stable_words")
    return {name: getattr(one, name) for name in names} | {"ends_s": [word.end_s for word in one.words]}


if __name__ == "__main__":
    TABLE.write_text(json.dumps(table(), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
