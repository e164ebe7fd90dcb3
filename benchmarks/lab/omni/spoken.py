"""omni-tiny's speech, heard by others: its codec, the task t2s in few passes to token by token, and pictures of spoken requests.

    python -m benchmarks.lab.omni.spoken BUNDLE --codec SPEECH --sentences 60 --whisper WHISPER

Word errors are counted over held-out sentences of more than four words. --whisper adds a second listener (package
faster-whisper). All ways of t2s say one sentence before the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import cyclopts
import numpy as np
import soxr
from numpy.typing import NDArray

from benchmarks.lab.omni.arrows import SINGLE, single
from benchmarks.lab.program import run
from unmask.apps.cli.options import SHIPPED
from unmask.apps.modalities.heard import in_words_of
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.measure.statistics import bootstrap_rate
from unmask.benchmarks.measure.word_errors import WER_PERCENT, word_errors
from unmask.engines.engine_options import EngineOptions
from unmask.session import RunOptions, Session, open_model
from unmask.speech.sample_rate import SAMPLE_RATE_HZ as HEARD_HZ
from unmask.speech.synthesis.frames import SAMPLE_RATE_HZ
from unmask.text.generator import Answer
from unmask.training.codecs.speech import Said, load_speech
from unmask.training.omni.spoken import Listener
from unmask.training.stickers.exam import held_out_cases
from unmask.training.stickers.pictures import read
from unmask.training.stickers.scores import right_facts
from unmask.training.synthesize import open_voice

SHORT = 4  # words: fewer are hard to hear without a sentence around them
Sound = tuple[NDArray[np.float32], int]
Hear = Callable[[Sound], str]


@dataclass(frozen=True)
class SpokenOptions:
    codec: Path
    """Folder of the speech codec, as `unmask.training.codecs.speech` writes it."""
    parts: tuple[Literal["codec", "t2s", "requests"], ...] = ("codec", "t2s", "requests")
    sentences: int = 60
    scenes: int = 40
    """Of the spoken requests."""
    passes: tuple[int, ...] = (1, 2, 4, 8, 16)
    voices: tuple[str, ...] = ("flite:slt", "flite:rms", "espeak:en-us", "espeak:en-gb+f3", "hibari")
    """Of the spoken requests, as `unmask.training.synthesize` names them."""
    whisper: Path | None = None
    """Folder of a Whisper in CTranslate2's format."""
    threads: int = 1


@dataclass
class Errors:
    """Word errors of each sentence, and what it cost."""

    wrong: list[float] = field(default_factory=list)
    words: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)

    def add(self, text: str, heard: str) -> None:
        wrong, words = word_errors(text, heard)
        self.wrong.append(wrong)
        self.words.append(words)

    def __str__(self) -> str:
        rate, spread = bootstrap_rate(np.array(self.wrong), np.array(self.words))
        return f"{100 * rate:.1f} ({100 * spread.low:.1f} to {100 * spread.high:.1f})"


def main(bundle: Path, /, *, options: Annotated[SpokenOptions, cyclopts.Parameter(name="*")]) -> None:
    session, held = open_model(bundle, EngineOptions(threads=options.threads)), load_speech(options.codec).held
    chosen = [i for i, text in enumerate(held.texts) if len(text.split()) > SHORT][: options.sentences]
    said = Said([held.texts[i] for i in chosen], [held.codes[i] for i in chosen])
    hearers: dict[str, Hear] = {"captioner": captioner(options)}
    if options.whisper:
        hearers["Whisper"] = whisper(options.whisper, options.threads)
    print(describe_machine(), f"{options.threads} threads, {len(chosen)} held-out sentences\n", sep="\n")
    if "codec" in options.parts:
        print_codec(said, hearers, options)
    if "t2s" in options.parts:
        print_t2s(session, said, hearers, options)
    if "requests" in options.parts:
        print_requests(session, hearers["captioner"], options)


def captioner(options: SpokenOptions) -> Hear:
    listener = open_model(SHIPPED, EngineOptions(threads=options.threads)).captioner
    assert listener is not None
    return lambda sound: listener.caption(soxr.resample(*sound, HEARD_HZ)).text


