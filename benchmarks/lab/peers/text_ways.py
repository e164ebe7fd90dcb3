"""The measured side of `benchmarks.lab.peers.text`: a Dream bundle that answers one prompt in one of several ways.

Everything decodes greedily. Knows bundles of Dream's family. Knows no other system and no report.
"""

import atexit
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.lab.token_by_token import Written, causal, write_in_order
from unmask.benchmarks.measure.machine import peak_rss_mib
from unmask.benchmarks.scenarios.runner import Sample
from unmask.bundle.manifest import load_bundle
from unmask.decoding.schedule import Reference, Schedule
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.text.generator import Generator, Request

FAMILY, TASK = "dream", "chat"  # llama-diffusion-cli puts every prompt into the model's chat template
TRIMMED, SINGLE, EVERY = "own decoding", "token by token", "every row in every pass"


@dataclass(frozen=True)
class Question:
    """What every system is asked."""

    prompt: str
    length: int  # positions of the answer
    steps: int  # passes of the published decoding
    passes: tuple[int, ...] = ()  # in each block, of the own decoding by quota

    def __post_init__(self) -> None:
        for name, counts in (("steps", (self.steps,)), ("passes", self.passes)):
            wrong = [count for count in counts if not 1 <= count <= self.length]
            if wrong:
                raise InputError(f"{name} is {wrong[0]}; an answer of {self.length} positions takes 1 to {self.length} passes")


def ours(
    bundle: str, threads: int, question: dict[str, Any], way: str, passes: int | None = None
) -> Callable[[], dict[str, Any]]:
    """A target: a Dream bundle that writes in one way. passes: equally many positions in each, regardless of confidence."""
    found, options, asked = load_bundle(Path(bundle)), EngineOptions(threads=threads), Question(**question)
    folder = Path(mkdtemp(prefix="causal-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    generator = Generator(causal(found, folder) if way == SINGLE else found, options).load()
    request = generator.request(TASK, {"text": asked.prompt}, asked.length, reference=way == EVERY)
    schedule: Schedule | Reference | None = None
    if way == EVERY:
        schedule = Reference(FAMILY, asked.steps, "maskgit_plus", top_k=1)  # so llama-diffusion-cli is greedy
    elif passes:
        schedule = replace(found.schedule(TASK), rule="quota", passes=passes)

    def call() -> dict[str, Any]:
        began = time.perf_counter()
        done = write_in_order(generator, request) if way == SINGLE else fill(generator, request, schedule)
        seconds = time.perf_counter() - began
        tokens = generator.read(request, done.ids).tokens
        text = text_of(generator, done.ids[request.prompt :].tolist())
        return Sample(seconds, done.passes, done.rows, tokens, rss_mib=peak_rss_mib(), text=text).to_json()

    return call


def fill(generator: Generator, request: Request, schedule: Schedule | Reference | None = None) -> Written:
    """By a published decoding if the request is laid out for it, otherwise by a schedule; by default the bundle's own."""
    ids, passes, rows = request.canvas.ids, 0, 0
    for step in generator.steps(request, schedule):
        ids, passes, rows = step.ids, step.number, rows + step.rows
    return Written(ids, passes, rows)


def text_of(generator: Generator, ids: list[int]) -> str:
    """The whole answer, even after an end of text, as llama-diffusion-cli prints it: up to a NUL, where strings in C end."""
    text: str = generator.tokenizer.decode(ids)
    return text.partition("\0")[0].strip()