def whisper(folder: Path, threads: int) -> Hear:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
    return lambda sound: " ".join(part.text for part in model.transcribe(soxr.resample(*sound, HEARD_HZ), language="en")[0])


def table(title: str, rows: dict[str, dict[str, Errors]], timed: bool = False) -> None:
    hearers = list(next(iter(rows.values())))
    print(f"\n{title} | " + " | ".join(f"{name}, {WER_PERCENT}" for name in hearers) + (" | ms | p90 |" if timed else " |"))
    print("|---" * (1 + len(hearers) + 2 * timed) + "|")
    for name, errors in rows.items():
        ms = np.percentile(errors[hearers[0]].ms, [50, 90]) if timed else []
        print("| " + " | ".join([name, *map(str, errors.values()), *(f"{value:.0f}" for value in ms)]) + " |", flush=True)


def print_codec(said: Said, hearers: dict[str, Hear], options: SpokenOptions) -> None:
    """The codes of the voice itself, and the voice before it was coded."""
    voice = open_voice("hibari")
    ways: dict[str, Callable[[int], Sound]] = {"hibari as it is": lambda i: voice(said.texts[i], 1.0)}
    for form in ("fp32", "int8"):
        listener = Listener(options.codec, SHIPPED, form)
        ways[f"codes, {form}"] = lambda i, made=listener: (made.samples(said.codes[i]), SAMPLE_RATE_HZ)  # type: ignore[misc]
    rows = {way: {name: Errors() for name in hearers} for way in ways}
    for i, text in enumerate(said.texts):
        for way, make in ways.items():
            sound = make(i)
            for name, hear in hearers.items():
                rows[way][name].add(text, hear(sound))
    table("| codec", rows)


def print_t2s(session: Session, said: Said, hearers: dict[str, Hear], options: SpokenOptions) -> None:
    own = session.task("t2s").schedule

    def filled(passes: int) -> Callable[[str], Answer]:
        schedule = RunOptions(replace(own, passes=passes))
        return lambda text: session.run("t2s", {"text": text}, schedule)  # type: ignore[return-value]

    ways = {f"{passes} passes": filled(passes) for passes in options.passes}
    ways[SINGLE] = lambda text: single(session, "t2s", {"text": text})
    rows = {way: {name: Errors() for name in hearers} for way in ways}
    right: dict[str, list[float]] = {way: [] for way in ways}
    ways["1 passes"](said.texts[0])  # opens the graphs
    for text, codes in zip(said.texts, said.codes, strict=True):
        for way, say in ways.items():
            began = perf_counter()
            answer = say(text)
            ms = 1000 * (perf_counter() - began)
            right[way].append(float(np.mean(np.array(answer.codes["speech"]) == codes)))
            for name, hear in hearers.items():
                rows[way][name].ms.append(ms)
                rows[way][name].add(text, hear((answer.media["speech"], SAMPLE_RATE_HZ)))
    table("| t2s", rows, timed=True)
    print("\nCodes that are the voice's own, %:", ", ".join(f"{100 * np.mean(own):.1f} {way}" for way, own in right.items()))


def print_requests(session: Session, hear: Hear, options: SpokenOptions) -> None:
    """Held-out descriptions, typed and in voices, to pictures; no part of the model was trained with a voice but hibari's."""
    cases = held_out_cases(options.scenes, 1)
    print("\n| request | words heard wrong, % | in words of the model, % | facts right, % |", "|---|---|---|---|", sep="\n")
    for voice in ("typed", *options.voices):
        say, facts = None if voice == "typed" else open_voice(voice), list[float]()
        raw, known = Errors(), Errors()
        for case in cases:
            heard = case.text if say is None else hear(say(case.text, 1.0))
            text = in_words_of(session.bundle, heard) if say else heard
            raw.add(case.text, heard)
            known.add(case.text, text)
            answer = session.run("t2i", {"text": text})
            assert isinstance(answer, Answer)
            facts.append(right_facts(case.scene, read(answer.media["image"])))
        rate, spread = bootstrap_rate(np.array(facts), np.ones(len(facts)))
        right = f"{100 * rate:.1f} ({100 * spread.low:.1f} to {100 * spread.high:.1f})"
        print(f"| {voice} | {raw} | {known} | {right} |", flush=True)


if __name__ == "__main__":
    run(main)
